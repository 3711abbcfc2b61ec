/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A spool in a folder of its own, for the tests of the spool and of the recovery. It is in memory: where the
 * disk is busy, waiting for it is most of what these tests do.
 */

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "segment/segment.h"
#include "spool/spool_private.h"

/* The folder of the spool whose names cannot be made durable now; NULL: none. */
extern const char *unsynced_folder;
/* The one that cannot be listed now; NULL: none. */
extern const char *unlisted_folder;
/* Each rename is done, and then tried again. */
extern bool are_renames_repeated;
/* The file system has no hard links. */
extern bool are_links_refused;
/* True: a rename from this folder to this name fails; NULL: none does. */
extern bool (*refuse_rename)(const char *folder, const char *to);
/* Called before so many bytes are read from there, by pread(); NULL: nothing is. */
extern void (*before_read)(size_t capacity, uint64_t offset);
/* Called with the last part of the path of what is about to be synced; NULL: nothing is. */
extern void (*before_sync)(const char *name);
/* True: this file, by the last part of its path, cannot be synced now; NULL: all can. */
extern bool (*refuse_sync)(const char *name);

struct fixture {
	char directory[64];
	struct counters counters;
	struct spool *spool;
};

/* A new spool begins anywhere; these tests know their numbers. */
static void count_from_zero(const struct fixture *fixture)
{
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	cleanup_fclose FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs("0\n", file) >= 0);
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_calloc(1, sizeof *fixture);
	struct error err;

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	strcpy(fixture->directory, "/dev/shm/knt-test-spool-XXXXXX");
	counters_init(&fixture->counters);
	*state = fixture;
	if (!mkdtemp(fixture->directory))
		return -1;
	count_from_zero(fixture);
	return spool_open(fixture->directory, &fixture->counters, &fixture->spool, &err);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("rm -rf '%s'", fixture->directory);

	unsynced_folder = NULL;
	before_sync = NULL;
	refuse_sync = NULL;
	unlisted_folder = NULL;
	are_renames_repeated = are_links_refused = false;
	refuse_rename = NULL;
	before_read = NULL;
	spool_close(fixture->spool);
	free(fixture);
	return system(command);
}

/* As after a restart. */
static void open_again(struct fixture *fixture)
{
	struct error err;

	fixture->spool = spool_close(fixture->spool);
	assert_int_equal(spool_open(fixture->directory, &fixture->counters, &fixture->spool, &err),
			 0);
}

static inline bool is_there(const struct fixture *fixture, const char *folder, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);

	return access(path, F_OK) == 0;
}

/* Begin capturing/NAME, of this interface, with these bytes. */
static inline struct spool_writer *begin_of(struct fixture *fixture, const char *name,
					    const char *interface, const void *bytes, size_t length)
{
	struct segment segment = { .node = "n", .filter = "udp", .start_ns = name_start_ns(name) };
	struct spool *spool = fixture->spool;
	uint64_t sequence = spool->sequence, end = spool->sequence_end;
	struct spool_writer *writer;
	struct name_parts parts;
	struct error err;

	strcpy(segment.interface, interface);
	assert_true(name_parse(name, &parts));
	spool->sequence = parts.sequence - 1; /* the name's own, whatever comes next */
	spool->sequence_end = UINT64_MAX;
	if (spool_begin(spool, &segment, strchr(strrchr(name, '_'), '.'), &writer, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(writer->name, name);
	spool->sequence = sequence > parts.sequence ? sequence : parts.sequence;
	spool->sequence_end = end > spool->sequence ? end : spool->sequence;
	if (length > 0)
		assert_int_equal(spool_append(writer, bytes, length, length, &err), 0);
	return writer;
}

static inline struct spool_writer *begin(struct fixture *fixture, const char *name,
					 const void *bytes, size_t length)
{
	return begin_of(fixture, name, "eth0", bytes, length);
}

/* As if the process ended: the file stays as it is. */
static inline void crash(struct spool_writer *writer)
{
	close_fd(&writer->file.fd);
	free(writer);
}

/* Recovery is to take it. */
static inline void leave(struct spool_writer *writer)
{
	const struct error err = { .message = "a test" };

	writer->is_recovered = true; /* which logs less */
	writer->failures = 1;
	spool_leave_for_recovery(writer, &err);
}

static uint64_t du_bytes;

static int add_blocks(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)path;
	(void)type;
	(void)walk;
	du_bytes += (uint64_t)st->st_blocks * 512;
	return 0;
}

/* What du says of the spool. */
static inline uint64_t du(const struct fixture *fixture)
{
	du_bytes = 0;
	assert_int_equal(nftw(fixture->directory, add_blocks, 16, FTW_PHYS), 0);
	return du_bytes;
}
