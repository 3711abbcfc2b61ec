/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mount.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/mem.h"

#define FDINFO_MAX ((size_t)4096)
#define MOUNTS_MAX ((size_t)8 << 20)

/* An identity is "POINT TYPE SOURCE ID"; a blank in one of them is "\040" as in the kernel's table. */
struct mount {
	const char *point, *type, *source, *id;
	int point_length, type_length, source_length;
};

static int word_length(const char *text)
{
	return (int)strcspn(text, " \n");
}

/* The word behind a word. */
static const char *skip_word(const char *text)
{
	text += word_length(text);
	return *text == ' ' ? text + 1 : text;
}

static struct mount parse_identity(const char *identity)
{
	struct mount mount = { .point = identity, .point_length = word_length(identity) };

	mount.type = skip_word(mount.point);
	mount.type_length = word_length(mount.type);
	mount.source = skip_word(mount.type);
	mount.source_length = word_length(mount.source);
	mount.id = skip_word(mount.source);
	return mount;
}

static bool is_same_word(const char *a, int a_length, const char *b, int b_length)
{
	return a_length == b_length && strncmp(a, b, (size_t)a_length) == 0;
}

bool mount_is_expected(const char *noted, const char *identity)
{
	const struct mount old = parse_identity(noted), now = parse_identity(identity);

	/* Both are above the same folder. */
	if (!*noted || !*identity || now.point_length > old.point_length)
		return true;
	if (!is_same_word(old.type, old.type_length, now.type, now.type_length))
		return false;
	/* A disk may get another name, and a sandbox mount part of it; a network file system has no id. */
	return (strcmp(old.id, "0") != 0 && strcmp(old.id, now.id) == 0) ||
	       (is_same_word(old.point, old.point_length, now.point, now.point_length) &&
		is_same_word(old.source, old.source_length, now.source, now.source_length));
}

void mount_describe(const char *identity, struct text *out)
{
	const struct mount mount = parse_identity(identity);

	text_append(out, "%.*s %.*s at %.*s", mount.type_length, mount.type, mount.source_length,
		    mount.source, mount.point_length, mount.point);
}

/* The number of the mount that a descriptor is on; false: unknown. */
static bool find_number(int fd, char *out, size_t size)
{
	static const char key[] = "mnt_id:\t";
	cleanup_free char *path = mem_printf("/proc/self/fdinfo/%d", fd), *text = NULL;
	const char *found = NULL;
	struct error err;
	size_t length;

	if (file_read_text(AT_FDCWD, path, FDINFO_MAX, &text, &length, &err) == 0)
		found = strstr(text, key);
	if (found)
		(void)snprintf(out, size, "%.*s", word_length(found + sizeof key - 1),
			       found + sizeof key - 1);
	return found;
}

void mount_identify(int fd, struct text *out)
{
	cleanup_free char *table = NULL;
	const char *line = NULL, *point, *type;
	char number[32];
	struct statvfs fs;
	struct error err;
	size_t length;

	if (find_number(fd, number, sizeof number) && fstatvfs(fd, &fs) == 0 &&
	    file_read_text(AT_FDCWD, "/proc/self/mountinfo", MOUNTS_MAX, &table, &length, &err) ==
		    0)
		line = table;
	/* "36 35 98:0 ROOT POINT rw,noatime shared:1 - TYPE SOURCE rw" */
	for (; line && *line; line = line[strcspn(line, "\n")] ? strchr(line, '\n') + 1 : NULL) {
		if (!is_same_word(line, word_length(line), number, (int)strlen(number)))
			continue;
		point = skip_word(skip_word(skip_word(skip_word(line))));
		type = strstr(point, " - ");
		if (type)
			text_append(out, "%.*s %.*s %.*s %lx", word_length(point), point,
				    word_length(type + 3), type + 3,
				    word_length(skip_word(type + 3)), skip_word(type + 3),
				    fs.f_fsid);
		return;
	}
}
