/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Errors: what failed, and the kind of failure. An error is created where it occurs, gets context from
 * error_wrap() on the way up, and is logged once, where it is handled. Only the kind decides how it is handled
 * (retry, reject, exit). A struct error lives on the caller's stack and owns nothing.
 */

#include <errno.h>
#include <stdint.h>

#define ERROR_MESSAGE_MAX 1024

enum error_kind {
	ERROR_NONE,
	ERROR_USAGE,  /* the command line is wrong: exit 64 */
	ERROR_CONFIG, /* the user must change something: exit 78, no restart; a reload is refused */
	ERROR_TRANSIENT, /* may work later: keep, back off, report */
	ERROR_REJECTED,  /* permanent, for this object only: move it aside, continue */
	ERROR_FATAL,     /* the process cannot do its job: clean shutdown, exit 1 */
};

struct error {
	enum error_kind kind;
	int errnum;                      /* the errno that caused it; 0: none */
	uint64_t retry_after_ms;         /* delay requested by a busy peer; 0: none */
	char message[ERROR_MESSAGE_MAX]; /* one line, truncated */
};

/* All of these return -1, so that failing takes one line: `return error_set(err, …);`. */

/*
 * Fill err with a formatted message. Control characters are replaced, so that it stays one line. With an errnum,
 * ": strerror(errnum)" is appended.
 */
int error_fill(struct error *err, enum error_kind kind, int errnum, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* A literal, so that also a compiler that sees the whole program at once knows that nothing else is returned. */
#define error_fail(...)                        \
	__extension__({                        \
		(void)error_fill(__VA_ARGS__); \
		-1;                            \
	})
#define error_set(err, kind, ...)      error_fail(err, kind, 0, __VA_ARGS__)
#define error_errno_as(err, kind, ...) error_fail(err, kind, errno, __VA_ARGS__)
#define error_errno(err, ...)          error_errno_as(err, ERROR_FATAL, __VA_ARGS__)

/* Prepend "context: " to the message; everything else stays. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The exit status (sysexits.h) when startup fails with this error. */
int error_exit_status(const struct error *err) __attribute__((warn_unused_result));
