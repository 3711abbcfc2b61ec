/* SPDX-License-Identifier: Apache-2.0 */
#include "upload/attempt.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "segment/name.h"

struct keeper {
	struct spool *spool;
	const struct spool_claim *claim;
};

static void keep(void *context, const char *text)
{
	const struct keeper *keeper = context;
	struct error err;

	if (spool_keep_attempt(keeper->spool, keeper->claim, text, &err) < 0)
		/* That the disk fails is told elsewhere. */
		log_debug("the next run will not know of this attempt for a segment",
			  log_text("name", keeper->claim->name), log_reason(&err));
}

/* A segment of an earlier run goes where that run would have put it. */
static void name_of(const struct conf *conf, const struct spool_claim *claim, struct text *out)
{
	cleanup_free char *node = NULL;
	struct name_parts parts;

	node = name_parse(claim->name, &parts) ? mem_strndup(claim->name, parts.node_length)
					       : mem_strdup(conf->node_name);
	name_object(conf->upload_prefix, node, claim->name, out);
}

int attempt_send(const struct attempt_context *context, const struct spool_claim *claim,
		 struct sink_receipt *ret_receipt, struct error *err)
{
	struct keeper keeper = { .spool = context->spool, .claim = claim };
	char *last_attempt = spool_last_attempt(context->spool, claim);
	char name[SEGMENT_NAME_MAX + 1024];
	struct text text = text_over(name, sizeof name);
	const struct sink_object object = {
		.name = name,
		.fd = claim->fd,
		.bytes = claim->segment.bytes,
		.crc32c = claim->segment.crc32c,
		.content_type = sink_content_type(claim->name),
		.segment = &claim->segment,
		.last_attempt = last_attempt,
		.keep = keep,
		.keeper = &keeper,
	};
	struct stat st;
	int result;

	name_of(context->conf, claim, &text);
	if (fstat(claim->fd, &st) == 0 && (uint64_t)st.st_size != object.bytes)
		result = error_set(err, ERROR_REJECTED,
				   "the segment was damaged in the spool: %jd bytes, not %" PRIu64,
				   (intmax_t)st.st_size, object.bytes);
	else
		result = context->ops->send(context->worker, &object, ret_receipt, err);
	if (last_attempt)
		explicit_bzero(last_attempt, strlen(last_attempt));
	free(last_attempt);
	return result;
}
