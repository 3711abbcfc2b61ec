/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/pcap_device.h"

#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "packet/packet.h"

#define SNAPLEN_MAX  262144 /* the meaning of 0, as in tcpdump */
#define SNAPLEN_SEEN 96     /* enough to recognize own traffic: VLAN tags, IPv6, ports */
#define BRIEF_BYTES  65536

_Static_assert((int)CONF_DIRECTION_IN == (int)PCAP_D_IN, "directions are libpcap's");
_Static_assert((int)CONF_DIRECTION_OUT == (int)PCAP_D_OUT, "directions are libpcap's");

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

uint32_t device_snaplen(const struct conf *conf)
{
	uint32_t snaplen = conf->capture_snaplen ? (uint32_t)conf->capture_snaplen : SNAPLEN_MAX;

	return snaplen > SNAPLEN_SEEN ? snaplen : SNAPLEN_SEEN;
}

static int set_options(pcap_t *pcap, const struct conf *conf, const struct chunk_source *source,
		       struct error *err)
{
	/* On a handle that is not activated yet, only the precision can fail. */
	(void)pcap_set_snaplen(pcap, (int)device_snaplen(conf));
	(void)pcap_set_buffer_size(pcap, (int)conf->capture_buffer);
	(void)pcap_set_timeout(pcap, DEVICE_TIMEOUT_MS);
	(void)pcap_set_promisc(pcap, conf->capture_promiscuous);
	if (pcap_set_tstamp_precision(pcap, source->is_nano ? PCAP_TSTAMP_PRECISION_NANO
							    : PCAP_TSTAMP_PRECISION_MICRO) < 0)
		return conf_error(conf, CONF_capture_precision, err,
				  "not supported by this interface");
	return 0;
}

int device_refuse_permission(const char *interface, struct error *err)
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
		return device_refuse_permission(interface, err);
	return error_set(err, ERROR_FATAL, "capture on %s: %s%s%s", interface,
			 pcap_statustostr(status), *pcap_geterr(pcap) ? ": " : "",
			 pcap_geterr(pcap));
}

static int create_handle(const char *interface, pcap_t **ret_pcap, struct error *err)
{
	char message[PCAP_ERRBUF_SIZE] = "";

	*ret_pcap = pcap_create(interface, message);
	return *ret_pcap ? 0 : error_set(err, ERROR_FATAL, "capture on %s: %s", interface, message);
}

int device_open_briefly(const struct conf *conf, const char *interface, pcap_t **ret_pcap,
			struct error *err)
{
	pcap_t *pcap;

	if (create_handle(interface, &pcap, err) < 0)
		return -1;
	(void)pcap_set_snaplen(pcap, (int)device_snaplen(conf));
	(void)pcap_set_buffer_size(pcap, BRIEF_BYTES);
	if (activate_device(pcap, interface, err) < 0) {
		pcap_close(pcap);
		return -1;
	}
	*ret_pcap = pcap;
	return 0;
}

int device_set_filter(struct device *device, const struct bpf_program *program, struct error *err)
{
	/* libpcap copies it. */
	if (pcap_setfilter(device->pcap, (struct bpf_program *)(uintptr_t)program) < 0)
		return error_set(err, ERROR_FATAL, "cannot install the capture filter: %s",
				 pcap_geterr(device->pcap));
	return 0;
}

int device_open(const struct conf *conf, const char *interface, unsigned index,
		struct device *ret_device, struct chunk_source *ret_source, struct error *err)
{
	char message[PCAP_ERRBUF_SIZE] = "";
	cleanup(device_close) struct device device = { .fd = -1 };
	struct chunk_source source = {
		.snaplen = conf->capture_snaplen ? (uint32_t)conf->capture_snaplen : SNAPLEN_MAX,
		.format = format_choose(conf),
	};
	const char *link_type_name;
	pcap_t *pcap;

	if (index > 0 && strcmp(interface, "any") == 0)
		return error_set(
			err, ERROR_CONFIG,
			"capture on any: libpcap takes this name for all interfaces; rename "
			"the interface, or exclude it");
	if (create_handle(interface, &device.pcap, err) < 0)
		return -1;
	pcap = device.pcap;
	source.is_nano = conf->capture_precision == CONF_PRECISION_NANO ||
			 source.format->is_nano_only;
	if (set_options(pcap, conf, &source, err) < 0 || activate_device(pcap, interface, err) < 0)
		return -1;
	/* Only the second cooked format contains the interface of each packet; the first is the default. */
	if (pcap_datalink(pcap) == DLT_LINUX_SLL)
		(void)pcap_set_datalink(pcap, DLT_LINUX_SLL2);
	if (conf->capture_direction != CONF_DIRECTION_BOTH &&
	    pcap_setdirection(pcap, (pcap_direction_t)conf->capture_direction) < 0)
		return conf_error(conf, CONF_capture_direction, err,
				  "not supported by this interface: %s", pcap_geterr(pcap));
	if (pcap_setnonblock(pcap, 1, message) < 0)
		return error_set(err, ERROR_FATAL, "capture on %s: %s", interface, message);
	device.fd = pcap_get_selectable_fd(pcap);
	if (device.fd < 0)
		return error_set(err, ERROR_FATAL, "capture on %s: no selectable descriptor",
				 interface);
	if (index && if_nametoindex(interface) != index)
		return error_set(err, ERROR_FATAL,
				 "capture on %s: another interface has this name now", interface);
	source.link_type = link_type_of(pcap_datalink(pcap));
	link_type_name = pcap_datalink_val_to_name(pcap_datalink(pcap));
	(void)snprintf(source.interface, sizeof source.interface, "%s", interface);
	(void)snprintf(source.link_type_name, sizeof source.link_type_name, "%s",
		       link_type_name ? link_type_name : "unknown");
	(void)snprintf(source.filter, sizeof source.filter, "%s", conf->capture_filter);
	*ret_source = source;
	*ret_device = device;
	device.pcap = NULL;
	return 0;
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

bool device_shows_all(const struct device *device, const struct conf *conf, const char *interface)
{
	struct ifreq request = { .ifr_flags = 0 };

	(void)snprintf(request.ifr_name, sizeof request.ifr_name, "%s", interface);
	/* "any", which includes the loopback interface, has no flags. */
	return ioctl(device->fd, SIOCGIFFLAGS, &request) == 0 &&
	       !(request.ifr_flags & IFF_LOOPBACK) && !*conf->capture_filter &&
	       conf->capture_direction == CONF_DIRECTION_BOTH;
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

struct drops device_new_drops(struct device *device)
{
	struct pcap_stat stats;
	struct drops drops = { 0 };

	if (!device->pcap || pcap_stats(device->pcap, &stats) < 0)
		return drops;
	drops.count[DROP_KERNEL] = device_kernel_drops(device->drops_kernel, stats.ps_drop);
	drops.count[DROP_INTERFACE] = device_interface_drops(device->drops_interface,
							     stats.ps_ifdrop);
	device->drops_kernel = stats.ps_drop;
	device->drops_interface = stats.ps_ifdrop;
	return drops;
}
