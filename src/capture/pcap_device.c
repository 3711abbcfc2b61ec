/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcap_device.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "filter/filter.h"
#include "packet/format.h"

#define SNAPLEN_MAX  262144 /* the meaning of 0, as in tcpdump */
#define SNAPLEN_SEEN 96     /* enough to recognize own traffic: VLAN tags, IPv6, ports */

/* LINKTYPE_ values differ from DLT_ ones only for these (pcap-linktype(7)). */
static uint32_t link_type_of(int dlt)
{
	static const struct {
		int dlt;
		uint32_t link_type;
	} different[] = {
		{ DLT_ATM_RFC1483, 100 }, { DLT_RAW, 101 },      { DLT_SLIP_BSDOS, 102 },
		{ DLT_PPP_BSDOS, 103 },   { DLT_ATM_CLIP, 106 },
	};

	for (size_t i = 0; i < sizeof different / sizeof *different; i++)
		if (different[i].dlt == dlt)
			return different[i].link_type;
	return (uint32_t)dlt;
}

static bool is_nano(const struct conf *conf)
{
	return conf->capture_precision == CONF_PRECISION_NANO || format_choose(conf)->is_nano_only;
}

static uint64_t snaplen_of(const struct conf *conf)
{
	return conf->capture_snaplen ? conf->capture_snaplen : SNAPLEN_MAX;
}

static int set_options(pcap_t *pcap, const struct conf *conf, struct error *err)
{
	uint64_t snaplen = snaplen_of(conf);

	/* On a handle that is not activated yet, only the precision can fail. */
	(void)pcap_set_snaplen(pcap, (int)(snaplen > SNAPLEN_SEEN ? snaplen : SNAPLEN_SEEN));
	(void)pcap_set_buffer_size(pcap, (int)conf->capture_buffer);
	(void)pcap_set_timeout(pcap, DEVICE_TIMEOUT_MS);
	(void)pcap_set_promisc(pcap, conf->capture_promiscuous);
	if (pcap_set_tstamp_precision(pcap, is_nano(conf) ? PCAP_TSTAMP_PRECISION_NANO
							  : PCAP_TSTAMP_PRECISION_MICRO) < 0)
		return conf_error(conf, CONF_capture_precision, err,
				  "not supported by this interface");
	return 0;
}

static int set_direction(pcap_t *pcap, const struct conf *conf, struct error *err)
{
	static const pcap_direction_t directions[] = {
		[CONF_DIRECTION_BOTH] = PCAP_D_INOUT,
		[CONF_DIRECTION_IN] = PCAP_D_IN,
		[CONF_DIRECTION_OUT] = PCAP_D_OUT,
	};

	if (conf->capture_direction != CONF_DIRECTION_BOTH &&
	    pcap_setdirection(pcap, directions[conf->capture_direction]) < 0)
		return conf_error(conf, CONF_capture_direction, err,
				  "not supported by this interface: %s", pcap_geterr(pcap));
	return 0;
}

static int refuse_permission(const char *interface, struct error *err)
{
	return error_set(err, ERROR_CONFIG,
			 "capture on %s: permission denied; CAP_NET_RAW (or root) is required",
			 interface);
}

static int activate_device(pcap_t *pcap, const char *interface, struct error *err)
{
	int status = pcap_activate(pcap);

	if (status >= 0) /* warnings (such as no promiscuous mode) leave a working capture */
		return 0;
	if (status == PCAP_ERROR_PERM_DENIED)
		return refuse_permission(interface, err);
	return error_set(err, ERROR_FATAL, "capture on %s: %s%s%s", interface,
			 pcap_statustostr(status), *pcap_geterr(pcap) ? ": " : "",
			 pcap_geterr(pcap));
}

static void describe_source(pcap_t *pcap, const struct conf *conf, const char *interface,
			    struct chunk_source *source)
{
	int dlt = pcap_datalink(pcap);
	const char *name = pcap_datalink_val_to_name(dlt);

	*source = (struct chunk_source){
		.link_type = link_type_of(dlt),
		.snaplen = (uint32_t)snaplen_of(conf),
		.is_nano = is_nano(conf),
		.format = format_choose(conf),
	};
	(void)snprintf(source->interface, sizeof source->interface, "%s", interface);
	(void)snprintf(source->link_type_name, sizeof source->link_type_name, "%s",
		       name ? name : "unknown");
	(void)snprintf(source->filter, sizeof source->filter, "%s", conf->capture_filter);
}

static int set_up_device(struct device *device, const struct conf *conf, const char *interface,
			 struct error *err)
{
	char message[PCAP_ERRBUF_SIZE];

	if (set_options(device->pcap, conf, err) < 0 ||
	    activate_device(device->pcap, interface, err) < 0)
		return -1;
	/* Only the second cooked format contains the interface of each packet; the first is the default. */
	if (pcap_datalink(device->pcap) == DLT_LINUX_SLL)
		(void)pcap_set_datalink(device->pcap, DLT_LINUX_SLL2);
	if (set_direction(device->pcap, conf, err) < 0 ||
	    filter_install(device->pcap, conf, err) < 0)
		return -1;
	if (pcap_setnonblock(device->pcap, 1, message) < 0)
		return error_set(err, ERROR_FATAL, "capture on %s: %s", interface, message);
	device->fd = pcap_get_selectable_fd(device->pcap);
	if (device->fd < 0)
		return error_set(err, ERROR_FATAL, "capture on %s: no selectable descriptor",
				 interface);
	return 0;
}

int device_open(const struct conf *conf, const char *interface, unsigned index,
		struct device *ret_device, struct chunk_source *ret_source, struct error *err)
{
	char message[PCAP_ERRBUF_SIZE] = "";
	struct device device = { .pcap = pcap_create(interface, message), .fd = -1 };

	if (!device.pcap)
		return error_set(err, ERROR_FATAL, "capture on %s: %s", interface, message);
	if (set_up_device(&device, conf, interface, err) < 0) {
		device_close(&device);
		return -1;
	}
	if (index && if_nametoindex(interface) != index) {
		device_close(&device);
		return error_set(err, ERROR_FATAL,
				 "capture on %s: another interface has this name now", interface);
	}
	describe_source(device.pcap, conf, interface, ret_source);
	*ret_device = device;
	return 0;
}

int device_check_permission(struct error *err)
{
	cleanup_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return 0;
	if (errno == EPERM || errno == EACCES)
		return refuse_permission("any interface", err);
	return error_errno(err, "open a packet socket");
}

void device_close(struct device *device)
{
	if (device->pcap)
		pcap_close(device->pcap);
	*device = (struct device){ .fd = -1 };
}

void device_force_kernel_timestamps(const struct device *device, bool is_forced)
{
	int value = is_forced;

	/* If this fails, a packet at the instant of a hand-over may be recorded twice or not at all. */
	if (device->fd >= 0 &&
	    setsockopt(device->fd, SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value) < 0)
		log_debug("cannot force kernel timestamps",
			  log_text("reason", strerrorname_np(errno)));
}

uint64_t device_unseen(const struct device *device, uint64_t seen)
{
	struct pcap_stat stats;

	/* ps_recv includes drops (pcap_stats(3PCAP), "Linux"). */
	if (pcap_stats(device->pcap, &stats) < 0)
		return 0;
	return (unsigned)(stats.ps_recv - stats.ps_drop - (unsigned)seen);
}

uint64_t device_kernel_drops(unsigned before, unsigned now)
{
	return (unsigned)(now - before);
}

uint64_t device_interface_drops(unsigned before, unsigned now)
{
	return now - before <= INT32_MAX ? now - before : 0;
}

void device_new_drops(struct device *device, uint64_t *ret_kernel, uint64_t *ret_interface)
{
	struct pcap_stat stats;

	*ret_kernel = *ret_interface = 0;
	if (!device->pcap || pcap_stats(device->pcap, &stats) < 0)
		return;
	*ret_kernel = device_kernel_drops(device->drops_kernel, stats.ps_drop);
	*ret_interface = device_interface_drops(device->drops_interface, stats.ps_ifdrop);
	device->drops_kernel = stats.ps_drop;
	device->drops_interface = stats.ps_ifdrop;
}
