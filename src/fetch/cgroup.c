/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"

#define FILE_MAX   ((size_t)1 << 20) /* a node may have very many mounts */
#define PATH_BYTES 4096
#define LEVELS_MAX 64
/* Version 1 has the largest number of pages in place of none. */
#define NO_LIMIT (UINT64_C(1) << 60)

/* One controller in a hierarchy: where its files are, and what they are called. */
struct controller {
	const char *name; /* in /proc/self/cgroup of version 1; "": version 2 */
	char folder[PATH_BYTES];
	size_t mount_length; /* no group above it can be seen; 0: there is no such hierarchy */
};

/* The next line, without its end; NULL: there is none. */
static char *next_line(char **rest)
{
	char *line = strsep(rest, "\n");

	return line && *line ? line : NULL;
}

/* Is it one of the words, with commas between? */
static bool has_word(const char *words, const char *word)
{
	size_t length = strlen(word);

	for (const char *p = words; p; p = strchr(p, ','), p = p ? p + 1 : NULL)
		if (strncmp(p, word, length) == 0 && (p[length] == ',' || p[length] == '\0'))
			return true;
	return false;
}

/* "ID:CONTROLLERS:PATH"; the path of the process's group; false: there is none. */
static bool find_path(const char *groups, const char *name, char path[PATH_BYTES])
{
	cleanup_free char *text = mem_strdup(groups);
	char *rest = text, *line;

	while ((line = next_line(&rest))) {
		const char *id = strsep(&line, ":"), *names = strsep(&line, ":");

		if (names && line &&
		    (*name ? has_word(names, name) : !*names && strcmp(id, "0") == 0))
			return (size_t)snprintf(path, PATH_BYTES, "%s", line) < PATH_BYTES;
	}
	return false;
}

/* In mountinfo, blanks and the like are written as "\040". */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; in++) {
		bool is_octal = in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' &&
				in[2] <= '7' && in[3] >= '0' && in[3] <= '7';

		*out++ = is_octal ? (char)((in[1] - '0') * 64 + (in[2] - '0') * 8 + (in[3] - '0'))
				  : *in;
		in += is_octal ? 3 : 0;
	}
	*out = '\0';
}

/*
 * A line of mountinfo: "ID PARENT DEVICE ROOT PLACE OPTIONS [TAGS…] - TYPE SOURCE OPTIONS". Is it this hierarchy? Then
 * which of its groups is mounted (ret_root), and where.
 */
static bool parse_mount(char *line, const char *name, char **ret_root, char **ret_place)
{
	char *dash = strstr(line, " - "), *type, *fields[5];

	if (!dash)
		return false;
	*dash = '\0';
	dash += strlen(" - ");
	type = strsep(&dash, " ");
	(void)strsep(&dash, " ");
	if (!dash || strcmp(type, *name ? "cgroup" : "cgroup2") != 0 ||
	    (*name && !has_word(dash, name)))
		return false;
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (!(fields[i] = strsep(&line, " ")))
			return false;
	*ret_root = fields[3];
	*ret_place = fields[4];
	unescape(*ret_root);
	unescape(*ret_place);
	return true;
}

/* What of the path is below the group that is mounted: in a container that is the process's own, or one above it. */
static const char *path_below(const char *root, const char *path)
{
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(path, root, length) != 0 || (path[length] && path[length] != '/') ||
	    strncmp(path, "/..", 3) == 0)
		return ""; /* of another namespace: all that can be seen is its own */
	return strcmp(path + length, "/") == 0 ? "" : path + length;
}

static bool find_controller(const char *groups, const char *mounts, const char *root,
			    struct controller *controller)
{
	cleanup_free char *text = mem_strdup(mounts);
	char path[PATH_BYTES], *rest = text, *line, *mounted, *place;

	controller->mount_length = 0;
	if (!find_path(groups, controller->name, path))
		return false;
	while ((line = next_line(&rest))) {
		int length;

		if (!parse_mount(line, controller->name, &mounted, &place))
			continue;
		length = snprintf(controller->folder, PATH_BYTES, "%s%s%s", root, place,
				  path_below(mounted, path));
		if (length < 0 || length >= PATH_BYTES)
			return false;
		controller->mount_length = strlen(root) + strlen(place);
		return true;
	}
	return false;
}

/* To the group above; false: there is none that can be seen. */
static bool go_up(struct controller *controller)
{
	char *slash = strrchr(controller->folder + controller->mount_length, '/');

	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

/* The text of a file in the group's folder; NULL: there is none. The caller frees. */
static char *read_group_file(const struct controller *controller, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s", controller->folder, name);
	char *text = NULL;
	struct error err;
	size_t length;

	return file_read_text(AT_FDCWD, path, FILE_MAX / 16, &text, &length, &err) < 0 ? NULL
										       : text;
}

/* The number that a file has, or that is behind a word at the beginning of one of its lines. */
static bool read_number(const struct controller *controller, const char *name, const char *word,
			uint64_t *ret_number)
{
	cleanup_free char *text = read_group_file(controller, name);
	size_t length = word ? strlen(word) : 0;
	char *rest = text, *line;

	while (rest && (line = next_line(&rest))) {
		if (word && (strncmp(line, word, length) != 0 || line[length] != ' '))
			continue;
		return text_parse_number(word ? line + length + 1 : line, ret_number) == 0;
	}
	return false;
}

struct memory_files {
	const char *limit, *used, *unused_cache;
};

static uint64_t room_of_group(const struct controller *controller, const struct memory_files *files)
{
	uint64_t limit, used, cache = 0;

	if (!read_number(controller, files->limit, NULL, &limit) || limit >= NO_LIMIT ||
	    !read_number(controller, files->used, NULL, &used))
		return UINT64_MAX; /* "max" */
	(void)read_number(controller, "memory.stat", files->unused_cache, &cache);
	used -= cache < used ? cache : used;
	return limit > used ? limit - used : 0;
}

static uint64_t memory_room(const char *groups, const char *mounts, const char *root)
{
	static const struct memory_files version_1 = { "memory.limit_in_bytes",
						       "memory.usage_in_bytes",
						       "total_inactive_file" };
	static const struct memory_files version_2 = { "memory.max", "memory.current",
						       "inactive_file" };
	struct controller controller = { .name = "memory" };
	const struct memory_files *files = &version_1;
	uint64_t least = UINT64_MAX;

	if (!find_controller(groups, mounts, root, &controller)) {
		controller.name = "";
		files = &version_2;
		if (!find_controller(groups, mounts, root, &controller))
			return UINT64_MAX;
	}
	for (unsigned level = 0; level < LEVELS_MAX; level++) {
		uint64_t room = room_of_group(&controller, files);

		least = room < least ? room : least;
		if (!go_up(&controller))
			break;
	}
	return least;
}

/* "QUOTA PERIOD" or "max PERIOD"; in version 1, a file each, and -1 for none. */
static double cpus_of_group(const struct controller *controller)
{
	cleanup_free char *text = NULL;
	uint64_t quota, period;
	char *rest;

	if (*controller->name)
		return read_number(controller, "cpu.cfs_quota_us", NULL, &quota) &&
				       read_number(controller, "cpu.cfs_period_us", NULL,
						   &period) &&
				       period > 0
			       ? (double)quota / (double)period
			       : 0;
	text = read_group_file(controller, "cpu.max");
	if (!text)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	rest = text;
	return text_parse_number(strsep(&rest, " "), &quota) == 0 && rest &&
			       text_parse_number(rest, &period) == 0 && period > 0
		       ? (double)quota / (double)period
		       : 0;
}

static double cpu_limit(const char *groups, const char *mounts, const char *root)
{
	struct controller controller = { .name = "cpu" };
	double least = 0;

	if (!find_controller(groups, mounts, root, &controller)) {
		controller.name = "";
		if (!find_controller(groups, mounts, root, &controller))
			return 0;
	}
	for (unsigned level = 0; level < LEVELS_MAX; level++) {
		double cpus = cpus_of_group(&controller);

		if (cpus > 0 && (least <= 0 || cpus < least))
			least = cpus;
		if (!go_up(&controller))
			break;
	}
	return least;
}

void cgroup_read(const char *proc, const char *root, struct cgroup *ret_cgroup)
{
	cleanup_free char *groups_path = mem_printf("%s/cgroup", proc);
	cleanup_free char *mounts_path = mem_printf("%s/mountinfo", proc);
	cleanup_free char *groups = NULL, *mounts = NULL;
	struct error err;
	size_t length;

	*ret_cgroup = (struct cgroup){ .memory_room = UINT64_MAX };
	if (file_read_text(AT_FDCWD, groups_path, FILE_MAX, &groups, &length, &err) < 0 ||
	    file_read_text(AT_FDCWD, mounts_path, FILE_MAX, &mounts, &length, &err) < 0)
		return;
	ret_cgroup->memory_room = memory_room(groups, mounts, root);
	ret_cgroup->cpus = cpu_limit(groups, mounts, root);
}
