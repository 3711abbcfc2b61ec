/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/destination.h"

#include "base/mem.h"

int destination_open(const struct conf *conf, struct connections *connections,
		     struct counters *counters, struct rate *rate,
		     struct destination **ret_destination, struct error *err)
{
	size_t workers = conf->upload_workers;
	struct destination *destination =
		mem_calloc(1, sizeof *destination + workers * sizeof *destination->places);
	const struct sink_context context = {
		.conf = conf,
		.connections = connections,
		.rate = rate,
		.counters = counters,
		.cancel = &destination->cancel,
	};

	destination->references = 1;
	destination->conf = conf_ref(conf);
	if (sink_open(&context, &destination->sink, err) < 0)
		goto failed;
	destination->ops = sink_ops(destination->sink);
	for (; destination->free_places < workers; destination->free_places++)
		if (destination->ops->worker_open(destination->sink,
						  &destination->places[destination->free_places],
						  err) < 0)
			goto failed;
	*ret_destination = destination;
	return 0;
failed:
	destination_release(destination);
	return -1;
}

struct destination *destination_ref(struct destination *destination)
{
	atomic_fetch_add(&destination->references, 1);
	return destination;
}

struct destination *destination_release(struct destination *destination)
{
	if (!destination || atomic_fetch_sub(&destination->references, 1) > 1)
		return NULL;
	while (destination->free_places > 0)
		destination->ops->worker_close(destination->places[--destination->free_places]);
	sink_close(destination->sink);
	conf_free(destination->conf);
	free(destination);
	return NULL;
}

int destination_probe(const struct destination *destination, struct sink_worker *place,
		      struct error *err)
{
	int result = destination->ops->probe(place, err);

	/* The command line was fine; what it names is not. */
	if (result < 0 && err->kind == ERROR_USAGE)
		err->kind = ERROR_CONFIG;
	return result;
}
