/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "netif/netif.h"

/* A batch of a dump is 32 KiB at most (kernel: netlink_dump()). */
#define READ_BYTES    ((size_t)64 * 1024)
#define RECEIVE_BYTES (1 << 20) /* a burst of some hundred interfaces; the kernel may allow less */
#define DUMPS_MAX     8 /* in a row: main has other work, even while interfaces keep appearing */

struct links {
	struct mnl_socket *socket;
	struct link list[LINKS_MAX]; /* by ascending index; what is not in use costs no memory */
	size_t count;
	int changes; /* enum links_change, or-ed; since the last links_read() */
	bool is_dumping, is_dump_wanted;
	bool has_routes; /* subscribed to routes, too */
	char buffer[READ_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* The table ----------------------------------------------------------------------------------- */

/* The place of the link with this index, or where it would be inserted. */
static size_t place_of(const struct links *links, unsigned index)
{
	size_t low = 0, high = links->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (links->list[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void take_out(struct links *links, size_t place)
{
	struct link *link = &links->list[place];

	memmove(link, link + 1, (--links->count - place) * sizeof *link);
	links->changes |= LINKS_LINK;
}

/* "vxlan" and the like, by the kernel's name for the kind of device, in the attribute IFLA_LINKINFO. */
static bool is_tunnel(const struct nlattr *info)
{
	static const char *const kinds[] = { "vxlan",     "geneve", "gre", "gretap", "ip6gre",
					     "ip6gretap", "ipip",   "sit", "ip6tnl" };
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, info)
	{
		if (mnl_attr_get_type(attribute) != IFLA_INFO_KIND ||
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) != 0)
			continue;
		for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
			if (strcmp(mnl_attr_get_str(attribute), kinds[i]) == 0)
				return true;
	}
	return false;
}

/* Messages ------------------------------------------------------------------------------------ */

static void on_link(struct links *links, const struct nlmsghdr *message)
{
	const struct ifinfomsg *what = mnl_nlmsg_get_payload(message);
	struct link link = {
		.index = (unsigned)what->ifi_index,
		.is_up = what->ifi_flags & IFF_UP,
		.is_loopback = what->ifi_flags & IFF_LOOPBACK,
		.is_listed = true,
	};
	size_t place = place_of(links, link.index);
	bool is_known = links_find(links, link.index) != NULL;
	struct link *old = &links->list[place];
	const struct nlattr *attribute;

	/* Bridges report their ports by the same messages, with a family of their own. */
	if (what->ifi_family != AF_UNSPEC)
		return;
	if (message->nlmsg_type == RTM_DELLINK) {
		if (is_known)
			take_out(links, place);
		return;
	}
	mnl_attr_for_each(attribute, message, sizeof *what)
	{
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
		    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0 &&
		    mnl_attr_get_payload_len(attribute) <= sizeof link.name)
			memcpy(link.name, mnl_attr_get_str(attribute),
			       mnl_attr_get_payload_len(attribute));
		else if (mnl_attr_get_type(attribute) == IFLA_LINKINFO &&
			 mnl_attr_validate(attribute, MNL_TYPE_NESTED) == 0)
			link.is_tunnel = is_tunnel(attribute);
	}
	if (!*link.name || (!is_known && links->count == LINKS_MAX))
		return;
	if (!is_known)
		memmove(old + 1, old, (links->count++ - place) * sizeof *old);
	if (!is_known || strcmp(old->name, link.name) != 0 || old->is_up != link.is_up)
		links->changes |= LINKS_LINK;
	*old = link;
}

static int ask_for_all(struct links *links, struct error *err)
{
	char bytes[MNL_NLMSG_HDRLEN + MNL_ALIGN(sizeof(struct ifinfomsg))] = "";
	struct nlmsghdr *request = mnl_nlmsg_put_header(bytes);

	request->nlmsg_type = RTM_GETLINK;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	for (size_t i = 0; i < links->count; i++)
		links->list[i].is_listed = false;
	if (mnl_socket_sendto(links->socket, request, request->nlmsg_len) < 0)
		return error_errno(err, "netlink: ask for the interfaces");
	links->is_dumping = true;
	links->is_dump_wanted = false;
	/* Anything may have changed meanwhile. */
	links->changes |= LINKS_LINK | LINKS_ROUTE;
	return 0;
}

static int on_message(struct links *links, const struct nlmsghdr *message, struct error *err)
{
	const struct nlmsgerr *answer = mnl_nlmsg_get_payload(message);
	const struct rtmsg *route = mnl_nlmsg_get_payload(message);
	size_t length = mnl_nlmsg_get_payload_len(message);

	if (message->nlmsg_flags & NLM_F_DUMP_INTR) /* the table changed during the dump */
		links->is_dump_wanted = true;
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		on_link(links, message);
		return 0;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		if (length >= sizeof *route && route->rtm_dst_len == 0)
			links->changes |= LINKS_ROUTE;
		return 0;
	case NLMSG_DONE:
		links->is_dumping = false;
		/* Unless the dump was interrupted, it was complete: a link that it did not list is gone. */
		for (size_t i = links->is_dump_wanted ? 0 : links->count; i > 0; i--)
			if (!links->list[i - 1].is_listed)
				take_out(links, i - 1);
		return 0;
	case NLMSG_ERROR:
		links->is_dumping = false;
		links->is_dump_wanted = true;
		if (length < sizeof *answer)
			return error_set(err, ERROR_FATAL, "netlink: truncated answer");
		errno = -answer->error;
		return error_errno(err, "netlink: read the interfaces");
	default:
		return 0;
	}
}

int links_read(struct links *links, struct error *err)
{
	int changes;

	for (int dumps = 0;;) {
		const struct nlmsghdr *message = (const struct nlmsghdr *)links->buffer;
		int length;

		if (links->is_dump_wanted && !links->is_dumping && dumps++ < DUMPS_MAX &&
		    ask_for_all(links, err) < 0)
			return -1;
		length = (int)mnl_socket_recvfrom(links->socket, links->buffer,
						  sizeof links->buffer);
		if (length < 0 && errno == EAGAIN)
			break;
		if (length < 0 && (errno == ENOBUFS || errno == ENOSPC))
			links->is_dump_wanted = true; /* messages were lost */
		else if (length < 0 && errno != EINTR)
			return error_errno(err, "netlink: receive");
		for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length))
			if (on_message(links, message, err) < 0)
				return -1;
	}
	changes = links->changes;
	links->changes = 0;
	return changes;
}

int links_open(struct links **ret_links, struct error *err)
{
	struct links *links = mem_calloc(1, sizeof *links);
	int receive_bytes = RECEIVE_BYTES;

	links->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!links->socket || mnl_socket_bind(links->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
		error_errno(err, "netlink: open a socket");
		goto failed;
	}
	/* With a smaller buffer the table is merely read again more often. */
	(void)setsockopt(links_fd(links), SOL_SOCKET, SO_RCVBUF, &receive_bytes,
			 sizeof receive_bytes);
	links->is_dump_wanted = true;
	if (links_read(links, err) < 0) /* the answer to the dump is there at once */
		goto failed;
	*ret_links = links;
	return 0;
failed:
	links_close(links);
	return -1;
}

void links_close(struct links *links)
{
	if (links && links->socket)
		(void)mnl_socket_close(links->socket);
	free(links);
}

int links_fd(const struct links *links)
{
	return mnl_socket_get_fd(links->socket);
}

int links_watch_routes(struct links *links, bool is_wanted, struct error *err)
{
	int groups[] = { RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE };
	int what = is_wanted ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP;

	if (links->has_routes == is_wanted)
		return 0;
	for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
		if (mnl_socket_setsockopt(links->socket, what, &groups[i], sizeof groups[i]) < 0)
			return error_errno(err, "netlink: follow the routes");
	links->has_routes = is_wanted;
	return 0;
}

const struct link *links_list(const struct links *links, size_t *ret_count)
{
	*ret_count = links->count;
	return links->list;
}

const struct link *links_find(const struct links *links, unsigned index)
{
	size_t place = place_of(links, index);

	return place < links->count && links->list[place].index == index ? &links->list[place]
									 : NULL;
}
