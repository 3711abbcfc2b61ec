/* SPDX-License-Identifier: Apache-2.0 */
/* The GCS sink: its texts, its decisions, and its conversations with a scripted server. */
#include <jansson.h>

#include "unit.h"

#include "base/checksum.h"
#include "http_fixture.h"
#include "sink/gcs/gcs.h"
#include "sink/sink.h"

#define CHUNK               (UINT64_C(8) << 20)
#define LARGE               (CHUNK + 100000)
#define NAME                "node-1/a_1.pcap.gz"
#define SCRIPT_MAX          24
#define MESSAGE(m)          "{\"error\":{\"code\":0,\"message\":\"" m "\"}}"
#define SAYS(status)        REPLY(status, "", MESSAGE("no"))
#define EMPTY_REPLY(status) REPLY(status, "Content-Length: 0\r\n", "")
#define OWN_REPLY(status)   REPLY(status, "X-GUploader-UploadID: 1\r\nContent-Length: 0\r\n", "")

/* -- pure parts ------------------------------------------------------------------------------- */

static void test_bucket_names(void **state)
{
	static const char *const good[] = {
		"abc",
		"my-bucket_1",
		"a.b.c",
		"0zz",
		"1.2.3.4a",
		"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk", /* 63 */
	};
	static const struct {
		const char *name, *part;
	} bad[] = {
		{ "", "3 to 63" },
		{ "ab", "3 to 63" },
		{ "Abc", "lower-case" },
		{ "a b", "lower-case" },
		{ "b\xc3\xbc"
		  "cket",
		  "lower-case" },
		{ "-abc", "begin and end" },
		{ "abc.", "begin and end" },
		{ "a..b", "two dots" },
		{ "google-x", "goog" },
		{ "goog", "goog" },
		{ "192.168.5.4", "IP address" },
		{ "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl", "63" },
		{ "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl.x", "63" },
	};
	char dotted[224];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(good); i++)
		assert_null(gcs_bucket_problem(good[i]));
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (!gcs_bucket_problem(bad[i].name) ||
		    !strstr(gcs_bucket_problem(bad[i].name), bad[i].part))
			fail_msg("%s", bad[i].name);
	for (size_t i = 0; i < sizeof dotted; i++)
		dotted[i] = i % 10 == 5 ? '.' : 'a';
	dotted[222] = '\0';
	assert_null(gcs_bucket_problem(dotted));
	dotted[222] = 'a';
	dotted[223] = '\0';
	assert_non_null(gcs_bucket_problem(dotted));
}

static void test_urls(void **state)
{
	static const struct {
		const char *host, *url;
	} hosts[] = {
		{ NULL, "https://storage.googleapis.com" },
		{ "", "https://storage.googleapis.com" },
		{ "localhost:9000", "http://localhost:9000" },
		{ "http://h:1/", "http://h:1" },
		{ "https://h/base//", "https://h/base" },
		{ "ftp://h", NULL },
		{ "http://", NULL },
		{ "http://u@h", NULL },
		{ "h?x", NULL },
		{ "h\r\nx", NULL },
	};
	cleanup_free char *upload = gcs_upload_url("http://h", "bucket", "multipart");
	cleanup_free char *object = gcs_object_url("http://h", "bucket", "p q/n+1", NULL);
	cleanup_free char *generation = gcs_object_url("http://h", "b", "n", "ifGenerationMatch=7");

	(void)state;
	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		cleanup_free char *url = gcs_base_url("googleapis.com", hosts[i].host);

		if (hosts[i].url)
			assert_string_equal(url, hosts[i].url);
		else
			assert_null(url);
	}
	assert_string_equal(upload, "http://h/upload/storage/v1/b/bucket/o?uploadType=multipart"
				    "&ifGenerationMatch=0&fields=generation,size,crc32c,metadata");
	assert_string_equal(object, "http://h/storage/v1/b/bucket/o/p%20q%2Fn%2B1"
				    "?fields=generation,size,crc32c,metadata");
	assert_string_equal(generation, "http://h/storage/v1/b/b/o/n?ifGenerationMatch=7");
}

static void test_ranges(void **state)
{
	uint64_t persisted = 0;

	(void)state;
	assert_true(gcs_parse_range("bytes=0-0", &persisted));
	assert_int_equal(persisted, 1);
	assert_true(gcs_parse_range("bytes=0-8388607", &persisted));
	assert_int_equal(persisted, CHUNK);
	assert_false(gcs_parse_range("", &persisted));
	assert_false(gcs_parse_range("bytes=1-2", &persisted));
	assert_false(gcs_parse_range("bytes=0-", &persisted));
	assert_false(gcs_parse_range("bytes=0-18446744073709551615", &persisted));
	assert_false(gcs_parse_range("bytes=0-9,11-12", &persisted));
}

static void test_crc32c_texts(void **state)
{
	char text[GCS_CRC32C_LENGTH + 1];
	uint32_t crc32c = 1;

	(void)state;
	gcs_format_crc32c(0xe3069283, text);
	assert_string_equal(text, "4waSgw==");
	assert_true(gcs_parse_crc32c("4waSgw==", &crc32c));
	assert_int_equal(crc32c, 0xe3069283);
	assert_true(gcs_parse_crc32c("AAAAAA==", &crc32c));
	assert_int_equal(crc32c, 0);
	assert_false(gcs_parse_crc32c("4waSgw=", &crc32c));
	assert_false(gcs_parse_crc32c("4wa!gw==", &crc32c));
	assert_false(gcs_parse_crc32c("4waSgwAA", &crc32c));
	assert_false(gcs_parse_crc32c("=waSgw==", &crc32c));
	assert_false(gcs_parse_crc32c("4waSgx==", &crc32c));
}

static void test_resources_are_read(void **state)
{
	struct gcs_resource resource = { 0 };

	(void)state;
	assert_true(gcs_parse_resource(
		"{\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"17\",\"name\":\"x\"}",
		&resource));
	assert_int_equal(resource.bytes, 9);
	assert_int_equal(resource.crc32c, 0xe3069283);
	assert_int_equal(resource.generation, 17);
	assert_true(gcs_parse_resource(
		"{\"size\":\"9\",\"crc32c\":\"4waSgw==\",\"generation\":\"1&x\"}", &resource));
	assert_int_equal(resource.generation, 0);
	assert_false(gcs_parse_resource("", &resource));
	assert_false(gcs_parse_resource("{\"size\":\"9\"}", &resource));
	assert_false(gcs_parse_resource("{\"size\":9,\"crc32c\":\"4waSgw==\"}", &resource));
	assert_false(gcs_parse_resource("{\"size\":\"-9\",\"crc32c\":\"4waSgw==\"}", &resource));
}

static void test_resources_are_written(void **state)
{
	struct segment segment = { .interface = "eth0", .packets = 5, .filter = "a\"\xff" };
	const struct sink_object object = {
		.crc32c = 0xe3069283, .bytes = 9, .name = "x.pcap.gz", .segment = &segment
	};
	cleanup_free char *text = gcs_format_resource(&object, "n/x", "NEARLINE");
	cleanup_free char *plain = gcs_format_resource(&object, "n/x", NULL);
	json_t *root = json_loads(text, 0, NULL);
	json_t *metadata = json_object_get(root, "metadata");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(root, "name")), "n/x");
	assert_string_equal(json_string_value(json_object_get(root, "contentType")),
			    "application/gzip");
	assert_string_equal(json_string_value(json_object_get(root, "cacheControl")),
			    "no-transform");
	assert_string_equal(json_string_value(json_object_get(root, "crc32c")), "4waSgw==");
	assert_string_equal(json_string_value(json_object_get(root, "storageClass")), "NEARLINE");
	assert_null(json_object_get(root, "contentEncoding"));
	assert_string_equal(json_string_value(json_object_get(metadata, "interface")), "eth0");
	assert_string_equal(json_string_value(json_object_get(metadata, "packets")), "5");
	assert_string_equal(json_string_value(json_object_get(metadata, "filter")), "a\"?");
	assert_null(strstr(plain, "storageClass"));
	json_decref(root);
}

#define LONG_WORD "hush567890123456789012345678901234567890123456789012345678901234567890"

static void test_problems(void **state)
{
	static const struct {
		const char *body, *header, *reason, *message;
		bool is_scope;
	} cases[] = {
		{ "", "", "", "", false },
		{ "{\"error\":{\"code\":403,\"message\":\"no\\nway\",\"errors\":[{\"reason\":\"forbidden\"}]}}",
		  "", "forbidden", "no way", false },
		{ MESSAGE("Provided scope(s) are not authorized"), "", "",
		  "Provided scope(s) are not authorized", true },
		{ "{\"error\":{\"message\":\"Insufficient Permission\",\"errors\":[{\"reason\":\"insufficientPermissions\"}]}}",
		  "", "insufficientPermissions", "Insufficient Permission", true },
		{ "{\"error\":{\"message\":\"x\",\"details\":[{},{\"reason\":\"ACCESS_TOKEN_SCOPE_INSUFFICIENT\"}]}}",
		  "", "", "x", true },
		{ "x", "Bearer realm=\"y\", error=\"insufficient_scope\"", "", "x", true },
		{ "<html><title>Error 404</title>\n\n<p>The URL <code>/o?upload_id=SECRET&amp;x</code> is gone",
		  "", "", "Error 404 The URL /o?upload_id=(redacted)&amp;x is gone", false },
		{ "upload_id=", "", "", "upload_id=", false },
		/* A proxy that repeats the request, with its token. */
		{ "<pre>Authorization: Bearer ya29." LONG_WORD "</pre>", "", "",
		  "Authorization: Bearer (redacted)", false },
		{ "{\"error\":{\"message\":\"at https://h/" LONG_WORD
		  "?x\",\"errors\":[{\"reason\":\"" LONG_WORD "\"}]}}",
		  "", "(70 characters)", "at https://h/(70 characters)?x", false },
		{ "{\"error\":\"text\"}", "", "", "{\"error\":\"text\"}", false },
	};
	static const struct {
		const char *body;
		bool is_explained;
	} explained[] = {
		{ MESSAGE("x"), true },
		{ "{\"error\":{\"errors\":[{\"reason\":\"invalid\"}]}}", true },
		{ "{\"error\":{\"code\":400}}", false },
		{ "{\"error\":\"text\"}", false },
		{ "{\"code\":412,\"message\":\"ifGenerationMatch validation failed\"}", true },
		{ "{\"code\":7,\"message\":\"RBAC: access denied\"}", false },
		{ "<html>400 Bad Request</html>", false },
		{ "", false },
	};
	struct gcs_problem problem;
	char huge[2000];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		static struct http_headers headers;
		cleanup_free char *line = mem_printf("WWW-Authenticate: %s", cases[i].header);

		headers.length = 0;
		http_headers_add(&headers, line, strlen(line));
		gcs_parse_problem(
			&(struct http_reply){ .body = cases[i].body, .headers = &headers },
			&problem);
		assert_string_equal(problem.reason, cases[i].reason);
		assert_string_equal(problem.message, cases[i].message);
		assert_int_equal(problem.is_scope, cases[i].is_scope);
	}
	for (size_t i = 0; i < COUNT_OF(explained); i++) {
		gcs_parse_problem(&(struct http_reply){ .status = 412, .body = explained[i].body },
				  &problem);
		assert_int_equal(problem.is_explained, explained[i].is_explained);
	}
	for (size_t i = 0; i < sizeof huge - 1; i++)
		huge[i] = i % 10 ? 'x' : ' ';
	huge[sizeof huge - 1] = '\0';
	gcs_parse_problem(&(struct http_reply){ .body = huge }, &problem);
	assert_int_equal(strlen(problem.message), sizeof problem.message - 1);
}

static void test_decisions(void **state)
{
	static const struct {
		enum gcs_phase phase;
		long status;
		const char *reason, *message;
		enum gcs_outcome outcome;
	} cases[] = {
		{ GCS_MULTIPART, 200, "", "", GCS_DONE },
		{ GCS_START, 201, "", "", GCS_DONE },
		{ GCS_DELETE, 204, "", "", GCS_DONE },
		{ GCS_DATA, 308, "", "", GCS_QUERY },
		{ GCS_STATUS, 308, "", "", GCS_CONTINUE },
		{ GCS_MULTIPART, 308, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 302, "", "", GCS_RETRY },
		{ GCS_DATA, 400, "invalid",
		  "Provided CRC32C \"x\" doesn't match calculated CRC32C \"y\".", GCS_MISMATCH },
		{ GCS_STATUS, 400, "",
		  "Provided MD5 hash \"x\" doesn't match calculated MD5 hash \"y\".",
		  GCS_MISMATCH },
		{ GCS_DATA, 400, "invalid", "Invalid argument", GCS_REFUSED },
		{ GCS_MULTIPART, 400, "parseError", "", GCS_REFUSED },
		{ GCS_MULTIPART, 400, "userProjectMissing", "", GCS_SETUP },
		{ GCS_START, 400, "",
		  "Bucket is requester pays bucket but no user project provided", GCS_SETUP },
		{ GCS_START, 400, "cloudKmsKeyDisabled", "", GCS_SETUP },
		{ GCS_START, 401, "authError", "", GCS_LOGIN },
		{ GCS_MULTIPART, 403, "forbidden", "x does not have storage.objects.create access",
		  GCS_SETUP },
		{ GCS_MULTIPART, 403, "forbidden", "x does not have storage.objects.delete access",
		  GCS_EXISTS },
		{ GCS_START, 403, "forbidden", "x does not have storage.objects.delete access",
		  GCS_SETUP },
		{ GCS_DATA, 403, "rateLimitExceeded", "", GCS_RETRY },
		{ GCS_DATA, 403, "userRateLimitExceeded", "", GCS_RETRY },
		{ GCS_DATA, 403, "forbidden",
		  "Object 'b/o' is subject to bucket's retention policy and cannot be deleted",
		  GCS_REFUSED },
		{ GCS_DATA, 403, "objectUnderActiveHold", "", GCS_REFUSED },
		{ GCS_START, 404, "notFound", "", GCS_SETUP },
		{ GCS_MULTIPART, 404, "notFound", "", GCS_SETUP },
		{ GCS_DATA, 404, "gone", "", GCS_NEW_SESSION },
		{ GCS_DATA, 404, "", "", GCS_RETRY },
		{ GCS_STATUS, 404, "gone", "", GCS_NEW_SESSION },
		{ GCS_STATUS, 404, "", "", GCS_RETRY },
		{ GCS_METADATA, 404, "", "", GCS_RETRY },
		/* A proxy's pages, which have no words that we know. */
		{ GCS_START, 401, "", "", GCS_LOGIN },
		{ GCS_START, 403, "", "", GCS_RETRY },
		{ GCS_START, 404, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 404, "", "", GCS_RETRY },
		{ GCS_START, 407, "", "", GCS_RETRY },
		{ GCS_START, 407, "forbidden", "", GCS_RETRY },
		{ GCS_START, 451, "", "", GCS_RETRY },
		{ GCS_DATA, 412, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 412, "", "", GCS_RETRY },
		/* Google's test server, about the bytes and about the name. */
		{ GCS_DATA, 412, "", "crc32c validation failed. Expected = x vs Actual = y.",
		  GCS_MISMATCH },
		{ GCS_DATA, 412, "", "ifGenerationMatch validation failed. Expected = 0",
		  GCS_EXISTS },
		{ GCS_MULTIPART, 400, "", "", GCS_RETRY },
		{ GCS_DATA, 400, "", "", GCS_RETRY },
		{ GCS_STATUS, 400, "", "", GCS_RETRY },
		{ GCS_STATUS, 400, "invalid", "", GCS_NEW_SESSION },
		{ GCS_MULTIPART, 405, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 405, "methodNotAllowed", "", GCS_REFUSED },

		{ GCS_MULTIPART, 408, "", "", GCS_RETRY },
		{ GCS_DATA, 408, "", "", GCS_QUERY },
		{ GCS_STATUS, 408, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 409, "", "", GCS_RETRY },
		{ GCS_DATA, 410, "gone", "", GCS_NEW_SESSION },
		{ GCS_DATA, 410, "", "", GCS_RETRY },
		{ GCS_STATUS, 410, "gone", "", GCS_NEW_SESSION },
		{ GCS_STATUS, 410, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 411, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 411, "", "Length required", GCS_REFUSED },
		{ GCS_MULTIPART, 412, "conditionNotMet", "", GCS_EXISTS },
		{ GCS_DATA, 412, "conditionNotMet", "", GCS_EXISTS },
		{ GCS_START, 412, "orgPolicyConstraintFailed", "", GCS_SETUP },
		{ GCS_DELETE, 412, "conditionNotMet", "", GCS_RETRY },
		{ GCS_MULTIPART, 413, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 413, "uploadTooLarge", "", GCS_REFUSED },
		{ GCS_DATA, 416, "gone", "", GCS_NEW_SESSION },
		{ GCS_DATA, 416, "", "", GCS_RETRY },
		{ GCS_DATA, 429, "rateLimitExceeded", "", GCS_RETRY },
		{ GCS_DATA, 499, "gone", "", GCS_NEW_SESSION },
		{ GCS_DATA, 499, "", "", GCS_RETRY },
		{ GCS_DATA, 500, "", "", GCS_QUERY },
		{ GCS_DATA, 503, "", "", GCS_QUERY },
		{ GCS_STATUS, 503, "", "", GCS_RETRY },
		{ GCS_START, 503, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 504, "", "", GCS_RETRY },
		{ GCS_METADATA, 502, "", "", GCS_RETRY },
		{ GCS_DATA, 503, "",
		  "the upload offset is 9 byte(s), which exceeds already uploaded size of 3 byte(s)",
		  GCS_QUERY },
		{ GCS_METADATA, 403, "forbidden", "x does not have storage.objects.get access",
		  GCS_HIDDEN },
		{ GCS_METADATA, 403, "forbidden", "The billing account is disabled", GCS_SETUP },
		{ GCS_METADATA, 412, "", "", GCS_RETRY },
		/* A question refuses no object. */
		{ GCS_METADATA, 400, "invalid", "", GCS_RETRY },
		{ GCS_METADATA, 405, "methodNotAllowed", "", GCS_RETRY },
		{ GCS_METADATA, 411, "required", "", GCS_RETRY },
		{ GCS_METADATA, 413, "uploadTooLarge", "", GCS_RETRY },
		{ GCS_DELETE, 403, "retentionPolicyNotMet", "", GCS_SETUP },
		{ GCS_MULTIPART, 403, "quotaExceeded", "", GCS_RETRY },
		{ GCS_MULTIPART, 410, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 416, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 499, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 403, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 451, "", "", GCS_RETRY },
		{ GCS_MULTIPART, 451, "legal", "", GCS_SETUP },
		{ GCS_DELETE, 404, "", "", GCS_DONE },
		{ GCS_DELETE, 410, "", "", GCS_DONE },
		{ GCS_DELETE, 499, "", "", GCS_DONE },
		{ GCS_DATA, 302, "", "", GCS_RETRY },
		{ GCS_DATA, 100, "", "", GCS_RETRY },
		{ GCS_DATA, HTTP_NOT_CONNECTED, "", "", GCS_RETRY },
		{ GCS_DATA, HTTP_BROKEN_OFF, "", "", GCS_QUERY },
		{ GCS_STATUS, HTTP_BROKEN_OFF, "", "", GCS_RETRY },
		{ GCS_MULTIPART, HTTP_BROKEN_OFF, "", "", GCS_RETRY },
		{ GCS_START, HTTP_NOT_TRUSTED, "", "", GCS_SETUP },
		{ GCS_START, HTTP_NOT_IN_TIME, "", "", GCS_RETRY },
		{ GCS_DATA, HTTP_NOT_READABLE, "", "", GCS_RETRY },
		{ GCS_DATA, HTTP_STOPPED, "", "", GCS_RETRY },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct gcs_problem problem = { 0 };

		(void)snprintf(problem.reason, sizeof problem.reason, "%s", cases[i].reason);
		(void)snprintf(problem.message, sizeof problem.message, "%s", cases[i].message);
		problem.is_explained = problem.reason[0] || problem.message[0];
		if (gcs_decide(cases[i].phase, cases[i].status, false, &problem)->outcome !=
		    (int)cases[i].outcome)
			fail_msg("case %zu: phase %d, status %ld", i, cases[i].phase,
				 cases[i].status);
	}
	assert_int_equal(gcs_decide(GCS_DATA, 308, true, &(struct gcs_problem){ 0 })->outcome,
			 GCS_CONTINUE);
	/* There is a rule for whatever comes. */
	for (int phase = GCS_MULTIPART; phase < GCS_PHASE_COUNT; phase++)
		for (long status = 0; status < 1000; status++)
			assert_in_range(gcs_decide((enum gcs_phase)phase, status, false,
						   &(struct gcs_problem){ 0 })
						->outcome,
					0, GCS_REFUSED);
}

static void test_content_types(void **state)
{
	(void)state;
	assert_string_equal(sink_content_type("a.pcap.gz"), "application/gzip");
	assert_string_equal(sink_content_type("a.pcap.zst"), "application/zstd");
	assert_string_equal(sink_content_type("a.pcap"), "application/vnd.tcpdump.pcap");
	assert_string_equal(sink_content_type("pcap"), "application/octet-stream");
}

/* -- conversations ---------------------------------------------------------------------------- */

struct fixture {
	struct conf conf;
	struct connections *connections;
	atomic_bool cancel;
	struct rate rate;
	struct counters counters;
	struct sink *sink;
	struct sink_worker *worker;
	struct server server;
	const char *replies[SCRIPT_MAX];
	size_t reply_count;
	char *location;       /* reply to a session's start */
	char *good, *damaged; /* replies with the object's resource */
	FILE *file;
	struct segment segment;
	struct sink_object object;
	struct sink_receipt receipt;
	char *kept;        /* for the next attempt */
	char kept_all[64]; /* whether the object "may-be-there", by all that was ever kept */
	struct error err;
};

static char *resource_reply(uint64_t bytes, uint32_t crc32c)
{
	char text[GCS_CRC32C_LENGTH + 1];

	gcs_format_crc32c(crc32c, text);
	return mem_printf(
		REPLY("200 OK", "", "{\"generation\":\"77\",\"size\":\"%ju\",\"crc32c\":\"%s\"}"),
		(uintmax_t)bytes, text);
}

static void save_upload_state(void *context, const char *text)
{
	struct fixture *fixture = context;

	size_t length = strlen(fixture->kept_all);
	bool may_be_there = text &&
			    (strstr(text, "may-be-there=1") || strstr(text, "may-have-made=1"));

	free(fixture->kept);
	fixture->kept = text ? mem_strdup(text) : NULL;
	if (length + 1 < sizeof fixture->kept_all)
		fixture->kept_all[length] = !text ? '-' : may_be_there ? '1' : '0';
}

static void set_object(struct fixture *fixture, uint64_t bytes)
{
	static char zeros[4096];
	uint32_t crc32c = 0;

	assert_int_equal(ftruncate(fileno(fixture->file), (off_t)bytes), 0);
	for (uint64_t done = 0; done < bytes;) {
		size_t length = bytes - done < sizeof zeros ? bytes - done : sizeof zeros;

		crc32c = crc32c_update(crc32c, zeros, length);
		done += length;
	}
	fixture->object = (struct sink_object){ .name = NAME,
						.fd = fileno(fixture->file),
						.bytes = bytes,
						.crc32c = crc32c,
						.segment = &fixture->segment,
						.save_upload_state = save_upload_state,
						.save_context = fixture };
	free(fixture->good);
	free(fixture->damaged);
	fixture->good = resource_reply(bytes, crc32c);
	fixture->damaged = resource_reply(bytes, crc32c + 1);
}

static int open_sink(struct fixture *fixture, char *destination)
{
	const struct sink_context context = { .conf = &fixture->conf,
					      .connections = fixture->connections,
					      .rate = &fixture->rate,
					      .counters = &fixture->counters,
					      .cancel = &fixture->cancel };

	fixture->conf.upload_destination = destination;
	return sink_open(&context, &fixture->sink, &fixture->err);
}

static int setup(void **state)
{
	static char destination[] = "gs://bucket/top";
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	char host[32];

	http_fixture_environment();
	http_fixture_conf(&fixture->conf);
	fixture->connections = connections_new();
	fixture->file = tmpfile();
	server_start(&fixture->server, fixture->replies, 0);
	(void)snprintf(host, sizeof host, "127.0.0.1:%u", fixture->server.port);
	setenv("STORAGE_EMULATOR_HOST", host, 1);
	fixture->location = mem_printf(
		REPLY("200 OK",
		      "Content-Length: 0\r\nLocation: http://%s/session?upload_id=hush\r\n", ""),
		host);
	set_object(fixture, 1000);
	*state = fixture;
	if (!fixture->file || open_sink(fixture, destination) < 0)
		return -1;
	atomic_store(&fixture->sink->reading, GCS_READING_ALLOWED);
	return sink_ops(fixture->sink)->worker_open(fixture->sink, &fixture->worker, &fixture->err);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	sink_ops(fixture->sink)->worker_close(fixture->worker);
	sink_close(fixture->sink);
	server_stop(&fixture->server);
	connections_free(fixture->connections);
	(void)fclose(fixture->file);
	free(fixture->location);
	free(fixture->good);
	free(fixture->damaged);
	free(fixture->kept);
	free(fixture);
	return 0;
}

/* The server answers these, in addition to what it was told before. */
static void script(struct fixture *fixture, const char *const *replies, size_t count)
{
	assert_true(fixture->reply_count + count <= SCRIPT_MAX);
	for (size_t i = 0; i < count; i++)
		fixture->replies[fixture->reply_count++] = replies[i];
	fixture->server.reply_count = fixture->reply_count;
}
#define SCRIPT(fixture, ...)                                  \
	script(fixture, (const char *const[]){ __VA_ARGS__ }, \
	       COUNT_OF(((const char *const[]){ __VA_ARGS__ })))

static void forget_script(struct fixture *fixture)
{
	server_forget(&fixture->server);
	fixture->server.reply_count = 0;
	fixture->reply_count = 0;
}

static int send_object(struct fixture *fixture)
{
	cleanup_free char *upload_state = fixture->kept ? mem_strdup(fixture->kept) : NULL;
	int result;

	fixture->object.upload_state = upload_state;
	fixture->receipt = (struct sink_receipt){ .requests = 0 };
	result = sink_ops(fixture->sink)
			 ->send(fixture->worker, &fixture->object, &fixture->receipt,
				&fixture->err);
	/* Nothing was asked for that the script did not foresee, and nothing left out. */
	if (atomic_load(&fixture->server.count) != fixture->reply_count)
		fail_msg("%zu requests, not %zu: %s", atomic_load(&fixture->server.count),
			 fixture->reply_count, result < 0 ? fixture->err.message : "sent");
	/* As the spool does when the segment leaves it. */
	if (result == 0 || fixture->err.kind == ERROR_REJECTED)
		save_upload_state(fixture, NULL);
	return result;
}

static void expect_sent(struct fixture *fixture, bool was_there)
{
	if (send_object(fixture) < 0)
		fail_msg("%s", fixture->err.message);
	assert_int_equal(fixture->receipt.was_there, was_there);
	assert_string_equal(fixture->receipt.location, "gs://bucket/top/" NAME);
}

static void expect_failed(struct fixture *fixture, enum error_kind kind, const char *part)
{
	assert_int_equal(send_object(fixture), -1);
	if (!strstr(fixture->err.message, part))
		fail_msg("\"%s\" is not in: %s", part, fixture->err.message);
	assert_int_equal(fixture->err.kind, kind);
	assert_null(strstr(fixture->err.message, "hush"));
}

static void test_small_objects_take_one_request(void **state)
{
	struct fixture *fixture = *state;
	const char *head, *part;
	char boundary[64] = "";
	cleanup_free char *first = NULL;

	SCRIPT(fixture, fixture->good);
	expect_sent(fixture, false);
	assert_int_equal(fixture->receipt.requests, 1);
	assert_told(&fixture->server, 0,
		    "POST /upload/storage/v1/b/bucket/o?uploadType=multipart&ifGenerationMatch=0");
	assert_told(&fixture->server, 0, "x-goog-gcs-idempotency-token: ");
	assert_false(server_was_told(&fixture->server, 0, "Authorization"));
	assert_false(server_was_told(&fixture->server, 0, "Content-Encoding"));
	head = strstr(fixture->server.requests[0].text, "multipart/related; boundary=");
	assert_int_equal(sscanf(head, "multipart/related; boundary=%63s", boundary), 1);
	first = mem_printf("--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{",
			   boundary);
	assert_memory_equal(server_body(&fixture->server, 0), first, strlen(first));
	assert_told(&fixture->server, 0, "\"name\":\"top/" NAME "\"");
	part = strstr(server_body(&fixture->server, 0), "application/gzip\r\n\r\n");
	part += strlen("application/gzip\r\n\r\n") + 1000;
	assert_memory_equal(part, "\r\n--", 4);
	assert_memory_equal(part + 4, boundary, strlen(boundary));
	assert_string_equal(part + 4 + strlen(boundary), "--\r\n");
}

#define AT(last) \
	REPLY("308 Resume Incomplete", "Content-Length: 0\r\nRange: bytes=0-" last "\r\n", "")
#define NOWHERE EMPTY_REPLY("308 Resume Incomplete")
#define ASKS    "Content-Range: bytes */8488608\r\n"
#define FIRST   "Content-Range: bytes 0-8388607/8488608\r\n"
#define LAST    "Content-Range: bytes 8388608-8488607/8488608\r\n"

#define TAKEN   SAYS("412 Precondition Failed")
#define BLIND   REPLY("403 Forbidden", "", MESSAGE("x does not have storage.objects.get access"))

static void test_the_proof_is_demanded(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, REPLY("200 OK", "", "{}"));
	expect_failed(fixture, ERROR_TRANSIENT, "without proof");
	SCRIPT(fixture, fixture->damaged, EMPTY_REPLY("204 No Content"));
	expect_failed(fixture, ERROR_TRANSIENT, "arrived damaged and was deleted");
	assert_told(&fixture->server, 2,
		    "DELETE /storage/v1/b/bucket/o/top%2Fnode-1%2Fa_1.pcap.gz"
		    "?ifGenerationMatch=77 HTTP/1.1\r\n");
	SCRIPT(fixture, fixture->damaged, SAYS("403 Forbidden"));
	expect_failed(fixture, ERROR_REJECTED, "could not be deleted");
}

/* What is known to be damaged never counts as delivered, whatever the bucket answers afterwards. */
static void test_what_is_disproved_is_not_ours(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, fixture->damaged, EMPTY_REPLY("204 No Content"));
	expect_failed(fixture, ERROR_TRANSIENT, "arrived damaged and was deleted");
	SCRIPT(fixture, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	/* The same, where a session says that it is what took the name. */
	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, fixture->damaged,
	       SAYS("403 Forbidden"));
	expect_failed(fixture, ERROR_REJECTED, "could not be deleted");
	forget_script(fixture);
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, fixture->damaged,
	       EMPTY_REPLY("204 No Content"));
	expect_failed(fixture, ERROR_TRANSIENT, "was deleted");
	assert_null(fixture->kept);
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
}

#define MISMATCH REPLY("400 Bad", "", MESSAGE("Provided CRC32C doesn't match calculated CRC32C"))

/* The server got other bytes: the network's doing, unless it goes on or the file is to blame. */
static void test_bytes_that_are_changed_on_the_way(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, MISMATCH);
	expect_failed(fixture, ERROR_TRANSIENT, "changed on the way (1 of 3 times)");
	SCRIPT(fixture, SAYS("503 Busy"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	SCRIPT(fixture, MISMATCH);
	expect_failed(fixture, ERROR_TRANSIENT, "changed on the way (2 of 3 times)");
	SCRIPT(fixture, MISMATCH);
	expect_failed(fixture, ERROR_REJECTED, "changed on the way (3 of 3 times)");
	/* To the last chunk, or to a question that would have made it an object: with a new session. */
	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), MISMATCH);
	expect_failed(fixture, ERROR_TRANSIENT, "1 of 3");
	SCRIPT(fixture, fixture->location, AT("8388607"), CLOSE_CONNECTION, MISMATCH);
	expect_failed(fixture, ERROR_TRANSIENT, "2 of 3");
	assert_int_equal(pwrite(fileno(fixture->file), "x", 1, 0), 1);
	SCRIPT(fixture, fixture->location, AT("8388607"), MISMATCH);
	expect_failed(fixture, ERROR_REJECTED, "damaged in the spool");
}

/* A question after the name turned out taken makes nothing, so that its lost answer says nothing. */
static void test_who_took_the_name_is_not_answered(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, CLOSE_CONNECTION);
	expect_failed(fixture, ERROR_TRANSIENT, "127.0.0.1: ");
	SCRIPT(fixture, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
}

static void test_an_object_that_is_there(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, SAYS("412 Precondition Failed"), fixture->good);
	expect_sent(fixture, true);
	assert_told(&fixture->server, 1, "GET /storage/v1/b/bucket/o/top%2Fnode-1%2Fa_1.pcap.gz?");
	SCRIPT(fixture, SAYS("412 Precondition Failed"), fixture->damaged);
	expect_failed(fixture, ERROR_REJECTED, "other content; nothing is overwritten");
	/* Any other reason says nothing of whose object it is. */
	SCRIPT(fixture, SAYS("412 Precondition Failed"), SAYS("403 Forbidden"));
	expect_failed(fixture, ERROR_TRANSIENT, "403");
	SCRIPT(fixture, SAYS("412 Precondition Failed"),
	       REPLY("403 Forbidden", "", MESSAGE("The billing account is disabled")));
	expect_failed(fixture, ERROR_TRANSIENT, "billing");
	SCRIPT(fixture, SAYS("412 Precondition Failed"), SAYS("404 Not Found"));
	expect_failed(fixture, ERROR_TRANSIENT, "404");
	SCRIPT(fixture, SAYS("412 Precondition Failed"), SAYS("503 Busy"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
}

#define ID(last) "01234567-89ab-4cde-8f01-23456789abc" last

static void test_an_object_of_another_segment(void **state)
{
	static const struct {
		const char *id, *metadata;
		bool is_ours;
	} cases[] = {
		{ ID("2"), "{\"id\":\"" ID("2") "\"}", true },
		{ ID("2"), "{\"id\":\"" ID("3") "\"}", false },
		{ ID("2"), "{}", false },
		{ "", "{\"id\":\"" ID("3") "\"}", true }, /* recovered without its facts */
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		char crc32c[GCS_CRC32C_LENGTH + 1];
		char *reply;

		gcs_format_crc32c(fixture->object.crc32c, crc32c);
		reply = mem_printf(REPLY("200 OK", "",
					 "{\"size\":\"1000\",\"crc32c\":\"%s\",\"metadata\":%s}"),
				   crc32c, cases[i].metadata);
		(void)snprintf(fixture->segment.id, sizeof fixture->segment.id, "%s", cases[i].id);
		SCRIPT(fixture, SAYS("412 Precondition Failed"), reply);
		if (cases[i].is_ours)
			expect_sent(fixture, true);
		else
			expect_failed(fixture, ERROR_REJECTED, "nothing is overwritten");
		free(reply);
	}
	assert_told(&fixture->server, 0, "x-goog-gcs-idempotency-token: " ID("2") "\r\n");
	assert_told(&fixture->server, 0, "\"id\":\"" ID("2") "\"");
	/* Facts that were damaged do not become headers. */
	SCRIPT(fixture, fixture->good, BLIND); /* the reply is without an id, and we may not look */
	(void)snprintf(fixture->segment.id, sizeof fixture->segment.id, "x\ry: z");
	expect_sent(fixture, false);
	assert_false(server_was_told(&fixture->server, 2 * COUNT_OF(cases), "\ry: z"));
}

/* Without storage.objects.get, what decides is whether an attempt of ours can have made the object. */
static void test_an_object_that_may_not_be_looked_at(void **state)
{
	static const struct {
		const char *first; /* how the first attempt ended; NULL: with its process */
		bool may_be_there;
	} cases[] = {
		{ CLOSE_CONNECTION, true },
		{ SAYS("500 Oh"), true },
		{ SAYS("408 Timeout"), true },
		{ REPLY("503 Busy", "X-GUploader-UploadID: A\r\n", "Service Unavailable"), true },
		{ NULL, true },
		/* Of a proxy that has not passed it on. */
		{ REPLY("200 OK", "", "{}"), false },
		{ REPLY("503 Busy", "", "no healthy upstream"), false },
		{ EMPTY_REPLY("429 Slow"), false },
		{ SAYS("403 Forbidden"), false },
		{ SAYS("404 Not Found"), false },
	};
	struct fixture *fixture = *state;

	SCRIPT(fixture, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		save_upload_state(fixture, NULL);
		forget_script(fixture);
		atomic_store(&fixture->sink->reading, GCS_READING_ALLOWED);
		if (cases[i].first) {
			SCRIPT(fixture, cases[i].first);
			assert_int_equal(send_object(fixture), -1);
			assert_int_equal(fixture->kept != NULL, cases[i].may_be_there);
		} else {
			save_upload_state(fixture, "");
		}
		SCRIPT(fixture, TAKEN, BLIND);
		if (cases[i].may_be_there)
			expect_sent(fixture, true);
		else
			expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	}
	/* Sent again by libcurl itself, when a kept connection turned out dead: the first may have arrived. */
	forget_script(fixture);
	save_upload_state(fixture, NULL);
	atomic_store(&fixture->sink->reading, GCS_READING_ALLOWED);
	{
		char crc32c[GCS_CRC32C_LENGTH + 1];
		char *kept_alive;

		gcs_format_crc32c(fixture->object.crc32c, crc32c);
		kept_alive = mem_printf("HTTP/1.1 200 OK\r\nContent-Length: 35\r\n\r\n"
					"{\"size\":\"1000\",\"crc32c\":\"%s\"}",
					crc32c);
		SCRIPT(fixture, kept_alive);
		expect_sent(fixture, false);
		SCRIPT(fixture, CLOSE_CONNECTION, TAKEN, BLIND);
		expect_sent(fixture, true);
		forget_script(fixture);
		free(kept_alive);
	}
	/* Nobody was there to be asked: nothing can have arrived. */
	save_upload_state(fixture, NULL);
	atomic_store(&fixture->sink->reading, GCS_READING_ALLOWED);
	forget_script(fixture);
	server_stop(&fixture->server);
	assert_int_equal(send_object(fixture), -1);
	assert_null(fixture->kept);
	server_start(&fixture->server, fixture->replies, 0);
}

#define MAY(what) REPLY("200 OK", "", "{\"permissions\":[" what "]}")
#define ALL_1000  "Content-Range: bytes 0-999/1000\r\n"

/* Where we may not look, a small object goes by a session, too: that can be asked whether it made the object. */
static void test_small_objects_where_we_may_not_look(void **state)
{
	static const char *const no[] = {
		MAY(""),
		SAYS("403 Forbidden"),
		REPLY("501 What", "X-GUploader-UploadID: A\r\n", ""),
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(no); i++) {
		forget_script(fixture);
		atomic_store(&fixture->sink->reading, GCS_READING_UNKNOWN);
		SCRIPT(fixture, no[i], fixture->location, fixture->good);
		expect_sent(fixture, false);
		assert_told(&fixture->server, 0,
			    "GET /storage/v1/b/bucket/iam/testPermissions?permissions="
			    "storage.objects.get HTTP/1.1\r\n");
		assert_told(&fixture->server, 2, ALL_1000);
		/* Asked until it is said. One write to the disk: before the byte that makes the object. */
		if (i > 0)
			SCRIPT(fixture, no[i]);
		SCRIPT(fixture, fixture->location, fixture->good);
		memset(fixture->kept_all, 0, sizeof fixture->kept_all);
		expect_sent(fixture, false);
		assert_string_equal(fixture->kept_all, "1-");
	}
	forget_script(fixture);
	atomic_store(&fixture->sink->reading, GCS_READING_UNKNOWN);
	SCRIPT(fixture, CLOSE_CONNECTION);
	expect_failed(fixture, ERROR_TRANSIENT, "127.0.0.1");
	SCRIPT(fixture, REPLY("403 Forbidden", "", "<html>Proxy</html>"),
	       REPLY("403 Forbidden", "", "<html>Proxy</html>"));
	expect_failed(fixture, ERROR_TRANSIENT, "403: Proxy; this is no answer of Cloud Storage");
	SCRIPT(fixture, MAY("\"storage.objects.get\""), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 4, "uploadType=multipart");
	/* A condition of the permission that only the object meets. */
	SCRIPT(fixture, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	SCRIPT(fixture, fixture->location, CLOSE_CONNECTION, fixture->good);
	expect_sent(fixture, false);
}

static void test_failures_and_their_kinds(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
		const char *part;
	} cases[] = {
		{ SAYS("503 Busy"), ERROR_TRANSIENT, "bucket bucket: the server said 503" },
		{ SAYS("403 Forbidden"), ERROR_TRANSIENT,
		  "credentials: none (emulator); grant roles/storage.objectCreator" },
		{ REPLY("403 Forbidden", "", MESSAGE("Provided scope(s) are not authorized")),
		  ERROR_TRANSIENT, "access scopes" },
		{ SAYS("404 Not Found"), ERROR_TRANSIENT, "create the bucket" },
		{ REPLY("400 Bad Request", "", MESSAGE("Invalid name")), ERROR_REJECTED,
		  "400: Invalid name" },
		/* Of a proxy, not of the bucket: nothing about this object. */
		{ REPLY("400 Bad Request", "", "<html><h1>400 Bad Request</h1></html>"),
		  ERROR_TRANSIENT, "400: 400 Bad Request" },
		{ REPLY("413 Too Large", "", "<html>nginx</html>"), ERROR_TRANSIENT, "413: nginx" },
		{ REPLY("404 Not Found", "", "<html>nginx</html>"), ERROR_TRANSIENT,
		  "404: nginx; this is no answer of Cloud Storage" },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT, "127.0.0.1: " },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		SCRIPT(fixture, cases[i].reply);
		expect_failed(fixture, cases[i].kind, cases[i].part);
	}
	SCRIPT(fixture, REPLY("429 Slow", "Retry-After: 9\r\n", ""));
	expect_failed(fixture, ERROR_TRANSIENT, "429");
	assert_int_equal(fixture->err.retry_after_ms, 9000);
}

static void test_refused_token_is_renewed_once(void **state)
{
	struct fixture *fixture = *state;

	SCRIPT(fixture, SAYS("401 Unauthorized"), fixture->good);
	expect_sent(fixture, false);
	assert_int_equal(fixture->receipt.requests, 2);
	SCRIPT(fixture, SAYS("401 Unauthorized"), SAYS("401 Unauthorized"));
	expect_failed(fixture, ERROR_TRANSIENT, "does not accept the credentials");
}

static void test_large_objects_go_in_chunks(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 0,
		    "POST /upload/storage/v1/b/bucket/o?uploadType=resumable&ifGenerationMatch=0");
	assert_told(&fixture->server, 0, "X-Upload-Content-Type: application/gzip\r\n");
	assert_told(&fixture->server, 0, "X-Upload-Content-Length: 8488608\r\n");
	assert_told(&fixture->server, 1, "PUT /session?upload_id=hush HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, FIRST);
	assert_told(&fixture->server, 1, "Content-Length: 8388608\r\n");
	assert_told(&fixture->server, 2, LAST);
	assert_told(&fixture->server, 2, "Content-Length: 100000\r\n");
}

static void test_interruptions_with_progress_are_survived(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("262143"), /* kept less than was sent */
	       SAYS("503 Busy"),                         /* asked how far it is */
	       AT("524287"),                             /* further than before */
	       CLOSE_CONNECTION,                         /* asked again */
	       AT("8388607"),                            /* further again */
	       NOWHERE,                                  /* after data: nobody knows */
	       AT("8488607"),                            /* all of it, but no object yet */
	       fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 2, "Content-Range: bytes 262144-8488607/8488608\r\n");
	assert_told(&fixture->server, 3, ASKS);
	assert_told(&fixture->server, 4, "Content-Range: bytes 524288-8488607/8488608\r\n");
	assert_told(&fixture->server, 5, ASKS);
	assert_told(&fixture->server, 6, LAST);
	assert_told(&fixture->server, 7, ASKS);
	assert_told(&fixture->server, 8, ASKS);
}

static void test_progress_forgives_what_was_before(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, SAYS("503 Busy"), AT("262143"), AT("262143"),
	       AT("8388607"), fixture->good);
	expect_sent(fixture, false);
}

static void test_the_next_attempt_goes_on(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), SAYS("503 Busy"), AT("8388607"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	SCRIPT(fixture, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 4, ASKS);
	assert_told(&fixture->server, 5, LAST);
}

static void test_the_reply_to_the_last_chunk_is_lost(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), CLOSE_CONNECTION, fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 3, ASKS);
}

/* Neither the worker nor the process has to be the same. */
static void test_another_worker_goes_on(void **state)
{
	struct fixture *fixture = *state;
	const struct sink_ops *ops = sink_ops(fixture->sink);

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), SAYS("503 Busy"), AT("8388607"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	assert_true(fixture->receipt.has_advanced);
	assert_non_null(strstr(fixture->kept, "/session?upload_id=hush\n"));
	assert_non_null(strstr(fixture->kept, "acknowledged=8388608\n"));
	ops->worker_close(fixture->worker);
	assert_int_equal(ops->worker_open(fixture->sink, &fixture->worker, &fixture->err), 0);
	SCRIPT(fixture, AT("8388607"), SAYS("500 Oh"), AT("8388607"));
	expect_failed(fixture, ERROR_TRANSIENT, "500");
	assert_false(fixture->receipt.has_advanced);
	SCRIPT(fixture, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 4, ASKS);
	assert_told(&fixture->server, 8, LAST);
}

/* Only a request with the last byte can make the object: a process that ends before has made none. */
static void test_what_a_crash_leaves(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), SAYS("503 Busy"), AT("8388607"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	/* At the begin; before the last chunk; before the question; answered; for the next attempt. */
	assert_string_equal(fixture->kept_all, "01111");
	forget_script(fixture);
	save_upload_state(fixture, NULL);
	memset(fixture->kept_all, 0, sizeof fixture->kept_all);
	SCRIPT(fixture, fixture->location, AT("8388607"), AT("8400895"),
	       REPLY("429 Slow", "Retry-After: 1\r\n", ""));
	expect_failed(fixture, ERROR_TRANSIENT, "429");
	/* At the begin; before and after the last chunk, twice; for the next attempt. */
	assert_string_equal(fixture->kept_all, "010100");
}

/* What is kept of an attempt that ended otherwise, or for another destination, does not hide a crash. */
static void test_a_crash_after_another_attempt(void **state)
{
	static const char *const kept[] = {
		"server=http://elsewhere\nbucket=other\nobject=x\nbytes=1\ncrc32c=00000000\n"
		"may-be-there=0\n",
		"",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(kept); i++) {
		save_upload_state(fixture, kept[i]);
		memset(fixture->kept_all, 0, sizeof fixture->kept_all);
		SCRIPT(fixture, EMPTY_REPLY("429 Slow"));
		expect_failed(fixture, ERROR_TRANSIENT, "429");
		assert_int_equal(fixture->kept_all[0], '1');
	}
}

/* As after kill -9 in the middle of a chunk: what was kept at the begin of the session is all there is. */
static void test_another_process_goes_on(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	atomic_store(&fixture->cancel, false);
	SCRIPT(fixture, fixture->location, AT("262143"), EMPTY_REPLY("429 Slow"));
	expect_failed(fixture, ERROR_TRANSIENT, "429");
	{
		char *at = strstr(fixture->kept, "acknowledged=");
		cleanup_free char *killed = mem_printf(
			"%.*sacknowledged=0\nsent=%ju\nfailures=0\n%s", (int)(at - fixture->kept),
			fixture->kept, (uintmax_t)LARGE, strstr(fixture->kept, "session="));

		save_upload_state(fixture, killed);
	}
	SCRIPT(fixture, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 3, ASKS);
	assert_told(&fixture->server, 4, LAST);
}

/* A server that has less than it said before has lost it: also if that was said to another process. */
static void test_a_kept_offset_does_not_go_back(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), EMPTY_REPLY("429 Slow"));
	expect_failed(fixture, ERROR_TRANSIENT, "429");
	SCRIPT(fixture, AT("262143"), fixture->location, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 4, "POST /upload/");
	assert_told(&fixture->server, 5, FIRST);
}

/* The access token goes with each request to a session. */
static void test_where_a_session_may_be(void **state)
{
	static const struct {
		const char *url;
		bool is_safe, is_safe_of_emulator;
	} cases[] = {
		{ "https://storage.googleapis.com/upload?upload_id=x", true, true },
		{ "https://Storage-Upload.GoogleAPIs.com/u", true, true },
		{ "https://storage.googleapis.com:8443/u", true, true },
		{ "http://storage.googleapis.com/u", false, true },
		{ "https://googleapis.com/u", false, true },
		{ "https://evilgoogleapis.com/u", false, true },
		{ "https://storage.googleapis.com.evil.example/u", false, true },
		{ "https://storage.googleapis.com@evil.example/u", false, false },
		{ "https://storage.googleapis.com\\@evil.example/u", false, false },
		{ "https://127.0.0.1/u", false, true },
		{ "http://0.0.0.0:4443/u", false, true },
		{ "file:///etc/passwd", false, false },
		{ "/upload?upload_id=x", false, false },
		{ "", false, false },
	};
	const struct sink real = { .base_url = (char *)"https://storage.googleapis.com",
				   .universe = "googleapis.com" },
			  emulator = { .base_url = (char *)"http://localhost:4443" },
			  safer = { .base_url = (char *)"https://localhost:4443" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		if (gcs_session_is_safe(&real, cases[i].url) != cases[i].is_safe ||
		    gcs_session_is_safe(&emulator, cases[i].url) != cases[i].is_safe_of_emulator)
			fail_msg("%s", cases[i].url);
	assert_false(gcs_session_is_safe(&safer, "http://localhost:4443/u"));
	assert_true(gcs_session_is_safe(&safer, "https://localhost:4443/u"));
}

/* What a session belongs to. */
struct target {
	const char *base_url, *universe, *bucket, *name;
	uint64_t bytes;
	uint32_t crc32c;
};

struct owner {
	struct sink sink;
	struct sink_worker worker;
	struct sink_object object;
	struct gcs_upload upload;
};

static void set_owner(struct owner *owner, const struct target *target)
{
	*owner = (struct owner){
		.sink = { .base_url = (char *)target->base_url,
			  .universe = target->universe,
			  .bucket = (char *)target->bucket },
		.worker.sink = &owner->sink,
		.object = { .bytes = target->bytes, .crc32c = target->crc32c },
		.upload = { .worker = &owner->worker,
			    .object = &owner->object,
			    .name = target->name },
	};
}

static char *format_session(const struct gcs_session *session, const struct target *target)
{
	struct owner owner;

	set_owner(&owner, target);
	return gcs_session_format(&owner.upload, session);
}

static void parse_session(const char *text, const struct target *target, uint64_t now_s,
			  struct gcs_session *ret_session)
{
	struct owner owner;

	set_owner(&owner, target);
	gcs_session_parse(&owner.upload, text, now_s);
	*ret_session = owner.upload.session;
}

static void test_what_is_kept_of_a_session(void **state)
{
#define HERE "https://storage.googleapis.com", "googleapis.com"
	static const struct target target = { HERE, "bucket", "n/x", 5000, 0xe3069283 };
	static const struct target others[] = {
		{ "https://i", "googleapis.com", "bucket", "n/x", 5000, 0xe3069283 },
		{ HERE, "other", "n/x", 5000, 0xe3069283 },
		{ HERE, "bucket", "n/y", 5000, 0xe3069283 },
		{ HERE, "bucket", "n/x", 5001, 0xe3069283 },
		{ HERE, "bucket", "n/x", 5000, 0xe3069284 },
	};
	static const struct {
		const char *from, *to;
		bool may_be_there;
	} damage[] = {
		{ "session=https", "session=http", false },
		{ "session=https", "session=ftp", false },
		{ "session=https://storage", "session=https://evil.example/storage", false },
		{ "/s?u=1", "/s?u= 1", false },
		{ "acknowledged=300", "acknowledged=401", false },
		{ "sent=400", "sent=5001", false },
		{ "sent=400", "sent=", false },
		{ "sent=400", "sent=+400", false },
		{ "sent=400", "sent=-400", false },
		{ "failures=2", "failures=-2", false },
		{ "started=1000", "started=x", false },
		{ "may-be-there=0", "may-be-there=1", true },
		{ "may-be-there=0", "something=else", true },
		{ "server=", "somebody=", true },
	};
	struct gcs_session session = { .acknowledged = 300,
				       .sent = 400,
				       .started_s = 1000,
				       .failures = 2 },
			   read;
	const uint64_t six_days_s = 6 * 24 * 3600;
	char *text;

	(void)state;
	assert_null(format_session(&session, &target));
	session.url = mem_strdup("https://storage.googleapis.com/s?u=1");
	text = format_session(&session, &target);
	parse_session(text, &target, 1000 + six_days_s, &read);
	assert_string_equal(read.url, "https://storage.googleapis.com/s?u=1");
	assert_int_equal(read.acknowledged, 300);
	assert_int_equal(read.sent, 400);
	assert_int_equal(read.started_s, 1000);
	assert_int_equal(read.failures, 2);
	assert_false(read.may_be_there);
	gcs_session_forget(&read);
	assert_null(read.url);
	/* Too old, from the future, for something else. */
	parse_session(text, &target, 1001 + six_days_s, &read);
	assert_null(read.url);
	parse_session(text, &target, 999, &read);
	assert_null(read.url);
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		parse_session(text, &others[i], 2000, &read);
		assert_null(read.url);
		assert_false(read.may_be_there);
	}
	for (size_t i = 0; i < COUNT_OF(damage); i++) {
		char *at = strstr(text, damage[i].from);
		cleanup_free char *damaged = mem_printf("%.*s%s%s", (int)(at - text), text,
							damage[i].to, at + strlen(damage[i].from));

		parse_session(damaged, &target, 2000, &read);
		assert_int_equal(read.may_be_there, damage[i].may_be_there);
		assert_int_equal(read.url != NULL, strstr(damage[i].to, "may-be") != NULL);
		gcs_session_forget(&read);
	}
	parse_session(NULL, &target, 2000, &read);
	assert_false(read.may_be_there);
	parse_session("", &target, 2000, &read);
	assert_true(read.may_be_there);
	mem_free_secret(text);
	gcs_session_forget(&session);
}

static void test_another_object_gets_its_own_session(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, REPLY("429 Slow", "Retry-After: 1\r\n", ""));
	expect_failed(fixture, ERROR_TRANSIENT, "429");
	fixture->object.name = "node-1/other";
	SCRIPT(fixture, fixture->location, AT("8388607"), fixture->good);
	assert_int_equal(send_object(fixture), 0);
	assert_told(&fixture->server, 2, "POST /upload/");
}

static void test_without_progress_an_attempt_ends(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, NOWHERE, NOWHERE);
	expect_failed(fixture, ERROR_TRANSIENT, "308");
	SCRIPT(fixture, NOWHERE, SAYS("500 Oh"), SAYS("500 Oh"));
	expect_failed(fixture, ERROR_TRANSIENT, "500");
	/* A pause that the server asks for is made outside. No other session is to be had, so this one is kept. */
	SCRIPT(fixture, NOWHERE, REPLY("503 Busy", "Retry-After: 3\r\n", ""), SAYS("503 Busy"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	assert_int_equal(fixture->err.retry_after_ms, 3000);
}

/* Three attempts with a session that gets nowhere: the third begins another one, whatever was the matter. */
static void test_a_dead_session_is_given_up(void **state)
{
	static const char *const dead[] = {
		SAYS("500 Oh"),
		REPLY("200 OK", "", "<html>Log in</html>"),
		CLOSE_CONNECTION,
	};
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	for (size_t i = 0; i < COUNT_OF(dead); i++) {
		forget_script(fixture);
		SCRIPT(fixture, fixture->location, AT("8388607"), EMPTY_REPLY("429 Slow"));
		expect_failed(fixture, ERROR_TRANSIENT, "429");
		assert_true(fixture->receipt.has_advanced);
		SCRIPT(fixture, dead[i]);
		assert_int_equal(send_object(fixture), -1);
		assert_non_null(strstr(fixture->kept, "failures=2\n"));
		SCRIPT(fixture, dead[i], fixture->location, AT("262143"), EMPTY_REPLY("429 Slow"));
		expect_failed(fixture, ERROR_TRANSIENT, "429");
		/* Less than the old one had, and progress all the same. */
		assert_true(fixture->receipt.has_advanced);
		assert_non_null(strstr(fixture->kept, "failures=1\n"));
		SCRIPT(fixture, AT("8388607"), fixture->good);
		expect_sent(fixture, false);
	}
}

/* A page of a portal in place of the reply to the last chunk: what is there is not sent again. */
static void test_a_success_without_proof(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"),
	       REPLY("200 OK", "", "<html>Log in</html>"));
	expect_failed(fixture, ERROR_TRANSIENT, "without proof");
	SCRIPT(fixture, REPLY("200 OK", "", "<html>Log in</html>"));
	expect_failed(fixture, ERROR_TRANSIENT, "without proof");
	SCRIPT(fixture, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
	assert_told(&fixture->server, 3, ASKS);
	assert_told(&fixture->server, 5, LAST);
}

static void test_all_there_but_never_finished(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, fixture->location, AT("8388607"), AT("8488607"), AT("8488607"),
	       AT("8488607"));
	expect_failed(fixture, ERROR_TRANSIENT, "does not get beyond byte 8488608");
}

static void test_lost_sessions_are_begun_anew_once(void **state)
{
	static const char *const gone[] = {
		SAYS("404 Not Found"),
		OWN_REPLY("410 Gone"),
		OWN_REPLY("499 Cancelled"),
	};
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	for (size_t i = 0; i < COUNT_OF(gone); i++) {
		SCRIPT(fixture, fixture->location, gone[i], fixture->location, gone[i]);
		expect_failed(fixture, ERROR_TRANSIENT, "forgets its upload sessions");
	}
	SCRIPT(fixture, fixture->location, gone[0], fixture->location, fixture->good);
	expect_sent(fixture, false);
}

static void test_offsets_that_cannot_be(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	/* Backwards, then beyond what was sent. */
	SCRIPT(fixture, fixture->location, AT("524287"), AT("262143"), fixture->location,
	       AT("8488607"));
	expect_failed(fixture, ERROR_TRANSIENT, "forgets its upload sessions");
	SCRIPT(fixture, fixture->location, REPLY("308 Resume", "Range: what\r\n", ""),
	       fixture->location, AT("8388607"), fixture->good);
	expect_sent(fixture, false);
}

static void test_a_session_that_ends_in_412(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	/* The session itself says that it was the one: that is proof where we may not look. */
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, fixture->good, BLIND);
	expect_sent(fixture, true);
	assert_told(&fixture->server, 3, ASKS);
	assert_told(&fixture->server, 4, "GET /storage/");
	forget_script(fixture);
	/* Where we may, the object has to be there. */
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, fixture->good,
	       SAYS("404 Not Found"));
	expect_failed(fixture, ERROR_TRANSIENT, "404");
	assert_null(strstr(fixture->kept ? fixture->kept : "", "/session"));
	save_upload_state(fixture, NULL);
	forget_script(fixture);
	/* It was not, but another one of ours. */
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, TAKEN, fixture->good);
	expect_sent(fixture, true);
	assert_told(&fixture->server, 4, "GET /storage/");
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, SAYS("404 Not Found"),
	       fixture->damaged);
	expect_failed(fixture, ERROR_REJECTED, "other content");
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	forget_script(fixture);
	/* The reply to the last chunk was lost, and the session, asked, denies it. */
	SCRIPT(fixture, fixture->location, AT("8388607"), CLOSE_CONNECTION, TAKEN, BLIND);
	expect_failed(fixture, ERROR_REJECTED, "we never sent it");
	forget_script(fixture);
	/* The reply to the last chunk was lost, and then the session: it may have been ours. */
	SCRIPT(fixture, fixture->location, AT("8388607"), CLOSE_CONNECTION, SAYS("404 Not Found"),
	       fixture->location, AT("8388607"), TAKEN, TAKEN, BLIND);
	expect_sent(fixture, true);
	forget_script(fixture);
	/* No answer is no word about whose it is. */
	SCRIPT(fixture, fixture->location, AT("8388607"), TAKEN, SAYS("503 Busy"));
	expect_failed(fixture, ERROR_TRANSIENT, "503");
	save_upload_state(fixture, NULL);
	SCRIPT(fixture, fixture->location, AT("8388607"), REPLY("400 Bad", "", MESSAGE("No")));
	expect_failed(fixture, ERROR_REJECTED, "400: No");
	/* What was refused has no session to go on with. */
	SCRIPT(fixture, fixture->location, fixture->good);
	expect_sent(fixture, false);
}

static void test_session_without_a_place(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	SCRIPT(fixture, EMPTY_REPLY("200 OK"));
	expect_failed(fixture, ERROR_TRANSIENT, "without saying where");
}

static void test_a_cancelled_attempt_ends(void **state)
{
	struct fixture *fixture = *state;

	set_object(fixture, LARGE);
	atomic_store(&fixture->cancel, true);
	assert_int_equal(send_object(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
}

static int probe(struct fixture *fixture)
{
	int result = sink_ops(fixture->sink)->probe(fixture->worker, "", &fixture->err);

	assert_int_equal(atomic_load(&fixture->server.count), fixture->reply_count);
	return result;
}

static void test_probe_leaves_nothing_behind(void **state)
{
	static const char *const cancelled[] = { EMPTY_REPLY("499 Cancelled"),
						 EMPTY_REPLY("204 No Content"),
						 EMPTY_REPLY("410 Gone"), CLOSE_CONNECTION };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cancelled); i++) {
		SCRIPT(fixture, fixture->location, cancelled[i]);
		assert_int_equal(probe(fixture), 0);
	}
	assert_told(&fixture->server, 0, "uploadType=resumable&ifGenerationMatch=0");
	assert_told(&fixture->server, 0, "\"name\":\"top/node-1/.probe-");
	/* A total of nothing would be an object that is finished. */
	assert_false(server_was_told(&fixture->server, 0, "X-Upload-Content-Length"));
	assert_told(&fixture->server, 1, "DELETE /session?upload_id=hush HTTP/1.1\r\n");
	assert_told(&fixture->server, 1, "Content-Length: 0\r\n");
}

static void test_probe_tells_no_from_no_answer(void **state)
{
	static const struct {
		const char *reply;
		enum error_kind kind;
	} cases[] = {
		{ SAYS("404 Not Found"), ERROR_CONFIG },
		{ REPLY("404 Not Found", "", "<html>Proxy</html>"), ERROR_TRANSIENT },
		{ REPLY("403 Forbidden", "", "<html>Proxy</html>"), ERROR_TRANSIENT },
		{ REPLY("407 Log In", "", "<html>Proxy</html>"), ERROR_TRANSIENT },
		{ REPLY("451 Illegal", "", "<html>Proxy</html>"), ERROR_TRANSIENT },
		{ SAYS("403 Forbidden"), ERROR_CONFIG },
		{ EMPTY_REPLY("400 Bad Request"), ERROR_TRANSIENT },
		{ REPLY("400 Bad Request", "", MESSAGE("Invalid argument")), ERROR_CONFIG },
		{ SAYS("408 Timeout"), ERROR_TRANSIENT },
		{ EMPTY_REPLY("429 Slow"), ERROR_TRANSIENT },
		{ SAYS("503 Busy"), ERROR_TRANSIENT },
		{ CLOSE_CONNECTION, ERROR_TRANSIENT },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		SCRIPT(fixture, cases[i].reply);
		assert_int_equal(probe(fixture), -1);
		assert_int_equal(fixture->err.kind, cases[i].kind);
	}
	SCRIPT(fixture, REPLY("401 No", "", "<html>Proxy</html>"),
	       REPLY("401 No", "", "<html>Proxy</html>"));
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	SCRIPT(fixture, SAYS("401 No"), SAYS("401 No"));
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	/* A token that is signed here may only be early or late. */
	SCRIPT(fixture, SAYS("401 No"),
	       REPLY("401 No", "Date: Mon, 23 Nov 1998 08:30:00 GMT\r\n", MESSAGE("no")));
	assert_int_equal(probe(fixture), -1);
	assert_int_equal(fixture->err.kind, ERROR_TRANSIENT);
	assert_non_null(strstr(fixture->err.message, "this node's clock is not the server's: "));
}

static void test_destinations(void **state)
{
	static const struct {
		char text[40];
		const char *part;
	} cases[] = {
		{ "", "is required (-b): BUCKET, gs://BUCKET[/PREFIX], file:///DIR" },
		{ "s3://bucket", "\"s3://bucket\" is not a destination; allowed are BUCKET, "
				 "gs://BUCKET[/PREFIX], file:///DIR" },
		{ "./captures", "is not a destination" },
		{ "/captures", "is not a destination" },
		{ "Bucket", "lower-case" },
		{ "gs://", "\"gs://\" is not the name of a bucket: it must have 3 to 63" },
		{ "bucket/prefix", "allowed are gs://bucket/prefix, " },
		{ "gs://ab/x", "3 to 63" },
		{ "gs://bucket//x", "prefix" },
		{ "gs://bucket/../x", "prefix" },
		{ "file://captures", "three slashes" },
	};
	static char universes[][24] = { "", "nodots", ".com", "a.", "a..b", "Upper.Case", "a.b/c" };
	static char good[][24] = { "bucket", "gs://bucket", "gs://bucket/", "gs://bucket/a/b/" };
	struct fixture *fixture = *state;
	struct sink *sink = fixture->sink;

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		cleanup_free char *text = mem_strdup(cases[i].text);

		assert_int_equal(open_sink(fixture, text), -1);
		assert_int_equal(fixture->err.kind, ERROR_CONFIG);
		if (!strstr(fixture->err.message, cases[i].part))
			fail_msg("%s: %s", cases[i].text, fixture->err.message);
	}
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		assert_int_equal(open_sink(fixture, good[i]), 0);
		sink_close(fixture->sink);
	}
	for (size_t i = 0; i < COUNT_OF(universes); i++) {
		fixture->conf.gcs_universe_domain = universes[i];
		assert_int_equal(open_sink(fixture, good[0]), -1);
		assert_int_equal(fixture->err.kind, ERROR_CONFIG);
		assert_non_null(strstr(fixture->err.message, "gcs.universe_domain: '"));
	}
	http_fixture_conf(&fixture->conf);
	setenv("STORAGE_EMULATOR_HOST", "ftp://x", 1);
	assert_int_equal(open_sink(fixture, good[0]), -1);
	assert_int_equal(fixture->err.kind, ERROR_CONFIG);
	fixture->sink = sink;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bucket_names),
		cmocka_unit_test(test_urls),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_crc32c_texts),
		cmocka_unit_test(test_resources_are_read),
		cmocka_unit_test(test_resources_are_written),
		cmocka_unit_test(test_problems),
		cmocka_unit_test(test_decisions),
		cmocka_unit_test(test_content_types),
		TEST(test_small_objects_take_one_request),
		TEST(test_the_proof_is_demanded),
		TEST(test_what_is_disproved_is_not_ours),
		TEST(test_bytes_that_are_changed_on_the_way),
		TEST(test_who_took_the_name_is_not_answered),
		TEST(test_an_object_that_is_there),
		TEST(test_an_object_of_another_segment),
		TEST(test_an_object_that_may_not_be_looked_at),
		TEST(test_small_objects_where_we_may_not_look),
		TEST(test_failures_and_their_kinds),
		TEST(test_refused_token_is_renewed_once),
		TEST(test_large_objects_go_in_chunks),
		TEST(test_interruptions_with_progress_are_survived),
		TEST(test_progress_forgives_what_was_before),
		TEST(test_the_next_attempt_goes_on),
		TEST(test_the_reply_to_the_last_chunk_is_lost),
		TEST(test_another_worker_goes_on),
		TEST(test_what_a_crash_leaves),
		TEST(test_a_crash_after_another_attempt),
		TEST(test_another_process_goes_on),
		TEST(test_a_kept_offset_does_not_go_back),
		TEST(test_another_object_gets_its_own_session),
		cmocka_unit_test(test_where_a_session_may_be),
		cmocka_unit_test(test_what_is_kept_of_a_session),
		TEST(test_without_progress_an_attempt_ends),
		TEST(test_a_dead_session_is_given_up),
		TEST(test_a_success_without_proof),
		TEST(test_all_there_but_never_finished),
		TEST(test_lost_sessions_are_begun_anew_once),
		TEST(test_offsets_that_cannot_be),
		TEST(test_a_session_that_ends_in_412),
		TEST(test_session_without_a_place),
		TEST(test_a_cancelled_attempt_ends),
		TEST(test_probe_leaves_nothing_behind),
		TEST(test_probe_tells_no_from_no_answer),
		TEST(test_destinations),
	};

	unit_add(tests, start_http, NULL);
}
