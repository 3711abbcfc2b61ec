/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata server of a Google Cloud machine, or of GKE's Workload Identity. Reached over plain HTTP on
 * the node itself; its reply has to carry the header that no captive portal knows.
 */
#include "google/credentials_private.h"

#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "conf/environment.h"
#include "http/url.h"

#define DEFAULT_HOST "metadata.google.internal"
#define TOKEN_PATH   "/computeMetadata/v1/instance/service-accounts/default/token"

struct metadata {
	char *url;
};

static void metadata_close(void *state)
{
	struct metadata *metadata = state;

	if (!metadata)
		return;
	free(metadata->url);
	free(metadata);
}

static int metadata_open(const json_t *file, const struct credentials_setup *setup,
			 void **ret_state, char **ret_description, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-:[]";
	const char *host = environment_get(ENVIRONMENT_GCE_METADATA_HOST);
	cleanup_free char *scope = http_escape(setup->scope);
	struct metadata *metadata;

	(void)file;
	host = host ? host : environment_get(ENVIRONMENT_GCE_METADATA_ROOT);
	host = host ? host : DEFAULT_HOST;
	if (host[strspn(host, allowed)])
		return error_set(err, ERROR_CONFIG,
				 "$GCE_METADATA_HOST: \"%.100s\" is not HOST or HOST:PORT", host);
	metadata = mem_alloc(sizeof *metadata);
	/* Workload Identity narrows the token to the scope; plain machines ignore it. */
	metadata->url = mem_printf("http://%s" TOKEN_PATH "?scopes=%s", host, scope);
	*ret_state = metadata;
	*ret_description = mem_strdup("metadata server");
	return 0;
}

static int metadata_fetch(void *state, struct http *http, struct credentials_token *ret_token,
			  struct error *err)
{
	static const char *const headers[] = { "Metadata-Flavor: Google", NULL };
	const struct metadata *metadata = state;
	const struct http_request request = {
		.method = "GET",
		.url = metadata->url,
		.headers = headers,
		.fd = -1,
		.is_local = true,
	};
	struct http_reply reply;

	if (http_send(http, &request, &reply, err) < 0)
		return error_wrap(err, "no answer from the metadata server (outside Google Cloud, "
				       "name a key by gcs.credentials)");
	if (strcasecmp(http_reply_header(&reply, "Metadata-Flavor"), "Google") != 0)
		return error_set(err, ERROR_TRANSIENT,
				 "what answers as the metadata server (status %ld) is not Google's",
				 reply.status);
	if (reply.status != 200)
		return credentials_judge(CREDENTIALS_METADATA, &reply, NULL, err);
	return credentials_parse_token(reply.body, ret_token, err);
}

const struct credentials_kind credentials_metadata = {
	.open = metadata_open,
	.fetch = metadata_fetch,
	.close = metadata_close,
};
