/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Scope-bound ownership: a local declared with a cleanup_* attribute releases its resource when it goes out of
 * scope; take_ptr() and take_fd() hand the resource over. The mem_* allocators are for small objects and abort
 * with a message when out of memory, because all state is on disk and crash-safe.
 */

#include <dirent.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * Once, before the first thread. What is large then goes back to the system when it is freed: left to itself, glibc
 * raises its threshold to the largest block ever freed, and the buffers of the start stay resident for good.
 */
void mem_setup(void);
/*
 * For a process that ends soon, in place of that: many short-lived threads share what glibc reserves, and buffers of
 * some MiB, which they make and free all the time, are kept for the next ones.
 */
void mem_share(void);

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull, warn_unused_result));
/* Zeroed; aborts on overflow of count * size. */
void *mem_calloc(size_t count, size_t size)
	__attribute__((malloc, returns_nonnull, warn_unused_result));
void *mem_realloc(void *ptr, size_t count, size_t size)
	__attribute__((returns_nonnull, warn_unused_result));
char *mem_strdup(const char *text) __attribute__((malloc, returns_nonnull, warn_unused_result));
char *mem_strndup(const char *text, size_t length)
	__attribute__((malloc, returns_nonnull, warn_unused_result));
char *mem_printf(const char *format, ...)
	__attribute__((malloc, returns_nonnull, warn_unused_result, format(printf, 1, 2)));

/* Wipe a text that is a secret, and free it; NULL is fine. */
void mem_free_secret(char *text);

static inline void mem_free_secret_cleanup(char **text)
{
	mem_free_secret(*text);
}

static inline void mem_free_cleanup(void *ptr)
{
	free(*(void **)ptr);
}

/* Close what is open, and leave -1 behind: for fields, too. */
static inline void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static inline void mem_fclose_cleanup(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static inline void mem_closedir_cleanup(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

#define cleanup(function) __attribute__((cleanup(function)))
#define cleanup_free      cleanup(mem_free_cleanup)
#define cleanup_secret    cleanup(mem_free_secret_cleanup)
#define cleanup_close     cleanup(close_fd)
#define cleanup_fclose    cleanup(mem_fclose_cleanup)
#define cleanup_closedir  cleanup(mem_closedir_cleanup)

/* Hand over the value, leaving NULL (-1) behind. */
#define take_ptr(ptr)                          \
	({                                     \
		__auto_type taken_ptr = (ptr); \
		(ptr) = NULL;                  \
		taken_ptr;                     \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}
