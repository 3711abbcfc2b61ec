/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/key_ranges.h"

#include <string.h>

#include "base/mem.h"
#include "fetch/listing/key_space.h"

#define WASTED_AT_FIRST 16 /* thefts in vain; more with the nodes that there are */
#define SHARED_MIN      4  /* so few nodes need no second thread */

/* Making ----------------------------------------------------------------------------------------- */

void range_clear(struct range *range)
{
	free(range->position);
	free(range->floor);
	free(range->end);
	*range = (struct range){ .position = NULL };
}

static struct range make_range(const char *from, const char *end)
{
	return (struct range){ .position = mem_strdup(from),
			       .floor = mem_strdup(from),
			       .end = end ? mem_strdup(end) : NULL,
			       .guess = SIZE_MAX };
}

static void add_waiting(struct key_ranges *ranges, const char *from, const char *end)
{
	ranges->waiting = mem_realloc(ranges->waiting, ranges->waiting_count + 1,
				      sizeof *ranges->waiting);
	ranges->waiting[ranges->waiting_count++] = make_range(from, end);
}

/* All names, cut where an earlier run found every so many nodes. */
static void add_whole(struct key_ranges *ranges)
{
	size_t count = ranges->known.count;
	const char *from = "";

	for (size_t i = 1; i < ranges->threads && count >= 2 * ranges->threads; i++) {
		const char *next = ranges->known.list[i * count / ranges->threads].node;

		add_waiting(ranges, from, next);
		from = next;
	}
	add_waiting(ranges, from, NULL);
}

/* Whether the names of another pattern include all of this one's. */
static bool is_included(const struct patterns *patterns, size_t place)
{
	const struct pattern *pattern = &patterns->list[place];
	size_t length = pattern_fixed_length(pattern);

	for (size_t i = 0; i < patterns->count; i++) {
		const struct pattern *other = &patterns->list[i];
		size_t fixed = pattern_fixed_length(other);

		if (i == place || fixed > length || strncmp(pattern->text, other->text, fixed) != 0)
			continue;
		if (other->is_name ? pattern->is_name && fixed == length && i < place
				   : pattern->is_name || fixed < length || i < place)
			return true;
	}
	return false;
}

/* The names that begin as a pattern does; of a name beside patterns its folder. */
static void add_patterns(struct key_ranges *ranges, const struct patterns *patterns)
{
	for (size_t i = 0; i < patterns->count; i++) {
		const struct pattern *pattern = &patterns->list[i];
		cleanup_free char *from = mem_printf("%.*s%s", (int)pattern_fixed_length(pattern),
						     pattern->text, pattern->is_name ? "/" : "");
		cleanup_free char *end = key_space_after(from, strlen(from));

		if (!is_included(patterns, i) &&
		    (pattern->is_name || !strchr(from, '/'))) /* no node has a slash */
			add_waiting(ranges, from, end);
	}
}

void key_ranges_begin(struct key_ranges *ranges, unsigned threads, const struct patterns *patterns)
{
	ranges->threads = threads;
	ranges->list = mem_calloc(threads, sizeof *ranges->list);
	if (patterns_are_names(patterns))
		return;
	if (patterns->count == 0)
		add_whole(ranges);
	else
		add_patterns(ranges, patterns);
}

void key_ranges_done(struct key_ranges *ranges)
{
	for (unsigned i = 0; i < ranges->threads; i++)
		range_clear(&ranges->list[i]);
	for (size_t i = 0; i < ranges->waiting_count; i++)
		range_clear(&ranges->waiting[i]);
	free(ranges->list);
	free(ranges->waiting);
	node_names_done(&ranges->known);
}

/* Sharing ---------------------------------------------------------------------------------------- */

/*
 * Where to cut a range for another thread. In the middle of the nodes that an earlier run found in it; else names
 * are halved. Nodes of a fleet have long beginnings in common, and nothing says where those end: so the first cuts
 * are halfway between the end of what range->end has in common with the nodes found, and the end of those. If there is
 * nothing behind such a cut, then all others begin like them so far.
 */
static char *cut_range(const struct key_ranges *ranges, const struct range *range,
		       size_t *ret_place)
{
	size_t low = node_names_lower(&ranges->known, range->floor);
	size_t high = range->end ? node_names_lower(&ranges->known, range->end)
				 : ranges->known.count;
	size_t length = strlen(range->floor), guess = length > 1 ? length - 1 : 0;

	*ret_place = 0;
	if (high >= low + SHARED_MIN)
		return mem_strdup(ranges->known.list[low + (high - low) / 2].node);
	if (high > low)
		return NULL; /* not worth it */
	return key_space_cut(range->floor, range->end, guess < range->guess ? guess : range->guess,
			     ret_place);
}

/* Most of those who steal at the end find nothing: the requests for that are limited. */
static bool may_steal(const struct key_ranges *ranges)
{
	size_t at_first = 2 * ranges->nodes;

	return ranges->wasted <
	       (at_first < WASTED_AT_FIRST ? at_first : WASTED_AT_FIRST) + ranges->nodes / 16;
}

/* The largest range that can be cut, with a key that the caller frees. */
static struct range *find_victim(const struct key_ranges *ranges, char **ret_key, size_t *ret_place)
{
	struct range *largest = NULL;
	unsigned largest_size = 0;

	for (unsigned i = 0; i < ranges->threads; i++) {
		struct range *range = &ranges->list[i];
		unsigned size;
		size_t place;
		char *key;

		if (!range->position || !range->has_found)
			continue;
		size = key_space_size(range->floor, range->end);
		key = size > largest_size ? cut_range(ranges, range, &place) : NULL;
		if (!key)
			continue;
		if (largest)
			free(*ret_key);
		largest = range;
		largest_size = size;
		*ret_key = key;
		*ret_place = place;
	}
	return largest;
}

static bool steal_range(struct key_ranges *ranges, struct range *own)
{
	size_t place;
	char *key;
	struct range *victim = may_steal(ranges) ? find_victim(ranges, &key, &place) : NULL;

	if (!victim)
		return false;
	*own = make_range(key, victim->end);
	own->guess = place;
	own->is_stolen = true;
	free(victim->end);
	victim->end = key;
	ranges->wasted++;
	return true;
}

bool key_ranges_take(struct key_ranges *ranges, unsigned thread)
{
	struct range *range = &ranges->list[thread];

	if (range->position)
		return true;
	if (ranges->waiting_count > 0) {
		*range = ranges->waiting[--ranges->waiting_count];
		return true;
	}
	return steal_range(ranges, range);
}

bool key_ranges_are_over(const struct key_ranges *ranges)
{
	for (unsigned i = 0; i < ranges->threads; i++)
		if (ranges->list[i].position)
			return false;
	return ranges->waiting_count == 0;
}

void key_ranges_settle(struct key_ranges *ranges, struct range *range, bool is_found)
{
	if (range->is_stolen && is_found)
		ranges->wasted--;
	range->is_stolen = false;
	range->has_found |= is_found;
	if (!is_found)
		range_clear(range);
	else
		ranges->nodes++;
}
