/* SPDX-License-Identifier: Apache-2.0 */
/* Why there was no reply, in words that an operator can use and that tell no secret. */
#include "http/http_private.h"

#include "base/mem.h"
#include "http/url.h"

/* What libcurl says of a failure, or only its kind where that may tell too much. */
static const char *reason_of(const struct http *http, CURLcode code)
{
	const char *reason = http->reason;

	return http_is_loggable(reason, sizeof http->reason) ? reason : curl_easy_strerror(code);
}

/* Of the server's certificate or an https proxy's. */
static bool is_clock_to_blame(const struct http *http)
{
	long server = 0, proxy = 0;

	(void)curl_easy_getinfo(http->easy, CURLINFO_SSL_VERIFYRESULT, &server);
	(void)curl_easy_getinfo(http->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy);
	return http_is_out_of_time(server) || http_is_out_of_time(proxy);
}

static enum http_failure classify(const struct http *http, CURLcode code)
{
	curl_off_t ready_us = 0;

	if (atomic_load(http->cancel))
		return HTTP_STOPPED;
	if (http->is_unreadable)
		return HTTP_NOT_READABLE;
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		/* At boot the clock may be years off until the time service has set it. */
		return is_clock_to_blame(http) ? HTTP_NOT_IN_TIME : HTTP_NOT_TRUSTED;
	case CURLE_SSL_CACERT_BADFILE:
		return HTTP_NOT_TRUSTED;
	default:
		/* 0: it did not come to the transfer, with name, proxy and TLS behind it. */
		(void)curl_easy_getinfo(http->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
		return ready_us == 0 ? HTTP_NOT_CONNECTED : HTTP_BROKEN_OFF;
	}
}

static void describe(enum http_failure failure, const char *host, const char *reason,
		     struct error *err)
{
	switch (failure) {
	case HTTP_STOPPED:
		error_set(err, ERROR_TRANSIENT, "%s: stopped", host);
		break;
	case HTTP_NOT_IN_TIME:
		error_set(err, ERROR_TRANSIENT,
			  "%s: its TLS certificate is not valid at this time (%s); is this node's "
			  "clock right?",
			  host, reason);
		break;
	case HTTP_NOT_TRUSTED:
		error_set(err, ERROR_CONFIG,
			  "%s: its TLS certificate does not verify (%s); if a proxy or a private "
			  "endpoint has its own authority, name that in upload.ca_file",
			  host, reason);
		break;
	case HTTP_NOT_CONNECTED:
	case HTTP_BROKEN_OFF:
	case HTTP_NOT_READABLE:
	case HTTP_FAILURE_COUNT:
		error_set(err, ERROR_TRANSIENT, "%s: %s", host, reason);
		break;
	}
}

enum http_failure http_fail(const struct http *http, CURLcode code, struct error *err)
{
	cleanup_free char *host = http_url_host(http->request->url);
	enum http_failure failure = classify(http, code);
	const char *reason = reason_of(http, code);

	if (code == CURLE_COULDNT_RESOLVE_PROXY)
		reason = "cannot find the proxy";
	else if (code == CURLE_SSL_CACERT_BADFILE)
		reason = "the file of trusted certificate authorities cannot be used";
	else if (http->problem.kind != ERROR_NONE)
		reason = http->problem.message;
	describe(failure, host, reason, err);
	return failure;
}
