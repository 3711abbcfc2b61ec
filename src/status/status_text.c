/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

static const char *format_seconds(uint64_t seconds, char out[32])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "h" }, { 60, "min" }, { 1, "s" } };
	size_t i = 0;

	while (units[i].seconds > 1 && seconds < 2 * units[i].seconds)
		i++;
	(void)snprintf(out, 32, "%" PRIu64 " %s", seconds / units[i].seconds, units[i].name);
	return out;
}

static uint64_t clamp(double value)
{
	return value < 1e18 ? (uint64_t)value : UINT64_MAX;
}

/* 1234567 as "1,234,567" */
static const char *format_count(uint64_t value, char out[32])
{
	char digits[24];
	size_t length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, value), used = 0;

	for (size_t i = 0; i < length; i++) {
		if (i > 0 && (length - i) % 3 == 0)
			out[used++] = ',';
		out[used++] = digits[i];
	}
	out[used] = '\0';
	return out;
}

static const char *format_bytes(double bytes, char out[TEXT_SIZE_MAX])
{
	text_format_size(clamp(bytes), out);
	return out;
}

struct listing {
	FILE *out;
	const struct status_snapshot *snapshot;
};

static void write_row(void *context, const struct interface_counters *interface)
{
	struct drops drops = counters_drops(interface->drops);
	struct listing *listing = context;
	char size[TEXT_SIZE_MAX], rate[32] = "-", per[TEXT_SIZE_MAX + 4] = "-", name[80];
	const char *state = "";
	struct series_sample now;

	if (!atomic_load(&interface->is_live))
		state = interface->users == 0 &&
					snapshot_is_missing(listing->snapshot, interface->name)
				? " (waiting)"
				: " (away)";
	(void)snprintf(name, sizeof name, "%s%s", interface->name, state);
	if (series_now(listing->snapshot->series, interface->name, &now)) {
		(void)snprintf(rate, sizeof rate, "%.0f", series_rate(now.packets, now.ms));
		(void)snprintf(per, sizeof per, "%s/s",
			       format_bytes(series_rate(now.bytes, now.ms), size));
	}
	(void)fprintf(listing->out, "  %-22s %10s %13s %16" PRIu64 " %13" PRIu64 "\n", name, rate,
		      per, counter_read(&interface->packets), drops_sum(&drops));
}

static void write_capture(FILE *out, const struct status_snapshot *snapshot)
{
	struct listing listing = { .out = out, .snapshot = snapshot };
	const struct conf *conf = snapshot->conf;

	(void)fprintf(out, "Capture   %s, %" PRIu64 " bytes of each packet\n\n",
		      *conf->capture_filter ? conf->capture_filter : "everything",
		      conf->capture_snaplen ? conf->capture_snaplen : UINT64_C(262144));
	(void)fprintf(out, "  %-22s %10s %13s %16s %13s\n", "INTERFACE", "PACKETS/S", "RECORDING",
		      "PACKETS", "DROPPED");
	snapshot_each_interface(snapshot, write_row, &listing);
	if (snapshot->left_out > 0)
		(void)fprintf(out, "  and %" PRIu64 " more are NOT recorded (limit: %s)\n",
			      snapshot->left_out, snapshot->left_out_limit);
	if (snapshot->tunnel)
		(void)fprintf(out,
			      "  of packets in the tunnel %s, headers are cut off: capture.snaplen "
			      "= %d keeps them\n",
			      snapshot->tunnel, CONF_SNAPLEN_TUNNELS);
	(void)fputc('\n', out);
}

/* What to do about packets that are lost now. */
static const char *const remedies[DROP_REASON_COUNT] = {
	[DROP_KERNEL] =
		"the ring was full: raise capture.buffer, or record less with capture.filter or "
		"capture.snaplen",
	[DROP_INTERFACE] = "the network card's buffer was full: raise it with ethtool -G",
	[DROP_BUDGET] = "the spool was full: see Uploads below, or raise spool.max_size and "
			"spool.max_segments",
	[DROP_DISK] = "the spool's disk did not take them: the log has the error",
	[DROP_REJECTED] =
		"permanently rejected by the destination: the files are in rejected/, and "
		"the log has the reason",
};

static void write_loss(FILE *out, const struct status_snapshot *snapshot)
{
	struct drops drops = counters_drops(snapshot->counters->drops);
	struct series_sample minute = series_last_minute(snapshot);

	(void)fprintf(out, "Loss      %" PRIu64 " packets in the last minute (%.3g %%)",
		      minute.drops, snapshot_loss_percent(&minute));
	if (drops_sum(&drops) > 0)
		(void)fputs("; since the start:", out);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (drops.count[i] > 0)
			(void)fprintf(out, " %s %" PRIu64, drop_reason_names[i], drops.count[i]);
	(void)fputc('\n', out);
	for (int i = 0; i < DROP_REASON_COUNT; i++)
		if (minute.reasons.count[i] > 0)
			(void)fprintf(out, "          %s: %s\n", drop_reason_names[i], remedies[i]);
}

static void write_spool(FILE *out, const struct status_snapshot *snapshot,
			const struct forecast *forecast)
{
	const struct spool_totals *spool = &snapshot->spool;
	uint64_t waiting = spool->ready + spool->sending;
	char size[TEXT_SIZE_MAX], age[32];

	/* Of none, what is there are the folders, the open segment, and what was refused. */
	if (waiting == 0)
		(void)fputs("Spool     nothing waits", out);
	else
		(void)fprintf(out, "Spool     %" PRIu64 " segment%s (%s)", waiting,
			      waiting == 1 ? " waits" : "s wait",
			      format_bytes((double)spool->bytes, size));
	if (spool->delayed > 0)
		(void)fprintf(out, ", %" PRIu64 " of them delayed by upload.spread",
			      spool->delayed);
	if (spool->oldest_ns > 0 && snapshot->real_ns > spool->oldest_ns)
		(void)fprintf(out, "%s oldest began %s ago",
			      spool->delayed > 0 ? "; of the others, the" : ", the",
			      format_seconds(snapshot_waiting_ms(snapshot) / CLOCK_MS_PER_S, age));
	if (spool->kept_back > 0)
		(void)fprintf(out,
			      "; %" PRIu64 " kept back for another destination: kube-node-tracer "
			      "flush sends %s",
			      spool->kept_back, spool->kept_back == 1 ? "it" : "them");
	if (spool->rejected > 0)
		(void)fprintf(out, "; %" PRIu64 " %s permanently rejected, see rejected/ there",
			      spool->rejected, spool->rejected == 1 ? "was" : "were");
	(void)fprintf(out, "\n          in %s\n", snapshot->conf->spool_directory);
	if (snapshot->is_spool_full && *spool->full_interface)
		(void)fprintf(out,
			      "          FULL for %s (spool.max_segments): its packets are dropped "
			      "until there is room\n",
			      spool->full_interface);
	else if (snapshot->is_spool_full)
		(void)fputs("          FULL: packets are dropped until there is room\n", out);
	else if (forecast->seconds >= 0)
		(void)fprintf(out, "          room for %s at this rate if no upload succeeds\n",
			      format_seconds(clamp(forecast->seconds), age));
	else
		(void)fputs("          how long it lasts is known once there is traffic\n", out);
}

/* How far back can one look on this node? */
static void write_kept(FILE *out, const struct status_snapshot *snapshot)
{
	const struct spool_totals *spool = &snapshot->spool;
	char time[TEXT_TIME_MAX], size[TEXT_SIZE_MAX], age[32], keep[32];

	if (snapshot->conf->spool_keep == 0 && spool->kept == 0)
		return;
	if (spool->kept == 0) {
		(void)fputs("Kept      no uploaded segment yet", out);
	} else {
		text_format_rfc3339(spool->oldest_kept_ns, time);
		(void)fprintf(out, "Kept      %" PRIu64 " uploaded segment%s (%s) since %s",
			      spool->kept, spool->kept == 1 ? "" : "s",
			      format_bytes((double)spool->kept_bytes, size), time);
		if (snapshot->real_ns > spool->oldest_kept_ns)
			(void)fprintf(out, ", %s ago",
				      format_seconds((snapshot->real_ns - spool->oldest_kept_ns) /
							     CLOCK_NS_PER_S,
						     age));
	}
	(void)fprintf(out, " (spool.keep: %s); search with kube-node-tracer find --here\n",
		      format_seconds(snapshot->conf->spool_keep, keep));
}

static void write_uploads(FILE *out, const struct status_snapshot *snapshot)
{
	const struct counters *counters = snapshot->counters;
	uint64_t last_ns = atomic_load(&counters->uploaded_last_ns),
		 segments = counter_read(&counters->segments_uploaded),
		 failures = counter_read(&counters->upload_failures);
	char size[TEXT_SIZE_MAX], age[32];

	(void)fprintf(out, "Uploads   %" PRIu64 " segment%s (%s) to %s", segments,
		      segments == 1 ? "" : "s",
		      format_bytes((double)counter_read(&counters->bytes_uploaded), size),
		      snapshot->conf->upload_destination);
	if (last_ns > 0 && snapshot->real_ns >= last_ns)
		(void)fprintf(out, ", the last one %s ago",
			      format_seconds((snapshot->real_ns - last_ns) / CLOCK_NS_PER_S, age));
	(void)fprintf(out, "\n          %" PRIu64 " attempt%s failed\n", failures,
		      failures == 1 ? "" : "s");
	if (*snapshot->outage)
		(void)fprintf(out, "          %s\n", snapshot->outage);
}

static void write_health(FILE *out, const struct status_snapshot *snapshot)
{
	struct health health = health_judge(snapshot);
	const char *head = "Health    ";

	if (health.is_live && health.is_ready)
		(void)fprintf(out, "%sall is well\n", head);
	for (size_t i = 0; i < HEALTH_RULES; i++) {
		if (!health.findings[i].is_failing)
			continue;
		(void)fprintf(out, "%s%s: %s\n", head, health.findings[i].rule->name,
			      health.findings[i].why);
		head = "          ";
	}
}

void status_text_write(FILE *out, const struct status_snapshot *snapshot)
{
	struct forecast forecast = snapshot_forecast(snapshot);
	char size[TEXT_SIZE_MAX], age[32], count[32];

	(void)fprintf(
		out, "kube-node-tracer " PACKAGE_VERSION " on %s: %s%s, running for %s\n\n",
		snapshot->conf->node_name, status_phases[snapshot->phase],
		snapshot->phase == STATUS_STOPPING ? ", uploading what waits" : "",
		format_seconds((snapshot->now_ms - snapshot->started_ms) / CLOCK_MS_PER_S, age));
	write_health(out, snapshot);
	write_capture(out, snapshot);
	write_loss(out, snapshot);
	write_spool(out, snapshot, &forecast);
	write_kept(out, snapshot);
	write_uploads(out, snapshot);
	if (forecast.ms >= FORECAST_MONTH_MS_MIN)
		(void)fprintf(out, "A month   %s objects, %s at the rate of the last %s\n",
			      format_count(clamp(forecast.segments * SECONDS_A_MONTH), count),
			      format_bytes(forecast.packed_bytes * SECONDS_A_MONTH, size),
			      format_seconds(forecast.ms / CLOCK_MS_PER_S, age));
}
