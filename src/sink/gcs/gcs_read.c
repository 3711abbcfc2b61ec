/* SPDX-License-Identifier: Apache-2.0 */
/* Lists objects, and reads bytes of them as they are stored. */
#include "sink/gcs/gcs_read.h"

#include <inttypes.h>
#include <string.h>

#include "base/mem.h"

#define PAGE_OBJECTS 1000 /* the service gives no more */
/* Pages without an object: those that were deleted lately take part in the count of a page. */
#define BARREN_MAX 100

static bool add_to_page(void *context, const char *bytes, size_t length)
{
	return gcs_page_add(context, bytes, length);
}

/* One page. *token: of this page, then of the next one, or NULL. */
static int list_page(struct sink_worker *worker, struct gcs_page *page, char **token,
		     struct error *err)
{
	const struct sink *sink = worker->sink;
	const struct sink_list *what = page->what;
	unsigned left = what->limit ? what->limit - page->visited : PAGE_OBJECTS;
	struct sink_list asked = *what;
	cleanup_free char *url = NULL, *old_token = take_ptr(*token);
	struct http_request request = {
		.method = "GET", .fd = -1, .on_body = add_to_page, .on_body_context = page
	};
	struct http_reply reply;

	asked.limit = left < PAGE_OBJECTS ? left : PAGE_OBJECTS;
	request.url = url = gcs_list_url(sink->base_url, sink->bucket, &asked, old_token);
	gcs_page_begin(page);
	if (gcs_send_request(worker, GCS_LIST, &request, &reply, err) != GCS_DONE)
		return -1;
	if (page->is_enough || gcs_page_end(page, token))
		return 0;
	/* Whoever goes on behind the last name, as after a failure that passes, would miss some. */
	return error_set(err, page->is_unsorted ? ERROR_CONFIG : ERROR_TRANSIENT,
			 "bucket %s: this is no listing of objects: %s", sink->bucket,
			 page->problem);
}

static int list_pages(struct sink_worker *worker, struct gcs_page *page, struct error *err)
{
	const unsigned limit = page->what->limit;
	cleanup_free char *token = NULL;
	unsigned barren = 0;

	do {
		cleanup_free char *last = mem_strdup(page->last);

		if (list_page(worker, page, &token, err) < 0)
			return -1;
		barren = strcmp(last, page->last) == 0 ? barren + 1 : 0;
		if (barren == BARREN_MAX)
			return error_set(err, ERROR_TRANSIENT,
					 "bucket %s: the listing has no end: %d pages without an "
					 "object",
					 worker->sink->bucket, BARREN_MAX);
	} while (token && !page->is_enough && (!limit || page->visited < limit));
	return 0;
}

/* A new operation of the worker. */
static void begin_operation(struct sink_worker *worker)
{
	text_make_uuid(worker->operation);
	worker->requests = 0;
}

int gcs_list(struct sink_worker *worker, const struct sink_list *what,
	     bool (*visit)(void *context, const struct sink_item *item), void *context,
	     unsigned *requests, struct error *err)
{
	const char *above = worker->sink->prefix;
	cleanup_free char *prefix = mem_printf("%s%s", above, what->prefix);
	cleanup_free char *from = mem_printf("%s%s", what->from[0] ? above : "", what->from);
	cleanup_free char *to = mem_printf("%s%s", what->to[0] ? above : "", what->to);
	const struct sink_list whole = {
		.prefix = prefix, .from = from, .to = to, .limit = what->limit
	};
	cleanup_free struct gcs_page *page = mem_calloc(1, sizeof *page);
	int result;

	page->what = &whole;
	page->above = strlen(above);
	page->visit = visit;
	page->context = context;
	begin_operation(worker);
	result = list_pages(worker, page, err);
	*requests += worker->requests;
	return result;
}

/* The bytes of an object that were asked for, as far as they came. */
struct media {
	uint8_t *out;
	size_t length, arrived;
	bool is_more;
};

static bool take_media(void *context, const char *bytes, size_t length)
{
	struct media *media = context;
	size_t room = media->length - media->arrived;

	media->is_more = length > room;
	if (media->is_more)
		length = room;
	memcpy(media->out + media->arrived, bytes, length);
	media->arrived += length;
	return !media->is_more;
}

/* Are these the bytes that were asked for? Whoever answers may not know ranges: a proxy, a bucket that unpacks. */
static int check_media(const struct sink *sink, const char *name, const char *version,
		       const struct http_reply *reply, uint64_t offset, const struct media *media,
		       struct error *err)
{
	const char *generation = http_reply_header(reply, "X-Goog-Generation");
	const char *range = http_reply_header(reply, "Content-Range");
	const uint64_t last = offset + media->length - 1;
	bool is_whole = media->arrived == media->length && !media->is_more;

	if (generation[0] && strcmp(generation, version) != 0)
		return error_set(err, ERROR_REJECTED,
				 "bucket %s: %s was replaced since it was listed", sink->bucket,
				 name);
	if (reply->status == 200 && offset == 0 && is_whole)
		return 0;
	if (reply->status != 206 || !gcs_is_content_range(range, offset, last))
		return error_set(err, ERROR_REJECTED,
				 "bucket %s: %s: the server, or a proxy on the way, gives no "
				 "ranges: it said %ld (%s) to bytes %" PRIu64 "-%" PRIu64,
				 sink->bucket, name, reply->status, range, offset, last);
	if (!is_whole)
		return error_set(err, ERROR_TRANSIENT,
				 "bucket %s: %s: got %s%zu bytes in place of %zu", sink->bucket,
				 name, media->is_more ? "more than " : "", media->arrived,
				 media->length);
	return 0;
}

/* The server's words are in err. */
static int explain_refusal(const char *name, const struct http_reply *reply, struct error *err)
{
	if (reply->status == 404)
		return error_wrap(err, "%s is gone, deleted or replaced since it was listed", name);
	if (reply->status == 416)
		return error_wrap(err, "%s has no such bytes", name);
	return error_wrap(err, "%s cannot be read", name);
}

int gcs_read(struct sink_worker *worker, const char *name, const char *version, uint64_t offset,
	     size_t length, uint8_t *out, struct error *err)
{
	const struct sink *sink = worker->sink;
	cleanup_free char *whole = mem_printf("%s%s", sink->prefix, name);
	/* An older generation may be there still, where the bucket keeps them. */
	cleanup_free char *query = mem_printf("alt=media&generation=%s", version);
	cleanup_free char *url = gcs_object_url(sink->base_url, sink->bucket, whole, query);
	cleanup_free char *range = mem_printf("Range: bytes=%" PRIu64 "-%" PRIu64, offset,
					      offset + length - 1);
	/* Says that we take packed bytes: without, the service unpacks some, and forgets ranges. */
	const char *const headers[] = { range, "Accept-Encoding: gzip", NULL };
	struct media media = { .out = out, .length = length };
	const struct http_request request = { .method = "GET",
					      .url = url,
					      .headers = headers,
					      .fd = -1,
					      .on_body = take_media,
					      .on_body_context = &media };
	enum gcs_outcome outcome;
	struct http_reply reply;
	uint64_t number;

	if (length == 0)
		return 0;
	if (text_parse_number(version, &number) < 0)
		return error_set(err, ERROR_REJECTED, "bucket %s: %s: \"%s\" is no generation",
				 sink->bucket, name, version);
	begin_operation(worker);
	outcome = gcs_send_request(worker, GCS_MEDIA, &request, &reply, err);
	if (outcome == GCS_REFUSED)
		return explain_refusal(name, &reply, err);
	return outcome == GCS_DONE ? check_media(sink, name, version, &reply, offset, &media, err)
				   : -1;
}
