/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What servers say, for messages that may be logged: they repeat what they were sent, and that may be a
 * secret. Pure.
 */

#include "base/text.h"

/*
 * Append what was said, plain text or a page, on one line: without tags and what cannot be printed, blanks in
 * a row as one. A word that is as long as a token is told by its length, and the address of an upload session
 * without its id.
 */
void redact_append(struct text *out, const char *said);
