/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_output.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* event and fields identify a line better than its place in the source */
#include <systemd/sd-journal.h>

#include "base/mem.h"

#define QUEUE_MAX_BYTES ((size_t)256 * 1024)
#define FIELDS_MAX      32
#define JOURNAL_SOCKET  "/run/systemd/journal/socket"

struct entry {
	struct entry *next;
	enum log_target target;
	size_t length;
	char bytes[];
};

/* One per process, as standard error is. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *first, *last;
	size_t bytes; /* of the entries queued, and of the one being written */
	uint64_t dropped, stated;
	log_dropped_function *state_dropped;
	bool is_started;
} output = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void write_stderr(const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t written = write(STDERR_FILENO, bytes, length);

		if (written < 0 && errno == EAGAIN) { /* whoever shares it made it so */
			struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };

			(void)poll(&room, 1, -1);
		} else if (written < 0 && errno != EINTR) {
			return; /* there is nowhere to report a failure */
		} else if (written > 0) {
			bytes += written;
			length -= (size_t)written;
		}
	}
}

bool log_output_has_journal(void)
{
	return access(JOURNAL_SOCKET, F_OK) == 0;
}

/* The journal may be restarting, and a container has none, where sd_journal_sendv() succeeds all the same. */
static bool write_journal(const struct entry *entry)
{
	struct iovec fields[FIELDS_MAX];
	int count = 0;

	for (const char *field = entry->bytes + strlen(entry->bytes) + 1;
	     field < entry->bytes + entry->length && count < FIELDS_MAX; field += strlen(field) + 1)
		fields[count++] = (struct iovec){ (char *)field, strlen(field) };
	return log_output_has_journal() && sd_journal_sendv(fields, count) == 0;
}

static void write_entry(const struct entry *entry)
{
	if (entry->target != LOG_TARGET_JOURNAL || !write_journal(entry))
		write_stderr(entry->bytes, strlen(entry->bytes));
}

static void *write_entries(void *unused)
{
	(void)unused;
	(void)pthread_setname_np(pthread_self(), "log");
	(void)pthread_mutex_lock(&output.lock);
	for (;;) {
		uint64_t dropped = output.dropped - output.stated;
		struct entry *entry = output.first;

		if (!entry && dropped > 0 && output.state_dropped) {
			output.stated = output.dropped;
			(void)pthread_mutex_unlock(&output.lock);
			output.state_dropped(dropped);
			(void)pthread_mutex_lock(&output.lock);
			continue;
		}
		if (!entry) {
			(void)pthread_cond_wait(&output.changed, &output.lock);
			continue;
		}
		output.first = entry->next;
		(void)pthread_mutex_unlock(&output.lock);
		write_entry(entry);
		(void)pthread_mutex_lock(&output.lock);
		output.bytes -= entry->length;
		free(entry);
		if (output.bytes == 0)
			(void)pthread_cond_broadcast(&output.changed);
	}
	return NULL;
}

/* With the lock held. */
static void start_thread(void)
{
	pthread_t thread;

	if (output.is_started || pthread_create(&thread, NULL, write_entries, NULL) != 0)
		return;
	(void)pthread_detach(thread);
	output.is_started = true;
}

/* A pipe that can be polled for writing has room for a line; whatever is no file may be stopped by its reader. */
static bool takes_a_line_at_once(void)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct stat st;

	return (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode)) ||
	       (poll(&room, 1, 0) == 1 && room.revents & POLLOUT);
}

static void enqueue(enum log_target target, const char *bytes, size_t length)
{
	struct entry *entry = mem_alloc(sizeof *entry + length + 1);

	*entry = (struct entry){ .target = target, .length = length };
	memcpy(entry->bytes, bytes, length);
	entry->bytes[length] = '\0';
	if (output.first)
		output.last->next = entry;
	else
		output.first = entry;
	output.last = entry;
	output.bytes += length;
	(void)pthread_cond_broadcast(&output.changed);
}

void log_output(enum log_target target, const char *entry, size_t length)
{
	(void)pthread_mutex_lock(&output.lock);
	if (!output.is_started && !output.first && target == LOG_TARGET_STDERR &&
	    takes_a_line_at_once())
		write_stderr(entry, length);
	else if (output.bytes + length > QUEUE_MAX_BYTES)
		output.dropped++;
	else
		enqueue(target, entry, length);
	(void)pthread_mutex_unlock(&output.lock);
}

void log_output_start(log_dropped_function *state_dropped)
{
	(void)pthread_mutex_lock(&output.lock);
	output.state_dropped = state_dropped;
	start_thread();
	(void)pthread_mutex_unlock(&output.lock);
}

void log_output_end(unsigned patience_ms)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += patience_ms / 1000;
	until.tv_nsec += patience_ms % 1000 * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	(void)pthread_mutex_lock(&output.lock);
	if (output.bytes > 0)
		start_thread();
	while (output.bytes > 0 &&
	       pthread_cond_clockwait(&output.changed, &output.lock, CLOCK_MONOTONIC, &until) == 0)
		;
	(void)pthread_mutex_unlock(&output.lock);
}

uint64_t log_output_dropped(void)
{
	uint64_t dropped;

	(void)pthread_mutex_lock(&output.lock);
	dropped = output.dropped;
	(void)pthread_mutex_unlock(&output.lock);
	return dropped;
}
