/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because the path of a packet and everything that can interrupt it is one state machine. */
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "capture/capture_private.h"

/* Check the clock and the main thread's requests at least this often, however fast packets arrive. */
#define DISPATCH_PACKETS 4096
/* A packet is read from the ring at most this long after it was received. */
#define LATENCY_NS    ((DEVICE_TIMEOUT_MS + 100) * CLOCK_NS_PER_MS)
#define DRAIN_POLL_MS 20
/* A hand-over is over after this time (its instant plus the latency), whatever the clock says. */
#define AGREE_MS_MAX UINT64_C(1000)
#define POLL_MS      1000 /* upper limit, so that the watchdog sees progress */
/* Between queries of the drops: libpcap reads two files in /sys for each. */
#define STATISTICS_MS 250

/* The first packet that counts is that of this time. */
static void note_since(struct capture *capture)
{
	uint64_t from_ns = atomic_load(&capture->from_ns);

	if (capture->since_ns == 0 && from_ns != UINT64_MAX)
		capture->since_ns = from_ns > 0 ? from_ns : clock_real_ns();
}

/* Take an empty chunk for the current segment. Waits as long as necessary; the ring buffers meanwhile. */
static void take_chunk(struct capture *capture)
{
	struct chunk_pool *pool = capture->context.pool;
	uint64_t begin_ms = clock_monotonic_ms();
	bool is_logged = false;

	thread_beat();
	capture->chunk = chunk_pool_get(pool, 0);
	if (!capture->chunk)
		counter_add(&capture->context.counters->chunk_waits, 1);
	while (!capture->chunk && !(capture->chunk = chunk_pool_get(pool, POLL_MS))) {
		thread_beat();
		if (!is_logged)
			log_event(EVENT_MEMORY_FULL, log_text("interface", capture->interface));
		is_logged = true;
	}
	if (is_logged)
		log_event(EVENT_MEMORY_HAS_ROOM, log_text("interface", capture->interface),
			  log_number("ms", clock_monotonic_ms() - begin_ms));
	if (atomic_load_explicit(&capture->counts->open_since_ns, memory_order_relaxed) == 0)
		atomic_store(&capture->counts->open_since_ns, capture->rotate.start_ns);
	note_since(capture);
	capture->chunk->source = capture->source;
	capture->chunk->since_ns = capture->since_ns;
	capture->chunk->max_age_s = capture->rotate.limits.interval_ns / CLOCK_NS_PER_S;
	capture->chunk->start_ns = capture->rotate.start_ns;
	capture->chunk->opened_ms = clock_monotonic_ms();
	capture->is_collecting = atomic_load_explicit(&capture->is_index_wanted,
						      memory_order_relaxed);
	if (capture->is_collecting)
		collector_begin(&capture->collector, capture->chunk->keys);
	capture->is_begun = true;
}

static void count_drops(struct capture *capture)
{
	struct drops drops = device_new_drops(&capture->device);

	if (!capture->is_counting)
		return;
	if (capture->is_pausing) {
		drops.count[DROP_BUDGET] = drops.count[DROP_KERNEL];
		drops.count[DROP_KERNEL] = 0;
	}
	drops_add(&capture->drops, &drops);
}

static void send_chunk(struct capture *capture)
{
	struct chunk *chunk = take_ptr(capture->chunk);
	uint64_t now_ms = clock_monotonic_ms();

	if (chunk->end_reason || now_ms - capture->statistics_ms >= STATISTICS_MS) {
		capture->statistics_ms = now_ms;
		count_drops(capture);
		if (capture->device.pcap && capture->is_seen_known)
			atomic_store(&capture->counts->in_ring,
				     device_unseen(&capture->device, capture->seen));
	}
	chunk->drops = capture->drops;
	chunk->packets_own = capture->packets_own;
	capture->drops = (struct drops){ 0 };
	capture->packets_own = 0;
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		interface_add(capture->counts, drops[i], chunk->drops.count[i]);
	interface_add(capture->counts, packets_own, chunk->packets_own);
	if (chunk->packets > 0)
		rotate_seen(&capture->rotate, chunk->latest_ns);
	queue_push(capture->queue, chunk);
}

static void plan_segment(struct capture *capture, uint64_t start_ns)
{
	rotate_begin(&capture->rotate, start_ns, capture->source.format->header_bytes_min);
	capture->is_begun = false;
}

/* End the segment with what it has; the next one begins at next_ns. */
static void end_segment(struct capture *capture, const char *reason, uint64_t end_ns,
			uint64_t next_ns)
{
	if (!capture->chunk)
		take_chunk(capture);
	capture->chunk->end_reason = reason;
	capture->chunk->end_ns = end_ns;
	counter_add(&capture->counts->segments_ended, 1);
	send_chunk(capture);
	atomic_store(&capture->counts->open_since_ns, 0);
	plan_segment(capture, next_ns);
}

/*
 * Like end_segment(), but creates no file for an empty segment. Own uploads alone do not make one, because its
 * upload would be recorded as the reason for another.
 */
static void end_segment_unless_empty(struct capture *capture, const char *reason, uint64_t end_ns,
				     uint64_t next_ns)
{
	count_drops(capture);
	if (capture->is_begun || drops_sum(&capture->drops) > 0)
		end_segment(capture, reason, end_ns, next_ns);
	else
		plan_segment(capture, next_ns);
}

/* End a segment whose time was over by now_ns. An interval without packets gets a file only with segment.empty. */
static void end_segment_on_time(struct capture *capture, uint64_t now_ns)
{
	const struct rotate *rotate = &capture->rotate;
	uint64_t end_ns = rotate->boundary_ns < now_ns ? rotate->boundary_ns : now_ns;
	uint64_t next_ns = rotate_next_start(rotate, now_ns);

	if (strcmp(rotate->boundary_reason, "age") == 0 && atomic_load(&capture->is_empty_wanted))
		end_segment(capture, "age", end_ns, next_ns);
	else
		end_segment_unless_empty(capture, rotate->boundary_reason, end_ns, next_ns);
}

/* The clock was set back to now_ns; no segment spans that, and earlier times mean something else. */
static void end_segment_on_set_back(struct capture *capture, uint64_t now_ns)
{
	if (capture->is_begun)
		end_segment(capture, "clock", capture->rotate.latest_ns, now_ns);
	else
		plan_segment(capture, now_ns);
	capture->since_ns = now_ns;
}

/* Nothing that comes can be older, unless the clock was set back. */
static uint64_t reference_of(const struct capture *capture)
{
	uint64_t agreed_ns = atomic_load_explicit(&capture->agreed_ns, memory_order_relaxed);
	uint64_t emptied_ns = agreed_ns ? agreed_ns : atomic_load(&capture->emptied_ns);

	return emptied_ns > LATENCY_NS ? emptied_ns - LATENCY_NS : 0;
}

/* While two captures of an interface overlap (reload), each packet belongs to exactly one. */
static bool is_mine(struct capture *capture, uint64_t packet_ns)
{
	uint64_t from_ns = atomic_load_explicit(&capture->from_ns, memory_order_relaxed);
	uint64_t until_ns = atomic_load_explicit(&capture->until_ns, memory_order_relaxed);

	capture->seen++;
	if (from_ns > 0 &&
	    (from_ns == UINT64_MAX ||
	     !handover_has_begun(&capture->handover, reference_of(capture), from_ns, packet_ns)))
		return false;
	/* Planned when the capture was opened, before it was its turn. */
	if (from_ns > 0 && !capture->is_begun && capture->rotate.start_ns < from_ns)
		plan_segment(capture, from_ns);
	if (until_ns == UINT64_MAX ||
	    !handover_is_over(&capture->handover, reference_of(capture), until_ns, packet_ns))
		return true;
	capture->is_past_until = true;
	return false;
}

/* While there are connections of ours, which is rarely for long. */
static bool is_own(const struct capture *capture, const uint8_t *packet, uint32_t captured,
		   uint64_t packet_ns)
{
	struct headers headers;

	headers_read(capture->source.link_type, packet, captured, &headers);
	return own_traffic_search(&capture->own, &headers, packet_ns);
}

static void on_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *packet)
{
	struct capture *capture = (struct capture *)(void *)user;
	const struct format *format = capture->source.format;
	uint64_t packet_ns = (uint64_t)header->ts.tv_sec * CLOCK_NS_PER_S +
			     (uint64_t)header->ts.tv_usec * (capture->source.is_nano ? 1 : 1000);
	uint32_t snaplen = capture->source.snaplen;
	uint32_t captured = header->caplen < snaplen ? header->caplen : snaplen;
	size_t bytes = format_record_bytes(format, captured);
	struct chunk *chunk;

	if (!is_mine(capture, packet_ns))
		return;
	if (own_traffic_has_any(&capture->own) &&
	    is_own(capture, packet, header->caplen, packet_ns)) {
		capture->packets_own++;
		return;
	}
	switch (rotate_before_packet(&capture->rotate, packet_ns)) {
	case ROTATE_NOT_DUE:
		break;
	case ROTATE_SIZE:
		end_segment(capture, "size", packet_ns, packet_ns);
		break;
	case ROTATE_TIME:
		end_segment_on_time(capture, packet_ns);
		break;
	case ROTATE_SET_BACK:
		end_segment_on_set_back(capture, packet_ns);
		break;
	}
	if (capture->chunk && capture->chunk->length + bytes > CHUNK_BYTES)
		send_chunk(capture);
	/* The name contains the start of the segment, which must not be after its first packet. */
	if (!capture->is_begun && packet_ns < capture->rotate.start_ns)
		capture->rotate.start_ns = packet_ns;
	if (!capture->chunk)
		take_chunk(capture);
	chunk = capture->chunk;
	chunk_add_time(chunk, packet_ns);
	chunk->length +=
		format->encode_record(chunk->bytes + chunk->length, (uint32_t)header->ts.tv_sec,
				      (uint32_t)header->ts.tv_usec, captured, header->len, packet);
	capture->rotate.bytes += bytes;
	/* The index is about the bytes that are stored. */
	if (capture->is_collecting)
		collector_add(&capture->collector, chunk->keys, capture->source.link_type, packet,
			      captured);
}

static void read_limits(struct capture *capture)
{
	struct rotate_limits limits = { .bytes = atomic_load(&capture->limit_bytes),
					.interval_ns = atomic_load(&capture->limit_interval_ns) };

	rotate_set_limits(&capture->rotate, limits);
}

/* How long to wait for packets before something else is due. */
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

/*
 * Before the instant of a hand-over, drops belong to the other capture. Some time after it, or when the clock was set
 * back so that it is far ahead, packet times need not be compared any more.
 */
static void take_over(struct capture *capture, uint64_t real_ns)
{
	uint64_t from_ns = atomic_load(&capture->from_ns);
	bool is_set_back = real_ns + AGREE_MS_MAX * CLOCK_NS_PER_MS < from_ns;

	note_since(capture);
	if (from_ns == 0)
		return;
	if (!capture->is_counting && real_ns < from_ns)
		count_drops(capture); /* the other capture's: they do not count */
	if (from_ns == UINT64_MAX)
		return;
	if (!capture->is_counting && (real_ns >= from_ns || is_set_back)) {
		capture->is_counting = true;
		capture->since_ns = is_set_back ? real_ns : from_ns;
		if (!capture->is_begun)
			plan_segment(capture, capture->since_ns);
	}
	/* What is read by then was received before the clock was set back, and is not ours. */
	if (clock_monotonic_ms() >= atomic_load(&capture->from_set_ms) + AGREE_MS_MAX) {
		atomic_store(&capture->from_ns, 0);
		atomic_store(&capture->agreed_ns, 0); /* another hand-over has its own */
		device_force_kernel_timestamps(&capture->device, false);
	}
}

/*
 * Do what is due whether or not packets arrive. looked_ns: real time before the ring was read to its end, or
 * 0 if it was not. A segment's time must have been over by then, or some of its packets could be unread.
 */
static void do_what_is_due(struct capture *capture, uint64_t looked_ns)
{
	uint64_t real_ns = clock_real_ns();
	const char *reason = atomic_exchange(&capture->end_reason, NULL);
	enum rotate_cause cause;

	read_limits(capture);
	if (capture->chunk && capture->chunk->packets > 0)
		rotate_seen(&capture->rotate, capture->chunk->latest_ns);
	/* Packets already in the ring belong to the segment that ends. */
	if (reason && !rotate_cut(&capture->rotate, real_ns, reason))
		atomic_store(&capture->end_reason, reason); /* end the next one instead */
	cause = rotate_now(&capture->rotate, real_ns, LATENCY_NS);
	if (cause == ROTATE_SET_BACK)
		end_segment_on_set_back(capture, real_ns);
	else if (cause == ROTATE_TIME &&
		 rotate_now(&capture->rotate, looked_ns, LATENCY_NS) == ROTATE_TIME)
		end_segment_on_time(capture, real_ns);
	if (capture->chunk && clock_monotonic_ms() - capture->chunk->opened_ms >=
				      atomic_load(&capture->flush_interval_ms))
		send_chunk(capture);
}

/* While paused, keep reporting what the kernel drops. */
static void report_pause_drops(struct capture *capture)
{
	count_drops(capture);
	if (capture->drops.count[DROP_BUDGET] == 0)
		return;
	if (!capture->chunk)
		take_chunk(capture);
	send_chunk(capture);
}

/* Set the state and wake the main thread. */
static void set_state(struct capture *capture, enum capture_state state)
{
	atomic_store(&capture->state, state);
	wakeup_send(capture->context.wake_fd);
}

/* After a read that began at this real time. */
static void note_emptied(struct capture *capture, int dispatched, uint64_t looked_ns)
{
	if (dispatched == DISPATCH_PACKETS)
		return;
	if (dispatched == 0 && capture->is_seen_known)
		atomic_store_explicit(&capture->counts->in_ring, 0, memory_order_relaxed);
	atomic_store_explicit(&capture->emptied_ns, looked_ns, memory_order_relaxed);
}

/* Read packets until the capture is stopped or the interface is gone. */
static void read_packets(struct capture *capture)
{
	int dispatched = 0;

	while (!atomic_load(&capture->stop_reason)) {
		bool is_paused = atomic_load(&capture->is_paused);
		struct pollfd fds[] = {
			{ .fd = is_paused ? -1 : capture->device.fd, .events = POLLIN },
			{ .fd = capture->wake_fd, .events = POLLIN },
		};
		uint64_t looked_ns = clock_real_ns();

		thread_beat();
		if (is_paused != capture->is_pausing)
			count_drops(capture); /* of the time before */
		if (capture->is_pausing && !is_paused)
			capture->since_ns = looked_ns;
		capture->is_pausing = is_paused;
		if (dispatched < DISPATCH_PACKETS && poll(fds, 2, wait_ms(capture)) > 0 &&
		    fds[1].revents)
			wakeup_clear(capture->wake_fd);
		take_over(capture, clock_real_ns());
		dispatched = 0;
		if (is_paused)
			report_pause_drops(capture);
		else
			dispatched = pcap_dispatch(capture->device.pcap, DISPATCH_PACKETS,
						   on_packet, (u_char *)capture);
		if (dispatched < 0)
			return;
		if (!is_paused)
			note_emptied(capture, dispatched, looked_ns);
		do_what_is_due(capture, dispatched < DISPATCH_PACKETS ? looked_ns : 0);
	}
}

/*
 * Read what belongs to this capture and is still in the ring, and end the segment. The last packets become
 * readable only when the kernel retires their block.
 */
static void finish_capture(struct capture *capture)
{
	uint64_t now_ns = clock_real_ns(), until_ns = atomic_load(&capture->until_ns), looked_ns;
	uint64_t wait_ns = until_ns > now_ns && until_ns != UINT64_MAX ? until_ns - now_ns : 0;
	uint64_t end_ns = clock_monotonic_ns() + LATENCY_NS + wait_ns;
	const char *reason;
	int dispatched;

	do {
		struct pollfd ring = { .fd = capture->device.fd, .events = POLLIN };

		looked_ns = clock_monotonic_ns();
		thread_beat();
		/* Once the time of this capture is over, later drops are not its own. */
		if (capture->is_counting && clock_real_ns() >= atomic_load(&capture->until_ns)) {
			count_drops(capture);
			capture->is_counting = false;
		}
		(void)poll(&ring, 1, DRAIN_POLL_MS);
		dispatched = pcap_dispatch(capture->device.pcap, DISPATCH_PACKETS, on_packet,
					   (u_char *)capture);
		/* The time before the read counts, because this thread may have been stalled since. */
	} while (looked_ns < end_ns || (dispatched > 0 && !capture->is_past_until));
	reason = atomic_load(&capture->stop_reason);
	until_ns = atomic_load(&capture->until_ns);
	if (until_ns == UINT64_MAX) /* an interface that is gone has no more packets */
		until_ns = clock_real_ns();
	end_segment_unless_empty(capture, reason ? reason : "interface", until_ns, until_ns);
	device_close(&capture->device);
}

/* The thread: runs until it is stopped or its interface is gone. */
static void run_capture(void *context)
{
	struct capture *capture = context;
	/* Not beside another capture of the interface, to which this one succeeds. */
	bool is_again = !capture->device.pcap && atomic_load(&capture->counts->has_been_live) &&
			!atomic_load(&capture->counts->is_live);
	enum capture_state end = CAPTURE_ENDED;

	if (!capture->device.pcap && capture_open(capture, &capture->failure) < 0) {
		end = CAPTURE_REFUSED;
	} else {
		interface_add(capture->counts, restarts, is_again);
		atomic_store(&capture->counts->is_live, true);
		atomic_store(&capture->counts->has_been_live, true);
		set_state(capture, CAPTURE_OPEN);
		read_limits(capture);
		plan_segment(capture, clock_real_ns());
		read_packets(capture);
		finish_capture(capture);
	}
	queue_close(capture->queue);
	set_state(capture, end);
}

int capture_start(struct capture *capture, struct queue *queue, enum capture_from from,
		  struct error *err)
{
	cleanup_free char *name = mem_printf("cap-%.11s", capture->interface);

	capture->queue = queue;
	capture->is_counting = from == CAPTURE_FROM_START;
	if (from == CAPTURE_FROM_LATER) {
		atomic_store(&capture->from_ns, UINT64_MAX);
		device_force_kernel_timestamps(&capture->device, true); /* if it is open */
	}
	return thread_start(&capture->thread, name, run_capture, capture, err);
}
