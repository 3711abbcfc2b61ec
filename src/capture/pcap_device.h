/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One opened capture device: libpcap with our options. Used by the thread that opened it or that it was
 * handed to; all calls but device_open() are cheap.
 */

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "packet/chunk.h"

/*
 * A packet may wait this long in a block of the ring that is not full (TPACKET_V3's retire time-out);
 * 250 ms costs no more than a second does.
 */
#define DEVICE_TIMEOUT_MS 250

struct device {
	pcap_t *pcap;
	int fd;                                 /* readable when a block of the ring is ready */
	unsigned drops_kernel, drops_interface; /* at the last device_new_drops() */
};

/*
 * Open, activate, install the filter; fills what is known of the source. index: of the interface that has
 * to have this name (another one may have got it in the meantime); 0: any.
 */
int device_open(const struct conf *conf, const char *interface, unsigned index,
		struct device *ret_device, struct chunk_source *ret_source, struct error *err)
	__attribute__((warn_unused_result));
void device_close(struct device *device);
/* May we capture at all? ERROR_CONFIG if not. */
int device_check_right(struct error *err) __attribute__((warn_unused_result));

/*
 * While any socket of the machine wants it, the kernel stamps each packet once, and all captures see the
 * same time; otherwise each capture reads the clock for itself, some microseconds apart (kernel:
 * net_enable_timestamp() and tpacket_get_timestamp()).
 */
void device_share_time(const struct device *device, bool is_shared);

/* How many packets are still in the ring, given how many came out of it. */
uint64_t device_unseen(const struct device *device, uint64_t seen);

/*
 * How much libpcap's counters of 32 bits grew: they wrap. That of the interface is the sum of differences
 * between its statistics in sysfs, which count as 0 when it is gone or has another name: then libpcap
 * subtracts what they were (pcap-linux.c: linux_if_drops()), which is no growth. Pure.
 */
uint64_t device_kernel_drops(unsigned before, unsigned now);
uint64_t device_interface_drops(unsigned before, unsigned now);

/* What was lost since the last call: at least once a minute, or a wrap may go unseen. */
void device_new_drops(struct device *device, uint64_t *ret_kernel, uint64_t *ret_interface);
