/* SPDX-License-Identifier: Apache-2.0 */
#include "match_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/collector.h"
#include "segment/deflate.h"

/* Not assert(): it has to hold in every build, and in the fuzz target. */
#define require(condition)                                                              \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

const char *const match_filters[] = {
	"",
	/* Hosts and networks. */
	"host 10.0.0.1",
	"src host 10.0.0.1",
	"dst host 192.168.1.7",
	"host 10.0.0.1 and host 10.0.0.2",
	"host 203.0.113.99",
	"not host 10.0.0.1",
	"not (host 10.0.0.1 or host 10.0.0.2)",
	"net 10.0.0.0/24",
	"net 10.0.0.0/8 and not net 10.0.0.0/24",
	"src net 192.168.0.0/16 and dst net 10.0.0.0/8",
	"net 0.0.0.0/0",
	"net 128.0.0.0/1",
	"net 224.0.0.0 mask 240.0.0.0",
	"net 10.0.0.1 mask 255.0.0.255",
	"host 2001:db8::1",
	"src host fe80::1 and dst host ff02::fb",
	"ip6 net fe80::/10",
	"ip6 net 2001:db8::/33 and udp",
	"ip6 net 2001:db8::/120",
	"ip6 host 2001:db8:ffff::9",
	"arp host 10.0.0.1",
	"arp net 192.168.1.0/24",
	"rarp",
	"arp",
	"arp and not src host 10.0.0.1",
	/* Ports. */
	"port 53",
	"src port 443",
	"dst port 53",
	"udp port 53 or tcp port 53",
	"tcp dst port 8080",
	"sctp port 36412",
	"port 49152",
	"src port 49152 and dst port 443",
	"portrange 30000-32767",
	"src portrange 1-1023",
	"dst portrange 40000-65535",
	"port 0",
	"not port 53",
	"not port 443 and tcp",
	"host 10.0.0.1 and port 443",
	"(host 10.0.0.1 or host 10.0.0.2) and (port 443 or port 53)",
	"host 10.0.0.1 and host 8.8.8.8 and port 53 and port 49152",
	"tcp[0:2] = tcp[2:2]",
	"udp[0:2] > udp[2:2]",
	"tcp[0:4] = 0xc00001bb",
	"tcp[1] = 0xbb",
	"tcp[1:2] = 0xbb00",
	"udp[0] & 0x80 != 0",
	/* Protocols. */
	"ip",
	"ip6",
	"tcp",
	"udp",
	"sctp",
	"icmp",
	"icmp6",
	"igmp",
	"ip proto 50",
	"ip6 proto 44",
	"proto 47",
	"ip and not tcp and not udp",
	"ip6 and ip",
	"ip protochain 17",
	"ip6 protochain 17",
	"ip6 protochain 99",
	"ip broadcast",
	"ip multicast",
	"ip6 multicast",
	/* ICMP. */
	"icmp[icmptype] = icmp-echo",
	"icmp[icmptype] == icmp-unreach and icmp[icmpcode] = 4",
	"icmp[0] > 8",
	"icmp6[icmp6type] = icmp6-neighborsolicit",
	"icmp[0:2] & 0xff00 = 0x0300",
	"icmp or icmp6[0] >= 133",
	/* Flags of TCP. */
	"tcp[tcpflags] & tcp-rst != 0",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[tcpflags] = tcp-syn",
	"tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn and host 10.0.0.1",
	"tcp[12:2] & 0x0002 != 0",
	"tcp[12:4] & 0x00040000 != 0",
	"tcp[10:4] & 4 != 0",
	"tcp[(tcp[12] >> 4) * 4] = 0x47",
	"tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
	/* Lengths. */
	"len > 100",
	"greater 1000",
	"less 64 and ip",
	"len = 60 or port 53",
	"len % 2 = 1",
	"ip[2:2] > 80",
	"ip[2:2] = len - 14",
	/* Bytes. */
	"ip[16] >= 224",
	"ip[12] = 10",
	"ip[12:2] = 0x0a00",
	"ip[14:2] = 1",
	"ip[15] & 1 != 0",
	"ip[11:4] & 0xffff = 0x0000",
	"ip[12:4] > 0xc0000000",
	"ip[12:4] & 0x01010101 != 0",
	"ip[12:4] >> 24 = 10",
	"ip[12:4] / 16777216 = 192",
	"ip[12:4] ^ 0x0a000001 = 0",
	"ip[12:4] | 255 = 0x0a0000ff",
	"ip[12:4] = ip[16:4]",
	"ip[12:4] - ip[16:4] = 1",
	"ip[16:4] * 2 = 0x14000004",
	"ip[0] = 0x45",
	"ip[0] & 0x0f > 5",
	"ip[0] & 0xf != 5 and tcp",
	"ip[0] >> 4 = 4",
	"ip[0] & 0xf0 = 0x60",
	"ip[6:2] & 0x1fff != 0",
	"ip[6:2] & 0x1fff = 0 and udp",
	"ip[6:2] & 0x0001 != 0",
	"ip[6] & 0x20 != 0",
	"ip[6:2] = 0",
	"ip[6:2] & 0x3fff > 0x1fff",
	"ip[8] < 5",
	"ip[9] = 6",
	"ip[9:2] & 0xff00 = 0x1100",
	"ip[20:2] = 443",
	"ip[ip[0] & 1] = 0x45",
	"ip[ip[8]:2] = 53",
	"-ip[9] = 0 - 17",
	"ip[9] * 2 % 5 = 2",
	"ip6[6] = 58 and ip6[40] = 135",
	"ip6[0] & 0xf0 = 0x60",
	"ip6[0:4] & 0x0ff00000 != 0",
	"ip6[8] = 0xfe",
	"ip6[22:4] = 0x0001fe80",
	"ip6[8:4] = ip6[24:4]",
	"ip6[24] = 0xff",
	"ip6[12:4] = 0",
	/* The frame. */
	"ether host 02:00:00:00:00:01",
	"ether broadcast",
	"ether multicast",
	"ether[12:2] = 0x0800",
	"ether[12:4] = 0x08004500",
	"ether[12] < 6",
	"ether[13] = 0x42 and ether[12] = 0",
	"ether[12:2] <= 1500",
	"ether[12:2] > 0x05ff",
	"ether[16:2] = 0x0800",
	"ether[20:2] & 0xff00 = 0x8600",
	"ether[40:4] != 0",
	"ether proto 0x88cc",
	"ether proto 0x8847",
	"ether[0] & 1 = 0 and ether[6] & 1 = 0",
	"link[0:2] = 0x0800",
	"link[0] & 0xf0 = 0x40",
	"stp",
	"llc",
	"llc i",
	"iso",
	"netbeui",
	"mpls",
	"mpls 1024 and host 10.0.0.1",
	"pppoes",
	"pppoes and host 10.0.0.1",
	"vlan",
	"vlan 100",
	"vlan and vlan",
	"vlan and host 10.0.0.1",
	"vlan 100 and tcp port 443",
	"vlan and arp",
	"vlan and vlan and ip6",
	"vlan and vlan and vlan",
	"not vlan and ip",
	"ether[14:2] & 0x0fff = 100",
	"inbound",
	"outbound and tcp",
	"ifindex 3",
	"ifindex 3 and host 10.0.0.1",
	"geneve",
	"geneve 42 and host 10.244.1.1",
	"udp dst port 4789",
	"udp port 8472 and udp[8] & 8 != 0",
	"host 10.244.1.1",
	"host 10.244.1.1 and not port 53",
	"greater 64 and not tcp",
	"ip and ip[2:2] < 40 and not host 8.8.8.8",
	"not (tcp or udp or icmp or icmp6 or arp)",
	"not (net 10.0.0.0/8 and net 192.168.0.0/16) and port 443",
	"(tcp and (port 80 or port 443) and not host 10.0.0.2) or (udp and port 53 and net 10.0.0.0/24)",
};

const size_t match_filters_count = sizeof match_filters / sizeof *match_filters;

struct indexed_file {
	struct index_pool pool;
	struct index *index;
	struct collector collector;
	struct chunk_keys keys;
	uint32_t packets, members, groups;
	uint8_t *bytes;
	size_t data_bytes, length;
	struct index_footer footer;
	struct index_member *list;
	uint8_t *bitmap, *plan;
	struct group {
		const struct index_section *section;
		uint8_t *plain;
		struct index_addresses addresses;
	} group[INDEX_GROUPS_MAX];
	uint32_t group_count;
};

static const struct index_library library = { deflate_bound, deflate_raw, inflate_raw };

#define MEMBER_BYTES 20

struct indexed_file *indexed_file_new(uint16_t link_type)
{
	const struct index_file about = { .wrapping = INDEX_GZIP,
					  .link_type = link_type,
					  .snaplen = 262144 };
	struct indexed_file *file = mem_calloc(1, sizeof *file);

	file->footer.file = about;
	index_pool_init(&file->pool, INDEX_POOL_BYTES);
	file->index = index_new(&file->pool, &library, &about);
	collector_init(&file->collector);
	indexed_file_end_member(file); /* the header's */
	return file;
}

struct indexed_file *indexed_file_free(struct indexed_file *file)
{
	for (uint32_t i = 0; i < file->group_count; i++) {
		free(file->group[i].plain);
		index_free_addresses(&file->group[i].addresses);
	}
	(void)index_free(file->index);
	free(file->bytes);
	free(file->list);
	free(file->bitmap);
	free(file->plan);
	free(file);
	return NULL;
}

void indexed_file_add_packet(struct indexed_file *file, const uint8_t *packet, size_t captured)
{
	file->packets++;
	collector_add(&file->collector, &file->keys, file->footer.file.link_type, packet, captured);
}

void indexed_file_end_member(struct indexed_file *file)
{
	const struct index_member member = { .stored_bytes = MEMBER_BYTES,
					     .plain_bytes = 100,
					     .packets = file->packets };

	index_add(file->index, &member, file->packets > 0 ? &file->keys : NULL);
	file->members++;
	file->packets = 0;
	collector_begin(&file->collector, &file->keys);
}

static uint8_t *read_plain(const struct indexed_file *file, const struct index_section *section)
{
	uint8_t *plain;
	struct error err;

	require(index_read_section(&file->footer, section, file->bytes + section->offset, &library,
				   &plain, &err) == 0);
	return plain;
}

/* The n-th of one type belongs to the n-th of the other. */
static void read_groups(struct indexed_file *file)
{
	uint32_t addresses = 0;

	for (uint32_t i = 0; i < file->footer.sections_count; i++) {
		const struct index_section *section = &file->footer.sections[i];
		cleanup_free uint8_t *plain = read_plain(file, section);
		struct error err;

		if (section->type == INDEX_MEMBERS) {
			require(index_read_members(&file->footer, plain, section->plain_bytes,
						   &file->list, &err) == 0);
		} else if (section->type == INDEX_CONVERSATIONS) {
			file->group[file->group_count].section = section;
			file->group[file->group_count++].plain = take_ptr(plain);
		} else if (section->type == INDEX_ADDRESSES) {
			require(index_read_addresses(plain, section->plain_bytes,
						     &file->group[addresses++].addresses,
						     &err) == 0);
		}
	}
	require(addresses == file->group_count);
}

void indexed_file_finish(struct indexed_file *file)
{
	const uint8_t *trailer;
	size_t tail_bytes, length;

	file->data_bytes = (size_t)index_data_bytes(file->index);
	length = index_finish(file->index, "", &trailer, &tail_bytes);
	require(length > 0);
	file->length = file->data_bytes + length;
	file->bytes = mem_calloc(1, file->length);
	memcpy(file->bytes + file->data_bytes, trailer, length);
	require(index_read_footer(file->bytes, file->length, file->length, &file->footer) > 0);
	file->bitmap = mem_calloc(1, file->members / 8 + 1);
	file->plan = mem_calloc(1, file->members);
	read_groups(file);
}

uint32_t indexed_file_members(const struct indexed_file *file)
{
	return file->members;
}

const struct index_footer *indexed_file_footer(const struct indexed_file *file)
{
	return &file->footer;
}

uint32_t indexed_file_groups(const struct indexed_file *file)
{
	return file->groups;
}

const uint8_t *indexed_file_plan(struct indexed_file *file, struct match *match,
				 struct match_file *about)
{
	struct match_file usual = { .has_our_tunnels = true, .steps_left = MATCH_STEPS };
	struct error err;

	if (!about)
		about = &usual;
	about->footer = &file->footer;
	file->groups = 0;
	memset(file->bitmap, 0, file->members / 8 + 1);
	for (uint32_t i = 0; i < file->group_count; i++) {
		const struct group *group = &file->group[i];

		if (!match_may_have(match, about, &group->addresses))
			continue;
		file->groups++;
		require(match_members(match, about, group->section, group->plain, &group->addresses,
				      file->bitmap, &err) == 0);
	}
	for (uint32_t i = 0; i < file->members; i++)
		file->plan[i] = file->list[i].is_unlisted || (file->bitmap[i / 8] >> i % 8 & 1);
	return file->plan;
}
