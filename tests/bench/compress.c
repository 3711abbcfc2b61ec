/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each compressor makes of a file at each of its levels, in members of one chunk: CPU seconds per GB and
 * how many times smaller. `compress FILE [CODEC...]`; the file is best a capture that generate wrote.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "packet/packet.h"
#include "segment/codec.h"

#define ROUNDS         5
#define LEVELS_MAX     4 /* the higher ones of zstd are for archives */
#define FILE_BYTES_MAX ((size_t)1 << 30)

static uint64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The best of some rounds: others share the machine. */
static void measure(const struct codec *codec, int level, const uint8_t *bytes, size_t length)
{
	struct codec_state *state = codec_state_new(codec);
	size_t capacity = codec->bound(CHUNK_BYTES), packed = 0;
	cleanup_free uint8_t *out = mem_alloc(capacity);
	uint64_t best_ns = UINT64_MAX;
	char name[32];

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t begin_ns = cpu_ns();

		packed = 0;
		for (size_t offset = 0; offset < length; offset += CHUNK_BYTES) {
			size_t part = length - offset < CHUNK_BYTES ? length - offset : CHUNK_BYTES;

			packed += codec->compress(state, level, bytes + offset, part, out,
						  capacity);
		}
		if (cpu_ns() - begin_ns < best_ns)
			best_ns = cpu_ns() - begin_ns;
	}
	codec_state_free(codec, state);
	(void)snprintf(name, sizeof name, level == CODEC_LEVEL_STORED ? "%s stored" : "%s %d",
		       codec->name, level);
	(void)printf("%-12s %6.2f s/GB   ratio %.3f\n", name, (double)best_ns / (double)length,
		     (double)length / (double)packed);
}

int main(int argc, char **argv)
{
	static const struct codec *const codecs[] = { &codec_gzip, &codec_zstd };
	cleanup_free uint8_t *bytes = NULL;
	cleanup_close int fd = -1;
	struct error err;
	struct stat st;
	ssize_t length;

	if (argc < 2) {
		(void)fputs("Usage: compress FILE [CODEC...]\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size == 0 ||
	    (size_t)st.st_size > FILE_BYTES_MAX) {
		(void)fprintf(stderr, "compress: cannot use %s\n", argv[1]);
		return 1;
	}
	bytes = mem_alloc((size_t)st.st_size);
	length = file_read_at(fd, bytes, (size_t)st.st_size, 0, &err);
	if (length < 0) {
		(void)fprintf(stderr, "compress: %s\n", err.message);
		return 1;
	}
	for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
		bool is_wanted = argc == 2;

		for (int word = 2; word < argc; word++)
			is_wanted |= strcmp(argv[word], codecs[i]->name) == 0;
		if (!is_wanted)
			continue;
		measure(codecs[i], CODEC_LEVEL_STORED, bytes, (size_t)length);
		for (int level = codecs[i]->level_min;
		     level <= codecs[i]->level_max && level < codecs[i]->level_min + LEVELS_MAX;
		     level++)
			measure(codecs[i], level, bytes, (size_t)length);
	}
	return 0;
}
