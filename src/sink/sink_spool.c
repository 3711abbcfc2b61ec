/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spool of a recorder on this node, to be searched while it works. Its files move all the time: forwards, from
 * capturing/ to kept/ or away, and backwards, when an upload failed. So names are looked for in the order in which files
 * go, and once more where they come back to; a file that was listed in one folder is read in whichever it is by then.
 * What folders there are: src/spool/spool.h.
 *
 * A file is opened for each read, and closed at once: of a file that is held open, the recorder would get no room back
 * by deleting it, and would delete others for it.
 */
#include "sink/sink.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "sink/name_list.h"

#define ROUNDS_MAX 3 /* of a listing, until two of them agree */
#define LOOKS_MAX  3 /* for one file that is nowhere */
#define DAMAGED    ".damaged"
#define LOCK_FILE  "lock" /* held while a recorder works: src/spool/layout.c */

struct sink {
	struct sink_base base;
	char *folder;
};

struct sink_worker {
	struct sink *sink;
	int root_fd;
};

/* Where a segment may be, in the order of its way; in one place a file that is sent has a name of its own. */
static const struct place {
	const char *folder, *before, *after;
} places[] = {
	{ "capturing", "", "" },    { "ready", "", "" }, { "sending", "", "" },
	{ "sending", ".", ".new" }, { "ready", "", "" }, { "rejected", "", "" },
	{ "kept", "", "" },
};
#define PLACES    (sizeof places / sizeof places[0])
#define CAPTURING 0

static const char *const metadata_folders[] = { "metadata", "kept/metadata" };

static int spool_open(const struct sink_context *context, const char *folder,
		      struct sink **ret_sink, struct error *err)
{
	struct sink *sink = mem_calloc(1, sizeof *sink);

	(void)err;
	sink->base.ops = &sink_spool;
	sink->base.context = *context;
	sink->folder = mem_strdup(folder);
	*ret_sink = sink;
	return 0;
}

static void spool_close(struct sink *sink)
{
	free(sink->folder);
	free(sink);
}

/* By errno: this account may not read what is below. */
static int refuse_account(const struct sink *sink, const char *path, struct error *err)
{
	int reason = errno;
	cleanup_free char *account = file_account();
	struct stat st;

	if (stat(sink->folder, &st) < 0 || st.st_uid == geteuid())
		return error_fill(err, ERROR_CONFIG, reason, "spool %s: %s cannot read %s",
				  sink->folder, account, path);
	return error_set(err, ERROR_CONFIG,
			 "spool %s: %s cannot read %s: %s; run as uid %ju, which owns the spool",
			 sink->folder, account, path, strerror(reason), (uintmax_t)st.st_uid);
}

static int spool_worker_open(struct sink *sink, struct sink_worker **ret_worker, struct error *err)
{
	cleanup_close int fd = open(sink->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct sink_worker *worker;

	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return refuse_account(sink, "it", err);
	if (fd < 0)
		return error_errno_as(err, ERROR_CONFIG, "spool %s", sink->folder);
	if (faccessat(fd, places[CAPTURING].folder, F_OK, 0) < 0 && errno == ENOENT)
		return error_set(err, ERROR_CONFIG, "%s is not the spool of a recorder",
				 sink->folder);
	worker = mem_calloc(1, sizeof *worker);
	worker->sink = sink;
	worker->root_fd = take_fd(&fd);
	*ret_worker = worker;
	return 0;
}

static void spool_worker_close(struct sink_worker *worker)
{
	close_fd(&worker->root_fd);
	free(worker);
}

/* Files ------------------------------------------------------------------------------------------ */

/* Open a file in whichever place it is: its descriptor; -1 with errno ENOENT if it is in none. */
static int open_in_places(const struct sink_worker *worker, const char *file, bool *ret_is_growing)
{
	for (size_t i = 0; i < PLACES; i++) {
		cleanup_free char *path = mem_printf("%s/%s%s%s", places[i].folder,
						     places[i].before, file, places[i].after);
		int fd = openat(worker->root_fd, path,
				O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

		*ret_is_growing = i == CAPTURING;
		if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR))
			return fd;
	}
	errno = ENOENT;
	return -1;
}

/* What is known of it, wherever it is. */
static int open_file(const struct sink_worker *worker, const char *name, bool *ret_is_growing,
		     struct stat *ret_st, struct error *err)
{
	const char *slash = strrchr(name, '/'), *file = slash ? slash + 1 : name;
	struct name_parts parts;
	cleanup_close int fd = -1;

	if (!name_parse(file, &parts))
		return error_set(err, ERROR_REJECTED, "%s is no file of a spool", name);
	errno = ENOENT;
	for (unsigned looks = 0; fd < 0 && errno == ENOENT && looks < LOOKS_MAX; looks++)
		fd = open_in_places(worker, file, ret_is_growing);
	if (fd < 0 && errno == ENOENT)
		return error_fill(err, ERROR_REJECTED, ENOENT,
				  "%s was uploaded meanwhile: fetch it from the bucket", name);
	if (fd < 0 && (errno == EACCES || errno == EPERM))
		return refuse_account(worker->sink, file, err);
	if (fd < 0)
		return error_errno_as(
			err, errno == EMFILE || errno == ENFILE ? ERROR_TRANSIENT : ERROR_REJECTED,
			"%s", name);
	if (fstat(fd, ret_st) < 0 || !S_ISREG(ret_st->st_mode))
		return error_set(err, ERROR_REJECTED, "%s is not a file", name);
	return take_fd(&fd);
}

/* Which file of that name: one that grows has no size that it keeps. */
static void format_version(const struct stat *st, bool is_growing, char out[SINK_VERSION_MAX])
{
	if (is_growing)
		(void)snprintf(out, SINK_VERSION_MAX, "%ju", (uintmax_t)st->st_ino);
	else
		(void)snprintf(out, SINK_VERSION_MAX, "%ju+%jd", (uintmax_t)st->st_ino,
			       (intmax_t)st->st_size);
}

static int spool_read(struct sink_worker *worker, const char *name, const char *version,
		      uint64_t offset, size_t length, uint8_t *out, struct error *err)
{
	struct stat st;
	bool is_growing;
	cleanup_close int fd = open_file(worker, name, &is_growing, &st, err);
	char now[SINK_VERSION_MAX];
	ssize_t got;

	if (fd < 0)
		return -1;
	/* One that was listed while it grew may be whole by now. */
	format_version(&st, !strchr(version, '+'), now);
	if (strcmp(now, version) != 0)
		return error_set(err, ERROR_REJECTED, "%s is another file by now", name);
	got = file_read_at(fd, out, length, offset, err);
	if (got < 0) {
		err->kind = ERROR_REJECTED; /* a disk does not get better by asking again */
		return error_wrap(err, "%s", name);
	}
	return (size_t)got == length
		       ? 0
		       : error_set(err, ERROR_REJECTED, "%s is shorter than it was", name);
}

/* Listing ---------------------------------------------------------------------------------------- */

/* Is it to be listed? */
static bool is_asked_for(const struct sink_list *what, const char *name)
{
	return strncmp(name, what->prefix, strlen(what->prefix)) == 0 &&
	       strcmp(name, what->from) >= 0 && (!*what->to || strcmp(name, what->to) < 0);
}

/* "NODE/FILE", if it is a segment; NULL: it is not. The caller frees. */
static char *name_in_place(const struct place *place, const char *found)
{
	size_t before = strlen(place->before), after = strlen(place->after), length = strlen(found);
	cleanup_free char *file = NULL;
	struct name_parts parts;

	if (length <= before + after || strncmp(found, place->before, before) != 0 ||
	    strcmp(found + length - after, place->after) != 0)
		return NULL;
	file = mem_strndup(found + before, length - before - after);
	length = strlen(file);
	if (file[0] == '.' || !name_parse(file, &parts) ||
	    (length > strlen(DAMAGED) &&
	     strcmp(file + length - strlen(DAMAGED), DAMAGED) == 0)) /* its packets are elsewhere */
		return NULL;
	return mem_printf("%.*s/%s", (int)parts.node_length, file, file);
}

/* What is in one folder, behind what is in the list, which is in order. */
static int list_place(const struct sink_worker *worker, const struct place *place,
		      const struct sink_list *what, struct name_list *names, struct error *err)
{
	int fd = openat(worker->root_fd, place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *item;
	size_t sorted = names->count;

	if (!dir) {
		close_fd(&fd);
		if (errno == EACCES || errno == EPERM)
			return refuse_account(worker->sink, place->folder, err);
		/* Not all of them are there at all times. */
		return errno == ENOENT ? 0
				       : error_errno_as(err, ERROR_TRANSIENT, "list folder %s",
							place->folder);
	}
	for (errno = 0; (item = readdir(dir)); errno = 0) {
		char *name = name_in_place(place, item->d_name);

		if (name && !is_asked_for(what, name))
			free(take_ptr(name));
		if (name && !name_list_add(names, sorted, name))
			return error_set(err, ERROR_CONFIG,
					 "the spool has more than %d such files: ask for a shorter "
					 "time",
					 NAME_LIST_MAX);
	}
	return errno == 0 ? 0
			  : error_errno_as(err, ERROR_TRANSIENT, "list folder %s", place->folder);
}

/* All places, once; 1: there was nothing that was not known, 0: there was. */
static int list_round(const struct sink_worker *worker, const struct sink_list *what,
		      struct name_list *known, struct error *err)
{
	size_t before = known->count;
	int result = 0;

	for (size_t i = 0; i < PLACES && result == 0; i++) {
		result = list_place(worker, &places[i], what, known, err);
		name_list_sort(known);
	}
	return result < 0 ? -1 : known->count == before;
}

/* Its metadata; false: none that can be read. */
static bool read_metadata(const struct sink_worker *worker, const char *file,
			  struct segment *ret_segment)
{
	for (size_t i = 0; i < 2 * sizeof metadata_folders / sizeof metadata_folders[0]; i++) {
		/* They move as well. */
		cleanup_free char *path = mem_printf("%s/%s", metadata_folders[i % 2], file);
		cleanup_free char *text = NULL;
		struct error err;
		size_t length;

		if (file_read_text(worker->root_fd, path, SEGMENT_METADATA_MAX, &text, &length,
				   &err) == 0 &&
		    segment_decode(text, ret_segment, &err) == 0)
			return true;
	}
	return false;
}

/* Does a recorder work here? Its lock is asked for, and not taken. Where that cannot be known, one does. */
static bool has_recorder(const struct sink_worker *worker)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	cleanup_close int fd = openat(worker->root_fd, LOCK_FILE,
				      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno != ENOENT;
	return fcntl(fd, F_OFD_GETLK, &whole) < 0 || whole.l_type != F_UNLCK;
}

/* 1: go on; 0: the visitor has enough; 2: it was not visited, as it is gone or no file; -1. */
static int visit_name(const struct sink_worker *worker, const char *name, struct segment *segment,
		      bool (*visit)(void *context, const struct sink_item *item), void *context,
		      struct error *err)
{
	char version[SINK_VERSION_MAX];
	struct sink_item item = { .name = name, .version = version, .storage_class = "" };
	struct stat st;
	cleanup_close int fd = open_file(worker, name, &item.is_growing, &st, err);

	if (fd < 0 && err->kind == ERROR_REJECTED) {
		log_warning("a segment of the spool is not searched", log_reason(err));
		return 2;
	}
	if (fd < 0)
		return -1;
	format_version(&st, item.is_growing, version);
	item.bytes = (uint64_t)st.st_size;
	if (read_metadata(worker, strrchr(name, '/') + 1, segment))
		item.segment = segment;
	/* Nobody writes it: what came later is in no file. */
	if (item.segment && item.is_growing && segment->end_ns == 0 && !has_recorder(worker))
		segment->end_ns = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_S +
				  (uint64_t)st.st_mtim.tv_nsec;
	return visit(context, &item);
}

static int spool_list(struct sink_worker *worker, const struct sink_list *what,
		      bool (*visit)(void *context, const struct sink_item *item), void *context,
		      unsigned *requests, struct error *err)
{
	cleanup_free struct segment *segment = mem_calloc(1, sizeof *segment);
	cleanup_name_list struct name_list names = { .count = 0 };
	size_t visited = 0;
	int result = 0;

	++*requests;
	/* What the first one sees, the second one confirms. */
	for (unsigned round = 0; round < ROUNDS_MAX && (round < 2 || result == 0); round++) {
		result = list_round(worker, what, &names, err);
		if (result < 0)
			return -1;
	}
	result = 1;
	for (size_t i = 0; result > 0 && i < names.count && (!what->limit || visited < what->limit);
	     i++) {
		result = visit_name(worker, names.list[i], segment, visit, context, err);
		visited += result == 1;
	}
	return result < 0 ? -1 : 0;
}

int sink_open_spool(const struct sink_context *context, const char *folder, struct sink **ret_sink,
		    struct error *err)
{
	return sink_spool.open(context, folder, ret_sink, err);
}

const struct sink_ops sink_spool = {
	.name = "spool",
	.scheme = "spool://",
	.form = "spool:///DIR",
	.open = spool_open,
	.close = spool_close,
	.worker_open = spool_worker_open,
	.worker_close = spool_worker_close,
	.list = spool_list,
	.read = spool_read,
};
