/* SPDX-License-Identifier: Apache-2.0 */
#include "http/redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Longer than any name in a message, shorter than any token. */
#define WORD_MAX 64

/* Without tags and unprintable characters, runs of blanks as one. The caller frees. */
static char *make_plain(const char *said)
{
	char *plain = mem_alloc(strlen(said) + 1);
	bool is_tag = false;
	size_t length = 0;

	for (const char *p = said; *p; p++) {
		bool is_blank = isspace((unsigned char)*p);

		if (*p == '<')
			is_tag = true;
		if (!is_tag && is_blank && length > 0 && plain[length - 1] != ' ')
			plain[length++] = ' ';
		else if (!is_tag && !is_blank && isprint((unsigned char)*p))
			plain[length++] = *p;
		if (*p == '>')
			is_tag = false;
	}
	while (length > 0 && plain[length - 1] == ' ')
		length--;
	plain[length] = '\0';
	return plain;
}

/* Google's 404 pages repeat the URL, and whoever has a session's id can write its object. */
static void blank_session_ids(char *text)
{
	static const char key[] = "upload_id=";

	for (char *p = text; (p = strstr(p, key));) {
		char *end;

		p += strlen(key);
		end = p + strcspn(p, " &\"'");
		memmove(p, end, strlen(end) + 1);
	}
}

void redact_append(struct text *out, const char *said)
{
	static const char of_tokens[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					"0123456789-._~+%=";
	cleanup_free char *plain = make_plain(said);

	blank_session_ids(plain);
	for (const char *p = plain; *p && !out->is_cut;) {
		size_t length = strspn(p, of_tokens);

		if (length > WORD_MAX)
			text_append(out, "(%zu characters)", length);
		else
			text_append(out, "%.*s", (int)length, p);
		p += length;
		if (*p)
			text_append(out, "%c", *p++);
	}
}

/* A message that ends this close to the buffer's end may have been cut: newline and dots included. */
#define CUT_MARGIN 8

bool redact_is_loggable(const char *reason, size_t capacity)
{
	size_t length = strlen(reason);

	return length > 0 && length + CUT_MARGIN < capacity && !strchr(reason, '@') &&
	       !strstr(reason, "://");
}
