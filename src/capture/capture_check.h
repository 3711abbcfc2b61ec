/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What can be found wrong before anything is captured; in capture.c. */

#include "base/error.h"
#include "capture/filter.h"
#include "conf/conf.h"

/* Check that the interface can be captured with these options, by opening and closing it. */
int capture_check(const struct conf *conf, struct filter *filter, const char *interface,
		  unsigned index, struct error *err) __attribute__((warn_unused_result));
/* May this process capture at all? ERROR_CONFIG: it may not. */
int capture_check_right(struct error *err) __attribute__((warn_unused_result));
/*
 * Check without an interface that the filter compiles for some link type: ERROR_CONFIG or ERROR_USAGE names
 * capture.filter; ERROR_TRANSIENT: a name in it is unknown now. Whether it fits a particular one (wlan, ifname) is
 * known only once the interface exists. 1: it is not known within wait_ms.
 */
int capture_check_filter(struct filter *filter, uint64_t wait_ms, struct error *err)
	__attribute__((warn_unused_result));
