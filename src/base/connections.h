/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The TCP connections of our own uploads, so that capture can leave them out. An uploader adds each one
 * before it connects and closes it after the socket is closed; a closed one stays in the table for
 * a while, with the time, because its last packets are still in the ring. Locks, but never on the packet
 * path: a reader compares the generation and copies only when it changed.
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
 * Enter a connection about to be made. Both addresses of the same family (an IPv4-mapped IPv6 address
 * becomes IPv4). Returns a handle >= 0, or -1 if CONNECTIONS_MAX are open.
 */
int connections_add(struct connections *table, const struct sockaddr *local,
		    const struct sockaddr *remote) __attribute__((warn_unused_result));
/* The socket is closed: packets of it may still arrive for CONNECTIONS_LINGER_NS. */
#define CONNECTIONS_LINGER_NS UINT64_C(2000000000)
void connections_close(struct connections *table, int handle);

/* A number that changes whenever the table does, to be loaded (acquire) for each packet. */
const atomic_uint *connections_generation(const struct connections *table);
/* Copy those that are open or were closed lately; returns how many, and the generation they are of. */
size_t connections_copy(struct connections *table, struct connection out[CONNECTIONS_MAX],
			unsigned *ret_generation);
