/* SPDX-License-Identifier: Apache-2.0 */
/* The names of nodes that an earlier listing found: they save requests, and never hide an object. */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "fetch/listing/listing.h"
#include "fetch/listing/node_names.h"
#include "memory_sink.h"

#define S    CLOCK_NS_PER_S
#define HOUR (3600 * S)
#define T0   (UINT64_C(1795442400) * S) /* 2026-11-23T14:00:00Z */

struct fixture {
	struct memory memory;
	struct listing_order order;
	struct listing listing;
	char folder[64], below[80];
	struct error err;
};

static int setup(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);

	memory_open(&fixture->memory);
	(void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_node_names.XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	(void)snprintf(fixture->below, sizeof fixture->below, "%s/a/b", fixture->folder);
	fixture->order = (struct listing_order){
		.from_ns = T0, .to_ns = T0 + 180 * S, .threads = 1, .cache_folder = fixture->below
	};
	*state = fixture;
	return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	(void)nftw(fixture->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	listing_free(&fixture->listing);
	memory_close(&fixture->memory);
	free(fixture);
	return 0;
}

static void add(struct fixture *fixture, const char *node, uint64_t start_ns)
{
	static uint64_t sequence;
	char file[SEGMENT_NAME_MAX + 1];
	struct memory_object *object;

	name_format(node, "eth0", start_ns, ++sequence, ".pcap.gz", file);
	object = memory_add(&fixture->memory, "%s/%s", node, file);
	*object = (struct memory_object){ .name = object->name,
					  .node = "n",
					  .interface = "eth0",
					  .interfaces = "eth0",
					  .has_metadata = true,
					  .earliest_ns = start_ns,
					  .latest_ns = start_ns + 300 * S,
					  .max_age_s = 300 };
}

/* So many that are silent since long, and as many that are not; their number of requests. */
static void add_nodes(struct fixture *fixture, unsigned count)
{
	char node[32];

	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(node, sizeof node, "dead-%04u", i);
		add(fixture, node, T0 - 100 * HOUR);
		(void)snprintf(node, sizeof node, "live-%04u", i);
		add(fixture, node, T0 - 300 * S);
		add(fixture, node, T0);
	}
}

static unsigned list(struct fixture *fixture)
{
	memory_sort(&fixture->memory);
	listing_free(&fixture->listing);
	atomic_store(&fixture->memory.requests, 0);
	if (listing_make(&fixture->memory.bucket, &fixture->order, NULL, NULL, &fixture->listing,
			 &fixture->err) < 0)
		fail_msg("%s", fixture->err.message);
	return atomic_load(&fixture->memory.requests);
}

/* The only file in the folder; the caller frees. */
static char *find_file(const struct fixture *fixture)
{
	cleanup_closedir DIR *dir = opendir(fixture->below);
	char *path = NULL;

	if (!dir)
		return NULL;
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
		if (entry->d_name[0] == '.')
			continue;
		assert_null(path);
		path = mem_printf("%s/%s", fixture->below, entry->d_name);
	}
	return path;
}

static size_t count_names(const struct fixture *fixture)
{
	struct node_names names;
	size_t count;

	node_names_read(&names, fixture->below, &fixture->memory.conf);
	count = names.count;
	node_names_done(&names);
	return count;
}

static void silent_nodes_cost_one_request(void **state)
{
	struct fixture *fixture = *state;
	unsigned first, second;

	add_nodes(fixture, 100);
	first = list(fixture);
	assert_int_equal(fixture->listing.count, 200);
	/* Of the silent: the first name, the window, 25 h. */
	assert_in_range(first, 500, 502);
	for (fixture->order.threads = 1; fixture->order.threads < 20; fixture->order.threads += 6) {
		second = list(fixture);
		assert_in_range(second, 300, fixture->order.threads == 1 ? 302 : 400);
		assert_int_equal(fixture->listing.count, 200);
		assert_int_equal(fixture->listing.silent_nodes, 100);
	}
	fixture->order.threads = 1;
	fixture->order.all_nodes = true;
	assert_in_range(list(fixture), first, first);
	/* Days later all are silent; what was the newest then is not news. */
	fixture->order.all_nodes = false;
	fixture->order.from_ns += 100 * HOUR;
	fixture->order.to_ns += 100 * HOUR;
	assert_in_range(list(fixture), 200, 202);
	assert_int_equal(fixture->listing.silent_nodes, 200);
}

static void nobody_new_is_missed(void **state)
{
	struct fixture *fixture = *state;

	add_nodes(fixture, 20);
	list(fixture);
	add(fixture, "aaa", T0);        /* before all others, */
	add(fixture, "dead-0007a", T0); /* behind a silent one, */
	add(fixture, "live-0007.a", T0);
	add(fixture, "zzz", T0);
	add(fixture, "dead-0003", T0);              /* one that came back, */
	add(fixture, "dead-0004", T0 - 100 * HOUR); /* one that did not, */
	add(fixture, "dead-0005", T0 - 99 * HOUR);  /* nor this one */
	add(fixture, "dead-0006", T0 + 100 * HOUR);
	for (fixture->order.threads = 1; fixture->order.threads < 9; fixture->order.threads++) {
		list(fixture);
		assert_int_equal(fixture->listing.count, 45);
		assert_int_equal(fixture->listing.silent_nodes, 19);
		assert_int_equal(count_names(fixture), 44);
		/* Before, it was silent for other reasons. */
		fixture->order.from_ns = T0 - 99 * HOUR;
		fixture->order.to_ns = fixture->order.from_ns + 60 * S;
		list(fixture);
		assert_int_equal(fixture->listing.count, 1);
		fixture->order.from_ns = T0;
		fixture->order.to_ns = T0 + 180 * S;
	}
}

static void a_pattern_uses_the_list_and_leaves_it(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = NULL;
	struct stat before, after;

	add_nodes(fixture, 20);
	list(fixture);
	path = find_file(fixture);
	assert_int_equal(stat(path, &before), 0);
	fixture->order.nodes = "dead-*,live-0001";
	assert_in_range(list(fixture), 20, 25);
	assert_int_equal(fixture->listing.count, 2);
	fixture->order.nodes = "live-0001";
	list(fixture);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void each_bucket_and_prefix_has_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct node_names names;
	struct conf other = fixture->memory.conf;

	add_nodes(fixture, 5);
	list(fixture);
	node_names_read(&names, fixture->below, &fixture->memory.conf);
	assert_int_equal(names.count, 10);
	assert_non_null(node_names_find(&names, "dead-0004"));
	assert_true(node_names_find(&names, "dead-0004")->newest_ns <= T0 - 25 * HOUR);
	assert_int_equal(node_names_find(&names, "live-0004")->newest_ns, T0);
	assert_null(node_names_find(&names, "dead-000"));
	assert_int_equal(node_names_lower(&names, "e"), 5);
	node_names_done(&names);
	other.upload_prefix = (char *)"p";
	node_names_read(&names, fixture->below, &other);
	assert_int_equal(names.count, 0);
	other.upload_prefix = (char *)"";
	other.upload_destination = (char *)"memory://b ";
	node_names_read(&names, fixture->below, &other);
	assert_int_equal(names.count, 0);
}

static void an_old_list_is_not_used(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = NULL;
	time_t now = time(NULL);
	struct timespec times[2] = { { .tv_sec = now }, { .tv_sec = now - 86300 } };

	add_nodes(fixture, 5);
	list(fixture);
	path = find_file(fixture);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(count_names(fixture), 10);
	times[1].tv_sec = now - 86402;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(count_names(fixture), 0);
	times[1].tv_sec = now + 3600;
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	assert_int_equal(count_names(fixture), 0);
}

static void write_list(const char *path, const char *lines)
{
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs("kube-node-tracer nodes 1 memory://b \n", file) >= 0);
	assert_true(fputs(lines, file) >= 0);
}

static void hostile_lists_are_not_used(void **state)
{
	static const char time[] = "2026-11-20T14:00:00Z";
	static const char *const lines[] = { "\n",
					     "node\n",
					     "%s \n",
					     "%s a/b\n",
					     "%s b\n%s a\n",
					     "%s a\n%s a\n",
					     "%s a\n\n%s b\n",
					     "x a\n",
					     "1969-11-20T14:00:00Z a\n" };
	struct fixture *fixture = *state;
	cleanup_free char *path = NULL;
	char text[1024], node[300];

	add_nodes(fixture, 5);
	list(fixture);
	path = find_file(fixture);
	for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
		struct text out = text_over(text, sizeof text);

		for (const char *p = lines[i]; *p; p++)
			if (*p == '%')
				text_append(&out, "%s", time);
			else if (*p != 's')
				text_append(&out, "%c", *p);
		write_list(path, text);
		assert_int_equal(count_names(fixture), 0);
	}
	memset(node, 'n', sizeof node - 1);
	node[sizeof node - 1] = '\0';
	(void)snprintf(text, sizeof text, "%s %s\n", time, node);
	write_list(path, text);
	assert_int_equal(count_names(fixture), 0);
	(void)snprintf(text, sizeof text, "%s %.253s\n%s o", time, node, time); /* cut short */
	write_list(path, text);
	assert_int_equal(count_names(fixture), 1);
	/* No file of ours. */
	(void)snprintf(text, sizeof text, "%s/other", fixture->below);
	assert_int_equal(rename(path, text), 0);
	assert_int_equal(symlink("other", path), 0);
	assert_int_equal(count_names(fixture), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_int_equal(count_names(fixture), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(count_names(fixture), 0);
	/* It cannot be replaced either: then there is none. */
	list(fixture);
	assert_int_equal(fixture->listing.count, 10);
}

/* Whatever a list says, all that is there is found. */
static void wrong_lists_hide_nothing(void **state)
{
	struct fixture *fixture = *state;
	static const char *const nodes[] = { "dead-0003", "dead-0003x", "live-0000", "live-00000",
					     "live-0001", "live-0002",  "live-0004", "zz" };
	cleanup_free char *path = NULL;

	add_nodes(fixture, 5);
	list(fixture);
	path = find_file(fixture);
	for (unsigned round = 0; round < 200; round++) {
		char lines[2048];
		struct text out = text_over(lines, sizeof lines);

		for (size_t i = 0; i < ARRAY_LENGTH(nodes); i++) {
			uint32_t random;
			char time[TEXT_TIME_MAX];

			unit_random(&random, sizeof random);
			text_format_time(T0 - 100 * HOUR + random % 200 * HOUR, time);
			if (random >> 31)
				text_append(&out, "%s %s\n", time, nodes[i]);
		}
		write_list(path, lines);
		fixture->order.threads = 1 + round % 5;
		list(fixture);
		/* A file that begins later than the list says is seen; so is one that the list puts later. */
		assert_int_equal(fixture->listing.count, 10);
	}
}

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(silent_nodes_cost_one_request),
		TEST(nobody_new_is_missed),
		TEST(a_pattern_uses_the_list_and_leaves_it),
		TEST(each_bucket_and_prefix_has_its_own),
		TEST(an_old_list_is_not_used),
		TEST(hostile_lists_are_not_used),
		TEST(wrong_lists_hide_nothing),
	};

	unit_add(tests, NULL, NULL);
}
