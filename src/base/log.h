/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The log: one event is one line, a sentence in lower case followed by fields as key=value. The same call
 * serves a terminal (text), the journal (with structured fields) and the log collector of a container (JSON).
 * Any thread may log, and never waits. Never called per packet, and never given secrets or packet contents.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The numbers are syslog's. */
enum log_level {
	LOG_LEVEL_ERROR = 3,   /* the operator must act */
	LOG_LEVEL_WARNING = 4, /* degraded, recovers automatically */
	LOG_LEVEL_NOTICE = 5,  /* start, stop, reload, recovered */
	LOG_LEVEL_INFO = 6,    /* one line per finished segment and upload */
	LOG_LEVEL_DEBUG = 7,
};

enum log_format {
	LOG_FORMAT_AUTO, /* journal if standard error is connected to it, otherwise text */
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JOURNAL,
	LOG_FORMAT_JSON,
};

/* The events that operators see: events.def. */
enum log_event_id {
	EVENT_NONE,
#define EVENT(name, level, sentence, id, explanation) EVENT_##name,
#include "base/events.def"
#undef EVENT
	EVENT_COUNT,
};

struct log_field {
	const char *key; /* lower-case words with underscores; NULL: not a field */
	const char *text;
	uint64_t number;
	bool is_number;
};

/*
 * Set level and format, initially or on a reload. Defaults: info, auto. While the journal is chosen but not
 * available, lines go to standard error as text.
 */
void log_setup(enum log_level level, enum log_format format);
bool log_is_enabled(enum log_level level);
/*
 * Nobody who logs waits for whoever reads: from log_start_writing() on (with signals blocked and rights dropped, which
 * its thread inherits) a thread writes the lines; those beyond a bounded queue are dropped, counted and stated. Before,
 * a line is written at once where that cannot wait; for the journal it is kept until then, or until the end.
 */
void log_start_writing(void);
/* At the end of the process: gives a reader half a second. */
void log_finish_writing(void);
/* Dropped since the start. */
uint64_t log_dropped_lines(void);

/* For the macros below. sentence: NULL for the event's own; required for EVENT_NONE. */
void log_write(enum log_level level, enum log_event_id event, const char *sentence,
	       const struct log_field *fields, size_t field_count);
/* The level of an event in events.def. */
enum log_level log_event_level(enum log_event_id event);

#define log_text(name, value)                  \
	{                                      \
		.key = (name), .text = (value) \
	}
#define log_number(name, value)                                               \
	{                                                                     \
		.key = (name), .number = (uint64_t)(value), .is_number = true \
	}
#define log_reason(err)                                 \
	{                                               \
		.key = "reason", .text = (err)->message \
	}

#define log_fields_(level, event, sentence, ...)                                                 \
	log_write((level), (event), (sentence), (const struct log_field[]){ {}, ##__VA_ARGS__ }, \
		  sizeof((const struct log_field[]){ {}, ##__VA_ARGS__ }) /                      \
			  sizeof(struct log_field))
/* log_event(EVENT_SEGMENT_UPLOADED, log_text("name", name), log_number("bytes", 96)); */
#define log_event(event, ...) log_fields_(log_event_level(event), event, NULL, ##__VA_ARGS__)
/* At a level other than the table's. */
#define log_event_at(level, event, ...) log_fields_(level, event, NULL, ##__VA_ARGS__)
/* For lines that are not events of the table. */
#define log_error(sentence, ...) log_fields_(LOG_LEVEL_ERROR, EVENT_NONE, sentence, ##__VA_ARGS__)
#define log_warning(sentence, ...) \
	log_fields_(LOG_LEVEL_WARNING, EVENT_NONE, sentence, ##__VA_ARGS__)
#define log_notice(sentence, ...) log_fields_(LOG_LEVEL_NOTICE, EVENT_NONE, sentence, ##__VA_ARGS__)
#define log_info(sentence, ...)   log_fields_(LOG_LEVEL_INFO, EVENT_NONE, sentence, ##__VA_ARGS__)
#define log_debug(sentence, ...)  log_fields_(LOG_LEVEL_DEBUG, EVENT_NONE, sentence, ##__VA_ARGS__)
