/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Makes what a server said fit to be logged: servers repeat what they were sent, secrets included. Pure. */

#include "base/text.h"

/*
 * Append plain text or an HTML page as one line, without tags and unprintable characters, and with runs
 * of blanks as one. A word as long as a token is replaced by its length, and the URL of an upload session
 * loses its id.
 */
void redact_append(struct text *out, const char *said);
