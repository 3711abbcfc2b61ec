/* SPDX-License-Identifier: Apache-2.0 */
/* Members of a file that a crash cut, or worse; and the way there and back of whatever was captured. */
#include "fuzz.h"
#include "segment/codec.h"

#define OUT_MAX 65536 /* a member that unpacks to more than it may is none */

static void walk(const struct codec *codec, struct codec_state *state, const uint8_t *bytes,
		 size_t size, uint8_t *out)
{
	while (size > 0) {
		size_t length = SIZE_MAX;
		size_t member = codec->decompress(state, bytes, size, out, OUT_MAX, &length);

		if (member == 0)
			return;
		fuzz_require(member <= size && length <= OUT_MAX);
		bytes += member;
		size -= member;
	}
}

static void there_and_back(const struct codec *codec, struct codec_state *state, int level,
			   const uint8_t *bytes, size_t size, uint8_t *out)
{
	size_t capacity = codec->bound(size), length = 0, member;
	cleanup_free uint8_t *packed = mem_alloc(capacity);

	member = codec->compress(state, level, bytes, size, packed, capacity);
	fuzz_require(member > 0 && member <= capacity);
	fuzz_require(codec->decompress(state, packed, member, out, OUT_MAX, &length) == member);
	fuzz_require(length == size && memcmp(bytes, out, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd };
	static struct codec_state *states[2];
	static uint8_t out[OUT_MAX];

	for (size_t i = 0; i < 2; i++) {
		if (!states[i])
			states[i] = codec_state_new(codecs[i]); /* once: they are large */
		walk(codecs[i], states[i], bytes, size, out);
		if (size > 0 && size <= OUT_MAX) {
			there_and_back(codecs[i], states[i], codecs[i]->level_default, bytes, size,
				       out);
			there_and_back(codecs[i], states[i], CODEC_LEVEL_STORED, bytes, size, out);
		}
	}
	return 0;
}
