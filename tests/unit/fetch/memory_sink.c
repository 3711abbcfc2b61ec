/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_sink.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"

struct sink_worker {
	struct memory *memory;
	unsigned number;
};

static int compare_objects(const void *a, const void *b)
{
	return strcmp(((const struct memory_object *)a)->name,
		      ((const struct memory_object *)b)->name);
}

static int worker_open(struct sink *sink, struct sink_worker **ret_worker, struct error *err)
{
	struct memory *memory = (struct memory *)sink;

	(void)err;
	*ret_worker = mem_calloc(1, sizeof **ret_worker);
	**ret_worker = (struct sink_worker){ memory, atomic_fetch_add(&memory->workers, 1) };
	return 0;
}

static void worker_close(struct sink_worker *worker)
{
	free(worker);
}

/* One request. True: it fails. */
static bool count_request(struct sink_worker *worker)
{
	struct memory *memory = worker->memory;
	unsigned number = atomic_fetch_add(&memory->requests, 1) + 1;

	atomic_fetch_add(&memory->by_worker[worker->number % MEMORY_THREADS], 1);
	if (memory->delay_us)
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000 * (long)memory->delay_us },
				NULL);
	if (number == memory->cancel_at)
		atomic_store(&memory->cancel, true);
	return number >= memory->fail_from && number <= memory->fail_to;
}

static int fail_request(struct memory *memory, struct error *err)
{
	(void)error_set(err, memory->fail_kind, "made to fail");
	err->retry_after_ms = memory->retry_after_ms;
	return -1;
}

static size_t find_lower(const struct memory *memory, const char *name)
{
	size_t low = 0, high = memory->count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (strcmp(memory->objects[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void describe_segment(const struct memory_object *object, struct segment *segment)
{
	memset(segment, 0, sizeof *segment);
	(void)snprintf(segment->node, sizeof segment->node, "%s", object->node);
	(void)snprintf(segment->interface, sizeof segment->interface, "%s", object->interface);
	(void)snprintf(segment->interfaces, sizeof segment->interfaces, "%s",
		       object->interfaces ? object->interfaces : "");
	(void)snprintf(segment->index, sizeof segment->index, "%s",
		       object->index ? object->index : "");
	segment->earliest_ns = object->earliest_ns;
	segment->latest_ns = object->latest_ns;
	segment->start_ns = object->start_ns;
	segment->end_ns = object->end_ns;
	segment->since_ns = object->since_ns;
	segment->previous = object->previous;
	segment->max_age_s = object->max_age_s;
}

static bool visit_object(struct memory *memory, size_t place,
			 bool (*visit)(void *context, const struct sink_item *item), void *context)
{
	const struct memory_object *object = &memory->objects[place];
	struct segment segment;
	char version[32];
	struct sink_item item = { .name = object->name,
				  .bytes = object->bytes ? object->bytes : 100 + place,
				  .version = version,
				  .storage_class = "",
				  .segment = object->has_metadata ? &segment : NULL };

	(void)snprintf(version, sizeof version, "%zu", place + 1);
	if (object->has_metadata)
		describe_segment(object, &segment);
	return visit(context, &item);
}

static int list_objects(struct sink_worker *worker, const struct sink_list *what,
			bool (*visit)(void *context, const struct sink_item *item), void *context,
			unsigned *requests, struct error *err)
{
	struct memory *memory = worker->memory;
	const char *from = strcmp(what->from, what->prefix) > 0 ? what->from : what->prefix;
	unsigned visited = 0;
	bool is_failing = count_request(worker);

	*requests = 1;
	for (size_t i = find_lower(memory, from);; i++) {
		const char *name;

		if (is_failing && visited == memory->fail_after)
			return fail_request(memory, err);
		if (i == memory->count)
			return 0;
		name = memory->objects[i].name;
		if (strncmp(name, what->prefix, strlen(what->prefix)) != 0 ||
		    (*what->to && strcmp(name, what->to) >= 0) ||
		    (what->limit && visited == what->limit))
			return 0;
		if (memory->vanishes && strcmp(name, memory->vanishes) == 0 &&
		    atomic_load(&memory->requests) > memory->fail_from)
			continue;
		if (visited > 0 && visited % MEMORY_PAGE == 0) {
			is_failing = count_request(worker);
			++*requests;
		}
		visited++;
		if (!visit_object(memory, i, visit, context))
			return 0;
	}
}

static void copy_tail(const struct memory *memory, const char *name, uint64_t offset, size_t length,
		      uint8_t *out)
{
	size_t place = find_lower(memory, name);
	const struct memory_object *object = place < memory->count ? &memory->objects[place] : NULL;
	uint64_t at;

	if (!object || !object->tail)
		return;
	at = object->bytes - object->tail_bytes;
	for (size_t i = 0; i < length; i++)
		out[i] = offset + i < at ? 0 : object->tail[offset + i - at];
}

static int read_object(struct sink_worker *worker, const char *name, const char *version,
		       uint64_t offset, size_t length, uint8_t *out, struct error *err)
{
	struct memory *memory = worker->memory;
	bool is_failing = count_request(worker);

	(void)version;
	atomic_fetch_add(&memory->reads, 1);
	if (is_failing || (memory->silent && strcmp(name, memory->silent) == 0))
		return fail_request(memory, err);
	if (length > atomic_load(&memory->longest_read))
		atomic_store(&memory->longest_read, length);
	for (size_t i = 0; i < length; i++)
		out[i] = (uint8_t)(offset + i);
	copy_tail(memory, name, offset, length, out);
	return 0;
}

static const struct sink_ops ops = {
	.name = "memory",
	.scheme = "memory://",
	.form = "memory://",
	.worker_open = worker_open,
	.worker_close = worker_close,
	.list = list_objects,
	.read = read_object,
};

void memory_open(struct memory *memory)
{
	*memory = (struct memory){ .base.ops = &ops,
				   .conf = { .upload_destination = (char *)"memory://b",
					     .upload_prefix = (char *)"" },
				   .fail_kind = ERROR_TRANSIENT };
	memory->bucket =
		(struct bucket){ .context = { .conf = &memory->conf, .cancel = &memory->cancel },
				 .sink = (struct sink *)memory,
				 .cache_fd = -1,
				 .cancel = &memory->cancel };
}

void memory_close(struct memory *memory)
{
	for (size_t i = 0; i < memory->count; i++)
		free(memory->objects[i].name);
	free(memory->objects);
	if (memory->bucket.cache_fd >= 0)
		(void)close(memory->bucket.cache_fd);
}

struct memory_object *memory_add(struct memory *memory, const char *format, ...)
{
	struct memory_object *object;
	va_list arguments;

	if (memory->count == memory->capacity) {
		memory->capacity = memory->capacity ? 2 * memory->capacity : 64;
		memory->objects = mem_realloc(memory->objects, memory->capacity,
					      sizeof *memory->objects);
	}
	object = &memory->objects[memory->count++];
	*object = (struct memory_object){ .node = "", .interface = "" };
	va_start(arguments, format);
	if (vasprintf(&object->name, format, arguments) < 0)
		abort();
	va_end(arguments);
	return object;
}

void memory_sort(struct memory *memory)
{
	if (memory->count > 0)
		qsort(memory->objects, memory->count, sizeof *memory->objects, compare_objects);
}

unsigned memory_longest_chain(const struct memory *memory)
{
	unsigned longest = 0;

	for (unsigned i = 0; i < MEMORY_THREADS; i++)
		if (atomic_load(&memory->by_worker[i]) > longest)
			longest = atomic_load(&memory->by_worker[i]);
	return longest;
}
