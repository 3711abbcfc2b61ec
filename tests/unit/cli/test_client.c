/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that ask the daemon: which requests they send, what they print for which reply, exit statuses. */
#include "unit.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "conf/conf_fixture.h"
#include "spool/spool.h"

#define REPLIES_MAX 6
#define OK          "HTTP/1.1 200 OK\r\n\r\n"
#define ACCEPTED    "HTTP/1.1 202 Accepted\r\n\r\n"
#define CONFLICT    "HTTP/1.1 409 Conflict\r\n\r\n"
#define UNAVAILABLE "HTTP/1.1 503 Service Unavailable\r\n\r\n"

/* A daemon that gives these replies, one per connection, and records what it was asked. */
struct fake {
	char socket[128], requests[128];
	unsigned pause_ms; /* before each byte of a reply; 0: it comes at once */
	pid_t pid;
};

static void serve(int listener, unsigned pause_ms, const char *const *replies, FILE *requests)
{
	for (; *replies; replies++) {
		int fd = accept(listener, NULL, NULL);
		char request[512];
		ssize_t length = read(fd, request, sizeof request - 1);

		if (length <= 0)
			_exit(1);
		request[length] = '\0';
		fprintf(requests, "%.*s;", (int)(strstr(request, " HTTP/") - request), request);
		(void)fflush(requests);
		for (const char *byte = *replies; pause_ms && *byte; byte++) {
			(void)poll(NULL, 0, (int)pause_ms);
			(void)send(fd, byte, 1, MSG_NOSIGNAL);
		}
		if (pause_ms == 0)
			(void)!write(fd, *replies, strlen(*replies));
		(void)close(fd);
	}
}

static void start_fake(struct fake *fake, struct fixture *fixture, const char *const *replies)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	FILE *requests;

	(void)snprintf(fake->requests, sizeof fake->requests, "%s/requests", fixture->dir);
	(void)snprintf(fake->socket, sizeof fake->socket, "%s/" SPOOL_CONTROL_SOCKET, fixture->dir);
	memcpy(address.sun_path, fake->socket, strlen(fake->socket));
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(listen(listener, 8), 0);
	requests = fopen(fake->requests, "we");
	assert_non_null(requests);
	fake->pid = fork();
	if (fake->pid == 0) {
		serve(listener, fake->pause_ms, replies, requests);
		_exit(0);
	}
	(void)fclose(requests);
	(void)close(listener);
}

static void stop_fake(struct fake *fake)
{
	(void)kill(fake->pid, SIGKILL);
	(void)waitpid(fake->pid, NULL, 0);
	(void)unlink(fake->socket);
}

static void read_back(const char *path, char *text, size_t capacity)
{
	cleanup_fclose FILE *file = fopen(path, "re");
	size_t length = file ? fread(text, 1, capacity - 1, file) : 0;

	text[length] = '\0';
	(void)unlink(path);
}

/* Run a command with what it prints going into files; returns its exit status. */
static int run(struct fixture *fixture, const char *words, char out[4096], char said[4096])
{
	cleanup_free char *text = mem_printf("x %s --config %s -o %s", words, fixture->path,
					     fixture->dir);
	cleanup_free char *out_path = mem_printf("%s/out", fixture->dir);
	cleanup_free char *said_path = mem_printf("%s/said", fixture->dir);
	char *argv[FIXTURE_ARGS_MAX + 1];
	int argc = fixture_split(text, argv), status;
	int before[2] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
	int files[2] = { open(out_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600),
			 open(said_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600) };
	struct command_line line;
	struct error err;

	fixture_write(fixture->path, "", 0);
	assert_int_equal(command_line_parse(&line, commands, argc, argv, &err), 0);
	(void)fflush(stdout);
	for (int i = 0; i < 2; i++) {
		(void)dup2(files[i], STDOUT_FILENO + i);
		(void)close(files[i]);
	}
	status = line.command->run(&line, &err);
	(void)fflush(stdout);
	for (int i = 0; i < 2; i++) {
		(void)dup2(before[i], STDOUT_FILENO + i);
		(void)close(before[i]);
	}
	conf_cli_done(&line.conf);
	read_back(out_path, out, 4096);
	read_back(said_path, said, 4096);
	return status;
}

static void test_replies(void **state)
{
	static const struct {
		const char *words;
		const char *replies[REPLIES_MAX];
		const char *requests, *out, *said;
		int status;
	} cases[] = {
		{ "status", { OK "recording\n" }, "GET /status;", "recording\n", "", 0 },
		{ "status --json", { OK "{}\n" }, "GET /status.json;", "{}\n", "", 0 },
		{ "status", { UNAVAILABLE "no\n" }, "GET /status;", "", "no\n", 1 },
		{ "rotate",
		  { OK "17\n", ACCEPTED "wait\n", OK "gs://b/n/a\ngs://b/n/b\n" },
		  "POST /rotate;GET /rotate?since=17;GET /rotate?since=17;",
		  "gs://b/n/a\ngs://b/n/b\n",
		  "wait\n",
		  0 },
		{ "rotate",
		  { OK "17\n", OK "" },
		  "POST /rotate;GET /rotate?since=17;",
		  "",
		  "no packet was recorded since the last segment ended\n",
		  0 },
		{ "rotate",
		  { OK "17\n", CONFLICT "restarted\n" },
		  "POST /rotate;GET /rotate?since=17;",
		  "",
		  "restarted\n",
		  1 },
		{ "rotate", { CONFLICT "stopping\n" }, "POST /rotate;", "", "stopping\n", 1 },
		{ "reload", { OK "reloaded\n" }, "POST /reload;", "reloaded\n", "", 0 },
		{ "reload", { UNAVAILABLE "line 1\n" }, "POST /reload;", "", "line 1\n", 1 },
		/* Another reload is under way: after it. */
		{ "reload",
		  { CONFLICT "busy\n", OK "reloaded\n" },
		  "POST /reload;POST /reload;",
		  "reloaded\n",
		  "",
		  0 },
		/* Health goes to standard output, whatever it is. */
		{ "healthz", { OK "{1}\n" }, "GET /healthz;", "{1}\n", "", 0 },
		{ "readyz", { UNAVAILABLE "{0}\n" }, "GET /readyz;", "{0}\n", "", 1 },
		{ "flush",
		  { OK "17\n", OK "gs://b/n/a\n", OK "done\n" },
		  "POST /flush;GET /flush/ended?since=17;GET /flush?since=17;",
		  "gs://b/n/a\ndone\n",
		  "",
		  0 },
		{ "flush",
		  { OK "17\n", CONFLICT "restarted\n" },
		  "POST /flush;GET /flush/ended?since=17;",
		  "",
		  "restarted\n",
		  1 },
		/* Progress is printed, each line once. */
		{ "flush",
		  { ACCEPTED "wait\n", OK "17\n", OK "", ACCEPTED "2 left\nslow\n",
		    ACCEPTED "slow\n1 left\n", OK "done\n" },
		  "POST /flush;POST /flush;GET /flush/ended?since=17;GET /flush?since=17;GET "
		  "/flush?since=17;GET /flush?since=17;",
		  "done\n",
		  "wait\n2 left\nslow\n1 left\n",
		  0 },
		{ "flush", { UNAVAILABLE "stopping\n" }, "POST /flush;", "", "stopping\n", 1 },
		{ "flush",
		  { OK "17\n", OK "", UNAVAILABLE "3 lost\n" },
		  "POST /flush;GET /flush/ended?since=17;GET /flush?since=17;",
		  "",
		  "3 lost\n",
		  1 },
	};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *replies[REPLIES_MAX + 1] = { NULL };
		char out[4096], said[4096], requests[1024];
		struct fake fake = { .pause_ms = 0 };
		int status;

		memcpy(replies, cases[i].replies, sizeof cases[i].replies);
		start_fake(&fake, *state, replies);
		status = run(*state, cases[i].words, out, said);
		stop_fake(&fake);
		read_back(fake.requests, requests, sizeof requests);
		if (status != cases[i].status)
			fail_msg("%s: %d: %s", cases[i].words, status, said);
		assert_string_equal(requests, cases[i].requests);
		assert_string_equal(out, cases[i].out);
		assert_string_equal(said, cases[i].said);
	}
}

/* What comes is no reply, or it is cut off. */
static void test_no_reply(void **state)
{
	static const char *const wrong[] = { "", "HTTP/1.1 200 OK\r\n", "SSH-2.0\r\n\r\n" };

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		const char *const replies[] = { wrong[i], NULL };
		char out[4096], said[4096], requests[1024];
		struct fake fake = { .pause_ms = 0 };

		start_fake(&fake, *state, replies);
		assert_int_equal(run(*state, "status", out, said), 69);
		stop_fake(&fake);
		read_back(fake.requests, requests, sizeof requests);
		assert_string_equal(out, "");
		assert_non_null(strstr(said, "is running as process "));
		assert_non_null(strstr(said, "did not answer within 0.9 s"));
	}
}

/* The time is for the whole reply: bytes that come now and then do not make it longer. */
static void test_slow_reply(void **state)
{
	static const char *const replies[] = { OK, NULL };
	struct fixture *fixture = *state;
	uint64_t start_ms = clock_monotonic_ms();
	char out[4096], said[4096], requests[64];
	struct fake fake = { .pause_ms = 200 };

	start_fake(&fake, fixture, replies);
	assert_int_equal(run(fixture, "status", out, said), 69);
	assert_in_range(clock_monotonic_ms() - start_ms, 900, 2500);
	stop_fake(&fake);
	read_back(fake.requests, requests, sizeof requests);
	assert_non_null(strstr(said, "did not answer within 0.9 s"));
}

static void test_nobody(void **state)
{
	static const char *const words[] = { "status", "rotate",  "reload",
					     "flush",  "healthz", "readyz" };
	struct fixture *fixture = *state;
	char out[4096], said[4096];

	for (size_t i = 0; i < COUNT_OF(words); i++) {
		assert_int_equal(run(fixture, words[i], out, said), 69);
		assert_string_equal(out, "");
		assert_non_null(strstr(said, "kube-node-tracer is not running with this "
					     "configuration: "));
		assert_non_null(strstr(said, fixture->dir));
		assert_non_null(strstr(said, "(No such file or directory)"));
	}
	/* For machines the first line. */
	assert_int_equal(run(fixture, "status --json", out, said), 69);
	assert_string_equal(said, "");
	assert_memory_equal(out, "{\"error\":\"kube-node-tracer is not running", 40);
	assert_int_equal(strcspn(out, "\n"), strlen(out) - 1);
}

/* A socket that nobody listens on any more, and one that may not be connected to. */
static void test_dead_and_forbidden_sockets(void **state)
{
	static const char *const replies[] = { OK "never\n", NULL };
	char out[4096], said[4096], requests[16];
	struct fake fake = { .pause_ms = 0 };

	start_fake(&fake, *state, replies);
	if (geteuid() != 0) {
		assert_int_equal(chmod(fake.socket, 0), 0);
		assert_int_equal(run(*state, "rotate", out, said), 77);
		assert_non_null(strstr(said, "only root and the group of the daemon's account"));
	}
	(void)kill(fake.pid, SIGKILL);
	(void)waitpid(fake.pid, NULL, 0);
	assert_int_equal(chmod(fake.socket, 0600), 0);
	assert_int_equal(run(*state, "rotate", out, said), 69);
	assert_non_null(strstr(said, "ended abruptly"));
	(void)unlink(fake.socket);
	read_back(fake.requests, requests, sizeof requests);
	assert_string_equal(requests, "");
}

/* A configuration that is broken by now does not keep anybody from asking. */
static void test_broken_configuration(void **state)
{
	static const char *const replies[] = { OK "recording\n", NULL };
	struct fixture *fixture = *state;
	char out[4096], said[4096], requests[64];
	struct fake fake = { .pause_ms = 0 };

	start_fake(&fake, fixture, replies);
	assert_int_equal(run(fixture, "status --segment-size nonsense", out, said), 0);
	stop_fake(&fake);
	read_back(fake.requests, requests, sizeof requests);
	assert_string_equal(out, "recording\n");
	assert_non_null(strstr(said, "cannot use the configuration"));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(test_replies),
		FIXTURE_TEST(test_no_reply),
		FIXTURE_TEST(test_slow_reply),
		FIXTURE_TEST(test_nobody),
		FIXTURE_TEST(test_dead_and_forbidden_sockets),
		FIXTURE_TEST(test_broken_configuration),
	};

	unit_add(tests, NULL, NULL);
}
