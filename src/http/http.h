/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * HTTP(S) requests over libcurl, the only place that knows libcurl. TLS is always verified, redirects are
 * never followed, replies are bounded. One struct http per worker thread, reused so that connections are.
 * Every socket is entered in the own-connections table before it connects. A request blocks for at most
 * the connect time-out plus however long it keeps moving; cancel ends it within a second (with a libcurl before
 * 7.87, both wait until the resolver gives up a name server that is silent).
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/connections.h"
#include "base/error.h"
#include "conf/conf.h"
#include "http/rate.h"

struct http;

#define HTTP_BODY_MAX   65536 /* of a reply; the rest is not read */
#define HTTP_HEADER_MAX 4096  /* of a reply's header line that we keep */

/* Call once, before the first thread. ERROR_FATAL: this libcurl cannot do HTTPS. */
int http_global_init(struct error *err) __attribute__((warn_unused_result));

/*
 * conf, connections and cancel are borrowed until http_close(). An unusable CA file or proxy is refused as
 * conf_error() does.
 */
int http_open(const struct conf *conf, struct connections *connections, const atomic_bool *cancel,
	      struct http **ret_http, struct error *err) __attribute__((warn_unused_result));
/* Share this limit, borrowed until http_close(), with others; NULL: none. */
void http_limit(struct http *http, struct rate *rate);
struct http *http_close(struct http *http);

struct http_request {
	const char *method; /* "POST" */
	const char *url;
	const char *const *headers; /* "Name: value", NULL at the end; may be NULL */
	/* The body: head, then file_bytes of fd from file_offset, then tail; any of them empty. */
	const char *head, *tail;
	size_t head_bytes, tail_bytes;
	int fd;
	uint64_t file_offset, file_bytes;
	bool is_local;       /* a metadata server: no proxy, short time-outs */
	unsigned timeout_ms; /* of the whole exchange; 0: only the connect and stall time-outs */
};

/* Why there is no reply. Below every status, so that both fit into one. */
enum http_failure {
	HTTP_NOT_CONNECTED =
		1,        /* no name, route, listener or TLS: nothing of the request got there */
	HTTP_BROKEN_OFF,  /* reset, ended, stalled or garbled: what was asked may have been done */
	HTTP_NOT_TRUSTED, /* a certificate that does not verify, or an unusable CA file */
	HTTP_NOT_IN_TIME, /* a certificate that is too old or too new, or else our clock is wrong */
	HTTP_NOT_READABLE, /* the file that is to be sent */
	HTTP_STOPPED,      /* cancelled by ourselves */
	HTTP_FAILURE_COUNT,
};

/* A reply; owned by the struct http, valid until its next request. */
struct http_reply {
	long status; /* or an enum http_failure */
	/* All of the request's body went out; and did so before, on a kept connection that then turned out
	 * dead: libcurl sends it once more by itself. Both are also told after a failure. */
	bool is_sent, is_sent_again;
	const char *body; /* NUL-terminated; cut at HTTP_BODY_MAX */
	size_t body_bytes;
	/* Headers; "" when absent or longer than HTTP_HEADER_MAX. */
	const char *location, *range, *metadata_flavor, *www_authenticate;
	uint64_t retry_after_ms; /* Retry-After; 0 when absent */
	uint64_t date_s;         /* Date: the server's clock, UTC since 1970; 0 when absent */
};

/*
 * One exchange. Any reply with a status is a success here. No reply: ERROR_CONFIG for HTTP_NOT_TRUSTED, else
 * ERROR_TRANSIENT; status and is_sent are set nevertheless. Messages name the host, never the rest of the URL.
 * A host that is this machine or link-local is never reached through a proxy.
 */
int http_send(struct http *http, const struct http_request *request, struct http_reply *ret_reply,
	      struct error *err) __attribute__((warn_unused_result));

/*
 * By how much this node's clock is ahead (> 0) of or behind (< 0) the server's; 0 if the reply does not tell
 * or it is not worth mentioning: what is signed or dated here is taken there.
 */
int64_t http_clock_offset_s(const struct http_reply *reply);

/* Percent-encode all but A-Z a-z 0-9 - . _ ~, also '/'. The caller frees. */
char *http_escape(const char *text) __attribute__((warn_unused_result));
