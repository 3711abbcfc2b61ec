/* SPDX-License-Identifier: Apache-2.0 */
#include "http/failure.h"

#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/mem.h"
#include "http/handle.h"
#include "http/url.h"

/* How much of its end a sentence may lose when it is cut, newline and dots included. */
#define CUT_MARGIN 8

bool http_is_loggable(const char *reason, size_t capacity)
{
	size_t length = strlen(reason);

	return length > 0 && length + CUT_MARGIN < capacity && !strchr(reason, '@') &&
	       !strstr(reason, "://");
}

bool http_is_out_of_time(long verify_result)
{
	return verify_result == X509_V_ERR_CERT_NOT_YET_VALID ||
	       verify_result == X509_V_ERR_CERT_HAS_EXPIRED;
}

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
