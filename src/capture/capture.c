/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/capture.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "capture/device.h"
#include "capture/own_traffic.h"
#include "capture/rotate.h"

/* Then look at the clock and at what main asks for, however fast packets come. */
#define DISPATCH_PACKETS 4096
/* Everything that was received by some time has been seen this much later. */
#define LATENCY_NS ((DEVICE_TIMEOUT_MS + 100) * CLOCK_NS_PER_MS)
#define POLL_MS    1000 /* at most, so that the watchdog sees a beat */
#define REOPEN_MS  1000 /* how often an interface that is away is tried */

struct capture {
	struct capture_context context;
	const struct conf *conf; /* for opening it again */
	char interface[64];
	struct thread thread;
	struct queue *queue;
	int wake_fd;

	/* Main writes, the thread reads. */
	_Atomic(const char *) end_reason; /* end the segment; NULL: nothing asked */
	_Atomic(const char *) stop_reason;
	atomic_uint_fast64_t until_ns;
	atomic_uint_fast64_t limit_bytes, limit_interval_ns, flush_interval_ms;

	/* The thread writes, main reads. */
	atomic_uint_fast64_t beat_ms;
	atomic_bool is_live;

	/* The thread's own. */
	struct device device;
	struct chunk_source source;
	struct own_traffic own;
	struct rotate rotate;
	struct chunk *chunk; /* being filled, or NULL */
	uint64_t from_ns;
	uint32_t packets_own; /* since the last chunk, like the drops */
	uint64_t drops_kernel, drops_interface;
	bool is_nano;
	bool is_begun; /* the segment has sent a chunk */
};

static void beat(struct capture *capture)
{
	atomic_store_explicit(&capture->beat_ms, clock_monotonic_ms(), memory_order_relaxed);
}

/* An empty chunk for the current segment. Waits for as long as it takes: meanwhile the ring holds on. */
static void take_chunk(struct capture *capture)
{
	do {
		beat(capture);
		capture->chunk = chunk_pool_get(capture->context.pool, POLL_MS);
	} while (!capture->chunk);
	capture->chunk->source = capture->source;
	capture->chunk->start_ns = capture->rotate.start_ns;
	capture->chunk->opened_ms = clock_monotonic_ms();
}

static void count_drops(struct capture *capture)
{
	uint64_t kernel, interface;

	device_new_drops(&capture->device, &kernel, &interface);
	capture->drops_kernel += kernel;
	capture->drops_interface += interface;
}

static void send_chunk(struct capture *capture)
{
	struct chunk *chunk = take_ptr(capture->chunk);

	count_drops(capture);
	chunk->drops_kernel = capture->drops_kernel;
	chunk->drops_interface = capture->drops_interface;
	chunk->packets_own = capture->packets_own;
	capture->drops_kernel = capture->drops_interface = 0;
	capture->packets_own = 0;
	counter_add(&capture->context.counters->drops[DROP_KERNEL], chunk->drops_kernel);
	counter_add(&capture->context.counters->drops[DROP_INTERFACE], chunk->drops_interface);
	counter_add(&capture->context.counters->packets_own, chunk->packets_own);
	capture->is_begun = true;
	queue_push(capture->queue, chunk);
}

static void begin_segment(struct capture *capture, uint64_t start_ns)
{
	rotate_begin(&capture->rotate, start_ns, clock_monotonic_ns(),
		     capture->context.format->header_bytes_max);
	capture->is_begun = false;
}

/* The segment ends here, with what it has; the next begins at next_ns. */
static void end_segment(struct capture *capture, const char *reason, uint64_t end_ns,
			uint64_t next_ns)
{
	if (!capture->chunk)
		take_chunk(capture);
	capture->chunk->end_reason = reason;
	capture->chunk->end_ns = end_ns;
	send_chunk(capture);
	begin_segment(capture, next_ns);
}

static bool is_empty(struct capture *capture)
{
	count_drops(capture);
	return !capture->is_begun && !capture->chunk && capture->packets_own == 0 &&
	       capture->drops_kernel == 0 && capture->drops_interface == 0;
}

/* As end_segment(), but a segment that nothing came for is not worth a file. */
static void end_segment_unless_empty(struct capture *capture, const char *reason)
{
	uint64_t now_ns = clock_real_ns();

	if (!is_empty(capture))
		end_segment(capture, reason, now_ns, now_ns);
	else
		begin_segment(capture, now_ns);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *packet)
{
	struct capture *capture = (struct capture *)(void *)user;
	const struct format *format = capture->context.format;
	uint64_t packet_ns = (uint64_t)header->ts.tv_sec * CLOCK_NS_PER_S +
			     (uint64_t)header->ts.tv_usec * (capture->is_nano ? 1 : 1000);
	size_t bytes = format->record_bytes(header->caplen);
	struct chunk *chunk;

	/* While two captures of an interface overlap (reload), each packet belongs to one of them. */
	if (packet_ns < capture->from_ns ||
	    packet_ns >= atomic_load_explicit(&capture->until_ns, memory_order_relaxed))
		return;
	if (own_traffic_matches(&capture->own, packet, header->caplen, packet_ns)) {
		capture->packets_own++;
		return;
	}
	switch (rotate_before_packet(&capture->rotate, packet_ns)) {
	case ROTATE_NOT_DUE:
		break;
	case ROTATE_SIZE:
		end_segment(capture, "size", packet_ns, packet_ns);
		break;
	case ROTATE_AGE:
		end_segment(capture, "age", capture->rotate.boundary_ns,
			    rotate_next_start(&capture->rotate, packet_ns));
		break;
	}
	if (capture->chunk && capture->chunk->length + bytes > CHUNK_BYTES)
		send_chunk(capture);
	/* The name says when the segment begins: not after its first packet. */
	if (!capture->is_begun && packet_ns < capture->rotate.start_ns)
		capture->rotate.start_ns = packet_ns;
	if (!capture->chunk)
		take_chunk(capture);
	chunk = capture->chunk;
	if (chunk->packets++ == 0)
		chunk->first_ns = packet_ns;
	chunk->last_ns = packet_ns;
	chunk->length += format->encode_record(
		chunk->bytes + chunk->length, (uint32_t)header->ts.tv_sec,
		(uint32_t)header->ts.tv_usec, header->caplen, header->len, packet);
	capture->rotate.bytes += bytes;
}

static void adopt_source(struct capture *capture)
{
	capture->is_nano = capture->source.is_nano;
	own_traffic_init(&capture->own, capture->context.connections,
			 pcap_datalink(capture->device.pcap));
	atomic_store(&capture->is_live, true);
}

/* The interface went away: what was recorded of it is a segment, then try until it is back. */
static void wait_for_interface(struct capture *capture)
{
	struct error err;

	log_warning("interface went away, waiting for it",
		    log_text("interface", capture->interface),
		    log_text("reason", pcap_geterr(capture->device.pcap)));
	atomic_store(&capture->is_live, false);
	end_segment_unless_empty(capture, "interface");
	device_close(&capture->device);
	while (!atomic_load(&capture->stop_reason)) {
		struct pollfd wake = { .fd = capture->wake_fd, .events = POLLIN };

		beat(capture);
		if (device_open(capture->conf, capture->interface, &capture->device,
				&capture->source, &err) == 0) {
			adopt_source(capture);
			begin_segment(capture, clock_real_ns());
			log_notice("interface is back", log_text("interface", capture->interface));
			return;
		}
		(void)poll(&wake, 1, REOPEN_MS);
	}
}

static void read_limits(struct capture *capture)
{
	struct rotate_limits limits = {
		.bytes = atomic_load(&capture->limit_bytes),
		.interval_ns = atomic_load(&capture->limit_interval_ns),
	};

	if (limits.bytes != capture->rotate.limits.bytes ||
	    limits.interval_ns != capture->rotate.limits.interval_ns)
		rotate_set_limits(&capture->rotate, limits);
}

/* How long there is nothing to do but wait for packets. */
static int wait_ms(const struct capture *capture)
{
	uint64_t wait = rotate_wait_ns(&capture->rotate, clock_real_ns(), LATENCY_NS);
	uint64_t now_ms = clock_monotonic_ms();

	wait = wait / CLOCK_NS_PER_MS + (wait > 0);
	if (capture->chunk) {
		uint64_t flush_ms = capture->chunk->opened_ms + capture->flush_interval_ms;
		uint64_t until_flush = flush_ms > now_ms ? flush_ms - now_ms : 0;

		wait = until_flush < wait ? until_flush : wait;
	}
	return wait < POLL_MS ? (int)wait : POLL_MS;
}

/* What is due with or without a packet. */
static void do_what_is_due(struct capture *capture)
{
	uint64_t real_ns = clock_real_ns();
	const char *reason = atomic_exchange(&capture->end_reason, NULL);

	read_limits(capture);
	if (reason)
		end_segment_unless_empty(capture, reason);
	if (rotate_is_over(&capture->rotate, real_ns, clock_monotonic_ns(), LATENCY_NS))
		/* Also without a packet: a file that says "nothing came" is an answer, too. */
		end_segment(capture, "age",
			    capture->rotate.boundary_ns < real_ns ? capture->rotate.boundary_ns
								  : real_ns,
			    rotate_next_start(&capture->rotate, real_ns));
	if (capture->chunk && clock_monotonic_ms() - capture->chunk->opened_ms >=
				      atomic_load(&capture->flush_interval_ms))
		send_chunk(capture);
}

static void run(void *context)
{
	struct capture *capture = context;
	uint64_t stop_at_ns = UINT64_MAX; /* monotonic */
	int dispatched = 0;

	begin_segment(capture, clock_real_ns());
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = capture->device.fd, .events = POLLIN },
			{ .fd = capture->wake_fd, .events = POLLIN },
		};
		bool is_stopping = stop_at_ns != UINT64_MAX;
		eventfd_t ignored;

		beat(capture);
		if (dispatched < DISPATCH_PACKETS)
			(void)poll(fds, 2, is_stopping ? 20 : wait_ms(capture));
		if (fds[1].revents)
			(void)eventfd_read(capture->wake_fd, &ignored);
		if (!is_stopping && atomic_load(&capture->stop_reason))
			stop_at_ns = clock_monotonic_ns() + LATENCY_NS;

		dispatched = pcap_dispatch(capture->device.pcap, DISPATCH_PACKETS, on_packet,
					   (u_char *)capture);
		if (dispatched < 0)
			wait_for_interface(capture);
		if (!capture->device.pcap || clock_monotonic_ns() >= stop_at_ns)
			break;
		do_what_is_due(capture);
	}
	end_segment_unless_empty(capture, atomic_load(&capture->stop_reason));
	queue_close(capture->queue);
}

int capture_open(const struct capture_context *context, const struct conf *conf,
		 const char *interface, struct capture **ret_capture, struct error *err)
{
	struct capture *capture = mem_calloc(1, sizeof *capture);

	capture->context = *context;
	capture->conf = conf_ref(conf);
	capture->device.fd = -1;
	(void)snprintf(capture->interface, sizeof capture->interface, "%s", interface);
	atomic_init(&capture->until_ns, UINT64_MAX);
	capture->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (capture->wake_fd < 0) {
		error_errno(err, "eventfd");
		goto failed;
	}
	if (device_open(conf, interface, &capture->device, &capture->source, err) < 0)
		goto failed;
	adopt_source(capture);
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
	device_close(&capture->device);
	mem_close_cleanup(&capture->wake_fd);
	conf_free(capture->conf);
	free(capture);
	return NULL;
}

int capture_start(struct capture *capture, struct queue *queue, uint64_t from_ns, struct error *err)
{
	char name[32];

	capture->queue = queue;
	capture->from_ns = from_ns;
	beat(capture);
	(void)snprintf(name, sizeof name, "cap-%.11s", capture->interface);
	return thread_start(&capture->thread, name, run, capture, err);
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
