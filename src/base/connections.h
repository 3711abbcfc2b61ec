/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The TCP connections of the program's own uploads, so that captures can skip them. An uploader adds each
 * connection before it connects and closes it after the socket is closed. A closed connection stays in the
 * table for a while, with the time, because its last packets may still be in the ring. Locks, but never on the
 * packet path: a reader compares the generation and copies the table only when it changed.
 */

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONNECTIONS_MAX 128

/* Addresses in network order, IPv4 in the first 4 bytes; ports in network order. */
struct connection {
	uint8_t local[16], remote[16];
	in_port_t local_port, remote_port;
	sa_family_t family; /* AF_INET or AF_INET6 */
	uint64_t closed_ns; /* real time; UINT64_MAX while open */
};

struct connections;

struct connections *connections_new(void);
struct connections *connections_free(struct connections *table);

/*
 * Add a connection about to be made. Both addresses have the same family (an IPv4-mapped IPv6 address becomes
 * IPv4). Returns a handle >= 0, or -1 if CONNECTIONS_MAX are open.
 */
int connections_add(struct connections *table, const struct sockaddr *local,
		    const struct sockaddr *remote) __attribute__((warn_unused_result));
/* The socket was closed; its packets may still arrive for CONNECTIONS_LINGER_NS. */
#define CONNECTIONS_LINGER_NS UINT64_C(2000000000)
void connections_close(struct connections *table, int handle);

/* A number that changes whenever the table does; load it (acquire) for each packet. */
const atomic_uint *connections_generation(const struct connections *table);
/* Copy connections that are open or were closed recently; returns their number, and the generation. */
size_t connections_copy(struct connections *table, struct connection out[CONNECTIONS_MAX],
			unsigned *ret_generation);
