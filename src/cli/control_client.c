/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands that ask the running daemon, over its control socket, and print what it answers. If there is no
 * answer within a second or a few, they report why and what to do about it: to people on standard error; with
 * --json, as {"error":"…"} on standard output. They never start, stop or wait for a daemon. They return 0; 1 for a
 * refusal; EX_UNAVAILABLE, EX_NOPERM or EX_CONFIG where nobody answers.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/find_daemon.h"
#include "spool/spool.h"
#include "status/server.h"

#define REPLY_MAX          ((size_t)1 << 20)
#define PATIENCE_MS        900
#define PROBE_PATIENCE_MS  3000 /* a failed probe has consequences */
#define RELOAD_PATIENCE_MS 10000
#define ROTATE_PATIENCE_MS 60000
#define POLL_MS            300
#define WATCH_MS           2000
#define COMPLAINT_MAX      1024

#define SYSTEMD_FOLDER     "/run/systemd/system" /* sd_booted(3) */

enum {
	HTTP_OK = 200,
	HTTP_ACCEPTED = 202, /* not yet */
	HTTP_CONFLICT = 409,
};

/* The daemon to ask, and its last reply. */
struct peer {
	struct server_address address;
	char *path, *spool; /* of the socket, and of the folder */
	bool is_json;
	uint64_t give_up_ms; /* monotonic: wait for what takes its time until then; 0: for ever */
	bool is_screen;      /* each output replaces the one before */
	char complaint[COMPLAINT_MAX]; /* the last one, not to be repeated; "" after a reply */
	char *progress;                /* the lines about it that are printed */
	char *reply;                   /* head and body */
	char *body;                    /* of the reply */
	unsigned status;
};

static void release_peer(struct peer *peer)
{
	free(peer->path);
	free(peer->spool);
	free(peer->progress);
	free(peer->reply);
}
#define cleanup_peer cleanup(release_peer)

/* Nobody answers ---------------------------------------------------------------------------------- */

/* Print why there is no reply; with --json its first line alone. Returns the status. */
__attribute__((format(printf, 3, 4))) static int complain(struct peer *peer, int status,
							  const char *format, ...)
{
	char text[COMPLAINT_MAX], json[6 * COMPLAINT_MAX + sizeof "\"\""];
	struct text value = text_over(json, sizeof json);
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (!peer->is_screen && strcmp(peer->complaint, text) == 0)
		return status;
	memcpy(peer->complaint, text, sizeof text);
	if (!peer->is_json) {
		fprintf(stderr, "%s\n", text);
		return status;
	}
	text[strcspn(text, "\n")] = '\0';
	text_append_json(&value, text);
	printf("{\"error\":%s}\n", json);
	return status;
}

/* Is it most likely systemd's? Neither in a container nor started by hand. */
static bool is_service(const struct peer *peer)
{
	return access(SYSTEMD_FOLDER, F_OK) == 0 &&
	       (strcmp(peer->path, FIND_DAEMON_PACKAGED) == 0 ||
		strcmp(peer->spool, DEFAULT_SPOOL_DIRECTORY) == 0);
}

static const char *name_log(const struct peer *peer)
{
	return is_service(peer)
		       ? "journalctl -u kube-node-tracer -e; systemctl status kube-node-tracer"
		       : "see its log, on its standard error";
}

/* Nobody listens; reason: the errno of connect(). */
static int report_not_running(struct peer *peer, int reason)
{
	if (reason == EACCES || reason == EPERM)
		return complain(peer, EX_NOPERM,
				"kube-node-tracer: only root and the group of the daemon's account "
				"may use %s; try: sudo kube-node-tracer …",
				peer->path);
	if (reason == EAGAIN) /* its backlog is full */
		return complain(
			peer, EX_UNAVAILABLE,
			"kube-node-tracer is running, but does not answer: its main thread hangs, or "
			"thousands of connections to %s wait",
			peer->path);
	if (spool_is_in_use(peer->spool))
		return complain(
			peer, EX_UNAVAILABLE,
			"kube-node-tracer is starting or stopping: it holds the spool %s, but does "
			"not listen at %s\n"
			"what it does: %s",
			peer->spool, peer->path, name_log(peer));
	return complain(
		peer, EX_UNAVAILABLE,
		"kube-node-tracer is not running with this configuration: %s (%s)\n"
		"%s\n"
		"for a daemon with another spool folder, give the flags that it was started with "
		"(-o DIR, --config FILE)",
		peer->path,
		reason == ECONNREFUSED ? "left behind by a daemon that ended abruptly"
				       : strerror(reason),
		is_service(peer)
			? "start it:           systemctl start kube-node-tracer\n"
			  "why it has stopped: journalctl -u kube-node-tracer -e"
			: "why it has stopped: see the last lines of its log, on its standard error");
}

/* Connected, but no reply in time. */
static int report_busy(struct peer *peer, int fd, unsigned patience_ms)
{
	struct ucred process = { .pid = 0 }; /* that listens; 0: the kernel does not report it */
	socklen_t length = sizeof process;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &length);
	return complain(peer, EX_UNAVAILABLE,
			"kube-node-tracer is running as process %d, but did not answer within %.1f "
			"s: it is starting (recovering segments of an earlier run) or stopping, or "
			"its main thread hangs; packets may be recorded anyway\n"
			"what it does: %s",
			(int)process.pid, patience_ms / 1000.0, name_log(peer));
}

/* Asking ----------------------------------------------------------------------------------------- */

/* Let the socket's calls of this direction (SO_RCVTIMEO, SO_SNDTIMEO) block until the deadline at most. */
static bool limit_time(int fd, int direction, uint64_t deadline_ms)
{
	uint64_t now_ms = clock_monotonic_ms();
	uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 1; /* 0: no limit */
	struct timeval left = { .tv_sec = (time_t)(left_ms / 1000),
				.tv_usec = (suseconds_t)(left_ms % 1000 * 1000) };

	return setsockopt(fd, SOL_SOCKET, direction, &left, sizeof left) == 0;
}

/* All bytes until the other end closes; false if it does not in time, or this is no reply. */
static bool read_reply(int fd, struct peer *peer)
{
	/* The limit is for the whole call: with MSG_WAITALL it goes on until the end. */
	ssize_t length = recv(fd, peer->reply, REPLY_MAX - 1, MSG_WAITALL);
	char more;

	if (length < 0 || length == REPLY_MAX - 1 || recv(fd, &more, 1, MSG_DONTWAIT) != 0)
		return false;
	peer->reply[length] = '\0';
	peer->body = strstr(peer->reply, "\r\n\r\n");
	if (!peer->body)
		return false;
	peer->body += 4;
	/* Whoever it is, it is only text. */
	text_blank_controls(peer->body, "\n");
	return sscanf(peer->reply, "HTTP/1.%*c %3u ", &peer->status) == 1;
}

/*
 * Send one request, and wait for the whole reply for as long as patience lasts; 0 with it, else the exit status, and
 * the reason is reported.
 */
static int ask(struct peer *peer, const char *method, const char *page, unsigned patience_ms)
{
	cleanup_free char *request = mem_printf(
		"%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, page);
	ssize_t length = (ssize_t)strlen(request);
	uint64_t deadline_ms = clock_monotonic_ms() + patience_ms;
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_connected = fd >= 0 && limit_time(fd, SO_SNDTIMEO, deadline_ms) &&
			    connect(fd, &peer->address.socket.any, peer->address.length) == 0;
	int reason = errno;
	bool is_answered = is_connected && limit_time(fd, SO_RCVTIMEO, deadline_ms) &&
			   send(fd, request, (size_t)length, MSG_NOSIGNAL) == length &&
			   read_reply(fd, peer);

	if (peer->is_screen) { /* only now: until there is something to print, the last output stays */
		fputs("\033[H\033[J", stdout);
		(void)fflush(stdout);
	}
	if (!is_connected)
		return report_not_running(peer, reason);
	if (!is_answered)
		return report_busy(peer, fd, patience_ms);
	*peer->complaint = '\0';
	return 0;
}

static int find_peer(const struct command_line *line, struct peer *peer, struct error *err)
{
	find_daemon(&line->conf, &peer->path, &peer->spool);
	peer->progress = mem_strdup("");
	peer->reply = mem_alloc(REPLY_MAX);
	return server_parse_address(peer->path, &peer->address, err);
}

/* Commands --------------------------------------------------------------------------------------- */

/* Print the lines of a reply that were not printed yet. */
static void print_progress(struct peer *peer)
{
	for (const char *rest = peer->body; *rest;) {
		size_t length = strcspn(rest, "\n");
		cleanup_free char *line = mem_printf("\n%.*s\n", (int)length, rest);
		char *before = peer->progress;

		if (!strstr(before, line)) {
			fputs(line + 1, stderr);
			peer->progress = mem_printf("%s%s", before, line);
			free(before);
		}
		rest += length + (rest[length] == '\n');
	}
}

/* Ask until the reply is more than "not yet"; for busy_ms, also while something else is under way. */
static int ask_until_done(struct peer *peer, const char *method, const char *page,
			  unsigned patience_ms, unsigned busy_ms)
{
	bool is_reload = strcmp(page, "/reload") == 0;
	uint64_t deadline_ms = clock_monotonic_ms() + busy_ms;

	for (;;) {
		int status = ask(peer, method, page, patience_ms);
		bool is_busy = peer->status == HTTP_CONFLICT && clock_monotonic_ms() < deadline_ms;

		if (status == 0 && peer->status == HTTP_ACCEPTED && peer->give_up_ms > 0 &&
		    clock_monotonic_ms() >= peer->give_up_ms)
			return complain(
				peer, 1,
				"not over within %d s: perhaps the disk hangs; it goes on, see "
				"the log",
				ROTATE_PATIENCE_MS / 1000);

		if (status != 0 || (peer->status != HTTP_ACCEPTED && !is_busy))
			return status;
		if (!is_busy) {
			print_progress(peer);
			if (is_reload) /* it has begun: ask how it ended */
				method = "GET";
		}
		(void)poll(NULL, 0, POLL_MS);
	}
}

/* After a question: print the reply, unless there was none. Returns the exit status. */
static int print_reply(const struct peer *peer, int status, FILE *out_if_bad)
{
	if (status != 0)
		return status;
	fputs(peer->body, peer->status == HTTP_OK ? stdout : out_if_bad);
	return peer->status == HTTP_OK ? 0 : 1;
}

int client_status(struct command_line *line, struct error *err)
{
	bool is_watch = command_line_value(line, "watch");
	cleanup_peer struct peer peer = { .is_json = false };
	int status;

	if (find_peer(line, &peer, err) < 0)
		return -1;
	peer.is_json = command_line_value(line, "json");
	peer.is_screen = is_watch && !peer.is_json && isatty(STDOUT_FILENO);
	do {
		status = ask(&peer, "GET", peer.is_json ? "/status.json" : "/status", PATIENCE_MS);
		status = print_reply(&peer, status, stderr);
		if (fflush(stdout) != 0)
			return EX_IOERR;
		if (is_watch)
			(void)poll(NULL, 0, WATCH_MS);
	} while (is_watch);
	return status;
}

/*
 * End the open segments by this page, and print the URLs of those that have ended. True, with the page's answer for
 * further questions; false: there is only ret_status, and perhaps a reply, to be printed.
 */
static bool end_segments(struct peer *peer, const char *page, const char *ended_page,
			 char **ret_since, int *ret_status)
{
	cleanup_free char *ended = NULL;

	*ret_status = ask_until_done(peer, "POST", page, PATIENCE_MS, 0);
	if (*ret_status != 0 || peer->status != HTTP_OK)
		return false;
	*ret_since = mem_strndup(peer->body, strcspn(peer->body, "\n"));
	ended = mem_printf("%s?since=%s", ended_page, *ret_since);
	*ret_status = ask_until_done(peer, "GET", ended, PATIENCE_MS, 0);
	if (*ret_status != 0 || peer->status != HTTP_OK)
		return false;
	fputs(peer->body, stdout);
	(void)fflush(stdout);
	return true;
}

int client_rotate(struct command_line *line, struct error *err)
{
	cleanup_peer struct peer peer = { .is_json = false };
	cleanup_free char *since = NULL;
	int status;

	if (find_peer(line, &peer, err) < 0)
		return -1;
	peer.give_up_ms = clock_monotonic_ms() + ROTATE_PATIENCE_MS;
	if (!end_segments(&peer, "/rotate", "/rotate", &since, &status))
		return print_reply(&peer, status, stderr);
	if (!*peer.body)
		fputs("no packet was recorded since the last segment ended\n", stderr);
	return 0;
}

int client_flush(struct command_line *line, struct error *err)
{
	cleanup_peer struct peer peer = { .is_json = false };
	cleanup_free char *since = NULL, *page = NULL;
	int status;

	if (find_peer(line, &peer, err) < 0)
		return -1;
	if (end_segments(&peer, "/flush", "/flush/ended", &since, &status)) {
		page = mem_printf("/flush?since=%s", since);
		status = ask_until_done(&peer, "GET", page, PATIENCE_MS, 0);
	}
	return print_reply(&peer, status, stderr);
}

/* Ask for the page that has the command's name. */
static int ask_by_name(struct command_line *line, const char *method, unsigned patience_ms,
		       unsigned busy_ms, FILE *out_if_bad, struct error *err)
{
	cleanup_free char *page = mem_printf("/%s", line->command->word);
	cleanup_peer struct peer peer = { .is_json = false };
	int status;

	if (find_peer(line, &peer, err) < 0)
		return -1;
	status = ask_until_done(&peer, method, page, patience_ms, busy_ms);
	return print_reply(&peer, status, out_if_bad);
}

int client_reload(struct command_line *line, struct error *err)
{
	return ask_by_name(line, "POST", RELOAD_PATIENCE_MS, RELOAD_PATIENCE_MS, stderr, err);
}

/* Health goes to standard output even when it fails, because the event of a probe shows that. */
int client_probe(struct command_line *line, struct error *err)
{
	return ask_by_name(line, "GET", PROBE_PATIENCE_MS, 0, stdout, err);
}
