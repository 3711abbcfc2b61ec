/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The filter of a search: which packets it accepts, and which members of a file may have one. Both are decided by the
 * same program, which libpcap makes of the filter for each link type; nothing else knows what a filter means.
 *
 *   match_may_have()    the addresses of a group: could any packet of theirs match?
 *   match_members()     its conversations: which members?
 *   match_packet()      and in these, packet by packet.
 *
 * The first two never say no where a packet of a listed member matches (abstract.h has why). Members that are unlisted
 * may have other keys than the index has: those are for the caller to read.
 *
 * After match_open() any thread may use it. Compiling may ask name servers; all else is pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "index/index.h"

struct match;

/*
 * filter: as tcpdump takes it; "" accepts everything. is_inner: a packet in a tunnel (index/decap.h) is judged by the
 * inner packet alone, as if it had been captured so, any other packet as it is.
 *
 * May block on name servers. ERROR_USAGE: the filter is none, for no link type of Ethernet, SLL, SLL2 and RAW;
 * ERROR_TRANSIENT: a name in it could not be looked up. Both with libpcap's words.
 */
int match_open(const char *filter, bool is_inner, struct match **ret_match, struct error *err)
	__attribute__((warn_unused_result));
struct match *match_close(struct match *match);

/*
 * Why the filter cannot be used for packets of this LINKTYPE_, in libpcap's words: "no VLAN support …". NULL: it can be.
 * Link types other than those four are compiled when they are met first, which may block as match_open() does.
 */
const char *match_problem(struct match *match, uint16_t link_type);

/*
 * Does the packet match? captured: bytes that there are; original: how long it was. False for link types with a
 * problem, the inner packet's, too.
 */
bool match_packet(struct match *match, uint16_t link_type, const uint8_t *packet, uint32_t captured,
		  uint32_t original);

/* Steps of programs for one file: some 50 ms of CPU. */
#define MATCH_STEPS UINT64_C(5000000)

/* A file that is planned, by one thread. Its groups share what the programs may cost. */
struct match_file {
	const struct index_footer *footer;
	bool has_our_tunnels; /* "tunnels" in FACTS is DECAP_TUNNELS; matters to is_inner only */
	uint64_t steps_left;  /* MATCH_STEPS at the beginning */
	bool is_too_complex;  /* they were used up: the filter could not narrow it down */
};

/*
 * Can the index of this file say anything of this filter? If not, because its keys follow other rules, everything may
 * match, as the next two say, too.
 */
bool match_has_use(const struct match *match, const struct match_file *file);

/* May a packet match whose addresses are those of this group? If not, only unlisted members are of interest. */
bool match_may_have(struct match *match, struct match_file *file,
		    const struct index_addresses *addresses);

/*
 * Sets the bits of the members of a group that may have a match: bit i % 8 of byte i / 8, of all the file's. plain: the
 * section CONVERSATIONS, unpacked; addresses: of the same group. ERROR_REJECTED: damaged; nothing was set, and all may.
 */
int match_members(struct match *match, struct match_file *file, const struct index_section *section,
		  const uint8_t *plain, const struct index_addresses *addresses, uint8_t *bitmap,
		  struct error *err) __attribute__((warn_unused_result));

/*
 * The same, one by one: call visit for each conversation that may have a match, with the bits of its own members alone,
 * which are borrowed. Of a file whose index can say nothing, and once it is too complex: for all.
 */
int match_conversations(struct match *match, struct match_file *file,
			const struct index_section *section, const uint8_t *plain,
			const struct index_addresses *addresses,
			void (*visit)(void *context, const struct index_conversation *conversation,
				      const uint8_t *bitmap),
			void *context, struct error *err) __attribute__((warn_unused_result));
