/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Crash-safe file operations: complete writes, durable names, publishing by rename. Work on local disks, tmpfs
 * and NFS: no locks, no extended attributes, no mmap. All functions block on the disk.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Write all bytes, with as many calls as necessary. */
int file_write_all(int fd, const void *bytes, size_t length, struct error *err)
	__attribute__((warn_unused_result));

/* Read capacity bytes at offset, fewer only at the end of the file. Returns the number of bytes. */
ssize_t file_read_at(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err)
	__attribute__((warn_unused_result));
/* The same, but what the disk cannot read (EIO) is zeros, page by page. */
ssize_t file_read_around(int fd, void *bytes, size_t capacity, uint64_t offset, struct error *err)
	__attribute__((warn_unused_result));

/* CRC32C of the whole file. */
int file_checksum(int fd, uint32_t *ret_crc32c, struct error *err)
	__attribute__((warn_unused_result));

/* Make the names in a folder durable. Ignores file systems that cannot sync a folder (EINVAL). */
int file_sync_folder(int folder_fd, struct error *err) __attribute__((warn_unused_result));

/*
 * Replace NAME with these bytes atomically: temporary name with this mode, fsync, rename. Until the folder is
 * synced, a power failure may restore the previous content.
 */
int file_replace_in_place(int folder_fd, const char *name, mode_t mode, const void *bytes,
			  size_t length, struct error *err) __attribute__((warn_unused_result));
/* The same, durably: the folder is synced. If only the sync fails, NAME is replaced anyway. */
int file_replace(int folder_fd, const char *name, mode_t mode, const void *bytes, size_t length,
		 struct error *err) __attribute__((warn_unused_result));

/*
 * Read a whole small file as NUL-terminated text, which the caller frees; more than `limit` bytes is an
 * error. folder_fd may be AT_FDCWD.
 */
int file_read_text(int folder_fd, const char *path, size_t limit, char **ret_text,
		   size_t *ret_length, struct error *err) __attribute__((warn_unused_result));

/*
 * Rename a finished, synced file to its final name without replacing another, and sync the folder. Fails with
 * errnum EEXIST if the name is taken.
 */
int file_publish(int folder_fd, const char *temporary, const char *name, struct error *err)
	__attribute__((warn_unused_result));

/* mkdir -p: create the folders of a path that do not exist; the last one with this mode, those above it with 0755. */
int file_make_folders(const char *path, mode_t mode, struct error *err)
	__attribute__((warn_unused_result));

/* "the account NAME (uid N)": the current account of the process. The caller frees. */
char *file_account(void) __attribute__((warn_unused_result));
