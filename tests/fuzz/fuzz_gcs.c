/* SPDX-License-Identifier: Apache-2.0 */
/* What a storage server answers: resources, ranges, listings, and errors that end in a log line. */
#include "fuzz.h"
#include "http/redact.h"
#include "sink/gcs/gcs_read.h"

/* A message may be logged: no session's id, with which its object can be written, and nothing like a token. */
static void require_no_secret(const char *message)
{
	static const char of_tokens[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-._~+%=";
	static const char key[] = "upload_id=";

	for (const char *p = message; (p = strstr(p, key)); p += strlen(key))
		fuzz_require(!p[strlen(key)] || strchr(" &\"'<>,;)}(", p[strlen(key)]));
	for (const char *p = message; *p; p += strcspn(p, of_tokens)) {
		size_t length = strspn(p, of_tokens);

		fuzz_require(length <= 64);
		p += length;
	}
}

/* What a page told of its objects, as a checksum of all of it. */
struct told {
	struct gcs_page page;
	char last[SINK_NAME_MAX + 1];
	uint64_t sum;
	char *token;
	bool is_good;
};

static void add_text(struct told *told, const char *text)
{
	do
		told->sum = told->sum * 31 + (unsigned char)*text;
	while (*text++);
}

static void add_field(void *context, const char *key, const char *value)
{
	add_text(context, key);
	add_text(context, value);
	for (const char *p = value; *p; p++)
		fuzz_require((unsigned char)*p >= ' ' && *p != 0x7f);
}

static bool add_item(void *context, const struct sink_item *item)
{
	struct told *told = context;
	char bytes[SEGMENT_METADATA_MAX];
	struct text text = text_over(bytes, sizeof bytes);
	struct segment segment;
	struct error err;

	fuzz_require(sink_is_name(item->name) && strcmp(item->name, told->last) > 0);
	(void)snprintf(told->last, sizeof told->last, "%s", item->name);
	fuzz_require(item->version[strspn(item->version, "0123456789")] == '\0');
	add_text(told, item->name);
	add_text(told, item->storage_class);
	told->sum += item->bytes;
	if (item->segment) {
		segment_each_field(item->segment, add_field, told);
		/* It can be written down, and read again. */
		segment_encode(item->segment, &text);
		fuzz_require(!text.is_cut && segment_decode(bytes, &segment, &err) == 0);
	}
	return true;
}

static void read_page(struct told *told, const struct sink_list *what, const uint8_t *bytes,
		      size_t size, size_t piece)
{
	struct gcs_page *page = &told->page;

	/* Its text is large, and need not be zero. */
	memset(page, 0, offsetof(struct gcs_page, text));
	told->last[0] = '\0';
	told->sum = 0;
	told->token = NULL;
	page->what = what;
	page->visit = add_item;
	page->context = told;
	gcs_page_begin(page);
	for (size_t done = 0; done < size; done += piece) {
		size_t length = size - done < piece ? size - done : piece;

		if (!gcs_page_add(page, (const char *)bytes + done, length))
			break;
	}
	told->is_good = gcs_page_end(page, &told->token);
	fuzz_require(told->is_good == !page->problem);
	fuzz_require(page->length <= sizeof page->text);
}

/* However the bytes arrive, they tell the same. */
static void read_pages(const uint8_t *bytes, size_t size)
{
	static const struct sink_list what = { "", "", "", 0 };
	static struct told whole, pieces;

	read_page(&whole, &what, bytes, size, size + 1);
	read_page(&pieces, &what, bytes, size, 1);
	fuzz_require(whole.sum == pieces.sum && whole.is_good == pieces.is_good);
	fuzz_require(whole.page.visited == pieces.page.visited);
	fuzz_require(!whole.token == !pieces.token);
	fuzz_require(!whole.token || strcmp(whole.token, pieces.token) == 0);
	free(whole.token);
	free(pieces.token);
}

static const long statuses[] = {
	0, 200, 308, 400, 401, 403, 404, 405, 410, 412, 416, 429, 499, 503
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	cleanup_free char *body = fuzz_text(bytes, size);
	cleanup_secret char *secrets = NULL;
	char encoded[GCS_CRC32C_LENGTH + 1];
	struct gcs_resource resource = { 0 };
	struct gcs_problem problem = { 0 };
	uint64_t persisted;
	uint32_t crc32c;

	read_pages(bytes, size);
	if (gcs_parse_resource(body, &resource))
		fuzz_require(memchr(resource.id, '\0', sizeof resource.id));
	(void)gcs_parse_range(body, &persisted);
	(void)gcs_is_content_range(body, 5, 9);
	if (gcs_parse_crc32c(body, &crc32c)) {
		gcs_format_crc32c(crc32c, encoded);
		fuzz_require(strcmp(encoded, body) == 0);
	}
	secrets = redact_collect(NULL, "", body, NULL);
	gcs_parse_problem(&(struct http_reply){ .body = body, .secrets = secrets }, &problem);
	fuzz_require(memchr(problem.reason, '\0', sizeof problem.reason));
	fuzz_require(memchr(problem.message, '\0', sizeof problem.message));
	require_no_secret(problem.message);
	require_no_secret(problem.reason);
	/* The words matter to these; the unit tests ask about all of them. */
	for (int phase = GCS_MULTIPART; phase < GCS_PHASE_COUNT; phase++)
		for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
			fuzz_require(gcs_decide((enum gcs_phase)phase, statuses[i], false, &problem)
					     ->outcome <= GCS_REFUSED);
	return 0;
}
