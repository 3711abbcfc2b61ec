/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays a target's corpus without libFuzzer: every file of tests/fuzz/corpus/PROGRAM as it is, cut at every
 * byte and with every byte changed a few ways. A crash or a failed requirement ends the program.
 */
#include <dirent.h>
#include <stdbool.h>

#include "base/clock.h"
#include "fuzz.h"

#define INPUT_MAX_BYTES 65536
#define VARIED_MAX      2048 /* longer inputs are cut and changed in their first bytes only */

static const uint8_t changes[] = { 0x01, 0x20, 0x80, 0xff };

/* In a block of exactly its size, so that the sanitizers see every step too far. */
static void feed(const uint8_t *bytes, size_t size)
{
	uint8_t *exact = mem_alloc(size);

	memcpy(exact, bytes, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static bool replay(const char *folder, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", folder, name);
	cleanup_fclose FILE *file = fopen(path, "re");
	static uint8_t bytes[INPUT_MAX_BYTES];
	size_t size, varied;

	if (!file)
		return false;
	size = fread(bytes, 1, sizeof bytes, file);
	if (ferror(file))
		return false;
	feed(bytes, size);
	varied = size < VARIED_MAX ? size : VARIED_MAX;
	for (size_t i = 0; i < varied; i++) {
		feed(bytes, i);
		for (size_t j = 0; j < sizeof changes; j++) {
			bytes[i] ^= changes[j];
			feed(bytes, size);
			bytes[i] ^= changes[j];
		}
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *source = getenv("top_srcdir"), *program = strrchr(argv[0], '/');
	cleanup_free char *folder = NULL;
	cleanup_closedir DIR *dir = NULL;
	const struct dirent *entry;
	unsigned count = 0, failed = 0;

	folder = argc > 1 ? mem_strdup(argv[1])
			  : mem_printf("%s/tests/fuzz/corpus/%s", source ? source : ".",
				       program ? program + 1 : argv[0]);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		uint64_t start_ms = clock_monotonic_ms();
		bool is_fine;

		if (entry->d_name[0] == '.')
			continue;
		is_fine = replay(folder, entry->d_name);
		printf("%sok %u - %s (%.1f s)\n", is_fine ? "" : "not ", ++count, entry->d_name,
		       (double)(clock_monotonic_ms() - start_ms) / CLOCK_MS_PER_S);
		failed += !is_fine;
	}
	if (count == 0) {
		printf("not ok %u - %s holds no corpus\n", ++count, folder);
		failed++;
	}
	printf("1..%u\n", count);
	return failed > 0;
}
