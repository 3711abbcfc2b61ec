/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What failed, and what kind of failure it is. An error is created where it happens, gains context on
 * the way up with error_wrap() and is logged once, where it is handled; the kind alone decides what is
 * done about it (retry, reject, exit). A struct error lives on the caller's stack and owns nothing.
 */

#include <stdint.h>

enum error_kind {
	ERROR_NONE,
	ERROR_USAGE,  /* the command line is wrong: exit 64 */
	ERROR_CONFIG, /* the user must change something: exit 78, no restart; a reload is refused */
	ERROR_TRANSIENT, /* later it may work: keep, back off, report */
	ERROR_REJECTED,  /* this object only, for good: set aside, go on */
	ERROR_FATAL,     /* the process cannot do its job: orderly stop, exit 1 */
};

struct error {
	enum error_kind kind;
	int errnum;              /* the errno that was its cause; 0: none was */
	uint64_t retry_after_ms; /* a peer that is busy asked for this pause; 0: none did */
	char message[1024];      /* one line, cut when longer */
};

/* All of these return -1, so that a failure is one line: `return error_set(err, …);`. */

/* Fill err with a formatted sentence. Control characters in it are replaced, so it stays one line. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The same with ": strerror(errno)" at the end, and that errno kept. error_errno() is ERROR_FATAL. */
int error_errno_as(struct error *err, enum error_kind kind, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
#define error_errno(err, ...) error_errno_as(err, ERROR_FATAL, __VA_ARGS__)

/* Put "context: " before what err says; all else stays. */
int error_wrap(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sysexits.h status that a start-up which failed with this error ends with. */
int error_exit_status(const struct error *err) __attribute__((warn_unused_result));
