/* SPDX-License-Identifier: Apache-2.0 */
/* The GCS sink as a search uses it: pages of a listing, bytes of an object, and what comes in their place. */
#include <jansson.h>

#include "unit.h"

#include "http_fixture.h"
#include "sink/gcs/gcs_read.h"
#include "sink/sink.h"

#define MESSAGE(m)     "{\"error\":{\"code\":0,\"message\":\"" m "\"}}"
#define OK(body)       REPLY("200 OK", "Content-Type: application/json\r\n", body)
#define ITEM_TAIL      "\"size\":\"9\",\"generation\":\"17\",\"storageClass\":\"NEARLINE\"}"
#define ITEM(name)     "{\"name\":\"" name "\"," ITEM_TAIL
#define PAGE(...)      "{\"items\":[" __VA_ARGS__ "]}"
#define FIELDS         "fields=items(name,size,generation,metadata,storageClass),nextPageToken"
#define SEEN_MAX       64
#define SCRIPT_MAX     16
#define OBJECT         "node-1/a_1.pcap.gz"
#define OBJECT_IN_PATH "/storage/v1/b/bucket/o/top%2Fnode-1%2Fa_1.pcap.gz"

/* -- the texts -------------------------------------------------------------------------------- */

static void test_list_urls(void **state)
{
	const struct sink_list all = { "", "", "", 1000 };
	const struct sink_list window = { "p/n 1", "p/n 1/a+", "p/n 1/\xc3\xa4&b=", 7 };
	cleanup_free char *first = gcs_list_url("http://h", "b", &all, NULL);
	cleanup_free char *later = gcs_list_url("http://h", "b", &window, "a/b=");

	(void)state;
	assert_string_equal(first, "http://h/storage/v1/b/b/o?" FIELDS "&maxResults=1000");
	assert_string_equal(later, "http://h/storage/v1/b/b/o?" FIELDS "&maxResults=7"
				   "&prefix=p%2Fn%201&startOffset=p%2Fn%201%2Fa%2B"
				   "&endOffset=p%2Fn%201%2F%C3%A4%26b%3D&pageToken=a%2Fb%3D");
}

static void test_content_ranges(void **state)
{
	static const char *const bad[] = { "",
					   "bytes 5-9",
					   "bytes 5-9/",
					   "bytes 5-9/9",
					   "bytes 5-9/x",
					   "bytes 5-9/100x",
					   "bytes 5-8/100",
					   "bytes 4-9/100",
					   "bytes 5-90/100",
					   "bytes=5-9/100",
					   "bytes */100",
					   " bytes 5-9/100" };

	(void)state;
	assert_true(gcs_is_content_range("bytes 5-9/100", 5, 9));
	assert_true(gcs_is_content_range("bytes 5-9/10", 5, 9));
	assert_true(gcs_is_content_range("bytes 5-9/*", 5, 9));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (gcs_is_content_range(bad[i], 5, 9))
			fail_msg("%s", bad[i]);
}

/* The words matter to some: all others are as of GCS, or as of somebody on the way. */
static void test_decisions(void **state)
{
	static const struct {
		long status;
		const char *message; /* "": not of GCS */
		enum gcs_outcome list, media;
	} cases[] = {
		{ 200, "", GCS_DONE, GCS_DONE },
		{ 206, "", GCS_DONE, GCS_DONE },
		{ 304, "", GCS_RETRY, GCS_RETRY },
		{ 308, "", GCS_RETRY, GCS_RETRY },
		{ 302, "", GCS_RETRY, GCS_RETRY },
		{ 400, "Invalid argument", GCS_SETUP, GCS_REFUSED },
		{ 400, "", GCS_RETRY, GCS_RETRY },
		{ 400, "Bucket is a requester pays bucket but no user project provided.", GCS_SETUP,
		  GCS_SETUP },
		{ 400, "cloudKmsKeyDisabled", GCS_SETUP, GCS_REFUSED },
		{ 401, "Invalid Credentials", GCS_LOGIN, GCS_LOGIN },
		{ 401, "", GCS_LOGIN, GCS_LOGIN },
		{ 403, "x does not have storage.objects.list access", GCS_SETUP, GCS_SETUP },
		{ 403, "x does not have storage.objects.get access", GCS_SETUP, GCS_SETUP },
		{ 403, "cloudKmsPermissionDenied", GCS_SETUP, GCS_REFUSED },
		{ 403, "rateLimitExceeded", GCS_RETRY, GCS_RETRY },
		{ 403, "The billing account is disabled", GCS_SETUP, GCS_SETUP },
		{ 403, "", GCS_RETRY, GCS_RETRY },
		{ 404, "The specified bucket does not exist.", GCS_SETUP, GCS_SETUP },
		{ 404, "No such object: bucket/x", GCS_SETUP, GCS_REFUSED },
		{ 404, "", GCS_RETRY, GCS_RETRY },
		{ 405, "methodNotAllowed", GCS_RETRY, GCS_RETRY },
		{ 407, "", GCS_RETRY, GCS_RETRY },
		{ 408, "", GCS_RETRY, GCS_RETRY },
		{ 410, "gone", GCS_RETRY, GCS_RETRY },
		{ 412, "conditionNotMet", GCS_RETRY, GCS_RETRY },
		{ 413, "uploadTooLarge", GCS_RETRY, GCS_RETRY },
		{ 416, "The requested range cannot be satisfied.", GCS_RETRY, GCS_REFUSED },
		{ 416, "", GCS_RETRY, GCS_REFUSED },
		{ 429, "rateLimitExceeded", GCS_RETRY, GCS_RETRY },
		{ 451, "legal", GCS_SETUP, GCS_SETUP },
		{ 499, "", GCS_RETRY, GCS_RETRY },
		{ 500, "", GCS_RETRY, GCS_RETRY },
		{ 503, "backendError", GCS_RETRY, GCS_RETRY },
		{ HTTP_NOT_CONNECTED, "", GCS_RETRY, GCS_RETRY },
		{ HTTP_BROKEN_OFF, "", GCS_RETRY, GCS_RETRY },
		{ HTTP_NOT_TRUSTED, "", GCS_SETUP, GCS_SETUP },
		{ HTTP_STOPPED, "", GCS_RETRY, GCS_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gcs_problem problem = { .is_explained = cases[i].message[0] != '\0' };

		(void)snprintf(problem.message, sizeof problem.message, "%s", cases[i].message);
		if (gcs_decide(GCS_LIST, cases[i].status, false, &problem)->outcome !=
			    (int)cases[i].list ||
		    gcs_decide(GCS_MEDIA, cases[i].status, false, &problem)->outcome !=
			    (int)cases[i].media)
			fail_msg("case %zu: %ld", i, cases[i].status);
	}
}

/* -- pages ------------------------------------------------------------------------------------ */

struct seen {
	struct {
		char name[SINK_NAME_MAX + 1];
		char version[SINK_VERSION_MAX], storage_class[64];
		uint64_t bytes;
		bool has_segment;
		struct segment segment;
	} list[SEEN_MAX];
	size_t count, stop_after; /* 0: never */
};

static bool see_item(void *context, const struct sink_item *item)
{
	struct seen *seen = context;

	assert_true(seen->count < SEEN_MAX);
	(void)snprintf(seen->list[seen->count].name, SINK_NAME_MAX + 1, "%s", item->name);
	(void)snprintf(seen->list[seen->count].version, SINK_VERSION_MAX, "%s", item->version);
	(void)snprintf(seen->list[seen->count].storage_class, 64, "%s", item->storage_class);
	seen->list[seen->count].bytes = item->bytes;
	seen->list[seen->count].has_segment = item->segment != NULL;
	if (item->segment)
		seen->list[seen->count].segment = *item->segment;
	seen->count++;
	return seen->count != seen->stop_after;
}

static bool count_item(void *context, const struct sink_item *item)
{
	struct seen *seen = context;

	(void)item;
	seen->count++;
	return true;
}

static const struct sink_list everything = { "", "", "", 0 };

static struct gcs_page *make_page(struct seen *seen)
{
	struct gcs_page *page = mem_calloc(1, sizeof *page);

	seen->count = 0;
	page->what = &everything;
	page->visit = see_item;
	page->context = seen;
	gcs_page_begin(page);
	return page;
}

/* Read a page in pieces of random length. NULL: good; otherwise the problem. */
static const char *read_page(struct seen *seen, const char *text, char **ret_token)
{
	cleanup_free struct gcs_page *page = make_page(seen);
	cleanup_free char *token = NULL;
	size_t length = strlen(text);
	bool is_good;

	for (size_t done = 0, piece; done < length; done += piece) {
		uint8_t random;

		unit_random(&random, sizeof random);
		piece = (size_t)random % 7 + 1;
		if (piece > length - done)
			piece = length - done;
		if (!gcs_page_add(page, text + done, piece))
			break;
	}
	is_good = gcs_page_end(page, &token);
	assert_int_equal(is_good, page->problem == NULL);
	if (ret_token)
		*ret_token = take_ptr(token);
	return page->problem;
}

static void test_pages_are_read(void **state)
{
	static const struct {
		const char *text, *names, *token;
	} cases[] = {
		{ "{}", "", NULL },
		{ "{\"kind\":\"storage#objects\"}", "", NULL },
		{ "{\"items\":[]}", "", NULL },
		{ PAGE(ITEM("a") "," ITEM("b/c")), "a b/c", NULL },
		{ " {\n  \"nextPageToken\": \"x \\\" y\",\r\n\t\"items\" : [ " ITEM(
			  "a") " \n,\n " ITEM("b") " ] }\n",
		  "a b", "x \" y" },
		{ "{\"items\":[" ITEM("a") "],\"nextPageToken\":\"\"}", "a", NULL },
		{ "{\"items\":[" ITEM("a") "],\"nextPageToken\":\"t\"}", "a", "t" },
		{ "{\"prefixes\":[\"x/\"],\"other\":[{\"name\":\"y\"}],\"items\":[" ITEM("a") "]}",
		  "a", NULL },
		{ "{\"o\":{\"items\":[" ITEM("x") "]},\"items\":[" ITEM("a") "]}", "a", NULL },
		/* What looks like the outline, within. */
		{ PAGE("{\"name\":\"}]{[\\\"\\\\\",\"metadata\":{\"items\":\"[{\"}," ITEM_TAIL),
		  "}]{[\"\\", NULL },
		{ PAGE("{\"items\":[{\"name\":\"x\"}],\"name\":\"a\"," ITEM_TAIL), "a", NULL },
		/* Names that no terminal or file should get; their neighbours are told. */
		{ PAGE(ITEM("a") "," ITEM("a\\u0000b") "," ITEM("a\\nb") "," ITEM(
			  "a\xc2\x85") "," ITEM("a\\u007f") "," ITEM("") "," ITEM("b")),
		  "a b", NULL },
		{ PAGE(ITEM("a\\\\u0000")), "a\\u0000", NULL },
	};
	static struct seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *token = NULL;
		const char *problem = read_page(&seen, cases[i].text, &token);
		char bytes[256];
		struct text names = text_over(bytes, sizeof bytes);

		if (problem)
			fail_msg("case %zu: %s", i, problem);
		for (size_t j = 0; j < seen.count; j++)
			text_append(&names, "%s%s", j ? " " : "", seen.list[j].name);
		assert_string_equal(bytes, cases[i].names);
		if (cases[i].token)
			assert_string_equal(token, cases[i].token);
		else
			assert_null(token);
	}
	assert_null(read_page(&seen, PAGE(ITEM("a")), NULL));
	assert_int_equal(seen.list[0].bytes, 9);
	assert_string_equal(seen.list[0].version, "17");
	assert_string_equal(seen.list[0].storage_class, "NEARLINE");
	assert_false(seen.list[0].has_segment);
	assert_null(read_page(&seen,
			      PAGE("{\"name\":\"a\",\"size\":\"0\",\"generation\":\"1\","
				   "\"storageClass\":\"a\\nb\"}"),
			      NULL));
	assert_string_equal(seen.list[0].storage_class, "");
}

static void test_what_is_no_page(void **state)
{
	static const struct {
		const char *text, *problem;
		size_t seen;
	} cases[] = {
		{ "", "not JSON of", 0 },
		{ "[]", "not JSON of", 0 },
		{ "7", "not JSON of", 0 },
		{ "[\"items\":[" ITEM("a") "]]", "not JSON of", 0 },
		{ "<html><body>Log in</body></html>", "not JSON of", 0 },
		{ "}", "it is not JSON", 0 },
		{ "{\"items\":[" ITEM("a"), "not JSON of", 1 },
		{ "{\"items\":[" ITEM("a") "],\"nextPageToken\":\"x", "not JSON of", 1 },
		{ "{\"items\":[" ITEM("a") "],\"nextPageToken\":7}", "not JSON of", 1 },
		{ "{\"items\":{\"name\":\"a\"}}", "not JSON of", 0 },
		{ PAGE(ITEM("a") ITEM("b")), "not JSON of", 2 },
		{ "{\"items\":[{\"name\":\"a\"]}]}", "not JSON", 0 },
		{ PAGE("{\"name\":\"a\",\"name\":}"), "not JSON", 0 },
		{ PAGE("{\"name\":\"a\xff\"," ITEM_TAIL), "not JSON", 0 },
		{ PAGE("{}"), "no name, size", 0 },
		{ PAGE("{\"name\":\"a\",\"size\":\"1\"}"), "no name, size", 0 },
		{ PAGE("{\"name\":\"a\",\"generation\":\"1\"}"), "no name, size", 0 },
		{ PAGE("{\"name\":\"a\",\"size\":1,\"generation\":\"1\"}"), "no name, size", 0 },
		{ PAGE("{\"name\":\"a\",\"size\":\"-1\",\"generation\":\"1\"}"), "no name, size",
		  0 },
		{ PAGE("{\"name\":\"a\",\"size\":\"1\",\"generation\":\"1&x\"}"), "no name, size",
		  0 },
		{ PAGE(ITEM("b") "," ITEM("a")), "order", 1 },
		{ PAGE(ITEM("a") "," ITEM("a")), "order", 1 },
		{ PAGE(ITEM("a/b") "," ITEM("a-b")), "order", 1 },
		/* As bytes, not as characters of a language. */
		{ PAGE(ITEM("\xc3\xa4") "," ITEM("b")), "order", 1 },
	};
	static struct seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *problem = read_page(&seen, cases[i].text, NULL);

		if (!problem || !strstr(problem, cases[i].problem) || seen.count != cases[i].seen)
			fail_msg("case %zu: %s, %zu seen", i, problem, seen.count);
	}
}

/* A text of so many characters; the caller frees. */
static char *repeat(const char *text, size_t times)
{
	size_t length = strlen(text);
	char *out = mem_alloc(times * length + 1);

	for (size_t i = 0; i < times; i++)
		memcpy(out + i * length, text, length);
	out[times * length] = '\0';
	return out;
}

static void test_pages_are_bounded(void **state)
{
	static struct seen seen;
	cleanup_free char *longest = repeat("x", 1024);
	cleanup_free char *name_page = mem_printf(PAGE("{\"name\":\"%s\"," ITEM_TAIL), longest);
	cleanup_free char *long_page = mem_printf(PAGE("{\"name\":\"%sx\"," ITEM_TAIL), longest);
	/* As much as there can be, in the longest spelling. */
	cleanup_free char *values = repeat("\\u0026", 8000);
	cleanup_free char *largest =
		mem_printf(PAGE("{\"name\":\"a\",\"metadata\":{\"x\":\"%s\"}," ITEM_TAIL), values);
	cleanup_free char *huge = repeat("x", GCS_PAGE_MAX);
	cleanup_free char *huge_page =
		mem_printf(PAGE("{\"name\":\"a\",\"metadata\":{\"x\":\"%s\"}," ITEM_TAIL), huge);
	cleanup_free char *token = repeat("t", 5000);
	cleanup_free char *token_page = mem_printf("{\"nextPageToken\":\"%s\"}", token);
	cleanup_free char *deep = repeat("[", 50000);
	cleanup_free char *deep_page = mem_printf("{\"items\":[{\"x\":%s", deep);

	(void)state;
	assert_null(read_page(&seen, name_page, NULL));
	assert_int_equal(seen.count, 1);
	assert_string_equal(seen.list[0].name, longest);
	assert_null(read_page(&seen, long_page, NULL));
	assert_int_equal(seen.count, 0);
	assert_null(read_page(&seen, largest, NULL));
	assert_int_equal(seen.count, 1);
	assert_string_equal(read_page(&seen, huge_page, NULL), "it is too large");
	assert_string_equal(read_page(&seen, huge, NULL), "it is not JSON of Cloud Storage");
	assert_non_null(strstr(read_page(&seen, token_page, NULL), "too long"));
	assert_non_null(read_page(&seen, deep_page, NULL));
	assert_int_equal(seen.count, 0);
}

/* A page may be as large as it likes: only one object of it is kept. */
static void test_a_page_of_many_megabytes(void **state)
{
	static struct seen seen;
	cleanup_free struct gcs_page *page = make_page(&seen);
	cleanup_free char *value = repeat("v", 8000), *token = NULL;
	static const struct sink_list some = { "object-0099", "", "", 0 };

	(void)state;
	page->what = &some;
	assert_true(gcs_page_add(page, "{\"items\": [", 11));
	for (unsigned i = 0; i < 1000; i++) {
		cleanup_free char *item = mem_printf(
			"%s{\"name\":\"object-%05u\",\"metadata\":{\"x\":\"%s\"}," ITEM_TAIL,
			i ? "," : "", i, value);

		assert_true(gcs_page_add(page, item, strlen(item)));
		assert_true(page->length < 8192);
	}
	assert_true(gcs_page_add(page, "]}", 2));
	assert_true(gcs_page_end(page, &token));
	assert_int_equal(seen.count, 10);
	assert_string_equal(page->last, "object-00999");
}

/* -- metadata --------------------------------------------------------------------------------- */

/* What the uploader sends is what a search finds. */
static void test_metadata_there_and_back(void **state)
{
	static struct seen seen;
	const struct segment segment = { .node = "node-1",
					 .interface = "eth0",
					 .link_type = "EN10MB",
					 .filter = "tcp port 443 and \"x\"",
					 .reason = "age",
					 .clock = "synchronized",
					 .interfaces = "eth0 eth1",
					 .id = "01234567-89ab-4cde-8f01-23456789abcd",
					 .sequence = 42,
					 .snaplen = 96,
					 .start_ns = 1795422600123000000,
					 .end_ns = 1795422900123000001,
					 .earliest_ns = 1795422600123000002,
					 .latest_ns = 1795422900123000000,
					 .since_ns = 1795422000000000000,
					 .previous = 41,
					 .max_age_s = 300,
					 .packets = 12345,
					 .packets_own = 6,
					 .pcap_bytes = 789,
					 .drops.count = { 1, 2, 3, 4 },
					 .bytes = 5000,
					 .crc32c = 0x00abcdef,
					 .index = "1:2000:300",
					 .attachments = "pod=a b\n" };
	const struct sink_object object = { .name = OBJECT, .bytes = 5000, .segment = &segment };
	cleanup_free char *resource = gcs_format_resource(&object, OBJECT, NULL);
	json_t *root = json_loads(resource, 0, NULL);
	cleanup_free char *metadata = json_dumps(json_object_get(root, "metadata"),
						 JSON_COMPACT | JSON_SORT_KEYS);
	cleanup_free char *page =
		mem_printf(PAGE("{\"name\":\"" OBJECT "\",\"metadata\":%s," ITEM_TAIL), metadata);

	(void)state;
	json_decref(root);
	assert_null(read_page(&seen, page, NULL));
	assert_int_equal(seen.count, 1);
	assert_true(seen.list[0].has_segment);
	assert_memory_equal(&seen.list[0].segment, &segment, sizeof segment);
}

#define OURS                                                                                 \
	"\"start\":\"2026-11-23T08:30:00Z\",\"end\":\"\",\"first\":\"\",\"last\":\"\",\"pac" \
	"kets\":\"5\""

static void test_metadata_of_others(void **state)
{
	static const struct {
		const char *metadata;
		bool is_ours;
	} cases[] = {
		{ "{" OURS "}", true },
		{ "{" OURS ",\"colour\":\"red\"}", true },
		{ "{" OURS ",\"Bad Key\":\"x\",\"node\":\"a\\nrejected=1\"}", true },
		{ "{" OURS ",\"nul\":\"a\\u0000b\",\"\\u0000\":\"x\"}", true },
		{ "{}", false },
		{ "7", false },
		{ "null", false },
		{ "[" OURS "]", false }, /* no JSON */
		{ "{\"colour\":\"red\"}", false },
		{ "{\"packets\":\"5\",\"start\":\"2026-11-23T08:30:00Z\"}", false },
		{ "{" OURS ",\"snaplen\":96}", false },
		{ "{" OURS ",\"snaplen\":{}}", false },
		{ "{" OURS ",\"snaplen\":\"all\"}", false },
		{ "{" OURS ",\"since\":\"yesterday\"}", false },
	};
	static struct seen seen;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *page = mem_printf(
			PAGE("{\"name\":\"a\",\"metadata\":%s," ITEM_TAIL), cases[i].metadata);
		const char *problem = read_page(&seen, page, NULL);

		if (cases[i].metadata[0] == '[') {
			assert_non_null(problem);
			continue;
		}
		if (problem || seen.count != 1 || seen.list[0].has_segment != cases[i].is_ours)
			fail_msg("case %zu: %s", i, problem ? problem : cases[i].metadata);
		if (!cases[i].is_ours)
			continue;
		assert_int_equal(seen.list[0].segment.packets, 5);
		assert_int_equal(seen.list[0].segment.is_rejected, 0);
		assert_null(strchr(seen.list[0].segment.node, '\n'));
	}
}

/* -- conversations ---------------------------------------------------------------------------- */

struct fixture {
	struct conf conf;
	struct connections *connections;
	atomic_bool cancel;
	struct counters counters;
	struct sink *sink;
	struct sink_worker *worker;
	struct server server;
	const char *replies[SCRIPT_MAX];
	size_t reply_count;
	unsigned requests;
	struct seen seen;
	struct error err;
};

static int setup(void **state)
{
	static char destination[] = "gs://bucket/top";
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	struct sink_context context = { .conf = &fixture->conf,
					.counters = &fixture->counters,
					.cancel = &fixture->cancel };
	char host[32];

	http_fixture_environment();
	http_fixture_conf(&fixture->conf);
	fixture->conf.upload_destination = destination;
	fixture->conf.upload_stall_timeout = 2;
	context.connections = fixture->connections = connections_new();
	server_start(&fixture->server, fixture->replies, 0);
	(void)snprintf(host, sizeof host, "127.0.0.1:%u", fixture->server.port);
	setenv("STORAGE_EMULATOR_HOST", host, 1);
	*state = fixture;
	return sink_open(&context, &fixture->sink, &fixture->err) < 0
		       ? -1
		       : sink_ops(fixture->sink)
				 ->worker_open(fixture->sink, &fixture->worker, &fixture->err);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sink_ops(fixture->sink)->worker_close(fixture->worker);
	sink_close(fixture->sink);
	server_stop(&fixture->server);
	connections_free(fixture->connections);
	free(fixture);
	return 0;
}

/* The server answers these from now on. */
static void script(struct fixture *fixture, const char *const *replies, size_t count)
{
	assert_true(count <= SCRIPT_MAX);
	server_forget(&fixture->server);
	for (size_t i = 0; i < count; i++)
		fixture->replies[i] = replies[i];
	fixture->server.reply_count = fixture->reply_count = count;
}
#define SCRIPT(fixture, ...)                                  \
	script(fixture, (const char *const[]){ __VA_ARGS__ }, \
	       COUNT_OF(((const char *const[]){ __VA_ARGS__ })))

static void expect_all_asked(struct fixture *fixture)
{
	if (atomic_load(&fixture->server.count) != fixture->reply_count)
		fail_msg("%zu requests, not %zu: %s", atomic_load(&fixture->server.count),
			 fixture->reply_count, fixture->err.message);
}

static int list_objects(struct fixture *fixture, struct sink_list what)
{
	unsigned requests = 100;
	int result;

	fixture->seen.count = 0;
	result = sink_ops(fixture->sink)
			 ->list(fixture->worker, &what, see_item, &fixture->seen, &requests,
				&fixture->err);
	expect_all_asked(fixture);
	assert_int_equal(requests, 100 + fixture->reply_count);
	return result;
}

static void expect_listed(struct fixture *fixture, struct sink_list what, const char *names)
{
	char bytes[512];
	struct text text = text_over(bytes, sizeof bytes);

	if (list_objects(fixture, what) < 0)
		fail_msg("%s", fixture->err.message);
	for (size_t i = 0; i < fixture->seen.count; i++)
		text_append(&text, "%s%s", i ? " " : "", fixture->seen.list[i].name);
	assert_string_equal(bytes, names);
}

#define TWO_PAGES                                                                             \
	OK("{\"items\":[" ITEM("top/a") "," ITEM("top/b") "],\"nextPageToken\":\"to/ken\"}"), \
		OK(PAGE(ITEM("top/c")))

static void test_a_listing_goes_through_the_pages(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, TWO_PAGES);
	expect_listed(fixture, everything, "a b c");
	assert_told(&fixture->server, 0,
		    "GET /storage/v1/b/bucket/o?" FIELDS "&maxResults=1000&prefix=top%2F "
		    "HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, "&prefix=top%2F&pageToken=to%2Fken HTTP/1.1\r\n");
	assert_false(server_was_told(&fixture->server, 0, "Authorization"));
	assert_false(server_was_told(&fixture->server, 0, "delimiter"));
	assert_false(server_was_told(&fixture->server, 0, "x-goog-user-project"));
	assert_told(&fixture->server, 0, "x-goog-gcs-idempotency-token: ");

	SCRIPT(fixture, OK("{}"));
	expect_listed(fixture, (struct sink_list){ "n", "n/a", "n/b", 0 }, "");
	assert_told(&fixture->server, 0,
		    "&maxResults=1000&prefix=top%2Fn&startOffset=top%2Fn%2Fa&"
		    "endOffset=top%2Fn%2Fb HTTP/1.1\r\n");
	/* Pages without an object are no end. */
	SCRIPT(fixture, OK("{\"nextPageToken\":\"1\"}"),
	       OK("{\"items\":[],\"nextPageToken\":\"2\"}"), OK(PAGE(ITEM("top/a"))));
	expect_listed(fixture, everything, "a");
}

static void test_a_listing_ends_in_time(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, OK("{\"items\":[" ITEM("top/a") "],\"nextPageToken\":\"t\"}"));
	expect_listed(fixture, (struct sink_list){ "", "", "", 1 }, "a");
	assert_told(&fixture->server, 0, "&maxResults=1&");
	SCRIPT(fixture, TWO_PAGES);
	expect_listed(fixture, (struct sink_list){ "", "", "", 3 }, "a b c");
	assert_told(&fixture->server, 0, "&maxResults=3&");
	assert_told(&fixture->server, 1, "&maxResults=1&");
	SCRIPT(fixture, OK("{}"));
	expect_listed(fixture, (struct sink_list){ "", "", "", 5000 }, "");
	assert_told(&fixture->server, 0, "&maxResults=1000&");
	/* What was left out does not count. */
	SCRIPT(fixture,
	       OK("{\"items\":[" ITEM("top/a\\n") "," ITEM("top/b") "],\"nextPageToken\":\"t\"}"),
	       OK(PAGE(ITEM("top/c"))));
	expect_listed(fixture, (struct sink_list){ "", "", "", 2 }, "b c");
	assert_told(&fixture->server, 1, "&maxResults=1&");
	/* The visitor has enough. */
	fixture->seen.stop_after = 1;
	SCRIPT(fixture,
	       OK("{\"items\":[" ITEM("top/a") "," ITEM("top/b") "],\"nextPageToken\":\"t\"}"));
	expect_listed(fixture, everything, "a");
}

/* Emulators do not know all the parameters. */
static void test_what_was_not_asked_for_is_not_told(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture,
	       OK(PAGE(ITEM("other") "," ITEM("top/") "," ITEM("top/a") "," ITEM("top/b") "," ITEM(
		       "top/b1") "," ITEM("top/c") "," ITEM("top/d") "," ITEM("topless"))));
	expect_listed(fixture, everything, "a b b1 c d");
	SCRIPT(fixture, fixture->replies[0]);
	expect_listed(fixture, (struct sink_list){ "b", "", "", 0 }, "b b1");
	SCRIPT(fixture, fixture->replies[0]);
	expect_listed(fixture, (struct sink_list){ "", "b", "d", 0 }, "b b1 c");
	SCRIPT(fixture, fixture->replies[0]);
	expect_listed(fixture, (struct sink_list){ "", "b", "d", 2 }, "b b1");
}

static void expect_list_failed(struct fixture *fixture, enum error_kind kind, const char *part)
{
	assert_int_equal(list_objects(fixture, everything), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, kind);
}

#define FORBIDDEN(permission)                                                                  \
	REPLY("403 Forbidden", "",                                                             \
	      MESSAGE("x@y.z does not have " permission " access to the Google Cloud Storage " \
		      "bucket."))
#define NO_BUCKET REPLY("404 Not Found", "", MESSAGE("The specified bucket does not exist."))

static void test_listings_that_fail(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ FORBIDDEN("storage.objects.list"), ERROR_CONFIG,
		  "grant roles/storage.objectViewer on the bucket to this account "
		  "(storage.objects.list)" },
		{ REPLY("403 Forbidden", "", MESSAGE("Provided scope(s) are not authorized")),
		  ERROR_CONFIG, "gcloud auth application-default login" },
		{ NO_BUCKET, ERROR_CONFIG, "does not exist.; correct the name of the bucket" },
		{ REPLY("404 Not Found", "", "<html>nginx</html>"), ERROR_TRANSIENT,
		  "this is no answer of Cloud Storage" },
		{ REPLY("403 Forbidden", "", "<html>Blocked by policy</html>"), ERROR_TRANSIENT,
		  "this is no answer of Cloud Storage" },
		{ REPLY("400 Bad Request", "", MESSAGE("Invalid argument")), ERROR_CONFIG,
		  "Invalid argument" },
		{ REPLY("400 Bad Request", "", MESSAGE("Bucket is a requester pays bucket")),
		  ERROR_CONFIG, "GOOGLE_CLOUD_QUOTA_PROJECT" },
		{ REPLY("503 Busy", "", ""), ERROR_TRANSIENT,
		  "bucket bucket: the server said 503" },
		{ REPLY("302 Found", "Location: http://portal/\r\n", ""), ERROR_TRANSIENT, "302" },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT, "127.0.0.1: " },
		{ OK("<html>Log in</html>"), ERROR_TRANSIENT,
		  "bucket bucket: this is no listing of objects: it is not JSON of Cloud Storage" },
		{ OK(PAGE(ITEM("top/b") "," ITEM("top/a"))), ERROR_CONFIG, "not in the order" },
		{ REPLY("200 OK", "Content-Length: 9999\r\n", PAGE(ITEM("top/a"))), ERROR_TRANSIENT,
		  "127.0.0.1: " },
		{ REPLY("204 No Content", "", ""), ERROR_TRANSIENT, "no listing" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		SCRIPT(fixture, cases[i].reply);
		expect_list_failed(fixture, cases[i].kind, cases[i].part);
	}
	SCRIPT(fixture, REPLY("429 Slow", "Retry-After: 9\r\n", ""));
	expect_list_failed(fixture, ERROR_TRANSIENT, "429");
	assert_int_equal(fixture->err.retry_after_ms, 9000);
	/* The second page is not behind the first one. */
	SCRIPT(fixture, OK("{\"items\":[" ITEM("top/b") "],\"nextPageToken\":\"t\"}"),
	       OK(PAGE(ITEM("top/b"))));
	expect_list_failed(fixture, ERROR_CONFIG, "not in the order");
	SCRIPT(fixture, OK("{\"items\":[" ITEM("top/b") "],\"nextPageToken\":\"t\"}"), NO_BUCKET);
	expect_list_failed(fixture, ERROR_CONFIG, "404");
	assert_int_equal(fixture->seen.count, 1);
	SCRIPT(fixture, REPLY("401 Unauthorized", "", MESSAGE("Invalid Credentials")),
	       OK(PAGE(ITEM("top/a"))));
	expect_listed(fixture, everything, "a");
}

static void test_a_listing_of_very_many_pages(void **state)
{
	struct fixture *fixture = *state;
	const struct sink_list what = { "", "", "", 120 };
	char *replies[120];
	unsigned requests = 0;

	for (unsigned i = 0; i < COUNT_OF(replies); i++)
		replies[i] = mem_printf(OK("{\"items\":[{\"name\":\"top/%03u\"," ITEM_TAIL
					   "],\"nextPageToken\":\"t\"}"),
					i);
	fixture->server.replies = (const char *const *)replies;
	fixture->server.reply_count = COUNT_OF(replies);
	if (sink_ops(fixture->sink)
		    ->list(fixture->worker, &what, count_item, &fixture->seen, &requests,
			   &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(fixture->seen.count, 120);
	assert_int_equal(requests, 120);
	fixture->server.reply_count = 0;
	for (unsigned i = 0; i < COUNT_OF(replies); i++)
		free(replies[i]);
}

static void test_a_listing_without_end(void **state)
{
	struct fixture *fixture = *state;
	static const char endless[] =
		"HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{\"nextPageToken\":\"t\"}";
	const char *replies[SERVER_REQUESTS_MAX + 1];
	unsigned requests = 0;

	/* When the server can keep no more requests, it repeats the last reply. */
	for (size_t i = 0; i < COUNT_OF(replies); i++)
		replies[i] = endless;
	fixture->server.replies = replies;
	fixture->server.reply_count = COUNT_OF(replies);
	assert_int_equal(sink_ops(fixture->sink)
				 ->list(fixture->worker, &everything, see_item, &fixture->seen,
					&requests, &fixture->err),
			 -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(fixture->err.message, "the listing has no end"));
	assert_int_equal(requests, 100);
}

/* -- reading ---------------------------------------------------------------------------------- */

static int read_bytes(struct fixture *fixture, uint64_t offset, size_t length, char out[32])
{
	int result;

	memset(out, '?', 32);
	result = sink_ops(fixture->sink)
			 ->read(fixture->worker, OBJECT, "17", offset, length, (uint8_t *)out,
				&fixture->err);
	expect_all_asked(fixture);
	/* Never a byte more, whatever happened. */
	for (size_t i = length; i < 32; i++)
		assert_int_equal(out[i], '?');
	return result;
}

static void expect_read(struct fixture *fixture, uint64_t offset, const char *bytes)
{
	char out[32];

	if (read_bytes(fixture, offset, strlen(bytes), out) < 0)
		fail_msg("%s", fixture->err.message);
	assert_memory_equal(out, bytes, strlen(bytes));
}

static void expect_not_read(struct fixture *fixture, uint64_t offset, enum error_kind kind,
			    const char *part)
{
	char out[32];

	assert_int_equal(read_bytes(fixture, offset, 5, out), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, kind);
}

#define PART(range, body) REPLY("206 Partial Content", "Content-Range: bytes " range "\r\n", body)

static void test_bytes_are_read_exactly(void **state)
{
	struct fixture *fixture = *state;
	char out[32];

	SCRIPT(fixture, PART("3-7/100", "hello"));
	expect_read(fixture, 3, "hello");
	assert_told(&fixture->server, 0,
		    "GET " OBJECT_IN_PATH "?alt=media&generation=17 HTTP/1.1\r\n");
	assert_told(&fixture->server, 0, "\r\nRange: bytes=3-7\r\n");
	assert_told(&fixture->server, 0, "\r\nAccept-Encoding: gzip\r\n");
	assert_told(&fixture->server, 0, "x-goog-gcs-idempotency-token: ");
	assert_false(server_was_told(&fixture->server, 0, "Authorization"));
	SCRIPT(fixture, PART("0-0/*", "h"));
	expect_read(fixture, 0, "h");
	assert_told(&fixture->server, 0, "Range: bytes=0-0\r\n");
	SCRIPT(fixture, PART("5000000000-5000000004/5000000005", "hello"));
	expect_read(fixture, 5000000000, "hello");
	/* All of it, without a range. */
	SCRIPT(fixture, REPLY("200 OK", "Content-Length: 5\r\n", "hello"));
	expect_read(fixture, 0, "hello");
	/* As it is stored: that is what the header is for. */
	SCRIPT(fixture,
	       REPLY("206 Partial Content",
		     "Content-Range: bytes 0-4/9\r\nContent-Encoding: gzip\r\nX-Goog-Generation: 17\r\n",
		     "\x1f\x8b\x08zz"));
	expect_read(fixture, 0, "\x1f\x8b\x08zz");
	SCRIPT(fixture, REPLY("401 Unauthorized", "", MESSAGE("Invalid Credentials")),
	       PART("0-4/9", "hello"));
	expect_read(fixture, 0, "hello");
	/* Nothing needs no request. */
	SCRIPT(fixture, CLOSE_CONNECTION);
	fixture->reply_count = 0;
	assert_int_equal(read_bytes(fixture, 3, 0, out), 0);
}

static void test_who_pays(void **state)
{
	struct fixture *fixture = *state;

	free(fixture->sink->credentials->quota_project);
	fixture->sink->credentials->quota_project = mem_strdup("payer-1");
	SCRIPT(fixture, OK("{}"));
	expect_listed(fixture, everything, "");
	assert_told(&fixture->server, 0, "x-goog-user-project: payer-1\r\n");
	SCRIPT(fixture, PART("0-4/9", "hello"));
	expect_read(fixture, 0, "hello");
	assert_told(&fixture->server, 0, "x-goog-user-project: payer-1\r\n");
}

static void test_other_bytes_than_asked_for(void **state)
{
	static const struct {
		const char *reply;
		uint64_t offset;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		/* All of the object, or of a page. */
		{ REPLY("200 OK", "", "0123456789"), 0, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("200 OK", "", "0123456789"), 3, ERROR_REJECTED,
		  "gives no ranges: it said 200 () to bytes 3-7" },
		{ REPLY("200 OK", "", "hello"), 3, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("200 OK", "", "hell"), 0, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("200 OK", "Content-Range: bytes 3-7/100\r\n", "hello"), 3, ERROR_REJECTED,
		  "gives no ranges" },
		/* What is not wanted is not waited for. */
		{ REPLY("200 OK", "Content-Length: 1000000\r\n", "0123456789"), 0, ERROR_REJECTED,
		  "gives no ranges" },
		{ REPLY("203 Changed", "", "hello"), 0, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("204 No Content", "", ""), 0, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("206 Partial Content", "", "hello"), 3, ERROR_REJECTED, "gives no ranges" },
		{ PART("0-4/100", "hello"), 3, ERROR_REJECTED, "206 (bytes 0-4/100)" },
		{ PART("3-6/7", "hell"), 3, ERROR_REJECTED, "gives no ranges" },
		{ PART("3-8/100", "hello!"), 3, ERROR_REJECTED, "gives no ranges" },
		{ REPLY("206 Partial Content", "Content-Type: multipart/byteranges; boundary=x\r\n",
			"--x"),
		  3, ERROR_REJECTED, "gives no ranges" },
		/* Fewer or more than is said. */
		{ PART("3-7/100", "hell"), 3, ERROR_TRANSIENT, "got 4 bytes in place of 5" },
		{ PART("3-7/100", ""), 3, ERROR_TRANSIENT, "got 0 bytes in place of 5" },
		{ PART("3-7/100", "hello!"), 3, ERROR_TRANSIENT, "got more than 5 bytes" },
		{ REPLY("206 Partial Content",
			"Content-Range: bytes 3-7/100\r\nContent-Length: 5\r\n", "hel"),
		  3, ERROR_TRANSIENT, "127.0.0.1: " },
		/* Another object by now. */
		{ REPLY("206 Partial Content",
			"Content-Range: bytes 3-7/100\r\nX-Goog-Generation: 18\r\n", "hello"),
		  3, ERROR_REJECTED, OBJECT " was replaced since it was listed" },
		{ REPLY("404 Not Found", "X-GUploader-UploadID: 1\r\n", "No such object: bucket/x"),
		  3, ERROR_REJECTED,
		  OBJECT " is gone, deleted or replaced since it was listed: bucket" },
		{ REPLY("404 Not Found", "", MESSAGE("No such object: bucket/x")), 3,
		  ERROR_REJECTED, "is gone" },
		{ REPLY("404 Not Found", "", "<html>nginx</html>"), 3, ERROR_TRANSIENT,
		  "this is no answer of Cloud Storage" },
		{ NO_BUCKET, 3, ERROR_CONFIG, "correct the name of the bucket" },
		{ REPLY("416 Range", "X-GUploader-UploadID: 1\r\n", "cannot be satisfied"), 3,
		  ERROR_REJECTED, OBJECT " has no such bytes: bucket" },
		{ FORBIDDEN("storage.objects.get"), 3, ERROR_CONFIG,
		  "grant roles/storage.objectViewer on the bucket to this account "
		  "(storage.objects.get)" },
		{ REPLY("403 Forbidden", "", MESSAGE("cloudKmsKeyDisabled")), 3, ERROR_REJECTED,
		  OBJECT " cannot be read: bucket" },
		{ REPLY("403 Forbidden", "", "<html>Blocked</html>"), 3, ERROR_TRANSIENT,
		  "this is no answer of Cloud Storage" },
		{ REPLY("503 Busy", "", ""), 3, ERROR_TRANSIENT, "503" },
		{ CLOSE_CONNECTION, 3, ERROR_TRANSIENT, "127.0.0.1: " },
		{ HANG, 3, ERROR_TRANSIENT, "127.0.0.1: " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		SCRIPT(fixture, cases[i].reply);
		expect_not_read(fixture, cases[i].offset, cases[i].kind, cases[i].part);
	}
}

static void test_reading_that_is_told_to_wait(void **state)
{
	struct fixture *fixture = *state;
	char out[32];

	SCRIPT(fixture, REPLY("429 Slow", "Retry-After: 9\r\n", ""));
	expect_not_read(fixture, 0, ERROR_TRANSIENT, "429");
	assert_int_equal(fixture->err.retry_after_ms, 9000);
	fixture->reply_count = 0;
	server_forget(&fixture->server);
	assert_int_equal(sink_ops(fixture->sink)
				 ->read(fixture->worker, OBJECT, "17&x=y", 0, 5, (uint8_t *)out,
					&fixture->err),
			 -1);
	assert_int_equal(fixture->err.kind, ERROR_REJECTED);
	expect_all_asked(fixture);
	atomic_store(&fixture->cancel, true);
	assert_int_equal(
		sink_ops(fixture->sink)
			->read(fixture->worker, OBJECT, "17", 0, 5, (uint8_t *)out, &fixture->err),
		-1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list_urls),
		cmocka_unit_test(test_content_ranges),
		cmocka_unit_test(test_decisions),
		cmocka_unit_test(test_pages_are_read),
		cmocka_unit_test(test_what_is_no_page),
		cmocka_unit_test(test_pages_are_bounded),
		cmocka_unit_test(test_a_page_of_many_megabytes),
		cmocka_unit_test(test_metadata_there_and_back),
		cmocka_unit_test(test_metadata_of_others),
		TEST(test_a_listing_goes_through_the_pages),
		TEST(test_a_listing_ends_in_time),
		TEST(test_what_was_not_asked_for_is_not_told),
		TEST(test_listings_that_fail),
		TEST(test_a_listing_of_very_many_pages),
		TEST(test_a_listing_without_end),
		TEST(test_bytes_are_read_exactly),
		TEST(test_who_pays),
		TEST(test_other_bytes_than_asked_for),
		TEST(test_reading_that_is_told_to_wait),
	};

	unit_add(tests, start_http, NULL);
}
