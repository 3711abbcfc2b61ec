/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request with credentials, and what is done about the reply, or about none: one table over status, words and
 * what was asked, in the order of the service's documentation. The whole retry behaviour of the sink is in it.
 */
#include "sink/gcs/gcs.h"

#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "http/redact.h"

#define BIT(phase)  (1u << (phase))
#define ABOUT_MONEY "userProject|requester pays|billing"
#define CHECK_BILLING                                                                  \
	"check the billing of the bucket's project; for a requester-pays bucket, set " \
	"GOOGLE_CLOUD_QUOTA_PROJECT"
#define NOT_GOOGLE \
	"this is no answer of Cloud Storage: check the proxy, firewall or login page on the way"
#define GRANT_VIEWER(permission) \
	"grant roles/storage.objectViewer on the bucket to this account (" permission ")"
#define CHECK_BUCKET "correct the name of the bucket: -b, upload.destination"
#define CHECK_KEY                                                                       \
	"enable the object's key, and grant the bucket's service agent its use (roles/" \
	"cloudkms.cryptoKeyEncrypterDecrypter)"
enum {
	MULTIPART = BIT(GCS_MULTIPART),
	START = BIT(GCS_START),
	DATA = BIT(GCS_DATA),
	STATUS = BIT(GCS_STATUS),
	METADATA = BIT(GCS_METADATA),
	DELETE = BIT(GCS_DELETE),
	LIST = BIT(GCS_LIST),
	MEDIA = BIT(GCS_MEDIA),
	SESSION = DATA | STATUS,
	CREATE = MULTIPART | START | SESSION,
	READ = LIST | MEDIA,
	ANY = CREATE | METADATA | DELETE | READ,
};

/* What else a rule may ask for. */
enum {
	WITH_RANGE = 1, /* a Range header */
	EXPLAINED = 2,  /* GCS's own word */
	FOREIGN = 4,    /* a proxy's on the way: nothing about bucket, account or object */
	SCOPE = 8,      /* it is about the token's scopes */
};

static const struct reply_rule rules[] = {
	/* No reply. What a session got of the data, it knows. */
	{ HTTP_BROKEN_OFF, HTTP_BROKEN_OFF, DATA, NULL, GCS_QUERY },
	{ HTTP_NOT_TRUSTED, HTTP_NOT_TRUSTED, ANY, NULL, GCS_SETUP },
	{ HTTP_NOT_CONNECTED, HTTP_STOPPED, ANY, NULL, GCS_RETRY },

	{ 200, 299, ANY, NULL, GCS_DONE },

	/* To a question "nothing yet"; after data, nobody knows what was kept. */
	{ 308, 308, SESSION, NULL, GCS_CONTINUE, .traits = WITH_RANGE },
	{ 308, 308, STATUS, NULL, GCS_CONTINUE },
	{ 308, 308, DATA, NULL, GCS_QUERY },
	/* A redirect is a captive portal's or a proxy's. */
	{ 100, 399, ANY, NULL, GCS_RETRY },

	{ 400, 400, ANY, ABOUT_MONEY, GCS_SETUP, EXPLAINED, CHECK_BILLING },
	/* Each object may have a key of its own. */
	{ 400, 400, MEDIA, "cloudKms", GCS_REFUSED, EXPLAINED, CHECK_KEY },
	{ 400, 400, ANY, "cloudKms", GCS_SETUP, .traits = EXPLAINED },
	{ 400, 400, MULTIPART | SESSION, "doesn't match calculated", GCS_MISMATCH },
	/* About the session, when that was all that was asked for. */
	{ 400, 400, STATUS, NULL, GCS_NEW_SESSION, .traits = EXPLAINED },
	{ 400, 400, CREATE | MEDIA, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 400, 400, LIST, NULL, GCS_SETUP, .traits = EXPLAINED },
	{ 400, 400, ANY, NULL, GCS_RETRY, .remedy = NOT_GOOGLE },

	{ 401, 401, ANY, NULL, GCS_LOGIN, FOREIGN, NOT_GOOGLE },
	{ 401, 401, ANY, NULL, GCS_LOGIN, .remedy = "the server does not accept the credentials" },

	{ 403, 403, ANY, NULL, GCS_RETRY, FOREIGN, NOT_GOOGLE },
	{ 403, 403, ANY, "rateLimitExceeded|quotaExceeded", GCS_RETRY }, /* also userRateLimit… */
	/* Deleting is asked for only where there is something to replace. */
	{ 403, 403, MULTIPART | SESSION, "storage.objects.delete", GCS_EXISTS },
	{ 403, 403, METADATA, "storage.objects.get", GCS_HIDDEN },
	{ 403, 403, CREATE,
	  "retentionPolicyNotMet|objectUnderActiveHold|retention policy|object retention",
	  GCS_REFUSED },
	{ 403, 403, MEDIA, "cloudKms", GCS_REFUSED, .remedy = CHECK_KEY },
	{ 403, 403, READ, NULL, GCS_SETUP, SCOPE,
	  "the access scopes are too narrow: log in again with gcloud auth application-default login, "
	  "or use a node with the scope devstorage.read_only" },
	{ 403, 403, ANY, NULL, GCS_SETUP, SCOPE,
	  "the access scopes of the node are too narrow: use Workload Identity, a node pool with the "
	  "scope devstorage.read_write, or a key by gcs.credentials" },
	{ 403, 403, ANY, ABOUT_MONEY, GCS_SETUP, .remedy = CHECK_BILLING },
	{ 403, 403, LIST, NULL, GCS_SETUP, .remedy = GRANT_VIEWER(GCS_LISTING) },
	{ 403, 403, MEDIA, NULL, GCS_SETUP, .remedy = GRANT_VIEWER(GCS_READ) },
	{ 403, 403, ANY, NULL, GCS_SETUP,
	  .remedy = "grant roles/storage.objectCreator on the bucket to this account" },

	/* A proxy's page ends no session: it holds bytes, and the proof of whose an object is. */
	{ 404, 404, SESSION, NULL, GCS_NEW_SESSION, .traits = EXPLAINED },
	{ 404, 404, METADATA, NULL, GCS_RETRY }, /* deleted in between */
	{ 404, 404, DELETE, NULL, GCS_DONE },
	{ 404, 404, ANY, NULL, GCS_RETRY, FOREIGN, NOT_GOOGLE },
	{ 404, 404, MEDIA, "bucket does not exist", GCS_SETUP, .remedy = CHECK_BUCKET },
	{ 404, 404, MEDIA, NULL, GCS_REFUSED },
	{ 404, 404, LIST, NULL, GCS_SETUP, .remedy = CHECK_BUCKET },
	{ 404, 404, ANY, NULL, GCS_SETUP,
	  .remedy = "create the bucket, or correct upload.destination" },

	{ 405, 405, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 405, 405, ANY, NULL, GCS_RETRY, .remedy = NOT_GOOGLE },
	{ 407, 407, ANY, NULL, GCS_RETRY, .remedy = "the proxy wants a login: upload.proxy" },

	{ 408, 408, DATA, NULL, GCS_QUERY },
	{ 410, 410, SESSION, NULL, GCS_NEW_SESSION, .traits = EXPLAINED },
	{ 410, 410, DELETE, NULL, GCS_DONE },
	{ 411, 411, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	{ 412, 412, ANY, NULL, GCS_RETRY, FOREIGN, NOT_GOOGLE },
	/* Google's own test server has no 400 for that. */
	{ 412, 412, MULTIPART | SESSION, "crc32c|md5|checksum", GCS_MISMATCH },
	{ 412, 412, ANY, "orgPolicyConstraintFailed", GCS_SETUP },
	{ 412, 412, CREATE, NULL, GCS_EXISTS },
	{ 413, 413, CREATE, NULL, GCS_REFUSED, .traits = EXPLAINED },
	/* 409: somebody is at the same object or bucket. */
	{ 408, 413, ANY, NULL, GCS_RETRY, FOREIGN, NOT_GOOGLE },
	{ 408, 413, ANY, NULL, GCS_RETRY },

	/* 499 is cancelled: the session, or by us. */
	{ 416, 416, SESSION, NULL, GCS_NEW_SESSION, .traits = EXPLAINED },
	{ 416, 416, MEDIA, NULL, GCS_REFUSED },
	{ 416, 416, ANY, NULL, GCS_RETRY },
	{ 429, 429, ANY, NULL, GCS_RETRY },
	{ 499, 499, SESSION, NULL, GCS_NEW_SESSION, .traits = EXPLAINED },
	{ 499, 499, DELETE, NULL, GCS_DONE },
	{ 499, 499, ANY, NULL, GCS_RETRY },

	/* What is left of 4xx is about us. */
	{ 400, 499, ANY, NULL, GCS_RETRY, FOREIGN, NOT_GOOGLE },
	{ 400, 499, ANY, NULL, GCS_SETUP },

	/* Also 503 "upload offset … exceeds already uploaded size": to be asked, not to be repeated. */
	{ 500, 999, DATA, NULL, GCS_QUERY },
	/* The rest is that, or no status of HTTP. */
	{ 0, LONG_MAX, ANY, NULL, GCS_RETRY },
};

const struct reply_rule *gcs_decide(enum gcs_phase phase, long status, bool has_range,
				    const struct gcs_problem *problem)
{
	const struct reply_evidence evidence = {
		.status = status,
		.request = BIT(phase),
		.traits = (has_range ? WITH_RANGE : 0) |
			  (problem->is_explained ? EXPLAINED : FOREIGN) |
			  (problem->is_scope ? SCOPE : 0),
		.texts = { problem->reason, problem->message },
	};

	return reply_match(rules, sizeof rules / sizeof rules[0], &evidence);
}

/* The first of a list of errors or details has one. */
static const char *first_reason(const json_t *error, const char *list)
{
	return json_string_value(
		json_object_get(json_array_get(json_object_get(error, list), 0), "reason"));
}

/* {"error":{"message":…}}, or (the test server) {"code":412,"message":…}; NULL: neither. Borrowed. */
static const json_t *find_error(const json_t *root, long status)
{
	const json_t *error = json_object_get(root, "error");

	if (!error && json_integer_value(json_object_get(root, "code")) == status)
		error = root;
	return json_string_value(json_object_get(error, "message")) ||
			       first_reason(error, "errors") || first_reason(error, "details")
		       ? error
		       : NULL;
}

bool gcs_is_own_word(const struct http_reply *reply)
{
	json_t *root = json_loads(reply->body ? reply->body : "", 0, NULL);
	struct gcs_resource resource;
	bool is_own = http_reply_header(reply, "X-GUploader-UploadID")[0] ||
		      find_error(root, reply->status) ||
		      gcs_parse_resource(reply->body ? reply->body : "", &resource);

	json_decref(root);
	return is_own;
}

void gcs_parse_problem(const struct http_reply *reply, struct gcs_problem *ret_problem)
{
	json_t *root = json_loads(reply->body, 0, NULL);
	const json_t *error = find_error(root, reply->status);
	const char *message = json_string_value(json_object_get(error, "message"));
	const char *reason = first_reason(error, "errors");
	struct text text;

	if (!reason)
		reason = first_reason(error, "details");
	*ret_problem = (struct gcs_problem){ 0 };
	text = text_over(ret_problem->message, sizeof ret_problem->message);
	redact_append(&text, message ? message : reply->body, reply->secrets);
	text = text_over(ret_problem->reason, sizeof ret_problem->reason);
	redact_append(&text, reason ? reason : "", reply->secrets);
	ret_problem->is_explained = gcs_is_own_word(reply);
	ret_problem->is_scope =
		strstr(http_reply_header(reply, "WWW-Authenticate"), "insufficient_scope") ||
		reply_says(reply->body,
			   "ACCESS_TOKEN_SCOPE_INSUFFICIENT|insufficientPermissions|"
			   "insufficient authentication scopes|scope(s) are not authorized");
	json_decref(root);
}

static void describe_failure(const struct sink_worker *worker, const struct http_reply *reply,
			     const struct gcs_problem *problem, const struct reply_rule *rule,
			     struct error *err)
{
	bool is_about_account = (reply->status == 401 || reply->status == 403) &&
				problem->is_explained;
	enum error_kind kind = rule->outcome == GCS_REFUSED ? ERROR_REJECTED
			       : rule->outcome == GCS_SETUP ||
					       (rule->outcome == GCS_LOGIN && is_about_account)
				       ? ERROR_CONFIG
				       : ERROR_TRANSIENT;

	error_set(err, kind, "bucket %s: the server said %ld%s%s%s%s%s%s%s%s", worker->sink->bucket,
		  reply->status, problem->reason[0] ? " " : "", problem->reason,
		  problem->message[0] ? ": " : "", problem->message,
		  is_about_account ? "; credentials: " : "",
		  is_about_account ? worker->sink->credentials->description : "",
		  rule->remedy ? "; " : "", rule->remedy ? rule->remedy : "");
	err->retry_after_ms = reply->retry_after_ms;
}

static void count_reply(const struct sink_worker *worker, long status)
{
	struct counters *counters = worker->sink->base.context.counters;

	/* Below 100 it says why there is no status: counted together. */
	counter_add(
		&counters->upload_responses[status >= 100 && status < COUNTERS_HTTP_CODES ? status
											  : 0],
		1);
	atomic_store(&counters->token_expires_ns,
		     token_cache_expires_ns(worker->sink->credentials->tokens));
}

/* What all requests have, before their own headers. */
struct request_headers {
	const char *list[GCS_REQUEST_HEADERS + 4];
	char operation[96], payer[128];
};

static void fill_headers(const struct sink_worker *worker, const struct http_request *request,
			 const char *login, struct request_headers *ret_headers)
{
	const char *project = worker->sink->credentials->quota_project;
	size_t n = 0;

	if (login[0])
		ret_headers->list[n++] = login;
	if (project[0]) {
		(void)snprintf(ret_headers->payer, sizeof ret_headers->payer,
			       "x-goog-user-project: %s", project);
		ret_headers->list[n++] = ret_headers->payer;
	}
	(void)snprintf(ret_headers->operation, sizeof ret_headers->operation,
		       "x-goog-gcs-idempotency-token: %s", worker->operation);
	ret_headers->list[n++] = ret_headers->operation;
	for (size_t i = 0; request->headers && request->headers[i]; i++)
		ret_headers->list[n++] = request->headers[i];
	ret_headers->list[n] = NULL;
}

/* May return GCS_LOGIN. */
static enum gcs_outcome judge_reply(struct sink_worker *worker, enum gcs_phase phase,
				    const struct http_reply *reply, bool is_answered,
				    struct error *err)
{
	struct gcs_problem problem = { .is_explained = false };
	const struct reply_rule *rule;

	count_reply(worker, reply->status);
	if (is_answered)
		gcs_parse_problem(reply, &problem);
	rule = gcs_decide(phase, reply->status, is_answered && http_reply_header(reply, "Range")[0],
			  &problem);
	if (is_answered && rule->outcome != GCS_DONE && rule->outcome != GCS_CONTINUE)
		describe_failure(worker, reply, &problem, rule, err);
	return (enum gcs_outcome)rule->outcome;
}

enum gcs_outcome gcs_send_request(struct sink_worker *worker, enum gcs_phase phase,
				  const struct http_request *request, struct http_reply *ret_reply,
				  struct error *err)
{
	struct token_cache *tokens = worker->sink->credentials->tokens;
	struct http_request complete = *request;
	struct request_headers headers;
	cleanup_secret char *login = NULL;
	enum gcs_outcome outcome;
	bool has_tried = false, is_answered;

	complete.headers = headers.list;
	for (;;) {
		*ret_reply = (struct http_reply){ .status = HTTP_NOT_CONNECTED };
		mem_free_secret(take_ptr(login));
		if (token_cache_header(tokens, worker->http, &login, err) < 0)
			return err->kind == ERROR_TRANSIENT ? GCS_RETRY : GCS_SETUP;
		fill_headers(worker, request, login, &headers);
		worker->requests++;
		is_answered = http_send(worker->http, &complete, ret_reply, err) == 0;
		outcome = judge_reply(worker, phase, ret_reply, is_answered, err);
		if (outcome != GCS_LOGIN || has_tried)
			break;
		/* The token may have been revoked, or its account changed: once more with a new one. */
		token_cache_refuse(tokens, login);
		has_tried = true;
	}
	if (outcome != GCS_LOGIN)
		return outcome;
	/* Signatures made here are only as good as this node's clock, which somebody will set. */
	if (http_clock_offset_s(ret_reply) != 0) {
		err->kind = ERROR_TRANSIENT;
		(void)error_wrap(err, "this node's clock is not the server's");
	}
	return err->kind == ERROR_CONFIG ? GCS_SETUP : GCS_RETRY;
}
