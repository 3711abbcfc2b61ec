/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/listing/node_names.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/checksum.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/text.h"
#include "fetch/listing/object_name.h"

#define AGE_MAX_S   86400
#define BYTES_MAX   ((size_t)64 << 20)
#define FOLDER_MODE 0700
#define FILE_MODE   0600

/* The first line: a name of a file cannot hold all of it. */
static char *describe_bucket(const struct conf *conf)
{
	return mem_printf("kube-node-tracer nodes 1 %s %s\n", conf->upload_destination,
			  conf->upload_prefix);
}

static char *name_file(const char *description)
{
	return mem_printf("nodes-%08x", crc32c_update(0, description, strlen(description)));
}

void node_names_add(struct node_names *names, const char *node, uint64_t newest_ns)
{
	if (names->count == NODE_NAMES_MAX)
		return;
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? 2 * names->capacity : 64;
		names->list = mem_realloc(names->list, names->capacity, sizeof *names->list);
	}
	names->list[names->count++] = (struct node_name){ mem_strdup(node), newest_ns };
}

void node_names_done(struct node_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->list[i].node);
	free(names->list);
	*names = (struct node_names){ .count = 0 };
}

/* "TIME NODE", in order. */
static bool read_line(struct node_names *names, char *line)
{
	char *node = strchr(line, ' ');
	uint64_t newest_ns;

	if (!node)
		return false;
	*node++ = '\0';
	if (text_parse_time(line, &newest_ns) < 0 || !*node || strchr(node, '/') ||
	    strlen(node) > OBJECT_NAME_NODE_MAX ||
	    (names->count > 0 && strcmp(names->list[names->count - 1].node, node) >= 0))
		return false;
	node_names_add(names, node, newest_ns);
	return true;
}

static bool is_fresh(int folder_fd, const char *name)
{
	uint64_t now_s = clock_real_ns() / CLOCK_NS_PER_S;
	struct stat st;

	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && st.st_mtime >= 0 && (uint64_t)st.st_mtime <= now_s &&
	       now_s - (uint64_t)st.st_mtime <= AGE_MAX_S && (uint64_t)st.st_size <= BYTES_MAX;
}

void node_names_read(struct node_names *names, const char *folder, const struct conf *conf)
{
	cleanup_free char *description = describe_bucket(conf), *name = name_file(description);
	cleanup_close int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t head = strlen(description), length;
	cleanup_free char *text = NULL;
	struct error err;
	char *rest;

	*names = (struct node_names){ .count = 0 };
	if (fd < 0 || !is_fresh(fd, name) ||
	    file_read_text(fd, name, BYTES_MAX, &text, &length, &err) < 0 ||
	    strncmp(text, description, head) != 0)
		return;
	rest = text + head;
	for (char *line = strsep(&rest, "\n"); rest; line = strsep(&rest, "\n"))
		if (!read_line(names, line)) {
			log_debug("list of nodes is damaged; not used", log_text("name", name));
			node_names_done(names);
			return;
		}
}

/* Of those with the same name the latest is last. */
static int compare_nodes(const void *a, const void *b)
{
	const struct node_name *left = a, *right = b;
	int order = strcmp(left->node, right->node);

	return order ? order
		     : (left->newest_ns > right->newest_ns) - (left->newest_ns < right->newest_ns);
}

static char *format_lines(const struct node_names *names, const char *description)
{
	char *bytes = NULL, time[TEXT_TIME_MAX];
	size_t length;
	FILE *stream = open_memstream(&bytes, &length);

	if (!stream)
		return NULL;
	(void)fputs(description, stream);
	for (size_t i = 0; i < names->count; i++) {
		if (i + 1 < names->count &&
		    strcmp(names->list[i].node, names->list[i + 1].node) == 0)
			continue;
		text_format_time(names->list[i].newest_ns, time);
		(void)fprintf(stream, "%s %s\n", time, names->list[i].node);
	}
	if (fclose(stream) == 0)
		return bytes;
	free(bytes);
	return NULL;
}

void node_names_write(struct node_names *names, const char *folder, const struct conf *conf)
{
	cleanup_free char *description = describe_bucket(conf), *name = name_file(description);
	cleanup_free char *lines = NULL;
	cleanup_close int fd = -1;
	struct error err;

	if (names->count > 0)
		qsort(names->list, names->count, sizeof *names->list, compare_nodes);
	lines = format_lines(names, description);
	if (!lines || strlen(lines) > BYTES_MAX || file_make_folders(folder, FOLDER_MODE, &err) < 0)
		return;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && file_replace_in_place(fd, name, FILE_MODE, lines, strlen(lines), &err) < 0)
		log_debug("cannot keep the list of nodes", log_reason(&err));
}

size_t node_names_lower(const struct node_names *names, const char *text)
{
	size_t low = 0, high = names->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names->list[middle].node, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct node_name *node_names_find(const struct node_names *names, const char *node)
{
	size_t place = node_names_lower(names, node);

	return place < names->count && strcmp(names->list[place].node, node) == 0
		       ? &names->list[place]
		       : NULL;
}
