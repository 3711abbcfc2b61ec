/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <string.h>

#define KEPT_BYTES  (4 << 20)
#define LARGE_BYTES (128 * 1024) /* as at the start, where glibc adjusts it */

void mem_setup(void)
{
#ifdef M_MMAP_THRESHOLD
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
#endif
}

void mem_share(void)
{
#ifdef M_ARENA_MAX
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
	(void)mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES);
#endif
}

/* The result of an allocation; aborts if it is NULL. */
static void *checked(void *ptr)
{
	static const char message[] = "kube-node-tracer: out of memory\n";
	ssize_t written;

	if (ptr)
		return ptr;
	written = write(STDERR_FILENO, message, sizeof message - 1);
	(void)written;
	abort();
}

void *mem_alloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *mem_calloc(size_t count, size_t size)
{
	return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_realloc(void *ptr, size_t count, size_t size)
{
	return checked(reallocarray(ptr, count ? count : 1, size ? size : 1));
}

char *mem_strdup(const char *text)
{
	return checked(strdup(text));
}

char *mem_strndup(const char *text, size_t length)
{
	return checked(strndup(text, length));
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	return checked(length < 0 ? NULL : text);
}

void mem_free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}
