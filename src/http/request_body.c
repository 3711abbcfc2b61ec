/* SPDX-License-Identifier: Apache-2.0 */
#include "http/handle.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

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
