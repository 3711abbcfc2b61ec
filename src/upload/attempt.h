/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One attempt to send one claimed segment: what the spool knows of it becomes the sink's object, under the
 * name that it has in the bucket. Used by the upload threads; blocks on network and disk.
 */

#include "conf/conf.h"
#include "spool/spool.h"
#include "sink/sink.h"

struct attempt_context {
	const struct conf *conf;
	struct spool *spool;
	const struct sink_ops *ops;
	struct sink_worker *worker;
};

/* As sink_ops.send. */
int attempt_send(const struct attempt_context *context, const struct spool_claim *claim,
		 struct sink_receipt *ret_receipt, struct error *err)
	__attribute__((warn_unused_result));
