/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * One event, one line: a sentence in lower case, then facts as key=value. The same call feeds a terminal
 * (text), the journal (each fact a field) and a container's log collector (JSON). Any thread may log; a
 * line is written whole with one system call. Never called per packet; never given secrets or payload.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* The numbers are syslog's. */
enum log_level {
	LOG_LEVEL_ERROR = 3,   /* the operator must act */
	LOG_LEVEL_WARNING = 4, /* degraded, heals by itself */
	LOG_LEVEL_NOTICE = 5,  /* start, stop, reload, recovered */
	LOG_LEVEL_INFO = 6,    /* a line per finished segment and upload */
	LOG_LEVEL_DEBUG = 7,
};

enum log_format {
	LOG_FORMAT_AUTO, /* journal if standard error is connected to it, else text */
	LOG_FORMAT_TEXT,
	LOG_FORMAT_JOURNAL,
	LOG_FORMAT_JSON,
};

struct log_field {
	const char *key; /* lower-case words with underscores; NULL: not a fact */
	const char *text;
	uint64_t number;
	bool is_number;
};

/*
 * Choose what is written and how; also while running (reload). Until called: info, auto. For as long as
 * there is no journal where it is chosen, all goes to standard error as text.
 */
void log_setup(enum log_level level, enum log_format format);
bool log_is_enabled(enum log_level level);

void log_write(enum log_level level, const char *sentence, const struct log_field *facts,
	       size_t fact_count);

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

/* log_notice("capture started", log_text("interface", name), log_number("snaplen", 96)); */
#define log_fields_(level, sentence, ...)                                               \
	log_write((level), (sentence), (const struct log_field[]){ {}, ##__VA_ARGS__ }, \
		  sizeof((const struct log_field[]){ {}, ##__VA_ARGS__ }) /             \
			  sizeof(struct log_field))
#define log_error(sentence, ...)   log_fields_(LOG_LEVEL_ERROR, sentence, ##__VA_ARGS__)
#define log_warning(sentence, ...) log_fields_(LOG_LEVEL_WARNING, sentence, ##__VA_ARGS__)
#define log_notice(sentence, ...)  log_fields_(LOG_LEVEL_NOTICE, sentence, ##__VA_ARGS__)
#define log_info(sentence, ...)    log_fields_(LOG_LEVEL_INFO, sentence, ##__VA_ARGS__)
#define log_debug(sentence, ...)   log_fields_(LOG_LEVEL_DEBUG, sentence, ##__VA_ARGS__)
