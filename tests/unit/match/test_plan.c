/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#include "match_fixture.h"
#include "packet_maker.h"

#include "base/clock.h"
#include "base/mem.h"
#include "index/decap.h"
#include "match/match_private.h"

#define PACKETS_MAX 4096

/* KNT_SECONDS: for how long, instead of one. */
static uint64_t end_ns(void)
{
	const char *wanted = getenv("KNT_SECONDS");

	return clock_monotonic_ns() + (wanted ? strtoull(wanted, NULL, 10) : 1) * CLOCK_NS_PER_S;
}

static struct match *open_filter(const char *filter, bool is_inner)
{
	struct match *match = NULL;
	struct error err;

	if (match_open(filter, is_inner, &match, &err) < 0)
		fail_msg("%s: %s", filter, err.message);
	return match;
}

/* The same programs as libpcap makes them before it optimizes, which are other ones with the same meaning. */
static void leave_unoptimized(struct match *match)
{
	for (struct match_program *program = match->programs; program; program = program->next) {
		pcap_t *pcap = pcap_open_dead(
			program->link_type == LINK_RAW ? DLT_RAW : program->link_type, 262144);

		assert_non_null(pcap);
		abstract_program_done(&program->abstract);
		pcap_freecode(&program->compiled);
		if (pcap_compile(pcap, &program->compiled, match->filter, 0, 0) == 0)
			abstract_program_init(&program->abstract, program->compiled.bf_insns,
					      program->compiled.bf_len);
		pcap_close(pcap);
	}
}

/* All the filters, each as it is and for inner packets, optimized and not. */
static struct match **all_matches;
static size_t match_count;

static int open_matches(void **state)
{
	(void)state;
	match_count = 4 * match_filters_count;
	all_matches = mem_calloc(match_count, sizeof *all_matches);
	for (size_t i = 0; i < match_count; i++) {
		all_matches[i] = open_filter(match_filters[i / 4], i % 2);
		if (i % 4 >= 2)
			leave_unoptimized(all_matches[i]);
	}
	return 0;
}

static int close_matches(void **state)
{
	(void)state;
	for (size_t i = 0; i < match_count; i++)
		(void)match_close(all_matches[i]);
	free(all_matches);
	return 0;
}

struct made {
	uint8_t bytes[MADE_MAX];
	uint32_t captured, original, member;
};

static struct made packets[PACKETS_MAX];
static size_t packet_count;

static struct indexed_file *make_file(uint16_t link_type, uint32_t members, uint32_t packets_each)
{
	struct indexed_file *file = indexed_file_new(link_type);

	packet_count = 0;
	for (uint32_t i = 0; i < members; i++) {
		for (uint32_t j = 0; j < packets_each && packet_count < PACKETS_MAX; j++) {
			struct made *made = &packets[packet_count++];

			made->captured = (uint32_t)make_packet(link_type, made->bytes);
			made->original = made->captured + random_below(2) * random_below(1500);
			made->member = indexed_file_members(file);
			indexed_file_add_packet(file, made->bytes, made->captured);
		}
		indexed_file_end_member(file);
	}
	indexed_file_finish(file);
	return file;
}

struct tally {
	uint64_t runs, accepted, members, matching, admitted, by_addresses;
};

/* Every member with a packet that matches is read. */
static void check_plan(struct indexed_file *file, struct match *match, uint16_t link_type,
		       struct tally *tally)
{
	const uint8_t *plan = indexed_file_plan(file, match, NULL);
	uint32_t last = UINT32_MAX;

	if (match_problem(match, link_type))
		return;
	for (size_t i = 0; i < packet_count; i++) {
		const struct made *made = &packets[i];

		tally->runs++;
		if (!match_packet(match, link_type, made->bytes, made->captured, made->original))
			continue;
		tally->accepted++;
		if (!plan[made->member])
			fail_msg("\"%s\"%s, link type %u: packet %zu of %u bytes is not found",
				 match->filter, match->is_inner ? " --inner" : "", link_type, i,
				 made->captured);
		tally->matching += made->member != last;
		last = made->member;
	}
	for (uint32_t i = 0; i < indexed_file_members(file); i++)
		tally->admitted += plan[i];
	tally->members += indexed_file_members(file);
	tally->by_addresses += indexed_file_groups(file);
}

static void test_no_member_with_a_match_is_skipped(void **state)
{
	static const uint16_t link_types[] = { LINK_ETHERNET, LINK_ETHERNET, LINK_SLL,
					       LINK_SLL2,     LINK_RAW,      147 };
	uint64_t end = end_ns();
	struct tally tally = { 0 };

	(void)state;
	do {
		uint16_t link_type = link_types[random_below(ARRAY_LENGTH(link_types))];
		uint32_t members = random_below(60) + 1;
		uint32_t each = random_below(3) ? 1 : random_below(30) + 1;
		struct indexed_file *file = make_file(link_type, members, each);

		for (size_t i = random_below(8); i < match_count; i += 8)
			check_plan(file, all_matches[i], link_type, &tally);
		(void)indexed_file_free(file);
	} while (clock_monotonic_ns() < end);
	printf("# %llu packets judged, %llu match; of %llu members %llu have matches and %llu are read\n",
	       (unsigned long long)tally.runs, (unsigned long long)tally.accepted,
	       (unsigned long long)tally.members, (unsigned long long)tally.matching,
	       (unsigned long long)tally.admitted);
	assert_true(tally.accepted > 0 && tally.admitted >= tally.matching);
	assert_true(tally.admitted < tally.members);
}

#define FRAME     "020000000002020000000001"
#define ADDRESSES "0a000001 0a000002"
#define TCP_PORTS "c00001bb 00000000 00000000 5004 0000 0000 0000"
#define UDP_PORTS "c0000035 00080000"
#define IPV6      "20010db8000000000000000000000002 20010db8000000000000000000000001"
#define VXLAN_TO  "450000540000000040110000" ADDRESSES "c000211800000000 0800000000002a00"

/* Packets in which something is not as usual, and filters that see just that. */
static const struct {
	const char *filter;
	bool is_inner;
	uint16_t link_type;
	const char *packet;
} found[] = {
	{ "ip[16] >= 224", false, 1, FRAME "0800 45000054000000004006 0000 0a000001 e00000fb" },
	{ "ip[14:2] = 1", false, 1, FRAME "0800 45000054000000004006 0000" ADDRESSES },
	{ "ip[11:4] & 0xff = 0", false, 1, FRAME "0800 45000054000000004006 0000" ADDRESSES },
	{ "arp[14] = 10", false, 1,
	  FRAME "0806 0001080006040001 020000000001 0a000001 000000000000 0a000002" },
	{ "arp[24] = 10", false, 1,
	  FRAME "0806 0001080006040001 020000000001 0a000001 000000000000 0a000002" },
	{ "arp[20:4] = 0", false, 1,
	  FRAME "0806 0001080006040001 020000000001 0a000001 000000000000 0a000002" },
	{ "link[2:2] = 0", false, 276,
	  "0800 0000 00000003 0001 00 06 0200000000010000 45000054000000004011 0000" ADDRESSES },
	{ "ip6[8] = 32", false, 1, FRAME "86dd 6000000000083aff" IPV6 },
	{ "ip6[39] = 1", false, 1, FRAME "86dd 6000000000083aff" IPV6 },
	{ "ip[0] & 0xf0 = 0x60", false, 1, FRAME "0800 65000054000000004006 0000" ADDRESSES },
	{ "ip[0] >> 4 = 0", false, 1, FRAME "0800 05000054000000004006 0000" ADDRESSES },
	{ "ip6[0] & 0xf0 = 0x40", false, 1, FRAME "86dd 4000000000083aff" IPV6 },
	{ "ip[0] & 0xf = 6 and port 443", false, 1,
	  FRAME "0800 46000058000000004006 0000" ADDRESSES "00000000" TCP_PORTS },
	{ "ip[20:2] = 7", false, 1,
	  FRAME "0800 46000058000000004006 0000" ADDRESSES "00070000" TCP_PORTS },
	{ "ip[26] = 1", false, 1,
	  FRAME "0800 46000054000000004011 0000" ADDRESSES "00000000 01bb01" },
	{ "ip[0] & 0xf = 0", false, 1, FRAME "0800 40000058000000004006 0000" ADDRESSES },
	{ "src port 443", false, 1, FRAME "0800 45000054000000004006 0000" ADDRESSES "01bb" },
	{ "udp[2] = 1", false, 1,
	  FRAME "0800 46000054000000004011 0000" ADDRESSES "00000000 01bb01" },
	{ "ip[6:2] & 0x1fff = 0x100", false, 1, FRAME "0800 45000054000001004011 0000" ADDRESSES },
	{ "ip[6:2] & 0x0fff = 0", false, 1, FRAME "0800 45000054000010004011 0000" ADDRESSES },
	{ "ip[6] & 0x40 != 0", false, 1, FRAME "0800 45000054000040004011 0000" ADDRESSES },
	{ "udp[13] & 4 != 0", false, 1,
	  FRAME "0800 45000054000000004011 0000" ADDRESSES UDP_PORTS "0000000000ff" },
	{ "tcp[tcpflags] & tcp-rst != 0 and src port 443", false, 1,
	  FRAME "0800 45000054000000004006 0000" ADDRESSES "01bbc000 00000000 00000000 5004" },
	{ "ip[18:4] = 0x0002c000", false, 1,
	  FRAME "0800 45000054000000004006 0000" ADDRESSES TCP_PORTS },
	{ "ip[22:4] = 0x01bb0000", false, 1,
	  FRAME "0800 45000054000000004006 0000" ADDRESSES TCP_PORTS },
	{ "tcp[0:2] = tcp[2:2]", false, 1,
	  FRAME "0800 45000054000000004006 0000" ADDRESSES "01bb01bb 00000000" },
	{ "vlan 100 and port 53", false, 1,
	  FRAME "8100 0064 0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "vlan and vlan and ip6", false, 1,
	  FRAME "88a8 0001 9100 0002 86dd 6000000000083aff" IPV6 },
	{ "vlan and vlan and vlan", false, 1, FRAME "88a8 0001 8100 0002 8100 0003 0800" },
	{ "ether[16:2] = 0x0800", false, 1,
	  FRAME "9100 0064 0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "vlan and arp", false, 1,
	  FRAME "8100 0064 0806 0001080006040001 020000000001 0a000001 000000000000 0a000002" },
	{ "vlan and ether[16:2] = 0x88cc", false, 1, FRAME "8100 0064 88cc 0000" },
	{ "ether[12:2] = 0x05ff", false, 1, FRAME "05ff 424203 00000000008000000000" },
	{ "ether[12] = 255", false, 1, FRAME "ff" },
	{ "link[1] = 255", false, 276, "ffff 0000 0000 0003 0001 00 06 02000000" },
	{ "ether[15] = 7", false, 1, FRAME "88cc 0007" },
	{ "ether[30] = 7", false, 1, FRAME "88cc 0000000000000000 0000000000000000 07" },
	{ "icmp[0] = 3", false, 1, FRAME "0800 45000054000000004001 0000" ADDRESSES "03" },
	{ "icmp6[0] = 135", false, 1, FRAME "86dd 6000000000083aff" IPV6 "87" },
	{ "ip6 protochain 17", false, 1,
	  FRAME "86dd 6000000000103c40" IPV6 "1100000000000000" UDP_PORTS },
	{ "ip protochain 17", false, 1,
	  FRAME "0800 45000054000000004033 0000" ADDRESSES
		"1102000000000000 00000000 00000000" UDP_PORTS },
	{ "port 53", false, 101, "45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "port 53", false, 113,
	  "0000 0001 0006 0200000000010000 0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "inbound and port 53", false, 276,
	  "0800 0000 00000003 0001 00 06 0200000000010000 45000054000000004011 0000" ADDRESSES
		  UDP_PORTS },
	{ "port 53", true, 1,
	  FRAME "0800" VXLAN_TO FRAME "0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "vlan 100 and port 53", true, 1,
	  FRAME "0800" VXLAN_TO FRAME
		"8100 0064 0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "ether[12] = 255", true, 1, FRAME "0800" VXLAN_TO FRAME "ff" },
	{ "port 53", true, 1, FRAME "0800 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	/* Answers, and what is no tunnel: no such flag, version or protocol. */
	{ "port 8472", true, 1,
	  FRAME "0800 45000054000000004011 0000" ADDRESSES "2118c000 00080000" },
	{ "port 8472", true, 1,
	  FRAME "0800 45000054000000004011 0000" ADDRESSES "c0002118 00080000 0000000000002a00" },
	{ "proto 47", true, 1,
	  FRAME "0800 4500005400000000402f 0000" ADDRESSES "0001880b 00000000" },
	{ "proto 4", true, 1, FRAME "0800 41000054000000004004 0000" ADDRESSES },
	{ "proto 4", true, 1, FRAME "0800 45000054000001004004 0000" ADDRESSES },
	{ "port 53", true, 1,
	  FRAME "0800 46000054000000004004 0000" ADDRESSES
		"00000000 45000054000000004011 0000" ADDRESSES UDP_PORTS },
	{ "port 53", true, 1,
	  FRAME "0800 45000054000000004011 0000" ADDRESSES
		"c00017c1 00000000 0100080000002a00 00000000 45000054000000004011 0000" ADDRESSES
			UDP_PORTS },
	/* Tunnels of IP: a frame would have its ethertype there. */
	{ "link[12:2] = 0x0a00", true, 1,
	  FRAME "0800 45000054000000004011 0000" ADDRESSES
		"c00017c1 00000000 0100080000002a00 00000000 45000054000000004011 0000" ADDRESSES },
	{ "link[12:2] = 0x0a00", true, 1,
	  FRAME "0800 4500005400000000402f 0000" ADDRESSES
		"00000800 45000054000000004011 0000" ADDRESSES },
	{ "link[12:2] = 0x0a00", true, 1,
	  FRAME "0800 45000054000000004004 0000" ADDRESSES "45000054000000004011 0000" ADDRESSES },
	{ "link[12:2] = 0 and link[0] = 0x60", true, 1,
	  FRAME "0800 45000054000000004029 0000" ADDRESSES "6000000000083aff" IPV6 },
	{ "ip6", true, 1,
	  FRAME "0800 4500005400000000402f 0000" ADDRESSES "000086dd 6000000000083aff" IPV6 },
};

/* Returns how many bytes these digits are. */
static uint32_t read_digits(const char *digits, uint8_t out[MADE_MAX])
{
	uint32_t count = 0;

	for (; *digits; digits++) {
		char digit[2] = { *digits, '\0' };

		if (*digits == ' ')
			continue;
		if (count % 2 == 0)
			out[count / 2] = 0;
		out[count / 2] = (uint8_t)(out[count / 2] << 4 | strtoul(digit, NULL, 16));
		count++;
	}
	assert_int_equal(count % 2, 0);
	return count / 2;
}

static void test_each_of_these_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LENGTH(found); i++) {
		uint16_t link_type = found[i / 2].link_type;
		struct match *match = open_filter(found[i / 2].filter, found[i / 2].is_inner);
		struct indexed_file *file = indexed_file_new(link_type);
		uint8_t packet[MADE_MAX];
		uint32_t length = read_digits(found[i / 2].packet, packet);

		if (i % 2)
			leave_unoptimized(match);
		indexed_file_add_packet(file, packet, length);
		indexed_file_end_member(file);
		indexed_file_finish(file);
		if (!match_packet(match, link_type, packet, length, length))
			fail_msg("%s does not match %s", found[i / 2].filter, found[i / 2].packet);
		if (!indexed_file_plan(file, match, NULL)[1])
			fail_msg("%s: %s is not found", found[i / 2].filter, found[i / 2].packet);
		(void)indexed_file_free(file);
		(void)match_close(match);
	}
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_of_these_is_found),
		cmocka_unit_test(test_no_member_with_a_match_is_skipped),
	};

	unit_add(tests, open_matches, close_matches);
}
