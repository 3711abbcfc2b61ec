/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Where the server listens: an address and port, or a socket in the file system. */

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/error.h"
#include "conf/conf.h"

struct listener_address {
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
int listener_parse(const char *text, struct listener_address *ret_address, struct error *err)
	__attribute__((warn_unused_result));
/* Can only this machine reach it, by an address of IP? */
bool listener_is_loopback(const struct listener_address *address);
/* The path of a socket in the file system, else "". */
const char *listener_path(const struct listener_address *address);
/*
 * Bind and listen. A socket file that nobody listens on any more is replaced; the new one is for its owner
 * and group. Returns the fd; ERROR_TRANSIENT if somebody else is there.
 */
int listener_open(const struct listener_address *address, struct error *err)
	__attribute__((warn_unused_result));
/*
 * Where the daemon of this configuration has its control socket: in the folder that systemd made for it
 * ($RUNTIME_DIRECTORY), else in the spool.
 */
#define LISTENER_CONTROL_PATH_MAX 4096
void listener_control_path(const struct conf *conf, char out[LISTENER_CONTROL_PATH_MAX]);
