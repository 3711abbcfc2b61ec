/* SPDX-License-Identifier: Apache-2.0 */
/* Whose is an existing object, and does it have our bytes? */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "sink/gcs/gcs.h"

#define MISMATCHES_MAX 3 /* after that, this network will never carry the segment whole */

static bool has_our_bytes(const struct gcs_resource *resource, const struct sink_object *object)
{
	return resource->bytes == object->bytes && resource->crc32c == object->crc32c;
}

/* Another node of our name may have recorded the same bytes: an empty segment of the same time. */
static bool has_our_id(const struct gcs_resource *resource, const struct sink_object *object)
{
	const char *our_id = object->segment->id;

	return !our_id[0] || strcmp(resource->id, our_id) == 0;
}

/* Delete an object, but only the generation that we made. */
static bool delete_object(const struct gcs_upload *upload, uint64_t generation)
{
	const struct sink *sink = upload->worker->sink;
	cleanup_free char *query = mem_printf("ifGenerationMatch=%" PRIu64, generation);
	cleanup_free char *url = gcs_object_url(sink->base_url, sink->bucket, upload->name, query);
	const struct http_request request = { .method = "DELETE", .url = url, .fd = -1 };
	struct http_reply reply;
	struct error err;

	return generation > 0 &&
	       gcs_send_request(upload->worker, GCS_DELETE, &request, &reply, &err) == GCS_DONE;
}

int gcs_verify(struct gcs_upload *upload, const struct http_reply *reply, struct error *err)
{
	const char *bucket = upload->worker->sink->bucket;
	const struct sink_object *object = upload->object;
	struct gcs_resource resource;

	if (!gcs_parse_resource(reply->body, &resource))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: the server said %ld without proof of size and CRC32C",
				 bucket, reply->status);
	upload->is_done = has_our_bytes(&resource, object);
	if (upload->is_done)
		return has_our_id(&resource, object) ? 0 : gcs_verify_existing(upload, err);
	/* The object that we created is known and is damaged: any other of this name is not ours. */
	upload->session.may_be_there = upload->session.may_have_made = false;
	gcs_session_forget(&upload->session);
	if (delete_object(upload, resource.generation))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: %s arrived damaged and was deleted there", bucket,
				 upload->name);
	return error_set(err, ERROR_REJECTED,
			 "bucket %s: %s arrived damaged (%" PRIu64 " of %" PRIu64
			 " bytes) and could not be deleted there",
			 bucket, upload->name, resource.bytes, object->bytes);
}

int gcs_explain_mismatch(struct gcs_upload *upload, struct error *err)
{
	const struct sink_object *object = upload->object;
	bool is_last = ++upload->session.mismatches >= MISMATCHES_MAX;
	uint32_t crc32c;

	gcs_session_forget(&upload->session);
	if (file_checksum(object->fd, &crc32c, err) < 0) {
		err->kind = ERROR_TRANSIENT;
		return -1;
	}
	if (crc32c != object->crc32c)
		return error_set(
			err, ERROR_REJECTED,
			"the segment was damaged in the spool: its CRC32C is %08x, not %08x",
			crc32c, object->crc32c);
	err->kind = is_last ? ERROR_REJECTED : ERROR_TRANSIENT;
	return error_wrap(err, "the bytes were changed on the way (%" PRIu64 " of %d times)",
			  upload->session.mismatches, MISMATCHES_MAX);
}

/* It exists, and we may not look: all we know is whether we may have created it. */
static int guess_owner(struct gcs_upload *upload, struct error *err)
{
	struct sink *sink = upload->worker->sink;

	if (!upload->session.may_be_there)
		return error_set(err, ERROR_REJECTED,
				 "bucket %s: %s exists, though we never sent it; nothing is "
				 "overwritten",
				 sink->bucket, upload->name);
	log_warning("object already exists and cannot be read; assuming it is ours because an "
		    "earlier upload got no response",
		    log_text("bucket", sink->bucket), log_text("object", upload->name),
		    log_text("remedy", "grant " GCS_READ));
	upload->is_done = upload->was_there = true;
	return 0;
}

int gcs_verify_existing(struct gcs_upload *upload, struct error *err)
{
	struct sink *sink = upload->worker->sink;
	bool is_proved = upload->is_done;
	cleanup_free char *url = gcs_object_url(sink->base_url, sink->bucket, upload->name, NULL);
	const struct http_request request = { .method = "GET", .url = url, .fd = -1 };
	struct http_reply reply;
	struct gcs_resource resource;
	enum gcs_outcome outcome = gcs_send_request(upload->worker, GCS_METADATA, &request, &reply,
						    err);

	gcs_session_forget(&upload->session);
	upload->is_done = false;
	if (outcome == GCS_HIDDEN) {
		atomic_store(&sink->reading, GCS_READING_REFUSED);
		upload->is_done = is_proved;
		return is_proved ? 0 : guess_owner(upload, err);
	}
	if (outcome != GCS_DONE)
		return -1;
	if (!gcs_parse_resource(reply.body, &resource))
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: the server describes %s without size and CRC32C",
				 sink->bucket, upload->name);
	if (!has_our_bytes(&resource, upload->object) || !has_our_id(&resource, upload->object))
		return error_set(err, ERROR_REJECTED,
				 "bucket %s: %s exists with other content; nothing is overwritten",
				 sink->bucket, upload->name);
	upload->is_done = true;
	upload->was_there |= !is_proved;
	return 0;
}
