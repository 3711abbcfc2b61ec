/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The HTTP server for the pages: on the status address for everybody who can reach it (by default this
 * machine), and on the control socket for root and the group of the process. Runs on the main loop, without
 * a thread of its own. A connection gets one answer, and has to be done within seconds; there are few at a
 * time, with small headers: what a stranger can cost is bounded.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "status/routes.h"

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
 * Listen there instead of where it does; "" is nowhere. A dead Unix socket is replaced; ERROR_TRANSIENT if
 * somebody lives there, or the port is in use. On failure it listens nowhere, and may be called again.
 */
int server_listen(struct server *server, enum server_listener which, const char *address,
		  struct error *err) __attribute__((warn_unused_result));

/* Readable when there is something to do; the same one for good. */
int server_fd(const struct server *server);
/* Do what there is to do; also to be called each second, for connections that take too long. */
void server_run(struct server *server);
