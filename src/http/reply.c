/* SPDX-License-Identifier: Apache-2.0 */
#include "http/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"

#define RETRY_AFTER_MAX_S UINT64_C(86400)
#define CLOCK_TOLERANCE_S 60 /* a slow reply is not a wrong clock */
#define WORD_MAX          64

int64_t http_clock_offset_s(const struct http_reply *reply)
{
	int64_t offset_s = (int64_t)(clock_real_ns() / CLOCK_NS_PER_S) - (int64_t)reply->date_s;

	return reply->date_s == 0 || llabs(offset_s) < CLOCK_TOLERANCE_S ? 0 : offset_s;
}

const char *http_reply_header(const struct http_reply *reply, const char *name)
{
	const struct http_headers *headers = reply->headers;
	const char *found = "", *value;

	if (!headers)
		return found;
	for (const char *at = headers->bytes; at < headers->bytes + headers->length;
	     at = value + strlen(value) + 1) {
		value = at + strlen(at) + 1;
		if (strcasecmp(at, name) == 0)
			found = value;
	}
	return found;
}

static void append_text(struct http_headers *headers, const char *text, size_t length)
{
	memcpy(headers->bytes + headers->length, text, length);
	headers->length += length;
	headers->bytes[headers->length++] = '\0';
}

void http_headers_add(struct http_headers *headers, const char *line, size_t length)
{
	const char *colon, *value, *end;

	length = strnlen(line, length);
	/* Headers of an interim reply (100 Continue) do not belong to the final one. */
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		headers->length = 0;
		return;
	}
	colon = memchr(line, ':', length);
	if (!colon)
		return;
	end = line + length;
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	if (end - value > HTTP_HEADER_MAX)
		end = value;
	if (headers->length + (size_t)(colon - line) + (size_t)(end - value) + 2 > HTTP_HEADERS_MAX)
		return;
	append_text(headers, line, (size_t)(colon - line));
	append_text(headers, value, (size_t)(end - value));
}

uint64_t http_parse_date(const char *text)
{
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", /* Sun, 06 Nov 1994 08:49:37 GMT */
		"%A, %d-%b-%y %H:%M:%S GMT", /* Sunday, 06-Nov-94 08:49:37 GMT */
		"%a %b %e %H:%M:%S %Y",      /* Sun Nov  6 08:49:37 1994 */
	};

	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		struct tm parts = { 0 };
		const char *end = strptime(text, forms[i], &parts);
		time_t seconds = end && !*end ? timegm(&parts) : 0;

		if (seconds > 0)
			return (uint64_t)seconds;
	}
	return 0;
}

uint64_t http_parse_retry_after(const char *text, uint64_t now_s)
{
	uint64_t wait_s;

	if (text_parse_number(text, &wait_s) < 0) {
		uint64_t until_s = http_parse_date(text);

		wait_s = until_s > now_s ? until_s - now_s : 0;
	}
	return (wait_s < RETRY_AFTER_MAX_S ? wait_s : RETRY_AFTER_MAX_S) * CLOCK_MS_PER_S;
}

bool reply_says(const char *text, const char *words)
{
	char word[WORD_MAX];

	for (size_t length; *words; words += length + (words[length] == '|')) {
		length = strcspn(words, "|");
		(void)snprintf(word, sizeof word, "%.*s", (int)length, words);
		if (strcasestr(text, word))
			return true;
	}
	return false;
}

const struct reply_rule *reply_match(const struct reply_rule *rules, size_t count,
				     const struct reply_evidence *evidence)
{
	for (const struct reply_rule *rule = rules; rule < rules + count; rule++) {
		bool is_said = !rule->words;

		for (size_t i = 0; !is_said && i < 2; i++)
			is_said = evidence->texts[i] && reply_says(evidence->texts[i], rule->words);
		if (is_said && evidence->status >= rule->first && evidence->status <= rule->last &&
		    (rule->requests & evidence->request) &&
		    (rule->traits & evidence->traits) == rule->traits)
			return rule;
	}
	return NULL;
}
