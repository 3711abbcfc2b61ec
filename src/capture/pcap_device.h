/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * An open capture device: a libpcap handle with our options. Used by the thread that opened it, or to which
 * it was handed over; all calls except device_open() are cheap.
 */

#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "conf/conf.h"
#include "packet/packet.h"

/*
 * The longest a packet waits in a block of the ring that is not full (the retire timeout of TPACKET_V3);
 * 250 ms costs no more than a second does.
 */
#define DEVICE_TIMEOUT_MS 250

struct device {
	pcap_t *pcap;
	int fd;                /* readable when a block of the ring is ready */
	bool is_closed_to_all; /* the filter took its time, and nothing passed until then */
	unsigned drops_kernel, drops_interface; /* at the last device_new_drops() */
};

/* Bytes of a packet that the kernel has to show us. */
uint32_t device_snaplen(const struct conf *conf);

/*
 * Open and activate the device and describe the source; device_set_filter() comes next. Fails if the interface with
 * this name does not have this index any more; index 0: any, and "any" is all of them.
 */
int device_open(const struct conf *conf, const char *interface, unsigned index,
		struct device *ret_device, struct chunk_source *ret_source, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Install a program; the filter that is empty is one, too: the kernel truncates packets to the snaplen only through its
 * return value.
 */
int device_set_filter(struct device *device, const struct bpf_program *program, struct error *err)
	__attribute__((warn_unused_result));
void device_close(struct device *device);
int device_refuse_permission(const char *interface, struct error *err);
/* A handle that only tells what the interface is; the caller closes it. */
int device_open_briefly(const struct conf *conf, const char *interface, pcap_t **ret_pcap,
			struct error *err) __attribute__((warn_unused_result));

/*
 * While any socket of the machine requests it, the kernel timestamps each packet once, and all captures see
 * the same time. Otherwise each capture reads the clock itself, some microseconds apart (kernel:
 * net_enable_timestamp() and tpacket_get_timestamp()).
 */
void device_force_kernel_timestamps(const struct device *device, bool is_forced);

/*
 * Does libpcap show us every packet that it counts? Not with a direction or a filter, which it applies to what was in
 * the ring before it was installed, or which is too long for the kernel; nor from the loopback interface, where it skips
 * the copies that were sent.
 */
bool device_shows_all(const struct device *device, const struct conf *conf, const char *interface);
/* Number of packets still in the ring, given the number read from it. For one that shows all. */
uint64_t device_unseen(const struct device *device, uint64_t seen);

/*
 * Growth of libpcap's 32-bit counters, which wrap. The interface counter sums up changes of the interface's
 * statistics in sysfs. When the interface is gone or was renamed, libpcap reads them as 0 and subtracts the
 * old values (pcap-linux.c: linux_if_drops()), which does not count as growth. Pure.
 */
uint64_t device_kernel_drops(unsigned before, unsigned now);
uint64_t device_interface_drops(unsigned before, unsigned now);

/* Drops of the kernel and the interface since the last call. At least once a minute, or a wrap is missed. */
struct drops device_new_drops(struct device *device);
