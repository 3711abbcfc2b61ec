/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

/* Text from outside may contain anything; a message must stay one line. */
static void keep_to_one_line(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

int error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	va_list args;

	err->kind = kind;
	err->errnum = 0;
	err->retry_after_ms = 0;
	va_start(args, format);
	(void)vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	keep_to_one_line(err->message);
	return -1;
}

int error_errno_as(struct error *err, enum error_kind kind, const char *format, ...)
{
	int errnum = errno;
	char reason[128];
	const char *text = strerror_r(errnum, reason, sizeof reason);
	va_list args;
	int length;

	err->kind = kind;
	err->errnum = errnum;
	err->retry_after_ms = 0;
	va_start(args, format);
	length = vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof err->message)
		(void)snprintf(err->message + length, sizeof err->message - (size_t)length, ": %s",
			       text);
	keep_to_one_line(err->message);
	return -1;
}

int error_wrap(struct error *err, const char *format, ...)
{
	char inner[sizeof err->message];
	va_list args;
	int length;

	memcpy(inner, err->message, sizeof inner);
	va_start(args, format);
	length = vsnprintf(err->message, sizeof err->message, format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof err->message)
		(void)snprintf(err->message + length, sizeof err->message - (size_t)length, ": %s",
			       inner);
	keep_to_one_line(err->message);
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
	case ERROR_TRANSIENT:
	case ERROR_REJECTED:
	case ERROR_FATAL:
		break;
	}
	return 1;
}
