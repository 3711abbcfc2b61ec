/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder: file:///DIR, on a local disk, an NFS share or a volume. Files are named as objects would be,
 * DIR/[PREFIX/]NODE/NAME. The path is taken literally: "%20" is no blank.
 */
#include "sink/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"

#define BLOCK_BYTES 262144
/*
 * A sync shows no progress while it waits for the share. In portions of this size it ends before twice
 * upload.stall_timeout even on a slow share; after that an upload is reported as hanging.
 */
#define SYNC_BYTES  (UINT64_C(8) << 20)
#define FOLDER_MODE 0755
#define FILE_MODE   0640 /* captures are private */

struct sink {
	struct sink_base base;
	char *folder; /* absolute, without a slash at the end, or "/" */
};

struct sink_worker {
	struct sink *sink;
	char *last_folder; /* made and synced; NULL: none yet */
	char block[BLOCK_BYTES];
};

static int refuse_spool(const struct conf *conf, const char *folder, struct error *err)
{
	return conf_error(conf, CONF_upload_destination, err,
			  "%s is the spool (-o), where segments wait; choose another folder",
			  folder);
}

static int file_open(const struct sink_context *context, const char *path, struct sink **ret_sink,
		     struct error *err)
{
	size_t length = strlen(path);
	cleanup_free char *folder = NULL;
	struct sink *sink;

	if (path[0] != '/')
		return conf_error(context->conf, CONF_upload_destination, err,
				  "\"file://%s\" is not an absolute path; write file:///DIR, with "
				  "three slashes",
				  path);
	while (length > 1 && path[length - 1] == '/')
		length--;
	folder = mem_strndup(path, length);
	if (strcmp(folder, context->conf->spool_directory) == 0)
		return refuse_spool(context->conf, folder, err);
	sink = mem_calloc(1, sizeof *sink);
	sink->base.ops = &sink_file;
	sink->base.context = *context;
	sink->folder = take_ptr(folder);
	*ret_sink = sink;
	return 0;
}

static void file_close(struct sink *sink)
{
	free(sink->folder);
	free(sink);
}

static int file_worker_open(struct sink *sink, struct sink_worker **ret_worker, struct error *err)
{
	struct sink_worker *worker = mem_calloc(1, sizeof *worker);

	(void)err;
	worker->sink = sink;
	*ret_worker = worker;
	return 0;
}

static void file_worker_close(struct sink_worker *worker)
{
	free(worker->last_folder);
	free(worker);
}

/* Cut a path to its parent; false when it was the root. */
static bool cut_to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || !path[1])
		return false;
	slash[slash == path] = '\0';
	return true;
}

/*
 * The folder itself is never created: if its share is not mounted yet, files would fill the disk below. Asked
 * only here, by the workers, because a share may hang.
 */
static int check_folder(const struct sink *sink, struct error *err)
{
	const struct conf *conf = sink->base.context.conf;
	const char *folder = sink->folder;
	struct stat st, spool;

	if (stat(folder, &st) == 0) {
		if (!S_ISDIR(st.st_mode))
			return conf_error(conf, CONF_upload_destination, err, "%s is not a folder",
					  folder);
		if (stat(conf->spool_directory, &spool) == 0 && st.st_dev == spool.st_dev &&
		    st.st_ino == spool.st_ino)
			return refuse_spool(conf, folder, err);
		return 0;
	}
	if (errno == ENOENT)
		return error_set(err, ERROR_TRANSIENT,
				 "destination %s does not exist: create the folder, or mount its "
				 "share",
				 folder);
	if (errno == ENOTDIR || errno == EACCES || errno == ENAMETOOLONG || errno == ELOOP)
		return conf_error(conf, CONF_upload_destination, err, "%s: %s", folder,
				  strerror(errno));
	return error_errno_as(err, ERROR_TRANSIENT, "destination %s", folder);
}

static int file_probe(struct sink_worker *worker, struct error *err)
{
	const struct sink *sink = worker->sink;
	const char *folder = sink->folder;

	if (check_folder(sink, err) < 0)
		return -1;
	if (access(folder, W_OK | X_OK) < 0) {
		int reason = errno;
		cleanup_free char *account = file_account();

		return conf_error(
			sink->base.context.conf, CONF_upload_destination, err,
			"%s cannot write to the folder %s: %s%s%s", account, folder,
			strerror(reason),
			reason == EROFS ? "; if the service's sandbox makes it so: systemctl edit "
					  "kube-node-tracer, and add [Service] ReadWritePaths="
					: "",
			reason == EROFS ? folder : "");
	}
	return 0;
}

/* Open the folder of an object; create it, and make its name, and those of the folders above it, durable. */
static int open_folder(struct sink_worker *worker, const char *path, struct error *err)
{
	bool is_known = worker->last_folder && strcmp(worker->last_folder, path) == 0 &&
			access(path, F_OK) == 0;
	cleanup_free char *above = mem_strdup(path);
	int fd;

	if (!is_known &&
	    (check_folder(worker->sink, err) < 0 || file_make_folders(path, FOLDER_MODE, err) < 0))
		return -1;
	/* Any of them may be new: sync up to the first that we may not open. */
	while (!is_known && cut_to_parent(above)) {
		cleanup_close int above_fd = open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (above_fd < 0)
			break;
		if (file_sync_folder(above_fd, err) < 0)
			return error_wrap(err, "%s", above);
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "open");
	free(worker->last_folder);
	worker->last_folder = mem_strdup(path);
	return fd;
}

/* Read a file for its size and CRC32C; copy it to out unless that is -1, and sync the copy except for its end. */
static int read_through(struct sink_worker *worker, int in, int out, uint64_t *ret_bytes,
			uint32_t *ret_crc32c, struct error *err)
{
	const atomic_bool *cancel = worker->sink->base.context.cancel;
	uint64_t bytes = 0;
	uint32_t crc32c = 0;
	ssize_t length;

	for (;;) {
		thread_beat();
		if (atomic_load(cancel))
			return error_set(err, ERROR_TRANSIENT, "stopped");
		length = file_read_at(in, worker->block, sizeof worker->block, bytes, err);
		if (length < 0)
			return -1;
		if (length == 0)
			break;
		crc32c = crc32c_update(crc32c, worker->block, (size_t)length);
		if (out >= 0 && !rate_wait(worker->sink->base.context.rate, (size_t)length, cancel))
			continue; /* the next round returns */
		if (out >= 0 && file_write_all(out, worker->block, (size_t)length, err) < 0)
			return -1;
		bytes += (uint64_t)length;
		if (out >= 0 && bytes % SYNC_BYTES == 0 && fdatasync(out) < 0)
			return error_errno(err, "sync");
	}
	*ret_bytes = bytes;
	*ret_crc32c = crc32c;
	return 0;
}

/*
 * A file of that name exists: success if it is ours. It is synced again, because the attempt that made it may
 * have ended, or failed, before it had synced the name.
 */
static int compare_existing(struct sink_worker *worker, int folder_fd, const char *name,
			    const struct sink_object *object, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, name,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint64_t bytes;
	uint32_t crc32c;
	struct stat st;

	if (fd < 0 && errno != ELOOP)
		return error_errno(err, "cannot open %s", name);
	if (fd < 0 || (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode)))
		return error_set(err, ERROR_REJECTED, "%s exists and is not a file", name);
	if (read_through(worker, fd, -1, &bytes, &crc32c, err) < 0)
		return error_wrap(err, "cannot read %s", name);
	if (bytes != object->bytes || crc32c != object->crc32c)
		return error_set(err, ERROR_REJECTED,
				 "%s exists with other content; nothing is overwritten", name);
	if (fsync(fd) < 0)
		return error_errno(err, "sync %s", name);
	return file_sync_folder(folder_fd, err);
}

/* Copy the segment to a new file; sync it, and check it against the segment's size and CRC32C. */
static int write_copy(struct sink_worker *worker, int folder_fd, const char *temporary,
		      const struct sink_object *object, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
				      FILE_MODE);
	uint64_t bytes;
	uint32_t crc32c;
	struct stat st;

	if (fd < 0)
		return error_errno(err, "create %s", temporary);
	if (read_through(worker, object->fd, fd, &bytes, &crc32c, err) < 0)
		return -1;
	if (bytes != object->bytes || crc32c != object->crc32c)
		return error_set(
			err, ERROR_REJECTED,
			"the segment was damaged in the spool: its CRC32C is %08x, not %08x",
			crc32c, object->crc32c);
	if (fsync(fd) < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "sync");
	if ((uint64_t)st.st_size != object->bytes)
		return error_set(err, ERROR_TRANSIENT, "%s has %jd bytes instead of %ju", temporary,
				 (intmax_t)st.st_size, (uintmax_t)object->bytes);
	return 0;
}

static int store_object(struct sink_worker *worker, int folder_fd, const char *name,
			const struct sink_object *object, bool *ret_was_there, struct error *err)
{
	/* Cut to leave room for the rest in a name of maximum length. */
	cleanup_free char *temporary = mem_printf(".%.240s.partial", name);
	int result;

	/* An earlier attempt may have left it behind. */
	if (unlinkat(folder_fd, temporary, 0) < 0 && errno != ENOENT)
		return error_errno(err, "remove %s", temporary);
	*ret_was_there = faccessat(folder_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (*ret_was_there)
		return compare_existing(worker, folder_fd, name, object, err);

	result = write_copy(worker, folder_fd, temporary, object, err);
	if (result == 0) {
		result = file_publish(folder_fd, temporary, name, err);
		*ret_was_there = result < 0 && err->errnum == EEXIST;
	}
	if (result < 0)
		(void)unlinkat(folder_fd, temporary, 0);
	return *ret_was_there ? compare_existing(worker, folder_fd, name, object, err) : result;
}

static int file_send(struct sink_worker *worker, const struct sink_object *object,
		     struct sink_receipt *ret_receipt, struct error *err)
{
	const char *root = worker->sink->folder;
	cleanup_free char *path = mem_printf("%s/%s", root[1] ? root : "", object->name);
	cleanup_free char *folder = mem_strdup(path);
	const char *name = strrchr(path, '/') + 1;
	cleanup_close int folder_fd = -1;

	(void)cut_to_parent(folder);
	folder_fd = open_folder(worker, folder, err);
	if (folder_fd < 0 ||
	    store_object(worker, folder_fd, name, object, &ret_receipt->was_there, err) < 0) {
		/* A full disk, a share or a permission that is gone: none of it is the segment's fault. */
		if (err->kind != ERROR_REJECTED)
			err->kind = ERROR_TRANSIENT;
		return error_wrap(err, "%s", folder);
	}
	(void)snprintf(ret_receipt->location, sizeof ret_receipt->location, "%s", path);
	return 0;
}

const struct sink_ops sink_file = {
	.name = "file",
	.scheme = "file://",
	.form = "file:///DIR",
	.open = file_open,
	.close = file_close,
	.worker_open = file_worker_open,
	.worker_close = file_worker_close,
	.probe = file_probe,
	.send = file_send,
};
