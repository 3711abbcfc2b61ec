/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "spool_fixture.h"

#include "base/clock.h"

#define NAME(second, sequence) "n_20251123T0830" second ".000Z_eth0_" sequence ".pcap"
static const char first[] = NAME("00", "00000001"), second[] = NAME("01", "00000002"),
		  third[] = NAME("02", "00000003"), fourth[] = NAME("03", "00000004");

#define HOUR       UINT64_C(3600)
#define FILE_BYTES 65536

static const struct conf keeping = { .spool_max_segments = 100, .spool_keep = HOUR };

static uint64_t seconds_ago(uint64_t seconds)
{
	return clock_real_ns() - seconds * CLOCK_NS_PER_S;
}

static void publish(struct fixture *fixture, const char *name, uint64_t end_ns)
{
	static const char bytes[FILE_BYTES] = "pcap";
	struct spool_writer *writer = begin(fixture, name, bytes, sizeof bytes);

	writer->segment.packets = 10;
	writer->segment.end_ns = end_ns;
	assert_int_equal(spool_finish(writer), 0);
}

static struct spool_claim claim(struct fixture *fixture)
{
	struct spool_claim claimed;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	return claimed;
}

/* Publish it, and say that the sink has it. */
static void upload(struct fixture *fixture, const char *name, uint64_t end_ns)
{
	struct spool_claim claimed;
	struct error err;

	publish(fixture, name, end_ns);
	claimed = claim(fixture);
	assert_string_equal(claimed.name, name);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "secret", &err), 0);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
}

static struct spool_totals totals_of(struct fixture *fixture)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.bytes, du(fixture));
	return totals;
}

/* So many waiting and kept ones, and nothing is lost. */
static struct spool_totals assert_spool(struct fixture *fixture, uint64_t ready, uint64_t kept)
{
	struct spool_totals totals = totals_of(fixture);
	struct drops drops = counters_drops(fixture->counters.drops);

	assert_int_equal(totals.ready, ready);
	assert_int_equal(totals.kept, kept);
	assert_int_equal(totals.sending + totals.capturing + totals.rejected, 0);
	assert_int_equal(drops_sum(&drops), 0);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 0);
	assert_int_equal(fixture->spool->loss_files + fixture->spool->pending.count, 0);
	assert_int_equal(totals.lost + totals.refused, 0);
	return totals;
}

/* Only in kept/, with what is known of it. */
static void assert_kept(const struct fixture *fixture, const char *name)
{
	assert_true(is_there(fixture, "kept", name));
	assert_true(is_there(fixture, "kept/metadata", name));
	assert_false(is_there(fixture, "ready", name));
	assert_false(is_there(fixture, "sending", name));
	assert_false(is_there(fixture, "metadata", name));
	assert_false(is_there(fixture, "upload-state", name));
}

static void assert_nowhere(const struct fixture *fixture, const char *name)
{
	for (int folder = 0; folder < SPOOL_FOLDERS; folder++)
		assert_false(is_there(fixture, spool_folder_names[folder], name));
}

static void set_budget(struct fixture *fixture, const struct conf *conf)
{
	spool_set_budget(fixture->spool, conf);
}

static void test_an_uploaded_segment_stays(void **state)
{
	struct fixture *fixture = *state;
	char bytes[FILE_BYTES + 1];
	struct spool_claim none;
	struct segment segment;
	struct spool_totals totals;
	struct error err;
	int fd;

	assert_false(is_there(fixture, "kept", "."));
	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(60));
	assert_kept(fixture, first);
	totals = assert_spool(fixture, 0, 1);
	assert_in_range(totals.kept_bytes, FILE_BYTES, FILE_BYTES + 16384);
	assert_int_equal(totals.oldest_kept_ns, name_start_ns(first));
	assert_int_equal(totals.oldest_unsent_ns, 0);
	assert_int_equal(totals.oldest_ns, 0);
	assert_int_equal(totals.fullest, 0);
	assert_string_equal(totals.recent[0].state, "uploaded");
	/* The very bytes, and what is known of them. */
	fd = openat(fixture->spool->folder_fd[SPOOL_KEPT], first, O_RDONLY);
	assert_int_equal(pread(fd, bytes, sizeof bytes, 0), FILE_BYTES);
	assert_memory_equal(bytes, "pcap\0\0", 6);
	(void)close(fd);
	assert_int_equal(
		spool_metadata_read(fixture->spool, SPOOL_KEPT_METADATA, first, &segment, &err), 0);
	assert_int_equal(segment.packets, 10);
	/* It never is to be sent again. */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &none, &err),
				 0);
		assert_int_equal(spool_claim(fixture->spool, SPOOL_NEWEST_FIRST, 0, &none, &err),
				 0);
		if (i == 0)
			open_again(fixture);
		set_budget(fixture, &keeping);
		assert_int_equal(spool_rescan(fixture->spool, &err), 0);
		spool_maintain(fixture->spool);
		assert_kept(fixture, first);
		assert_int_equal(assert_spool(fixture, 0, 1).kept_bytes, totals.kept_bytes);
	}
}

static void test_without_the_option_it_goes(void **state)
{
	struct fixture *fixture = *state;

	upload(fixture, first, seconds_ago(0));
	assert_nowhere(fixture, first);
	assert_false(is_there(fixture, "kept", "."));
	(void)assert_spool(fixture, 0, 0);
}

static void test_it_goes_by_age_from_its_end(void **state)
{
	struct fixture *fixture = *state;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(HOUR));
	upload(fixture, second, seconds_ago(HOUR - 60));
	upload(fixture, third, seconds_ago(HOUR + 1));
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, first);
	assert_kept(fixture, second);
	assert_nowhere(fixture, third);
	(void)assert_spool(fixture, 0, 1);
	/* Also after a restart and a rescan; and by a clock that was set back nothing goes. */
	open_again(fixture);
	set_budget(fixture, &keeping);
	upload(fixture, fourth, seconds_ago(0) + HOUR * CLOCK_NS_PER_S);
	spool_maintain(fixture->spool);
	assert_kept(fixture, second);
	assert_kept(fixture, fourth);
	(void)assert_spool(fixture, 0, 2);
}

static void test_a_shorter_time_counts_at_once(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(120));
	upload(fixture, second, seconds_ago(30));
	spool_maintain(fixture->spool);
	conf.spool_keep = 60;
	set_budget(fixture, &conf);
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, first);
	assert_kept(fixture, second);
	/* None: the folder goes, too, so that an older version finds what it knows. */
	conf.spool_keep = 0;
	set_budget(fixture, &conf);
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, second);
	assert_false(is_there(fixture, "kept", "."));
	(void)assert_spool(fixture, 0, 0);
	/* And it comes again. */
	set_budget(fixture, &keeping);
	upload(fixture, third, seconds_ago(0));
	assert_kept(fixture, third);
}

static void test_many_go_at_once(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct conf conf = keeping;

	set_budget(fixture, &keeping);
	for (uint64_t i = 1; i <= 100; i++) {
		name_format("n", "eth0", (1700000000 + i) * CLOCK_NS_PER_S, i, ".pcap", name);
		upload(fixture, name, seconds_ago(i < 60 ? HOUR + 1 : 0));
	}
	publish(fixture, first, seconds_ago(0));
	spool_maintain(fixture->spool);
	(void)assert_spool(fixture, 1, 41);
	conf.spool_keep = 0;
	set_budget(fixture, &conf);
	spool_maintain(fixture->spool);
	(void)assert_spool(fixture, 1, 0);
	assert_true(is_there(fixture, "ready", first));
}

static atomic_uint reads;

static void read_slowly(size_t capacity, uint64_t offset)
{
	(void)capacity;
	(void)offset;
	reads++;
	(void)nanosleep(&(struct timespec){ .tv_nsec = (long)CLOCK_NS_PER_MS }, NULL);
}

static void *expire(void *spool)
{
	spool_kept_expire(spool);
	return NULL;
}

/* A recorder that wants the lock has it after the batch that is under way, and not when all of them are through. */
static void test_many_of_them_hold_nobody_up(void **state)
{
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	unsigned before, after;
	pthread_t thread;

	set_budget(fixture, &keeping);
	for (uint64_t i = 1; i <= 256; i++) {
		name_format("n", "eth0", (1700000000 + i) * CLOCK_NS_PER_S, i, ".pcap", name);
		upload(fixture, name, seconds_ago(0));
	}
	before_read = read_slowly;
	assert_int_equal(pthread_create(&thread, NULL, expire, fixture->spool), 0);
	while (reads == 0)
		(void)sched_yield();
	before = reads;
	(void)pthread_mutex_lock(&fixture->spool->lock);
	after = reads;
	(void)pthread_mutex_unlock(&fixture->spool->lock);
	(void)pthread_join(thread, NULL);
	before_read = NULL;
	assert_in_range(reads, 256, 1024);
	assert_in_range(after - before, 0, reads / 4);
}

/* Where the metadata are gone or damaged, the file's own time counts. */
static void test_age_without_metadata(void **state)
{
	struct fixture *fixture = *state;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = 0 } };
	struct spool *spool = fixture->spool;
	struct spool_totals totals;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	upload(fixture, second, seconds_ago(0));
	times[1].tv_sec = (time_t)(seconds_ago(HOUR + 5) / CLOCK_NS_PER_S);
	assert_int_equal(utimensat(spool->folder_fd[SPOOL_KEPT], first, times, 0), 0);
	assert_int_equal(unlinkat(spool->folder_fd[SPOOL_KEPT_METADATA], first, 0), 0);
	assert_int_equal(unlinkat(spool->folder_fd[SPOOL_KEPT_METADATA], second, 0), 0);
	open_again(fixture);
	set_budget(fixture, &keeping);
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, first);
	assert_true(is_there(fixture, "kept", second));
	totals = totals_of(fixture);
	assert_int_equal(totals.kept, 1);
}

static void test_it_goes_before_all_else(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;
	struct spool_claim claimed;
	struct spool_totals totals;
	struct error err;

	set_budget(fixture, &conf);
	publish(fixture, first, seconds_ago(0));
	claimed = claim(fixture);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	upload(fixture, second, seconds_ago(0));
	upload(fixture, third, seconds_ago(0));
	publish(fixture, fourth, seconds_ago(0));
	spool_maintain(fixture->spool);
	/* The oldest of them, although what was rejected is older. */
	conf.spool_max_size = du(fixture) - 1;
	set_budget(fixture, &conf);
	spool_enforce(fixture->spool);
	assert_true(is_there(fixture, "rejected", first));
	assert_nowhere(fixture, second);
	assert_kept(fixture, third);
	assert_true(is_there(fixture, "ready", fourth));
	/* A segment that has no other room gets theirs. */
	conf.spool_max_size = du(fixture) + 65536;
	set_budget(fixture, &conf);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", FILE_BYTES, &err), 0);
	assert_nowhere(fixture, third);
	assert_true(is_there(fixture, "rejected", first));
	assert_true(is_there(fixture, "ready", fourth));
	totals = totals_of(fixture);
	assert_int_equal(totals.kept, 0);
	assert_int_equal(totals.kept_bytes, 0);
	assert_int_equal(totals.lost, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
	/* Then it is the turn of what was rejected. */
	conf.spool_max_size = du(fixture) - 1;
	set_budget(fixture, &conf);
	spool_enforce(fixture->spool);
	assert_nowhere(fixture, first);
	assert_true(is_there(fixture, "ready", fourth));
}

/* One that the disk does not delete costs no packet: others go in its place, and it goes when it can. */
static void test_one_that_stays_is_in_nobodys_way(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/kept/%s", fixture->directory, first);
	struct conf conf = keeping;
	struct error err;

	set_budget(fixture, &conf);
	upload(fixture, first, seconds_ago(0));
	upload(fixture, second, seconds_ago(0));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	conf.spool_max_size = du(fixture) + 2 * FILE_BYTES;
	set_budget(fixture, &conf);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", FILE_BYTES, &err), 0);
	assert_nowhere(fixture, second);
	assert_false(spool_is_full(fixture->spool, NULL));
	conf.spool_max_size = 0;
	set_budget(fixture, &conf);
	/* What waits is the next; a full disk finds it as well. */
	publish(fixture, third, seconds_ago(0));
	publish(fixture, fourth, seconds_ago(0));
	assert_true(spool_evict_one(fixture->spool));
	assert_false(is_there(fixture, "ready", third));
	assert_true(is_there(fixture, "ready", fourth));
	/* It is tried again. */
	spool_retry_now(fixture->spool);
	assert_int_equal(rmdir(path), 0);
	conf.spool_keep = 0;
	set_budget(fixture, &conf);
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, first);
	assert_int_equal(fixture->spool->counts[SPOOL_KEPT], 0);
	assert_true(is_there(fixture, "ready", fourth));
}

/* An index is worth no segment, but more than what is uploaded. */
static void test_it_makes_room_for_an_index(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;
	struct error err;

	set_budget(fixture, &conf);
	upload(fixture, first, seconds_ago(0));
	publish(fixture, second, seconds_ago(0));
	conf.spool_max_size = du(fixture) + 65536;
	set_budget(fixture, &conf);
	assert_int_equal(spool_reserve_extra(fixture->spool,
					     spool_entries_find(fixture->spool, second), 4096,
					     &err),
			 0);
	assert_nowhere(fixture, first);
	assert_int_equal(spool_reserve_extra(fixture->spool,
					     spool_entries_find(fixture->spool, second),
					     2 * FILE_BYTES, &err),
			 -1);
	assert_true(is_there(fixture, "ready", second));
}

static void test_it_is_no_waiting_segment(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = { .spool_max_segments = 2,
			     .spool_keep = HOUR,
			     .spool_when_full = CONF_WHEN_FULL_DROP_NEWEST };
	struct error err;

	set_budget(fixture, &conf);
	upload(fixture, first, seconds_ago(0));
	upload(fixture, second, seconds_ago(0));
	upload(fixture, third, seconds_ago(0));
	publish(fixture, fourth, seconds_ago(0));
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1000, &err), 0);
	spool_enforce(fixture->spool);
	(void)assert_spool(fixture, 1, 3);
	assert_false(spool_is_full(fixture->spool, NULL));
	/* And where that limit is reached, none of them helps, and none goes. */
	conf.spool_max_segments = 0;
	conf.spool_when_full = CONF_WHEN_FULL_DROP_OLDEST;
	set_budget(fixture, &conf);
	spool_enforce(fixture->spool);
	assert_int_equal(totals_of(fixture).kept, 3);
	assert_int_equal(totals_of(fixture).ready, 0);
}

/* What is kept takes nothing of the limits that an operator is to look at, nor stops it uploads from being spread. */
static void test_it_is_no_shortage(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;
	struct spool_totals totals;
	struct error err;
	double before;

	conf.spool_when_full = CONF_WHEN_FULL_DROP_NEWEST;
	conf.spool_max_size = 8 * FILE_BYTES;
	set_budget(fixture, &conf);
	spool_enforce(fixture->spool);
	before = totals_of(fixture).use;
	upload(fixture, first, seconds_ago(0));
	upload(fixture, second, seconds_ago(0));
	upload(fixture, third, seconds_ago(0));
	totals = totals_of(fixture);
	assert_int_equal(totals.kept, 3);
	/* Its folders do count. */
	assert_true(totals.use < before + 0.1);
	/* Nearly all is taken, mostly by them: a new segment has room, and there is some to spare. */
	conf.spool_max_size = du(fixture) + FILE_BYTES + 65536 + 8192;
	set_budget(fixture, &conf);
	(void)pthread_mutex_lock(&fixture->spool->lock);
	atomic_store(&fixture->spool->spread_ms, 1000);
	assert_int_equal(spool_spread(fixture->spool).span_ms, 1000);
	(void)pthread_mutex_unlock(&fixture->spool->lock);
	atomic_store(&fixture->spool->is_full, true);
	fixture->spool->was_full = true;
	assert_int_equal(spool_make_room(fixture->spool, "eth0", FILE_BYTES, &err), 0);
	assert_int_equal(totals_of(fixture).kept, 3);
	assert_false(spool_is_full(fixture->spool, NULL));
	assert_false(fixture->spool->was_full);
}

/* Nor is there more to spare because one of them went. */
static void test_it_ends_no_shortage(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;
	struct error err;
	char name[SEGMENT_NAME_MAX + 1];

	conf.spool_when_full = CONF_WHEN_FULL_DROP_NEWEST;
	set_budget(fixture, &conf);
	spool_enforce(fixture->spool);
	upload(fixture, first, seconds_ago(0));
	for (uint64_t i = 1; i <= 8; i++) {
		name_format("n", "eth0", (1700000000 + i) * CLOCK_NS_PER_S, i, ".pcap", name);
		publish(fixture, name, seconds_ago(0));
	}
	conf.spool_max_size = du(fixture) + 65536 + 8192;
	set_budget(fixture, &conf);
	atomic_store(&fixture->spool->is_full, true);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", FILE_BYTES, &err), -1);
	assert_int_equal(totals_of(fixture).kept, 0);
	assert_true(spool_is_full(fixture->spool, NULL));
	assert_int_equal(totals_of(fixture).ready, 8);
}

/* A disk without room takes the next packets. */
static void test_it_goes_when_the_disk_is_full(void **state)
{
	struct fixture *fixture = *state;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	publish(fixture, second, seconds_ago(0));
	atomic_store(&fixture->spool->is_full, true);
	assert_true(spool_evict_one(fixture->spool));
	assert_true(spool_is_full(fixture->spool, NULL));
	assert_nowhere(fixture, first);
	(void)assert_spool(fixture, 1, 0);
	assert_false(fixture->spool->is_deleting);
}

static void put(struct fixture *fixture, const char *folder, const char *name, bool is_wanted)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);

	if (!is_wanted)
		assert_true(unlink(path) == 0 || errno == ENOENT);
}

static void link_to(struct fixture *fixture, const char *from, const char *folder, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);
	cleanup_free char *source = mem_printf("%s/%s", fixture->directory, from);

	assert_true(link(source, path) == 0 || errno == EEXIST);
}

/*
 * The three renames of an upload that is kept, each of which a kill or a power failure finds done, not done, or (a
 * file system without a journal) in both places; and what was known of attempts, there or not.
 */
static void try_broken_off(struct fixture *fixture, unsigned file, unsigned metadata,
			   bool has_upload_state)
{
	static const char sent[] = "." NAME("00", "00000001") ".new";
	bool is_sending = file == 0 || file == 3, is_sent = file == 1 || file == 4,
	     is_kept = file >= 2, is_ready = file == 0;
	struct spool_claim claimed;
	struct segment segment;
	struct error err;

	upload(fixture, first, seconds_ago(0));
	link_to(fixture, "kept/" NAME("00", "00000001"), "sending", first);
	link_to(fixture, "kept/" NAME("00", "00000001"), "sending", sent);
	link_to(fixture, "kept/metadata/" NAME("00", "00000001"), "metadata", first);
	link_to(fixture, "kept/metadata/" NAME("00", "00000001"), "upload-state", first);
	put(fixture, "sending", first, is_sending);
	put(fixture, "sending", sent, is_sent);
	put(fixture, "kept", first, is_kept);
	put(fixture, "metadata", first, metadata != 1);
	put(fixture, "kept/metadata", first, metadata != 0);
	put(fixture, "upload-state", first, has_upload_state);
	open_again(fixture);
	set_budget(fixture, &keeping);
	spool_maintain(fixture->spool);
	(void)assert_spool(fixture, is_ready, !is_ready);
	assert_false(is_there(fixture, "sending", sent));
	if (is_ready) {
		assert_false(is_there(fixture, "kept/metadata", first));
		claimed = claim(fixture);
		assert_int_equal(claimed.segment.packets, 10);
		assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	}
	assert_kept(fixture, first);
	assert_int_equal(
		spool_metadata_read(fixture->spool, SPOOL_KEPT_METADATA, first, &segment, &err), 0);
	assert_int_equal(segment.packets, 10);
	set_budget(fixture, &(struct conf){ .spool_max_segments = 100 });
	spool_maintain(fixture->spool);
	assert_nowhere(fixture, first);
}

static void test_a_start_goes_on_with_it(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned file = 0; file < 5; file++)
		for (unsigned metadata = 0; metadata < 3; metadata++)
			for (unsigned upload_state = 0; upload_state < 2; upload_state++) {
				set_budget(fixture, &keeping);
				try_broken_off(fixture, file, metadata, upload_state);
			}
}

static bool refuse_return(const char *folder, const char *to)
{
	return strcmp(folder, "metadata") == 0 && strcmp(to, first) == 0;
}

/* What is known of one that is back among the others may be all that knows of its losses: it is not thrown away. */
static void test_metadata_that_cannot_return_stay(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *from = mem_printf("%s/kept/%s", fixture->directory, first);
	cleanup_free char *to = mem_printf("%s/ready/%s", fixture->directory, first);

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	assert_int_equal(rename(from, to), 0);
	refuse_rename = refuse_return;
	open_again(fixture);
	refuse_rename = NULL;
	assert_true(is_there(fixture, "kept/metadata", first));
	open_again(fixture);
	assert_true(is_there(fixture, "metadata", first));
	assert_false(is_there(fixture, "kept/metadata", first));
	(void)assert_spool(fixture, 1, 0);
}

/* What a version without this option makes of it: no loss, and the folder is left alone. */
static void test_an_older_version_sees_no_loss(void **state)
{
	struct fixture *fixture = *state;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	/* Whatever has metadata and no file is lost for it. */
	assert_false(is_there(fixture, "metadata", first));
	for (int folder = 0; folder < SPOOL_KEPT; folder++)
		assert_false(is_there(fixture, spool_folder_names[folder], first));
}

static void test_an_operator_moves_it(void **state)
{
	struct fixture *fixture = *state;
	struct spool *spool = fixture->spool;
	struct spool_claim claimed;
	struct error err;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	upload(fixture, second, seconds_ago(0));
	upload(fixture, third, seconds_ago(0));
	/* To be uploaded again, with all that is known of it; or away, which is no loss. */
	assert_int_equal(
		renameat(spool->folder_fd[SPOOL_KEPT], first, spool->folder_fd[SPOOL_READY], first),
		0);
	assert_int_equal(unlinkat(spool->folder_fd[SPOOL_KEPT], second, 0), 0);
	assert_int_equal(spool_rescan(spool, &err), 0);
	(void)assert_spool(fixture, 1, 1);
	assert_nowhere(fixture, second);
	claimed = claim(fixture);
	assert_string_equal(claimed.name, first);
	assert_int_equal(claimed.segment.packets, 10);
	assert_int_equal(spool_remove(spool, &claimed, &err), 0);
	assert_kept(fixture, first);
	(void)assert_spool(fixture, 0, 2);
}

/* A copy is uploaded again, and takes the place of the first one. */
static void test_an_operator_copies_it(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("cp %s/kept/%s %s/ready/", fixture->directory,
						first, fixture->directory);
	struct spool_claim claimed;
	struct error err;

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	assert_int_equal(system(command), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	claimed = claim(fixture);
	assert_string_equal(claimed.name, first);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_kept(fixture, first);
	(void)assert_spool(fixture, 0, 1);
}

static void test_the_folder_is_taken_away(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("rm -rf %s/kept", fixture->directory);

	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	assert_int_equal(system(command), 0);
	/* Between that and the next look it may not be kept, but it is uploaded. */
	upload(fixture, second, seconds_ago(0));
	spool_maintain(fixture->spool);
	assert_false(spool_is_removed(fixture->spool));
	assert_nowhere(fixture, first);
	assert_nowhere(fixture, second);
	(void)assert_spool(fixture, 0, 0);
	upload(fixture, third, seconds_ago(0));
	assert_kept(fixture, third);
	(void)assert_spool(fixture, 0, 1);
}

static bool refuse_kept(const char *folder, const char *to)
{
	(void)to;
	return strcmp(folder, "sending") == 0 && to[0] != '.';
}

/* A disk that does not take it: it is uploaded all the same, and goes. */
static void test_it_cannot_be_kept(void **state)
{
	struct fixture *fixture = *state;

	set_budget(fixture, &keeping);
	publish(fixture, first, seconds_ago(0));
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	{
		struct spool_claim claimed = claim(fixture);
		struct error err;

		refuse_rename = refuse_kept;
		assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
		refuse_rename = NULL;
	}
	assert_nowhere(fixture, first);
	(void)assert_spool(fixture, 0, 0);
}

/* The sink has it, the disk does not move it yet: later it is kept. */
static bool refuse_sent(const char *folder, const char *to)
{
	return strcmp(folder, "sending") == 0 && to[0] == '.';
}

static void test_it_is_kept_later(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	set_budget(fixture, &keeping);
	publish(fixture, first, seconds_ago(0));
	claimed = claim(fixture);
	refuse_rename = refuse_sent;
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), -1);
	refuse_rename = NULL;
	assert_true(is_there(fixture, "sending", first));
	spool_maintain(fixture->spool);
	assert_kept(fixture, first);
	(void)assert_spool(fixture, 0, 1);
}

/* With the renames of a network file system, each of which may be asked for twice. */
static void test_renames_are_repeated(void **state)
{
	struct fixture *fixture = *state;

	struct spool_claim claimed;
	struct error err;

	set_budget(fixture, &keeping);
	publish(fixture, first, seconds_ago(0));
	claimed = claim(fixture);
	are_renames_repeated = true;
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	are_renames_repeated = false;
	assert_kept(fixture, first);
	(void)assert_spool(fixture, 0, 1);
}

static void test_numbers_of_kept_segments_are_not_repeated(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	uint64_t number;
	struct error err;

	set_budget(fixture, &keeping);
	upload(fixture, fourth, seconds_ago(0));
	fixture->spool = spool_close(fixture->spool);
	assert_int_equal(unlink(path), 0);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &number, &err), 0);
	assert_int_equal(number, 5);
}

/* Nothing for another destination waits in kept/, so that it can be forgotten. */
static void test_destinations_are_forgotten(void **state)
{
	struct fixture *fixture = *state;
	struct spool *spool = fixture->spool;

	set_budget(fixture, &keeping);
	spool_set_destination(spool, "file:///a", 1, 0);
	upload(fixture, first, seconds_ago(0));
	spool_set_destination(spool, "gs://b", 10, 1);
	spool_set_destination(spool, "gs://c", 20, 2);
	assert_int_equal(totals_of(fixture).kept_back, 0);
	assert_int_equal(totals_of(fixture).kept, 1);
	assert_true(spool->destinations.count <= 2);
}

static void test_names_of_later_versions_are_not_foreign(void **state)
{
	static const char *const names[] = { "held", "packing", "incidents", "kept" };
	struct fixture *fixture = *state;
	struct error err;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		cleanup_free char *path = mem_printf("%s/%s", fixture->directory, names[i]);

		assert_int_equal(mkdir(path, 0750), 0);
	}
	assert_int_equal(spool_may_chown(fixture->directory, &err), 0);
	assert_int_equal(spool_chown(fixture->directory, geteuid(), getegid(), &err), 0);
	open_again(fixture);
	assert_true(is_there(fixture, "held", "."));
	spool_maintain(fixture->spool);
	assert_true(is_there(fixture, "held", "."));
}

static uid_t owner(const struct fixture *fixture, const char *folder, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void test_it_is_given_away_with_the_others(void **state)
{
	static const uid_t somebody = 12345;
	struct fixture *fixture = *state;
	struct error err;

	if (geteuid() != 0)
		skip(); /* only root can give anything away */
	set_budget(fixture, &keeping);
	upload(fixture, first, seconds_ago(0));
	if (spool_chown(fixture->directory, somebody, somebody, &err) < 0)
		skip(); /* root of a namespace that has no such user */
	assert_int_equal(owner(fixture, "kept", first), somebody);
	assert_int_equal(owner(fixture, "kept", "."), somebody);
	assert_int_equal(owner(fixture, "kept/metadata", first), somebody);
	assert_int_equal(owner(fixture, "kept/metadata", "."), somebody);
}

static void test_it_is_room_for_a_start(void **state)
{
	struct fixture *fixture = *state;
	struct conf conf = keeping;
	uint64_t needed, before, after;

	conf.spool_directory = fixture->directory;
	conf.segment_size = UINT64_C(1) << 60;
	set_budget(fixture, &conf);
	assert_non_null(spool_too_small(&conf, 1, &needed, &before));
	publish(fixture, first, seconds_ago(0));
	assert_non_null(spool_too_small(&conf, 1, &needed, &before));
	{
		struct spool_claim claimed = claim(fixture);
		struct error err;

		assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	}
	assert_non_null(spool_too_small(&conf, 1, &needed, &after));
	assert_true(after >= before + FILE_BYTES - 16384); /* others may use this file system */
}

#define KEPT_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

UNIT_TESTS()
{
	static const struct CMUnitTest tests[] = {
		KEPT_TEST(test_an_uploaded_segment_stays),
		KEPT_TEST(test_without_the_option_it_goes),
		KEPT_TEST(test_it_goes_by_age_from_its_end),
		KEPT_TEST(test_a_shorter_time_counts_at_once),
		KEPT_TEST(test_many_go_at_once),
		KEPT_TEST(test_many_of_them_hold_nobody_up),
		KEPT_TEST(test_age_without_metadata),
		KEPT_TEST(test_it_goes_before_all_else),
		KEPT_TEST(test_one_that_stays_is_in_nobodys_way),
		KEPT_TEST(test_it_makes_room_for_an_index),
		KEPT_TEST(test_it_is_no_waiting_segment),
		KEPT_TEST(test_it_is_no_shortage),
		KEPT_TEST(test_it_ends_no_shortage),
		KEPT_TEST(test_it_goes_when_the_disk_is_full),
		KEPT_TEST(test_a_start_goes_on_with_it),
		KEPT_TEST(test_metadata_that_cannot_return_stay),
		KEPT_TEST(test_an_older_version_sees_no_loss),
		KEPT_TEST(test_an_operator_moves_it),
		KEPT_TEST(test_an_operator_copies_it),
		KEPT_TEST(test_the_folder_is_taken_away),
		KEPT_TEST(test_it_cannot_be_kept),
		KEPT_TEST(test_it_is_kept_later),
		KEPT_TEST(test_renames_are_repeated),
		KEPT_TEST(test_numbers_of_kept_segments_are_not_repeated),
		KEPT_TEST(test_destinations_are_forgotten),
		KEPT_TEST(test_names_of_later_versions_are_not_foreign),
		KEPT_TEST(test_it_is_given_away_with_the_others),
		KEPT_TEST(test_it_is_room_for_a_start),
	};

	unit_add(tests, NULL, NULL);
}
