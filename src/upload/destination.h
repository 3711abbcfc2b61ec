/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Where an uploader sends: the sink of one configuration, with a place for each of its workers. A reload opens
 * another one; whoever has a place at the old one keeps it alive through a reference. Opening reads files, but
 * neither sends nor receives anything. Fields without a remark are constant; is_probed and what follows it are
 * protected by the uploader's lock.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/conf.h"
#include "sink/sink.h"
#include "upload/outage.h"

struct destination {
	atomic_uint references;
	const struct conf *conf;
	struct sink *sink;
	const struct sink_ops *ops;
	atomic_bool cancel; /* transfers look at it: end at once */

	bool is_probed, is_being_probed;
	struct error probe_error; /* ERROR_NONE: it would take segments */
	uint64_t
		give_up_at_ns; /* workers still at an older destination by then are taken to hang */
	struct outage outage;
	size_t free_places;
	struct sink_worker *places[]; /* opened; the free ones come first */
};

/* counters, connections and rate must outlive it. ERROR_CONFIG, ERROR_USAGE: the configuration cannot be right. */
int destination_open(const struct conf *conf, struct connections *connections,
		     struct counters *counters, struct rate *rate,
		     struct destination **ret_destination, struct error *err)
	__attribute__((warn_unused_result));
struct destination *destination_ref(struct destination *destination);
/* The last reference closes the sink. NULL is fine. */
struct destination *destination_release(struct destination *destination);

/* Would it take a segment? As sink_ops.probe; a wrong destination is ERROR_CONFIG, wherever it was named. */
int destination_probe(const struct destination *destination, struct sink_worker *place,
		      struct error *err) __attribute__((warn_unused_result));
