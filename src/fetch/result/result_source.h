/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What a result says of an interface. Plain values, whose texts are the caller's. */

#include <stdbool.h>
#include <stdint.h>

/* Where packets are from. */
struct result_source {
	const char *node, *interface;
	const char *folder; /* of the bucket */
	const char *filter; /* what was recorded; "": everything */
	uint16_t link_type; /* LINKTYPE_ value */
	bool is_nano;       /* its times count nanoseconds, not microseconds */
};

/* What is known of a source at the end. */
struct result_statistics {
	uint64_t start_ns, end_ns; /* covered; 0: not known */
	uint64_t drops;
	const char *comment; /* NULL or "": none */
};
