/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/decode.h"

#include <string.h>

#include "base/mem.h"
#include "packet/pcapng.h"
#include "segment/codec.h"

#define LAYERS_MAX    2 /* a file that was packed once more, on its way or by hand */
#define PART_BYTES    ((size_t)64 << 10)
#define PLAIN_BYTES   ((size_t)512 << 10) /* twice as long as the longest packet */
#define WINDOW_LOG    21                  /* of our members, which have less than half of it */
#define RECORDS_TRIED 8
#define MAGIC_BYTES   8 /* of pcap: the number, and the version */

/* One compression: its bytes come from outside, or from the layer before. */
struct layer {
	const struct codec *codec; /* NULL: not known yet */
	struct codec_state *state;
	struct codec_stream stream;
	uint8_t in[CODEC_BEFORE + PART_BYTES]; /* behind the bytes before */
	size_t in_length;
};

struct decode {
	decode_take *take;
	void *context;
	const struct format *format; /* NULL: not known yet */
	struct format_reader reader;
	bool is_order_known;
	uint64_t left_out; /* packets of the files before this one */
	struct layer *layers[LAYERS_MAX];
	uint8_t *plain; /* PLAIN_BYTES, not taken yet */
	size_t length;
	size_t checked; /* of these, by the checksums of the members that they are of */
	size_t skipped; /* of what comes: the rest of a block that is of no use */
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

struct decode *decode_file(bool expects_zstd, pthread_mutex_t *large, decode_take *take,
			   void *context)
{
	struct decode *decode = mem_calloc(1, sizeof *decode);

	decode->take = take;
	decode->context = context;
	decode->expects_zstd = expects_zstd;
	decode->large = large;
	decode->plain = mem_alloc(PLAIN_BYTES);
	decode->layers[0] = new_layer(NULL);
	return decode;
}

struct decode *decode_members(const struct index_file *file, decode_take *take, void *context)
{
	struct decode *decode = decode_file(false, NULL, take, context);

	free(decode->layers[0]);
	decode->layers[0] = new_layer(file->wrapping == INDEX_ZSTD ? &codec_zstd : &codec_gzip);
	decode->layers[0]->stream.window_log_max = WINDOW_LOG;
	decode->format = file->is_pcapng ? &format_pcapng : &format_pcap;
	/* As the reader would be behind the file's header, in our byte order. */
	decode->reader = (struct format_reader){
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
	free(decode->plain);
	free(decode);
	return NULL;
}

/* Records ---------------------------------------------------------------------------------------- */

/* Does a file of classic pcap begin here? Also in the middle, where files were put one behind the other. */
static bool begins_pcap(const uint8_t *bytes, size_t length)
{
	static const uint8_t heads[][MAGIC_BYTES] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4 },
		{ 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0 },
		{ 0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4 },
		{ 0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0 },
	};

	for (size_t i = 0; length >= MAGIC_BYTES && i < sizeof heads / sizeof *heads; i++)
		if (memcmp(bytes, heads[i], MAGIC_BYTES) == 0)
			return true;
	return false;
}

static bool begins_pcapng(const uint8_t *bytes, size_t length)
{
	static const uint8_t head[] = { 0x0a, 0x0d, 0x0d, 0x0a };

	return length >= sizeof head && memcmp(bytes, head, sizeof head) == 0;
}

/* How much sense the records make in this byte order: how many there are, if nothing behind them is wrong. */
static int judge_order(const struct decode *decode, bool is_swapped)
{
	struct format_reader reader = decode->reader;
	enum format_state state = FORMAT_RECORD;
	struct format_record record;
	size_t offset = 0;
	int count = -1;

	reader.is_swapped = is_swapped;
	for (; count < RECORDS_TRIED && state == FORMAT_RECORD; count++)
		state = decode->format->next(&reader, decode->plain, decode->length, &offset,
					     &record);
	return state == FORMAT_CORRUPT ? count - RECORDS_TRIED - 1 : count;
}

/* Members from the middle do not tell the byte order of the node: in one of them the records make sense. */
static void find_order(struct decode *decode)
{
	decode->reader.is_swapped = judge_order(decode, true) > judge_order(decode, false);
	decode->is_order_known = true;
}

/* What the beginning says; false: more bytes are needed. */
static bool find_format(struct decode *decode, size_t length, bool is_end)
{
	if (length < MAGIC_BYTES && !is_end)
		return false;
	decode->format = begins_pcapng(decode->plain, length) ? &format_pcapng : &format_pcap;
	decode->is_order_known = true;
	return true;
}

/* Here begins another file. */
static void begin_file(struct decode *decode, const struct format *format)
{
	decode->left_out += decode->reader.left_out;
	decode->format = format;
	decode->reader = (struct format_reader){ .has_header = false };
}

/* Not a record: a file of the other format that stands behind this one? */
static bool change_format(struct decode *decode, const uint8_t *bytes, size_t length)
{
	bool is_pcapng = decode->format == &format_pcap && begins_pcapng(bytes, length);

	if (!is_pcapng && (decode->format == &format_pcap || !begins_pcap(bytes, length)))
		return false;
	begin_file(decode, is_pcapng ? &format_pcapng : &format_pcap);
	return true;
}

/* Take all records that are whole, of the first bytes. */
static int take_records(struct decode *decode, size_t length, bool is_end, struct error *err)
{
	enum format_state state = FORMAT_RECORD;
	struct format_record record;
	size_t offset = 0;

	if (length == 0 || (!decode->format && !find_format(decode, length, is_end)))
		return 0;
	if (!decode->is_order_known)
		find_order(decode);
	while (state == FORMAT_RECORD) {
		size_t left = length - offset;

		if (decode->format == &format_pcap && left < MAGIC_BYTES && left > 0 && !is_end)
			break;
		if (decode->format == &format_pcap && begins_pcap(decode->plain + offset, left))
			begin_file(decode, &format_pcap);
		state = decode->format->next(&decode->reader, decode->plain, length, &offset,
					     &record);
		if (state == FORMAT_CORRUPT &&
		    change_format(decode, decode->plain + offset, length - offset))
			state = FORMAT_RECORD;
		else if (state == FORMAT_RECORD)
			decode->take(decode->context, &record,
				     decode->reader.interface[record.interface].resolution != 6);
	}
	decode->length -= offset;
	decode->checked -= offset < decode->checked ? offset : decode->checked;
	memmove(decode->plain, decode->plain + offset, decode->length);
	if (state == FORMAT_CORRUPT)
		return refuse(err, "there is something that is no packet");
	return 0;
}

/* Something that the buffer has no room for: a block of pcapng. Is it one that has to be read? */
static int skip_block(struct decode *decode, struct error *err)
{
	struct pcapng_block block;

	memcpy(&block, decode->plain, sizeof block);
	block.type = format_in_order(&decode->reader, block.type);
	block.length = format_in_order(&decode->reader, block.length);
	if (decode->format != &format_pcapng || block.type == PCAPNG_SECTION ||
	    block.type == PCAPNG_INTERFACE || block.type == PCAPNG_PACKET)
		return refuse(err, "a packet, or what describes it, is too long");
	/* It was not taken, so it is longer than what is there. */
	decode->skipped = block.length - decode->length;
	decode->length = decode->checked = 0;
	return 0;
}

/* Room for more plain bytes. */
static int make_room(struct decode *decode, struct error *err)
{
	if (decode->length < PLAIN_BYTES)
		return 0;
	if (take_records(decode, decode->checked, false, err) < 0)
		return -1;
	/* A member that is longer than this cannot be held back until its end. */
	if (decode->length == PLAIN_BYTES && take_records(decode, decode->length, false, err) < 0)
		return -1;
	return decode->length < PLAIN_BYTES ? 0 : skip_block(decode, err);
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
	while (length > 0) {
		size_t part = decode->skipped < length ? decode->skipped : length;

		if (part > 0) {
			decode->skipped -= part;
		} else {
			if (make_room(decode, err) < 0)
				return -1;
			if (decode->skipped > 0)
				continue;
			part = PLAIN_BYTES - decode->length;
			part = part < length ? part : length;
			memcpy(decode->plain + decode->length, bytes, part);
			decode->length += part;
		}
		bytes += part;
		length -= part;
	}
	return 0;
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
			decode->checked = decode->length;
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
		decode->checked = decode->length;
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
		return take_records(decode, decode->checked, false, err);
	(void)take_records(decode, decode->checked, false, &ignored); /* what was whole before it */
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

			(void)take_records(decode, decode->checked, true, &ignored);
			return refuse(err, "it is cut off");
		}
	}
	if (take_records(decode, decode->length, true, err) < 0)
		return -1;
	if (decode->length + decode->skipped > 0)
		return refuse(err, "it ends in the middle of a packet");
	decode->left_out += decode->reader.left_out;
	return decode->left_out > 0
		       ? error_set(err, ERROR_REJECTED,
				   "%ju packets without a time, or of an interface that its file "
				   "does not describe",
				   (uintmax_t)decode->left_out)
		       : 0;
}
