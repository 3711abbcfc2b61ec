/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/codec.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "packet/chunk.h"

/* codec_none is last: its extension fits every name. */
static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd, &codec_none };

#define CODEC_COUNT (sizeof codecs / sizeof *codecs)

/* true and false are what the original script took. */
static const struct codec *find_codec(const char *word, size_t length)
{
	static const struct {
		const char *word, *name;
	} also[] = { { "true", "gzip" }, { "false", "none" } };

	for (size_t i = 0; i < sizeof also / sizeof *also; i++)
		if (strlen(also[i].word) == length && strncmp(also[i].word, word, length) == 0)
			return find_codec(also[i].name, strlen(also[i].name));
	for (size_t i = 0; i < CODEC_COUNT; i++)
		if (strlen(codecs[i]->name) == length &&
		    strncmp(codecs[i]->name, word, length) == 0)
			return codecs[i];
	return NULL;
}

int codec_choose(const struct conf *conf, const struct codec **ret_codec, int *ret_level,
		 struct error *err)
{
	const char *value = conf->segment_compression;
	size_t length = strcspn(value, ":");
	const struct codec *codec = find_codec(value, length);
	uint64_t level;

	if (!codec)
		return conf_error(
			conf, CONF_segment_compression, err,
			"'%s' is no codec; allowed: true, gzip, zstd, false, none, with an "
			"optional :LEVEL",
			value);
	if (value[length] == ':') {
		if (codec->level_max == codec->level_min)
			return conf_error(conf, CONF_segment_compression, err,
					  "'%s': this codec has no levels", value);
		if (text_parse_number(value + length + 1, &level) < 0 ||
		    level < (uint64_t)codec->level_min || level > (uint64_t)codec->level_max)
			return conf_error(conf, CONF_segment_compression, err,
					  "'%s' is not a level of %s; allowed: %d to %d",
					  value + length + 1, codec->name, codec->level_min,
					  codec->level_max);
		*ret_level = (int)level;
	} else {
		*ret_level = codec->level_default;
	}
	*ret_codec = codec;
	return 0;
}

const struct codec *codec_of_name(const char *name)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < CODEC_COUNT; i++) {
		size_t extension = strlen(codecs[i]->extension);

		if (extension <= length &&
		    strcmp(name + length - extension, codecs[i]->extension) == 0)
			return codecs[i];
	}
	return &codec_none;
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
	struct codec_state *state = codec->state_new();

	if (codec->compress)
		(void)codec->compress(state, level, in, CHUNK_BYTES, out, bytes);
	bytes += codec->state_bytes(state);
	codec->state_free(state);
	return bytes;
}
