/* SPDX-License-Identifier: Apache-2.0 */
/* Which members of a file may have a match, by its index. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/key.h"
#include "match/match_private.h"
#include "match/reach.h"

#define VERDICTS  64 /* of members of one conversation; a power of two */
#define KEY_STEPS 30 /* what a run costs beside its steps */

/* Whose packets a program judges, and the machine for it. */
struct judge {
	const struct match_program *program;
	struct abstract_machine *machine; /* when needed first */
};

struct planner {
	struct match *match;
	struct match_file *file;
	const struct index_addresses *addresses;
	const struct index_section *section;
	uint8_t *bitmap;
	struct judge judges[REACH_UNKNOWN];
};

static void begin_planner(struct planner *planner, struct match *match, struct match_file *file,
			  const struct index_addresses *addresses)
{
	*planner = (struct planner){ .match = match, .file = file, .addresses = addresses };
	planner->judges[REACH_OUTER].program = match_program_of(match,
								file->footer->file.link_type);
	planner->judges[REACH_INNER_ETHERNET].program = match_program_of(match, LINK_ETHERNET);
	planner->judges[REACH_INNER_RAW].program = match_program_of(match, LINK_RAW);
}

static void end_planner(struct planner *planner)
{
	for (size_t i = 0; i < REACH_UNKNOWN; i++)
		(void)abstract_machine_free(planner->judges[i].machine);
}

bool match_has_use(const struct match *match, const struct match_file *file)
{
	return file->footer->key_version == KEY_VERSION &&
	       (!match->is_inner || file->has_our_tunnels);
}

/* NULL: packets of this type cannot match, or are judged by another key; *ret_is_unknown: they may. */
static struct judge *judge_of(struct planner *planner, uint64_t type, bool *ret_is_unknown)
{
	enum reach_judge which = reach_judge_of(type, planner->match->is_inner);
	struct judge *judge;

	*ret_is_unknown = which == REACH_UNKNOWN;
	if (which == REACH_NOBODY || which == REACH_UNKNOWN)
		return NULL;
	judge = &planner->judges[which];
	if (!judge->program->compiled.bf_insns)
		return NULL;
	if (!judge->machine)
		judge->machine = abstract_machine_new(&judge->program->abstract);
	return judge;
}

/* False: that was too much. */
static bool spend_steps(struct match_file *file, uint64_t steps)
{
	if (file->steps_left <= steps)
		file->is_too_complex = true;
	file->steps_left -= file->is_too_complex ? file->steps_left : steps;
	return !file->is_too_complex;
}

static bool has_reachable_type(struct planner *planner, struct reach_sets *sets)
{
	for (uint32_t i = 0; i < planner->addresses->types_count; i++) {
		uint64_t type = planner->addresses->types[i];
		struct abstract_result result;
		bool is_unknown;
		struct judge *judge = judge_of(planner, type, &is_unknown);

		if (is_unknown)
			return true;
		if (!judge)
			continue;
		result = reach_by_type(judge->machine, judge->program->link_type, type, sets);
		if (result.may_accept || !spend_steps(planner->file, result.steps + KEY_STEPS))
			return true;
	}
	return false;
}

bool match_may_have(struct match *match, struct match_file *file,
		    const struct index_addresses *addresses)
{
	cleanup(end_planner) struct planner planner = { .file = NULL };
	cleanup(reach_sets_done) struct reach_sets sets;

	begin_planner(&planner, match, file, addresses);
	reach_sets_init(&sets, addresses);
	if (planner.judges[REACH_OUTER].program->problem)
		return false;
	return !match_has_use(match, file) || file->is_too_complex ||
	       has_reachable_type(&planner, &sets);
}

static void set_member(struct planner *planner, uint32_t member)
{
	planner->bitmap[member / 8] |= (uint8_t)(1u << member % 8);
}

static bool is_set(const struct planner *planner, uint32_t member)
{
	return planner->bitmap[member / 8] >> member % 8 & 1;
}

static void set_all(struct planner *planner)
{
	for (uint32_t i = 0; i < planner->section->members; i++)
		set_member(planner, planner->section->first_member + i);
}

static bool are_all_set(const struct planner *planner,
			const struct index_conversation *conversation)
{
	for (uint32_t i = 0; i < conversation->count; i++)
		if (!is_set(planner, conversation->members[i]))
			return false;
	return true;
}

/* What was decided for facts, by a hash of them. */
struct verdicts {
	struct {
		uint32_t facts; /* and bit 24, as of one that is there */
		bool may_accept;
	} list[VERDICTS];
};

/* Run 3, once for all members that have the same facts. */
static bool judge_member(struct planner *planner, const struct judge *judge,
			 const struct reach_key *key, struct reach_facts facts,
			 struct verdicts *verdicts)
{
	uint32_t number = UINT32_C(1) << 24 | (uint32_t)facts.tcp_flags << 16 | facts.hints;
	uint32_t slot = number * UINT32_C(0x9e3779b1) >> 26;
	struct abstract_result result;

	if (verdicts->list[slot].facts == number)
		return verdicts->list[slot].may_accept;
	result = reach_by_key(judge->machine, judge->program->link_type, key, facts);
	verdicts->list[slot].facts = number;
	verdicts->list[slot].may_accept = result.may_accept;
	(void)spend_steps(planner->file, result.steps + KEY_STEPS);
	return result.may_accept;
}

static void judge_members(struct planner *planner, const struct judge *judge,
			  const struct reach_key *key,
			  const struct index_conversation *conversation)
{
	struct verdicts verdicts;

	memset(&verdicts, 0, sizeof verdicts);
	for (uint32_t i = 0; i < conversation->count; i++) {
		const struct reach_facts facts = {
			conversation->flags[i],
			(uint16_t)(conversation->hints_low[i] | conversation->hints_high[i] << 8),
		};

		if (!is_set(planner, conversation->members[i]) &&
		    (planner->file->is_too_complex ||
		     judge_member(planner, judge, key, facts, &verdicts)))
			set_member(planner, conversation->members[i]);
	}
}

/* Runs 2 and 3. */
static void judge_conversation(void *context, const struct index_conversation *conversation)
{
	struct planner *planner = context;
	struct abstract_result result = { .may_accept = true };
	struct reach_key key;
	bool is_unknown;
	struct judge *judge = judge_of(planner, conversation->type, &is_unknown);

	if ((!judge && !is_unknown) || planner->file->is_too_complex ||
	    are_all_set(planner, conversation))
		return;
	reach_key_init(&key, planner->addresses, conversation);
	if (judge)
		result = reach_by_key(judge->machine, judge->program->link_type, &key,
				      REACH_FACTS_UNKNOWN);
	if (!spend_steps(planner->file, result.steps + KEY_STEPS) || !result.may_accept)
		return;
	if (result.has_used_facts) {
		judge_members(planner, judge, &key, conversation);
		return;
	}
	for (uint32_t i = 0; i < conversation->count; i++)
		set_member(planner, conversation->members[i]);
}

int match_members(struct match *match, struct match_file *file, const struct index_section *section,
		  const uint8_t *plain, const struct index_addresses *addresses, uint8_t *bitmap,
		  struct error *err)
{
	cleanup(end_planner) struct planner planner = { .file = NULL };

	begin_planner(&planner, match, file, addresses);
	planner.section = section;
	planner.bitmap = bitmap;
	if (planner.judges[REACH_OUTER].program->problem)
		return 0;
	if (match_has_use(match, file) && !file->is_too_complex &&
	    index_read_conversations(section, plain, addresses, judge_conversation, &planner, err) <
		    0)
		return -1;
	if (!match_has_use(match, file) || file->is_too_complex)
		set_all(&planner);
	return 0;
}

/* Conversations one by one. */
struct listing {
	struct planner planner;
	void (*visit)(void *context, const struct index_conversation *conversation,
		      const uint8_t *bitmap);
	void *context;
};

static void list_conversation(void *context, const struct index_conversation *conversation)
{
	struct listing *listing = context;
	struct planner *planner = &listing->planner;
	bool has_some = false;

	if (match_has_use(planner->match, planner->file))
		judge_conversation(planner, conversation);
	for (uint32_t i = 0; i < conversation->count; i++) {
		if (!match_has_use(planner->match, planner->file) || planner->file->is_too_complex)
			set_member(planner, conversation->members[i]);
		has_some |= is_set(planner, conversation->members[i]);
	}
	if (has_some)
		listing->visit(listing->context, conversation, planner->bitmap);
	for (uint32_t i = 0; i < conversation->count; i++)
		planner->bitmap[conversation->members[i] / 8] = 0;
}

int match_conversations(struct match *match, struct match_file *file,
			const struct index_section *section, const uint8_t *plain,
			const struct index_addresses *addresses,
			void (*visit)(void *context, const struct index_conversation *conversation,
				      const uint8_t *bitmap),
			void *context, struct error *err)
{
	cleanup_free uint8_t *bitmap =
		mem_calloc(((size_t)section->first_member + section->members) / 8 + 1, 1);
	struct listing listing = { .visit = visit, .context = context };
	int result = 0;

	begin_planner(&listing.planner, match, file, addresses);
	listing.planner.section = section;
	listing.planner.bitmap = bitmap;
	if (!listing.planner.judges[REACH_OUTER].program->problem)
		result = index_read_conversations(section, plain, addresses, list_conversation,
						  &listing, err);
	end_planner(&listing.planner);
	return result;
}
