/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The HTTP server for the pages: on the status address for everybody who can reach it (by default this
 * machine), and on the control socket for root and the group of the process. Runs on the main loop, without
 * a thread of its own. A connection gets one answer, and has to be done within seconds; there are few at a
 * time, with small headers: what a stranger can cost is bounded.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "conf/conf.h"
#include "status/status.h"

struct server_address {
	union {
		struct sockaddr any;
		struct sockaddr_un local;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} socket;
	socklen_t length; /* 0: nowhere */
};
/*
 * "ADDRESS:PORT", "[ADDRESS]:PORT" with a numeric address, "unix:/PATH", "/PATH", or "" for nowhere. Pure.
 * ERROR_CONFIG: what is allowed.
 */
int server_parse_address(const char *text, struct server_address *ret_address, struct error *err)
	__attribute__((warn_unused_result));
/* Can only this machine reach it, by an address of IP? */
bool server_is_loopback(const struct server_address *address);

struct server;

/* Actions is borrowed. */
int server_new(const struct route_actions *actions, struct server **ret_server, struct error *err)
	__attribute__((warn_unused_result));
struct server *server_free(struct server *server);

/* status.listen: is that an address? "" is one, too. ERROR_CONFIG or ERROR_USAGE by conf_error(). */
int server_check(const struct conf *conf, struct error *err) __attribute__((warn_unused_result));
/* Could it be listened on now? Of a Unix socket that is not asked. */
int server_try(const struct conf *conf, struct error *err) __attribute__((warn_unused_result));
/* By the status address come strangers; the control socket takes commands, too. */
enum server_listener {
	SERVER_STATUS,
	SERVER_CONTROL,
	SERVER_LISTENERS
};
/*
 * Listen there instead of where it does. A socket file that nobody listens on any more is replaced; the new one
 * is for its owner and group. ERROR_TRANSIENT if somebody lives there, or the port is in use. On failure it
 * listens nowhere, and may be called again.
 */
int server_listen(struct server *server, enum server_listener which, const char *address,
		  struct error *err) __attribute__((warn_unused_result));

/* Readable when there is something to do; the same one for good. */
int server_fd(const struct server *server);
/* Do what there is to do; also to be called each second, for connections that take too long. */
void server_run(struct server *server);
