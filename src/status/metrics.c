/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because all that makes one metric, its row and its samples, is in one place. */
#include "status/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "status/health.h"

#define PREFIX "kube_node_tracer_"

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO,
};

/* One answer while it is written. */
struct scrape {
	FILE *out;
	enum metrics_format format;
	const struct status_snapshot *snapshot;
	const struct metric *metric;
};

/* Values are found by their place in struct interface_counters, counters, status_snapshot or conf. */
struct metric {
	const char *name; /* without the prefix, and for counters without _total */
	enum metric_type type;
	void (*sample)(struct scrape *scrape);
	size_t offset;
	const char *labels; /* for the manual */
	const char *help;   /* one sentence */
};

/* Values ----------------------------------------------------------------------------------------- */

static const char *suffix_of(enum metric_type type)
{
	return type == METRIC_COUNTER ? "_total" : type == METRIC_INFO ? "_info" : "";
}

/* value / 10^decimals, exactly. */
static void write_number(FILE *out, uint64_t value, unsigned decimals)
{
	uint64_t unit = 1;

	for (unsigned i = 0; i < decimals; i++)
		unit *= 10;
	if (decimals == 0)
		(void)fprintf(out, "%" PRIu64, value);
	else
		(void)fprintf(out, "%" PRIu64 ".%0*" PRIu64, value / unit, (int)decimals,
			      value % unit);
}

/* A bound of a histogram, as OpenMetrics has it: no zeros at the end but the first after the point. */
static void write_bound(FILE *out, uint64_t value, unsigned decimals)
{
	for (; decimals > 1 && value % 10 == 0; decimals--)
		value /= 10;
	write_number(out, value, decimals);
}

/* One sample; labels as they stand between the braces, or "". */
static void sample_fixed(struct scrape *scrape, const char *labels, uint64_t value,
			 unsigned decimals)
{
	(void)fprintf(scrape->out, PREFIX "%s%s%s%s%s ", scrape->metric->name,
		      suffix_of(scrape->metric->type), *labels ? "{" : "", labels,
		      *labels ? "}" : "");
	write_number(scrape->out, value, decimals);
	(void)fputc('\n', scrape->out);
}

static void sample_count(struct scrape *scrape, const char *labels, uint64_t value)
{
	sample_fixed(scrape, labels, value, 0);
}

/*
 * A name by the kernel may hold anything but a slash and a blank. What is not printable becomes \xHH, and so
 * does a backslash: no two names look the same.
 */
#define LABELS_MAX 512
static void interface_label(const struct interface_counters *interface, char out[LABELS_MAX])
{
	struct text text = text_over(out, LABELS_MAX);

	text_append(&text, "interface=\"");
	for (const char *p = interface->name; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '\\')
			text_append(&text, "\\\\x%02x", (unsigned char)*p);
		else
			text_append(&text, "%s%c", *p == '"' ? "\\" : "", *p);
	text_append(&text, "\"");
}

static const void *field_of(const struct scrape *scrape, const void *from)
{
	return (const char *)from + scrape->metric->offset;
}

/* By interface ----------------------------------------------------------------------------------- */

static void visit_counter(void *context, const struct interface_counters *interface)
{
	struct scrape *scrape = context;
	char labels[LABELS_MAX];

	interface_label(interface, labels);
	sample_count(scrape, labels, counter_read(field_of(scrape, interface)));
}

static void sample_interfaces(struct scrape *scrape)
{
	counters_each_interface(scrape->snapshot->counters, visit_counter, scrape);
}

/* How it is now is of interest where it is recorded now. */
static void visit_ring(void *context, const struct interface_counters *interface)
{
	if (interface->users > 0)
		visit_counter(context, interface);
}

static void sample_rings(struct scrape *scrape)
{
	counters_each_interface(scrape->snapshot->counters, visit_ring, scrape);
}

static void visit_live(void *context, const struct interface_counters *interface)
{
	struct scrape *scrape = context;
	char labels[LABELS_MAX];

	interface_label(interface, labels);
	sample_count(scrape, labels, atomic_load(&interface->is_live));
}

static void sample_live(struct scrape *scrape)
{
	snapshot_each_interface(scrape->snapshot, visit_live, scrape);
}

/* With one more label before the reason, or "". */
static void sample_reasons(struct scrape *scrape, const char *label,
			   const counter drops[DROP_REASON_COUNT])
{
	char labels[LABELS_MAX + 64];

	for (int i = 0; i < DROP_REASON_COUNT; i++) {
		(void)snprintf(labels, sizeof labels, "%s%sreason=\"%s\"", label, *label ? "," : "",
			       drop_reason_names[i]);
		sample_count(scrape, labels, counter_read(&drops[i]));
	}
}

/* As it was looked at last, some seconds ago; of those that are recorded. */
static void visit_system(void *context, const struct interface_counters *interface)
{
	struct scrape *scrape = context;
	const struct series *series = series_of(scrape->snapshot->series, interface->name);
	char labels[LABELS_MAX];

	if (interface->users == 0 || !series || series->count == 0)
		return;
	interface_label(interface, labels);
	sample_count(scrape, labels, series_back(series, 0)->system);
}

static void sample_system(struct scrape *scrape)
{
	counters_each_interface(scrape->snapshot->counters, visit_system, scrape);
}

static void visit_drops(void *context, const struct interface_counters *interface)
{
	struct scrape *scrape = context;
	char label[LABELS_MAX];

	interface_label(interface, label);
	sample_reasons(scrape, label, interface->drops);
}

static void sample_interface_drops(struct scrape *scrape)
{
	counters_each_interface(scrape->snapshot->counters, visit_drops, scrape);
}

/* Of the whole ----------------------------------------------------------------------------------- */

static void sample_counter(struct scrape *scrape)
{
	sample_count(scrape, "", counter_read(field_of(scrape, scrape->snapshot->counters)));
}

static void sample_drops(struct scrape *scrape)
{
	sample_reasons(scrape, "", scrape->snapshot->counters->drops);
}

/* A stamp in ns; none yet is 0, as Prometheus has it. */
static void sample_stamp(struct scrape *scrape)
{
	const atomic_uint_fast64_t *stamp = field_of(scrape, scrape->snapshot->counters);

	sample_fixed(scrape, "", atomic_load(stamp) / CLOCK_NS_PER_MS, 3);
}

static void sample_build(struct scrape *scrape)
{
	sample_count(scrape, "version=\"" PACKAGE_VERSION "\"", 1);
}

static void sample_start(struct scrape *scrape)
{
	/* As it was read then: what is computed anew would be a millisecond off now and then. */
	sample_fixed(scrape, "", scrape->snapshot->started_real_ns / CLOCK_NS_PER_MS, 3);
}

static void sample_phase(struct scrape *scrape)
{
	sample_count(scrape, "phase=\"starting\"", scrape->snapshot->phase == STATUS_STARTING);
	sample_count(scrape, "phase=\"recording\"", scrape->snapshot->phase == STATUS_RECORDING);
	sample_count(scrape, "phase=\"stopping\"", scrape->snapshot->phase == STATUS_STOPPING);
}

static void sample_health(struct scrape *scrape)
{
	struct health_finding findings[HEALTH_RULES];

	(void)health_judge(scrape->snapshot, true, findings);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		char labels[LABELS_MAX];

		(void)snprintf(labels, sizeof labels, "probe=\"%s\",rule=\"%s\"",
			       health_rules[i].is_liveness ? "healthz" : "readyz",
			       health_rules[i].name);
		sample_count(scrape, labels, !findings[i].is_failing);
	}
}

/* A uint64_t of the snapshot; UINT64_MAX: not known, or there is no such limit. */
static void sample_snapshot(struct scrape *scrape)
{
	uint64_t value = *(const uint64_t *)field_of(scrape, scrape->snapshot);

	if (value != UINT64_MAX)
		sample_count(scrape, "", value);
}

/* A uint64_t of the configuration. */
static void sample_option(struct scrape *scrape)
{
	sample_count(scrape, "", *(const uint64_t *)field_of(scrape, scrape->snapshot->conf));
}

static void sample_chunks(struct scrape *scrape)
{
	sample_count(scrape, "", scrape->snapshot->chunks - scrape->snapshot->chunks_free);
}

static void sample_spool_segments(struct scrape *scrape)
{
	const struct spool_totals *spool = &scrape->snapshot->spool;

	sample_count(scrape, "state=\"capturing\"", spool->capturing);
	sample_count(scrape, "state=\"ready\"", spool->ready);
	sample_count(scrape, "state=\"sending\"", spool->sending);
	sample_count(scrape, "state=\"rejected\"", spool->rejected);
}

static void sample_spool_full(struct scrape *scrape)
{
	sample_count(scrape, "", scrape->snapshot->is_spool_full);
}

static void sample_spool_use(struct scrape *scrape)
{
	sample_fixed(scrape, "", (uint64_t)(scrape->snapshot->spool.use * 1e6), 6);
}

static void sample_oldest(struct scrape *scrape)
{
	sample_fixed(scrape, "", snapshot_waiting_ms(scrape->snapshot), 3);
}

static void sample_levels(struct scrape *scrape)
{
	struct level_counters *levels = scrape->snapshot->counters->levels;
	size_t count = counters_levels(scrape->snapshot->counters);
	bool is_time = scrape->metric->offset == offsetof(struct level_counters, ns);

	for (size_t i = 0; i < count; i++) {
		char labels[LABELS_MAX];

		(void)snprintf(labels, sizeof labels, "codec=\"%s\",level=\"%s\"", levels[i].codec,
			       levels[i].level);
		sample_fixed(scrape, labels, counter_read(field_of(scrape, &levels[i])),
			     is_time ? 9 : 0);
	}
}

static void sample_uploads(struct scrape *scrape)
{
	const struct counters *counters = scrape->snapshot->counters;

	sample_count(scrape, "result=\"success\"", counter_read(&counters->segments_uploaded));
	sample_count(scrape, "result=\"retry\"", counter_read(&counters->upload_retries));
	sample_count(scrape, "result=\"rejected\"", counter_read(&counters->segments_rejected));
}

static void sample_responses(struct scrape *scrape)
{
	const struct counters *counters = scrape->snapshot->counters;

	for (unsigned code = 0; code < COUNTERS_HTTP_CODES; code++) {
		uint64_t value = counter_read(&counters->upload_responses[code]);
		char labels[LABELS_MAX];

		if (value == 0)
			continue;
		(void)snprintf(labels, sizeof labels, code ? "code=\"%u\"" : "code=\"none\"", code);
		sample_count(scrape, labels, value);
	}
}

static void sample_failing(struct scrape *scrape)
{
	sample_count(scrape, "", *scrape->snapshot->outage != '\0');
}

static void sample_reloads(struct scrape *scrape)
{
	const struct counters *counters = scrape->snapshot->counters;

	sample_count(scrape, "result=\"success\"", counter_read(&counters->reloads));
	sample_count(scrape, "result=\"refused\"", counter_read(&counters->reloads_refused));
}

static void sample_histogram(struct scrape *scrape)
{
	const struct histogram *histogram = field_of(scrape, scrape->snapshot->counters);
	bool is_time = scrape->metric->offset == offsetof(struct counters, upload_ms);
	const uint64_t *bounds = is_time ? histogram_ms_bounds : histogram_bytes_bounds;
	const char *name = scrape->metric->name;
	unsigned decimals = is_time ? 3 : 0;
	uint64_t count = 0;

	for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
		count += counter_read(&histogram->buckets[i]);
		(void)fprintf(scrape->out, PREFIX "%s_bucket{le=\"", name);
		if (i < HISTOGRAM_BOUNDS)
			write_bound(scrape->out, bounds[i], decimals);
		else
			(void)fputs("+Inf", scrape->out);
		(void)fprintf(scrape->out, "\"} %" PRIu64 "\n", count);
	}
	(void)fprintf(scrape->out, PREFIX "%s_sum ", name);
	write_number(scrape->out, counter_read(&histogram->sum), decimals);
	(void)fprintf(scrape->out, "\n" PREFIX "%s_count %" PRIu64 "\n", name, count);
}

/* The table -------------------------------------------------------------------------------------- */

#define INTERFACE(field)     sample_interfaces, offsetof(struct interface_counters, field), "interface"
#define RING(field)          sample_rings, offsetof(struct interface_counters, field), "interface"
#define TOTAL(field)         sample_counter, offsetof(struct counters, field), ""
#define STAMP(field)         sample_stamp, offsetof(struct counters, field), ""
#define LEVEL(field)         sample_levels, offsetof(struct level_counters, field), "codec, level"
#define HISTOGRAM(field)     sample_histogram, offsetof(struct counters, field), ""
#define SNAPSHOT(field)      sample_snapshot, offsetof(struct status_snapshot, field), ""
#define OPTION(field)        sample_option, offsetof(struct conf, field), ""
#define ONE(sample)          sample, 0, ""
#define EACH(sample, labels) sample, 0, labels

static const struct metric metrics[] = {
	{ "build", METRIC_INFO, EACH(sample_build, "version"), "Version of the running program." },
	{ "start_time_seconds", METRIC_GAUGE, ONE(sample_start),
	  "Start time of the process, in seconds since 1970." },
	{ "phase", METRIC_GAUGE, EACH(sample_phase, "phase"),
	  "1 for the current phase: starting, recording or stopping." },
	{ "health", METRIC_GAUGE, EACH(sample_health, "probe, rule"),
	  "1 if this rule of /healthz or /readyz passes, 0 if it fails." },

	{ "interface_up", METRIC_GAUGE, EACH(sample_live, "interface"),
	  "1 if packets can be captured on the interface; 0 if it is down, was removed, or is "
	  "selected by capture.interface but does not exist or cannot be opened." },
	{ "recorded_packets", METRIC_COUNTER, TOTAL(packets),
	  "Packets written to segments, including those deleted or rejected later." },
	{ "recorded_bytes", METRIC_COUNTER, TOTAL(bytes),
	  "Bytes of these packets as stored in the file, before compression." },
	{ "dropped_packets", METRIC_COUNTER, EACH(sample_drops, "reason"),
	  "Packets lost, by reason: kernel (ring full), interface (hardware or driver had no "
	  "room; known only in promiscuous mode, and not for \"any\"), budget (spool full), "
	  "disk, rejected (permanently, by the destination)." },
	{ "discarded_packets", METRIC_COUNTER, TOTAL(packets_discarded),
	  "Packets that were recorded and then lost: deleted to free space, permanently "
	  "rejected, or lost by the disk; also counted in dropped_packets." },
	{ "own_packets", METRIC_COUNTER, TOTAL(packets_own),
	  "Packets of the program's own uploads, which are not recorded." },
	{ "interface_recorded_packets", METRIC_COUNTER, INTERFACE(packets),
	  "Recorded packets by interface." },
	{ "interface_recorded_bytes", METRIC_COUNTER, INTERFACE(bytes),
	  "Recorded bytes by interface." },
	{ "interface_dropped_packets", METRIC_COUNTER,
	  EACH(sample_interface_drops, "interface, reason"), "Dropped packets by interface." },
	{ "interface_discarded_packets", METRIC_COUNTER, INTERFACE(packets_discarded),
	  "Discarded packets by interface." },
	{ "interface_own_packets", METRIC_COUNTER, INTERFACE(packets_own),
	  "Packets of the program's own uploads, by interface." },
	{ "interface_system_packets", METRIC_COUNTER, EACH(sample_system, "interface"),
	  "Packets counted by the operating system on a recorded interface, before any filter." },
	{ "interfaces_left_out", METRIC_GAUGE, SNAPSHOT(left_out),
	  "Selected interfaces that are not recorded because of capture.max_interfaces." },
	{ "chunk_waits", METRIC_COUNTER, TOTAL(chunk_waits),
	  "Times a capture found no free chunk and left packets in the kernel's ring meanwhile." },
	{ "interface_reopened", METRIC_COUNTER, INTERFACE(restarts),
	  "Times the capture was restarted because the interface had gone away." },
	{ "ring_packets", METRIC_GAUGE, RING(in_ring),
	  "Packets waiting in the kernel's ring when the last chunk was taken." },
	{ "ring_size_bytes", METRIC_GAUGE, OPTION(capture_buffer),
	  "Size of the kernel's ring of each interface." },
	{ "queue_chunks", METRIC_GAUGE, ONE(sample_chunks),
	  "Chunks of packets in memory, between capture and disk." },
	{ "queue_limit_chunks", METRIC_GAUGE, SNAPSHOT(chunks),
	  "Maximum number of chunks in memory; beyond it, only the ring buffers packets." },

	{ "segments", METRIC_COUNTER, TOTAL(segments), "Segments finished." },
	{ "interface_segments", METRIC_COUNTER, INTERFACE(segments),
	  "Finished segments by interface." },
	{ "compression_input_bytes", METRIC_COUNTER, LEVEL(bytes_before),
	  "Uncompressed input bytes." },
	{ "compression_output_bytes", METRIC_COUNTER, LEVEL(bytes_after),
	  "Compressed output bytes." },
	{ "compression_seconds", METRIC_COUNTER, LEVEL(ns), "Time spent compressing." },

	{ "spool_segments", METRIC_GAUGE, EACH(sample_spool_segments, "state"),
	  "Segments on this node by state: capturing (open, or to be recovered), ready "
	  "(waiting), sending, rejected." },
	{ "spool_bytes", METRIC_GAUGE, SNAPSHOT(spool.bytes), "Disk space used by the spool." },
	{ "spool_limit_bytes", METRIC_GAUGE, OPTION(spool_max_size),
	  "Maximum disk space of the spool (spool.max_size); 0 means no limit." },
	{ "spool_limit_segments", METRIC_GAUGE, OPTION(spool_max_segments),
	  "Maximum number of waiting segments (spool.max_segments)." },
	{ "spool_filesystem_free_bytes", METRIC_GAUGE, SNAPSHOT(spool.disk_free),
	  "Free space on the spool's file system." },
	{ "spool_filesystem_size_bytes", METRIC_GAUGE, SNAPSHOT(spool.disk_total),
	  "Size of the spool's file system; spool.min_free of it is kept free for others." },
	{ "spool_filesystem_room_bytes", METRIC_GAUGE, SNAPSHOT(spool.room_bytes),
	  "Free space on the spool's file system above spool.min_free." },
	{ "spool_filesystem_room_inodes", METRIC_GAUGE, SNAPSHOT(spool.room_inodes),
	  "Free inodes on the spool's file system above spool.min_free_inodes; absent if it has "
	  "no inode limit." },
	{ "spool_use_ratio", METRIC_GAUGE, ONE(sample_spool_use),
	  "Use of the closest limit: spool.max_size, spool.max_segments, spool.min_free "
	  "or spool.min_free_inodes; at 1 the oldest segments are deleted." },
	{ "spool_full", METRIC_GAUGE, ONE(sample_spool_full),
	  "1 while the file system has too little space and nothing is left to delete." },
	{ "spool_oldest_segment_age_seconds", METRIC_GAUGE, ONE(sample_oldest),
	  "Time since the oldest waiting segment began; 0 if none is waiting." },

	{ "uploads", METRIC_COUNTER, EACH(sample_uploads, "result"),
	  "Attempts to upload a segment, by result: success, retry (will be retried), rejected "
	  "(permanently, moved to rejected/)." },
	{ "uploaded_bytes", METRIC_COUNTER, TOTAL(bytes_uploaded),
	  "Bytes of segments whose size and checksum the destination confirmed." },
	{ "upload_responses", METRIC_COUNTER, EACH(sample_responses, "code"),
	  "Responses of the storage service by HTTP status; none means no response." },
	{ "upload_duration_seconds", METRIC_HISTOGRAM, HISTOGRAM(upload_ms),
	  "Duration of successful uploads." },
	{ "upload_size_bytes", METRIC_HISTOGRAM, HISTOGRAM(upload_bytes),
	  "Size of uploaded segments." },
	{ "upload_failing", METRIC_GAUGE, ONE(sample_failing),
	  "1 while the last attempt of an uploader failed." },
	{ "upload_last_success_timestamp_seconds", METRIC_GAUGE, STAMP(uploaded_last_ns),
	  "Time of the last successful upload, in seconds since 1970; 0 if there was none." },
	{ "token_expiry_timestamp_seconds", METRIC_GAUGE, STAMP(token_expires_ns),
	  "Expiry time of the access token (renewed before then), in seconds since 1970; 0 if "
	  "there is none." },
	{ "reloads", METRIC_COUNTER, EACH(sample_reloads, "result"),
	  "Configuration reloads by result: success or refused." },
};
#define METRIC_COUNT (sizeof metrics / sizeof *metrics)

static void write_head(const struct scrape *scrape)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_INFO] = "info",
	};
	bool is_open = scrape->format == METRICS_OPENMETRICS;
	const struct metric *metric = scrape->metric;
	/* OpenMetrics names the family, Prometheus' own format the sample; that knows no infos. */
	const char *suffix = is_open ? "" : suffix_of(metric->type);
	const char *type = !is_open && metric->type == METRIC_INFO ? "gauge" : types[metric->type];

	(void)fprintf(scrape->out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n",
		      metric->name, suffix, metric->help, metric->name, suffix, type);
}

void metrics_write(FILE *out, enum metrics_format format, const struct status_snapshot *snapshot)
{
	struct scrape scrape = { .out = out, .format = format, .snapshot = snapshot };

	for (size_t i = 0; i < METRIC_COUNT; i++) {
		scrape.metric = &metrics[i];
		write_head(&scrape);
		metrics[i].sample(&scrape);
	}
	if (format == METRICS_OPENMETRICS)
		(void)fputs("# EOF\n", out);
}

enum metrics_format metrics_negotiate(const char *accept)
{
	/* Prometheus asks for what it likes best first, and takes either. */
	return accept && strstr(accept, "application/openmetrics-text") ? METRICS_OPENMETRICS
									: METRICS_PROMETHEUS;
}

const char *metrics_content_type(enum metrics_format format)
{
	return format == METRICS_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}
