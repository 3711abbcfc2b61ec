/* SPDX-License-Identifier: Apache-2.0 */
#include "status/routes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "status/health.h"
#include "status/metrics.h"
#include "status/status_json.h"
#include "status/status_text.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"
#define TYPE_HTML "text/html; charset=utf-8"
#define NOTES_MAX 2048 /* bytes of a reload's notes */
/* After this time, every packet received before is out of the ring and its segment is known. */
#define IN_RING_NS (UINT64_C(600) * CLOCK_NS_PER_MS)

enum {
	HTTP_OK = 200,
	HTTP_ACCEPTED = 202,
	HTTP_BAD_REQUEST = 400,
	HTTP_NOT_FOUND = 404,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_CONFLICT = 409,
	HTTP_MISDIRECTED = 421,
	HTTP_UNPROCESSABLE = 422,
	HTTP_SERVICE_UNAVAILABLE = 503,
};

static void answer_metrics(const struct route_actions *actions, const struct route_request *request,
			   FILE *out, struct route_reply *reply)
{
	enum metrics_format format = metrics_negotiate(request->accept);
	struct status_snapshot snapshot;

	actions->gather(actions->context, &snapshot);
	metrics_write(out, format, &snapshot);
	reply->content_type = metrics_content_type(format);
}

static void answer_health(const struct route_actions *actions, bool is_liveness, FILE *out,
			  struct route_reply *reply)
{
	struct health_finding findings[HEALTH_RULES];
	struct status_snapshot snapshot;

	actions->gather(actions->context, &snapshot);
	if (!health_judge(&snapshot, is_liveness, findings))
		reply->status = HTTP_SERVICE_UNAVAILABLE;
	status_json_write_health(out, is_liveness, findings);
	reply->content_type = TYPE_JSON;
}

static void answer_liveness(const struct route_actions *actions,
			    const struct route_request *request, FILE *out,
			    struct route_reply *reply)
{
	(void)request;
	answer_health(actions, true, out, reply);
}

static void answer_readiness(const struct route_actions *actions,
			     const struct route_request *request, FILE *out,
			     struct route_reply *reply)
{
	(void)request;
	answer_health(actions, false, out, reply);
}

static void answer_page(const struct route_actions *actions, const struct route_request *request,
			FILE *out, struct route_reply *reply)
{
	char nonce[TEXT_UUID_LENGTH + 1];

	(void)actions, (void)request;
	text_make_uuid(nonce);
	page_write(out, nonce);
	page_make_policy(nonce, reply->policy);
	reply->content_type = TYPE_HTML;
}

static void answer_overview(const struct route_actions *actions,
			    const struct route_request *request, FILE *out,
			    struct route_reply *reply)
{
	struct status_snapshot snapshot;

	(void)request;
	actions->gather(actions->context, &snapshot);
	status_json_write(out, &snapshot, STATUS_FOR_PAGE);
	reply->content_type = TYPE_JSON;
}

/* The control socket's ------------------------------------------------------------------------------ */

static void answer_status(const struct route_actions *actions, const struct route_request *request,
			  FILE *out, struct route_reply *reply)
{
	struct status_snapshot snapshot;

	(void)request, (void)reply;
	actions->gather(actions->context, &snapshot);
	status_text_write(out, &snapshot);
}

static void answer_status_json(const struct route_actions *actions,
			       const struct route_request *request, FILE *out,
			       struct route_reply *reply)
{
	struct status_snapshot snapshot;

	(void)request;
	actions->gather(actions->context, &snapshot);
	status_json_write(out, &snapshot, STATUS_FOR_OPERATOR);
	reply->content_type = TYPE_JSON;
}

/* What a command that is to act says where it cannot. */
static bool is_stopping(const struct route_actions *actions, struct status_snapshot *snapshot,
			FILE *out, struct route_reply *reply)
{
	actions->gather(actions->context, snapshot);
	if (snapshot->phase != STATUS_STOPPING)
		return false;
	reply->status = HTTP_CONFLICT;
	(void)fputs("stopping: the segments are ended already, and uploads are under way\n", out);
	return true;
}

static void answer_rotate(const struct route_actions *actions, const struct route_request *request,
			  FILE *out, struct route_reply *reply)
{
	struct status_snapshot snapshot;

	(void)request;
	if (is_stopping(actions, &snapshot, out, reply))
		return;
	actions->end_segments(actions->context);
	(void)fprintf(out, "segments end now: %s\n", snapshot.interfaces);
}

static void answer_reload(const struct route_actions *actions, const struct route_request *request,
			  FILE *out, struct route_reply *reply)
{
	char bytes[NOTES_MAX];
	struct text notes = text_over(bytes, sizeof bytes);
	struct status_snapshot snapshot;
	struct error err;

	(void)request;
	if (is_stopping(actions, &snapshot, out, reply))
		return;
	if (actions->reload(actions->context, &notes, &err) == 0) {
		(void)fprintf(out, "configuration reloaded\n%s", bytes);
		return;
	}
	actions->gather(actions->context, &snapshot);
	if (snapshot.phase == STATUS_STOPPING) {
		reply->status = HTTP_UNPROCESSABLE;
		(void)fprintf(out, "reload failed half-way, recording ends: %s\n", err.message);
	} else if (err.kind == ERROR_TRANSIENT) {
		reply->status = HTTP_CONFLICT;
		(void)fprintf(out, "%s\n", err.message);
	} else {
		reply->status = HTTP_UNPROCESSABLE;
		(void)fprintf(out, "reload refused, the old configuration stays: %s\n",
			      err.message);
	}
}

/* A flush, as the answer to POST has it and each question for its progress brings it back. */
struct flush {
	uint64_t since_ns;      /* what is captured from then on need not be uploaded */
	uint64_t refused, lost; /* segments until then, of struct spool_totals */
	bool is_open;           /* a segment of before is not in the spool yet */
};
#define FLUSH_FORMAT "%" PRIu64 ".%" PRIu64 ".%" PRIu64

static bool parse_flush(const char *text, struct flush *ret_flush)
{
	struct flush flush = { .is_open = false };
	uint64_t *const numbers[] = { &flush.since_ns, &flush.refused, &flush.lost };
	char word[32];

	for (size_t i = 0; i < 3; i++) {
		size_t length = text ? strcspn(text, ".") : 0;

		if (length == 0 || length >= sizeof word)
			return false;
		(void)snprintf(word, sizeof word, "%.*s", (int)length, text);
		if (text_parse_number(word, numbers[i]) < 0)
			return false;
		text = text[length] ? text + length + 1 : NULL;
	}
	*ret_flush = flush;
	return !text;
}

static void answer_flush(const struct route_actions *actions, const struct route_request *request,
			 FILE *out, struct route_reply *reply)
{
	struct status_snapshot snapshot;

	(void)request;
	if (is_stopping(actions, &snapshot, out, reply))
		return;
	if (snapshot.is_spool_stale) {
		reply->status = HTTP_ACCEPTED;
		(void)fputs("the spool is busy\n", out);
		return;
	}
	actions->flush(actions->context);
	(void)fprintf(out, FLUSH_FORMAT "\n", snapshot.real_ns, snapshot.spool.refused,
		      snapshot.spool.lost);
}

static void look_for_open(void *context, const struct interface_counters *interface)
{
	struct flush *flush = context;
	uint64_t open_ns = atomic_load(&interface->open_since_ns);

	if (interface->users > 0 &&
	    ((open_ns > 0 && open_ns < flush->since_ns) ||
	     counter_read(&interface->segments_ended) != counter_read(&interface->segments_closed)))
		flush->is_open = true;
}

static void answer_flush_progress(const struct route_actions *actions,
				  const struct route_request *request, FILE *out,
				  struct route_reply *reply)
{
	struct status_snapshot snapshot;
	struct flush flush;
	uint64_t waiting;

	actions->gather(actions->context, &snapshot);
	waiting = snapshot.spool.ready + snapshot.spool.sending;
	if (!parse_flush(request->since, &flush)) {
		reply->status = HTTP_BAD_REQUEST;
		(void)fputs("since= must be the answer of POST.\n", out);
		return;
	}
	counters_each_interface(snapshot.counters, look_for_open, &flush);
	if (snapshot.started_real_ns > flush.since_ns || snapshot.spool.refused < flush.refused ||
	    snapshot.spool.lost < flush.lost) {
		/* What the run before refused or lost, this one does not know. */
		reply->status = HTTP_CONFLICT;
		(void)fputs("the recorder was restarted meanwhile; see the log\n", out);
	} else if (flush.is_open || snapshot.real_ns < flush.since_ns + IN_RING_NS) {
		reply->status = HTTP_ACCEPTED;
		(void)fputs("ending the open segments\n", out);
	} else if (snapshot.is_spool_stale) {
		reply->status = HTTP_ACCEPTED;
		(void)fputs("the spool is busy\n", out);
	} else if (snapshot.spool.oldest_capturing_ns > 0 &&
		   snapshot.spool.oldest_capturing_ns + CLOCK_NS_PER_MS < flush.since_ns) {
		/* Names tell milliseconds. */
		reply->status = HTTP_ACCEPTED;
		(void)fputs("a segment is to be recovered first, or could not be finished; see the "
			    "log\n",
			    out);
	} else if (snapshot.spool.oldest_ns > 0 && snapshot.spool.oldest_ns < flush.since_ns) {
		reply->status = HTTP_ACCEPTED;
		(void)fprintf(out, "%" PRIu64 " segment%s\n", waiting,
			      waiting == 1 ? " waits" : "s wait");
		if (*snapshot.outage_reason)
			(void)fprintf(out, "uploads are failing: %s\n", snapshot.outage_reason);
	} else if (snapshot.spool.refused > flush.refused || snapshot.spool.lost > flush.lost) {
		reply->status = HTTP_CONFLICT;
		(void)fprintf(out,
			      "not all is uploaded: segments refused for good: %" PRIu64
			      ", deleted: %" PRIu64 "; see the log\n",
			      snapshot.spool.refused - flush.refused,
			      snapshot.spool.lost - flush.lost);
	} else if (snapshot.is_spool_full) {
		reply->status = HTTP_CONFLICT;
		(void)fputs("what was recorded is uploaded, but the spool is full: packets are "
			    "dropped until there is room; see the log\n",
			    out);
	} else {
		(void)fputs("all is uploaded\n", out);
	}
}

/* One row a page and method. `reply` comes in as 200, text/plain. */
static const struct route {
	const char *path, *method;
	bool is_control; /* by the control socket only */
	void (*answer)(const struct route_actions *actions, const struct route_request *request,
		       FILE *out, struct route_reply *reply);
} routes[] = {
	{ "/", "GET", false, answer_page },
	{ "/overview.json", "GET", false, answer_overview },
	{ "/metrics", "GET", false, answer_metrics },
	{ "/healthz", "GET", false, answer_liveness },
	{ "/readyz", "GET", false, answer_readiness },
	{ "/status", "GET", true, answer_status },
	{ "/status.json", "GET", true, answer_status_json },
	{ "/rotate", "POST", true, answer_rotate },
	{ "/reload", "POST", true, answer_reload },
	{ "/flush", "POST", true, answer_flush },
	{ "/flush", "GET", true, answer_flush_progress },
};

static bool is_method_of(const struct route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

/* Of several of one path, that of the method; else any of them. */
static const struct route *find_route(const struct route_request *request)
{
	const struct route *found = NULL;

	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
		if (strcmp(routes[i].path, request->path) == 0 &&
		    (!routes[i].is_control || request->is_control) &&
		    (!found || is_method_of(&routes[i], request->method)))
			found = &routes[i];
	return found;
}

/*
 * Is this what a browser on the machine, or at the end of a tunnel to it, was told to open? A page from
 * elsewhere can have its own name resolve to 127.0.0.1, and would then read the answers (DNS rebinding);
 * it cannot do so with an address or with localhost (RFC 6761 6.3). Proxies and Prometheus name addresses.
 */
static bool is_meant_for_us(const char *host)
{
	size_t length = strspn(host, "0123456789.");

	if (*host == '[')
		return true;
	if (length == 0 && strncasecmp(host, "localhost", strlen("localhost")) == 0)
		length = strlen("localhost");
	return length > 0 && (host[length] == '\0' || host[length] == ':');
}

void routes_answer(const struct route_actions *actions, const struct route_request *request,
		   struct route_reply *ret_reply)
{
	const struct route *route = find_route(request);
	struct route_reply reply = { .status = HTTP_OK, .content_type = TYPE_TEXT };
	FILE *out = open_memstream(&reply.body, &reply.length);

	if (!out)
		abort(); /* no memory: as base/mem.h has it */
	if (request->is_loopback && request->host && !is_meant_for_us(request->host)) {
		reply.status = HTTP_MISDIRECTED;
		(void)fputs("Host not allowed; use localhost or an IP address.\n", out);
	} else if (!route) {
		reply.status = HTTP_NOT_FOUND;
		(void)fputs("No such page. Available: /, /metrics, /healthz and /readyz.\n", out);
	} else if (!is_method_of(route, request->method)) {
		reply.status = HTTP_METHOD_NOT_ALLOWED;
		reply.allow = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
		(void)fprintf(out, "This page is for %s only.\n", reply.allow);
	} else {
		route->answer(actions, request, out, &reply);
	}
	if (fclose(out) != 0)
		abort();
	*ret_reply = reply;
}
