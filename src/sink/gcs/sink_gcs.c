/* SPDX-License-Identifier: Apache-2.0 */
/* Google Cloud Storage by its JSON API: gs://BUCKET[/PREFIX]. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/environment.h"
#include "sink/gcs/gcs.h"
#include "sink/gcs/gcs_read.h"

#define UNIVERSE_MAX 200
#define CHUNK_UNIT   (UINT64_C(256) << 10) /* the protocol's: chunks are multiples of it */

static const char *const storage_classes[] = {
	[CONF_STORAGE_CLASS_STANDARD] = "STANDARD",
	[CONF_STORAGE_CLASS_NEARLINE] = "NEARLINE",
	[CONF_STORAGE_CLASS_COLDLINE] = "COLDLINE",
	[CONF_STORAGE_CLASS_ARCHIVE] = "ARCHIVE",
};

static void gcs_close(struct sink *sink)
{
	google_credentials_close(sink->credentials);
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
	char bytes[256];
	struct text reason = text_over(bytes, sizeof bytes);

	sink->bucket = mem_strndup(rest, bucket_length);
	problem = gcs_bucket_problem(sink->bucket);
	if (problem)
		return conf_error(conf, CONF_upload_destination, err,
				  "\"%s\" is not the name of a bucket: %s",
				  sink->bucket[0] ? sink->bucket : conf->upload_destination,
				  problem);
	if (prefix_length > 0 && prefix[prefix_length - 1] == '/')
		prefix[prefix_length - 1] = '\0';
	if (!conf_is_prefix(prefix, "\\", &reason))
		return conf_error(conf, CONF_upload_destination, err, "prefix: %s", bytes);
	sink->prefix = mem_printf("%s%s", prefix, prefix[0] ? "/" : "");
	return 0;
}

/* It becomes a part of URLs and of the hosts that are trusted with tokens. */
static int check_universe(const struct conf *conf, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789.-";
	const char *domain = conf->gcs_universe_domain;
	size_t length = strlen(domain);

	if (length <= UNIVERSE_MAX && !domain[strspn(domain, allowed)] && strchr(domain, '.') &&
	    domain[0] != '.' && domain[length - 1] != '.' && !strstr(domain, ".."))
		return 0;
	return conf_error(conf, CONF_gcs_universe_domain, err,
			  "'%.*s' is not a domain; allowed: lower-case names with dots between, "
			  "such as googleapis.com",
			  UNIVERSE_MAX, domain);
}

static int gcs_open(const struct sink_context *context, const char *rest_of_url,
		    struct sink **ret_sink, struct error *err)
{
	const char *emulator = environment_get("STORAGE_EMULATOR_HOST");
	struct sink *sink = mem_calloc(1, sizeof *sink);

	sink->base.ops = &sink_gcs;
	sink->base.context = *context;
	sink->chunk_bytes = (context->conf->gcs_chunk_size + CHUNK_UNIT - 1) / CHUNK_UNIT *
			    CHUNK_UNIT;
	if (context->conf->gcs_storage_class != CONF_STORAGE_CLASS_DEFAULT)
		sink->storage_class = storage_classes[context->conf->gcs_storage_class];
	if (check_universe(context->conf, err) < 0 || parse_destination(sink, rest_of_url, err) < 0)
		goto failed;
	sink->universe = emulator ? NULL : context->conf->gcs_universe_domain;
	sink->base_url = gcs_base_url(context->conf->gcs_universe_domain, emulator);
	if (!sink->base_url) {
		error_set(err, ERROR_CONFIG,
			  "$STORAGE_EMULATOR_HOST: \"%.200s\" is not a URL such as "
			  "http://localhost:9000",
			  emulator);
		goto failed;
	}
	if (google_credentials_open(context->conf, &sink->credentials, err) < 0)
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
	if (http_open(context->conf, context->connections, context->rate, context->cancel,
		      &worker->http, err) < 0) {
		free(worker);
		return -1;
	}
	*ret_worker = worker;
	return 0;
}

static void gcs_worker_close(struct sink_worker *worker)
{
	http_close(worker->http);
	free(worker);
}

/* Start a session and cancel it: that takes the permission to create objects, and creates none. */
static int gcs_probe(struct sink_worker *worker, const char *identity, struct error *err)
{
	const struct sink *sink = worker->sink;
	const struct conf *conf = sink->base.context.conf;
	char file[sizeof ".probe-" + TEXT_UUID_LENGTH];
	char below[GCS_NAME_MAX + 1];
	struct text text = text_over(below, sizeof below);
	cleanup_free char *name = NULL;
	const struct segment nothing = { 0 };
	const struct sink_object object = { .name = file, .segment = &nothing };
	struct gcs_upload upload = { .worker = worker, .object = &object };
	struct http_request cancel = { .method = "DELETE", .fd = -1 };
	struct http_reply reply;
	struct error ignored;

	(void)identity; /* a bucket's name leads to one bucket */
	text_make_uuid(worker->operation);
	(void)snprintf(file, sizeof file, ".probe-%s", worker->operation);
	name_object(conf->upload_prefix, CONF_LAYOUT_NODE, conf->node_name, file, &text);
	upload.name = name = mem_printf("%s%s", sink->prefix, below);
	if (gcs_start_session(&upload, err) != GCS_DONE) {
		/* Any other object would be refused, too. */
		if (err->kind == ERROR_REJECTED)
			err->kind = ERROR_CONFIG;
		return -1;
	}
	cancel.url = upload.session.url;
	/* The session expires in a week anyway, so this may fail. */
	if (gcs_send_request(worker, GCS_DELETE, &cancel, &reply, &ignored) != GCS_DONE)
		log_debug("cannot cancel the session of the probe", log_reason(&ignored));
	gcs_session_forget(&upload.session);
	return 0;
}

const struct sink_ops sink_gcs = {
	.name = "gcs",
	.scheme = "gs://",
	.form = "gs://BUCKET[/PREFIX]",
	.bare_form = "BUCKET", /* as the original script took it */
	.open = gcs_open,
	.close = gcs_close,
	.worker_open = gcs_worker_open,
	.worker_close = gcs_worker_close,
	.probe = gcs_probe,
	.send = gcs_send,
	.list = gcs_list,
	.read = gcs_read,
};
