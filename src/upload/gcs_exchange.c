/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/sink_gcs_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

static int exchange_once(struct sink_worker *worker, const struct gcs_call *call,
			 struct gcs_answer *ret_answer, struct error *err)
{
	const char *project = credentials_quota_project(worker->sink->credentials);
	const char *headers[GCS_CALL_HEADERS + 4];
	struct http_request request = call->request;
	char operation[96], payer[128];
	char *login;
	size_t n = 0;
	int result;

	if (credentials_header(worker->sink->credentials, worker->http, &login, err) < 0)
		return -1;
	if (login[0])
		headers[n++] = login;
	if (project[0]) {
		(void)snprintf(payer, sizeof payer, "x-goog-user-project: %s", project);
		headers[n++] = payer;
	}
	(void)snprintf(operation, sizeof operation, "x-goog-gcs-idempotency-token: %s",
		       worker->operation);
	headers[n++] = operation;
	for (size_t i = 0; call->request.headers && call->request.headers[i]; i++)
		headers[n++] = call->request.headers[i];
	headers[n] = NULL;
	request.headers = headers;

	worker->requests++;
	result = http_send(worker->http, &request, &ret_answer->reply, err);
	credentials_wipe(login);
	if (result < 0)
		return -1;
	gcs_parse_problem(ret_answer->reply.body, ret_answer->reply.www_authenticate,
			  &ret_answer->problem);
	worker->retry_after_ms = ret_answer->reply.retry_after_ms;
	ret_answer->outcome = gcs_decide(call->phase, ret_answer->reply.status,
					 ret_answer->reply.range[0] != '\0', &ret_answer->problem);
	return 0;
}

int gcs_exchange(struct sink_worker *worker, const struct gcs_call *call,
		 struct gcs_answer *ret_answer, struct error *err)
{
	worker->retry_after_ms = 0;
	if (exchange_once(worker, call, ret_answer, err) < 0)
		return -1;
	if (ret_answer->outcome != GCS_LOGIN)
		return 0;
	/* The token may have ended early, or its account was changed: once more with a new one. */
	credentials_refused(worker->sink->credentials);
	if (exchange_once(worker, call, ret_answer, err) < 0)
		return -1;
	if (ret_answer->outcome == GCS_LOGIN)
		ret_answer->outcome = GCS_SETUP;
	return 0;
}

int gcs_failure(const struct sink_worker *worker, const struct gcs_answer *answer,
		struct error *err)
{
	const struct gcs_problem *problem = &answer->problem;
	const char *remedy = gcs_remedy(answer->reply.status, problem);
	bool is_about_account = answer->reply.status == 401 || answer->reply.status == 403;
	enum error_kind kind = answer->outcome == GCS_REFUSED ? ERROR_REJECTED
			       : answer->outcome == GCS_SETUP ? ERROR_CONFIG
							      : ERROR_TRANSIENT;

	return error_set(err, kind, "bucket %s: the server said %ld%s%s%s%s%s%s%s%s",
			 worker->sink->bucket, answer->reply.status, problem->reason[0] ? " " : "",
			 problem->reason, problem->message[0] ? ": " : "", problem->message,
			 is_about_account ? "; credentials: " : "",
			 is_about_account ? credentials_describe(worker->sink->credentials) : "",
			 remedy[0] ? "; " : "", remedy);
}

static bool is_ours(const struct gcs_resource *resource, const struct sink_object *object)
{
	return resource->bytes == object->bytes && resource->crc32c == object->crc32c;
}

/* Delete an object, but only the generation that we made. */
static bool delete_object(struct sink_worker *worker, const char *name, const char *generation)
{
	cleanup_free char *query = mem_printf("ifGenerationMatch=%s", generation);
	cleanup_free char *url = gcs_object_url(worker->sink->base_url, worker->sink->bucket, name,
						query);
	const struct gcs_call call = {
		.phase = GCS_DELETE,
		.request = { .method = "DELETE", .url = url, .fd = -1 },
	};
	struct gcs_answer answer;
	struct error err;

	return generation[0] && gcs_exchange(worker, &call, &answer, &err) == 0 &&
	       (answer.outcome == GCS_DONE || answer.reply.status == 404);
}

int gcs_prove(struct sink_worker *worker, const struct gcs_answer *answer, const char *name,
	      const struct sink_object *object, struct error *err)
{
	struct gcs_resource resource;

	if (!gcs_parse_resource(answer->reply.body, &resource))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: the server said %ld without proof of size and CRC32C",
				 worker->sink->bucket, answer->reply.status);
	if (is_ours(&resource, object))
		return 0;
	if (delete_object(worker, name, resource.generation))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: %s arrived damaged and was deleted there",
				 worker->sink->bucket, name);
	return error_set(err, ERROR_REJECTED,
			 "bucket %s: %s arrived damaged (%" PRIu64 " of %" PRIu64
			 " bytes) and could not be deleted there",
			 worker->sink->bucket, name, resource.bytes, object->bytes);
}

int gcs_compare(struct sink_worker *worker, const char *name, const struct sink_object *object,
		struct error *err)
{
	struct sink *sink = worker->sink;
	cleanup_free char *url = gcs_object_url(sink->base_url, sink->bucket, name, NULL);
	const struct gcs_call call = {
		.phase = GCS_METADATA,
		.request = { .method = "GET", .url = url, .fd = -1 },
	};
	struct gcs_answer answer;
	struct gcs_resource resource;

	if (gcs_exchange(worker, &call, &answer, err) < 0)
		return -1;
	if (answer.reply.status == 403 && strstr(answer.problem.message, "storage.objects.get")) {
		if (!atomic_exchange(&sink->has_warned_of_get, true))
			log_warning(
				"an object is there already and may not be looked at; taken as our "
				"own, because names never repeat",
				log_text("bucket", sink->bucket), log_text("object", name),
				log_text("remedy", "grant storage.objects.get"));
		return 0;
	}
	if (answer.outcome != GCS_DONE)
		return gcs_failure(worker, &answer, err);
	if (!gcs_parse_resource(answer.reply.body, &resource))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: the server describes %s without size and CRC32C",
				 sink->bucket, name);
	if (!is_ours(&resource, object))
		return error_set(
			err, ERROR_REJECTED,
			"bucket %s: %s is there with other content; nothing is overwritten",
			sink->bucket, name);
	return 0;
}
