/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP(S) requests over libcurl, which no other folder includes. Each worker thread has a struct http of its
 * own and keeps it, so that connections are reused. TLS certificates are always verified, redirects are never
 * followed, and memory for a reply is bounded. Every socket is entered in the table of our own connections
 * before it connects. A request blocks for at most the connect timeout plus as long as data keeps moving;
 * cancel ends it within a second (libcurl before 7.87 may have to wait for a silent name server).
 */

#include <stdatomic.h>
#include <stdbool.h>

#include "base/connections.h"
#include "base/error.h"
#include "conf/conf.h"
#include "http/rate.h"
#include "http/reply.h"
#include "http/request.h"

struct http;

/* Call once, before the first thread. ERROR_FATAL: this libcurl has no TLS. */
int http_global_init(struct error *err) __attribute__((warn_unused_result));

/*
 * conf, connections and cancel are borrowed until http_close(). An unusable CA file or proxy is refused as
 * conf_error() does.
 */
int http_open(const struct conf *conf, struct connections *connections, const atomic_bool *cancel,
	      struct http **ret_http, struct error *err) __attribute__((warn_unused_result));
/* Limit what is sent to this rate, which workers share; borrowed until http_close(). NULL: no limit. */
void http_limit(struct http *http, struct rate *rate);
struct http *http_close(struct http *http);

/*
 * One exchange. A reply with any status is a success here. Without a reply: ERROR_CONFIG for
 * HTTP_NOT_TRUSTED, else ERROR_TRANSIENT; the reply's status and is_sent are set nevertheless. A body that
 * breaks off is no reply, whatever on_body() has received by then. Messages name the host, never the rest of
 * the URL. This machine and link-local addresses are never reached through a proxy.
 */
int http_send(struct http *http, const struct http_request *request, struct http_reply *ret_reply,
	      struct error *err) __attribute__((warn_unused_result));
