/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/listing.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fetch/listing/listing_by_node.h"
#include "fetch/listing/listing_by_time.h"
#include "fetch/listing/node_walk.h"

/* All that the threads do. */
struct effort {
	struct listing_work work;
	struct by_time by_time;
	struct node_walk walk;
	size_t next_named; /* of the nodes that are named */
	unsigned threads;  /* that have begun */
	bool is_over;      /* one has failed */
};

/* Jobs ------------------------------------------------------------------------------------------- */

struct job {
	enum {
		JOB_NONE,
		JOB_BY_TIME,
		JOB_NODE,
		JOB_STEP
	} kind;
	struct by_time_job by_time;
	const char *node;
};

/* A name that is given twice is asked for once. */
static bool is_repeated(const struct patterns *nodes, size_t place)
{
	for (size_t i = 0; i < place; i++)
		if (strcmp(nodes->list[i].text, nodes->list[place].text) == 0)
			return true;
	return false;
}

static bool take_named(struct effort *effort, const char **ret_node)
{
	const struct patterns *nodes = &effort->work.nodes;

	if (!patterns_are_names(nodes))
		return false;
	while (effort->next_named < nodes->count) {
		size_t place = effort->next_named++;

		if (is_repeated(nodes, place))
			continue;
		*ret_node = nodes->list[place].text;
		return true;
	}
	return false;
}

/* With the lock held. Waits while what others do may give more. */
static struct job take_job(struct effort *effort, unsigned thread)
{
	struct listing_work *work = &effort->work;
	struct job job = { .kind = JOB_NONE };

	while (!effort->is_over) {
		if (by_time_take(&effort->by_time, &job.by_time)) {
			job.kind = JOB_BY_TIME;
			break;
		}
		if (take_named(effort, &job.node)) {
			job.kind = JOB_NODE;
			break;
		}
		if (key_ranges_take(&effort->walk.ranges, thread)) {
			job.kind = JOB_STEP;
			break;
		}
		if (key_ranges_are_over(&effort->walk.ranges) && effort->by_time.running == 0)
			break;
		(void)pthread_cond_wait(&work->changed, &work->lock);
	}
	return job;
}

static int do_job(struct effort *effort, const struct job *job, unsigned thread,
		  struct bucket_reader *reader, struct error *err)
{
	struct listing_work *work = &effort->work;
	uint64_t newest_ns;
	int found;

	if (atomic_load(work->bucket->cancel))
		return error_set(err, ERROR_TRANSIENT, "interrupted");
	switch (job->kind) {
	case JOB_BY_TIME:
		return by_time_run(&effort->by_time, &job->by_time, reader, err);
	case JOB_STEP:
		return node_walk_step(&effort->walk, thread, reader, err);
	default:
		found = listing_node(work, reader, job->node, &newest_ns, err);
		return found < 0 ? -1 : 0;
	}
}

static int run_thread(void *context, struct bucket_reader *reader, struct error *err)
{
	struct effort *effort = context;
	struct listing_work *work = &effort->work;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);
	unsigned thread = effort->threads++;
	int result = 0;

	for (;;) {
		struct job job = take_job(effort, thread);

		if (job.kind == JOB_NONE)
			break;
		(void)pthread_mutex_unlock(&work->lock);
		result = do_job(effort, &job, thread, reader, err);
		(void)pthread_mutex_lock(&work->lock);
		(void)pthread_cond_broadcast(&work->changed);
		if (result < 0) {
			effort->is_over = true;
			break;
		}
	}
	return result;
}

/* Result ----------------------------------------------------------------------------------------- */

static int compare_sources(const void *a, const void *b, void *context)
{
	const struct source *list = context;
	const struct source *left = &list[*(const uint32_t *)a];
	const struct source *right = &list[*(const uint32_t *)b];
	int order = strcmp(left->node, right->node);

	return order ? order : strcmp(left->interface, right->interface);
}

static int compare_objects(const void *a, const void *b, void *context)
{
	const uint32_t *rank = context;
	const struct object *left = a, *right = b;

	if (left->source != right->source)
		return rank[left->source] < rank[right->source] ? -1 : 1;
	if (left->start_ns != right->start_ns)
		return left->start_ns < right->start_ns ? -1 : 1;
	if (left->sequence != right->sequence)
		return left->sequence < right->sequence ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* Sort the objects by source, and count the nodes of the sources. */
static size_t sort_objects(struct listing_work *work)
{
	const struct sources *sources = &work->sources;
	cleanup_free uint32_t *order = mem_calloc(sources->count + 1, sizeof *order);
	cleanup_free uint32_t *rank = mem_calloc(sources->count + 1, sizeof *rank);
	size_t nodes = 0;

	for (uint32_t i = 0; i < sources->count; i++)
		order[i] = i;
	if (sources->count > 0)
		qsort_r(order, sources->count, sizeof *order, compare_sources, sources->list);
	for (uint32_t i = 0; i < sources->count; i++) {
		rank[order[i]] = i;
		nodes += i == 0 || strcmp(sources->list[order[i]].node,
					  sources->list[order[i - 1]].node) != 0;
	}
	if (work->count > 0)
		qsort_r(work->objects, work->count, sizeof *work->objects, compare_objects, rank);
	return nodes;
}

static void hand_over(struct listing_work *work, struct listing *ret_listing)
{
	size_t nodes = sort_objects(work);

	if (work->count > 0) /* half of it may be room that was not needed */
		work->objects = mem_realloc(work->objects, work->count, sizeof *work->objects);
	*ret_listing = (struct listing){
		.nodes = nodes,
		.objects = take_ptr(work->objects),
		.count = work->count,
		.is_late = mem_calloc(work->sources.count + 1, sizeof(bool)),
		.sources_count = work->sources.count,
		.silent_nodes = work->silent_nodes,
		.foreign = work->foreign,
		.looked_back_s = work->looked_back_s,
	};
	for (size_t i = 0; i < work->sources.count; i++)
		ret_listing->is_late[i] = work->sources.states[i].is_late &&
					  !work->sources.states[i].is_covered;
	ret_listing->sources = take_ptr(work->sources.list);
	work->count = work->sources.count = 0;
}

void listing_free(struct listing *listing)
{
	for (size_t i = 0; i < listing->count; i++) {
		free(listing->objects[i].name);
		free(listing->objects[i].version);
	}
	for (size_t i = 0; i < listing->sources_count; i++) {
		free(listing->sources[i].node);
		free(listing->sources[i].interface);
	}
	free(listing->objects);
	free(listing->sources);
	free(listing->is_late);
	*listing = (struct listing){ .count = 0 };
}

/* All of it -------------------------------------------------------------------------------------- */

static char *name_node(const char *word)
{
	char in_names[SEGMENT_NAME_MAX + 1];

	object_name_node(word, in_names);
	return mem_strdup(in_names);
}

static char *name_interface(const char *word)
{
	char in_names[SEGMENT_INTERFACE_MAX + 1];

	name_format_interface(word, in_names);
	return mem_strdup(in_names);
}

static void begin_work(struct listing_work *work, struct bucket *bucket,
		       const struct listing_order *order)
{
	const char *prefix = bucket->context.conf->upload_prefix;

	*work = (struct listing_work){
		.bucket = bucket,
		.order = order,
		.prefix = mem_printf("%s%s", prefix, *prefix ? "/" : ""),
		.settled_ns = listing_before(order->from_ns, LISTING_SLACK_S),
		.reach_ns = listing_after(order->to_ns, LISTING_SLACK_S),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
	};
	patterns_init(&work->nodes, order->nodes, name_node);
	patterns_init(&work->interfaces, order->interfaces, name_interface);
}

static void end_work(struct listing_work *work)
{
	for (size_t i = 0; i < work->count; i++) {
		free(work->objects[i].name);
		free(work->objects[i].version);
	}
	free(work->objects);
	sources_done(&work->sources);
	patterns_done(&work->nodes);
	patterns_done(&work->interfaces);
	free(work->prefix);
}

int listing_make(struct bucket *bucket, const struct listing_order *order,
		 void (*on_metadata)(void *context, const struct object *object,
				     const struct segment *segment),
		 void *context, struct listing *ret_listing, struct error *err)
{
	struct effort effort = { .threads = 0 };
	struct listing_work *work = &effort.work;
	int result;

	begin_work(work, bucket, order);
	work->on_metadata = on_metadata;
	work->context = context;
	by_time_begin(&effort.by_time, work);
	node_walk_begin(&effort.walk, work);
	result = bucket_crew(bucket, order->threads, run_thread, &effort, err);
	if (result == 0) {
		if (order->cache_folder && work->nodes.count == 0)
			node_names_write(&effort.walk.found, order->cache_folder,
					 bucket->context.conf);
		hand_over(work, ret_listing);
	}
	node_walk_done(&effort.walk);
	by_time_done(&effort.by_time);
	end_work(work);
	return result;
}

void listing_describe(const struct listing *listing, const struct object *object,
		      struct segment *ret_segment)
{
	const struct source *source = &listing->sources[object->source];

	*ret_segment = (struct segment){
		.sequence = object->sequence,
		.start_ns = object->start_ns,
		.bytes = object->bytes,
	};
	(void)snprintf(ret_segment->node, sizeof ret_segment->node, "%s", source->node);
	(void)snprintf(ret_segment->interface, sizeof ret_segment->interface, "%s",
		       source->interface);
}
