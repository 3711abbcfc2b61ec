/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log_output.h"
#include "base/text.h"

#define LINE_MAX_BYTES  4096
#define FIELDS_MAX      24
#define FIELD_MAX_BYTES 1280
#define END_PATIENCE_MS 500

/* The only writable globals of the program. */
static atomic_int current_level = LOG_LEVEL_INFO;
static atomic_int current_format = LOG_FORMAT_AUTO;

static const char *const level_words[] = {
	[LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

/* The severities of Cloud Logging, which other collectors understand, too. */
static const char *const json_severities[] = {
	[LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_WARNING] = "WARNING", [LOG_LEVEL_NOTICE] = "NOTICE",
	[LOG_LEVEL_INFO] = "INFO",   [LOG_LEVEL_DEBUG] = "DEBUG",
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

/* Append the external name of an event: "segment-uploaded" for SEGMENT_UPLOADED. */
static void append_event_name(struct text *out, enum log_event_id event)
{
	for (const char *p = events[event].name; *p; p++)
		text_append(out, "%c", *p == '_' ? '-' : tolower((unsigned char)*p));
}

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
	    format == LOG_FORMAT_JOURNAL && !log_output_has_journal())
		log_warning("journal not available; logging to standard error until it is");
}

static void state_dropped(uint64_t lines)
{
	log_event(EVENT_LOG_LINES_DROPPED, log_number("lines", lines));
}

void log_start_writing(void)
{
	log_output_start(state_dropped);
}

void log_finish_writing(void)
{
	log_output_end(END_PATIENCE_MS);
}

uint64_t log_dropped_lines(void)
{
	return log_output_dropped();
}

bool log_is_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

/*
 * Empty values and values with blanks, quotes or '=' are quoted, so that key=value can be parsed; and those that are not
 * plain ASCII, which JSON escapes where a terminal would obey.
 */
static bool needs_quotes(const char *value)
{
	if (!*value)
		return true;
	for (const char *p = value; *p; p++)
		if (!isgraph((unsigned char)*p) || *p == '"' || *p == '=')
			return true;
	return false;
}

static void append_fields(struct text *line, const struct log_field *fields, size_t field_count)
{
	for (size_t i = 0; i < field_count; i++) {
		const struct log_field *field = &fields[i];

		if (!field->key)
			continue;
		if (field->is_number)
			text_append(line, " %s=%ju", field->key, (uintmax_t)field->number);
		else if (!needs_quotes(field->text ? field->text : ""))
			text_append(line, " %s=%s", field->key, field->text);
		else {
			text_append(line, " %s=", field->key);
			text_append_json(line, field->text ? field->text : "");
		}
	}
}

static void append_text(struct text *line, enum log_level level, const char *sentence,
			const struct log_field *fields, size_t field_count)
{
	char when[TEXT_TIME_MAX];

	text_format_rfc3339(clock_real_ns(), when);
	text_append(line, "%s %s: %s", when, level_words[level], sentence);
	append_fields(line, fields, field_count);
	text_end_line(line);
}

static void write_text(enum log_level level, const char *sentence, const struct log_field *fields,
		       size_t field_count)
{
	char bytes[LINE_MAX_BYTES];
	struct text line = text_over(bytes, sizeof bytes);

	append_text(&line, level, sentence, fields, field_count);
	log_output(LOG_TARGET_STDERR, line.bytes, line.length);
}

static void write_json(enum log_level level, enum log_event_id event, const char *sentence,
		       const struct log_field *fields, size_t field_count)
{
	char bytes[LINE_MAX_BYTES], when[TEXT_TIME_MAX];
	struct text line = text_over(bytes, sizeof bytes);

	text_format_rfc3339(clock_real_ns(), when);
	text_append(&line, "{\"time\":\"%s\",\"severity\":\"%s\",\"message\":", when,
		    json_severities[level]);
	text_append_json(&line, sentence);
	if (event != EVENT_NONE) {
		text_append(&line, ",\"event\":\"");
		append_event_name(&line, event);
		text_append(&line, "\"");
	}
	for (size_t i = 0; i < field_count; i++) {
		size_t before = line.length;

		if (!fields[i].key)
			continue;
		text_append(&line, ",\"%s\":", fields[i].key);
		if (fields[i].is_number)
			text_append(&line, "%ju", (uintmax_t)fields[i].number);
		else
			text_append_json(&line, fields[i].text ? fields[i].text : "");
		if (line.length + 2 >=
		    line.capacity) { /* a truncated field would not be JSON: omit it */
			line.length = before;
			break;
		}
	}
	text_append(&line, "}");
	text_end_line(&line);
	log_output(LOG_TARGET_STDERR, line.bytes, line.length);
}

/* End a field: a '\0' is behind it. */
static void end_field(struct text *entry)
{
	if (entry->length + 1 < entry->capacity)
		entry->bytes[++entry->length] = '\0';
}

/* Fields become KNT_KEY=value; the message contains them, too, for a plain journalctl. */
static void write_journal(enum log_level level, enum log_event_id event, const char *sentence,
			  const struct log_field *fields, size_t field_count)
{
	char bytes[2 * LINE_MAX_BYTES + FIELDS_MAX * FIELD_MAX_BYTES];
	struct text entry = text_over(bytes, LINE_MAX_BYTES);

	append_text(&entry, level, sentence, fields, field_count);
	end_field(&entry);
	entry.capacity = entry.length + LINE_MAX_BYTES;
	text_append(&entry, "MESSAGE=%s", sentence);
	append_fields(&entry, fields, field_count);
	entry.capacity = sizeof bytes;
	end_field(&entry);
	text_append(&entry, "PRIORITY=%d", (int)level);
	end_field(&entry);
	if (event != EVENT_NONE) {
		text_append(&entry, "%s", events[event].message_id);
		end_field(&entry);
		text_append(&entry, "KNT_EVENT=");
		append_event_name(&entry, event);
		end_field(&entry);
	}
	for (size_t i = 0; i < field_count && i < FIELDS_MAX; i++) {
		if (!fields[i].key)
			continue;
		text_append(&entry, "KNT_");
		for (const char *p = fields[i].key; *p; p++)
			text_append(&entry, "%c", toupper((unsigned char)*p));
		if (fields[i].is_number)
			text_append(&entry, "=%ju", (uintmax_t)fields[i].number);
		else
			text_append(&entry, "=%.*s", FIELD_MAX_BYTES,
				    fields[i].text ? fields[i].text : "");
		end_field(&entry);
	}
	log_output(LOG_TARGET_JOURNAL, entry.bytes, entry.length);
}

enum log_level log_event_level(enum log_event_id event)
{
	return events[event].level;
}

void log_write(enum log_level level, enum log_event_id event, const char *sentence,
	       const struct log_field *fields, size_t field_count)
{
	if (!log_is_enabled(level))
		return;
	if (!sentence)
		sentence = events[event].sentence;
	switch ((enum log_format)atomic_load_explicit(&current_format, memory_order_relaxed)) {
	case LOG_FORMAT_JOURNAL:
		write_journal(level, event, sentence, fields, field_count);
		break;
	case LOG_FORMAT_JSON:
		write_json(level, event, sentence, fields, field_count);
		break;
	case LOG_FORMAT_AUTO:
	case LOG_FORMAT_TEXT:
		write_text(level, sentence, fields, field_count);
		break;
	}
}
