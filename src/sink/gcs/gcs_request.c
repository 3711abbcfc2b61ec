/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/gcs/gcs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static enum error_kind kind_of(enum gcs_outcome outcome)
{
	if (outcome == GCS_REFUSED)
		return ERROR_REJECTED;
	return outcome == GCS_SETUP ? ERROR_CONFIG : ERROR_TRANSIENT;
}

static void describe_failure(const struct sink_worker *worker, const struct http_reply *reply,
			     const struct gcs_problem *problem, enum gcs_outcome outcome,
			     struct error *err)
{
	long status = reply->status;
	const char *remedy = gcs_remedy(status, problem);
	bool is_about_account = status == 401 || status == 403;

	error_set(err, kind_of(outcome), "bucket %s: the server said %ld%s%s%s%s%s%s%s%s",
		  worker->sink->bucket, status, problem->reason[0] ? " " : "", problem->reason,
		  problem->message[0] ? ": " : "", problem->message,
		  is_about_account ? "; credentials: " : "",
		  is_about_account ? worker->sink->credentials->description : "",
		  remedy[0] ? "; " : "", remedy);
	err->retry_after_ms = reply->retry_after_ms;
}

static void count_reply(const struct sink_worker *worker, long status)
{
	struct counters *counters = worker->sink->base.context.counters;

	if (!counters)
		return;
	/* Below 100 it says why there is no status: counted together. */
	counter_add(
		&counters->upload_responses[status >= 100 && status < COUNTERS_HTTP_CODES ? status
											  : 0],
		1);
	atomic_store(&counters->token_expires_ns,
		     token_cache_expires_ns(worker->sink->credentials->tokens));
}

/* May return GCS_LOGIN. *login is the header that was sent; the caller frees it. */
static enum gcs_outcome send_once(struct sink_worker *worker, enum gcs_phase phase,
				  const struct http_request *request, char **login,
				  struct http_reply *ret_reply, struct error *err)
{
	const char *project = worker->sink->credentials->quota_project;
	const char *headers[GCS_REQUEST_HEADERS + 4];
	struct http_request complete = *request;
	struct gcs_problem problem = { .is_explained = false };
	enum gcs_outcome outcome;
	char operation[96], payer[128];
	size_t n = 0;
	int result;

	mem_free_secret(take_ptr(*login));
	if (token_cache_header(worker->sink->credentials->tokens, worker->http, login, err) < 0)
		return err->kind == ERROR_TRANSIENT ? GCS_RETRY : GCS_SETUP;
	if ((*login)[0])
		headers[n++] = *login;
	if (project[0]) {
		(void)snprintf(payer, sizeof payer, "x-goog-user-project: %s", project);
		headers[n++] = payer;
	}
	(void)snprintf(operation, sizeof operation, "x-goog-gcs-idempotency-token: %s",
		       worker->operation);
	headers[n++] = operation;
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		headers[n++] = request->headers[i];
	headers[n] = NULL;
	complete.headers = headers;

	worker->requests++;
	result = http_send(worker->http, &complete, ret_reply, err);
	count_reply(worker, ret_reply->status);
	if (result < 0)
		return gcs_decide(phase, ret_reply->status, false, &problem);
	gcs_parse_problem(ret_reply->body, http_reply_header(ret_reply, "WWW-Authenticate"),
			  &problem);
	outcome = gcs_decide(phase, ret_reply->status,
			     http_reply_header(ret_reply, "Range")[0] != '\0', &problem);
	if (outcome != GCS_DONE && outcome != GCS_CONTINUE)
		describe_failure(worker, ret_reply, &problem, outcome, err);
	return outcome;
}

enum gcs_outcome gcs_send_request(struct sink_worker *worker, enum gcs_phase phase,
				  const struct http_request *request, struct http_reply *ret_reply,
				  struct error *err)
{
	cleanup_secret char *login = NULL;
	enum gcs_outcome outcome;

	*ret_reply = (struct http_reply){ .status = HTTP_NOT_CONNECTED };
	outcome = send_once(worker, phase, request, &login, ret_reply, err);
	if (outcome == GCS_LOGIN) {
		/* The token may have been revoked, or its account changed: once more with a new one. */
		token_cache_refuse(worker->sink->credentials->tokens, login);
		outcome = send_once(worker, phase, request, &login, ret_reply, err);
	}
	/* Signatures made here are only as good as this node's clock, which somebody will set. */
	if (outcome == GCS_LOGIN && http_clock_offset_s(ret_reply) != 0) {
		outcome = GCS_RETRY;
		err->kind = ERROR_TRANSIENT;
		(void)error_wrap(err, "this node's clock is not the server's");
	} else if (outcome == GCS_LOGIN) {
		outcome = GCS_SETUP;
		err->kind = ERROR_CONFIG;
	}
	return outcome;
}
