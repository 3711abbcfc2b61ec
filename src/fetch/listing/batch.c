/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/batch.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define OBJECTS_MAX ((size_t)4 << 20)

/* A segment.age ends a file within this time. */
#define AGE_SLACK_S 60

static const uint64_t lookbacks_s[] = { 3600, 6 * 3600, LISTING_LOOKBACK_MAX_S };

void batch_begin(struct batch *batch, struct listing_work *work, bool is_whole_fleet)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);

	*batch = (struct batch){ .work = work,
				 .number = ++work->batches,
				 .is_whole_fleet = is_whole_fleet };
}

static bool is_known(const struct object *object)
{
	return object->earliest_ns > 0 && object->earliest_ns <= object->latest_ns;
}

/* Enter a source into the batch. UINT32_MAX: there are too many. */
static uint32_t enter_source(struct batch *batch, const char *node, size_t node_length,
			     const char *interface, size_t interface_length)
{
	struct sources *sources = &batch->work->sources;
	uint32_t number = sources_number(sources, node, node_length, interface, interface_length);

	if (number == UINT32_MAX || sources->states[number].batch == batch->number)
		return number;
	sources->states[number].batch = batch->number;
	if (batch->source_count == batch->source_capacity) {
		batch->source_capacity = batch->source_capacity ? 2 * batch->source_capacity : 4;
		batch->sources = mem_realloc(batch->sources, batch->source_capacity,
					     sizeof *batch->sources);
	}
	batch->sources[batch->source_count++] = number;
	return number;
}

/* "eth0 eth1 ... +12 more": each must be covered, also if nothing of it is listed. */
static bool enter_interfaces(struct batch *batch, const struct object_place *place,
			     const char *interfaces)
{
	cleanup_free char *copy = mem_strdup(interfaces);
	char in_names[SEGMENT_INTERFACE_MAX + 1];
	char *rest = copy;

	for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
		if (strcmp(word, "...") == 0) {
			batch->has_unnamed = true;
			break;
		}
		name_format_interface(word, in_names);
		if (*word && patterns_match(&batch->work->interfaces, in_names, word) &&
		    enter_source(batch, place->file, place->parts.node_length, in_names,
				 strlen(in_names)) == UINT32_MAX)
			return false;
	}
	return true;
}

/* What the metadata of any object say about how long others of the node may be, and whose there are. */
static bool note_metadata(struct batch *batch, const struct object_place *place,
			  const struct segment *segment)
{
	if (!segment || segment->max_age_s == 0)
		batch->is_unbounded = true;
	else if (segment->max_age_s > batch->max_age_s)
		batch->max_age_s = segment->max_age_s;
	if (!segment || !*segment->interfaces) {
		batch->has_unnamed = true;
		return true;
	}
	if (!batch->is_whole_fleet) { /* those of a node seldom change */
		if (strcmp(batch->interfaces, segment->interfaces) == 0)
			return true;
		(void)snprintf(batch->interfaces, sizeof batch->interfaces, "%s",
			       segment->interfaces);
	}
	return enter_interfaces(batch, place, segment->interfaces);
}

static void note_source(struct listing_work *work, const struct object *object,
			const struct segment *segment)
{
	struct source_state *state = &work->sources.states[object->source];

	if (object->start_ns <= work->settled_ns) {
		state->is_covered = true;
		if (object->start_ns > state->newest_start_ns ||
		    (object->start_ns == state->newest_start_ns &&
		     object->sequence > state->newest_sequence)) {
			state->newest_start_ns = object->start_ns;
			state->newest_sequence = object->sequence;
		}
	}
	/* Recorded without a break since then, and nothing was before it since: silence until this one. */
	if (segment && segment->since_ns > 0 && segment->since_ns <= work->settled_ns &&
	    segment->previous == 0)
		state->is_covered = true;
}

/* VERSION:BYTES:TAIL */
static uint32_t parse_index_tail(const char *index)
{
	const char *tail = strrchr(index, ':');
	uint64_t bytes;

	return tail && text_parse_number(tail + 1, &bytes) == 0 && bytes <= UINT32_MAX
		       ? (uint32_t)bytes
		       : 0;
}

static struct object describe_object(const struct sink_item *item, const struct object_place *place,
				     uint32_t source)
{
	struct object object = {
		.name = (char *)item->name,
		.version = (char *)item->version,
		.bytes = item->bytes,
		.source = source,
		.sequence = place->parts.sequence,
		.start_ns = place->start_ns,
		/* Of a file that is being written they say how it was a moment ago. */
		.has_metadata = item->segment && !item->is_growing,
		.is_growing = item->is_growing,
	};

	if (object.has_metadata) {
		object.earliest_ns = item->segment->earliest_ns;
		object.latest_ns = item->segment->latest_ns;
		object.end_ns = item->segment->end_ns;
		object.index_tail_bytes = parse_index_tail(item->segment->index);
	}
	return object;
}

/* What is known never to reach into the window is left out; of the others, more at the end: is_over_before(). */
static void keep_object(struct batch *batch, const struct object *object)
{
	const struct listing_order *order = batch->work->order;

	if (is_known(object) &&
	    (object->earliest_ns >= order->to_ns || object->latest_ns < order->from_ns))
		return;
	if (batch->count == batch->capacity) {
		batch->capacity = batch->capacity ? 2 * batch->capacity : 4;
		batch->objects = mem_realloc(batch->objects, batch->capacity,
					     sizeof *batch->objects);
	}
	batch->objects[batch->count] = *object;
	batch->objects[batch->count].name = mem_strdup(object->name);
	batch->objects[batch->count].version = mem_strdup(object->version);
	batch->count++;
}

bool batch_add(struct batch *batch, const struct sink_item *item, const struct object_place *place)
{
	struct listing_work *work = batch->work;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);
	char interface[SEGMENT_NAME_MAX + 1];
	struct object object;
	uint32_t source;

	if (place->start_ns >= work->reach_ns)
		return true;
	batch->listed++;
	if (place->start_ns > batch->newest_ns)
		batch->newest_ns = place->start_ns;
	if (!note_metadata(batch, place, item->segment))
		goto full;
	(void)snprintf(interface, sizeof interface, "%.*s", (int)place->parts.interface_length,
		       place->parts.interface);
	if (!patterns_match(&work->interfaces, interface,
			    item->segment ? item->segment->interface : NULL))
		return true;
	source = enter_source(batch, place->file, place->parts.node_length, interface,
			      strlen(interface));
	if (source == UINT32_MAX || work->count + batch->count >= OBJECTS_MAX)
		goto full;
	object = describe_object(item, place, source);
	note_source(work, &object, item->segment);
	keep_object(batch, &object);
	if (item->segment && work->on_metadata)
		work->on_metadata(work->context, &object, item->segment);
	return true;
full:
	batch->is_full = true;
	return false;
}

static bool is_covered(const struct batch *batch)
{
	if (batch->is_whole_fleet || batch->has_unnamed || batch->listed == 0)
		return false;
	for (size_t i = 0; i < batch->source_count; i++)
		if (!batch->work->sources.states[batch->sources[i]].is_covered)
			return false;
	return true;
}

/* How far before the window a file may begin and reach into it. */
static uint64_t find_limit(const struct batch *batch)
{
	uint64_t age_s = batch->max_age_s + AGE_SLACK_S;

	if (batch->listed == 0 || batch->is_unbounded || age_s > LISTING_LOOKBACK_MAX_S)
		return LISTING_LOOKBACK_MAX_S;
	return age_s;
}

uint64_t batch_next_lookback(const struct batch *batch, uint64_t looked_back_s)
{
	uint64_t limit_s = find_limit(batch);

	if (batch->is_full || batch->work->order->lookback_s > 0 || looked_back_s >= limit_s ||
	    is_covered(batch))
		return 0;
	/* Where nothing says what there is, one request for all costs less than three. */
	if (batch->listed == 0 || (batch->has_unnamed && batch->is_unbounded))
		return limit_s;
	for (size_t i = 0; i < sizeof lookbacks_s / sizeof *lookbacks_s; i++)
		if (lookbacks_s[i] > looked_back_s && lookbacks_s[i] < limit_s)
			return lookbacks_s[i];
	return limit_s;
}

/* An object that does not say what it holds, but its successor had begun before the window? */
static bool is_over_before(const struct listing_work *work, const struct object *object)
{
	const struct source_state *state = &work->sources.states[object->source];

	return !is_known(object) && object->start_ns <= state->newest_start_ns &&
	       object->sequence < state->newest_sequence;
}

static void append_object(struct listing_work *work, struct object *object)
{
	if (work->count == work->capacity) {
		work->capacity = work->capacity ? 2 * work->capacity : 256;
		work->objects = mem_realloc(work->objects, work->capacity, sizeof *work->objects);
	}
	work->objects[work->count++] = (struct object) * object;
	object->name = object->version = NULL;
}

int batch_finish(struct batch *batch, uint64_t looked_back_s, struct error *err)
{
	struct listing_work *work = batch->work;
	bool is_bounded = batch->listed > 0 && !batch->is_unbounded &&
			  looked_back_s >= batch->max_age_s + AGE_SLACK_S;

	if (batch->is_full)
		return error_set(
			err, ERROR_USAGE,
			"more than %zu files may have packets of the window; make it shorter, "
			"or choose nodes",
			OBJECTS_MAX);
	for (size_t i = 0; i < batch->count; i++)
		if (!is_over_before(work, &batch->objects[i]))
			append_object(work, &batch->objects[i]);
	for (size_t i = 0; i < batch->source_count; i++)
		work->sources.states[batch->sources[i]].is_late =
			!is_bounded && !work->sources.states[batch->sources[i]].is_covered;
	if (looked_back_s > work->looked_back_s)
		work->looked_back_s = looked_back_s;
	return 0;
}

void batch_done(struct batch *batch)
{
	for (size_t i = 0; i < batch->count; i++) {
		free(batch->objects[i].name);
		free(batch->objects[i].version);
	}
	free(batch->objects);
	free(batch->sources);
}
