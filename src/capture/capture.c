/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/thread.h"
#include "capture/capture_check.h"
#include "capture/capture_private.h"
#include "segment/codec.h"

#define AGREE_MS  50 /* until all CPUs timestamp packets on arrival (net_enable_timestamp()) */
#define NS_PER_US 1000
/* Between looks at whether a capture is to stop while its filter is being compiled. */
#define FILTER_WAIT_MS UINT64_C(50)

int capture_new(const struct capture_context *context, const struct conf *conf,
		struct filter *filter, const char *interface, unsigned index,
		struct capture **ret_capture, struct error *err)
{
	struct capture *capture = mem_calloc(1, sizeof *capture);

	capture->context = *context;
	capture->conf = conf_ref(conf);
	capture->filter = filter_ref(filter);
	capture->index = index;
	capture->device.fd = -1;
	(void)snprintf(capture->interface, sizeof capture->interface, "%s", interface);
	capture->counts = counters_take(context->counters, interface);
	atomic_init(&capture->until_ns, UINT64_MAX);
	collector_init(&capture->collector);
	capture->wake_fd = wakeup_open(err);
	if (capture->wake_fd < 0) {
		capture_free(capture);
		return -1;
	}
	capture_set_limits(capture, conf);
	*ret_capture = capture;
	return 0;
}

struct capture *capture_free(struct capture *capture)
{
	if (!capture)
		return NULL;
	thread_join(&capture->thread);
	counters_return(capture->counts);
	device_close(&capture->device);
	close_fd(&capture->wake_fd);
	(void)filter_free(capture->filter);
	conf_free(capture->conf);
	free(capture);
	return NULL;
}

/*
 * Waits for the filter to be compiled, as long as nobody has asked to stop. What comes meanwhile must neither fill
 * the ring nor count as dropped.
 */
static int set_filter(struct device *device, struct filter *filter, const char *interface,
		      const capture_reason *stop_reason, struct error *err)
{
	struct bpf_insn nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct bpf_program none = { .bf_len = 1, .bf_insns = &nothing }, *program = &none;
	int dlt = pcap_datalink(device->pcap), result;

	result = filter_get(filter, interface, dlt, 0, &program, err);
	if (result <= 0)
		return result < 0 ? -1 : device_set_filter(device, program, err);
	if (device_set_filter(device, &none, err) < 0)
		return -1;
	while (result > 0) {
		thread_beat();
		if (stop_reason && atomic_load(stop_reason))
			return error_set(err, ERROR_TRANSIENT,
					 "stopped before the filter was compiled");
		result = filter_get(filter, interface, dlt, FILTER_WAIT_MS, &program, err);
	}
	if (result < 0 || device_set_filter(device, program, err) < 0)
		return -1;
	(void)device_new_drops(device);
	return 0;
}

int capture_open(struct capture *capture, struct error *err)
{
	if (device_open(capture->conf, capture->interface, capture->index, &capture->device,
			&capture->source, err) < 0)
		return -1;
	if (set_filter(&capture->device, capture->filter, capture->interface, &capture->stop_reason,
		       err) < 0) {
		device_close(&capture->device);
		return -1;
	}
	own_traffic_init(&capture->own,
			 capture->conf->capture_own_traffic ? NULL : capture->context.connections);
	capture->is_seen_known = device_shows_all(&capture->device, capture->conf,
						  capture->interface);
	atomic_store(&capture->counts->in_ring, capture->is_seen_known ? 0 : UINT64_MAX);
	if (atomic_load(&capture->from_ns) > 0)
		device_force_kernel_timestamps(&capture->device, true);
	else /* the ring has packets of before the filter, and behind them lacks those of a moment */
		capture_begin(capture, clock_real_ns());
	atomic_store(&capture->emptied_ns, clock_real_ns());
	atomic_store(&capture->opened_ms, clock_monotonic_ms());
	atomic_store(&capture->state, CAPTURE_OPEN);
	return 0;
}

uint64_t capture_next_instant(uint64_t now_ns)
{
	uint64_t instant_ns = now_ns + AGREE_MS * CLOCK_NS_PER_MS;

	return instant_ns + NS_PER_US - instant_ns % NS_PER_US;
}

uint64_t capture_emptied_ns(const struct capture *capture)
{
	return atomic_load(&capture->emptied_ns);
}

void capture_agree(struct capture *capture, uint64_t emptied_ns)
{
	atomic_store(&capture->agreed_ns, emptied_ns);
}

void capture_begin(struct capture *capture, uint64_t from_ns)
{
	atomic_store(&capture->from_set_ms, clock_monotonic_ms());
	atomic_store(&capture->from_ns, from_ns);
}

void capture_set_limits(struct capture *capture, const struct conf *conf)
{
	atomic_store(&capture->limit_bytes, conf->segment_size);
	atomic_store(&capture->limit_interval_ns, conf->segment_age * CLOCK_NS_PER_S);
	atomic_store(&capture->flush_interval_ms, conf->capture_flush_interval * CLOCK_MS_PER_S);
	atomic_store(&capture->is_empty_wanted, conf->segment_empty);
	atomic_store(&capture->is_index_wanted, conf->segment_index && codec_is_chosen(conf));
	wakeup_send(capture->wake_fd);
}

void capture_pause(struct capture *capture, bool is_paused)
{
	if (atomic_exchange(&capture->is_paused, is_paused) != is_paused)
		wakeup_send(capture->wake_fd);
}

void capture_end_segment(struct capture *capture, const char *reason)
{
	atomic_store(&capture->end_reason, reason);
	wakeup_send(capture->wake_fd);
}

void capture_stop(struct capture *capture, const char *reason, uint64_t until_ns)
{
	atomic_store(&capture->until_ns, until_ns);
	atomic_store(&capture->stop_reason, reason);
	wakeup_send(capture->wake_fd);
}

struct capture_status capture_status(const struct capture *capture)
{
	return (struct capture_status){
		.state = (enum capture_state)atomic_load(&capture->state),
		.opened_ms = atomic_load(&capture->opened_ms),
		.beat_ms = thread_last_beat_ms(&capture->thread),
		.failure = &capture->failure,
	};
}

void capture_note_link(struct capture *capture, bool is_up)
{
	atomic_store(&capture->counts->is_live, is_up);
	if (!is_up)
		capture_end_segment(capture, "interface");
}

int capture_check_filter(struct filter *filter, uint64_t wait_ms, struct error *err)
{
	const struct bpf_program *program;

	return filter_get(filter, "", FILTER_TEXT_ONLY, wait_ms, &program, err);
}

int capture_check_right(struct error *err)
{
	cleanup_close int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		return 0;
	return errno == EPERM || errno == EACCES ? device_refuse_permission("any interface", err)
						 : error_errno(err, "open a packet socket");
}

int capture_check(const struct conf *conf, struct filter *filter, const char *interface,
		  unsigned index, struct error *err)
{
	cleanup(device_close) struct device device = { .fd = -1 };
	struct chunk_source source;

	if (device_open(conf, interface, index, &device, &source, err) < 0)
		return -1;
	return set_filter(&device, filter, interface, NULL, err);
}
