/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder: file:///DIR, on a local disk, an NFS share or a volume. Files are named as objects would be,
 * DIR/[PREFIX/]NODE/NAME or as upload.layout says. The path is taken literally: "%20" is no blank.
 */
#include "sink/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/checksum.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "sink/mount.h"

/*
 * A sync shows no progress while it waits for the share. In portions of this size it ends before twice
 * upload.stall_timeout even on a slow share; after that an upload is reported as hanging.
 */
#define SYNC_BYTES  (UINT64_C(8) << 20)
#define FOLDER_MODE 0755
#define FILE_MODE   0640 /* captures are private */

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

/*
 * The folder, as a place to start from. It is never created: if its share is not mounted yet, files would fill the
 * disk below, and so they would where another file system is in place of the one that was. Asked only here, by the
 * workers, because a share may hang.
 */
static int open_root(const struct sink *sink, const char *expected, struct text *identity,
		     struct error *err)
{
	const struct conf *conf = sink->base.context.conf;
	const char *folder = sink->folder;
	cleanup_close int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char words[2 * SINK_IDENTITY_MAX];
	struct text was = text_over(words, SINK_IDENTITY_MAX),
		    now = text_over(words + SINK_IDENTITY_MAX, SINK_IDENTITY_MAX);
	struct stat st, spool;

	if (fd < 0 && errno == ENOENT)
		return error_set(err, ERROR_TRANSIENT,
				 "destination %s does not exist: create the folder, or mount its "
				 "share",
				 folder);
	if (fd < 0 && errno == ENOTDIR)
		return conf_error(conf, CONF_upload_destination, err, "%s is not a folder", folder);
	if (fd < 0 && (errno == EACCES || errno == ENAMETOOLONG || errno == ELOOP))
		return conf_error(conf, CONF_upload_destination, err, "%s: %s", folder,
				  strerror(errno));
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno_as(err, ERROR_TRANSIENT, "destination %s", folder);
	if (stat(conf->spool_directory, &spool) == 0 && st.st_dev == spool.st_dev &&
	    st.st_ino == spool.st_ino)
		return refuse_spool(conf, folder, err);
	mount_identify(fd, identity);
	if (!mount_is_expected(expected, identity->bytes)) {
		mount_describe(expected, &was);
		mount_describe(identity->bytes, &now);
		return error_set(err, ERROR_TRANSIENT,
				 "the file system of destination %s, %s, is not mounted (there "
				 "now: %s): mount it, or accept the change with "
				 "kube-node-tracer reload",
				 folder, was.bytes, now.bytes);
	}
	return take_fd(&fd);
}

/* Its file system may be full for others before it is for us. */
static int check_room(const struct sink *sink, int folder_fd, uint64_t bytes, struct error *err)
{
	struct statvfs fs;
	uint64_t floor;

	if (fstatvfs(folder_fd, &fs) < 0)
		return 0;
	floor = conf_share_of(&sink->base.context.conf->spool_min_free,
			      (uint64_t)fs.f_blocks * fs.f_frsize);
	/* No size is known, or it may be filled: the write finds out. */
	if (fs.f_blocks == 0 || floor == 0 || (uint64_t)fs.f_bavail * fs.f_frsize >= bytes + floor)
		return 0;
	return error_set(err, ERROR_TRANSIENT,
			 "no room: spool.min_free holds for the destination's file system, too");
}

static int file_probe(struct sink_worker *worker, const char *identity, struct error *err)
{
	const struct sink *sink = worker->sink;
	const char *folder = sink->folder;
	char ignored[SINK_IDENTITY_MAX];
	struct text now = text_over(ignored, sizeof ignored);
	cleanup_close int fd = open_root(sink, identity, &now, err);

	if (fd < 0 || check_room(sink, fd, 0, err) < 0)
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

/* Make the names in a folder durable, unless we may not open it. */
static int sync_names(int folder_fd, struct error *err)
{
	cleanup_close int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? 0 : file_sync_folder(fd, err);
}

/*
 * Open a folder below the root, which is opened already, so that nothing is made elsewhere if the share goes away just
 * now. What is missing is made; the first time, all names are made durable, because any of them may be new.
 */
static int open_below(struct sink_worker *worker, int root_fd, char *path, struct error *err)
{
	bool is_known = worker->last_folder && strcmp(worker->last_folder, path) == 0;
	cleanup_free char *whole = mem_strdup(path);
	cleanup_close int fd = openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name;
	int below;

	while (fd >= 0 && (name = strsep(&path, "/"))) {
		int flags = (path ? O_PATH : O_RDONLY) | O_DIRECTORY | O_CLOEXEC;
		bool is_new;

		below = openat(fd, name, flags);
		is_new = below < 0 && errno == ENOENT;
		if (is_new && mkdirat(fd, name, FOLDER_MODE) < 0 && errno != EEXIST)
			return error_errno(err, "create folder %s", name);
		if (is_new)
			below = openat(fd, name, flags);
		if (below < 0)
			return error_errno(err, "open folder %s", name);
		if ((is_new || !is_known) && sync_names(fd, err) < 0) {
			close_fd(&below);
			return -1;
		}
		close_fd(&fd);
		fd = below;
	}
	if (fd < 0)
		return error_errno(err, "open folder");
	free(worker->last_folder);
	worker->last_folder = take_ptr(whole);
	return take_fd(&fd);
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

	result = check_room(worker->sink, folder_fd, object->bytes, err);
	if (result == 0)
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
	const char *root = worker->sink->folder, *name = strrchr(object->name, '/') + 1;
	cleanup_free char *below = mem_strndup(object->name, (size_t)(name - object->name - 1));
	cleanup_free char *folder = mem_printf("%s/%s", root[1] ? root : "", below);
	struct text identity = text_over(ret_receipt->identity, sizeof ret_receipt->identity);
	cleanup_close int root_fd = open_root(worker->sink, object->identity, &identity, err);
	cleanup_close int folder_fd = -1;

	if (root_fd >= 0)
		folder_fd = open_below(worker, root_fd, below, err);
	if (folder_fd < 0 ||
	    store_object(worker, folder_fd, name, object, &ret_receipt->was_there, err) < 0) {
		/* A full disk, a share or a permission that is gone: none of it is the segment's fault. */
		if (err->kind != ERROR_REJECTED)
			err->kind = ERROR_TRANSIENT;
		return root_fd < 0 ? -1 : error_wrap(err, "%s", folder);
	}
	(void)snprintf(ret_receipt->location, sizeof ret_receipt->location, "%s/%s", folder, name);
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
	.list = file_list,
	.read = file_read,
};
