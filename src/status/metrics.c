/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because all that makes one metric, its row and its samples, is in one place. */
#include "status/status.h"

#include <inttypes.h>
#include <string.h>

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
	FROM_COMPUTED,   /* the last one of which there is one */
	FROM_INTERFACES, /* each struct interface_counters there was */
	FROM_RECORDED,   /* those that are recorded now */
	FROM_SELECTED,   /* those, and the missing ones */
	FROM_LEVELS,     /* each struct level_counters */
};

/* What follows from a snapshot, in the units that are shown. Time stamps: 0, as Prometheus has it, if never. */
struct computed {
	uint64_t build, start_ms, queue_chunks, is_spool_full, spool_use_millionths, waiting_ms,
		kept_oldest_ms;
	uint64_t is_failing, uploaded_last_ms, token_expires_ms;
};

/* One answer while it is written. */
struct scrape {
	FILE *out;
	bool is_open; /* OpenMetrics 1.0.0; else Prometheus' text format 0.0.4 */
	const struct status_snapshot *snapshot;
	const void *structs[FROM_COMPUTED + 1]; /* by source */
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
	unsigned decimals;  /* the field is so many powers of ten below the unit */
	const char *labels; /* their names */
	const char *help;   /* one sentence; NULL: one more sample of the metric before */
	const char *value;  /* of its label; NULL: there is none, or the samples have several */
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
static void write_sample(const struct scrape *scrape, const char *label, uint64_t value)
{
	bool has_labels = *scrape->labels || *label;

	(void)fprintf(scrape->out, PREFIX "%s%s%s%s%s%s%s ", scrape->metric->name,
		      suffix_of(scrape->metric->type), has_labels ? "{" : "", scrape->labels,
		      *scrape->labels && *label ? "," : "", label, has_labels ? "}" : "");
	write_number(scrape->out, value, scrape->metric->decimals);
	(void)fputc('\n', scrape->out);
}

static void write_labelled(const struct scrape *scrape, const char *name, const char *label,
			   uint64_t value)
{
	char pair[LABELS_MAX];

	(void)snprintf(pair, sizeof pair, "%s=\"%s\"", name, label);
	write_sample(scrape, pair, value);
}

/* Samples of a field ------------------------------------------------------------------------------ */

static void sample_counter(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", counter_read(field));
}

/* UINT64_MAX: not known. */
static void sample_known(const struct scrape *scrape, const void *field)
{
	if (counter_read(field) != UINT64_MAX)
		sample_counter(scrape, field);
}

/* UINT64_MAX: not known, or there is no such limit. */
static void sample_number(const struct scrape *scrape, const void *field)
{
	uint64_t value = *(const uint64_t *)field;

	if (value != UINT64_MAX)
		write_sample(scrape, "", value);
}

static void sample_live(const struct scrape *scrape, const void *field)
{
	write_sample(scrape, "", atomic_load((const atomic_bool *)field));
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

/* Those with decimals are of times, in ms. */
static void sample_histogram(const struct scrape *scrape, const void *field)
{
	const struct histogram *histogram = field;
	const char *name = scrape->metric->name;
	unsigned decimals = scrape->metric->decimals;
	const uint64_t *bounds = decimals ? histogram_ms_bounds : histogram_bytes_bounds;
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

/* As the system was asked last, some seconds ago. */
static void sample_system(const struct scrape *scrape, const void *field)
{
	const struct series *series = series_of(scrape->snapshot->series, field);

	if (series && series->count > 0)
		write_sample(scrape, "", series_back(series, 0)->system);
}

static void sample_phase(const struct scrape *scrape, const void *field)
{
	enum status_phase phase = *(const enum status_phase *)field;

	for (enum status_phase each = STATUS_STARTING; each < STATUS_PHASES; each++)
		write_labelled(scrape, "phase", status_phases[each], phase == each);
}

static void sample_health(const struct scrape *scrape, const void *field)
{
	struct health health = health_judge(field);
	char labels[LABELS_MAX];

	for (size_t i = 0; i < HEALTH_RULES; i++) {
		const struct health_rule *rule = health.findings[i].rule;

		(void)snprintf(labels, sizeof labels, "probe=\"%s\",rule=\"%s\"",
			       rule->is_liveness ? "healthz" : "readyz", rule->name);
		write_sample(scrape, labels, !health.findings[i].is_failing);
	}
}

/* The table -------------------------------------------------------------------------------------- */

#define COUNTERS(how, field, decimals, labels) \
	how, FROM_COUNTERS, offsetof(struct counters, field), decimals, labels
#define TOTAL(field)            COUNTERS(sample_counter, field, 0, "")
#define TOTAL_BY(labels, field) COUNTERS(sample_counter, field, 0, labels)
#define SNAPSHOT(how, field, labels) \
	how, FROM_SNAPSHOT, offsetof(struct status_snapshot, field), 0, labels
#define NUMBER(field)   SNAPSHOT(sample_number, field, "")
#define SEGMENTS(field) SNAPSHOT(sample_number, spool.field, "state")
#define COMPUTED(field, decimals) \
	sample_number, FROM_COMPUTED, offsetof(struct computed, field), decimals
#define OPTION(field) sample_number, FROM_CONF, offsetof(struct conf, field), 0, ""
#define OF_INTERFACE(how, source, field, labels) \
	how, source, offsetof(struct interface_counters, field), 0, labels
#define INTERFACE(field) OF_INTERFACE(sample_counter, FROM_INTERFACES, field, "interface")
#define LEVEL(field, decimals)                                                         \
	sample_counter, FROM_LEVELS, offsetof(struct level_counters, field), decimals, \
		"codec, level"

static const struct metric metrics[] = {
	{ "build", METRIC_INFO, COMPUTED(build, 0), "version", "Version of the running program.",
	  PACKAGE_VERSION },
	{ "start_time_seconds", METRIC_GAUGE, COMPUTED(start_ms, 3), "",
	  "Start time of the process, in seconds since 1970." },
	{ "phase", METRIC_GAUGE, SNAPSHOT(sample_phase, phase, "phase"),
	  "1 for the current phase: starting, recording or stopping." },
	{ "health", METRIC_GAUGE, sample_health, FROM_SNAPSHOT, 0, 0, "probe, rule",
	  "1 if this rule of /healthz or /readyz passes, 0 if it fails." },

	{ "interface_up", METRIC_GAUGE,
	  OF_INTERFACE(sample_live, FROM_SELECTED, is_live, "interface"),
	  "1 if packets can be captured on the interface; 0 if it is down, was removed, or is "
	  "selected by capture.interface but does not exist or cannot be opened." },
	{ "recorded_packets", METRIC_COUNTER, TOTAL(packets),
	  "Packets written to segments, including those deleted or rejected later." },
	{ "recorded_bytes", METRIC_COUNTER, TOTAL(bytes),
	  "Bytes of these packets as stored in the file, before compression." },
	{ "dropped_packets", METRIC_COUNTER, COUNTERS(sample_drops, drops, 0, "reason"),
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
	  OF_INTERFACE(sample_drops, FROM_INTERFACES, drops, "interface, reason"),
	  "Dropped packets by interface." },
	{ "interface_discarded_packets", METRIC_COUNTER, INTERFACE(packets_discarded),
	  "Discarded packets by interface." },
	{ "interface_own_packets", METRIC_COUNTER, INTERFACE(packets_own),
	  "Packets of the program's own uploads, by interface." },
	{ "interface_system_packets", METRIC_COUNTER,
	  OF_INTERFACE(sample_system, FROM_RECORDED, name, "interface"),
	  "Packets counted by the operating system on a recorded interface, before any filter." },
	{ "interfaces_left_out", METRIC_GAUGE, NUMBER(left_out),
	  "Selected interfaces that are not recorded because of capture.max_interfaces or the limit of "
	  "open files." },
	{ "chunk_waits", METRIC_COUNTER, TOTAL(chunk_waits),
	  "Times a capture found no free chunk and left packets in the kernel's ring meanwhile." },
	{ "interface_reopened", METRIC_COUNTER, INTERFACE(restarts),
	  "Times the capture was restarted because the interface had gone away." },
	{ "ring_packets", METRIC_GAUGE,
	  OF_INTERFACE(sample_known, FROM_RECORDED, in_ring, "interface"),
	  "Packets waiting in the kernel's ring when the last chunk was taken. Known only without a filter "
	  "and a direction, and not of any or the loopback interface." },
	{ "ring_size_bytes", METRIC_GAUGE, OPTION(capture_buffer),
	  "Size of the kernel's ring of each interface." },
	{ "queue_chunks", METRIC_GAUGE, COMPUTED(queue_chunks, 0), "",
	  "Chunks of packets in memory, between capture and disk." },
	{ "queue_limit_chunks", METRIC_GAUGE, NUMBER(chunks),
	  "Maximum number of chunks in memory; beyond it, only the ring buffers packets." },

	{ "segments", METRIC_COUNTER, TOTAL(segments), "Segments finished." },
	{ "interface_segments", METRIC_COUNTER, INTERFACE(segments),
	  "Finished segments by interface." },
	{ "compression_input_bytes", METRIC_COUNTER, LEVEL(bytes_before, 0),
	  "Uncompressed input bytes." },
	{ "compression_output_bytes", METRIC_COUNTER, LEVEL(bytes_after, 0),
	  "Compressed output bytes." },
	{ "compression_seconds", METRIC_COUNTER, LEVEL(ns, 9), "Time spent compressing." },

	{ "spool_segments", METRIC_GAUGE, SEGMENTS(capturing),
	  "Segments on this node by state: capturing (open, or to be recovered), ready "
	  "(waiting), sending, rejected.",
	  "capturing" },
	{ "spool_segments", METRIC_GAUGE, SEGMENTS(ready), NULL, "ready" },
	{ "spool_segments", METRIC_GAUGE, SEGMENTS(sending), NULL, "sending" },
	{ "spool_segments", METRIC_GAUGE, SEGMENTS(rejected), NULL, "rejected" },
	{ "spool_bytes", METRIC_GAUGE, NUMBER(spool.bytes), "Disk space used by the spool." },
	{ "spool_kept_segments", METRIC_GAUGE, NUMBER(spool.kept),
	  "Uploaded segments that are still on this node (spool.keep)." },
	{ "spool_kept_bytes", METRIC_GAUGE, NUMBER(spool.kept_bytes),
	  "Disk space of them, included in spool_bytes; freed when anything else needs it." },
	{ "spool_kept_oldest_timestamp_seconds", METRIC_GAUGE, COMPUTED(kept_oldest_ms, 3), "",
	  "When the oldest of them began, that is, how far back one can search on this node; 0 if there is none." },
	{ "spool_limit_bytes", METRIC_GAUGE, OPTION(spool_max_size),
	  "Maximum disk space of the spool (spool.max_size); 0 means no limit." },
	{ "spool_limit_segments", METRIC_GAUGE, OPTION(spool_max_segments),
	  "Maximum number of waiting segments of each interface (spool.max_segments)." },
	{ "spool_filesystem_free_bytes", METRIC_GAUGE, NUMBER(spool.disk_free),
	  "Free space on the spool's file system." },
	{ "spool_filesystem_size_bytes", METRIC_GAUGE, NUMBER(spool.disk_total),
	  "Size of the spool's file system; spool.min_free of it is kept free for others." },
	{ "spool_filesystem_room_bytes", METRIC_GAUGE, NUMBER(spool.room_bytes),
	  "Free space on the spool's file system above spool.min_free." },
	{ "spool_filesystem_room_inodes", METRIC_GAUGE, NUMBER(spool.room_inodes),
	  "Free inodes on the spool's file system above spool.min_free_inodes; absent if it has "
	  "no inode limit." },
	{ "spool_use_ratio", METRIC_GAUGE, COMPUTED(spool_use_millionths, 6), "",
	  "Use of the closest limit: spool.max_size, spool.max_segments, spool.min_free "
	  "or spool.min_free_inodes; at 1 the oldest segments are deleted." },
	{ "spool_full", METRIC_GAUGE, COMPUTED(is_spool_full, 0), "",
	  "1 while there is no room for new segments (of an interface, or of all) and nothing may be deleted." },
	{ "spool_oldest_segment_age_seconds", METRIC_GAUGE, COMPUTED(waiting_ms, 3), "",
	  "Time since the oldest waiting segment began, not counting what upload.spread delays or the "
	  "time of the delay; 0 if none is waiting." },

	{ "uploads", METRIC_COUNTER, TOTAL_BY("result", segments_uploaded),
	  "Attempts to upload a segment, by result: success, retry (will be retried), rejected "
	  "(permanently, moved to rejected/).",
	  "success" },
	{ "uploads", METRIC_COUNTER, TOTAL_BY("result", upload_retries), NULL, "retry" },
	{ "uploads", METRIC_COUNTER, TOTAL_BY("result", segments_rejected), NULL, "rejected" },
	{ "uploaded_bytes", METRIC_COUNTER, TOTAL(bytes_uploaded),
	  "Bytes of segments whose size and checksum the destination confirmed." },
	{ "upload_responses", METRIC_COUNTER,
	  COUNTERS(sample_responses, upload_responses, 0, "code"),
	  "Responses of the storage service by HTTP status; none means no response." },
	{ "upload_duration_seconds", METRIC_HISTOGRAM, COUNTERS(sample_histogram, upload_ms, 3, ""),
	  "Duration of successful uploads." },
	{ "upload_size_bytes", METRIC_HISTOGRAM, COUNTERS(sample_histogram, upload_bytes, 0, ""),
	  "Size of uploaded segments." },
	{ "upload_failing", METRIC_GAUGE, COMPUTED(is_failing, 0), "",
	  "1 while the last attempt of an uploader failed." },
	{ "upload_last_success_timestamp_seconds", METRIC_GAUGE, COMPUTED(uploaded_last_ms, 3), "",
	  "Time of the last successful upload, in seconds since 1970; 0 if there was none." },
	{ "token_expiry_timestamp_seconds", METRIC_GAUGE, COMPUTED(token_expires_ms, 3), "",
	  "Expiry time of the access token (renewed before then), in seconds since 1970; 0 if "
	  "there is none." },
	{ "reloads", METRIC_COUNTER, TOTAL_BY("result", reloads),
	  "Configuration reloads by result: success or refused.", "success" },
	{ "reloads", METRIC_COUNTER, TOTAL_BY("result", reloads_refused), NULL, "refused" },
	{ "log_dropped_lines", METRIC_COUNTER, NUMBER(log_dropped_lines),
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
	const struct metric *metric = scrape->metric;
	char labels[LABELS_MAX] = "";

	if (metric->help)
		write_head(scrape);
	if (metric->value)
		(void)snprintf(labels, sizeof labels, "%s=\"%s\"", metric->labels, metric->value);
	if (metric->source <= FROM_COMPUTED)
		write_samples(scrape, labels, scrape->structs[metric->source]);
	else if (metric->source == FROM_LEVELS)
		write_levels(scrape);
	else if (metric->source == FROM_SELECTED)
		snapshot_each_interface(snapshot, write_interface, scrape);
	else
		counters_each_interface(snapshot->counters, write_interface, scrape);
}

const char *metrics_write(FILE *out, const char *accept, const struct status_snapshot *snapshot)
{
	struct counters *counters = snapshot->counters;
	const struct computed computed = {
		.build = 1,
		.start_ms = snapshot->started_real_ns / CLOCK_NS_PER_MS,
		.queue_chunks = snapshot->chunks - snapshot->chunks_free,
		.is_spool_full = snapshot->is_spool_full,
		.spool_use_millionths = (uint64_t)(snapshot->spool.use * 1e6),
		.waiting_ms = snapshot_waiting_ms(snapshot),
		.kept_oldest_ms = snapshot->spool.oldest_kept_ns / CLOCK_NS_PER_MS,
		.is_failing = *snapshot->outage != '\0',
		.uploaded_last_ms = atomic_load(&counters->uploaded_last_ns) / CLOCK_NS_PER_MS,
		.token_expires_ms = atomic_load(&counters->token_expires_ns) / CLOCK_NS_PER_MS,
	};
	struct scrape scrape = {
		.out = out,
		/* Prometheus asks for what it likes best first, and takes either. */
		.is_open = accept && strstr(accept, "application/openmetrics-text"),
		.snapshot = snapshot,
		.structs = { counters, snapshot, snapshot->conf, &computed },
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
