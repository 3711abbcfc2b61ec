/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/codec.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "packet/packet.h"

static size_t bound_none(size_t length)
{
	return length;
}

/* No compression: the records as they are. */
const struct codec codec_none = {
	.name = "none",
	.extension = "",
	.bound = bound_none,
};

/* codec_none is last: its extension fits every name. The other words are what the original script took. */
static const struct {
	const struct codec *codec;
	const char *other_word;
} codecs[] = { { &codec_gzip, "true" }, { &codec_zstd, "zstd" }, { &codec_none, "false" } };

#define CODEC_COUNT (sizeof codecs / sizeof *codecs)

static const struct codec *find_codec(const char *word)
{
	for (size_t i = 0; i < CODEC_COUNT; i++)
		if (strcmp(word, codecs[i].codec->name) == 0 ||
		    strcmp(word, codecs[i].other_word) == 0)
			return codecs[i].codec;
	return NULL;
}

int codec_choose(const struct conf *conf, const struct codec **ret_codec, int *ret_level,
		 struct error *err)
{
	const char *value = conf->segment_compression;
	size_t length = strcspn(value, ":");
	cleanup_free char *word = mem_strndup(value, length);
	const struct codec *codec = find_codec(word);
	uint64_t level = 0;

	if (!codec)
		return conf_error(
			conf, CONF_segment_compression, err,
			"'%s' is no codec; allowed: true, gzip, zstd, false, none, with an "
			"optional :LEVEL",
			value);
	if (value[length] == ':' && codec->level_max == codec->level_min)
		return conf_error(conf, CONF_segment_compression, err,
				  "'%s': this codec has no levels", value);
	if (value[length] == ':' &&
	    (text_parse_number(value + length + 1, &level) < 0 ||
	     level < (uint64_t)codec->level_min || level > (uint64_t)codec->level_max))
		return conf_error(conf, CONF_segment_compression, err,
				  "'%s' is not a level of %s; allowed: %d to %d",
				  value + length + 1, codec->name, codec->level_min,
				  codec->level_max);
	*ret_level = value[length] == ':' ? (int)level : codec->level_default;
	*ret_codec = codec;
	return 0;
}

bool codec_is_chosen(const struct conf *conf)
{
	const struct codec *codec;
	struct error err;
	int level;

	return codec_choose(conf, &codec, &level, &err) == 0 && codec->compress;
}

const struct codec *codec_of_name(const char *name)
{
	size_t length = strlen(name), i = 0;

	while (strlen(codecs[i].codec->extension) > length ||
	       strcmp(name + length - strlen(codecs[i].codec->extension),
		      codecs[i].codec->extension) != 0)
		i++;
	return codecs[i].codec;
}

const struct codec *codec_of_bytes(const uint8_t *bytes, size_t length)
{
	static const uint8_t skippable[] = { 0x2a, 0x4d, 0x18 }; /* behind 0x50 to 0x5f */

	if (length >= CODEC_MAGIC_BYTES && bytes[0] >> 4 == 5 &&
	    memcmp(bytes + 1, skippable, sizeof skippable) == 0)
		return &codec_zstd;
	for (size_t i = 0; i < CODEC_COUNT; i++) {
		const struct codec *codec = codecs[i].codec;

		if (codec->magic && length >= codec->magic_bytes &&
		    memcmp(bytes, codec->magic, codec->magic_bytes) == 0)
			return codec;
	}
	return &codec_none;
}

struct codec_state *codec_state_new(const struct codec *codec)
{
	struct codec_state *state = mem_calloc(1, codec->state_bytes);

	if (codec->state_init)
		codec->state_init(state);
	return state;
}

void codec_state_free(const struct codec *codec, struct codec_state *state)
{
	if (state && codec->state_done)
		codec->state_done(state);
	free(state);
}

int codec_level_down(const struct codec *codec, int level)
{
	if (level == CODEC_LEVEL_STORED || level <= codec->level_min)
		return CODEC_LEVEL_STORED;
	return level / 2 > codec->level_min ? level / 2 : codec->level_min;
}

int codec_level_up(const struct codec *codec, int level, int highest)
{
	if (level == CODEC_LEVEL_STORED)
		return codec->level_min;
	level = level > 0 ? level * 2 : 1;
	return level < highest ? level : highest;
}

size_t codec_memory_bytes(const struct codec *codec, int level)
{
	size_t bytes = codec->bound(CHUNK_BYTES);
	cleanup_free uint8_t *in = mem_calloc(1, CHUNK_BYTES), *out = mem_calloc(1, bytes);
	struct codec_state *state = codec_state_new(codec);

	if (codec->compress)
		(void)codec->compress(state, level, in, CHUNK_BYTES, out, bytes);
	bytes += codec->state_bytes + (codec->library_bytes ? codec->library_bytes(state) : 0);
	codec_state_free(codec, state);
	return bytes;
}
