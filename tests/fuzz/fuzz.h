/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the fuzz targets share. Each is a libFuzzer entry point; `configure --enable-fuzzing CC=clang` links
 * them with libFuzzer, otherwise main.c replays their corpus.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Not assert(): it has to hold in every build. */
#define fuzz_require(condition)                                                         \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* The input as text, up to its first NUL. The caller frees. */
static inline char *fuzz_text(const uint8_t *bytes, size_t size)
{
	return mem_strndup((const char *)bytes, size);
}
