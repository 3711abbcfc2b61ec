/* SPDX-License-Identifier: Apache-2.0 */
/* Over 400 lines because all that these commands print, with a reply or without one, is in one place. */
#include "cli/control_client.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "spool/spool.h"
#include "status/listener.h"

#define REPLY_MAX          ((size_t)1 << 20)
#define PATIENCE_MS        900
#define PROBE_PATIENCE_MS  3000 /* a failed probe has consequences */
#define RELOAD_PATIENCE_MS 10000
#define POLL_MS            300
#define WATCH_MS           2000
#define COMPLAINT_MAX      1024

/* Where the packaged unit has its RuntimeDirectory=. */
#define PACKAGED_SOCKET "/run/kube-node-tracer/" SPOOL_CONTROL_SOCKET
#define SYSTEMD_FOLDER  "/run/systemd/system" /* sd_booted(3) */

enum {
	HTTP_OK = 200,
	HTTP_ACCEPTED = 202, /* not yet */
	HTTP_CONFLICT = 409,
};

/* The daemon to ask. */
struct peer {
	struct listener_address address;
	char path[LISTENER_CONTROL_PATH_MAX], spool[LISTENER_CONTROL_PATH_MAX];
	bool is_json;
	bool is_screen;                /* each output replaces the one before */
	char complaint[COMPLAINT_MAX]; /* the last one, not to be repeated; "" after a reply */
};

struct reply {
	unsigned status;
	char *text; /* head and body, to be freed */
	const char *body;
};

static void reply_done(struct reply *reply)
{
	free(reply->text);
	reply->text = NULL;
}
#define cleanup_reply cleanup(reply_done)

static void sleep_ms(unsigned ms)
{
	const struct timespec pause = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&pause, NULL);
}

/* Nobody answers ---------------------------------------------------------------------------------- */

/* Print why there is no reply; with --json its first line alone. Returns the status. */
static int complain(struct peer *peer, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static int complain(struct peer *peer, int status, const char *format, ...)
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
	       (strcmp(peer->path, PACKAGED_SOCKET) == 0 ||
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

/* Connected, but no reply in time; pid 0: unknown. */
static int report_busy(struct peer *peer, pid_t pid, unsigned patience_ms)
{
	return complain(peer, EX_UNAVAILABLE,
			"kube-node-tracer is running as process %d, but did not answer within %.1f "
			"s: it is starting (recovering segments of an earlier run) or stopping, or "
			"its main thread hangs; packets may be recorded anyway\n"
			"what it does: %s",
			(int)pid, patience_ms / 1000.0, name_log(peer));
}

/* Asking ----------------------------------------------------------------------------------------- */

static int connect_to(const struct listener_address *address)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || connect(fd, &address->socket.any, address->length) < 0)
		return -1;
	return take_fd(&fd);
}

/* The process that listens; 0 if the kernel does not report it. */
static pid_t find_listening_process(int fd)
{
	struct ucred process = { .pid = 0 };
	socklen_t length = sizeof process;

	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &length);
	return process.pid;
}

/* All bytes until the other end closes; false if it did not in time. */
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

static bool parse_reply(struct reply *reply)
{
	char *head_end = strstr(reply->text, "\r\n\r\n");

	if (!head_end || sscanf(reply->text, "HTTP/1.%*c %3u ", &reply->status) != 1)
		return false;
	reply->body = head_end + 4;
	return true;
}

/* Only when there is something to print: until then the last output stays. */
static void clear_screen(const struct peer *peer)
{
	if (!peer->is_screen)
		return;
	fputs("\033[H\033[J", stdout);
	(void)fflush(stdout);
}

/* Send one request; 0 with a reply, else the exit status, and the reason is reported. */
static int ask(struct peer *peer, const char *method, const char *page, unsigned patience_ms,
	       struct reply *ret_reply)
{
	uint64_t deadline_ms = clock_monotonic_ms() + patience_ms;
	cleanup_close int fd = connect_to(&peer->address);
	cleanup_reply struct reply reply = { .text = NULL };
	char request[256];
	int reason = fd < 0 ? errno : 0;
	bool is_answered;

	if (fd < 0)
		clear_screen(peer);
	if (reason == EAGAIN) /* its backlog is full */
		return complain(
			peer, EX_UNAVAILABLE,
			"kube-node-tracer is running, but does not answer: its main thread hangs");
	if (fd < 0)
		return report_not_running(peer, reason);
	(void)snprintf(request, sizeof request,
		       "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method,
		       page);
	reply.text = mem_alloc(REPLY_MAX);
	is_answered = send(fd, request, strlen(request), MSG_NOSIGNAL) ==
			      (ssize_t)strlen(request) &&
		      read_all(fd, deadline_ms, reply.text, REPLY_MAX) && parse_reply(&reply);
	clear_screen(peer);
	if (!is_answered)
		return report_busy(peer, find_listening_process(fd), patience_ms);
	*peer->complaint = '\0';
	*ret_reply = reply;
	reply.text = NULL;
	return 0;
}

/*
 * The socket in the spool is that of this very configuration; that of the packaged unit is another place to look,
 * unless the command line names a spool. A configuration that was broken since the daemon's start does not keep
 * anybody from asking it. Returns 0, or the exit status.
 */
static int find_peer(const struct command_line *line, struct peer *peer)
{
	const char *typed = line->conf.value[CONF_spool_directory];
	const char *spool = typed ? typed : DEFAULT_SPOOL_DIRECTORY;
	cleanup_conf struct conf *conf = NULL;
	struct error err;

	if (conf_load(&line->conf, &conf, &err) < 0)
		log_warning("cannot use the configuration, looking for the daemon without it",
			    log_reason(&err));
	*peer = (struct peer){ .is_json = false };
	(void)snprintf(peer->spool, sizeof peer->spool, "%s", conf ? conf->spool_directory : spool);
	(void)snprintf(peer->path, sizeof peer->path, "%.*s/" SPOOL_CONTROL_SOCKET,
		       LISTENER_CONTROL_PATH_MAX - 16, peer->spool);
	if (!typed && access(peer->path, F_OK) < 0 && access(PACKAGED_SOCKET, F_OK) == 0)
		(void)snprintf(peer->path, sizeof peer->path, PACKAGED_SOCKET);
	if (listener_parse(peer->path, &peer->address, &err) == 0)
		return 0;
	fprintf(stderr, "kube-node-tracer: %s\n", err.message);
	return EX_CONFIG;
}

/* Commands --------------------------------------------------------------------------------------- */

/* Print a reply; 1 unless it is a good one. */
static int print_reply(const struct reply *reply)
{
	fputs(reply->body, reply->status == HTTP_OK ? stdout : stderr);
	return reply->status == HTTP_OK ? 0 : 1;
}

static int ask_and_print(struct peer *peer, const char *method, const char *page)
{
	cleanup_reply struct reply reply = { .text = NULL };
	int status = ask(peer, method, page, PATIENCE_MS, &reply);

	return status != 0 ? status : print_reply(&reply);
}

int client_status(struct command_line *line)
{
	bool is_json = command_line_value(line, "json"),
	     is_watch = command_line_value(line, "watch");
	struct peer peer;
	int status = find_peer(line, &peer);

	if (status != 0)
		return status;
	peer.is_json = is_json;
	peer.is_screen = is_watch && !is_json && isatty(STDOUT_FILENO);
	do {
		status = ask_and_print(&peer, "GET", is_json ? "/status.json" : "/status");
		if (fflush(stdout) != 0)
			return EX_IOERR;
		if (is_watch)
			sleep_ms(WATCH_MS);
	} while (is_watch);
	return status;
}

int client_rotate(struct command_line *line)
{
	struct peer peer;
	int status = find_peer(line, &peer);

	return status != 0 ? status : ask_and_print(&peer, "POST", "/rotate");
}

/* While another reload is under way, wait for its end. */
int client_reload(struct command_line *line)
{
	uint64_t deadline_ms = clock_monotonic_ms() + RELOAD_PATIENCE_MS;
	struct peer peer;
	int status = find_peer(line, &peer);

	while (status == 0) {
		cleanup_reply struct reply reply = { .text = NULL };

		status = ask(&peer, "POST", "/reload", RELOAD_PATIENCE_MS, &reply);
		if (status == 0 &&
		    (reply.status != HTTP_CONFLICT || clock_monotonic_ms() >= deadline_ms))
			return print_reply(&reply);
		sleep_ms(POLL_MS);
	}
	return status;
}

/* Print the lines that were not printed yet. *printed: those that were, to be freed. */
static void print_news(char **printed, const char *lines)
{
	while (*lines) {
		size_t length = strcspn(lines, "\n");
		cleanup_free char *line = mem_printf("\n%.*s\n", (int)length, lines);
		char *before = *printed;

		if (!strstr(before, line)) {
			fputs(line + 1, stderr);
			*printed = mem_printf("%s%s", before, line);
			free(before);
		}
		lines += length + (lines[length] == '\n');
	}
}

/* Ask until the reply is more than "not yet", and print what that says about progress: each line once. */
static int ask_until_done(struct peer *peer, const char *method, const char *page, char **printed,
			  struct reply *ret_reply)
{
	for (;;) {
		cleanup_reply struct reply reply = { .text = NULL };
		int status = ask(peer, method, page, PATIENCE_MS, &reply);

		if (status != 0)
			return status;
		if (reply.status != HTTP_ACCEPTED) {
			*ret_reply = reply;
			reply.text = NULL;
			return 0;
		}
		print_news(printed, reply.body);
		sleep_ms(POLL_MS);
	}
}

int client_flush(struct command_line *line)
{
	cleanup_reply struct reply begun = { .text = NULL }, ended = { .text = NULL };
	cleanup_free char *printed = mem_strdup("");
	struct peer peer;
	char page[128];
	int status = find_peer(line, &peer);

	if (status == 0)
		status = ask_until_done(&peer, "POST", "/flush", &printed, &begun);
	if (status != 0)
		return status;
	if (begun.status != HTTP_OK)
		return print_reply(&begun);
	(void)snprintf(page, sizeof page, "/flush?since=%.*s", (int)strcspn(begun.body, "\n"),
		       begun.body);
	status = ask_until_done(&peer, "GET", page, &printed, &ended);
	return status != 0 ? status : print_reply(&ended);
}

/* Health goes to standard output even when it fails, because the event of a probe shows that. */
static int print_health(const struct command_line *line, const char *page)
{
	cleanup_reply struct reply reply = { .text = NULL };
	struct peer peer;
	int status = find_peer(line, &peer);

	if (status == 0)
		status = ask(&peer, "GET", page, PROBE_PATIENCE_MS, &reply);
	if (status != 0)
		return status;
	fputs(reply.body, stdout);
	return reply.status == HTTP_OK ? 0 : 1;
}

int client_healthz(struct command_line *line)
{
	return print_health(line, "/healthz");
}

int client_readyz(struct command_line *line)
{
	return print_health(line, "/readyz");
}
