/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* event and fields identify a line better than its place in the source */
#include <systemd/sd-journal.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"

#define LINE_MAX_BYTES  4096
#define FIELDS_MAX      24
#define FIELD_MAX_BYTES 1280
#define QUEUE_MAX_BYTES ((size_t)256 * 1024)
#define END_PATIENCE_MS 500
#define JOURNAL_SOCKET  "/run/systemd/journal/socket"

/* A line with its end, and a '\0'; for the journal, fields KEY=value follow, with a '\0' behind each. */
struct entry {
	struct entry *next;
	size_t length;
	char bytes[];
};

/* The only writable globals of the program: one of each, as there is one standard error. */
static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_format = LOG_FORMAT_AUTO;
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *first, *last;
	size_t bytes; /* of the entries queued, and of the one being written */
	uint64_t dropped, stated;
	bool is_started;
} output = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static const char *const level_words[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

static const struct {
	enum log_level level;
	const char *name; /* "SEGMENT_UPLOADED" */
	const char *sentence, *message_id;
} events[EVENT_COUNT] = {
#define EVENT(name, level, sentence, id, explanation) \
	[EVENT_##name] = { LOG_LEVEL_##level, #name, sentence, "MESSAGE_ID=" id },
#include "base/events.def"
#undef EVENT
};

/* systemd sets JOURNAL_STREAM to device:inode of the stream it connected (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char actual[64];
	struct stat st;

	if (!stream || fstat(STDERR_FILENO, &st) < 0)
		return false;
	(void)snprintf(actual, sizeof actual, "%ju:%ju", (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino);
	return strcmp(stream, actual) == 0;
}

void log_setup(enum log_level level, enum log_format format)
{
	if (format == LOG_FORMAT_AUTO)
		format = stderr_is_journal() ? LOG_FORMAT_JOURNAL : LOG_FORMAT_TEXT;
	atomic_store(&current_level, (int)level);
	if (atomic_exchange(&current_format, (int)format) != LOG_FORMAT_JOURNAL &&
	    format == LOG_FORMAT_JOURNAL && access(JOURNAL_SOCKET, F_OK) < 0)
		log_warning("journal not available; logging to standard error until it is");
}

bool log_is_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

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

/* The journal may be restarting, and a container has none, where sd_journal_sendv() succeeds all the same. */
static bool write_journal(const struct entry *entry)
{
	struct iovec fields[FIELDS_MAX + 4];
	int count = 0;

	for (const char *field = entry->bytes + strlen(entry->bytes) + 1;
	     field < entry->bytes + entry->length; field += strlen(field) + 1)
		fields[count++] = (struct iovec){ (char *)field, strlen(field) };
	return count > 0 && access(JOURNAL_SOCKET, F_OK) == 0 &&
	       sd_journal_sendv(fields, count) == 0;
}

static void *write_entries(void *unused)
{
	(void)unused;
	(void)pthread_setname_np(pthread_self(), "log");
	(void)pthread_mutex_lock(&output.lock);
	for (;;) {
		uint64_t dropped = output.dropped - output.stated;
		struct entry *entry = output.first;

		if (dropped > 0 && output.bytes <= QUEUE_MAX_BYTES / 2) {
			(void)pthread_mutex_unlock(&output.lock);
			log_event(EVENT_LOG_LINES_DROPPED, log_number("lines", dropped));
			(void)pthread_mutex_lock(&output.lock);
			output.stated += dropped;
			(void)pthread_cond_broadcast(&output.changed);
			continue;
		}
		if (!entry) {
			(void)pthread_cond_wait(&output.changed, &output.lock);
			continue;
		}
		output.first = entry->next;
		(void)pthread_mutex_unlock(&output.lock);
		if (!write_journal(entry))
			write_stderr(entry->bytes, strlen(entry->bytes));
		(void)pthread_mutex_lock(&output.lock);
		output.bytes -= entry->length;
		free(entry);
		if (output.bytes == 0)
			(void)pthread_cond_broadcast(&output.changed);
	}
	return NULL;
}

/* With the lock held. Without a thread (no memory), lines wait for the end. */
static void start_thread(void)
{
	pthread_t thread;

	if (output.is_started || pthread_create(&thread, NULL, write_entries, NULL) != 0)
		return;
	(void)pthread_detach(thread);
	output.is_started = true;
}

void log_start_writing(void)
{
	(void)pthread_mutex_lock(&output.lock);
	start_thread();
	(void)pthread_mutex_unlock(&output.lock);
}

void log_finish_writing(void)
{
	uint64_t deadline_ns = clock_monotonic_ns() + END_PATIENCE_MS * CLOCK_NS_PER_MS;

	(void)pthread_mutex_lock(&output.lock);
	if (output.bytes > 0)
		start_thread();
	while ((output.bytes > 0 || output.dropped > output.stated) &&
	       thread_cond_wait_until(&output.changed, &output.lock, deadline_ns))
		;
	(void)pthread_mutex_unlock(&output.lock);
}

uint64_t log_dropped_lines(void)
{
	cleanup_unlock pthread_mutex_t *lock = thread_lock(&output.lock);

	return output.dropped;
}

/* A pipe that can be polled for writing has room for a line; whatever is no file may be stopped by its reader. */
static bool takes_a_line_at_once(void)
{
	struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
	struct stat st;

	return (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode)) ||
	       (poll(&room, 1, 0) == 1 && room.revents & POLLOUT);
}

/* With the lock held. */
static void enqueue(const struct text *line)
{
	struct entry *entry = mem_alloc(sizeof *entry + line->length + 1);

	*entry = (struct entry){ .length = line->length };
	memcpy(entry->bytes, line->bytes, line->length + 1);
	if (output.first)
		output.last->next = entry;
	else
		output.first = entry;
	output.last = entry;
	output.bytes += line->length;
	(void)pthread_cond_broadcast(&output.changed);
}

/*
 * Empty values and values with blanks, quotes or '=' are quoted, so that key=value can be parsed; and those that are not
 * plain ASCII, which JSON escapes where a terminal would obey.
 */
static bool needs_quotes(const char *value)
{
	for (const char *p = value; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == '"' || *p == '=')
			return true;
	return !*value;
}

static const char *field_text(const struct log_field *field)
{
	return field->text ? field->text : "";
}

/* A sentence and its fields as key=value. */
static void append_text(struct text *line, const char *sentence, const struct log_field *fields,
			size_t field_count)
{
	text_append(line, "%s", sentence);
	for (const struct log_field *field = fields; field < fields + field_count; field++) {
		if (!field->key)
			continue;
		text_append(line, " %s=", field->key);
		if (field->is_number)
			text_append(line, "%ju", (uintmax_t)field->number);
		else if (needs_quotes(field_text(field)))
			text_append_json(line, field_text(field));
		else
			text_append(line, "%s", field->text);
	}
}

static void append_letters(struct text *out, const char *word, int (*change_letter)(int))
{
	for (; *word; word++)
		text_append(out, "%c", change_letter((unsigned char)*word));
}

/* SEGMENT_UPLOADED is "segment-uploaded" outside. */
static int change_event_letter(int letter)
{
	return letter == '_' ? '-' : tolower(letter);
}

/* The severities are Cloud Logging's, which other collectors understand, too. */
static void append_json(struct text *line, const char *when, enum log_level level,
			enum log_event_id event, const char *sentence,
			const struct log_field *fields, size_t field_count)
{
	text_append(line, "{\"time\":\"%s\",\"severity\":\"", when);
	append_letters(line, level_words[level], toupper);
	text_append(line, "\",\"message\":");
	text_append_json(line, sentence);
	if (event != EVENT_NONE) {
		text_append(line, ",\"event\":\"");
		append_letters(line, events[event].name, change_event_letter);
		text_append(line, "\"");
	}
	for (const struct log_field *field = fields; field < fields + field_count; field++) {
		size_t before = line->length;

		if (!field->key)
			continue;
		text_append(line, ",\"%s\":", field->key);
		if (field->is_number)
			text_append(line, "%ju", (uintmax_t)field->number);
		else
			text_append_json(line, field_text(field));
		if (line->is_cut) { /* a truncated field would not be JSON: omit it */
			line->length = before;
			break;
		}
	}
}

/* End a field: a '\0' is behind it. */
static void end_field(struct text *entry)
{
	if (entry->length + 1 < entry->capacity)
		entry->bytes[++entry->length] = '\0';
}

/* Fields become KNT_KEY=value; the message contains them, too, for a plain journalctl. */
static void append_journal(struct text *entry, size_t capacity, enum log_level level,
			   enum log_event_id event, const char *sentence,
			   const struct log_field *fields, size_t field_count)
{
	entry->capacity = entry->length + LINE_MAX_BYTES;
	end_field(entry);
	text_append(entry, "MESSAGE=");
	append_text(entry, sentence, fields, field_count);
	entry->capacity = capacity;
	end_field(entry);
	text_append(entry, "PRIORITY=%d", (int)level);
	end_field(entry);
	if (event != EVENT_NONE) {
		text_append(entry, "%s", events[event].message_id);
		end_field(entry);
		text_append(entry, "KNT_EVENT=");
		append_letters(entry, events[event].name, change_event_letter);
		end_field(entry);
	}
	for (size_t i = 0; i < field_count && i < FIELDS_MAX; i++) {
		if (!fields[i].key)
			continue;
		text_append(entry, "KNT_");
		append_letters(entry, fields[i].key, toupper);
		if (fields[i].is_number)
			text_append(entry, "=%ju", (uintmax_t)fields[i].number);
		else
			text_append(entry, "=%.*s", FIELD_MAX_BYTES, field_text(&fields[i]));
		end_field(entry);
	}
}

enum log_level log_event_level(enum log_event_id event)
{
	return events[event].level;
}

void log_write(enum log_level level, enum log_event_id event, const char *sentence,
	       const struct log_field *fields, size_t field_count)
{
	char bytes[2 * LINE_MAX_BYTES + FIELDS_MAX * FIELD_MAX_BYTES], when[TEXT_TIME_MAX];
	struct text entry = text_over(bytes, LINE_MAX_BYTES);
	int format = atomic_load_explicit(&current_format, memory_order_relaxed);

	if (!log_is_enabled(level))
		return;
	if (!sentence)
		sentence = events[event].sentence;
	text_format_rfc3339(clock_real_ns(), when);
	entry.capacity -= strlen("}\n");
	if (format == LOG_FORMAT_JSON) {
		append_json(&entry, when, level, event, sentence, fields, field_count);
	} else {
		text_append(&entry, "%s %s: ", when, level_words[level]);
		append_text(&entry, sentence, fields, field_count);
	}
	entry.capacity = LINE_MAX_BYTES;
	text_append(&entry, format == LOG_FORMAT_JSON ? "}\n" : "\n");
	if (format == LOG_FORMAT_JOURNAL)
		append_journal(&entry, sizeof bytes, level, event, sentence, fields, field_count);

	(void)pthread_mutex_lock(&output.lock);
	if (!output.is_started && !output.first && format != LOG_FORMAT_JOURNAL &&
	    takes_a_line_at_once())
		write_stderr(entry.bytes, entry.length);
	else if (output.bytes + entry.length > QUEUE_MAX_BYTES)
		output.dropped++;
	else
		enqueue(&entry);
	(void)pthread_mutex_unlock(&output.lock);
}
