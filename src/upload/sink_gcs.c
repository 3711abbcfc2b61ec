/* SPDX-License-Identifier: Apache-2.0 */
/* Google Cloud Storage by its JSON API: gs://BUCKET[/PREFIX]. */
#include "upload/sink_gcs_private.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "spool/name.h"

/* Larger objects are worth an upload that can be resumed. */
#define ONE_REQUEST_MAX (UINT64_C(8) << 20)
#define BOUNDARY        "kube-node-tracer-"

static const char *const storage_classes[] = {
	[CONF_STORAGE_CLASS_STANDARD] = "STANDARD",
	[CONF_STORAGE_CLASS_NEARLINE] = "NEARLINE",
	[CONF_STORAGE_CLASS_COLDLINE] = "COLDLINE",
	[CONF_STORAGE_CLASS_ARCHIVE] = "ARCHIVE",
};

static void gcs_close(struct sink *sink)
{
	credentials_close(sink->credentials);
	free(sink->bucket);
	free(sink->prefix);
	free(sink->base_url);
	free(sink);
}

static int parse_destination(struct sink *sink, const char *rest, struct error *err)
{
	const struct conf *conf = sink->base.context.conf;
	size_t bucket_length = strcspn(rest, "/");
	const char *behind = rest + bucket_length;
	cleanup_free char *prefix = mem_strdup(*behind ? behind + 1 : "");
	size_t prefix_length = strlen(prefix);
	const char *problem;

	sink->bucket = mem_strndup(rest, bucket_length);
	problem = gcs_bucket_problem(sink->bucket);
	if (problem)
		return conf_error(conf, CONF_upload_destination, err,
				  "\"%s\" is not the name of a bucket: %s; allowed are BUCKET, "
				  "gs://BUCKET[/PREFIX] and file:///DIR",
				  sink->bucket, problem);
	if (prefix_length > 0 && prefix[prefix_length - 1] == '/')
		prefix[prefix_length - 1] = '\0';
	problem = gcs_prefix_problem(prefix);
	if (problem)
		return conf_error(conf, CONF_upload_destination, err, "the prefix \"%s\" %s",
				  prefix, problem);
	sink->prefix = mem_printf("%s%s", prefix, prefix[0] ? "/" : "");
	return 0;
}

static int gcs_open(const struct sink_context *context, const char *rest_of_url,
		    struct sink **ret_sink, struct error *err)
{
	const char *emulator = getenv("STORAGE_EMULATOR_HOST");
	struct sink *sink = mem_calloc(1, sizeof *sink);

	sink->base.ops = &sink_gcs;
	sink->base.context = *context;
	if (context->conf->gcs_storage_class != CONF_STORAGE_CLASS_DEFAULT)
		sink->storage_class = storage_classes[context->conf->gcs_storage_class];
	if (parse_destination(sink, rest_of_url, err) < 0)
		goto failed;
	sink->base_url = gcs_base_url(context->conf->gcs_universe_domain, emulator);
	if (!sink->base_url) {
		error_set(err, ERROR_CONFIG,
			  "$STORAGE_EMULATOR_HOST: \"%.200s\" is not a URL such as "
			  "http://localhost:9000",
			  emulator);
		goto failed;
	}
	if (credentials_open(context->conf, &sink->credentials, err) < 0)
		goto failed;
	*ret_sink = sink;
	return 0;
failed:
	gcs_close(sink);
	return -1;
}

static int gcs_worker_open(struct sink *sink, struct sink_worker **ret_worker, struct error *err)
{
	const struct sink_context *context = &sink->base.context;
	struct sink_worker *worker = mem_calloc(1, sizeof *worker);

	worker->sink = sink;
	if (http_open(context->conf, context->connections, context->cancel, &worker->http, err) <
	    0) {
		free(worker);
		return -1;
	}
	*ret_worker = worker;
	return 0;
}

static void gcs_worker_close(struct sink_worker *worker)
{
	gcs_forget_session(worker);
	http_close(worker->http);
	free(worker->name);
	free(worker);
}

/* A session that is begun and cancelled: it takes the permission to create, and creates nothing. */
static int gcs_probe(struct sink_worker *worker, struct error *err)
{
	const struct sink *sink = worker->sink;
	const struct conf *conf = sink->base.context.conf;
	char file[sizeof ".probe-" + GCS_UUID_LENGTH];
	char below[GCS_NAME_MAX + 1];
	struct text text = text_over(below, sizeof below);
	cleanup_free char *name = NULL;
	cleanup_free char *resource = NULL;
	const struct segment nothing = { 0 };
	const struct sink_object object = { .content_type = "application/octet-stream",
					    .segment = &nothing };
	struct gcs_call cancel = { .phase = GCS_DELETE,
				   .request = { .method = "DELETE", .fd = -1 } };
	struct http_reply reply;
	struct error ignored;
	char *url;

	gcs_make_uuid(worker->operation);
	(void)snprintf(file, sizeof file, ".probe-%s", worker->operation);
	name_object(conf->upload_prefix, conf->node_name, file, &text);
	name = mem_printf("%s%s", sink->prefix, below);
	resource = gcs_format_resource(&object, name, sink->storage_class);
	if (gcs_start_session(worker, resource, object.content_type, 0, &url, err) != GCS_DONE) {
		/* This very object is refused, and so would be any other. */
		if (err->kind == ERROR_REJECTED)
			err->kind = ERROR_CONFIG;
		return -1;
	}
	cancel.request.url = url;
	/* Left alone it would end by itself in a week, so a failure here is none of the probe. */
	if (gcs_exchange(worker, &cancel, &reply, &ignored) != GCS_DONE)
		log_debug("probe's session not cancelled", log_reason(&ignored));
	free(url);
	return 0;
}

static int send_in_one_request(struct sink_worker *worker, const struct sink_object *object,
			       const char *name, bool *ret_was_there, struct error *err)
{
	const struct sink *sink = worker->sink;
	cleanup_free char *resource = gcs_format_resource(object, name, sink->storage_class);
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "multipart");
	char boundary[sizeof BOUNDARY + GCS_UUID_LENGTH];
	cleanup_free char *head = NULL;
	cleanup_free char *tail = NULL;
	char type[128];
	const char *headers[] = { type, NULL };
	struct gcs_call call = {
		.phase = GCS_MULTIPART,
		.request = { .method = "POST", .url = url, .headers = headers },
	};
	struct http_reply reply;
	enum gcs_outcome outcome;

	(void)snprintf(boundary, sizeof boundary, BOUNDARY);
	gcs_make_uuid(boundary + strlen(BOUNDARY));
	(void)snprintf(type, sizeof type, "Content-Type: multipart/related; boundary=%s", boundary);
	head = mem_printf("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
			  "--%s\r\nContent-Type: %s\r\n\r\n",
			  boundary, resource, boundary, object->content_type);
	tail = mem_printf("\r\n--%s--\r\n", boundary);
	call.request.head = head;
	call.request.head_bytes = strlen(head);
	call.request.fd = object->fd;
	call.request.file_bytes = object->bytes;
	call.request.tail = tail;
	call.request.tail_bytes = strlen(tail);

	*ret_was_there = false;
	outcome = gcs_exchange(worker, &call, &reply, err);
	if (outcome == GCS_DONE)
		return gcs_prove(worker, &reply, name, object, err);
	if (outcome != GCS_EXISTS)
		return -1;
	*ret_was_there = true;
	return gcs_compare(worker, name, object, err);
}

/* The object that is sent from now on; the same one again is the same operation, session and all. */
static void choose_object(struct sink_worker *worker, const char *name)
{
	if (worker->name && strcmp(worker->name, name) == 0)
		return;
	gcs_forget_session(worker);
	free(worker->name);
	worker->name = mem_strdup(name);
	gcs_make_uuid(worker->operation);
}

static int gcs_send(struct sink_worker *worker, const struct sink_object *object,
		    struct sink_receipt *ret_receipt, uint64_t *ret_retry_after_ms,
		    struct error *err)
{
	struct sink *sink = worker->sink;
	cleanup_free char *name = mem_printf("%s%s", sink->prefix, object->name);
	int result;

	*ret_retry_after_ms = 0;
	if (strlen(name) > GCS_NAME_MAX)
		return error_set(err, ERROR_REJECTED, "%s: longer than %d bytes", name,
				 GCS_NAME_MAX);
	worker->requests = 0;
	worker->retry_after_ms = 0;
	choose_object(worker, name);
	if (object->bytes <= ONE_REQUEST_MAX)
		result = send_in_one_request(worker, object, name, &ret_receipt->was_there, err);
	else
		result = gcs_send_resumable(worker, object, name, &ret_receipt->was_there, err);
	*ret_retry_after_ms = worker->retry_after_ms;
	if (result < 0) {
		/* What is set up wrong may be put right while we run: the segment stays. */
		if (err->kind != ERROR_REJECTED)
			err->kind = ERROR_TRANSIENT;
		return -1;
	}
	ret_receipt->requests = worker->requests;
	(void)snprintf(ret_receipt->location, sizeof ret_receipt->location, "gs://%s/%s",
		       sink->bucket, name);
	return 0;
}

const struct sink_ops sink_gcs = {
	.name = "gcs",
	.scheme = "gs://",
	.open = gcs_open,
	.close = gcs_close,
	.worker_open = gcs_worker_open,
	.worker_close = gcs_worker_close,
	.probe = gcs_probe,
	.send = gcs_send,
};
