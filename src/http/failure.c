/* SPDX-License-Identifier: Apache-2.0 */
#include "http/handle.h"

#include <openssl/x509_vfy.h>

#include "http/redact.h"
#include "http/url.h"

bool http_is_out_of_time(long verify_result)
{
	return verify_result == X509_V_ERR_CERT_NOT_YET_VALID ||
	       verify_result == X509_V_ERR_CERT_HAS_EXPIRED;
}

/* For the certificate of the server or of an https proxy. */
static bool is_clock_to_blame(const struct http *http)
{
	long server = 0, proxy = 0;

	(void)curl_easy_getinfo(http->easy, CURLINFO_SSL_VERIFYRESULT, &server);
	(void)curl_easy_getinfo(http->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &proxy);
	return http_is_out_of_time(server) || http_is_out_of_time(proxy);
}

static enum http_failure classify_failure(const struct http *http, CURLcode code)
{
	curl_off_t ready_us = 0;

	if (atomic_load(http->cancel))
		return HTTP_STOPPED;
	if (http->is_unreadable)
		return HTTP_NOT_READABLE;
	switch (code) {
	case CURLE_PEER_FAILED_VERIFICATION:
		/* At boot the clock may be years off until it is synchronized. */
		return is_clock_to_blame(http) ? HTTP_NOT_IN_TIME : HTTP_NOT_TRUSTED;
	case CURLE_SSL_CACERT_BADFILE:
		return HTTP_NOT_TRUSTED;
	default:
		/* 0: the transfer never began; resolving, proxy or TLS failed before. */
		(void)curl_easy_getinfo(http->easy, CURLINFO_PRETRANSFER_TIME_T, &ready_us);
		return ready_us == 0 ? HTTP_NOT_CONNECTED : HTTP_BROKEN_OFF;
	}
}

enum http_failure http_fail(const struct http *http, CURLcode code, struct error *err)
{
	enum http_failure failure = classify_failure(http, code);
	/* libcurl's details, or only the kind if they may be a secret. */
	const char *reason = redact_is_loggable(http->reason, sizeof http->reason)
				     ? http->reason
				     : curl_easy_strerror(code);
	struct http_url url;
	/* The rest of the URL may be a secret. */
	const char *host = http_read_url(http->request->url, &url) ? url.host : "the server";

	if (failure == HTTP_STOPPED)
		reason = "stopped";
	else if (code == CURLE_COULDNT_RESOLVE_PROXY)
		reason = "cannot find the proxy";
	else if (code == CURLE_SSL_CACERT_BADFILE)
		reason = "cannot use the file of trusted certificate authorities";
	else if (http->problem.kind != ERROR_NONE)
		reason = http->problem.message;
	if (failure == HTTP_NOT_IN_TIME)
		error_set(err, ERROR_TRANSIENT,
			  "%s: its TLS certificate is not valid at this time (%s); is this node's "
			  "clock right?",
			  host, reason);
	else if (failure == HTTP_NOT_TRUSTED)
		error_set(err, ERROR_CONFIG,
			  "%s: its TLS certificate does not verify (%s); if a proxy or a private "
			  "endpoint has its own authority, set upload.ca_file to it",
			  host, reason);
	else
		error_set(err, ERROR_TRANSIENT, "%s: %s", host, reason);
	return failure;
}
