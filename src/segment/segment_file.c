/* SPDX-License-Identifier: Apache-2.0 */
#include "segment/segment_file.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"

/* Not in every version of the kernel's headers. */
#define XFS_MAGIC UINT32_C(0x58465342)

/*
 * Each call costs a walk over the pages and a request to the disk: per 100 MB, 20 ms of CPU when made for
 * each member of half a MiB, 6 to 7 ms for 8 MiB, 5 ms for 32 MiB.
 */
#define START_BYTES (UINT64_C(8) << 20)
/*
 * What is further back is dropped. The upload reads a segment right after it is finished: one of up to this
 * size comes out of the cache, and no byte is read from the disk. With segments of 100 MB before
 * compression that is all of them.
 */
#define KEEP_BYTES (UINT64_C(128) << 20)

static bool is_local_disk(int fd)
{
	static const uint32_t magics[] = { EXT4_SUPER_MAGIC, XFS_MAGIC, BTRFS_SUPER_MAGIC,
					   F2FS_SUPER_MAGIC };
	struct statfs st;

	if (fstatfs(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++)
		if ((uint32_t)st.f_type == magics[i])
			return true;
	return false;
}

void segment_file_init(struct segment_file *file, int fd)
{
	*file = (struct segment_file){ .fd = fd, .is_on_disk = is_local_disk(fd) };
}

/*
 * Dirty pages go to the disk soon, so that the sync at the end is short, and the file takes no more of the
 * page cache than its upload, which reads it once, makes use of; others' pages stay there. Failures do not
 * matter: the data is as safe without.
 */
static void write_behind(struct segment_file *file)
{
	if (!file->is_on_disk || file->bytes < file->started_bytes + START_BYTES)
		return;
	(void)sync_file_range(file->fd, (off64_t)file->started_bytes,
			      (off64_t)(file->bytes - file->started_bytes), SYNC_FILE_RANGE_WRITE);
	file->started_bytes = file->bytes;
	if (file->bytes <= file->dropped_bytes + KEEP_BYTES + START_BYTES)
		return;
	/* Pages that are dirty still stay: the sync at the end makes them clean. */
	(void)posix_fadvise(file->fd, (off_t)file->dropped_bytes,
			    (off_t)(file->bytes - KEEP_BYTES - file->dropped_bytes),
			    POSIX_FADV_DONTNEED);
	file->dropped_bytes = file->bytes - KEEP_BYTES;
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
	write_behind(file);
	return 0;
}

/*
 * A page that could not be written is clean again, and the next sync of this open file succeeds, whatever became of it
 * (fsync(2)): after one failure, none is believed.
 */
static int sync_file(struct segment_file *file, struct error *err)
{
	if (file->unsynced_errno == 0 && fsync(file->fd) < 0)
		file->unsynced_errno = errno;
	if (file->unsynced_errno == 0)
		return 0;
	errno = file->unsynced_errno; /* the reason, also of those that follow */
	return error_errno(err, "sync");
}

int segment_file_cut(struct segment_file *file, uint64_t bytes, uint32_t crc32c, struct error *err)
{
	if (ftruncate(file->fd, (off_t)bytes) < 0 || lseek(file->fd, (off_t)bytes, SEEK_SET) < 0)
		return error_errno(err, "cut");
	if (sync_file(file, err) < 0)
		return -1;
	file->bytes = bytes;
	file->crc32c = crc32c;
	file->is_uncut = false;
	return 0;
}

int segment_file_cut_to_synced(struct segment_file *file, struct error *err)
{
	if (file->synced_bytes == 0)
		return error_set(err, ERROR_TRANSIENT, "nothing of it was synced");
	/* All that a failure since then may have been about is cut off, or is written again. */
	file->unsynced_errno = 0;
	return segment_file_cut(file, file->synced_bytes, file->synced_crc32c, err);
}

int segment_file_sync(struct segment_file *file, bool is_read_late, struct error *err)
{
	if (file->is_uncut)
		return error_set(err, ERROR_FATAL, "its end is incomplete");
	if (sync_file(file, err) < 0)
		return -1;
	file->synced_bytes = file->bytes;
	file->synced_crc32c = file->crc32c;
	if (is_read_late && file->is_on_disk) /* the whole file: a length of 0 is up to its end */
		(void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
	return 0;
}
