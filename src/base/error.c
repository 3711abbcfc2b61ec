/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* A message must stay one line, and text from outside may contain anything. */
__attribute__((format(printf, 2, 0))) static void
write_message(struct error *err, const char *format, va_list args, const char *reason)
{
	size_t length;

	(void)vsnprintf(err->message, sizeof err->message, format, args);
	length = strlen(err->message);
	if (reason)
		(void)snprintf(err->message + length, sizeof err->message - length, ": %s", reason);
	for (unsigned char *p = (unsigned char *)err->message; *p; p++) {
		if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
			p[0] = p[1] = ' ';
		if (*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
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
