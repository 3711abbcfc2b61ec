/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The metadata server of a Google Cloud machine, or of GKE's Workload Identity. It is reached over plain
 * HTTP on the node itself; a header that no captive portal sends proves that it is Google's.
 */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "conf/environment.h"
#include "google/account.h"
#include "http/url.h"

#define DEFAULT_HOST "metadata.google.internal"
#define TOKEN_PATH   "/computeMetadata/v1/instance/service-accounts/default/token"

static int metadata_server_fetch(const struct google_account *account, struct http *http,
				 struct token *ret_token, struct error *err)
{
	static const char *const headers[] = { "Metadata-Flavor: Google", NULL };
	const struct http_request request = {
		.method = "GET",
		.url = account->url,
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
		return oauth_refusal(OAUTH_METADATA, &reply, NULL, err);
	return oauth_parse_token(&reply, ret_token, err);
}

int google_open_metadata_server(const json_t *file, const struct google_setup *setup,
				struct google_account *account, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789.-:[]";
	const char *host = environment_get("GCE_METADATA_HOST");
	cleanup_free char *scope = http_escape(setup->scope);

	(void)file;
	host = host ? host : environment_get("GCE_METADATA_ROOT");
	host = host ? host : DEFAULT_HOST;
	if (host[strspn(host, allowed)])
		return error_set(err, ERROR_CONFIG,
				 "$GCE_METADATA_HOST: \"%.100s\" is not HOST or HOST:PORT", host);
	/* Workload Identity narrows the token to the scope; plain machines ignore it. */
	account->url = mem_printf("http://%s" TOKEN_PATH "?scopes=%s", host, scope);
	account->description = mem_strdup("metadata server");
	account->fetch = metadata_server_fetch;
	return 0;
}
