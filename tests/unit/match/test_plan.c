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

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_member_with_a_match_is_skipped),
	};

	unit_add(tests, open_matches, close_matches);
}
