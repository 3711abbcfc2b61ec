/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/listing_by_time.h"

#include <string.h>

#include "base/mem.h"

#define FOLDER_NS (300 * CLOCK_NS_PER_S)

void by_time_begin(struct by_time *by_time, struct listing_work *work)
{
	uint64_t back_s = work->order->lookback_s;

	*by_time = (struct by_time){ .stage = BY_TIME_PROBE };
	batch_begin(&by_time->batch, work, true);
	by_time->first = listing_before(work->order->from_ns,
					back_s > 0 ? back_s : LISTING_LOOKBACK_MAX_S) /
			 FOLDER_NS;
	by_time->end = work->reach_ns / FOLDER_NS + 1;
}

void by_time_done(struct by_time *by_time)
{
	batch_done(&by_time->batch);
}

/* Folders that begin so long before the window, up to those that were listed before. */
static void begin_round(struct by_time *by_time, uint64_t looked_back_s)
{
	const struct listing_work *work = by_time->batch.work;
	uint64_t folders;

	by_time->end = by_time->stage == BY_TIME_LIST ? by_time->first : by_time->end;
	by_time->first = listing_before(work->order->from_ns, looked_back_s) / FOLDER_NS;
	by_time->stage = BY_TIME_LIST;
	by_time->next = by_time->first;
	by_time->looked_back_s = looked_back_s;
	folders = by_time->end - by_time->first;
	by_time->piece = folders / work->order->threads + (folders % work->order->threads > 0);
}

bool by_time_take(struct by_time *by_time, struct by_time_job *ret_job)
{
	if (by_time->stage == BY_TIME_PROBE && by_time->running == 0) {
		*ret_job = (struct by_time_job){ by_time->first, by_time->end, true };
	} else if (by_time->stage == BY_TIME_LIST && by_time->next < by_time->end) {
		uint64_t rest = by_time->end - by_time->next;
		uint64_t piece = rest < by_time->piece ? rest : by_time->piece;

		*ret_job = (struct by_time_job){ by_time->next, by_time->next + piece, false };
		by_time->next += piece;
	} else {
		return false;
	}
	by_time->running++;
	return true;
}

static bool visit_any(void *context, const struct sink_item *item)
{
	bool *is_found = context;

	(void)item;
	*is_found = true;
	return false;
}

static bool visit_object(void *context, const struct sink_item *item)
{
	struct batch *batch = context;
	struct listing_work *work = batch->work;
	struct object_place place;
	char node[SEGMENT_NAME_MAX + 1];

	if (object_name_parse(work->prefix, item->name, &place) != OBJECT_BY_TIME) {
		cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);

		work->foreign++;
		return true;
	}
	(void)snprintf(node, sizeof node, "%.*s", (int)place.parts.node_length, place.file);
	if (!patterns_match(&work->nodes, node, item->segment ? item->segment->node : NULL))
		return true;
	return batch_add(batch, item, &place);
}

/*
 * One question for each year: between "2026/12/31/2355" and "2027/01/01/0000" are the objects of a node that is called
 * "2026a"; within a year there are none but folders of months.
 */
static int list_year(struct by_time *by_time, const char *from, const char *to, bool *is_found,
		     struct bucket_reader *reader, struct error *err)
{
	cleanup_free char *end = mem_printf("%s0", to); /* '0' follows '/' */
	const struct sink_list what = { .prefix = by_time->batch.work->prefix,
					.from = from,
					.to = end,
					.limit = is_found ? 1 : 0 };

	return bucket_list(reader, &what, is_found ? visit_any : visit_object,
			   is_found ? (void *)is_found : &by_time->batch, err);
}

static char *name_folder(const struct by_time *by_time, uint64_t folder)
{
	return object_name_minutes(by_time->batch.work->prefix, folder < UINT64_MAX / FOLDER_NS
									? folder * FOLDER_NS
									: UINT64_MAX);
}

/* The first folder of the year after that of this one. */
static uint64_t find_next_year(const struct by_time *by_time, uint64_t folder, uint64_t end)
{
	size_t length = strlen(by_time->batch.work->prefix) + strlen("2026/");
	cleanup_free char *name = name_folder(by_time, folder);

	while (folder < end) {
		uint64_t middle = folder + (end - folder) / 2;
		cleanup_free char *other = name_folder(by_time, middle);

		if (strncmp(name, other, length) == 0)
			folder = middle + 1;
		else
			end = middle;
	}
	return folder;
}

/* With is_found: only whether there is anything. */
static int list_folders(struct by_time *by_time, const struct by_time_job *job, bool *is_found,
			struct bucket_reader *reader, struct error *err)
{
	uint64_t first = job->first, next;

	for (; first < job->end && !(is_found && *is_found); first = next) {
		next = find_next_year(by_time, first, job->end);
		cleanup_free char *from = name_folder(by_time, first);
		cleanup_free char *to = name_folder(by_time, next - 1);

		if (list_year(by_time, from, to, is_found, reader, err) < 0)
			return -1;
	}
	return 0;
}

/* A job is done: what follows? */
static int end_job(struct by_time *by_time, const struct by_time_job *job, bool is_found,
		   struct error *err)
{
	struct listing_work *work = by_time->batch.work;
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&work->lock);
	uint64_t next_s;

	by_time->running--;
	if (job->is_probe) {
		if (is_found)
			begin_round(by_time, listing_first_lookback(work));
		else
			by_time->stage = BY_TIME_OVER;
		return 0;
	}
	if (by_time->running > 0 || by_time->next < by_time->end)
		return 0;
	next_s = batch_next_lookback(&by_time->batch, by_time->looked_back_s);
	if (next_s > by_time->looked_back_s) {
		begin_round(by_time, next_s);
		if (by_time->next < by_time->end)
			return 0;
	}
	by_time->stage = BY_TIME_OVER;
	return batch_finish(&by_time->batch, by_time->looked_back_s, err);
}

int by_time_run(struct by_time *by_time, const struct by_time_job *job,
		struct bucket_reader *reader, struct error *err)
{
	bool is_found = false;

	if (list_folders(by_time, job, job->is_probe ? &is_found : NULL, reader, err) < 0)
		return -1;
	return end_job(by_time, job, is_found, err);
}
