/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The answer as one JSON object, for scripts; everything that the texts say is in it. One thread. */

#include <stdio.h>

#include "fetch/merge.h"
#include "fetch/search.h"

/*
 * total: of what was written; conversations: a list of them, which is taken over; NULL: nothing was asked for. warning:
 * see result_warning(); may be NULL. Ends with a line break.
 */
void answer_write_json(const struct search *search, const struct merge_total *total,
		       const char *warning, struct json_t *conversations, FILE *out);
