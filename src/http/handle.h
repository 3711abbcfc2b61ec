/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One worker's HTTP client, for the files of this folder: http.c (the exchange), request.c (its body) and failure.c
 * (the reason for having no reply, in words that help an operator and contain no secret).
 */

#include <curl/curl.h>
#include <sys/types.h>

#include "http/http.h"
#include "http/sockets.h"

struct http {
	CURL *easy;
	const struct conf *conf;
	struct sockets sockets;
	struct rate *rate; /* NULL: none */
	const atomic_bool *cancel;
	char body[HTTP_BODY_MAX + 1];
	size_t body_bytes;
	bool is_cut; /* the rest of the reply's body is not read */
	struct http_headers headers;
	/* Of the current exchange. */
	const struct http_request *request; /* NULL: none */
	uint64_t position;                  /* in the request's body */
	bool is_sent_again;                 /* all of the body, over another connection */
	bool is_unreadable;                 /* the file of the body */
	struct error problem;               /* found by a callback; ERROR_NONE: nothing */
	char reason[CURL_ERROR_SIZE];
};

uint64_t http_body_bytes(const struct http_request *request);
/*
 * The next piece of the body, from whichever of its three parts contains position. Returns its length, 0 at
 * the end, -1 with errno set if the file cannot be read (ENODATA: it is shorter than file_bytes).
 */
ssize_t http_body_read(const struct http_request *request, uint64_t position, char *out,
		       size_t capacity);

/* Fill err as http_send() promises; returns the kind of failure. */
enum http_failure http_fail(const struct http *http, CURLcode code, struct error *err);

/*
 * May libcurl's message (in a buffer of this capacity) be logged? It may repeat the URL of a proxy with its
 * password, and where the message was cut, the part that gives it away may be missing.
 */
bool http_is_loggable(const char *reason, size_t capacity);
/* Does this verification result (X509_V_ERR_*) mean a certificate that is not yet or no longer valid? */
bool http_is_out_of_time(long verify_result);
