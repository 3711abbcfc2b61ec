/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <netdb.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "status/server.h"

int server_parse_address(const char *text, struct server_address *ret_address, struct error *err)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct server_address address = { .length = 0 };
	struct sockaddr_un *local = &address.socket.local;
	const char *colon = strrchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : 0;
	cleanup_free char *host = NULL;
	struct addrinfo *found;
	uint64_t port;

	if (*text == '/' || strncmp(text, "unix:/", strlen("unix:/")) == 0) {
		const char *path = strchr(text, '/');

		if (strlen(path) >= sizeof local->sun_path)
			return error_set(
				err, ERROR_CONFIG,
				"'%s' is too long; allowed: %zu characters in the path of a socket",
				text, sizeof local->sun_path - 1);
		local->sun_family = AF_UNIX;
		memcpy(local->sun_path, path, strlen(path) + 1);
		address.length = sizeof *local;
	} else if (*text) {
		if (length >= 2 && text[0] == '[' && text[length - 1] == ']')
			host = mem_strndup(text + 1, length - 2);
		else if (colon && !memchr(text, ':', length))
			host = mem_strndup(text, length);
		if (!host || !*host || text_parse_number(colon + 1, &port) < 0 || port == 0 ||
		    port > UINT16_MAX || getaddrinfo(host, colon + 1, &hints, &found) != 0)
			return error_set(
				err, ERROR_CONFIG,
				"'%s' is no address to listen on; allowed: ADDRESS:PORT with a "
				"numeric address ([::1]:9469), unix:/PATH, or nothing for none",
				text);
		memcpy(&address.socket, found->ai_addr, found->ai_addrlen);
		address.length = found->ai_addrlen;
		freeaddrinfo(found);
	}
	*ret_address = address;
	return 0;
}

bool server_is_loopback(const struct server_address *address)
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
