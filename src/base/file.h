/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Files that survive a crash: write all, make names durable, publish by rename. Works on local disks,
 * tmpfs and NFS: no locks, no extended attributes, no mmap. All of it blocks on the disk.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Write all bytes, however many calls it takes. */
int file_write_all(int fd, const void *bytes, size_t length, struct error *err)
	__attribute__((warn_unused_result));

/* Read up to capacity bytes at offset, fewer only at the end of the file. Returns how many. */
ssize_t file_read_at(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err)
	__attribute__((warn_unused_result));

/* CRC32C of the whole file. */
int file_checksum(int fd, uint32_t *ret_crc32c, struct error *err)
	__attribute__((warn_unused_result));

/* Make the names in a folder durable. File systems that cannot sync a folder (EINVAL) are fine. */
int file_sync_folder(int folder_fd, struct error *err) __attribute__((warn_unused_result));

/*
 * Replace NAME with these bytes, whole or not at all: temporary name, fsync, rename. Until the folder is synced,
 * a power failure may bring back what was there before.
 */
int file_replace_in_place(int folder_fd, const char *name, const void *bytes, size_t length,
			  struct error *err) __attribute__((warn_unused_result));
/* The same, durable: the folder is synced. If only that fails, NAME is replaced all the same. */
int file_replace(int folder_fd, const char *name, const void *bytes, size_t length,
		 struct error *err) __attribute__((warn_unused_result));
/* The same, for nobody else to read: mode 0600. */
int file_replace_secret(int folder_fd, const char *name, const void *bytes, size_t length,
			struct error *err) __attribute__((warn_unused_result));

/*
 * A whole small file as an allocated, NUL-terminated text; more than `limit` bytes is an error.
 * AT_FDCWD is allowed.
 */
int file_read_text(int folder_fd, const char *path, size_t limit, char **ret_text,
		   size_t *ret_length, struct error *err) __attribute__((warn_unused_result));

/*
 * Give a finished, synced file its final name, never replacing another, and sync the folder. Returns 0,
 * -1 with err filled, errno EEXIST if the name is taken.
 */
int file_publish(int folder_fd, const char *temporary, const char *name, struct error *err)
	__attribute__((warn_unused_result));

/* mkdir -p for one path, mode for what is created; an existing folder is fine. */
int file_make_folders(const char *path, mode_t mode, struct error *err)
	__attribute__((warn_unused_result));

/* "the account NAME (uid N)": as whom the process reads and writes now. The caller frees. */
char *file_account(void) __attribute__((warn_unused_result));
