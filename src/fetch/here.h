/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A search on the node itself, in the same container or service as the recorder that it must not disturb: it gets little
 * memory, and fails by itself before the control group has none for the recorder; it has the processor and the disk only
 * while nobody else wants them, and a part of a quota that both share. For the thread that does the work; limits hold for
 * the whole process, and do not end.
 */

#include <stdatomic.h>
#include <stdint.h>

#include "base/error.h"

#define HERE_MEMORY_DEFAULT (UINT64_C(32) << 20)
#define HERE_MEMORY_MIN     (UINT64_C(8) << 20)

struct here {
	double cpus; /* that may be used on average; 0: all */
	/* Since when, and how much was used until then, of what is not made up for by waiting yet. */
	uint64_t since_ns, used_ns;
	const atomic_bool *cancel;
};

/*
 * Before any thread is started, whose priority is its maker's. memory_bytes: in, what was asked for (--memory), or 0; out,
 * what may be used. *cancel becomes true when waiting is to end. ERROR_TRANSIENT (exit status 69): the control group has
 * too little memory left; ERROR_USAGE: what was asked for is below HERE_MEMORY_MIN. Where the kernel refuses a lower
 * priority, the search goes on without.
 */
int here_begin(struct here *here, uint64_t *memory_bytes, const atomic_bool *cancel,
	       struct error *err) __attribute__((warn_unused_result));
/* Between pieces of work, the shorter the better: wait as long as the quota demands. */
void here_pause(struct here *here);

/* Parts of it, pure. */

/* How much may be used if so much was asked for (or 0), and there is so much room. Errors as above. */
int here_choose_memory(uint64_t asked, uint64_t room, uint64_t *ret_bytes, struct error *err)
	__attribute__((warn_unused_result));
/* How long to wait, for so much processor time in so long to be what so many processors use. */
uint64_t here_wait_ns(double cpus, uint64_t used_ns, uint64_t elapsed_ns);
