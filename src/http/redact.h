/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How secrets are kept out of logs: what servers and libcurl say is made fit to be told, because they repeat
 * what they were sent, secrets included. Pure.
 */

#include <stdbool.h>

#include "base/text.h"

/*
 * The secrets in a request, one a line: the value of its Authorization header, of the fields with known names in its URL
 * and its body, a form, and the password in the URL of the proxy; both as they are sent and decoded. headers, body and
 * proxy may be NULL. The caller frees with mem_free_secret().
 */
char *redact_collect(const char *const *headers, const char *url, const char *body,
		     const char *proxy);

/*
 * Append plain text or an HTML page as one line, without tags and unprintable characters, and with runs of blanks as
 * one. Pieces of the secrets (as above; NULL: none), the values of fields with known names, and words as long as a
 * token are replaced.
 */
void redact_append(struct text *out, const char *said, const char *secrets);

/*
 * May libcurl's message (in a buffer of this capacity) be logged? It may repeat the URL of a proxy with its
 * password, and where the message was cut, the part that gives it away may be missing.
 */
bool redact_is_loggable(const char *reason, size_t capacity);
