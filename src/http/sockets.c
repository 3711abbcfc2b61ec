/* SPDX-License-Identifier: Apache-2.0 */
#include "http/handle.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

/* What may be on its way at any good end: TLS says goodbye. */
#define GOODBYE_BYTES 256

void sockets_init(struct sockets *sockets, struct connections *connections)
{
	sockets->connections = connections;
	for (int i = 0; i < SOCKETS_MAX; i++)
		sockets->entries[i].fd = -1;
}

/* The address that a connection to `remote` would come from: connecting a UDP socket sends nothing. */
static int local_address(const struct sockaddr *remote, socklen_t remote_length,
			 struct sockaddr_storage *ret_local, socklen_t *ret_length,
			 struct error *err)
{
	cleanup_close int fd = socket(remote->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	*ret_length = sizeof *ret_local;
	if (fd < 0 || connect(fd, remote, remote_length) < 0 ||
	    getsockname(fd, (struct sockaddr *)ret_local, ret_length) < 0)
		return error_errno_as(err, ERROR_TRANSIENT, "no local address");
	if (remote->sa_family == AF_INET)
		((struct sockaddr_in *)ret_local)->sin_port = 0;
	else
		((struct sockaddr_in6 *)ret_local)->sin6_port = 0;
	return 0;
}

int sockets_open(struct sockets *sockets, int type, int protocol, const struct sockaddr *remote,
		 socklen_t remote_length, struct error *err)
{
	struct sockaddr_storage local;
	cleanup_close int fd = -1;
	socklen_t local_length;
	int free_entry = -1;
	int handle;

	for (int i = 0; i < SOCKETS_MAX && free_entry < 0; i++)
		if (sockets->entries[i].fd < 0)
			free_entry = i;
	if (free_entry < 0)
		return error_set(err, ERROR_TRANSIENT, "more than %d connections", SOCKETS_MAX);
	if (remote->sa_family != AF_INET && remote->sa_family != AF_INET6)
		return error_set(err, ERROR_TRANSIENT, "neither IPv4 nor IPv6");

	if (local_address(remote, remote_length, &local, &local_length, err) < 0)
		return -1;
	fd = socket(remote->sa_family, type | SOCK_CLOEXEC, protocol);
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, local_length) < 0 ||
	    getsockname(fd, (struct sockaddr *)&local, &local_length) < 0)
		return error_errno_as(err, ERROR_TRANSIENT, "cannot make a socket");
	handle = connections_add(sockets->connections, (struct sockaddr *)&local, remote);
	if (handle < 0)
		return error_set(err, ERROR_TRANSIENT, "more than %d connections of our own",
				 CONNECTIONS_MAX);
	sockets->entries[free_entry].fd = fd;
	sockets->entries[free_entry].handle = handle;
	return take_fd(&fd);
}

/* Bytes that are not sent or not acknowledged; tcp(7), SIOCOUTQ. */
static bool has_unsent_data(int fd)
{
	int bytes = 0;

	return ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > GOODBYE_BYTES;
}

void sockets_close(struct sockets *sockets, int fd, bool is_broken_off)
{
	static const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (is_broken_off || has_unsent_data(fd))
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)close(fd);
	for (int i = 0; i < SOCKETS_MAX; i++) {
		if (sockets->entries[i].fd != fd)
			continue;
		sockets->entries[i].fd = -1;
		connections_close(sockets->connections, sockets->entries[i].handle);
	}
}
