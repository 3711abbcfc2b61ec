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
#include <stddef.h>
#include <stdint.h>

#include "base/connections.h"
#include "base/error.h"
#include "conf/conf.h"
#include "http/rate.h"
#include "http/reply.h"

struct http;

struct http_request {
	const char *method; /* "POST" */
	const char *url;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	/* The body: head, then file_bytes of fd from file_offset, then tail; any of them empty. */
	const char *head, *tail;
	size_t head_bytes, tail_bytes;
	int fd;
	uint64_t file_offset, file_bytes;
	/*
	 * Receives the body of a 2xx reply as it arrives, in pieces of at most 16 KiB
	 * (CURL_MAX_WRITE_SIZE), on the thread that called http_send(); false ends the exchange. Time
	 * spent in it counts towards the stall timeout. NULL: the reply keeps the body in memory.
	 */
	bool (*on_body)(void *context, const char *bytes, size_t length);
	void *on_body_context;
	bool is_local;       /* a metadata server: no proxy, short timeouts */
	unsigned timeout_ms; /* for the whole exchange; 0: only the connect and stall timeouts */
};

/* Call once, before the first thread. ERROR_FATAL: this libcurl has no TLS. */
int http_global_init(struct error *err) __attribute__((warn_unused_result));

/*
 * All but ret_http and err is borrowed until http_close(). rate limits the bytes that are sent, of all its users
 * together; NULL: no limit. An unusable CA file or proxy is refused as
 * conf_error() does.
 */
int http_open(const struct conf *conf, struct connections *connections, struct rate *rate,
	      const atomic_bool *cancel, struct http **ret_http, struct error *err)
	__attribute__((warn_unused_result));
struct http *http_close(struct http *http);

/*
 * One exchange. A reply with any status is a success here. Without a reply: ERROR_CONFIG for
 * HTTP_NOT_TRUSTED, else ERROR_TRANSIENT; the reply's status and is_sent are set nevertheless. A body that
 * breaks off is no reply, whatever on_body() has received by then. Messages name the host, never the rest of
 * the URL. This machine and link-local addresses are never reached through a proxy.
 */
int http_send(struct http *http, const struct http_request *request, struct http_reply *ret_reply,
	      struct error *err) __attribute__((warn_unused_result));
