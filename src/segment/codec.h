/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Compressors, as a table. Each call makes one independent member (gzip) or frame (zstd) of one chunk, so
 * that a file cut anywhere is readable to its last whole member. Used by the recorder's thread; pure
 * but for the state that it is handed.
 * To add one: a file codec_NAME.c, a row in codec.c, a test.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "conf/conf.h"

/* Below every level: packed without compressing, for a recorder that cannot keep up. */
#define CODEC_LEVEL_STORED INT32_MIN

struct codec_state;

/* Of bytes that come in parts; zeroed at the beginning. */
struct codec_stream {
	const uint8_t *in; /* the CODEC_BEFORE bytes before it are those that came before */
	size_t in_length;
	uint8_t *out;
	size_t out_length; /* room */
	bool is_in_member; /* at the end it has to be false */
	/* Of members that ask for more memory than this, none is unpacked: a power of two, 0 for 8 MiB. */
	unsigned window_log_max;
};
#define CODEC_BEFORE 16

enum codec_unpacked {
	CODEC_GOES_ON, /* with more bytes, or more room */
	CODEC_MEMBER_ENDS,
	CODEC_DAMAGED,
};

struct codec {
	const char *name;      /* as in segment.compression */
	const char *extension; /* ".gz"; "" for none */
	int level_min, level_max, level_default;

	size_t state_bytes;                            /* of its struct codec_state */
	void (*state_init)(struct codec_state *state); /* NULL: zeros will do */
	void (*state_done)(struct codec_state *state);
	/* How much memory the library takes beside it by now; NULL: none. */
	size_t (*library_bytes)(const struct codec_state *state);
	/* The most that this many bytes can become. */
	size_t (*bound)(size_t length);
	/*
	 * Make one member; out has room for bound(length). Returns its length; cannot fail. NULL: the
	 * bytes are written as they are.
	 */
	size_t (*compress)(struct codec_state *state, int level, const uint8_t *bytes,
			   size_t length, uint8_t *out, size_t capacity);
	/* Recovery: how each member begins. */
	const char *magic;
	size_t magic_bytes;
	/*
	 * Recovery: unpack the first member. Returns how many bytes of it there are and puts how many
	 * came out into ret_length; 0 if there is no whole member whose content fits and is right. NULL: there
	 * are no members.
	 */
	size_t (*decompress)(struct codec_state *state, const uint8_t *bytes, size_t length,
			     uint8_t *out, size_t capacity, size_t *ret_length);
	/*
	 * Searches: unpack members of any length and making, in a stream; in and out move on. Needs bytes and room.
	 * NULL: there are no members.
	 */
	enum codec_unpacked (*unpack)(struct codec_state *state, struct codec_stream *stream);
};

extern const struct codec codec_gzip, codec_zstd, codec_none;

/* The codec of bytes that begin so: at least CODEC_MAGIC_BYTES of them, if there are so many. */
#define CODEC_MAGIC_BYTES 4
const struct codec *codec_of_bytes(const uint8_t *bytes, size_t length);

struct codec_state *codec_state_new(const struct codec *codec);
void codec_state_free(const struct codec *codec, struct codec_state *state);

/* What segment.compression says. ERROR_CONFIG or ERROR_USAGE through conf_error(). */
int codec_choose(const struct conf *conf, const struct codec **ret_codec, int *ret_level,
		 struct error *err) __attribute__((warn_unused_result));
/* The codec whose extension a file name ends with; codec_none where there is none. */
const struct codec *codec_of_name(const char *name);

/* Does what segment.compression says make members? */
bool codec_is_chosen(const struct conf *conf);

/* How much memory a recorder takes that compresses with it. Tries it out. */
size_t codec_memory_bytes(const struct codec *codec, int level);

/* The next cheaper level, down to CODEC_LEVEL_STORED; and back up, to at most `highest`. */
int codec_level_down(const struct codec *codec, int level);
int codec_level_up(const struct codec *codec, int level, int highest);
