/* SPDX-License-Identifier: Apache-2.0 */
#include "http/redact.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Longer than any name in a message, shorter than any token. */
#define WORD_MAX 64
/* No message is as long as what is looked at. */
#define SAID_MAX 4096
/* So much of a secret gives it away; a shorter one is looked for as a whole. */
#define PIECE_MIN  8
#define SECRET_MIN 4
#define LOGIN_MIN  16   /* longer than a word that may follow "Bearer" in a sentence */
#define REDACTED   '\1' /* in the place of each character; not printable, so that nobody says it */

#define TOKEN_CHARACTERS                                       \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789-._~+%="

/* The ends of their names: "access_token", "subjectToken", "client_assertion". */
static const char *const secret_fields[] = {
	"token", "secret", "assertion", "password", "private_key", "upload_id",
};

/* Of the field that begins here, the length of its name; 0: it is no secret's. */
static size_t match_name(const char *text)
{
	for (size_t i = 0; i < sizeof secret_fields / sizeof secret_fields[0]; i++)
		if (strncasecmp(text, secret_fields[i], strlen(secret_fields[i])) == 0)
			return strlen(secret_fields[i]);
	return 0;
}

static int hex_digit(char c)
{
	return !isxdigit((unsigned char)c) ? -1
	       : isdigit((unsigned char)c) ? c - '0'
					   : tolower((unsigned char)c) - 'a' + 10;
}

/* A line as it is, and if that differs, once more without the escapes of a URL. */
static void add_secret(char **secrets, const char *value, size_t length)
{
	cleanup_secret char *sent = mem_strndup(value, length), *decoded = mem_strdup(sent);
	char *old = *secrets, *out = decoded;

	for (const char *p = decoded; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1, low = high < 0 ? -1 : hex_digit(p[2]);

		*out++ = low < 0 ? *p : (char)(high << 4 | low);
		p += low < 0 ? 0 : 2;
	}
	*out = '\0';
	*secrets = mem_printf("%s%s\n%s%s", old, sent, strcmp(sent, decoded) ? decoded : "",
			      strcmp(sent, decoded) ? "\n" : "");
	mem_free_secret(old);
}

/* "name=value&…", wherever that begins. */
static void add_fields(char **secrets, const char *text)
{
	for (const char *p = text; *p; p++) {
		size_t name_length = match_name(p), length;

		if (name_length == 0 || p[name_length] != '=')
			continue;
		p += name_length + 1;
		length = strcspn(p, "& \r\n");
		add_secret(secrets, p, length);
		p = p + length - 1; /* an empty one may be at the end of the text */
	}
}

/* RFC 4648, as far as it goes; out has room for it. */
static void decode_base64(const char *text, char *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				     "0123456789+/";
	const char *digit;
	uint32_t bits = 0;
	int count = 0;

	for (; *text && (digit = strchr(digits, *text)); text++) {
		bits = bits << 6 | (uint32_t)(digit - digits);
		count += 6;
		if (count >= 8)
			*out++ = (char)(bits >> (count -= 8));
	}
	*out = '\0';
}

/* The two words of "Basic dXNlcjpwYXNz": what the second means is "user:pass" (RFC 7617). */
static void add_login(char **secrets, const char *login)
{
	const char *value = login + strcspn(login, " "), *password;
	cleanup_secret char *decoded = NULL;

	value += strspn(value, " ");
	add_secret(secrets, value, strlen(value));
	if (strncasecmp(login, "Basic ", 6) != 0)
		return;
	decoded = mem_alloc(strlen(value) + 1);
	decode_base64(value, decoded);
	password = strchr(decoded, ':');
	if (password)
		add_secret(secrets, password + 1, strlen(password + 1));
}

/* "scheme://user:password@host", or without the scheme. */
static void add_password(char **secrets, const char *url)
{
	const char *scheme = strstr(url, "://"), *user = scheme ? scheme + 3 : url;
	const char *end = user + strcspn(user, "/?#"),
		   *at = memrchr(user, '@', (size_t)(end - user));
	const char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;

	if (colon)
		add_secret(secrets, colon + 1, (size_t)(at - colon - 1));
}

char *redact_collect(const char *const *headers, const char *url, const char *body,
		     const char *proxy)
{
	static const char login[] = "Authorization: ";
	char *secrets = mem_strdup("");

	for (; headers && *headers; headers++)
		if (strncasecmp(*headers, login, strlen(login)) == 0)
			add_login(&secrets, *headers + strlen(login));
	add_fields(&secrets, url);
	add_fields(&secrets, body ? body : "");
	add_password(&secrets, proxy ? proxy : "");
	return secrets;
}

/* Without tags and unprintable characters, runs of blanks as one. The caller frees. */
static char *make_plain(const char *said)
{
	char *plain = mem_alloc(SAID_MAX + 1);
	bool is_tag = false;
	size_t length = 0;

	for (const char *p = said; *p && length < SAID_MAX; p++) {
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

/* How much of the text is a piece of this secret; 0: none. */
static size_t match_secret(const char *text, const char *secret, size_t length)
{
	size_t least = length < PIECE_MIN ? length : PIECE_MIN, longest = 0;
	const char *end = secret + length, *at = secret;

	if (length < SECRET_MIN || strnlen(text, least) < least)
		return 0;
	while ((at = memmem(at, (size_t)(end - at), text, least))) {
		size_t matched = least;

		while (at + matched < end && at[matched] == text[matched])
			matched++;
		longest = matched > longest ? matched : longest;
		at++;
	}
	return longest;
}

static void blank_secrets(char *text, const char *secrets)
{
	for (char *p = text; *p; p++) {
		size_t longest = 0, length;

		for (const char *line = secrets; *line; line += length + 1) {
			size_t matched;

			length = strcspn(line, "\n");
			matched = match_secret(p, line, length);
			longest = matched > longest ? matched : longest;
		}
		if (longest == 0)
			continue;
		/* What follows may be more of it, with other escapes than ours. */
		longest += strspn(p + longest, TOKEN_CHARACTERS "/\\");
		memset(p, REDACTED, longest);
		p += longest - 1;
	}
}

/* `name=value` and `"name": "value"`, and what follows "Bearer". */
static void blank_known_fields(char *text)
{
	for (char *p = text; *p; p++) {
		size_t name_length = match_name(p), length;
		char *value = p + name_length;

		if (name_length > 0 && *value == '=') {
			value++;
		} else if (name_length > 0 && (*value == '"' || *value == '\'') &&
			   value[1 + strspn(value + 1, " ")] == ':') {
			value += 1 + strspn(value + 1, " ") + 1;
			value += strspn(value, " ");
		} else if (strncasecmp(p, "Bearer ", 7) == 0 || strncasecmp(p, "Basic ", 6) == 0) {
			value = strchr(p, ' ') + 1;
			if (strspn(value, TOKEN_CHARACTERS "/") < LOGIN_MIN)
				continue;
		} else {
			continue;
		}
		value += *value == '"' || *value == '\'';
		length = strcspn(value, " &\"'<>,;)}");
		memset(value, REDACTED, length);
		p = value + length - 1;
	}
}

void redact_append(struct text *out, const char *said, const char *secrets)
{
	cleanup_free char *plain = make_plain(said);

	blank_secrets(plain, secrets ? secrets : "");
	blank_known_fields(plain);
	for (const char *p = plain; *p && !out->is_cut;) {
		size_t redacted = strspn(p, (const char[]){ REDACTED, '\0' });
		size_t length = strspn(p, TOKEN_CHARACTERS);

		if (redacted > 0)
			text_append(out, "(redacted)");
		else if (length > WORD_MAX)
			text_append(out, "(%zu characters)", length);
		else
			text_append(out, "%.*s", (int)length, p);
		p += redacted + length;
		if (*p && redacted + length == 0)
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
