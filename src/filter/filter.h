/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compiles the user's capture filter with libpcap, in this process and without a shell. A filter is always
 * installed, even an empty one, because the kernel truncates packets to the snaplen only through the filter's
 * return value.
 */

#include <pcap/pcap.h>

#include "base/error.h"
#include "conf/conf.h"

/* Compile for the handle's link type and install. ERROR_CONFIG or ERROR_USAGE names capture.filter. */
int filter_install(pcap_t *pcap, const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Check without an interface that the filter compiles for some link type. Errors as above. Whether it fits
 * a particular one (wlan, ifname) is known only once the interface exists.
 */
int filter_check(const struct conf *conf, struct error *err) __attribute__((warn_unused_result));
