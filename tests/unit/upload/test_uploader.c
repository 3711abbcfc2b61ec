/* SPDX-License-Identifier: Apache-2.0 */
/* The upload stage between a real spool and a folder, or a scripted server. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "unit.h"

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "http_fixture.h"
#include "segment/segment.h"
#include "upload/upload.h"

#define PATIENCE_MS 20000
#define SECOND_NS   UINT64_C(1000000000)

/* In place of the C library's: a share that hangs is made here. */
static atomic_bool is_hanging;
static atomic_uint hung;

int fsync(int fd)
{
	char link[64], path[256] = "";

	(void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof path - 1) > 0 && strstr(path, "/hangs/") &&
	    atomic_load(&is_hanging)) {
		atomic_fetch_add(&hung, 1);
		while (atomic_load(&is_hanging))
			(void)usleep(1000);
	}
	return (int)syscall(SYS_fsync, fd);
}

struct fixture {
	struct conf conf, hanging_conf;
	struct conf changed
		[8]; /* for reloads: each configuration stays as it is while it may be in use */
	size_t changes;
	struct connections *connections;
	struct counters counters;
	struct spool *spool;
	struct uploader *uploader;
	int wake_fd;
	char dir[32];
	char destination[64], share[64];
	char folder[96]; /* where the segments arrive */
	uint64_t sequence;
	struct error err;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	char spool[64];

	http_fixture_environment();
	http_fixture_conf(&fixture->conf);
	fixture->connections = connections_new();
	fixture->wake_fd = eventfd(0, EFD_CLOEXEC);
	(void)snprintf(fixture->dir, sizeof fixture->dir, "/tmp/test_uploader.XXXXXX");
	if (!mkdtemp(fixture->dir))
		return -1;
	(void)snprintf(spool, sizeof spool, "%s/spool", fixture->dir);
	(void)snprintf(fixture->destination, sizeof fixture->destination, "file://%s/out",
		       fixture->dir);
	(void)snprintf(fixture->folder, sizeof fixture->folder, "%s/out", fixture->dir);
	if (mkdir(fixture->folder, 0755) < 0)
		return -1;
	(void)snprintf(fixture->folder, sizeof fixture->folder, "%s/out/node-1", fixture->dir);
	fixture->conf.upload_destination = fixture->destination;
	http_fixture_conf(&fixture->hanging_conf);
	(void)snprintf(fixture->share, sizeof fixture->share, "file://%s/hangs", fixture->dir);
	fixture->hanging_conf.upload_destination = fixture->share;
	fixture->hanging_conf.upload_workers = 1;
	*state = fixture;
	counters_init(&fixture->counters);
	return spool_open(spool, &fixture->counters, &fixture->spool, &fixture->err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	atomic_store(&is_hanging, false);
	uploader_free(fixture->uploader);
	spool_close(fixture->spool);
	connections_free(fixture->connections);
	(void)close(fixture->wake_fd);
	(void)nftw(fixture->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

/* Publish a segment that ended just now, for this reason; its name in name. */
static void publish_ended(struct fixture *fixture, const char *content, const char *reason,
			  char name[SEGMENT_NAME_MAX + 1])
{
	const struct segment segment = { .node = "node-1",
					 .interface = "eth0",
					 .start_ns = ++fixture->sequence * SECOND_NS };
	struct spool_writer *writer;

	assert_int_equal(spool_begin(fixture->spool, &segment, ".pcap.gz", &writer, &fixture->err),
			 0);
	(void)snprintf(name, SEGMENT_NAME_MAX + 1, "%s", writer->name);
	writer->segment.packets = 3;
	writer->segment.end_ns = clock_real_ns();
	strcpy(writer->segment.reason, reason);
	assert_int_equal(
		spool_append(writer, content, strlen(content), strlen(content), &fixture->err), 0);
	assert_int_equal(spool_finish(writer), 0);
}

static void publish(struct fixture *fixture, const char *content, char name[SEGMENT_NAME_MAX + 1])
{
	publish_ended(fixture, content, "signal", name);
}

/* As a reload does it. */
static void swap(struct fixture *fixture, const struct conf *conf)
{
	struct destination *next;

	if (uploader_prepare(fixture->uploader, conf, &next, &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	uploader_swap(fixture->uploader, conf, next);
}

/* Start, or reload if it runs. */
static void start_with(struct fixture *fixture, const struct conf *conf)
{
	if (fixture->uploader)
		swap(fixture, conf);
	else if (uploader_new(conf, fixture->connections, &fixture->counters, &fixture->uploader,
			      &fixture->err) < 0 ||
		 uploader_start(fixture->uploader, fixture->spool, fixture->wake_fd,
				&fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
}

/* A copy to be changed; the number of workers is its own. */
static struct conf *next_conf(struct fixture *fixture, uint64_t workers)
{
	struct conf *next;

	assert_true(fixture->changes < COUNT_OF(fixture->changed));
	next = &fixture->changed[fixture->changes++];
	*next = fixture->conf;
	next->references = 0;
	next->upload_workers = workers;
	return next;
}

static void start(struct fixture *fixture)
{
	start_with(fixture, &fixture->conf);
}

/* The main thread goes on meanwhile. */
#define WAIT_FOR(condition)                                             \
	do {                                                            \
		uint64_t end_ms = clock_monotonic_ms() + PATIENCE_MS;   \
                                                                        \
		while (!(condition) && clock_monotonic_ms() < end_ms) { \
			uploader_tick(fixture->uploader);               \
			(void)usleep(1000);                             \
		}                                                       \
		assert_true(condition);                                 \
	} while (0)

static uint64_t waiting(struct fixture *fixture)
{
	struct spool_totals totals;

	while (!spool_totals(fixture->spool, &totals))
		(void)usleep(1000);
	return totals.ready + totals.sending;
}

static bool has_arrived(struct fixture *fixture, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", fixture->folder, name);

	return access(path, F_OK) == 0;
}

static void expect_wake(struct fixture *fixture)
{
	struct pollfd pollfd = { .fd = fixture->wake_fd, .events = POLLIN };
	uint64_t count;

	assert_int_equal(poll(&pollfd, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fixture->wake_fd, &count, sizeof count), sizeof count);
}

static void test_segments_go_out_and_leave_the_spool(void **state)
{
	struct fixture *fixture = *state;
	char names[20][SEGMENT_NAME_MAX + 1], line[64];

	for (size_t i = 0; i < 10; i++)
		publish(fixture, "abc", names[i]);
	start(fixture);
	expect_wake(fixture);
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_OK);
	for (size_t i = 10; i < 20; i++)
		publish(fixture, "defg", names[i]);
	WAIT_FOR(waiting(fixture) == 0);
	for (size_t i = 0; i < 20; i++)
		assert_true(has_arrived(fixture, names[i]));
	assert_int_equal(counter_read(&fixture->counters.segments_uploaded), 20);
	assert_int_equal(counter_read(&fixture->counters.bytes_uploaded), 70);
	assert_int_equal(counter_read(&fixture->counters.upload_failures), 0);
	uploader_outage(fixture->uploader, line, sizeof line, NULL);
	assert_string_equal(line, "");
	assert_false(uploader_is_drained(fixture->uploader));
}

static void test_draining_ends_when_nothing_is_left(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];

	start(fixture);
	expect_wake(fixture);
	publish(fixture, "last", name);
	uploader_drain(fixture->uploader);
	expect_wake(fixture);
	assert_true(uploader_is_drained(fixture->uploader));
	assert_true(has_arrived(fixture, name));
	assert_int_equal(waiting(fixture), 0);
}

static void test_rejected_segment_is_set_aside(void **state)
{
	struct fixture *fixture = *state;
	char bad[SEGMENT_NAME_MAX + 1], good[SEGMENT_NAME_MAX + 1];
	cleanup_free char *taken = NULL;
	struct spool_totals totals;

	publish(fixture, "abc", bad);
	publish(fixture, "abc", good);
	taken = mem_printf("%s/%s", fixture->folder, bad);
	assert_int_equal(file_make_folders(taken, 0700, &fixture->err), 0);
	start(fixture);
	WAIT_FOR(waiting(fixture) == 0);
	while (!spool_totals(fixture->spool, &totals))
		(void)usleep(1000);
	assert_int_equal(totals.rejected, 1);
	assert_true(has_arrived(fixture, good));
	/* Counted after the file was moved. */
	WAIT_FOR(counter_read(&fixture->counters.drops[DROP_REJECTED]) == 3);
}

static void test_outage_costs_nothing_but_time(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1], line[200];
	cleanup_free char *out = mem_printf("%s/out", fixture->dir);
	int fd;

	start(fixture);
	expect_wake(fixture);
	/* A file where the folder should be. */
	assert_int_equal(rmdir(out), 0);
	fd = open(out, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	publish(fixture, "abc", name);
	WAIT_FOR(counter_read(&fixture->counters.upload_failures) > 0);
	uploader_outage(fixture->uploader, line, sizeof line, NULL);
	assert_non_null(strstr(line, "uploads failing since 0 s: "));
	assert_int_equal(unlink(out), 0);
	assert_int_equal(mkdir(out, 0755), 0);
	WAIT_FOR(waiting(fixture) == 0);
	assert_true(has_arrived(fixture, name));
	WAIT_FOR((uploader_outage(fixture->uploader, line, sizeof line, NULL), line[0] == '\0'));
}

static void use_bucket(struct fixture *fixture, struct server *server, const char *const *replies,
		       size_t count)
{
	static char bucket[] = "bucket";
	char host[32];

	server_start(server, replies, count);
	(void)snprintf(host, sizeof host, "127.0.0.1:%u", server->port);
	setenv("STORAGE_EMULATOR_HOST", host, 1);
	if (fixture->conf.upload_destination != bucket)
		fixture->conf.upload_destination = bucket;
}

#define CHUNK                (UINT64_C(256) << 10)
#define NO_BODY              "Content-Length: 0\r\n"
#define HAS(last)            REPLY("308 Resume", NO_BODY "Range: bytes=0-" last "\r\n", "")
#define LATER                REPLY("429 Slow", NO_BODY, "")
#define ONE_MORE(last, next) HAS(last), HAS(next), LATER

/* A line that breaks all the time is no outage: it pauses as after a first failure, and holds nothing back. */
static void test_progress_starts_the_back_off_anew(void **state)
{
	struct server server;
	struct fixture *fixture = *state;
	cleanup_free char *content = mem_calloc(1, 8 * CHUNK);
	char name[SEGMENT_NAME_MAX + 1], *location;
	uint64_t begin_ms;

	memset(content, 'x', 8 * CHUNK - 1);
	fixture->conf.upload_workers = 1;
	fixture->conf.gcs_chunk_size = CHUNK;
	use_bucket(fixture, &server, NULL, 0);
	location = mem_printf(REPLY("200 OK", NO_BODY "Location: http://127.0.0.1:%u/s\r\n", ""),
			      server.port);
	{
		const char *const replies[] = {
			REPLY("503 Busy", NO_BODY, ""), /* the probe */
			location,
			HAS("262143"),
			LATER,
			ONE_MORE("262143", "524287"),
			ONE_MORE("524287", "786431"),
			ONE_MORE("786431", "1048575"),
			ONE_MORE("1048575", "1310719"),
			ONE_MORE("1310719", "1572863"),
			ONE_MORE("1572863", "1835007"),
		};

		server.replies = replies;
		server.reply_count = COUNT_OF(replies);
		publish(fixture, content, name);
		begin_ms = clock_monotonic_ms();
		start(fixture);
		WAIT_FOR(counter_read(&fixture->counters.upload_failures) >= 7);
		/* Otherwise the segment alone would have been held for 8 + 16 + 32 + 64 seconds. */
		assert_true(clock_monotonic_ms() - begin_ms < PATIENCE_MS);
		uploader_stop(fixture->uploader);
		server_stop(&server);
	}
	free(location);
}

/* Asked before the first small object. */
#define MAY_READ  REPLY("200 OK", "", "{\"permissions\":[\"storage.objects.get\"]}")
#define NO_BUCKET REPLY("404 Not Found", "", "{\"error\":{\"message\":\"no\"}}")
#define REFUSED   REPLY("400 Bad", "", "{\"error\":{\"message\":\"never\"}}")

/* What refuses one may refuse all: the spool is not run through at full speed. */
static void test_a_rejection_is_followed_by_a_pause(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", ""), MAY_READ, REFUSED,
					       REFUSED, REFUSED };
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1], line[200];
	uint64_t begin_ms = clock_monotonic_ms();
	struct server server;

	fixture->conf.upload_workers = 1;
	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	for (size_t i = 0; i < 3; i++)
		publish(fixture, "abc", name);
	start(fixture);
	WAIT_FOR(counter_read(&fixture->counters.upload_failures) == 3);
	assert_true(clock_monotonic_ms() - begin_ms >= 200); /* two of 100 ms at least */
	assert_int_equal(counter_read(&fixture->counters.upload_retries), 0);
	uploader_stop(fixture->uploader);
	/* Each is told by itself: none of them is an outage, as the probe's failure is. */
	uploader_outage(fixture->uploader, line, sizeof line, NULL);
	assert_null(strstr(line, "never"));
	server_stop(&server);
}

static void test_damaged_segment_is_rejected_unsent(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", "") };
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	cleanup_free char *path = NULL;
	struct spool_totals totals;
	struct server server;

	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	publish(fixture, "abc", name);
	path = mem_printf("%s/spool/ready/%s", fixture->dir, name);
	assert_int_equal(truncate(path, 1), 0);
	start(fixture);
	WAIT_FOR(waiting(fixture) == 0);
	while (!spool_totals(fixture->spool, &totals))
		(void)usleep(1000);
	assert_int_equal(totals.rejected, 1);
	assert_int_equal(atomic_load(&server.count), 1); /* the probe */
	uploader_stop(fixture->uploader);
	server_stop(&server);
}

static void test_refused_probe_is_told(void **state)
{
	static const char *const replies[] = { NO_BUCKET };
	struct fixture *fixture = *state;
	struct server server;
	char line[512];
	bool is_lasting;

	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	start(fixture);
	expect_wake(fixture);
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_FAILED);
	uploader_outage(fixture->uploader, line, sizeof line, &is_lasting);
	assert_true(is_lasting);
	assert_non_null(strstr(line, "create the bucket"));
	uploader_stop(fixture->uploader);
	server_stop(&server);
}

static void test_stop_breaks_off_a_transfer(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", ""), HANG };
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct server server;
	struct spool_totals totals;
	uint64_t begin_ms;

	fixture->conf.upload_workers = 1;
	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	start(fixture);
	expect_wake(fixture);
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_FAILED);
	publish(fixture, "abc", name);
	WAIT_FOR(atomic_load(&server.count) == 2);
	begin_ms = clock_monotonic_ms();
	uploader_stop(fixture->uploader);
	assert_true(clock_monotonic_ms() - begin_ms < 2500);
	while (!spool_totals(fixture->spool, &totals))
		(void)usleep(1000);
	assert_int_equal(totals.ready, 1);
	assert_int_equal(counter_read(&fixture->counters.upload_failures), 0);
	server_stop(&server);
}

static void test_stop_ends_a_pause(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", ""),
					       REPLY("429 Slow", "Retry-After: 300\r\n", "") };
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct server server;
	uint64_t begin_ms;

	fixture->conf.upload_workers = 1;
	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	start(fixture);
	publish(fixture, "abc", name);
	WAIT_FOR(counter_read(&fixture->counters.upload_failures) == 1);
	begin_ms = clock_monotonic_ms();
	uploader_stop(fixture->uploader);
	assert_true(clock_monotonic_ms() - begin_ms < 1000);
	assert_int_equal(waiting(fixture), 1);
	server_stop(&server);
}

/* The beginning of draining ends a pause; what is newest then goes first. */
static void test_draining_is_newest_first(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", ""),
					       MAY_READ,
					       REPLY("429 Slow", "Retry-After: 300\r\n", ""),
					       REFUSED,
					       REFUSED,
					       REFUSED };
	struct fixture *fixture = *state;
	char names[3][SEGMENT_NAME_MAX + 1];
	struct server server;

	fixture->conf.upload_workers = 1;
	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	publish(fixture, "abc", names[0]);
	start(fixture);
	expect_wake(fixture);
	WAIT_FOR(counter_read(&fixture->counters.upload_retries) == 1);
	publish(fixture, "abc", names[1]);
	publish(fixture, "abc", names[2]);
	uploader_drain(fixture->uploader);
	/* Do not sit through the pauses after rejections. */
	WAIT_FOR((uploader_retry_now(fixture->uploader), uploader_is_drained(fixture->uploader)));
	assert_told(&server, 2, names[0]);
	assert_told(&server, 3, names[2]);
	assert_told(&server, 4, names[1]);
	assert_told(&server, 5, names[0]);
	server_stop(&server);
}

/* Others do not wait for it; a reload and a stop do not wait for its moment. */
static void test_what_ends_by_age_is_spread(void **state)
{
	struct fixture *fixture = *state;
	char by_age[3][SEGMENT_NAME_MAX + 1], other[SEGMENT_NAME_MAX + 1];
	struct conf *at_once = next_conf(fixture, 1), *spread = next_conf(fixture, 1);

	fixture->conf.upload_workers = 1;
	fixture->conf.upload_spread = spread->upload_spread = 3600;
	start(fixture);
	publish_ended(fixture, "abc", "age", by_age[0]);
	publish(fixture, "abc", other);
	WAIT_FOR(has_arrived(fixture, other));
	assert_false(has_arrived(fixture, by_age[0]));
	uploader_swap(fixture->uploader, at_once, NULL);
	WAIT_FOR(has_arrived(fixture, by_age[0]));
	swap(fixture, spread);
	publish_ended(fixture, "abc", "age", by_age[1]);
	publish(fixture, "abc", other);
	WAIT_FOR(has_arrived(fixture, other));
	assert_false(has_arrived(fixture, by_age[1]));
	publish_ended(fixture, "abc", "age", by_age[2]);
	uploader_drain(fixture->uploader);
	uploader_swap(fixture->uploader, spread, NULL); /* which comes too late */
	WAIT_FOR(uploader_is_drained(fixture->uploader));
	assert_true(has_arrived(fixture, by_age[1]) && has_arrived(fixture, by_age[2]));
}

static void test_draining_before_the_start(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(uploader_new(&fixture->conf, fixture->connections, &fixture->counters,
				      &fixture->uploader, &fixture->err),
			 0);
	uploader_drain(fixture->uploader);
	assert_true(uploader_is_drained(fixture->uploader));
}

static void test_check_only_probes(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(uploader_new(&fixture->conf, fixture->connections, &fixture->counters,
				      &fixture->uploader, &fixture->err),
			 0);
	assert_int_equal(uploader_check(fixture->uploader, &fixture->err), 0);
	assert_int_equal(access(fixture->folder, F_OK), -1);
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_PENDING);
}

/* One that sends to a share, in which the first segment hangs; its name in name. */
static void start_hanging(struct fixture *fixture, char name[SEGMENT_NAME_MAX + 1])
{
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	assert_int_equal(mkdir(fixture->share + strlen("file://"), 0755), 0);
	fixture->conf.upload_stall_timeout = 1; /* a hanging share is left alone after 2 s */
	fixture->hanging_conf.upload_stall_timeout = 1;
	atomic_store(&hung, 0);
	atomic_store(&is_hanging, true);
	publish(fixture, "abc", name);
	start_with(fixture, &fixture->hanging_conf);
	WAIT_FOR(atomic_load(&hung) == 1);
}

static void test_reload_takes_the_place(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];

	start(fixture);
	start(fixture);
	start(fixture);
	publish(fixture, "abc", name);
	WAIT_FOR(waiting(fixture) == 0);
	assert_true(has_arrived(fixture, name));
}

/* What hangs is waited for, for a while; then the others go where they are to go now. */
static void test_reload_away_from_a_share_that_hangs(void **state)
{
	struct fixture *fixture = *state;
	char held[SEGMENT_NAME_MAX + 1], names[2][SEGMENT_NAME_MAX + 1];
	char told[128];
	uint64_t now_ms;

	start_hanging(fixture, held);
	start(fixture);
	publish(fixture, "abc", names[0]);
	now_ms = clock_monotonic_ms() + 1000;
	assert_true(uploader_last_beat_ms(fixture->uploader, now_ms, told, sizeof told) < now_ms);
	assert_non_null(strstr(told, "/hangs"));
	assert_false(has_arrived(fixture, names[0]));
	/* A second reload need not wait for it again. */
	start(fixture);
	publish(fixture, "abc", names[1]);
	WAIT_FOR(waiting(fixture) == 1);
	assert_true(has_arrived(fixture, names[0]));
	assert_true(has_arrived(fixture, names[1]));
	now_ms = clock_monotonic_ms() + 1000;
	assert_int_equal(uploader_last_beat_ms(fixture->uploader, now_ms, told, sizeof told),
			 now_ms);
	assert_string_equal(told, fixture->destination);
	/* It comes back: its segment is sent as well. */
	atomic_store(&is_hanging, false);
	WAIT_FOR(waiting(fixture) == 0);
}

static void *stop_uploader(void *uploader)
{
	uploader_stop(uploader);
	return NULL;
}

/* Whoever stops it waits for what hangs (main does not); the claim goes back when it ends. */
static void test_stop_while_the_one_before_hangs(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1], next[SEGMENT_NAME_MAX + 1];
	pthread_t stopper;

	start_hanging(fixture, name);
	start(fixture);
	publish(fixture, "abc", next);
	uploader_drain(fixture->uploader);
	assert_int_equal(pthread_create(&stopper, NULL, stop_uploader, fixture->uploader), 0);
	(void)usleep(100000);
	assert_int_equal(waiting(fixture), 2);
	atomic_store(&is_hanging, false);
	assert_int_equal(pthread_join(stopper, NULL), 0);
	assert_false(has_arrived(fixture, next));
	assert_true(waiting(fixture) >= 1);
}

/* No thread can be started from now on, as with a limit on them. */
static void forbid_threads(pthread_attr_t *ret_usual)
{
	pthread_attr_t huge;

	assert_int_equal(pthread_getattr_default_np(ret_usual), 0);
	assert_int_equal(pthread_attr_init(&huge), 0);
	assert_int_equal(pthread_attr_setstacksize(&huge, (size_t)1 << 50), 0);
	assert_int_equal(pthread_setattr_default_np(&huge), 0);
	(void)pthread_attr_destroy(&huge);
}

static void allow_threads(pthread_attr_t *usual)
{
	assert_int_equal(pthread_setattr_default_np(usual), 0);
	(void)pthread_attr_destroy(usual);
}

static void test_start_without_threads(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	pthread_attr_t usual;

	assert_int_equal(uploader_new(&fixture->conf, fixture->connections, &fixture->counters,
				      &fixture->uploader, &fixture->err),
			 0);
	forbid_threads(&usual);
	assert_int_equal(
		uploader_start(fixture->uploader, fixture->spool, fixture->wake_fd, &fixture->err),
		-1);
	allow_threads(&usual);
	assert_non_null(strstr(fixture->err.message, "start thread"));
	uploader_drain(fixture->uploader);
	assert_true(uploader_is_drained(fixture->uploader));
	uploader_stop(fixture->uploader);
	publish(fixture, "abc", name);
	(void)usleep(100000);
	assert_int_equal(waiting(fixture), 1);
}

/* Threads of this process that upload. */
static size_t upload_threads(void)
{
	struct dirent *entry;
	DIR *tasks = opendir("/proc/self/task");
	size_t count = 0;

	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		cleanup_free char *path = mem_printf("/proc/self/task/%s/comm", entry->d_name);
		char name[32] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		(void)!read(fd, name, sizeof name - 1);
		(void)close(fd);
		count += strncmp(name, "upload-", strlen("upload-")) == 0;
	}
	(void)closedir(tasks);
	return count;
}

/* A reload needs no thread, unless an upload hangs: those that are there move on. */
static void test_reload_without_threads(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	pthread_attr_t usual;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	assert_int_equal(mkdir(fixture->share + strlen("file://"), 0755), 0);
	start_with(fixture, &fixture->hanging_conf); /* with one worker; the next has two */
	expect_wake(fixture);
	forbid_threads(&usual);
	start(fixture);
	expect_wake(fixture);
	publish(fixture, "abc", name);
	WAIT_FOR(waiting(fixture) == 0);
	assert_int_equal(upload_threads(), 1);
	allow_threads(&usual);
	assert_true(has_arrived(fixture, name));
	WAIT_FOR(upload_threads() == 2);
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_OK);
	uploader_drain(fixture->uploader);
	WAIT_FOR(uploader_is_drained(fixture->uploader));
}

/* Nothing is sent: the workers that wait move on, as many as the new configuration has. */
static void test_swap_while_idle(void **state)
{
	static const uint64_t workers[] = { 1, 4, 4, 2, 1, 16, 1 };
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];

	start(fixture);
	expect_wake(fixture);
	WAIT_FOR(upload_threads() == fixture->conf.upload_workers);
	for (size_t i = 0; i < COUNT_OF(workers); i++) {
		swap(fixture, next_conf(fixture, workers[i]));
		WAIT_FOR(uploader_probe(fixture->uploader) == UPLOADER_PROBE_OK);
		WAIT_FOR(upload_threads() == workers[i]);
		publish(fixture, "abc", name);
		WAIT_FOR(waiting(fixture) == 0);
		assert_true(has_arrived(fixture, name));
	}
}

/* What cannot be right changes nothing. */
static void test_refused_swap_changes_nothing(void **state)
{
	static char nonsense[] = "s3://bucket";
	struct fixture *fixture = *state;
	struct conf conf = fixture->conf;
	struct destination *next = NULL;
	char name[SEGMENT_NAME_MAX + 1];

	start(fixture);
	expect_wake(fixture);
	conf.upload_destination = nonsense;
	assert_int_equal(uploader_prepare(fixture->uploader, &conf, &next, &fixture->err), -1);
	assert_null(next);
	/* And so does a reload that something else refuses. */
	assert_int_equal(
		uploader_prepare(fixture->uploader, &fixture->hanging_conf, &next, &fixture->err),
		0);
	destination_release(next);
	publish(fixture, "abc", name);
	WAIT_FOR(waiting(fixture) == 0);
	assert_true(has_arrived(fixture, name));
	assert_int_equal(uploader_probe(fixture->uploader), UPLOADER_PROBE_OK);
}

/* What is being sent goes back to the spool at once, and the new probe is reported. */
static void test_swap_while_sending(void **state)
{
	static const char *const replies[] = { REPLY("503 Busy", "", ""), HANG };
	/* To the probe, and to segments that a worker has sent before we look. */
	static const char *const no[] = { NO_BUCKET, NO_BUCKET, NO_BUCKET, NO_BUCKET,
					  NO_BUCKET, NO_BUCKET, NO_BUCKET, NO_BUCKET };
	struct fixture *fixture = *state;
	char names[3][SEGMENT_NAME_MAX + 1];
	char line[512];
	struct server server, next;
	struct conf *folder;
	uint64_t begin_ms;

	use_bucket(fixture, &server, replies, COUNT_OF(replies));
	start(fixture);
	expect_wake(fixture);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		publish(fixture, "abc", names[i]);
	WAIT_FOR(atomic_load(&server.count) == 2);
	use_bucket(fixture, &next, no, COUNT_OF(no));
	begin_ms = clock_monotonic_ms();
	swap(fixture, next_conf(fixture, 1));
	WAIT_FOR(uploader_probe(fixture->uploader) == UPLOADER_PROBE_FAILED);
	assert_true(clock_monotonic_ms() - begin_ms < 2500);
	uploader_outage(fixture->uploader, line, sizeof line, NULL);
	assert_non_null(strstr(line, "create the bucket"));
	assert_int_equal(waiting(fixture), 3);
	/* From there to a folder, twice in a row. */
	folder = next_conf(fixture, 1);
	folder->upload_destination = fixture->destination;
	swap(fixture, folder);
	swap(fixture, folder);
	WAIT_FOR(uploader_probe(fixture->uploader) == UPLOADER_PROBE_OK);
	assert_int_equal(waiting(fixture), 3); /* they were recorded for a bucket */
	spool_send_kept_back(fixture->spool);
	spool_wake(fixture->spool);
	WAIT_FOR(waiting(fixture) == 0);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		assert_true(has_arrived(fixture, names[i]));
	server_stop(&server);
	server_stop(&next);
}

/* Each hung one is left alone, and all that is left can be stopped. */
static void test_swap_while_hung_again_and_again(void **state)
{
	struct fixture *fixture = *state;
	char held[SEGMENT_NAME_MAX + 1], name[SEGMENT_NAME_MAX + 1];

	start_hanging(fixture, held);
	/* To the same share: the next worker hangs, too. */
	start_with(fixture, &fixture->hanging_conf);
	publish(fixture, "abc", name);
	WAIT_FOR(atomic_load(&hung) == 2);
	start(fixture);
	start(fixture);
	start(fixture);
	publish(fixture, "abc", name);
	WAIT_FOR(waiting(fixture) == 2);
	assert_true(has_arrived(fixture, name));
	/* Two that hang, two that are configured; and those come back when they can. */
	WAIT_FOR(upload_threads() == 4);
	atomic_store(&is_hanging, false);
	WAIT_FOR(waiting(fixture) == 0);
	WAIT_FOR(upload_threads() == 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		TEST(test_segments_go_out_and_leave_the_spool),
		TEST(test_draining_ends_when_nothing_is_left),
		TEST(test_rejected_segment_is_set_aside),
		TEST(test_outage_costs_nothing_but_time),
		TEST(test_progress_starts_the_back_off_anew),
		TEST(test_a_rejection_is_followed_by_a_pause),
		TEST(test_what_ends_by_age_is_spread),
		TEST(test_draining_before_the_start),
		TEST(test_damaged_segment_is_rejected_unsent),
		TEST(test_refused_probe_is_told),
		TEST(test_stop_breaks_off_a_transfer),
		TEST(test_stop_ends_a_pause),
		TEST(test_draining_is_newest_first),
		TEST(test_check_only_probes),
		TEST(test_reload_takes_the_place),
		TEST(test_reload_away_from_a_share_that_hangs),
		TEST(test_stop_while_the_one_before_hangs),
		TEST(test_start_without_threads),
		TEST(test_reload_without_threads),
		TEST(test_swap_while_idle),
		TEST(test_refused_swap_changes_nothing),
		TEST(test_swap_while_sending),
		TEST(test_swap_while_hung_again_and_again),
	};

	unit_add(tests, start_http, NULL);
}
