/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "capture/capture_private.h"

int capture_open(const struct capture_context *context, const struct conf *conf,
		 const char *interface, struct capture **ret_capture, struct error *err)
{
	struct capture *capture = mem_calloc(1, sizeof *capture);

	capture->context = *context;
	capture->conf = conf_ref(conf);
	capture->device.fd = -1;
	(void)snprintf(capture->interface, sizeof capture->interface, "%s", interface);
	capture->counts = counters_take(context->counters, interface);
	atomic_init(&capture->until_ns, UINT64_MAX);
	capture->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (capture->wake_fd < 0) {
		error_errno(err, "eventfd");
		goto failed;
	}
	if (device_open(conf, interface, &capture->device, &capture->source, err) < 0)
		goto failed;
	capture_adopt_source(capture);
	capture_set_limits(capture, conf);
	*ret_capture = capture;
	return 0;
failed:
	capture_close(capture);
	return -1;
}

struct capture *capture_close(struct capture *capture)
{
	if (!capture)
		return NULL;
	assert(!capture->thread.is_running);
	counters_return(capture->counts);
	device_close(&capture->device);
	mem_close_cleanup(&capture->wake_fd);
	conf_free(capture->conf);
	free(capture);
	return NULL;
}

int capture_start(struct capture *capture, struct queue *queue, enum capture_from from,
		  struct error *err)
{
	char name[32];

	capture->queue = queue;
	capture->is_counting = from == CAPTURE_FROM_START;
	if (from == CAPTURE_FROM_LATER) {
		atomic_store(&capture->from_ns, UINT64_MAX);
		device_share_time(&capture->device, true);
	}
	capture_beat(capture);
	(void)snprintf(name, sizeof name, "cap-%.11s", capture->interface);
	return thread_start(&capture->thread, name, capture_run, capture, err);
}

void capture_begin(struct capture *capture, uint64_t from_ns)
{
	atomic_store(&capture->from_set_ms, clock_monotonic_ms());
	atomic_store(&capture->from_ns, from_ns);
}

static void wake(struct capture *capture)
{
	(void)eventfd_write(capture->wake_fd, 1);
}

void capture_set_limits(struct capture *capture, const struct conf *conf)
{
	atomic_store(&capture->limit_bytes, conf->segment_size);
	atomic_store(&capture->limit_interval_ns, conf->segment_age * CLOCK_NS_PER_S);
	atomic_store(&capture->flush_interval_ms, conf->capture_flush_interval * CLOCK_MS_PER_S);
	atomic_store(&capture->is_empty_wanted, conf->segment_empty);
	wake(capture);
}

void capture_pause(struct capture *capture, bool is_paused)
{
	if (atomic_exchange(&capture->is_paused, is_paused) != is_paused)
		wake(capture);
}

void capture_end_segment(struct capture *capture, const char *reason)
{
	atomic_store(&capture->end_reason, reason);
	wake(capture);
}

void capture_stop(struct capture *capture, const char *reason, uint64_t until_ns)
{
	atomic_store(&capture->until_ns, until_ns);
	atomic_store(&capture->stop_reason, reason);
	wake(capture);
}

void capture_join(struct capture *capture)
{
	thread_join(&capture->thread);
}

const char *capture_interface(const struct capture *capture)
{
	return capture->interface;
}

bool capture_is_live(const struct capture *capture)
{
	return atomic_load(&capture->is_live);
}

void capture_beat(struct capture *capture)
{
	atomic_store_explicit(&capture->beat_ms, clock_monotonic_ms(), memory_order_relaxed);
}

uint64_t capture_last_beat_ms(const struct capture *capture)
{
	return atomic_load_explicit(&capture->beat_ms, memory_order_relaxed);
}

int capture_check(const struct conf *conf, const char *interface, struct error *err)
{
	struct chunk_source source;
	struct device device;

	if (device_open(conf, interface, &device, &source, err) < 0)
		return -1;
	device_close(&device);
	return 0;
}
