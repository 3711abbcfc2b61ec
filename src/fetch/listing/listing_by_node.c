/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/listing_by_node.h"

#include <string.h>

#include "base/mem.h"
#include "fetch/listing/batch.h"

static bool visit_object(void *context, const struct sink_item *item)
{
	struct batch *batch = context;
	struct object_place place;

	if (object_name_parse(batch->work->prefix, item->name, &place) == OBJECT_BY_NODE)
		return batch_add(batch, item, &place);
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&batch->work->lock);

	batch->work->foreign++;
	return true;
}

/* The objects that begin in [from, to). */
static int list_interval(struct batch *batch, struct bucket_reader *reader, const char *node,
			 uint64_t from_ns, uint64_t to_ns, struct error *err)
{
	const char *prefix = batch->work->prefix;
	cleanup_free char *names = object_name_of_node(prefix, node);
	cleanup_free char *from = object_name_since(prefix, node, from_ns);
	cleanup_free char *to = object_name_since(prefix, node, to_ns);
	const struct sink_list what = { .prefix = names, .from = from, .to = to };

	return bucket_list(reader, &what, visit_object, batch, err);
}

static int list_batch(struct batch *batch, struct bucket_reader *reader, const char *node,
		      uint64_t *ret_newest_ns, struct error *err)
{
	struct listing_work *work = batch->work;
	uint64_t next_s = listing_first_lookback(work), looked_back_s = 0;
	uint64_t lower_ns = work->reach_ns, upper_ns;
	int result = 0;

	while (next_s > looked_back_s) {
		upper_ns = lower_ns;
		looked_back_s = next_s;
		lower_ns = listing_before(work->order->from_ns, looked_back_s);
		if (list_interval(batch, reader, node, lower_ns, upper_ns, err) < 0)
			return -1;
		(void)pthread_mutex_lock(&work->lock);
		next_s = batch_next_lookback(batch, looked_back_s);
		if (next_s == 0)
			result = batch_finish(batch, looked_back_s, err);
		(void)pthread_mutex_unlock(&work->lock);
	}
	if (batch->listed > 0)
		*ret_newest_ns = batch->newest_ns;
	else /* names have milliseconds */
		*ret_newest_ns = lower_ns < CLOCK_NS_PER_MS ? 0 : lower_ns - CLOCK_NS_PER_MS;
	return result < 0 ? -1 : batch->listed > 0;
}

int listing_node(struct listing_work *work, struct bucket_reader *reader, const char *node,
		 uint64_t *ret_newest_ns, struct error *err)
{
	struct batch batch;
	int result;

	batch_begin(&batch, work, false);
	result = list_batch(&batch, reader, node, ret_newest_ns, err);
	batch_done(&batch);
	return result < 0 ? error_wrap(err, "list node %s", node) : result;
}
