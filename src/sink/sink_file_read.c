/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as a search reads it. Objects are regular files; no link is followed below the destination, so that nobody
 * who can write there leads us elsewhere. A file that begins with a dot is none of ours, or one that is being written.
 */
#include "sink/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"

#define DEPTH_MAX 8       /* folders in folders, below that of the prefix */
#define NAMES_MAX 1000000 /* of one folder */

/* -- opening ------------------------------------------------------------------------------------------ */

/* Also if it was typed: that there is no such folder is no mistake in how the command is used. */
static int refuse_folder(struct error *err)
{
	err->kind = ERROR_CONFIG;
	return -1;
}

/* Where names begin. */
static int open_root(const struct sink *sink, struct error *err)
{
	const struct conf *conf = sink->base.context.conf;
	int fd = open(sink->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case ENOENT:
		(void)conf_error(conf, CONF_upload_destination, err, "%s does not exist",
				 sink->folder);
		return refuse_folder(err);
	case ENOTDIR:
		(void)conf_error(conf, CONF_upload_destination, err, "%s is not a folder",
				 sink->folder);
		return refuse_folder(err);
	case EACCES:
	case ENAMETOOLONG:
	case ELOOP:
		(void)conf_error(conf, CONF_upload_destination, err, "%s: %s", sink->folder,
				 strerror(errno));
		return refuse_folder(err);
	default:
		return error_errno_as(err, ERROR_TRANSIENT, "destination %s", sink->folder);
	}
}

static bool is_component(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* Open what is at a path below the root, which may be "" for the root itself; -1: see errno. */
static int open_path(int root_fd, const char *path, int flags)
{
	cleanup_free char *copy = mem_strdup(path);
	cleanup_close int fd = -1;
	char *rest = copy;
	const char *name;

	if (!*path)
		return openat(root_fd, ".", flags | O_CLOEXEC);
	while ((name = strsep(&rest, "/"))) {
		int below;

		errno = ENOENT;
		if (!is_component(name))
			return -1;
		below = openat(fd >= 0 ? fd : root_fd, name,
			       (rest ? O_PATH | O_DIRECTORY : flags) | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			return -1;
		close_fd(&fd);
		fd = below;
	}
	return take_fd(&fd);
}

/* Tells a file from any other that has its name later. */
static void format_version(const struct stat *st, char out[SINK_VERSION_MAX])
{
	struct text text = text_over(out, SINK_VERSION_MAX);

	text_append(&text, "%ju-%jd-%jd.%09ld", (uintmax_t)st->st_ino, (intmax_t)st->st_size,
		    (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

/* -- listing ------------------------------------------------------------------------------------------ */

struct walk {
	struct sink_worker *worker;
	const struct sink_list *what;
	bool (*visit)(void *context, const struct sink_item *item);
	void *context;
	unsigned visited;
	struct text
		path; /* below the destination: the folder at hand, with a slash at the end, or "" */
	char bytes[SINK_NAME_MAX + 1];
};

/* Names of a folder that are wanted; of folders, with the slash that names below them have. */
struct names {
	char **list;
	size_t count, capacity;
};

static void free_names(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
}

static void cut_path(struct text *path, size_t length)
{
	path->length = length;
	path->bytes[length] = '\0';
	path->is_cut = false;
}

static bool has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_file_wanted(const struct sink_list *what, const char *path)
{
	return has_prefix(path, what->prefix) && strcmp(path, what->from) >= 0 &&
	       (!what->to[0] || strcmp(path, what->to) < 0);
}

/* May a name that begins with this path be wanted? It is a folder's, with a slash at the end, below those of the prefix. */
static bool is_folder_wanted(const struct sink_list *what, const char *path)
{
	bool is_before = strcmp(path, what->from) < 0 && !has_prefix(what->from, path);

	return has_prefix(path, what->prefix) && !is_before &&
	       (!what->to[0] || strcmp(path, what->to) < 0);
}

/* A regular file or a folder? Others are left out, and links. */
static bool is_listed(int folder_fd, const struct dirent *entry, bool *ret_is_folder)
{
	unsigned char type = entry->d_type;
	struct stat st;

	if (type == DT_UNKNOWN && fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
	*ret_is_folder = type == DT_DIR;
	return type == DT_DIR ? is_component(entry->d_name)
			      : type == DT_REG && entry->d_name[0] != '.';
}

static void add_name(struct names *names, const char *name)
{
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? 2 * names->capacity : 64;
		names->list = mem_realloc(names->list, names->capacity, sizeof *names->list);
	}
	names->list[names->count++] = mem_strdup(name);
}

/* Keep the name of an entry, if there may be something wanted. */
static void take_entry(struct walk *walk, int folder_fd, const struct dirent *entry,
		       struct names *names)
{
	size_t length = walk->path.length;
	bool is_folder, is_wanted;

	if (!is_listed(folder_fd, entry, &is_folder))
		return;
	text_append(&walk->path, "%s%s", entry->d_name, is_folder ? "/" : "");
	is_wanted = !walk->path.is_cut && sink_is_name(walk->path.bytes) &&
		    (is_folder ? is_folder_wanted : is_file_wanted)(walk->what, walk->path.bytes);
	if (is_wanted)
		add_name(names, walk->path.bytes + length);
	cut_path(&walk->path, length);
}

static int fail_folder(const struct walk *walk, struct error *err)
{
	const struct sink *sink = walk->worker->sink;
	const char *root = sink->folder;
	int reason = errno;
	cleanup_free char *account = NULL;

	if (reason != EACCES && reason != EPERM)
		return error_errno_as(err, ERROR_TRANSIENT, "cannot list the folder %s/%s",
				      root[1] ? root : "", walk->path.bytes);
	account = file_account();
	(void)conf_error(sink->base.context.conf, CONF_upload_destination, err,
			 "%s cannot list the folder %s/%s: %s", account, root[1] ? root : "",
			 walk->path.bytes, strerror(reason));
	return refuse_folder(err);
}

static int read_names(struct walk *walk, DIR *dir, struct names *names, struct error *err)
{
	const atomic_bool *cancel = walk->worker->sink->base.context.cancel;
	const struct dirent *entry;

	for (;;) {
		thread_beat();
		if (atomic_load(cancel))
			return error_set(err, ERROR_TRANSIENT, "stopped");
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno == 0 ? 0 : fail_folder(walk, err);
		if (names->count == NAMES_MAX)
			return conf_error(walk->worker->sink->base.context.conf,
					  CONF_upload_destination, err,
					  "%s/%s has more than %d files",
					  walk->worker->sink->folder, walk->path.bytes, NAMES_MAX);
		take_entry(walk, dirfd(dir), entry, names);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* True to go on. */
static bool visit_file(struct walk *walk, int folder_fd, const char *name)
{
	char version[SINK_VERSION_MAX];
	struct sink_item item = { .name = walk->path.bytes,
				  .version = version,
				  .storage_class = "" };
	struct stat st;

	/* It may be gone by now. */
	if (fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return true;
	item.bytes = (uint64_t)st.st_size;
	format_version(&st, version);
	walk->visited++;
	return walk->visit(walk->context, &item) &&
	       (!walk->what->limit || walk->visited < walk->what->limit);
}

static bool is_gone(int reason)
{
	return reason == ENOENT || reason == ENOTDIR || reason == ELOOP || reason == ENAMETOOLONG;
}

/* Everything in a folder, which walk->path names already. 1: go on; 0: that was the last; -1: err. */
static int walk_folder(struct walk *walk, int parent_fd, const char *folder, unsigned depth,
		       struct error *err)
{
	cleanup_close int fd = open_path(parent_fd, folder, O_RDONLY | O_DIRECTORY);
	cleanup_closedir DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	cleanup(free_names) struct names names = { .count = 0 };
	size_t length = walk->path.length;
	int result = 1;

	if (!dir)
		return fd < 0 && is_gone(errno) ? 1 : fail_folder(walk, err);
	fd = -1; /* it is the stream's */
	if (read_names(walk, dir, &names, err) < 0)
		return -1;
	if (names.count > 0)
		qsort(names.list, names.count, sizeof *names.list, compare_names);
	for (size_t i = 0; i < names.count && result > 0; i++) {
		char *name = names.list[i], *slash = strchr(name, '/');

		text_append(&walk->path, "%s", name);
		if (slash)
			*slash = '\0';
		if (!slash)
			result = visit_file(walk, dirfd(dir), name);
		else if (depth < DEPTH_MAX)
			result = walk_folder(walk, dirfd(dir), name, depth + 1, err);
		cut_path(&walk->path, length);
	}
	return result;
}

int file_list(struct sink_worker *worker, const struct sink_list *what,
	      bool (*visit)(void *context, const struct sink_item *item), void *context,
	      unsigned *requests, struct error *err)
{
	/* All that is wanted is below the folders that the prefix has. */
	const char *slash = strrchr(what->prefix, '/');
	cleanup_free char *folder = mem_strndup(what->prefix,
						slash ? (size_t)(slash - what->prefix) : 0);
	struct walk walk = { .worker = worker, .what = what, .visit = visit, .context = context };
	cleanup_close int root_fd = open_root(worker->sink, err);

	(void)requests; /* there are none */
	if (root_fd < 0)
		return -1;
	walk.path = text_over(walk.bytes, sizeof walk.bytes);
	text_append(&walk.path, "%s%s", folder, slash ? "/" : "");
	if (walk.path.is_cut || what->prefix[0] == '/')
		return 0; /* no name is like that */
	return walk_folder(&walk, root_fd, folder, 0, err) < 0 ? -1 : 0;
}

/* -- reading ------------------------------------------------------------------------------------------ */

static int fail_file(const struct sink *sink, const char *name, struct error *err)
{
	const char *root = sink->folder[1] ? sink->folder : "";
	int reason = errno;

	if (reason == ELOOP)
		return error_set(err, ERROR_REJECTED, "%s/%s is not a file", root, name);
	if (is_gone(reason))
		return error_set(err, ERROR_REJECTED, "%s/%s is gone", root, name);
	errno = reason;
	return error_errno_as(
		err, reason == EACCES || reason == EPERM ? ERROR_REJECTED : ERROR_TRANSIENT,
		"cannot read %s/%s", root, name);
}

/* Is it the file that was listed? */
static int check_version(const struct sink *sink, int fd, const char *name, const char *version,
			 struct error *err)
{
	const char *root = sink->folder[1] ? sink->folder : "";
	char now[SINK_VERSION_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail_file(sink, name, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_REJECTED, "%s/%s is not a file", root, name);
	format_version(&st, now);
	return strcmp(now, version) == 0
		       ? 0
		       : error_set(err, ERROR_REJECTED, "%s/%s was replaced since it was listed",
				   root, name);
}

int file_read(struct sink_worker *worker, const char *name, const char *version, uint64_t offset,
	      size_t length, uint8_t *out, struct error *err)
{
	const struct sink *sink = worker->sink;
	cleanup_close int root_fd = open_root(sink, err);
	cleanup_close int fd = -1;
	ssize_t got;

	thread_beat();
	if (root_fd < 0)
		return -1;
	fd = open_path(root_fd, name, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fail_file(sink, name, err);
	if (check_version(sink, fd, name, version, err) < 0)
		return -1;
	got = file_read_at(fd, out, length, offset, err);
	if (got < 0) {
		err->kind = ERROR_TRANSIENT;
		return error_wrap(err, "%s/%s", sink->folder, name);
	}
	/* Also if somebody wrote to it meanwhile. */
	if (check_version(sink, fd, name, version, err) < 0)
		return -1;
	return (size_t)got == length ? 0
				     : error_set(err, ERROR_REJECTED, "%s/%s ends before byte %ju",
						 sink->folder, name, (uintmax_t)(offset + length));
}
