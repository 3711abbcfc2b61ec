/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* An HTTP request: what the caller of http_send() fills in, and its body piece by piece. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

uint64_t http_body_bytes(const struct http_request *request);
/*
 * The next piece of the body, from whichever of its three parts contains position. Returns its length, 0 at
 * the end, -1 with errno set if the file cannot be read (ENODATA: it is shorter than file_bytes).
 */
ssize_t http_body_read(const struct http_request *request, uint64_t position, char *out,
		       size_t capacity);
