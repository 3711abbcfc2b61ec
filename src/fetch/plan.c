/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/plan_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/find_members.h"
#include "index/decap.h"
#include "index/key.h"

#define TUNNELS_KEY "tunnels"

/* Facts ------------------------------------------------------------------------------------------ */

static void lose(struct planner *planner, const struct object *object, struct planned *planned,
		 const char *why)
{
	cleanup_free struct segment *segment = mem_alloc(sizeof *segment);
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&planner->lock);

	listing_describe(planner->order->listing, object, segment);
	coverage_lose(planner->coverage, segment, why);
	planned->state = PLANNED_LOST;
}

/* What a file says of itself, where its object has no metadata. */
static void cover(struct subject *subject, const char *facts)
{
	struct planner *planner = subject->planner;
	cleanup_free struct segment *segment = mem_alloc(sizeof *segment);
	char tunnels[sizeof DECAP_TUNNELS + 1] = "";
	struct error err;
	bool is_known = facts && segment_decode(facts, segment, &err) == 0;

	if (is_known)
		segment_attachment(segment, TUNNELS_KEY, tunnels, sizeof tunnels);
	else
		listing_describe(planner->order->listing, subject->object, segment);
	subject->file.has_our_tunnels = strcmp(tunnels, DECAP_TUNNELS) == 0;
	if (!subject->object->has_metadata && !subject->object->is_growing) {
		cleanup_unlock pthread_mutex_t *lock = thread_lock(&planner->lock);

		coverage_add(planner->coverage, segment, is_known);
	}
}

/* Members ---------------------------------------------------------------------------------------- */

/* Has the group a member with packets of the window? */
static bool is_group_in_window(const struct subject *subject, const struct index_section *section)
{
	for (uint32_t i = 0; i < section->members; i++)
		if (plan_overlaps(subject, &subject->tail.members[section->first_member + i]))
			return true;
	return false;
}

/* ADDRESSES of a group, the n-th of which belongs to the n-th CONVERSATIONS; NULL: there is none. */
static const struct index_section *find_addresses(const struct index_footer *footer,
						  uint32_t number)
{
	for (uint32_t i = 0; i < footer->sections_count; i++)
		if (footer->sections[i].type == INDEX_ADDRESSES && number-- == 0)
			return &footer->sections[i];
	return NULL;
}

/* 1: the index is damaged. */
static int judge_group(struct subject *subject, const struct index_section *conversations,
		       const struct index_section *places, struct error *err)
{
	const struct tail *tail = &subject->tail;
	cleanup(index_free_addresses) struct index_addresses addresses = { .ipv4 = NULL };
	cleanup_free uint8_t *plain = NULL, *listed = NULL;
	struct match *match = subject->planner->order->match;
	int result = tail_section(subject->reader, subject->object, tail, places, &plain, err);

	if (result != 0)
		return result;
	if (index_read_addresses(plain, places->plain_bytes, &addresses, err) < 0)
		return 1;
	for (uint32_t i = 0; i < addresses.types_count; i++)
		subject->has_tunnels |= (addresses.types[i] & KEY_FLAG_INNER) != 0;
	if (!match_may_have(match, &subject->file, &addresses))
		return 0;
	result = tail_section(subject->reader, subject->object, tail, conversations, &listed, err);
	if (result != 0)
		return result;
	return match_members(match, &subject->file, conversations, listed, &addresses,
			     subject->wanted, err) < 0;
}

/* By their conversations, which members may hold a match? 1: the index is damaged. */
static int judge_conversations(struct subject *subject, struct error *err)
{
	const struct index_footer *footer = &subject->tail.footer;
	uint32_t group = 0;
	int result = 0;

	for (uint32_t i = 0; i < footer->sections_count && result == 0; i++) {
		const struct index_section *section = &footer->sections[i];
		const struct index_section *places;

		if (section->type != INDEX_CONVERSATIONS)
			continue;
		places = find_addresses(footer, group++);
		if (!places)
			return 1;
		if (is_group_in_window(subject, section))
			result = judge_group(subject, section, places, err);
	}
	return result;
}

/* Objects ---------------------------------------------------------------------------------------- */

void plan_note_problem(struct plan *plan, struct planned *planned, const char *problem)
{
	if (planned->has_problem)
		return;
	planned->has_problem = true;
	if (plan->not_searched++ == 0)
		(void)snprintf(plan->not_searched_why, sizeof plan->not_searched_why, "%s",
			       problem);
}

static bool is_searchable(struct subject *subject)
{
	struct plan *plan = subject->planner->plan;
	const char *problem = match_problem(subject->planner->order->match,
					    subject->tail.footer.file.link_type);

	if (!problem)
		return true;
	subject->planned->state = PLANNED_NOT_SEARCHED;
	thread_lock(&subject->planner->lock);
	plan_note_problem(plan, subject->planned, problem);
	(void)pthread_mutex_unlock(&subject->planner->lock);
	return false;
}

static bool is_file_in_window(const struct subject *subject)
{
	const struct index_footer *footer = &subject->tail.footer;
	const struct index_member all = { .packets = footer->packets,
					  .earliest = footer->earliest,
					  .latest = footer->latest };

	return plan_overlaps(subject, &all);
}

/* With an index. 1: it is damaged. */
static int plan_members(struct subject *subject, struct error *err)
{
	const struct plan_order *order = subject->planner->order;
	const struct index_footer *footer = &subject->tail.footer;
	int result = 0;

	subject->planned->file = footer->file;
	subject->planned->members = footer->members;
	subject->wanted = mem_calloc(footer->members / 8 + 1, 1);
	subject->is_by_time = !order->has_filter || !match_has_use(order->match, &subject->file);
	if (!is_file_in_window(subject) || !is_searchable(subject))
		return 0;
	if (!subject->is_by_time)
		result = judge_conversations(subject, err);
	if (result != 0)
		return result;
	if (!plan_can_want_members(subject))
		return 1;
	thread_lock(&subject->planner->lock);
	plan_want_members(subject);
	subject->planner->plan->too_complex += subject->file.is_too_complex;
	subject->planner->plan->with_tunnels += subject->has_tunnels;
	(void)pthread_mutex_unlock(&subject->planner->lock);
	if (subject->planned->wanted > 0)
		subject->planned->state = PLANNED_MEMBERS;
	return 0;
}

static void end_subject(struct subject *subject)
{
	tail_free(&subject->tail);
	free(subject->wanted);
}

/* By its metadata: has it no packet of the window? Then nobody has to look at it. */
static bool is_outside(const struct planner *planner, const struct object *object)
{
	const struct window *window = planner->order->window;

	return object->has_metadata && (object->latest_ns == 0 ||
					(object->latest_ns < window->from_ns &&
					 window->from_ns - object->latest_ns > PLAN_EARLY_NS) ||
					(object->earliest_ns >= window->to_ns &&
					 object->earliest_ns - window->to_ns >= PLAN_EARLY_NS));
}

static int plan_object(struct planner *planner, struct bucket_reader *reader, uint32_t number,
		       struct error *err)
{
	cleanup(end_subject) struct subject subject = {
		.planner = planner,
		.reader = reader,
		.object = &planner->order->listing->objects[number],
		.planned = &planner->plan->objects[number],
		.number = number,
		.file = { .footer = &subject.tail.footer, .steps_left = MATCH_STEPS },
	};
	cleanup_free char *facts = NULL;
	int result;

	if (is_outside(planner, subject.object))
		return 0;
	result = tail_read(reader, subject.object, &planner->budget, &subject.tail, err);
	if (result == 1 && subject.object->is_growing)
		result = find_members(reader, subject.object, &subject.tail, err);
	if (result == 0)
		facts = tail_facts(subject.object, &subject.tail);
	if (result >= 0)
		cover(&subject, facts);
	if (result == 0)
		result = plan_members(&subject, err);
	if (result < 0 && err->kind == ERROR_REJECTED) {
		lose(planner, subject.object, subject.planned, err->message);
		result = 0;
	}
	if (result == 1)
		plan_want_whole(&subject);
	return result < 0 ? -1 : 0;
}

static int work(void *context, struct bucket_reader *reader, struct error *err)
{
	struct planner *planner = context;
	size_t count = planner->order->listing->count, number;

	while (!atomic_load(&planner->is_failing) && !atomic_load(reader->bucket->cancel) &&
	       (number = atomic_fetch_add(&planner->next, 1)) < count)
		if (plan_object(planner, reader, (uint32_t)number, err) < 0) {
			atomic_store(&planner->is_failing, true);
			return -1;
		}
	return 0;
}

/* The plan ---------------------------------------------------------------------------------------- */

int plan_make(const struct plan_order *order, struct coverage *coverage, struct plan *ret_plan,
	      struct error *err)
{
	const struct listing *listing = order->listing;
	struct planner planner = { .order = order, .coverage = coverage, .plan = ret_plan };
	int result;

	*ret_plan =
		(struct plan){ .objects = mem_calloc(listing->count, sizeof *ret_plan->objects) };
	(void)pthread_mutex_init(&planner.lock, NULL);
	tail_budget_init(&planner.budget);
	result = bucket_crew(order->bucket, order->threads, work, &planner, err);
	tail_budget_done(&planner.budget);
	(void)pthread_mutex_destroy(&planner.lock);
	if (result < 0)
		return -1;
	for (size_t i = 0; i < listing->count; i++) {
		ret_plan->searched += !is_outside(&planner, &listing->objects[i]);
		ret_plan->admitted += ret_plan->objects[i].state == PLANNED_MEMBERS ||
				      ret_plan->objects[i].state == PLANNED_WHOLE;
		ret_plan->window_bytes += is_outside(&planner, &listing->objects[i])
						  ? 0
						  : listing->objects[i].bytes;
	}
	pieces_sum(&ret_plan->pieces, listing->objects);
	pieces_join(&ret_plan->pieces, PLAN_PIECE_BYTES, PLAN_PIECE_BYTES);
	return 0;
}

void plan_free(struct plan *plan)
{
	free(plan->objects);
	pieces_done(&plan->pieces);
}
