/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because all that makes one metric, its row and its samples, is in one place. */
#include "status/status.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define PREFIX     "kube_node_tracer_"
#define LABELS_MAX 512

enum metric_type {
	METRIC_COUNTER,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
	METRIC_INFO,
};

/* The struct that a metric's offset is in, and how many of it there are. */
enum metric_source {
	FROM_COUNTERS,
	FROM_SNAPSHOT,
	FROM_CONF,
	FROM_INTERFACES, /* each struct interface_counters there was */
	FROM_RECORDED,   /* those that are recorded now */
	FROM_SELECTED,   /* those, and the missing ones */
	FROM_LEVELS,     /* each struct level_counters */
};

/* One answer while it is written. */
struct scrape {
	FILE *out;
	bool is_open; /* OpenMetrics 1.0.0; else Prometheus' text format 0.0.4 */
	const struct status_snapshot *snapshot;
	const struct metric *metric;
	const char *labels; /* of the struct that is sampled, as between the braces; "": none */
};

struct metric {
	const char *name; /* without the prefix, and for counters without _total */
	enum metric_type type;
	/* Write the samples of one struct, or of the field in it. */
	void (*sample)(const struct scrape *scrape, const void *field);
	enum metric_source source;
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
	(void)fprintf(out, "%" PRIu64, value / unit);
	if (decimals > 0)
		(void)fprintf(out, ".%0*" PRIu64, (int)decimals, value % unit);
}

/* A bound of a histogram, as OpenMetrics has it: no zeros at the end but the first after the point. */
static void write_bound(FILE *out, uint64_t value, unsigned decimals)
{
	for (; decimals > 1 && value % 10 == 0; decimals--)
		value /= 10;
	write_number(out, value, decimals);
}

/* One sample; label is another one, or "". */
static void write_sample(const struct scrape *scrape, const char *label, uint64_t value,
			 unsigned decimals)
{
	bool has_labels = *scrape->labels || *label;

	(void)fprintf(scrape->out, PREFIX "%s%s%s%s%s%s%s ", scrape->metric->name,
		      suffix_of(scrape->metric->type), has_labels ? "{" : "", scrape->labels,
		      *scrape->labels && *label ? "," : "", label, has_labels ? "}" : "");
	write_number(scrape->out, value, decimals);
	(void)fputc('\n', scrape->out);
}

static void write_count(const struct scrape *scrape, uint64_t value)
{
	write_sample(scrape, "", value, 0);
}

static void write_labelled(const struct scrape *scrape, const char *name, const char *label,
			   uint64_t value)
{
	char pair[LABELS_MAX];

	(void)snprintf(pair, sizeof pair, "%s=\"%s\"", name, label);
	write_sample(scrape, pair, value, 0);
}

/* Samples of a field ------------------------------------------------------------------------------ */

static void sample_counter(const struct scrape *scrape, const void *field)
{
	write_count(scrape, counter_read(field));
}

static void sample_nanoseconds(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", counter_read(field), 9);
}

/* UINT64_MAX: not known, or there is no such limit. */
static void sample_number(const struct scrape *scrape, const void *field)
{
	uint64_t value = *(const uint64_t *)field;

	if (value != UINT64_MAX)
		write_count(scrape, value);
}

static void sample_flag(const struct scrape *scrape, const void *field)
{
	write_count(scrape, *(const bool *)field);
}

static void sample_live(const struct scrape *scrape, const void *field)
{
	write_count(scrape, atomic_load((const atomic_bool *)field));
}

/* A stamp in ns; none yet is 0, as Prometheus has it. */
static void sample_stamp(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", counter_read(field) / CLOCK_NS_PER_MS, 3);
}

static void sample_start(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", *(const uint64_t *)field / CLOCK_NS_PER_MS, 3);
}

static void sample_drops(const struct scrape *scrape, const void *field)
{
	const counter *drops = field;

	for (int i = 0; i < DROP_REASON_COUNT; i++)
		write_labelled(scrape, "reason", drop_reason_names[i], counter_read(&drops[i]));
}

static void sample_responses(const struct scrape *scrape, const void *field)
{
	const counter *responses = field;
	char code[12];

	for (unsigned i = 0; i < COUNTERS_HTTP_CODES; i++) {
		(void)snprintf(code, sizeof code, i ? "%u" : "none", i);
		if (counter_read(&responses[i]) > 0)
			write_labelled(scrape, "code", code, counter_read(&responses[i]));
	}
}

static void write_histogram(const struct scrape *scrape, const struct histogram *histogram,
			    const uint64_t bounds[HISTOGRAM_BOUNDS], unsigned decimals)
{
	const char *name = scrape->metric->name;
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

static void sample_times(const struct scrape *scrape, const void *field)
{
	write_histogram(scrape, field, histogram_ms_bounds, 3);
}

static void sample_sizes(const struct scrape *scrape, const void *field)
{
	write_histogram(scrape, field, histogram_bytes_bounds, 0);
}

/* Samples of a whole struct ------------------------------------------------------------------------ */

/* As the system was asked last, some seconds ago. */
static void sample_system(const struct scrape *scrape, const void *field)
{
	const struct interface_counters *interface = field;
	const struct series *series = series_of(scrape->snapshot->series, interface->name);

	if (series && series->count > 0)
		write_count(scrape, series_back(series, 0)->system);
}

static void sample_build(const struct scrape *scrape, const void *field)
{
	(void)field;
	write_labelled(scrape, "version", PACKAGE_VERSION, 1);
}

static void sample_phase(const struct scrape *scrape, const void *field)
{
	enum status_phase phase = *(const enum status_phase *)field;

	for (enum status_phase each = STATUS_STARTING; each < STATUS_PHASES; each++)
		write_labelled(scrape, "phase", status_phases[each], phase == each);
}

static void sample_health(const struct scrape *scrape, const void *field)
{
	struct health_finding findings[HEALTH_RULES];
	char labels[LABELS_MAX];

	(void)health_judge(field, true, findings);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		(void)snprintf(labels, sizeof labels, "probe=\"%s\",rule=\"%s\"",
			       health_rules[i].is_liveness ? "healthz" : "readyz",
			       health_rules[i].name);
		write_sample(scrape, labels, !findings[i].is_failing, 0);
	}
}

static void sample_queue(const struct scrape *scrape, const void *field)
{
	const struct status_snapshot *snapshot = field;

	write_count(scrape, snapshot->chunks - snapshot->chunks_free);
}

static void sample_segments(const struct scrape *scrape, const void *field)
{
	const struct spool_totals *spool = field;

	write_labelled(scrape, "state", "capturing", spool->capturing);
	write_labelled(scrape, "state", "ready", spool->ready);
	write_labelled(scrape, "state", "sending", spool->sending);
	write_labelled(scrape, "state", "rejected", spool->rejected);
}

static void sample_use(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", (uint64_t)(*(const double *)field * 1e6), 6);
}

static void sample_oldest(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", snapshot_waiting_ms(field), 3);
}

static void sample_uploads(const struct scrape *scrape, const void *field)
{
	const struct counters *counters = field;

	write_labelled(scrape, "result", "success", counter_read(&counters->segments_uploaded));
	write_labelled(scrape, "result", "retry", counter_read(&counters->upload_retries));
	write_labelled(scrape, "result", "rejected", counter_read(&counters->segments_rejected));
}

static void sample_failing(const struct scrape *scrape, const void *field)
{
	const char *const *outage = field;

	write_count(scrape, **outage != '\0');
}

static void sample_reloads(const struct scrape *scrape, const void *field)
{
	const struct counters *counters = field;

	write_labelled(scrape, "result", "success", counter_read(&counters->reloads));
	write_labelled(scrape, "result", "refused", counter_read(&counters->reloads_refused));
}

/* The table -------------------------------------------------------------------------------------- */

#define TOTAL(field)         sample_counter, FROM_COUNTERS, offsetof(struct counters, field), ""
#define STAMP(field)         sample_stamp, FROM_COUNTERS, offsetof(struct counters, field), ""
#define SNAPSHOT(how, field) how, FROM_SNAPSHOT, offsetof(struct status_snapshot, field), ""
#define OPTION(field)        sample_number, FROM_CONF, offsetof(struct conf, field), ""
#define INTERFACE(field) \
	sample_counter, FROM_INTERFACES, offsetof(struct interface_counters, field), "interface"
#define LEVEL(how, field) how, FROM_LEVELS, offsetof(struct level_counters, field), "codec, level"

static const struct metric metrics[] = {
	{ "build", METRIC_INFO, sample_build, FROM_SNAPSHOT, 0, "version",
	  "Version of the running program." },
	{ "start_time_seconds", METRIC_GAUGE, SNAPSHOT(sample_start, started_real_ns),
	  "Start time of the process, in seconds since 1970." },
	{ "phase", METRIC_GAUGE, sample_phase, FROM_SNAPSHOT,
	  offsetof(struct status_snapshot, phase), "phase",
	  "1 for the current phase: starting, recording or stopping." },
	{ "health", METRIC_GAUGE, sample_health, FROM_SNAPSHOT, 0, "probe, rule",
	  "1 if this rule of /healthz or /readyz passes, 0 if it fails." },

	{ "interface_up", METRIC_GAUGE, sample_live, FROM_SELECTED,
	  offsetof(struct interface_counters, is_live), "interface",
	  "1 if packets can be captured on the interface; 0 if it is down, was removed, or is "
	  "selected by capture.interface but does not exist or cannot be opened." },
	{ "recorded_packets", METRIC_COUNTER, TOTAL(packets),
	  "Packets written to segments, including those deleted or rejected later." },
	{ "recorded_bytes", METRIC_COUNTER, TOTAL(bytes),
	  "Bytes of these packets as stored in the file, before compression." },
	{ "dropped_packets", METRIC_COUNTER, sample_drops, FROM_COUNTERS,
	  offsetof(struct counters, drops), "reason",
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
	{ "interface_dropped_packets", METRIC_COUNTER, sample_drops, FROM_INTERFACES,
	  offsetof(struct interface_counters, drops), "interface, reason",
	  "Dropped packets by interface." },
	{ "interface_discarded_packets", METRIC_COUNTER, INTERFACE(packets_discarded),
	  "Discarded packets by interface." },
	{ "interface_own_packets", METRIC_COUNTER, INTERFACE(packets_own),
	  "Packets of the program's own uploads, by interface." },
	{ "interface_system_packets", METRIC_COUNTER, sample_system, FROM_RECORDED, 0, "interface",
	  "Packets counted by the operating system on a recorded interface, before any filter." },
	{ "interfaces_left_out", METRIC_GAUGE, SNAPSHOT(sample_number, left_out),
	  "Selected interfaces that are not recorded because of capture.max_interfaces." },
	{ "chunk_waits", METRIC_COUNTER, TOTAL(chunk_waits),
	  "Times a capture found no free chunk and left packets in the kernel's ring meanwhile." },
	{ "interface_reopened", METRIC_COUNTER, INTERFACE(restarts),
	  "Times the capture was restarted because the interface had gone away." },
	{ "ring_packets", METRIC_GAUGE, sample_counter, FROM_RECORDED,
	  offsetof(struct interface_counters, in_ring), "interface",
	  "Packets waiting in the kernel's ring when the last chunk was taken." },
	{ "ring_size_bytes", METRIC_GAUGE, OPTION(capture_buffer),
	  "Size of the kernel's ring of each interface." },
	{ "queue_chunks", METRIC_GAUGE, sample_queue, FROM_SNAPSHOT, 0, "",
	  "Chunks of packets in memory, between capture and disk." },
	{ "queue_limit_chunks", METRIC_GAUGE, SNAPSHOT(sample_number, chunks),
	  "Maximum number of chunks in memory; beyond it, only the ring buffers packets." },

	{ "segments", METRIC_COUNTER, TOTAL(segments), "Segments finished." },
	{ "interface_segments", METRIC_COUNTER, INTERFACE(segments),
	  "Finished segments by interface." },
	{ "compression_input_bytes", METRIC_COUNTER, LEVEL(sample_counter, bytes_before),
	  "Uncompressed input bytes." },
	{ "compression_output_bytes", METRIC_COUNTER, LEVEL(sample_counter, bytes_after),
	  "Compressed output bytes." },
	{ "compression_seconds", METRIC_COUNTER, LEVEL(sample_nanoseconds, ns),
	  "Time spent compressing." },

	{ "spool_segments", METRIC_GAUGE, sample_segments, FROM_SNAPSHOT,
	  offsetof(struct status_snapshot, spool), "state",
	  "Segments on this node by state: capturing (open, or to be recovered), ready "
	  "(waiting), sending, rejected." },
	{ "spool_bytes", METRIC_GAUGE, SNAPSHOT(sample_number, spool.bytes),
	  "Disk space used by the spool." },
	{ "spool_limit_bytes", METRIC_GAUGE, OPTION(spool_max_size),
	  "Maximum disk space of the spool (spool.max_size); 0 means no limit." },
	{ "spool_limit_segments", METRIC_GAUGE, OPTION(spool_max_segments),
	  "Maximum number of waiting segments (spool.max_segments)." },
	{ "spool_filesystem_free_bytes", METRIC_GAUGE, SNAPSHOT(sample_number, spool.disk_free),
	  "Free space on the spool's file system." },
	{ "spool_filesystem_size_bytes", METRIC_GAUGE, SNAPSHOT(sample_number, spool.disk_total),
	  "Size of the spool's file system; spool.min_free of it is kept free for others." },
	{ "spool_filesystem_room_bytes", METRIC_GAUGE, SNAPSHOT(sample_number, spool.room_bytes),
	  "Free space on the spool's file system above spool.min_free." },
	{ "spool_filesystem_room_inodes", METRIC_GAUGE, SNAPSHOT(sample_number, spool.room_inodes),
	  "Free inodes on the spool's file system above spool.min_free_inodes; absent if it has "
	  "no inode limit." },
	{ "spool_use_ratio", METRIC_GAUGE, SNAPSHOT(sample_use, spool.use),
	  "Use of the closest limit: spool.max_size, spool.max_segments, spool.min_free "
	  "or spool.min_free_inodes; at 1 the oldest segments are deleted." },
	{ "spool_full", METRIC_GAUGE, SNAPSHOT(sample_flag, is_spool_full),
	  "1 while the file system has too little space and nothing is left to delete." },
	{ "spool_oldest_segment_age_seconds", METRIC_GAUGE, sample_oldest, FROM_SNAPSHOT, 0, "",
	  "Time since the oldest waiting segment began; 0 if none is waiting." },

	{ "uploads", METRIC_COUNTER, sample_uploads, FROM_COUNTERS, 0, "result",
	  "Attempts to upload a segment, by result: success, retry (will be retried), rejected "
	  "(permanently, moved to rejected/)." },
	{ "uploaded_bytes", METRIC_COUNTER, TOTAL(bytes_uploaded),
	  "Bytes of segments whose size and checksum the destination confirmed." },
	{ "upload_responses", METRIC_COUNTER, sample_responses, FROM_COUNTERS,
	  offsetof(struct counters, upload_responses), "code",
	  "Responses of the storage service by HTTP status; none means no response." },
	{ "upload_duration_seconds", METRIC_HISTOGRAM, sample_times, FROM_COUNTERS,
	  offsetof(struct counters, upload_ms), "", "Duration of successful uploads." },
	{ "upload_size_bytes", METRIC_HISTOGRAM, sample_sizes, FROM_COUNTERS,
	  offsetof(struct counters, upload_bytes), "", "Size of uploaded segments." },
	{ "upload_failing", METRIC_GAUGE, SNAPSHOT(sample_failing, outage),
	  "1 while the last attempt of an uploader failed." },
	{ "upload_last_success_timestamp_seconds", METRIC_GAUGE, STAMP(uploaded_last_ns),
	  "Time of the last successful upload, in seconds since 1970; 0 if there was none." },
	{ "token_expiry_timestamp_seconds", METRIC_GAUGE, STAMP(token_expires_ns),
	  "Expiry time of the access token (renewed before then), in seconds since 1970; 0 if "
	  "there is none." },
	{ "reloads", METRIC_COUNTER, sample_reloads, FROM_COUNTERS, 0, "result",
	  "Configuration reloads by result: success or refused." },
	{ "log_dropped_lines", METRIC_COUNTER, SNAPSHOT(sample_number, log_dropped_lines),
	  "Lines of the log that were dropped because nobody read it." },
};

static void write_head(const struct scrape *scrape)
{
	static const char *const types[] = {
		[METRIC_COUNTER] = "counter",
		[METRIC_GAUGE] = "gauge",
		[METRIC_HISTOGRAM] = "histogram",
		[METRIC_INFO] = "info",
	};
	const struct metric *metric = scrape->metric;
	/* OpenMetrics names the family, Prometheus' own format the sample; that knows no infos. */
	const char *suffix = scrape->is_open ? "" : suffix_of(metric->type);
	const char *type = !scrape->is_open && metric->type == METRIC_INFO ? "gauge"
									   : types[metric->type];

	(void)fprintf(scrape->out, "# HELP " PREFIX "%s%s %s\n# TYPE " PREFIX "%s%s %s\n",
		      metric->name, suffix, metric->help, metric->name, suffix, type);
}

static void write_samples(struct scrape *scrape, const char *labels, const void *from)
{
	scrape->labels = labels;
	scrape->metric->sample(scrape, (const char *)from + scrape->metric->offset);
}

/*
 * A name by the kernel may hold anything but a slash and a blank. What is not printable becomes \xHH, and so
 * does a backslash: no two names look the same.
 */
static void write_interface(void *context, const struct interface_counters *interface)
{
	struct scrape *scrape = context;
	char label[LABELS_MAX];
	struct text text = text_over(label, sizeof label);

	if (scrape->metric->source == FROM_RECORDED && interface->users == 0)
		return;
	text_append(&text, "interface=\"");
	for (const char *p = interface->name; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '\\')
			text_append(&text, "\\\\x%02x", (unsigned char)*p);
		else
			text_append(&text, "%s%c", *p == '"' ? "\\" : "", *p);
	text_append(&text, "\"");
	write_samples(scrape, label, interface);
}

static void write_levels(struct scrape *scrape)
{
	const struct level_counters *levels = scrape->snapshot->counters->levels;
	size_t count = counters_levels(scrape->snapshot->counters);
	char labels[LABELS_MAX];

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(labels, sizeof labels, "codec=\"%s\",level=\"%s\"", levels[i].codec,
			       levels[i].level);
		write_samples(scrape, labels, &levels[i]);
	}
}

static void write_metric(struct scrape *scrape)
{
	const struct status_snapshot *snapshot = scrape->snapshot;

	write_head(scrape);
	switch (scrape->metric->source) {
	case FROM_COUNTERS:
		write_samples(scrape, "", snapshot->counters);
		break;
	case FROM_SNAPSHOT:
		write_samples(scrape, "", snapshot);
		break;
	case FROM_CONF:
		write_samples(scrape, "", snapshot->conf);
		break;
	case FROM_INTERFACES:
	case FROM_RECORDED:
		counters_each_interface(snapshot->counters, write_interface, scrape);
		break;
	case FROM_SELECTED:
		snapshot_each_interface(snapshot, write_interface, scrape);
		break;
	case FROM_LEVELS:
		write_levels(scrape);
		break;
	}
}

const char *metrics_write(FILE *out, const char *accept, const struct status_snapshot *snapshot)
{
	struct scrape scrape = {
		.out = out,
		/* Prometheus asks for what it likes best first, and takes either. */
		.is_open = accept && strstr(accept, "application/openmetrics-text"),
		.snapshot = snapshot,
	};

	for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
		scrape.metric = &metrics[i];
		write_metric(&scrape);
	}
	if (!scrape.is_open)
		return "text/plain; version=0.0.4; charset=utf-8";
	(void)fputs("# EOF\n", out);
	return "application/openmetrics-text; version=1.0.0; charset=utf-8";
}
