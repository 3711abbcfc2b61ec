/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The state of one worker's HTTP client, for http.c (the exchange) and failure.c (why it failed). */

#include <curl/curl.h>
#include <stdatomic.h>

#include "base/error.h"
#include "conf/conf.h"
#include "http/rate.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/sockets.h"

struct http {
	CURL *easy;
	const struct conf *conf;
	struct sockets *sockets;
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
