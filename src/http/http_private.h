/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What http.c (the exchange) and http_failure.c (why there was no reply) share. */

#include <curl/curl.h>

#include "http/http.h"
#include "http/http_parts.h"
#include "http/sockets.h"

struct http {
	CURL *easy;
	const struct conf *conf;
	struct sockets *sockets;
	struct rate *rate; /* NULL: none */
	const atomic_bool *cancel;
	char body[HTTP_BODY_MAX + 1];
	size_t body_bytes;
	bool is_cut; /* the reply had more of it */
	struct http_headers headers;
	/* Of the exchange that is going on. */
	const struct http_request *request;
	uint64_t position;    /* in the request's body */
	bool is_sent_again;   /* all of the body, over another connection */
	bool is_unreadable;   /* the file of the body */
	struct error problem; /* what a callback found; ERROR_NONE: nothing */
	char reason[CURL_ERROR_SIZE];
};

/* No reply: fill err as http_send() says; returns what kind of failure it is. */
enum http_failure http_fail(const struct http *http, CURLcode code, struct error *err);
