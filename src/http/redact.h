/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * How secrets are kept out of logs: what servers and libcurl say is made fit to be told, because they repeat
 * what they were sent, secrets included. Pure.
 */

#include <stdbool.h>

#include "base/text.h"

/*
 * Append plain text or an HTML page as one line, without tags and unprintable characters, and with runs
 * of blanks as one. A word as long as a token is replaced by its length, and the URL of an upload session
 * loses its id.
 */
void redact_append(struct text *out, const char *said);

/*
 * May libcurl's message (in a buffer of this capacity) be logged? It may repeat the URL of a proxy with its
 * password, and where the message was cut, the part that gives it away may be missing.
 */
bool redact_is_loggable(const char *reason, size_t capacity);
