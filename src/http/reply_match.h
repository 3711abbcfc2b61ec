/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What to do about a reply, as a table: the first rule that fits decides. For services whose status alone
 * does not say what went wrong. The caller has its own enums for requests, traits and outcomes. Pure.
 */

#include <stdbool.h>
#include <stddef.h>

struct reply_rule {
	long first, last;  /* statuses, or enum http_failure */
	unsigned requests; /* a bit for each request that the rule is about */
	const char *words; /* "a|b": the reply must contain one of them; NULL: anything */
	int outcome;
	unsigned traits;    /* bits of what else the reply must have; 0: nothing */
	const char *remedy; /* what an operator can do; NULL: nothing */
};

struct reply_evidence {
	long status;
	unsigned request;     /* its bit */
	unsigned traits;      /* bits */
	const char *texts[2]; /* where words are looked for; NULL: none */
};

/* NULL: no rule fits. */
const struct reply_rule *reply_match(const struct reply_rule *rules, size_t count,
				     const struct reply_evidence *evidence);
/* Does the text contain one of the words in any case? They are separated by '|', each below 64 bytes. */
bool reply_says(const char *text, const char *words);
