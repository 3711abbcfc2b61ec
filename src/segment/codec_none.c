/* SPDX-License-Identifier: Apache-2.0 */
/* No compression: the records as they are. */
#include <string.h>

#include "segment/codec.h"

static struct codec_state *state_new(void)
{
	return NULL;
}

static void state_free(struct codec_state *state)
{
	(void)state;
}

static size_t state_bytes(const struct codec_state *state)
{
	(void)state;
	return 0;
}

static size_t bound(size_t length)
{
	return length;
}

/* There are no members; recovery cuts by records where the format allows it. */
static size_t decompress_member(struct codec_state *state, const uint8_t *bytes, size_t length,
				uint8_t *out, size_t capacity, size_t *ret_length)
{
	size_t count = length < capacity ? length : capacity;

	(void)state;
	memcpy(out, bytes, count);
	*ret_length = count;
	return count;
}

const struct codec codec_none = {
	.name = "none",
	.extension = "",
	.state_new = state_new,
	.state_free = state_free,
	.state_bytes = state_bytes,
	.bound = bound,
	.compress = NULL,
	.decompress = decompress_member,
};
