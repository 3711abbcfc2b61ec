/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/answer_json.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/mem.h"
#include "fetch/json_text.h"

static const char *const state_names[] = {
	[PLANNED_NOTHING] = "nothing", [PLANNED_MEMBERS] = "members",
	[PLANNED_WHOLE] = "whole",     [PLANNED_NOT_SEARCHED] = "not-searched",
	[PLANNED_LOST] = "lost",
};

static void set_time(json_t *object, const char *key, uint64_t time_ns)
{
	char text[TEXT_TIME_MAX];

	if (time_ns == 0)
		return;
	text_format_time(time_ns, text);
	json_set(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, uint64_t number)
{
	json_set(object, key, json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number));
}

static json_t *describe_object(const struct search *search, size_t number)
{
	const struct object *object = &search->listing.objects[number];
	const struct planned *planned = &search->plan.objects[number];
	const struct source *source = &search->listing.sources[object->source];
	json_t *out = json_object();

	json_set(out, "node", json_text(source->node));
	json_set(out, "interface", json_text(source->interface));
	json_set(out, "object", json_text(object->name));
	set_number(out, "size", object->bytes);
	json_set(out, "read", json_string(state_names[planned->state]));
	set_number(out, "bytes", planned->wanted_bytes);
	if (planned->state == PLANNED_MEMBERS) {
		set_number(out, "members", planned->wanted);
		set_number(out, "of_members", planned->members);
	}
	set_time(out, "from", planned->earliest_ns);
	set_time(out, "to", planned->latest_ns);
	return out;
}

static json_t *describe_plan(const struct search *search)
{
	const struct plan *plan = &search->plan;
	json_t *out = json_object();

	set_number(out, "bytes", plan->pieces.bytes);
	if (search->order->limit_bytes > 0)
		set_number(out, "limit", search->order->limit_bytes);
	set_number(out, "requests", plan->pieces.requests);
	set_number(out, "objects", plan->admitted);
	set_number(out, "of_objects", plan->searched);
	set_number(out, "of_bytes", plan->window_bytes);
	set_number(out, "too_complex", plan->too_complex);
	set_number(out, "with_tunnels", plan->with_tunnels);
	set_number(out, "not_searched", plan->not_searched);
	if (plan->not_searched > 0)
		json_set(out, "not_searched_why", json_text(plan->not_searched_why));
	return out;
}

static json_t *describe_result(const struct merge_total *total, const char *warning)
{
	json_t *out = json_object();

	set_number(out, "packets", total->packets);
	set_number(out, "interfaces", total->interfaces);
	set_number(out, "unordered", total->unordered);
	set_number(out, "unwritable", total->unwritable);
	set_number(out, "spilled_bytes", total->spilled_bytes);
	if (warning)
		json_set(out, "warning", json_text(warning));
	set_time(out, "first", total->earliest_ns);
	set_time(out, "last", total->latest_ns);
	return out;
}

/* Where was looked, and what was met there. */
static json_t *describe_listing(const struct search *search)
{
	const struct listing *listing = &search->listing;
	json_t *out = json_object();

	set_number(out, "nodes", listing->nodes);
	set_number(out, "silent_nodes", listing->silent_nodes);
	set_number(out, "foreign_objects", listing->foreign);
	set_number(out, "looked_back_s", listing->looked_back_s);
	set_number(out, "without_beginning", search_count_late(search));
	return out;
}

void answer_write_json(const struct search *search, const struct merge_total *total,
		       const char *warning, json_t *conversations, FILE *out)
{
	json_t *answer = json_object(), *window = json_object(), *objects = json_array();
	json_t *bucket = json_object();

	set_time(window, "from", search->window.from_ns);
	set_time(window, "to", search->window.to_ns);
	json_set(answer, "window", window);
	json_set(answer, "filter", json_text(search->order->filter));
	set_number(answer, "nodes", search->listing.nodes);
	for (size_t i = 0; i < search->listing.count; i++) {
		enum planned_state state = search->plan.objects[i].state;

		if (state != PLANNED_NOTHING &&
		    json_array_append_new(objects, describe_object(search, i)) < 0)
			abort();
	}
	json_set(answer, "listing", describe_listing(search));
	json_set(answer, "objects", objects);
	json_set(answer, "plan", describe_plan(search));
	json_set(answer, "coverage", coverage_write_json(search->coverage));
	set_number(bucket, "requests", atomic_load(&search->bucket.requests));
	set_number(bucket, "bytes", atomic_load(&search->bucket.bytes));
	set_number(bucket, "cached_bytes", atomic_load(&search->bucket.cached_bytes));
	json_set(answer, "read", bucket);
	if (conversations)
		json_set(answer, "conversations", conversations);
	if (total)
		json_set(answer, "result", describe_result(total, warning));
	(void)json_dumpf(answer, out, JSON_INDENT(1) | JSON_SORT_KEYS);
	(void)fputc('\n', out);
	json_decref(answer);
}
