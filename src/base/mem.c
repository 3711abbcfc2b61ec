/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

static void die_without_memory(void)
{
	static const char message[] = "kube-node-tracer: out of memory\n";
	ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);

	(void)written;
	abort();
}

void *mem_alloc(size_t size)
{
	void *ptr = malloc(size ? size : 1);

	if (!ptr)
		die_without_memory();
	return ptr;
}

void *mem_calloc(size_t count, size_t size)
{
	void *ptr = calloc(count ? count : 1, size ? size : 1);

	if (!ptr)
		die_without_memory();
	return ptr;
}

void *mem_realloc(void *ptr, size_t count, size_t size)
{
	void *grown = reallocarray(ptr, count ? count : 1, size ? size : 1);

	if (!grown)
		die_without_memory();
	return grown;
}

char *mem_strdup(const char *text)
{
	return mem_strndup(text, strlen(text));
}

char *mem_strndup(const char *text, size_t length)
{
	char *copy = strndup(text, length);

	if (!copy)
		die_without_memory();
	return copy;
}

char *mem_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		die_without_memory();
	return text;
}

void mem_free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}
