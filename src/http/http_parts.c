/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http_parts.h"

#include <errno.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

/* How much of its end a sentence may lose when it is cut, newline and dots included. */
#define CUT_MARGIN        8

#define RETRY_AFTER_MAX_S UINT64_C(86400)
#define CLOCK_TOLERANCE_S 60

static const char *const header_names[HTTP_HEADER_COUNT] = {
	"location", "range", "metadata-flavor", "www-authenticate", "retry-after", "date",
};

uint64_t http_body_bytes(const struct http_request *request)
{
	return request->head_bytes + request->file_bytes + request->tail_bytes;
}

static ssize_t read_file_piece(const struct http_request *request, uint64_t offset, char *out,
			       size_t capacity)
{
	uint64_t length = request->file_bytes - offset;
	ssize_t got;

	if (length > capacity)
		length = capacity;
	do {
		got = pread(request->fd, out, length, (off_t)(request->file_offset + offset));
	} while (got < 0 && errno == EINTR);
	if (got == 0) {
		errno = ENODATA;
		return -1;
	}
	return got;
}

ssize_t http_body_read(const struct http_request *request, uint64_t position, char *out,
		       size_t capacity)
{
	const uint64_t tail_begin = request->head_bytes + request->file_bytes;
	const char *from;
	uint64_t length;

	if (position >= request->head_bytes && position < tail_begin)
		return read_file_piece(request, position - request->head_bytes, out, capacity);
	if (position < request->head_bytes) {
		from = request->head + position;
		length = request->head_bytes - position;
	} else {
		from = request->tail + (position - tail_begin);
		length = tail_begin + request->tail_bytes - position;
	}
	if (length > capacity)
		length = capacity;
	if (length > 0)
		memcpy(out, from, length);
	return (ssize_t)length;
}

bool http_is_loggable(const char *reason, size_t capacity)
{
	size_t length = strlen(reason);

	return length > 0 && length + CUT_MARGIN < capacity && !strchr(reason, '@') &&
	       !strstr(reason, "://");
}

bool http_is_out_of_time(long verify_result)
{
	return verify_result == X509_V_ERR_CERT_NOT_YET_VALID ||
	       verify_result == X509_V_ERR_CERT_HAS_EXPIRED;
}

int64_t http_clock_offset_s(const struct http_reply *reply)
{
	int64_t offset_s = (int64_t)(clock_real_ns() / CLOCK_NS_PER_S) - (int64_t)reply->date_s;

	/* A slow reply is no wrong clock. */
	return reply->date_s == 0 || llabs(offset_s) < CLOCK_TOLERANCE_S ? 0 : offset_s;
}

void http_headers_take(struct http_headers *headers, const char *line, size_t length)
{
	const char *colon = memchr(line, ':', length);
	const char *end = line + length;
	const char *value;

	/* Another reply begins: what came with an interim one (100) does not count. */
	if (length >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		memset(headers, 0, sizeof *headers);
		return;
	}
	if (!colon)
		return;
	for (value = colon + 1; value < end && (*value == ' ' || *value == '\t'); value++)
		;
	while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
		end--;
	if ((size_t)(end - value) > HTTP_HEADER_MAX)
		value = end;
	for (int i = 0; i < HTTP_HEADER_COUNT; i++) {
		size_t name_length = strlen(header_names[i]);

		if (name_length != (size_t)(colon - line) ||
		    strncasecmp(line, header_names[i], name_length) != 0)
			continue;
		memcpy(headers->values[i], value, (size_t)(end - value));
		headers->values[i][end - value] = '\0';
	}
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

char *http_escape(const char *text)
{
	static const char plain[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	char *escaped = mem_alloc(3 * strlen(text) + 1), *out = escaped;

	for (; *text; text++) {
		if (strchr(plain, *text))
			*out++ = *text;
		else
			out += snprintf(out, 4, "%%%02X", (unsigned char)*text);
	}
	*out = '\0';
	return escaped;
}
