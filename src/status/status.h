/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the daemon shows of itself: a snapshot, made for each answer of the counters and of what the main thread
 * knows of the stages; the rules of health over it; and the ways it is shown, to Prometheus, to programs, and to
 * a person. Everything in a snapshot is borrowed for that answer. Main thread only; nothing here changes what
 * is recorded.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/counters.h"
#include "base/error.h"
#include "base/text.h"
#include "conf/conf.h"
#include "spool/spool.h"
#include "status/series.h"

enum status_phase {
	STATUS_STARTING,
	STATUS_RECORDING,
	STATUS_STOPPING,
	STATUS_PHASES
};
/* "starting", "recording" and "stopping". */
extern const char *const status_phases[STATUS_PHASES];

/* The thread of a stage that made progress longest ago. */
struct status_stage {
	bool is_running;      /* the stage has a thread now */
	const char *who;      /* its interface, or "" */
	uint64_t beat_ms;     /* monotonic */
	uint64_t patience_ms; /* so long it may take; longer is no progress */
};
enum status_stage_id {
	STATUS_STAGE_CAPTURE,
	STATUS_STAGE_RECORD,
	STATUS_STAGE_UPLOAD,
	STATUS_STAGES
};

/* Over this time loss is judged and shown. */
#define STATUS_LOSS_MS UINT64_C(60000)
/* Beyond so many, they are left out for the status, too. */
#define STATUS_MISSING_MAX (2 * INTERFACE_WORDS_MAX)

struct status_snapshot {
	const struct conf *conf;
	struct counters *counters;
	const struct series_set *series;
	enum status_phase phase;
	uint64_t now_ms, started_ms; /* monotonic */
	uint64_t real_ns, started_real_ns;
	uint64_t chunks, chunks_free;
	struct spool_totals spool;
	bool is_spool_stale; /* it was busy: that is what it told before */
	bool is_spool_full;
	uint64_t log_dropped_lines;
	size_t pipelines,
		pipelines_live; /* interfaces to record, and those that packets can be captured from */
	/* Not recorded: asked for by name and not there or down, or asked for and not to be opened. */
	char missing[STATUS_MISSING_MAX][INTERFACE_WORD_MAX + 1];
	size_t missing_count, missing_more; /* in missing[], and beyond it */
	uint64_t left_out;                  /* more that are asked for than may be recorded … */
	const char *left_out_limit;         /* … because of this */
	struct status_stage stages[STATUS_STAGES];
	/* For the control socket only: it may name bucket and files. */
	const char *interfaces; /* "eth0,eth1 (down)" */
	const char *tunnel; /* a device whose packets capture.snaplen cuts too short; NULL: none */
	const char *outage; /* "uploads failing since 12 min: …", or "" */
	const char *outage_reason; /* of it, without the time */
	bool is_outage_lasting;    /* the destination said no, or has not worked for a minute */
};

/* Is the interface asked for and not recorded? */
bool snapshot_is_missing(const struct status_snapshot *snapshot, const char *name);
/* Age of the oldest segment that waits, without the delay of upload.spread; 0: none does. */
static inline uint64_t snapshot_waiting_ms(const struct status_snapshot *snapshot)
{
	uint64_t oldest_ns = snapshot->spool.oldest_ns;

	return oldest_ns > 0 && snapshot->real_ns > oldest_ns
		       ? (snapshot->real_ns - oldest_ns) / CLOCK_NS_PER_MS
		       : 0;
}
/*
 * Visit each interface that is recorded or missing, once; with zeros where there is nothing to count yet. Locks
 * the counters meanwhile, mostly.
 */
void snapshot_each_interface(const struct status_snapshot *snapshot,
			     void (*visit)(void *context,
					   const struct interface_counters *interface),
			     void *context);

/* What follows from the last minutes if they go on: how long the spool lasts, what a month stores. */
#define SECONDS_A_MONTH (30.0 * 86400)
/* What was measured for less says nothing of a month. */
#define FORECAST_MONTH_MS_MIN UINT64_C(60000)
struct forecast {
	double packed_bytes, segments; /* per second */
	uint64_t ms;                   /* so long they were measured */
	double seconds; /* until the spool is full, if nothing is uploaded; below 0: not known */
};
struct forecast snapshot_forecast(const struct status_snapshot *snapshot);
/* Of what was sent. */
static inline double snapshot_loss_percent(const struct series_sample *sample)
{
	return sample->drops > 0 ? 100.0 * (double)sample->drops / (double)sample->sent : 0;
}

/*
 * Health that means progress. Liveness: every stage's threads go on; if not, a restart helps. Readiness:
 * packets can be captured, are captured, are not lost, and go away in time; if not, somebody has to look.
 * The watchdog, /healthz and /readyz use the same rules.
 */
struct health_finding {
	const struct health_rule *rule;
	bool is_failing;
	/* One sentence, lower case; also when all is well. Room for a server's text, and the remedy behind it. */
	char why[ERROR_MESSAGE_MAX + 128];
};
struct health_rule {
	const char *name;
	bool is_liveness; /* else of readiness */
	const char *help; /* when it fails, for people */
	void (*judge)(const struct status_snapshot *snapshot, struct health_finding *finding);
	enum status_stage_id stage; /* whose progress is judged */
};
#define HEALTH_RULES 10
struct health {
	bool is_live, is_ready; /* no rule of that kind fails */
	struct health_finding findings[HEALTH_RULES];
};
struct health health_judge(const struct status_snapshot *snapshot);

/*
 * The metrics, from one table (metrics.c): as OpenMetrics 1.0.0 if a client sent an Accept header that wants it,
 * else as Prometheus' text; NULL: none was sent. Returns the content type.
 */
const char *metrics_write(FILE *out, const char *accept, const struct status_snapshot *snapshot);
/*
 * One JSON document for `status --json` and the page. An operator asks by the control socket, and may see names
 * and directories; the page is for anybody, and gets the last hour for its charts.
 */
void status_json_write(FILE *out, const struct status_snapshot *snapshot, bool is_operator);
/* The answer of /healthz or /readyz, {"status":"ok","rules":[…]}. Returns whether all is well. */
bool status_json_write_health(FILE *out, const struct status_snapshot *snapshot, bool is_liveness);
/*
 * What `kube-node-tracer status` prints, a screenful. For the control socket only: it names the destination,
 * directories and what the server said.
 */
void status_text_write(FILE *out, const struct status_snapshot *snapshot);

/*
 * What is asked and what is answered, as a table of pages (routes.c), without HTTP: the server and the fuzzer call
 * it. A page is for everybody who can reach the status address, or only for who may use the control socket.
 */

/*
 * The page at "/" for a person with a browser: page.html, as the build made it. It asks for /overview.json every
 * few seconds and needs nothing else. Both are for whoever can reach the status address: counters, names of
 * interfaces, node and files, the version; no filter, bucket or directory.
 */
extern const unsigned char page_html[];

/* What the daemon does for the pages. */
struct route_actions {
	void *context;
	void (*gather)(void *context, struct status_snapshot *ret_snapshot);
	/* Begin a reload; -1: another one is going on. */
	int (*reload)(void *context, struct error *err);
	/* Of the last one. 1: it is not over; -1: it was refused. Notes: a line for each option not taken over. */
	int (*reload_result)(void *context, const char **ret_notes, struct error *err);
	void (*end_segments)(void *context);
	/* Write the URLs of those that were open at this real time and have ended since, each on a line. */
	void (*write_ended)(void *context, uint64_t real_ns, FILE *out);
	/* End the segments, and let no uploader wait. */
	void (*flush)(void *context);
};

struct route_request {
	const char *method, *path;
	const char *accept; /* of the header; NULL: there is none */
	const char *since;  /* of the query; NULL: not given */
	const char *host;   /* of the header; NULL: there is none */
	bool needs_host;    /* that header, by its version of HTTP */
	bool is_control;    /* came by the control socket */
	bool is_loopback;   /* came to an address that only this machine reaches */
};

/* Filled by routes_answer(); the caller frees the body. */
struct route_reply {
	unsigned status; /* of HTTP */
	const char *content_type;
	const char *allow; /* the header of a 405; NULL: none */
	char policy[320];  /* Content-Security-Policy; "": none */
	char *body;
	size_t length;
};

void routes_answer(const struct route_actions *actions, const struct route_request *request,
		   struct route_reply *ret_reply);
