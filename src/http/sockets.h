/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The TCP sockets of one worker, each entered in the own-connections table before it connects, so that
 * capture knows to leave its packets out. For that the local address has to be known first: it is the one
 * the kernel would choose, and the socket is bound to it. Never shared between threads.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "base/connections.h"
#include "base/error.h"

struct sockets;

struct sockets *sockets_new(struct connections *connections);
/* All of its sockets have to be closed already. */
struct sockets *sockets_free(struct sockets *sockets);

/*
 * A socket for a connection to `remote`, bound and entered, not connected. Returns the fd; ERROR_TRANSIENT
 * when there is no route, or too many connections.
 */
int sockets_open(struct sockets *sockets, int type, int protocol, const struct sockaddr *remote,
		 socklen_t remote_length, struct error *err) __attribute__((warn_unused_result));
/*
 * is_broken_off, or much that was not acknowledged: the connection ends at once (RST), because what the
 * kernel would go on sending for minutes would be recorded as somebody else's.
 */
void sockets_close(struct sockets *sockets, int fd, bool is_broken_off);
