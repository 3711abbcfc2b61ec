/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The TCP sockets of one worker. Each is entered in the table of our own connections before it connects,
 * so that capture can leave its packets out. That needs the local address beforehand: the socket is bound
 * to the one that the kernel would choose. Never shared between threads.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "base/connections.h"
#include "base/error.h"

/* A worker keeps up to four connections and opens two at once for a host with IPv4 and IPv6. */
#define SOCKETS_MAX 8

struct sockets {
	struct connections *connections;
	struct {
		int fd; /* -1: free */
		int handle;
	} entries[SOCKETS_MAX];
};

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
