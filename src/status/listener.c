/* SPDX-License-Identifier: Apache-2.0 */
#include "status/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "conf/environment.h"
#include "spool/spool.h"

#define BACKLOG     16
#define SOCKET_MODE 0660

static int parse_path(const char *text, const char *path, struct listener_address *ret_address,
		      struct error *err)
{
	struct listener_address address = { .length = sizeof address.socket.local };
	struct sockaddr_un *local = &address.socket.local;

	local->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof local->sun_path)
		return error_set(
			err, ERROR_CONFIG,
			"'%s' is too long; allowed: %zu characters in the path of a socket", text,
			sizeof local->sun_path - 1);
	memcpy(local->sun_path, path, strlen(path) + 1);
	*ret_address = address;
	return 0;
}

int listener_parse(const char *text, struct listener_address *ret_address, struct error *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	const char *colon = strrchr(text, ':');
	cleanup_free char *host = NULL;
	struct addrinfo *found;
	uint64_t port;
	size_t length;

	if (!*text) {
		*ret_address = (struct listener_address){ .length = 0 };
		return 0;
	}
	if (*text == '/' || strncmp(text, "unix:/", strlen("unix:/")) == 0)
		return parse_path(text, strchr(text, '/'), ret_address, err);
	length = colon ? (size_t)(colon - text) : 0;
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']')
		host = mem_strndup(text + 1, length - 2);
	else if (colon && !memchr(text, ':', length))
		host = mem_strndup(text, length);
	if (!host || !*host || text_parse_number(colon + 1, &port) < 0 || port == 0 ||
	    port > UINT16_MAX || getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return error_set(err, ERROR_CONFIG,
				 "'%s' is no address to listen on; allowed: ADDRESS:PORT with a "
				 "numeric address ([::1]:9469), unix:/PATH, or nothing for none",
				 text);
	*ret_address = (struct listener_address){ .length = found->ai_addrlen };
	memcpy(&ret_address->socket, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return 0;
}

bool listener_is_loopback(const struct listener_address *address)
{
	const struct in6_addr *ip6 = &address->socket.ip6.sin6_addr;

	switch (address->socket.any.sa_family) {
	case AF_INET:
		return ntohl(address->socket.ip4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(ip6) ||
		       (IN6_IS_ADDR_V4MAPPED(ip6) && ip6->s6_addr[12] == IN_LOOPBACKNET);
	}
	return false;
}

const char *listener_path(const struct listener_address *address)
{
	return address->length > 0 && address->socket.any.sa_family == AF_UNIX
		       ? address->socket.local.sun_path
		       : "";
}

/* A socket file without a listener is what a crash left; any other kind of file is not ours to remove. */
static int remove_dead(const struct listener_address *address, struct error *err)
{
	const char *path = listener_path(address);
	cleanup_close int probe = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_errno(err, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, ERROR_FATAL, "%s is there, and is no socket", path);
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (probe < 0)
		return error_errno(err, "socket");
	if (connect(probe, &address->socket.any, address->length) == 0 || errno == EAGAIN)
		return error_set(err, ERROR_TRANSIENT, "%s: another process listens there", path);
	if (errno != ECONNREFUSED)
		return error_errno(err, "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", path);
	return 0;
}

int listener_open(const struct listener_address *address, struct error *err)
{
	const char *path = listener_path(address);
	cleanup_close int fd = -1;
	const int one = 1;

	if (*path && remove_dead(address, err) < 0)
		return -1;
	fd = socket(address->socket.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, "socket");
	if (!*path && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return error_errno(err, "SO_REUSEADDR");
	if (bind(fd, &address->socket.any, address->length) < 0)
		return error_errno_as(err, errno == EADDRINUSE ? ERROR_TRANSIENT : ERROR_FATAL,
				      "bind%s%s", *path ? " " : "", path);
	/* The umask has its part in what bind makes, and may keep the group out. */
	if (*path && chmod(path, SOCKET_MODE) < 0)
		return error_errno(err, "mode of %s", path);
	if (listen(fd, BACKLOG) < 0)
		return error_errno(err, "listen");
	return take_fd(&fd);
}

void listener_control_path(const struct conf *conf, char out[LISTENER_CONTROL_PATH_MAX])
{
	cleanup_free char *runtime = environment_first_folder("RUNTIME_DIRECTORY");

	(void)snprintf(out, LISTENER_CONTROL_PATH_MAX, "%s/" SPOOL_CONTROL_SOCKET,
		       runtime ? runtime : conf->spool_directory);
}
