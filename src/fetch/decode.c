/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/decode.h"

#include <string.h>

#include "base/mem.h"
#include "segment/codec.h"

#define LAYERS_MAX 2 /* a file that was packed once more, on its way or by hand */
#define PART_BYTES ((size_t)64 << 10)
#define WINDOW_LOG 21 /* of our members, which have less than half of it */

/* One compression: its bytes come from outside, or from the layer before. */
struct layer {
	const struct codec *codec; /* NULL: not known yet */
	struct codec_state *state;
	struct codec_stream stream;
	uint8_t in[CODEC_BEFORE + PART_BYTES]; /* behind the bytes before */
	size_t in_length;
};

struct decode {
	struct records records;
	struct layer *layers[LAYERS_MAX];
	/* See decode_file(). */
	bool expects_zstd, is_large;
	pthread_mutex_t *large;
};

static int refuse(struct error *err, const char *what)
{
	return error_set(err, ERROR_REJECTED, "%s", what);
}

static struct layer *new_layer(const struct codec *codec)
{
	struct layer *layer = mem_calloc(1, sizeof *layer);

	layer->codec = codec;
	if (codec && codec->unpack)
		layer->state = codec_state_new(codec);
	return layer;
}

struct decode *decode_file(bool expects_zstd, pthread_mutex_t *large, records_take *take,
			   void *context)
{
	struct decode *decode = mem_calloc(1, sizeof *decode);

	records_begin(&decode->records, take, context);
	decode->expects_zstd = expects_zstd;
	decode->large = large;
	decode->layers[0] = new_layer(NULL);
	return decode;
}

struct decode *decode_members(const struct index_file *file, records_take *take, void *context)
{
	struct decode *decode = decode_file(false, NULL, take, context);

	free(decode->layers[0]);
	decode->layers[0] = new_layer(file->wrapping == INDEX_ZSTD ? &codec_zstd : &codec_gzip);
	decode->layers[0]->stream.window_log_max = WINDOW_LOG;
	decode->records.format = file->is_pcapng ? &format_pcapng : &format_pcap;
	/* As the reader would be behind the file's header, in our byte order. */
	decode->records.reader = (struct format_reader){
		.has_header = true,
		.interfaces = 1,
		.interface[0] = { file->link_type, file->is_nano ? 9 : 6 },
	};
	return decode;
}

struct decode *decode_free(struct decode *decode)
{
	if (!decode)
		return NULL;
	for (size_t i = 0; i < LAYERS_MAX && decode->layers[i]; i++) {
		if (decode->layers[i]->state)
			codec_state_free(decode->layers[i]->codec, decode->layers[i]->state);
		free(decode->layers[i]);
	}
	if (decode->is_large)
		(void)pthread_mutex_unlock(decode->large);
	records_done(&decode->records);
	free(decode);
	return NULL;
}

/* Layers ----------------------------------------------------------------------------------------- */

static int push_layer(struct decode *decode, size_t number, const uint8_t *bytes, size_t length,
		      struct error *err);

/* What a layer gave: to the next one, or to the records. */
static int push_plain(struct decode *decode, size_t number, const uint8_t *bytes, size_t length,
		      struct error *err)
{
	if (number + 1 < LAYERS_MAX && decode->layers[number + 1])
		return push_layer(decode, number + 1, bytes, length, err);
	return records_push(&decode->records, bytes, length, err);
}

/* Are the bytes that this layer gives those of the file? */
static bool is_last_packed(const struct decode *decode, size_t number)
{
	const struct layer *next = number + 1 < LAYERS_MAX ? decode->layers[number + 1] : NULL;

	return !next || !next->codec || !next->codec->unpack;
}

/* Unpack all that the layer has. Its rest, of no use yet, stays. */
static int unpack(struct decode *decode, size_t number, struct error *err)
{
	struct layer *layer = decode->layers[number];
	struct codec_stream *stream = &layer->stream;
	uint8_t out[PART_BYTES];

	stream->in = layer->in + CODEC_BEFORE;
	stream->in_length = layer->in_length;
	/* Whoever filled all the room may have more to give. */
	for (bool is_full = false; stream->in_length > 0 || (is_full && stream->is_in_member);) {
		const uint8_t *before = stream->in;
		enum codec_unpacked unpacked;

		stream->out = out;
		stream->out_length = sizeof out;
		unpacked = layer->codec->unpack(layer->state, stream);
		if (push_plain(decode, number, out, sizeof out - stream->out_length, err) < 0)
			return -1;
		/* Its checksum was right: what came out is what went in. */
		if (unpacked == CODEC_MEMBER_ENDS && is_last_packed(decode, number))
			records_confirm(&decode->records);
		is_full = stream->out_length == 0;
		if (unpacked == CODEC_DAMAGED ||
		    (unpacked == CODEC_GOES_ON && stream->in == before && stream->in_length > 0 &&
		     stream->out_length == sizeof out))
			return refuse(err, "it cannot be unpacked");
	}
	memmove(layer->in, stream->in + stream->in_length - CODEC_BEFORE, CODEC_BEFORE);
	layer->in_length = 0;
	return 0;
}

/* The first bytes of a layer say what it is; the next one may be packed, too. */
static void identify(struct decode *decode, size_t number)
{
	struct layer *layer = decode->layers[number];
	const struct codec *codec = codec_of_bytes(layer->in + CODEC_BEFORE, layer->in_length);

	layer->codec = codec;
	if (!codec->unpack)
		return;
	if (codec == &codec_zstd && (number > 0 || !decode->expects_zstd) && !decode->is_large) {
		(void)pthread_mutex_lock(decode->large);
		decode->is_large = true;
	}
	layer->state = codec_state_new(codec);
	if (number + 1 < LAYERS_MAX)
		decode->layers[number + 1] = new_layer(NULL);
}

/* Enough bytes to know what it is, or no more to come. */
static int pass_on(struct decode *decode, size_t number, struct error *err)
{
	struct layer *layer = decode->layers[number];
	size_t length = layer->in_length;

	if (!layer->codec)
		identify(decode, number);
	if (layer->codec->unpack)
		return unpack(decode, number, err);
	layer->in_length = 0;
	if (push_plain(decode, number, layer->in + CODEC_BEFORE, length, err) < 0)
		return -1;
	/* What is not packed has no checksum. */
	if (number == 0)
		records_confirm(&decode->records);
	return 0;
}

static int push_layer(struct decode *decode, size_t number, const uint8_t *bytes, size_t length,
		      struct error *err)
{
	struct layer *layer = decode->layers[number];

	while (length > 0) {
		size_t part = PART_BYTES - layer->in_length;

		part = part < length ? part : length;
		memcpy(layer->in + CODEC_BEFORE + layer->in_length, bytes, part);
		layer->in_length += part;
		bytes += part;
		length -= part;
		if ((layer->codec || layer->in_length >= CODEC_MAGIC_BYTES) &&
		    pass_on(decode, number, err) < 0)
			return -1;
	}
	return 0;
}

int decode_push(struct decode *decode, const uint8_t *bytes, size_t length, struct error *err)
{
	struct error ignored;

	if (push_layer(decode, 0, bytes, length, err) == 0)
		return records_flush(&decode->records, false, err);
	(void)records_flush(&decode->records, false, &ignored); /* what was whole before it */
	return -1;
}

int decode_end(struct decode *decode, struct error *err)
{
	for (size_t i = 0; i < LAYERS_MAX && decode->layers[i]; i++) {
		struct layer *layer = decode->layers[i];

		if (layer->in_length > 0 && pass_on(decode, i, err) < 0)
			return -1;
		if (layer->stream.is_in_member) {
			struct error ignored;

			(void)records_flush(&decode->records, true, &ignored);
			return refuse(err, "it is cut off");
		}
	}
	return records_end(&decode->records, err);
}
