/* SPDX-License-Identifier: Apache-2.0 */
#include "status/status.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <microhttpd.h>

#include "base/clock.h"

#define TYPE_TEXT "text/plain; charset=utf-8"
#define TYPE_JSON "application/json"
#define NONCE     "@NONCE@" /* in page.html */
#define FLUSH_MAX 64        /* of a flush as text: three numbers */
/* libmicrohttpd changed its name for it. */
#define HTTP_UNPROCESSABLE 422
/* After this time, every packet received before is out of the ring and its segment is known. */
#define IN_RING_NS (UINT64_C(600) * CLOCK_NS_PER_MS)

/* A request, what it is answered from, and where the answer goes. */
struct exchange {
	const struct route_actions *actions;
	const struct route_request *request;
	bool is_control; /* the page is the control socket's */
	struct status_snapshot snapshot;
	FILE *out;
	struct route_reply *reply;
};

/* A sentence, with another status than 200. */
#define answer_with(exchange, code, ...) \
	((exchange)->reply->status = (code), (void)fprintf((exchange)->out, __VA_ARGS__))

static void answer_metrics(struct exchange *exchange)
{
	exchange->reply->content_type = metrics_write(exchange->out, exchange->request->accept,
						      &exchange->snapshot);
}

static void answer_health(struct exchange *exchange)
{
	bool is_liveness = strcmp(exchange->request->path, "/healthz") == 0;

	if (!status_json_write_health(exchange->out, &exchange->snapshot, is_liveness))
		exchange->reply->status = MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* The nonce is a value that nobody can guess: scripts and styles without it do not run. */
static void answer_page(struct exchange *exchange)
{
	const char *rest = (const char *)page_html, *mark;
	char nonce[TEXT_UUID_LENGTH + 1];

	text_make_uuid(nonce);
	for (; (mark = strstr(rest, NONCE)); rest = mark + strlen(NONCE))
		(void)fprintf(exchange->out, "%.*s%s", (int)(mark - rest), rest, nonce);
	(void)fputs(rest, exchange->out);
	(void)snprintf(exchange->reply->policy, sizeof exchange->reply->policy,
		       "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; "
		       "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		       "frame-ancestors 'none'",
		       nonce, nonce);
}

static void answer_document(struct exchange *exchange)
{
	status_json_write(exchange->out, &exchange->snapshot, exchange->is_control);
}

/* The control socket's ------------------------------------------------------------------------------ */

static void answer_status(struct exchange *exchange)
{
	status_text_write(exchange->out, &exchange->snapshot);
}

static void answer_reload_result(struct exchange *exchange)
{
	const struct route_actions *actions = exchange->actions;
	const char *notes = "";
	struct error err;
	int result = actions->reload_result(actions->context, &notes, &err);

	if (result > 0)
		answer_with(exchange, MHD_HTTP_ACCEPTED, "opening the interfaces\n");
	else if (result == 0)
		(void)fprintf(exchange->out, "configuration reloaded\n%s", notes);
	else
		answer_with(exchange, HTTP_UNPROCESSABLE,
			    "reload refused, the old configuration stays: %s\n", err.message);
}

static void answer_reload(struct exchange *exchange)
{
	const struct route_actions *actions = exchange->actions;
	struct error err;

	if (actions->reload(actions->context, &err) < 0)
		answer_with(exchange, MHD_HTTP_CONFLICT, "%s\n", err.message);
	else
		answer_reload_result(exchange);
}

/* A flush, as the answer to POST has it and each question for its progress brings it back. */
struct flush {
	uint64_t since_ns;      /* what is captured from then on need not be uploaded */
	uint64_t refused, lost; /* segments until then, of struct spool_totals */
	bool is_open;           /* a segment of before is not in the spool yet */
};

static const char *format_flush(const struct flush *flush, char out[FLUSH_MAX])
{
	(void)snprintf(out, FLUSH_MAX, "%" PRIu64 ".%" PRIu64 ".%" PRIu64, flush->since_ns,
		       flush->refused, flush->lost);
	return out;
}

static void answer_flush(struct exchange *exchange)
{
	const struct status_snapshot *snapshot = &exchange->snapshot;
	const struct flush flush = { snapshot->real_ns, snapshot->spool.refused,
				     snapshot->spool.lost, false };
	char text[FLUSH_MAX];

	if (snapshot->is_spool_stale) {
		answer_with(exchange, MHD_HTTP_ACCEPTED, "the spool is busy\n");
		return;
	}
	exchange->actions->flush(exchange->actions->context);
	(void)fprintf(exchange->out, "%s\n", format_flush(&flush, text));
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

/* Take up what POST began. False: it is not over, or cannot be taken up, and the reply says so. */
static bool take_up_flush(struct exchange *exchange, struct flush *ret_flush)
{
	const struct status_snapshot *snapshot = &exchange->snapshot;
	const char *since = exchange->request->since;
	struct flush flush = { .is_open = false };
	char again[FLUSH_MAX];

	/* sscanf() alone takes blanks, signs, what follows, and numbers that are too large. */
	if (!since ||
	    sscanf(since, "%" SCNu64 ".%" SCNu64 ".%" SCNu64, &flush.since_ns, &flush.refused,
		   &flush.lost) != 3 ||
	    strcmp(format_flush(&flush, again), since) != 0) {
		answer_with(exchange, MHD_HTTP_BAD_REQUEST, "since= must be the answer of POST.\n");
		return false;
	}
	counters_each_interface(snapshot->counters, look_for_open, &flush);
	*ret_flush = flush;
	if (snapshot->started_real_ns > flush.since_ns || snapshot->spool.refused < flush.refused ||
	    snapshot->spool.lost < flush.lost) {
		/* What the run before refused or lost, this one does not know. */
		answer_with(exchange, MHD_HTTP_CONFLICT,
			    "the recorder was restarted meanwhile; see the log\n");
		return false;
	}
	if (flush.is_open || snapshot->real_ns < flush.since_ns + IN_RING_NS) {
		answer_with(exchange, MHD_HTTP_ACCEPTED, "ending the open segments\n");
		return false;
	}
	return true;
}

static void answer_rotate(struct exchange *exchange)
{
	const struct status_snapshot *snapshot = &exchange->snapshot;
	const struct flush flush = { snapshot->real_ns, snapshot->spool.refused,
				     snapshot->spool.lost, false };
	char text[FLUSH_MAX];

	exchange->actions->end_segments(exchange->actions->context);
	(void)fprintf(exchange->out, "%s\n", format_flush(&flush, text));
}

/* Is there one that should have ended? Names tell milliseconds. */
static bool has_unfinished(const struct spool_totals *spool, const struct flush *flush)
{
	return spool->oldest_capturing_ns > 0 &&
	       spool->oldest_capturing_ns + CLOCK_NS_PER_MS < flush->since_ns;
}

/* A flush ends the open segments, and waits for those that could not be finished. */
static void answer_flush_ended(struct exchange *exchange)
{
	struct flush flush;

	if (take_up_flush(exchange, &flush))
		exchange->actions->write_ended(exchange->actions->context, flush.since_ns,
					       exchange->out);
}

static void answer_rotate_progress(struct exchange *exchange)
{
	struct flush flush;

	if (!take_up_flush(exchange, &flush))
		return;
	if (exchange->snapshot.is_spool_stale)
		answer_with(exchange, MHD_HTTP_ACCEPTED, "the spool is busy\n");
	else if (has_unfinished(&exchange->snapshot.spool, &flush))
		answer_with(exchange, MHD_HTTP_CONFLICT,
			    "a segment could not be finished, or one of an earlier run is to be "
			    "recovered first; see the log\n");
	else
		exchange->actions->write_ended(exchange->actions->context, flush.since_ns,
					       exchange->out);
}

static void answer_flush_progress(struct exchange *exchange)
{
	const struct status_snapshot *snapshot = &exchange->snapshot;
	const struct spool_totals *spool = &snapshot->spool;
	uint64_t waiting = spool->ready + spool->sending;
	struct flush flush;

	if (!take_up_flush(exchange, &flush))
		return;
	if (snapshot->is_spool_stale) {
		answer_with(exchange, MHD_HTTP_ACCEPTED, "the spool is busy\n");
	} else if (has_unfinished(spool, &flush)) {
		answer_with(exchange, MHD_HTTP_ACCEPTED,
			    "a segment is to be recovered first, or could not be finished; see the "
			    "log\n");
	} else if (spool->oldest_unsent_ns > 0 && spool->oldest_unsent_ns < flush.since_ns) {
		answer_with(exchange, MHD_HTTP_ACCEPTED, "%" PRIu64 " segment%s\n", waiting,
			    waiting == 1 ? " waits" : "s wait");
		if (*snapshot->outage_reason)
			(void)fprintf(exchange->out, "uploads are failing: %s\n",
				      snapshot->outage_reason);
	} else if (spool->refused > flush.refused || spool->lost > flush.lost) {
		answer_with(exchange, MHD_HTTP_CONFLICT,
			    "not all is uploaded: segments permanently rejected: %" PRIu64
			    ", deleted: %" PRIu64 "; see the log\n",
			    spool->refused - flush.refused, spool->lost - flush.lost);
	} else if (snapshot->is_spool_full) {
		answer_with(exchange, MHD_HTTP_CONFLICT,
			    "what was recorded is uploaded, but the spool is full%s%s: packets are "
			    "dropped until there is room; see the log\n",
			    *spool->full_interface ? " for " : "", spool->full_interface);
	} else {
		(void)fputs("all is uploaded\n", exchange->out);
	}
}

/* One row a page and method. What POST asks for is refused while the program stops. */
static const struct route {
	const char *path, *method;
	bool is_control; /* by the control socket only */
	const char *content_type;
	void (*answer)(struct exchange *exchange);
} routes[] = {
	{ "/", "GET", false, "text/html; charset=utf-8", answer_page },
	{ "/overview.json", "GET", false, TYPE_JSON, answer_document },
	{ "/metrics", "GET", false, TYPE_TEXT, answer_metrics },
	{ "/healthz", "GET", false, TYPE_JSON, answer_health },
	{ "/readyz", "GET", false, TYPE_JSON, answer_health },
	{ "/status", "GET", true, TYPE_TEXT, answer_status },
	{ "/status.json", "GET", true, TYPE_JSON, answer_document },
	{ "/rotate", "POST", true, TYPE_TEXT, answer_rotate },
	{ "/rotate", "GET", true, TYPE_TEXT, answer_rotate_progress },
	{ "/reload", "POST", true, TYPE_TEXT, answer_reload },
	{ "/reload", "GET", true, TYPE_TEXT, answer_reload_result },
	{ "/flush", "POST", true, TYPE_TEXT, answer_flush },
	{ "/flush", "GET", true, TYPE_TEXT, answer_flush_progress },
	{ "/flush/ended", "GET", true, TYPE_TEXT, answer_flush_ended },
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
	struct route_reply reply = { .status = MHD_HTTP_OK, .content_type = TYPE_TEXT };
	struct exchange exchange = {
		.actions = actions,
		.request = request,
		.out = open_memstream(&reply.body, &reply.length),
		.reply = &reply,
	};

	if (!exchange.out)
		abort(); /* no memory: as base/mem.h has it */
	if (request->needs_host && !request->host) {
		answer_with(&exchange, MHD_HTTP_BAD_REQUEST, "HTTP/1.1 requires a Host header.\n");
	} else if (request->is_loopback && request->host && !is_meant_for_us(request->host)) {
		answer_with(&exchange, MHD_HTTP_MISDIRECTED_REQUEST,
			    "Host not allowed; use localhost or an IP address.\n");
	} else if (!route) {
		answer_with(&exchange, MHD_HTTP_NOT_FOUND,
			    "No such page. Available: /, /metrics, /healthz and /readyz.\n");
	} else if (!is_method_of(route, request->method)) {
		reply.allow = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
		answer_with(&exchange, MHD_HTTP_METHOD_NOT_ALLOWED, "This page is for %s only.\n",
			    reply.allow);
	} else {
		reply.content_type = route->content_type;
		exchange.is_control = route->is_control;
		actions->gather(actions->context, &exchange.snapshot);
		/* What a server said may name the bucket, or what it was sent. */
		if (!request->is_control && *exchange.snapshot.outage)
			exchange.snapshot.outage =
				"uploads are failing: kube-node-tracer status, on the node, says why";
		if (strcmp(route->method, "POST") == 0 &&
		    exchange.snapshot.phase == STATUS_STOPPING)
			answer_with(
				&exchange, MHD_HTTP_CONFLICT,
				"stopping: the segments are ended already, and uploads are under way\n");
		else
			route->answer(&exchange);
	}
	if (fclose(exchange.out) != 0)
		abort();
	/* It may come to a terminal; a name of an interface, or a server's text, may hold anything. */
	text_blank_controls(reply.body, "\n");
	*ret_reply = reply;
}
