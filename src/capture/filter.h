/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The capture filter of one configuration, as programs for the kernel: one for each type of link, shared by all
 * interfaces that have it. Each is compiled once, by a thread of its own, because many hosts take seconds and a
 * name takes as long as name servers please. Whoever cannot wait for that thread leaves it behind: it keeps what
 * it uses. Any thread.
 */

#include <pcap/pcap.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"

/* In place of a type of link: is the text a filter for any of them? There is no program then. */
#define FILTER_TEXT_ONLY (-1)

struct filter;

/* Keeps a reference to conf. */
struct filter *filter_new(const struct conf *conf);
struct filter *filter_ref(struct filter *filter);
struct filter *filter_free(struct filter *filter);

/*
 * The program for the link type (DLT_) of this interface, waiting wait_ms at most; it lives as long as the filter.
 * 1: not compiled yet. ERROR_CONFIG or ERROR_USAGE: not a filter, not for this type of link, or it takes too long.
 * ERROR_TRANSIENT: a name in it cannot be looked up; the next call after a second tries again.
 */
int filter_get(struct filter *filter, const char *interface, int dlt, uint64_t wait_ms,
	       const struct bpf_program **ret_program, struct error *err)
	__attribute__((warn_unused_result));
