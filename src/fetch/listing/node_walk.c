/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/node_walk.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "fetch/listing/listing_by_node.h"
#include "fetch/listing/object_name.h"

#define FOREIGN_PAGES_MAX 20
#define FOREIGN_PAGE      1000
#define MANY_NODES        5000

/* Before it costs something that people would want to know of. 0: nobody knows how many there will be. */
static void say_many(size_t nodes)
{
	if (nodes > 0)
		log_notice(
			"listing all nodes of the bucket takes two requests for each, about $0.01 "
			"per 1,000 nodes; --node chooses some",
			log_number("nodes", nodes));
	else
		log_notice("the bucket has more than 5,000 nodes; listing all of them takes two "
			   "requests for each, about $0.01 per 1,000 nodes; --node chooses some");
}

void node_walk_begin(struct node_walk *walk, struct listing_work *work)
{
	const struct listing_order *order = work->order;

	*walk = (struct node_walk){ .work = work };
	if (order->cache_folder)
		node_names_read(&walk->ranges.known, order->cache_folder,
				work->bucket->context.conf);
	if (walk->ranges.known.count > MANY_NODES && work->nodes.count == 0)
		say_many(walk->ranges.known.count);
	key_ranges_begin(&walk->ranges, order->threads, &work->nodes);
}

void node_walk_done(struct node_walk *walk)
{
	key_ranges_done(&walk->ranges);
	node_names_done(&walk->found);
}

/* An answer ------------------------------------------------------------------------------------- */

/* To the question for the first name from a place on. */
struct first {
	const char *prefix;
	enum object_kind kind;
	char *folder; /* NULL: nothing was found */
	char *name;   /* the last one that was seen */
	unsigned count;
};

static void clear_first(struct first *first)
{
	free(first->folder);
	free(first->name);
}

static bool visit_first(void *context, const struct sink_item *item)
{
	struct first *first = context;
	const char *below = item->name + strlen(first->prefix);
	struct object_place place;

	first->count++;
	free(first->name);
	first->name = mem_strdup(item->name);
	first->kind = object_name_parse(first->prefix, item->name, &place);
	if (first->kind == OBJECT_FOREIGN)
		return true;
	first->folder = mem_strndup(below, strcspn(below, "/"));
	return false;
}

/* A page that began with a foreign name. False: there were too many of nothing else. */
static bool count_foreign(struct node_walk *walk, const struct first *first)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&walk->work->lock);

	walk->work->foreign += first->count - (first->folder != NULL);
	return first->folder || first->count < FOREIGN_PAGE ||
	       ++walk->foreign_pages < FOREIGN_PAGES_MAX;
}

/* The first name that is ours, from this one on: where others are before it, by pages. */
static int find_first(struct node_walk *walk, struct bucket_reader *reader, const char *from,
		      const char *end, struct first *first, struct error *err)
{
	struct sink_list what = { .prefix = first->prefix, .from = from, .to = end, .limit = 1 };
	cleanup_free char *next = NULL;

	for (;;) {
		first->count = 0;
		if (bucket_list(reader, &what, visit_first, first, err) < 0)
			return error_wrap(err, "list nodes");
		if (what.limit == FOREIGN_PAGE && !count_foreign(walk, first))
			return error_set(
				err, ERROR_CONFIG,
				"the prefix \"%s\" holds other objects, such as \"%s\"; use "
				"-b gs://BUCKET/PREFIX",
				first->prefix, first->name);
		if (first->folder || first->count < what.limit)
			return 0;
		free(next);
		next = take_ptr(first->name);
		what.from = next;
		what.limit = FOREIGN_PAGE;
	}
}

/* What follows --------------------------------------------------------------------------------- */

static void move_to(struct range *range, char *position, char *floor)
{
	free(range->position);
	free(range->floor);
	range->position = position;
	range->floor = floor;
}

/* On behind a folder: '0' follows '/'. */
static void move_behind(struct range *range, const char *folder)
{
	move_to(range, mem_printf("%s0", folder), mem_printf("%s0", folder));
	range->is_inside = false;
}

/* On within a folder. */
static void move_into(struct range *range, const char *folder, char *position)
{
	move_to(range, position, mem_printf("%s0", folder));
	range->is_inside = true;
}

/* Had this node been silent for so long that it is worth a question whether it still is? */
static const struct node_name *find_silent(const struct node_walk *walk, const char *node)
{
	const struct listing_order *order = walk->work->order;
	const struct node_name *known = node_names_find(&walk->ranges.known, node);

	return known && !order->all_nodes &&
			       known->newest_ns <
				       listing_before(order->from_ns, LISTING_LOOKBACK_MAX_S)
		       ? known
		       : NULL;
}

/* Move on behind what was found, or into it. Returns whether it is a node that is to be listed. */
static bool pass_folder(struct node_walk *walk, struct range *range, const struct first *first)
{
	struct listing_work *work = walk->work;
	const char *folder = first->folder;
	bool is_second = range->is_inside && strncmp(range->floor, folder, strlen(folder)) == 0 &&
			 strcmp(range->floor + strlen(folder), "0") == 0;
	const struct node_name *silent = find_silent(walk, folder);
	bool is_wanted = first->kind == OBJECT_BY_NODE;
	char in_names[SEGMENT_NAME_MAX + 1];

	object_name_node(folder, in_names);
	is_wanted = is_wanted && patterns_match(&work->nodes, in_names, folder);
	if (first->kind == OBJECT_BY_TIME && !is_second) {
		/* Those are listed elsewhere; behind them there may be those of a node "2026". */
		move_into(range, folder, mem_printf("%s/%s_", folder, folder));
	} else if (is_wanted && silent && !is_second) {
		/* If it is silent still, then this question finds the next node. */
		move_into(range, folder,
			  object_name_since("", folder, silent->newest_ns + CLOCK_NS_PER_MS));
		node_names_add(&walk->found, folder, silent->newest_ns);
		work->silent_nodes++;
	} else {
		move_behind(range, folder);
		work->silent_nodes -= is_wanted && silent;
		return is_wanted;
	}
	return false;
}

/* Enter an answer into the range. Returns whether there is a node to be listed. */
static bool enter_first(struct node_walk *walk, struct range *range, const struct first *first)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&walk->work->lock);
	/* Another thread may have taken the rest meanwhile. */
	bool is_found = first->folder && (!range->end || strcmp(first->name + strlen(first->prefix),
								range->end) < 0);
	bool is_node;

	(void)pthread_cond_broadcast(&walk->work->changed);
	key_ranges_settle(&walk->ranges, range, is_found);
	if (!is_found)
		return false;
	if (walk->ranges.nodes == MANY_NODES + 1 && walk->ranges.known.count <= MANY_NODES)
		say_many(0);
	is_node = pass_folder(walk, range, first);
	if (!range->is_inside && range->end && strcmp(range->position, range->end) >= 0)
		range_clear(range);
	return is_node;
}

static int list_node(struct node_walk *walk, struct bucket_reader *reader, const char *node,
		     struct error *err)
{
	struct listing_work *work = walk->work;
	uint64_t newest_ns;
	int found = listing_node(work, reader, node, &newest_ns, err);

	if (found < 0)
		return -1;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);

	work->silent_nodes += found == 0;
	node_names_add(&walk->found, node, newest_ns);
	return 0;
}

int node_walk_step(struct node_walk *walk, unsigned thread, struct bucket_reader *reader,
		   struct error *err)
{
	struct listing_work *work = walk->work;
	struct range *range = &walk->ranges.list[thread];
	struct first first = { .prefix = work->prefix };
	cleanup_free char *from = NULL, *end = NULL;
	int result;

	(void)pthread_mutex_lock(&work->lock);
	from = mem_printf("%s%s", work->prefix, range->position);
	end = range->end ? mem_printf("%s%s", work->prefix, range->end) : mem_strdup("");
	(void)pthread_mutex_unlock(&work->lock);
	result = find_first(walk, reader, from, end, &first, err);
	if (result == 0 && enter_first(walk, range, &first))
		result = list_node(walk, reader, first.folder, err);
	clear_first(&first);
	return result;
}
