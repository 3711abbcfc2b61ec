/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/control_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool.h"
#include "cli/complaint.h"
#include "status/listener.h"

#define ANSWER_MAX         ((size_t)1 << 20)
#define PATIENCE_MS        900
#define PROBE_PATIENCE_MS  3000 /* the failure of a probe has consequences */
#define RELOAD_PATIENCE_MS 10000
#define FLUSH_POLL_MS      300
#define WATCH_MS           2000

enum {
	HTTP_OK = 200,
	HTTP_ACCEPTED = 202, /* not yet */
	HTTP_CONFLICT = 409,
};

/* One recorder, found. */
struct peer {
	struct listener_address address;
	char path[LISTENER_CONTROL_PATH_MAX];
	const char *spool; /* its folder; borrowed */
	struct complaint *complaint;
};

struct answer {
	unsigned status;
	char *text; /* head and body, to be freed */
	const char *body;
};

static void answer_done(struct answer *answer)
{
	free(answer->text);
	answer->text = NULL;
}
#define cleanup_answer cleanup(answer_done)

static void sleep_ms(unsigned ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&pause, NULL);
}

/* Talking ---------------------------------------------------------------------------------------- */

static int connect_to(const struct listener_address *address)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, &address->socket.any, address->length) < 0)
		return -1;
	return take_fd(&fd);
}

/* Which process listens there; 0 if the kernel does not tell. */
static pid_t listening_process(int fd)
{
	struct ucred peer = { .pid = 0 };
	socklen_t length = sizeof peer;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
	return peer.pid;
}

/* All that comes until the other end closes, or until then; false if that did not happen in time. */
static bool read_all(int fd, uint64_t deadline_ms, char *text, size_t capacity)
{
	size_t length = 0;

	for (;;) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		uint64_t now_ms = clock_monotonic_ms();
		ssize_t got;

		if (now_ms >= deadline_ms || poll(&wait, 1, (int)(deadline_ms - now_ms)) == 0)
			return false;
		got = read(fd, text + length, capacity - 1 - length);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (got <= 0 || length + (size_t)got >= capacity - 1) {
			text[length] = '\0';
			return got == 0;
		}
		length += (size_t)got;
	}
}

static bool parse_answer(struct answer *answer)
{
	char *head_end = strstr(answer->text, "\r\n\r\n");

	if (!head_end || sscanf(answer->text, "HTTP/1.%*c %3u ", &answer->status) != 1)
		return false;
	answer->body = head_end + 4;
	return true;
}

/* When there is something to say: while it is asked, the last answer stays. */
static void clear_screen(const struct peer *peer)
{
	if (!peer->complaint->is_screen)
		return;
	fputs("\033[H\033[J", stdout);
	(void)fflush(stdout);
}

/* One question; 0 with an answer, else the exit status, and what is wrong is said. */
static int ask(const struct peer *peer, const char *method, const char *page, unsigned patience_ms,
	       struct answer *ret_answer)
{
	uint64_t deadline_ms = clock_monotonic_ms() + patience_ms;
	cleanup_close int fd = connect_to(&peer->address);
	cleanup_answer struct answer answer = { .text = NULL };
	char request[256];
	int reason = fd < 0 ? errno : 0;
	bool is_answered;

	if (fd < 0)
		clear_screen(peer);
	if (reason == EAGAIN) /* many wait already */
		return complaint_hangs(peer->complaint);
	if (fd < 0)
		return complaint_not_running(peer->complaint, reason);
	(void)snprintf(request, sizeof request,
		       "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method,
		       page);
	answer.text = mem_alloc(ANSWER_MAX);
	is_answered = send(fd, request, strlen(request), MSG_NOSIGNAL) ==
			      (ssize_t)strlen(request) &&
		      read_all(fd, deadline_ms, answer.text, ANSWER_MAX) && parse_answer(&answer);
	clear_screen(peer);
	if (!is_answered)
		return complaint_busy(peer->complaint, listening_process(fd), patience_ms);
	complaint_is_over(peer->complaint);
	*ret_answer = answer;
	answer.text = NULL;
	return 0;
}

/*
 * The socket in the spool is that of this very configuration; the unit's own is another place to look where
 * the command line does not ask for one spool.
 */
static int find_peer(const struct conf_cli *cli, const struct conf *conf, struct peer *ret_peer,
		     struct error *err)
{
	const char *typed = cli->value[CONF_spool_directory];
	const char *spool = conf ? conf->spool_directory : typed ? typed : DEFAULT_SPOOL_DIRECTORY;
	struct peer peer = { .spool = spool };

	(void)snprintf(peer.path, sizeof peer.path, "%s/" SPOOL_CONTROL_SOCKET, spool);
	if (!typed && access(peer.path, F_OK) < 0 && access(PACKAGED_SOCKET, F_OK) == 0)
		(void)snprintf(peer.path, sizeof peer.path, PACKAGED_SOCKET);
	if (listener_parse(peer.path, &peer.address, err) < 0)
		return -1;
	*ret_peer = peer;
	return 0;
}

/* Commands --------------------------------------------------------------------------------------- */

/* Print what was answered; 1 unless it is well. */
static int tell(const struct answer *answer)
{
	fputs(answer->body, answer->status == HTTP_OK ? stdout : stderr);
	return answer->status == HTTP_OK ? 0 : 1;
}

static int ask_and_tell(const struct peer *peer, const char *method, const char *page,
			unsigned patience_ms)
{
	cleanup_answer struct answer answer = { .text = NULL };
	int status = ask(peer, method, page, patience_ms, &answer);

	return status != 0 ? status : tell(&answer);
}

/* Health goes to standard output also when it fails: a probe's event shows it. */
static int run_health(const struct peer *peer, const char *page)
{
	cleanup_answer struct answer answer = { .text = NULL };
	int status = ask(peer, "GET", page, PROBE_PATIENCE_MS, &answer);

	if (status != 0)
		return status;
	fputs(answer.body, stdout);
	return answer.status == HTTP_OK ? 0 : 1;
}

static int run_status(const struct peer *peer, const struct conf_cli *cli)
{
	const char *page = cli->is_json ? "/status.json" : "/status";
	int status;

	do {
		status = ask_and_tell(peer, "GET", page, PATIENCE_MS);
		if (fflush(stdout) != 0)
			return EX_IOERR;
		if (cli->is_watch)
			sleep_ms(WATCH_MS);
	} while (cli->is_watch);
	return status;
}

/* While another reload is going on, wait for its end. */
static int run_reload(const struct peer *peer)
{
	uint64_t deadline_ms = clock_monotonic_ms() + RELOAD_PATIENCE_MS;

	for (;;) {
		cleanup_answer struct answer answer = { .text = NULL };
		int status = ask(peer, "POST", "/reload", RELOAD_PATIENCE_MS, &answer);

		if (status != 0)
			return status;
		if (answer.status != HTTP_CONFLICT || clock_monotonic_ms() >= deadline_ms)
			return tell(&answer);
		sleep_ms(FLUSH_POLL_MS);
	}
}

/* Say the lines that were not said yet. *said: those that were, to be freed. */
static void say_news(char **said, const char *lines)
{
	while (*lines) {
		size_t length = strcspn(lines, "\n");
		cleanup_free char *line = mem_printf("\n%.*s\n", (int)length, lines);
		char *before = *said;

		if (!strstr(before, line)) {
			fputs(line + 1, stderr);
			*said = mem_printf("%s%s", before, line);
			free(before);
		}
		lines += length + (lines[length] == '\n');
	}
}

/* Ask until there is more to say than "not yet". How far it is, and what keeps it, is told: each once. */
static int ask_until_done(const struct peer *peer, const char *method, const char *page,
			  char **said, struct answer *ret_answer)
{
	for (;;) {
		cleanup_answer struct answer answer = { .text = NULL };
		int status = ask(peer, method, page, PATIENCE_MS, &answer);

		if (status != 0)
			return status;
		if (answer.status != HTTP_ACCEPTED) {
			*ret_answer = answer;
			answer.text = NULL;
			return 0;
		}
		say_news(said, answer.body);
		sleep_ms(FLUSH_POLL_MS);
	}
}

static int run_flush(const struct peer *peer)
{
	cleanup_answer struct answer begun = { .text = NULL }, ended = { .text = NULL };
	cleanup_free char *said = mem_strdup("");
	char page[128];
	int status;

	status = ask_until_done(peer, "POST", "/flush", &said, &begun);
	if (status != 0)
		return status;
	if (begun.status != HTTP_OK)
		return tell(&begun);
	(void)snprintf(page, sizeof page, "/flush?since=%.*s", (int)strcspn(begun.body, "\n"),
		       begun.body);
	status = ask_until_done(peer, "GET", page, &said, &ended);
	return status != 0 ? status : tell(&ended);
}

int client_run(const struct conf_cli *cli, const struct conf *conf)
{
	struct complaint complaint;
	struct error err;
	struct peer peer;

	if (find_peer(cli, conf, &peer, &err) < 0) {
		fprintf(stderr, "kube-node-tracer: %s\n", err.message);
		return EX_CONFIG;
	}
	complaint = (struct complaint){
		.path = peer.path,
		.spool = peer.spool,
		.is_json = cli->is_json,
		.is_screen = cli->is_watch && !cli->is_json && isatty(STDOUT_FILENO),
	};
	peer.complaint = &complaint;
	switch (cli->action) {
	case CONF_ACTION_STATUS:
		return run_status(&peer, cli);
	case CONF_ACTION_ROTATE:
		return ask_and_tell(&peer, "POST", "/rotate", PATIENCE_MS);
	case CONF_ACTION_RELOAD:
		return run_reload(&peer);
	case CONF_ACTION_FLUSH:
		return run_flush(&peer);
	case CONF_ACTION_HEALTHZ:
		return run_health(&peer, "/healthz");
	case CONF_ACTION_READYZ:
		return run_health(&peer, "/readyz");
	case CONF_ACTION_RUN:
	case CONF_ACTION_CHECK:
	case CONF_ACTION_PRINT:
	case CONF_ACTION_HELP:
	case CONF_ACTION_VERSION:
		break;
	}
	return EX_USAGE;
}
