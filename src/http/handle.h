/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One worker's HTTP client, for the files of this folder: http.c (the exchange), failure.c (the reason for
 * having no reply, in words that help an operator and contain no secret) and sockets.c.
 */

#include <curl/curl.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "http/http.h"

/*
 * The TCP sockets of one worker. Each is entered in the table of our own connections before it connects,
 * so that capture can leave its packets out. That needs the local address beforehand: the socket is bound
 * to the one that the kernel would choose. Never shared between threads.
 */
/* A worker keeps up to four connections and opens two at once for a host with IPv4 and IPv6. */
#define SOCKETS_MAX 8

struct sockets {
	struct connections *connections;
	struct {
		int fd; /* -1: free */
		int handle;
	} entries[SOCKETS_MAX];
};

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
	char *secrets;                      /* in it; redact_collect() */
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

/* Does this verification result (X509_V_ERR_*) mean a certificate that is not yet or no longer valid? */
bool http_is_out_of_time(long verify_result);

void sockets_init(struct sockets *sockets, struct connections *connections);

/*
 * A socket for a connection to `remote`, bound and entered, not connected. Returns the fd; ERROR_TRANSIENT
 * when there is no route, or too many connections.
 */
int sockets_open(struct sockets *sockets, int type, int protocol, const struct sockaddr *remote,
		 socklen_t remote_length, struct error *err) __attribute__((warn_unused_result));
/*
 * If is_broken_off, or if much is not acknowledged, reset the connection (RST): otherwise the kernel would go
 * on sending for minutes, and we would record that as somebody else's traffic.
 */
void sockets_close(struct sockets *sockets, int fd, bool is_broken_off);
