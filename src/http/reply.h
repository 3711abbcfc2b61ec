/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An HTTP reply, or the reason why there is none, and its header fields. Nothing here blocks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_BODY_MAX    65536 /* kept in memory; the rest is not read */
#define HTTP_HEADER_MAX  4096  /* the value of one header */
#define HTTP_HEADERS_MAX 16384 /* all names and values of a reply */

/* Why there is no reply. All values are below 100, so a `long status` can hold either. */
enum http_failure {
	HTTP_NOT_CONNECTED = 1, /* no name, route, listener or TLS: the server got nothing */
	HTTP_BROKEN_OFF,   /* reset, closed, stalled or garbled: it may have acted all the same */
	HTTP_NOT_TRUSTED,  /* a certificate that does not verify, or an unusable CA file */
	HTTP_NOT_IN_TIME,  /* a certificate not yet or no longer valid, or our clock is wrong */
	HTTP_NOT_READABLE, /* the file to send */
	HTTP_STOPPED,      /* cancelled by ourselves */
	HTTP_FAILURE_COUNT,
};

/* Header fields in order of arrival, as "name\0value\0". Zero-initialized: none. */
struct http_headers {
	char bytes[HTTP_HEADERS_MAX];
	size_t length;
};

/* Owned by the struct http, valid until its next request. */
struct http_reply {
	long status; /* or an enum http_failure */
	/*
	 * The whole request body was sent; and was sent once before, over a kept connection that turned
	 * out to be dead (libcurl repeats the request). Both are set after a failure, too.
	 */
	bool is_sent, is_sent_again;
	bool is_cut;      /* the body was longer than HTTP_BODY_MAX, or on_body() ended it */
	const char *body; /* NUL-terminated; empty if on_body() received it */
	size_t body_bytes;
	const struct http_headers *headers; /* NULL: none */
	const char *secrets;                /* of the request, for redact_append(); NULL: none */
	uint64_t retry_after_ms;            /* Retry-After; 0 when absent */
	uint64_t date_s; /* Date: the server's clock, UTC since 1970; 0 when absent */
};

/* The value of a header, of several the last, its name in any case; "" when absent or longer than HTTP_HEADER_MAX. */
const char *http_reply_header(const struct http_reply *reply, const char *name);
/*
 * Seconds by which this node's clock is ahead of (> 0) or behind (< 0) the server's; 0 if the reply has no
 * date or the difference is too small to matter to whoever checks what is signed here.
 */
int64_t http_clock_offset_s(const struct http_reply *reply);

/* Add one line of a reply's head, as it arrived, not terminated. A status line drops the earlier ones. */
void http_headers_add(struct http_headers *headers, const char *line, size_t length);

/* Seconds since 1970 of a date in one of the three forms of RFC 9110, 5.6.7; 0 if it is none of them. */
uint64_t http_parse_date(const char *text);
/*
 * The pause that Retry-After asks for, in milliseconds, at most a day; 0 if it asks for none. A date is
 * compared with now: the reply's own Date if it has one, because our clock may be wrong.
 */
uint64_t http_parse_retry_after(const char *text, uint64_t now_s);

/*
 * What to do about a reply, as a table: the first rule that fits decides. For services whose status alone
 * does not say what went wrong. The caller has its own enums for requests, traits and outcomes.
 */
struct reply_rule {
	long first, last;  /* statuses, or enum http_failure */
	unsigned requests; /* a bit for each request that the rule is about */
	const char *words; /* "a|b": the reply must contain one of them; NULL: anything */
	int outcome;
	unsigned traits;    /* bits of what else the reply must have; 0: nothing */
	const char *remedy; /* what an operator can do; NULL: nothing */
};

struct reply_evidence {
	long status;
	unsigned request;     /* its bit */
	unsigned traits;      /* bits */
	const char *texts[2]; /* where words are looked for; NULL: none */
};

/* NULL: no rule fits. */
const struct reply_rule *reply_match(const struct reply_rule *rules, size_t count,
				     const struct reply_evidence *evidence);
/* Does the text contain one of the words in any case? They are separated by '|', each below 64 bytes. */
bool reply_says(const char *text, const char *words);
