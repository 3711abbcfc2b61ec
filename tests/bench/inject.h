/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Packets at rates that no sender on the same machine reaches: the kernel hands them to an interface as if that
 * had received them, in a loop of its own (BPF_PROG_TEST_RUN with BPF_F_TEST_XDP_LIVE_FRAMES,
 * Documentation/bpf/bpf_prog_run.rst; Linux 5.18). They all are of one length, and differ in the bytes that
 * captures of headers show. Needs root.
 */

#include <stdint.h>

#include "base/error.h"
#include "trace.h"

/* So many bytes of a packet are its own; the rest is that of the first one. */
#define INJECT_OWN_BYTES 96

/*
 * Hand the trace's packets to the interface, so many in all, at this rate (0: as fast as it goes), beginning anew
 * at its end. Blocks until all are through the network stack, or a signal comes. Puts out how many were.
 */
int inject(const struct trace *trace, unsigned interface, uint64_t rate, uint64_t count,
	   uint64_t *ret_injected, struct error *err) __attribute__((warn_unused_result));
