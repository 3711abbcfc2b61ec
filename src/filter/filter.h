/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The user's capture filter, compiled in this process by libpcap and never seen by a shell. There always
 * is one, also an empty one: the kernel cuts packets to the snaplen only through the filter's answer.
 */

#include <pcap/pcap.h>

#include "base/error.h"
#include "conf/conf.h"

/* Compile for the handle's link type and install. ERROR_CONFIG/ERROR_USAGE names capture.filter. */
int filter_install(pcap_t *pcap, const struct conf *conf, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Compile without an interface: can it be the filter of any kind of link? Errors as above; what only some
 * kinds have (wlan, ifname) is known when there is an interface.
 */
int filter_check(const struct conf *conf, struct error *err) __attribute__((warn_unused_result));
