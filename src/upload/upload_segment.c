/* SPDX-License-Identifier: Apache-2.0 */
/* One claimed segment: into the sink under the name that it has there, and out of the spool's sending/. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "segment/segment.h"
#include "upload/worker.h"

struct upload {
	struct spool *spool;
	const struct spool_claim *claim;
};

static void save_upload_state(void *context, const char *state)
{
	const struct upload *upload = context;
	struct error err;

	/* A failing disk is reported elsewhere. */
	if (spool_save_upload_state(upload->spool, upload->claim, state, &err) < 0)
		log_debug("upload state not saved, the next run starts over",
			  log_text("name", upload->claim->name), log_reason(&err));
}

/* A segment of an earlier run goes where that run would have put it. */
static void append_object_name(const struct conf *conf, const struct spool_claim *claim,
			       struct text *out)
{
	cleanup_free char *node = NULL;
	struct name_parts parts;

	node = name_parse(claim->name, &parts) ? mem_strndup(claim->name, parts.node_length)
					       : mem_strdup(conf->node_name);
	name_object(conf->upload_prefix, node, claim->name, out);
}

static int send_claim(struct worker *worker, const struct spool_claim *claim,
		      struct sink_receipt *ret_receipt, struct error *err)
{
	struct spool *spool = worker->uploader->spool;
	struct upload upload = { .spool = spool, .claim = claim };
	char *state = spool_load_upload_state(spool, claim);
	char name[SEGMENT_NAME_MAX + 1024];
	struct text text = text_over(name, sizeof name);
	const struct sink_object object = {
		.name = name,
		.fd = claim->fd,
		.bytes = claim->segment.bytes,
		.crc32c = claim->segment.crc32c,
		.content_type = sink_content_type(claim->name),
		.id = claim->segment.id,
		.segment = &claim->segment,
		.upload_state = state,
		.save_upload_state = save_upload_state,
		.save_context = &upload,
	};
	struct stat st;
	int result;

	append_object_name(worker->destination->conf, claim, &text);
	if (fstat(claim->fd, &st) == 0 && (uint64_t)st.st_size != object.bytes)
		result = error_set(err, ERROR_REJECTED,
				   "the segment was damaged in the spool: %jd bytes, not %" PRIu64,
				   (intmax_t)st.st_size, object.bytes);
	else
		result = worker->destination->ops->send(worker->place, &object, ret_receipt, err);
	if (state)
		explicit_bzero(state, strlen(state));
	free(state);
	return result;
}

static void log_uploaded(const struct spool_claim *claim, const struct sink_receipt *receipt,
			 uint64_t ms)
{
	log_event(EVENT_SEGMENT_UPLOADED, log_text("name", claim->name),
		  log_number("bytes", claim->segment.bytes), log_number("ms", ms),
		  { .key = receipt->requests > 0 ? "requests" : NULL,
		    .number = receipt->requests,
		    .is_number = true },
		  { .key = receipt->was_there ? "was_there" : NULL, .text = "yes" },
		  log_text("location", receipt->location));
}

int upload_segment(struct worker *worker, struct spool_claim *claim,
		   struct sink_receipt *ret_receipt, struct error *err)
{
	struct uploader *uploader = worker->uploader;
	uint64_t begin_ms = clock_monotonic_ms(), ms;
	struct error spool_error;
	int result, spool_result;

	*ret_receipt = (struct sink_receipt){ .requests = 0 };
	thread_beat();
	atomic_store(&worker->is_sending, true);
	result = send_claim(worker, claim, ret_receipt, err);
	atomic_store(&worker->is_sending, false);
	ms = clock_monotonic_ms() - begin_ms;
	if (result == 0) {
		counters_add_upload(uploader->counters, claim->segment.bytes, ms);
		log_uploaded(claim, ret_receipt, ms);
		spool_result = spool_remove(uploader->spool, claim, &spool_error);
	} else if (err->kind == ERROR_REJECTED) {
		log_event(EVENT_SEGMENT_REJECTED, log_text("name", claim->name), log_reason(err));
		spool_result = spool_reject(uploader->spool, claim, &spool_error);
	} else {
		bool has_failed = !ret_receipt->has_advanced &&
				  !atomic_load(&worker->destination->cancel);

		spool_result = spool_release(uploader->spool, claim, has_failed, &spool_error);
	}
	if (spool_result < 0)
		log_event(EVENT_SEGMENT_NOT_REMOVED, log_text("name", claim->name),
			  log_reason(&spool_error));
	return result;
}
