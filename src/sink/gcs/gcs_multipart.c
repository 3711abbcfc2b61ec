/* SPDX-License-Identifier: Apache-2.0 */
/* A small object and its metadata in one request (RFC 2387). */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sink/gcs/gcs.h"

#define BOUNDARY "kube-node-tracer-"

int gcs_send_multipart(struct gcs_upload *upload, bool *ret_was_there, struct error *err)
{
	const struct sink *sink = upload->worker->sink;
	const struct sink_object *object = upload->object;
	cleanup_free char *resource = gcs_format_resource(object, upload->name,
							  sink->storage_class);
	cleanup_free char *url = gcs_upload_url(sink->base_url, sink->bucket, "multipart");
	char boundary[sizeof BOUNDARY + TEXT_UUID_LENGTH];
	cleanup_free char *head = NULL;
	cleanup_free char *tail = NULL;
	char type[128];
	const char *headers[] = { type, NULL };
	struct http_request request = {
		.method = "POST",
		.url = url,
		.headers = headers,
		.fd = object->fd,
		.file_bytes = object->bytes,
	};
	struct gcs_session worst = upload->session;
	struct http_reply reply;
	enum gcs_outcome outcome;

	(void)snprintf(boundary, sizeof boundary, BOUNDARY);
	text_make_uuid(boundary + strlen(BOUNDARY));
	(void)snprintf(type, sizeof type, "Content-Type: multipart/related; boundary=%s", boundary);
	head = mem_printf("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
			  "--%s\r\nContent-Type: %s\r\n\r\n",
			  boundary, resource, boundary, object->content_type);
	tail = mem_printf("\r\n--%s--\r\n", boundary);
	request.head = head;
	request.head_bytes = strlen(head);
	request.tail = tail;
	request.tail_bytes = strlen(tail);

	*ret_was_there = false;
	/* If this process ends now, an older state must not mislead the next attempt; without one, it assumes the worst. */
	worst.may_be_there = true;
	if (upload->is_saved)
		gcs_session_save(upload, &worst);
	outcome = gcs_send_request(upload->worker, GCS_MULTIPART, &request, &reply, err);
	if (gcs_may_have_landed(&reply))
		upload->session.may_be_there = true;
	if (outcome == GCS_MISMATCH)
		gcs_explain_mismatch(upload, err);
	if (outcome == GCS_DONE && gcs_verify(upload, &reply, err) == 0)
		return 0;
	*ret_was_there = outcome == GCS_EXISTS;
	return outcome == GCS_EXISTS ? gcs_verify_existing(upload, err) : -1;
}
