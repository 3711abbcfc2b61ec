/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/segment_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"

void segment_file_init(struct segment_file *file, int fd)
{
	*file = (struct segment_file){ .fd = fd };
	write_behind_begin(&file->behind, fd);
}

void segment_file_close(struct segment_file *file)
{
	close_fd(&file->fd);
	file->fd = -1;
}

int segment_file_append(struct segment_file *file, const void *member, size_t length,
			struct error *err)
{
	if (file->is_uncut)
		return error_set(err, ERROR_FATAL, "its end is incomplete");
	if (file_write_all(file->fd, member, length, err) < 0) {
		file->is_uncut = ftruncate(file->fd, (off_t)file->bytes) < 0 ||
				 lseek(file->fd, (off_t)file->bytes, SEEK_SET) < 0;
		return -1;
	}
	file->bytes += length;
	file->crc32c = crc32c_update(file->crc32c, member, length);
	write_behind_advance(&file->behind, file->bytes);
	return 0;
}

int segment_file_cut(struct segment_file *file, uint64_t bytes, struct error *err)
{
	if (ftruncate(file->fd, (off_t)bytes) < 0)
		return error_errno(err, "cut");
	if (fsync(file->fd) < 0)
		return error_errno(err, "sync");
	file->bytes = bytes;
	return file_checksum(file->fd, &file->crc32c, err);
}

int segment_file_sync(struct segment_file *file, bool is_read_late, struct error *err)
{
	if (file->is_uncut)
		return error_set(err, ERROR_FATAL, "its end is incomplete");
	if (fsync(file->fd) < 0)
		return error_errno(err, "sync");
	if (is_read_late)
		write_behind_drop(&file->behind);
	return 0;
}

int segment_file_measure(const struct segment_file *file, uint64_t *ret_allocated,
			 bool *ret_is_deleted, struct error *err)
{
	struct stat st;

	if (fstat(file->fd, &st) < 0)
		return error_errno(err, "stat");
	*ret_allocated = (uint64_t)st.st_blocks * 512;
	*ret_is_deleted = st.st_nlink == 0;
	return 0;
}
