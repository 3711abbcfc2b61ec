/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/text.h"

/* A message must stay one line, and text from outside may contain anything. */
__attribute__((format(printf, 2, 0))) static void
write_message(struct error *err, const char *format, va_list args, const char *reason)
{
	size_t length;

	(void)vsnprintf(err->message, sizeof err->message, format, args);
	length = strlen(err->message);
	if (reason)
		(void)snprintf(err->message + length, sizeof err->message - length, ": %s", reason);
	text_blank_controls(err->message, "");
}

int error_fill(struct error *err, enum error_kind kind, int errnum, const char *format, ...)
{
	char reason[128];
	va_list args;

	err->kind = kind;
	err->errnum = errnum;
	err->retry_after_ms = 0;
	va_start(args, format);
	write_message(err, format, args, errnum ? strerror_r(errnum, reason, sizeof reason) : NULL);
	va_end(args);
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char inner[sizeof err->message];
	va_list args;

	memcpy(inner, err->message, sizeof inner);
	va_start(args, format);
	write_message(err, format, args, inner);
	va_end(args);
	return -1;
}

int error_exit_status(const struct error *err)
{
	switch (err->kind) {
	case ERROR_NONE:
		return EX_OK;
	case ERROR_USAGE:
		return EX_USAGE;
	case ERROR_CONFIG:
		return EX_CONFIG;
	default:
		return 1;
	}
}
