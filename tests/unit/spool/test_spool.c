/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "spool_fixture.h"

#include "base/clock.h"

#define NAME(second, sequence) "n_20251123T0830" second ".000Z_eth0_" sequence ".pcap"
static const char first[] = NAME("00", "00000001"), second[] = NAME("01", "00000002"),
		  third[] = NAME("02", "00000003");

static void publish(struct fixture *fixture, const char *name)
{
	struct spool_writer *writer = begin(fixture, name, "123456789", 9);

	writer->segment.packets = 10;
	assert_int_equal(spool_finish(writer), 0);
}

static struct spool_claim claim(struct fixture *fixture, enum spool_order order)
{
	struct spool_claim claimed;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, order, 0, &claimed, &err), 1);
	return claimed;
}

static uint64_t assert_counts(struct fixture *fixture, uint64_t ready, uint64_t sending,
			      uint64_t rejected)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.ready, ready);
	assert_int_equal(totals.sending, sending);
	assert_int_equal(totals.rejected, rejected);
	return totals.bytes;
}

/* And the sum is that of du. */
static void assert_totals(struct fixture *fixture, uint64_t ready, uint64_t sending,
			  uint64_t rejected)
{
	uint64_t bytes = assert_counts(fixture, ready, sending, rejected);

	assert_int_equal(bytes, du(fixture));
}

static void enforce(struct fixture *fixture, const struct conf *budget)
{
	spool_set_budget(fixture->spool, budget);
	spool_enforce(fixture->spool);
}

static void test_oldest_or_newest_first(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim one, two, three;
	struct error err;

	publish(fixture, second);
	publish(fixture, third);
	publish(fixture, first);
	assert_totals(fixture, 3, 0, 0);
	one = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(one.name, first);
	assert_int_equal(one.segment.packets, 10);
	three = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_string_equal(three.name, third);
	two = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(two.name, second);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &one, &err), 0);
	assert_totals(fixture, 0, 3, 0);
	(void)close(one.fd);
	(void)close(two.fd);
	(void)close(three.fd);
}

static void test_a_claim_ends_in_one_of_three_ways(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_true(is_there(fixture, "sending", first));
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	assert_true(is_there(fixture, "ready", first));
	assert_totals(fixture, 1, 0, 0);

	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_true(is_there(fixture, "rejected", first));
	assert_true(is_there(fixture, "metadata", first));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_REJECTED]), 10);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 10);
	assert_totals(fixture, 0, 0, 1);

	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_false(is_there(fixture, "sending", second));
	assert_false(is_there(fixture, "metadata", second));
	assert_totals(fixture, 0, 0, 1);
}

static void test_restart_sends_what_was_being_sent(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;

	publish(fixture, first);
	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	(void)close(claimed.fd);
	open_again(fixture);
	assert_totals(fixture, 2, 0, 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, first);
	assert_int_equal(claimed.segment.crc32c, 0xe3069283);
	(void)close(claimed.fd);
}

static void test_sequence_never_repeats(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	uint64_t before, after;
	struct error err;
	FILE *file;

	assert_int_equal(spool_next_sequence(fixture->spool, &before, &err), 0);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	assert_int_equal(after, before + 1);
	/* Even with the counter gone or damaged, what is in the spool is not repeated. */
	publish(fixture, NAME("09", "00000777"));
	assert_int_equal(unlink(path), 0);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	assert_int_equal(after, 778);
	fixture->spool = spool_close(fixture->spool);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("garbage", file) >= 0);
	assert_int_equal(fclose(file), 0);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	assert_int_equal(after, 778);
}

/* Two recorders of one name must not mean the same name, nor one whose spool was deleted. */
static void test_new_spools_begin_anywhere(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	uint64_t numbers[3], next;
	struct error err;

	for (size_t i = 0; i < ARRAY_LENGTH(numbers); i++) {
		fixture->spool = spool_close(fixture->spool);
		assert_int_equal(unlink(path), 0);
		open_again(fixture);
		assert_int_equal(spool_next_sequence(fixture->spool, &numbers[i], &err), 0);
		assert_in_range(numbers[i], 1, 90000000);
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(numbers[i], numbers[k]);
	}
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &next, &err), 0);
	assert_int_equal(next, numbers[2] + 1);
}

/* A crash uses none of a block twice, and what a stop leaves of it is not lost. */
static void test_sequence_is_reserved_in_blocks(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	uint64_t before, after;
	struct stat stored, again;
	struct error err;

	assert_int_equal(spool_next_sequence(fixture->spool, &before, &err), 0);
	assert_int_equal(stat(path, &stored), 0);
	for (int i = 0; i < 999; i++)
		assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	assert_int_equal(after, before + 999);
	assert_int_equal(stat(path, &again), 0);
	assert_int_equal(stored.st_ino, again.st_ino); /* not written since */
	assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	fixture->spool->sequence_end =
		fixture->spool->sequence; /* so that closing stores nothing */
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &before, &err), 0);
	assert_int_equal(before, after + 1000);
}

static void test_segment_without_metadata_is_read(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *metadata = mem_printf("%s/metadata/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	for (int is_empty = 0; is_empty < 2; is_empty++) { /* as a power failure may leave it */
		assert_int_equal(unlink(metadata), 0);
		if (is_empty)
			assert_int_equal(close(open(metadata, O_WRONLY | O_CREAT, 0640)), 0);
		claimed = claim(fixture, SPOOL_OLDEST_FIRST);
		assert_int_equal(claimed.segment.bytes, 9);
		assert_int_equal(claimed.segment.crc32c, 0xe3069283);
		assert_string_equal(claimed.segment.interface, "eth0");
		assert_int_equal(spool_release(fixture->spool, &claimed, false, &err), 0);
		if (!is_empty)
			assert_int_equal(close(open(metadata, O_WRONLY | O_CREAT, 0640)), 0);
	}
}

/* Of a segment that never had a packet. */
static void test_orphaned_metadata_are_removed_at_start(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *open = mem_printf("%s/capturing/%s", fixture->directory, first);

	crash(begin(fixture, first, "", 0));
	publish(fixture, second);
	assert_int_equal(unlink(open), 0);
	open_again(fixture);
	assert_false(is_there(fixture, "metadata", first));
	assert_true(is_there(fixture, "metadata", second));
}

static void test_operator_may_take_and_bring_files(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *ready = mem_printf("%s/ready/%s", fixture->directory, first);
	cleanup_free char *rejected = mem_printf("%s/rejected/%s", fixture->directory, second);
	cleanup_free char *back = mem_printf("%s/ready/%s", fixture->directory, second);
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	assert_int_equal(unlink(ready), 0);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 0);
	assert_totals(fixture, 0, 0, 0);
	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_int_equal(rename(rejected, back), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_totals(fixture, 1, 0, 0);
}

/* The same when such a segment is refused. */
static void test_a_claim_has_the_packets_that_the_list_knows(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *metadata = mem_printf("%s/metadata/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	assert_int_equal(unlink(metadata), 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(claimed.segment.packets, 10);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_REJECTED]), 10);
}

static void assert_vanished(struct fixture *fixture, uint64_t segments)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.lost, segments);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 10 * segments);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 10 * segments);
}

/* What vanishes counts whoever notices first; what an operator moves between the folders does not. */
static void test_what_vanished_is_counted_when_the_folders_are_listed(void **state)
{
	static const char fourth[] = NAME("03", "00000004");
	struct fixture *fixture = *state;
	cleanup_free char *ready = mem_printf("%s/ready/%s", fixture->directory, first);
	cleanup_free char *sending = mem_printf("%s/sending/%s", fixture->directory, second);
	cleanup_free char *capturing = mem_printf("%s/capturing/%s", fixture->directory, third);
	cleanup_free char *moved = mem_printf("%s/ready/%s", fixture->directory, fourth);
	cleanup_free char *to = mem_printf("%s/rejected/%s", fixture->directory, fourth);
	struct spool_writer *writer;
	struct spool_claim claimed;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	assert_int_equal(unlink(ready), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_vanished(fixture, 1);
	assert_false(is_there(fixture, "metadata", first));

	/* Somebody still has it open: how that ends is told then. */
	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(unlink(sending), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_vanished(fixture, 1);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), -1);
	assert_vanished(fixture, 2);

	writer = begin(fixture, third, "x", 1);
	writer->segment.packets = 10;
	assert_int_equal(spool_note(writer, &err), 0);
	leave(writer);
	assert_int_equal(unlink(capturing), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_vanished(fixture, 3);

	publish(fixture, fourth);
	assert_int_equal(rename(moved, to), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_totals(fixture, 0, 0, 1);
	assert_vanished(fixture, 3);
	assert_int_equal(unlink(to), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_totals(fixture, 0, 0, 0);
	assert_vanished(fixture, 4);
}

/* The metadata on a full disk are those of the beginning; how many packets there are, only the list knows. */
static void test_listing_anew_forgets_no_packets(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *metadata = mem_printf("%s/metadata/%s", fixture->directory, first);
	struct error err;

	publish(fixture, first);
	assert_int_equal(unlink(metadata), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	enforce(fixture, &(struct conf){ .spool_max_segments = 0 });
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 10);
}

static void test_budget_takes_rejected_then_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 3 };
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	publish(fixture, third);
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	enforce(fixture, &budget);
	assert_totals(fixture, 2, 0, 1);
	budget.spool_max_segments = 2;
	enforce(fixture, &budget);
	assert_totals(fixture, 2, 0, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
	budget.spool_max_segments = 1;
	enforce(fixture, &budget);
	assert_totals(fixture, 1, 0, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 10);
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 20); /* one rejected */
	assert_true(is_there(fixture, "ready", second));
	assert_false(is_there(fixture, "metadata", first));
	assert_false(spool_is_full(fixture->spool, NULL));
}

static void test_what_is_being_sent_is_never_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 1, .spool_max_size = 1 };
	struct spool_claim claimed;

	publish(fixture, first);
	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	enforce(fixture, &budget);
	assert_totals(fixture, 0, 1, 0);
	assert_true(is_there(fixture, "sending", first));
	(void)close(claimed.fd);
}

/* Whatever a crash leaves: the sum is that of du, before and after, but for other people's files. */
static void test_the_sum_is_exact_after_a_crash(void **state)
{
	struct fixture *fixture = *state;
	static const char *const strange[] = { "ready/notes.txt", "metadata/notes.txt", "notes.txt",
					       "folder/deep/notes.txt" };
	static char block[10000];
	cleanup_free char *folder = mem_printf("%s/folder", fixture->directory);
	cleanup_free char *deep = mem_printf("%s/folder/deep", fixture->directory);
	cleanup_free char *left = mem_printf("%s/metadata/.%s.new", fixture->directory, third);
	struct spool_claim claimed;
	uint64_t empty = du(fixture), strangers;
	struct error err;
	int fd;

	assert_int_equal(mkdir(folder, 0700), 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(strange); i++) {
		cleanup_free char *path = mem_printf("%s/%s", fixture->directory, strange[i]);

		fd = open(path, O_WRONLY | O_CREAT, 0600);
		assert_int_equal(file_write_all(fd, block, sizeof block, &err), 0);
		(void)close(fd);
	}
	strangers = du(fixture) - empty;
	publish(fixture, first);
	publish(fixture, second);
	crash(begin(fixture, third, block, sizeof block)); /* never finished */
	fd = open(left, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	(void)close(fd);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	(void)close(claimed.fd);
	open_again(fixture);
	assert_int_equal(assert_counts(fixture, 2, 0, 0) + strangers, du(fixture));
	assert_int_equal(access(left, F_OK), -1);
	enforce(fixture, &(struct conf){ .spool_max_segments = 0, .spool_max_size = 1 });
	assert_int_equal(assert_counts(fixture, 0, 0, 0) + strangers, du(fixture));
	for (size_t i = 0; i < ARRAY_LENGTH(strange); i++) {
		cleanup_free char *path = mem_printf("%s/%s", fixture->directory, strange[i]);

		assert_int_equal(access(path, F_OK), 0);
	}
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 0);
}

/* A recorder asks before it writes: old segments go first, what is being written counts. */
static void test_room_is_made_before_it_is_taken(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 100 };
	struct spool_totals totals;
	struct error err;
	static char block[65536];
	uint64_t empty = du(fixture);
	struct spool_writer *writer;

	publish(fixture, first);
	publish(fixture, second);
	writer = begin(fixture, third, block, sizeof block);
	budget.spool_max_size = empty + 3 * UINT64_C(262144);
	spool_set_budget(fixture->spool, &budget);
	assert_int_equal(spool_reserve_room(fixture->spool, writer->entry, 262144, &err), 0);
	assert_int_equal(spool_reserve_room(fixture->spool, writer->entry, 262144, &err), 0);
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.ready, 2);
	/* Only the two finished ones could go, and that is not enough. */
	assert_int_equal(spool_reserve_room(fixture->spool, writer->entry, 262144, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_true(spool_is_full(fixture->spool, NULL));
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.ready, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 20);
	crash(writer);
}

/* Workers note what they do while nobody asks for room: theirs is kept free, whether or not anybody records. */
static void test_notes_of_workers_have_their_room(void **state)
{
	enum {
		WORKERS = 16
	};
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 100, .upload_workers = WORKERS };
	struct spool_claim claims[WORKERS];
	char name[SEGMENT_NAME_MAX + 1], text[SPOOL_UPLOAD_STATE_MAX + 1];
	static char block[65536];
	struct error err;

	memset(text, 'x', SPOOL_UPLOAD_STATE_MAX);
	text[SPOOL_UPLOAD_STATE_MAX] = '\0';
	for (uint64_t i = 1; i <= 2 * WORKERS; i++) {
		struct spool_writer *writer;

		name_format("n", "eth0", (1700000000 + i) * CLOCK_NS_PER_S, i, ".pcap", name);
		writer = begin(fixture, name, block, sizeof block);
		writer->segment.packets = 1;
		assert_int_equal(spool_finish(writer), 0);
	}
	assert_counts(fixture, 2 * WORKERS, 0, 0);
	budget.spool_max_size = du(fixture); /* all of it is taken, and a bit is to be freed */
	enforce(fixture, &budget);
	for (int i = 0; i < WORKERS; i++)
		claims[i] = claim(fixture, SPOOL_NEWEST_FIRST);
	for (int i = 0; i < WORKERS; i++) {
		assert_int_equal(spool_save_upload_state(fixture->spool, &claims[i], text, &err),
				 0);
		assert_true(du(fixture) + SPOOL_UPLOAD_STATE_MAX <=
			    budget.spool_max_size); /* a temporary */
		(void)close(claims[i].fd);
	}
}

static void publish_of(struct fixture *fixture, const char *interface, uint64_t sequence)
{
	char name[SEGMENT_NAME_MAX + 1];
	struct spool_writer *writer;

	name_format("n", interface, (1700000000 + sequence) * CLOCK_NS_PER_S, sequence, ".pcap",
		    name);
	writer = begin_of(fixture, name, interface, "x", 1);
	writer->segment.packets = 10;
	assert_int_equal(spool_finish(writer), 0);
}

/* What is being written does not wait: it takes no place of those that do. */
static void test_drop_newest_deletes_nothing_and_waits_for_room_to_spare(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_when_full = CONF_WHEN_FULL_DROP_NEWEST,
			       .spool_max_segments = 2 };
	struct spool_totals totals;
	struct spool_claim claimed;
	struct error err;

	spool_set_budget(fixture->spool, &budget);
	for (uint64_t i = 1; i <= 3; i++) { /* the one that is written when two wait is one more */
		assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err), 0);
		publish_of(fixture, "eth0", i);
	}
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err), -1);
	assert_int_equal(err.kind, ERROR_TRANSIENT);
	assert_true(spool_is_full(fixture->spool, NULL));
	assert_true(spool_is_full(fixture->spool, "eth0"));
	assert_false(spool_is_full(fixture->spool, "eth1"));
	assert_true(spool_totals(fixture->spool, &totals));
	assert_string_equal(totals.full_interface, "eth0");
	enforce(fixture, &budget);
	assert_counts(fixture, 3, 0, 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err),
			 -1); /* nothing to spare */
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err), 0);
	assert_false(spool_is_full(fixture->spool, NULL));
	/* What nobody wants goes under any policy. */
	publish_of(fixture, "eth0", 4);
	publish_of(fixture, "eth0", 5);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err), 0);
	assert_counts(fixture, 2, 0, 0);
	assert_false(spool_is_full(fixture->spool, NULL));
}

/* A damaged file is no segment: outside of rejected/ it is nobody's, and not sent. */
static void test_a_damaged_file_is_not_sent(void **state)
{
	static const char damaged[] = NAME("00", "00000001") ".damaged";
	static const char *const folders[] = { "ready", "sending", "capturing" };
	struct fixture *fixture = *state;
	cleanup_free char *kept = mem_printf("%s/rejected/%s", fixture->directory, damaged);
	struct spool_claim claimed;
	struct error err;

	for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
		cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folders[i],
						     damaged);
		FILE *file = fopen(kept, "w");

		assert_non_null(file);
		assert_int_equal(fclose(file), 0);
		assert_int_equal(spool_rescan(fixture->spool, &err), 0);
		assert_totals(fixture, 0, 0, 1);
		assert_int_equal(rename(kept, path), 0);
		if (i % 2 == 0)
			assert_int_equal(spool_rescan(fixture->spool, &err), 0);
		else
			open_again(fixture);
		assert_counts(fixture, 0, 0, 0);
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err),
				 0);
		assert_null(spool_take_unfinished(fixture->spool));
		open_again(fixture);
		assert_int_equal(access(path, F_OK), 0);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(counter_read(&fixture->counters.packets_discarded), 0);
}

/* The number of files is of each interface: another's are neither counted nor deleted, whatever the policy. */
static void test_each_interface_has_its_own_number(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 2 };
	struct error err;

	spool_set_budget(fixture->spool, &budget);
	publish_of(fixture, "a.1", 1);
	publish_of(fixture, "a:1", 2); /* another name than it looks like in a file's */
	publish_of(fixture, "b", 3);
	publish_of(fixture, "b", 4);
	assert_int_equal(spool_make_room(fixture->spool, "c", 1, &err), 0);
	enforce(fixture, &budget);
	assert_counts(fixture, 4, 0, 0);
	publish_of(fixture, "b", 5);
	assert_int_equal(spool_make_room(fixture->spool, "a:1", 1, &err), 0);
	assert_counts(fixture, 5, 0, 0); /* not its affair */
	assert_int_equal(spool_make_room(fixture->spool, "b", 1, &err), 0);
	assert_counts(fixture, 4, 0, 0);
	assert_false(is_there(fixture, "ready", "n_20231114T221323.000Z_b_00000003.pcap"));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 10);
	publish_of(fixture, "b", 6);
	enforce(fixture, &budget);
	assert_counts(fixture, 4, 0, 0);
	budget.spool_when_full = CONF_WHEN_FULL_DROP_NEWEST;
	publish_of(fixture, "b", 7);
	enforce(fixture, &budget);
	assert_true(spool_is_full(fixture->spool, "b"));
	assert_false(spool_is_full(fixture->spool, "a:1"));
	assert_int_equal(spool_make_room(fixture->spool, "a:1", 1, &err), 0);
	assert_int_equal(spool_make_room(fixture->spool, "b", 1, &err), -1);
	open_again(fixture); /* and by the names of what an earlier run left */
	enforce(fixture, &budget);
	assert_true(spool_is_full(fixture->spool, "b"));
	assert_false(spool_is_full(fixture->spool, "a.1"));
}

/* What is being sent is about to go: under drop-oldest it keeps nothing from being recorded. */
static void test_what_is_being_sent_costs_no_packets(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 1 };
	struct spool_claim claims[2];
	struct error err;

	spool_set_budget(fixture->spool, &budget);
	for (uint64_t i = 0; i < 2; i++) {
		publish_of(fixture, "eth0", i + 1);
		claims[i] = claim(fixture, SPOOL_OLDEST_FIRST);
	}
	assert_int_equal(spool_make_room(fixture->spool, "eth0", 1, &err), 0);
	assert_false(spool_is_full(fixture->spool, NULL));
	for (uint64_t i = 0; i < 2; i++)
		(void)close(claims[i].fd);
}

static void test_a_second_process_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct spool *spool = NULL;
	struct error err;

	assert_int_equal(spool_open(fixture->directory, &fixture->counters, &spool, &err), -1);
	assert_non_null(strstr(err.message, "in use by another"));
	assert_null(spool);
}

static void test_check_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *below = mem_printf("%s/new/folder", fixture->directory);
	cleanup_free char *no_folder = mem_printf("%s/sequence/x", fixture->directory);
	struct error err;
	uint64_t sequence;

	assert_int_equal(spool_next_sequence(fixture->spool, &sequence, &err), 0);
	assert_int_equal(spool_check(fixture->directory, &err), 0);
	assert_int_equal(spool_check(below, &err), 0);
	assert_false(is_there(fixture, "new", ""));
	assert_int_equal(spool_check(no_folder, &err), -1);
	assert_int_equal(spool_check("relative-and-new", &err), 0);
}

/* Claim and release, `times` over; always the same one. */
static void fail_times(struct fixture *fixture, const char *name, int times)
{
	struct error err;

	for (int i = 0; i < times; i++) {
		struct spool_claim claimed = claim(fixture, SPOOL_OLDEST_FIRST);

		assert_string_equal(claimed.name, name);
		assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	}
}

static void test_what_fails_lets_others_go_first(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct spool_entry *entry;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	for (int i = 0; i < 5; i++) { /* broken off by ourselves: no failure */
		claimed = claim(fixture, SPOOL_OLDEST_FIRST);
		assert_string_equal(claimed.name, first);
		assert_int_equal(spool_release(fixture->spool, &claimed, false, &err), 0);
	}
	fail_times(fixture, first, 3);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, second);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	/* Only what is held is left: it waits for its time, and no longer. */
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 0);
	entry = fixture->spool->entries[0];
	assert_in_range(entry->not_before_ms - clock_monotonic_ms(), 4000, 8000);
	entry->not_before_ms = clock_monotonic_ms() + 50;
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 60000, &claimed, &err), 1);
	assert_string_equal(claimed.name, first);
	assert_true(clock_monotonic_ms() >= entry->not_before_ms);
	for (int i = 0; i < 10; i++)
		spool_entry_failed(entry, 0);
	assert_int_equal(entry->not_before_ms, 64000);
	(void)close(claimed.fd);
}

/* What failed so often is known after a repair; an operator who reloads may have mended it. */
static void test_listing_anew_lets_all_be_tried(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	fail_times(fixture, first, 3);
	(void)pthread_mutex_lock(&fixture->spool->lock);
	assert_int_equal(spool_scan(fixture->spool, &err), 0);
	(void)pthread_mutex_unlock(&fixture->spool->lock);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, second);
	assert_int_equal(spool_release(fixture->spool, &claimed, false, &err), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	fail_times(fixture, first, 1);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, second);
	(void)close(claimed.fd);
}

static void test_newest_first_takes_what_failed_last_but_at_once(void **state)
{
	static const char *const order[] = { second, first, third };
	struct fixture *fixture = *state;
	struct spool_claim claimed;

	publish(fixture, third);
	fail_times(fixture, third, 3);
	publish(fixture, first);
	publish(fixture, second);
	for (size_t i = 0; i < ARRAY_LENGTH(order); i++) {
		claimed = claim(fixture, SPOOL_NEWEST_FIRST);
		assert_string_equal(claimed.name, order[i]);
		(void)close(claimed.fd);
	}
}

static void test_a_file_that_cannot_be_opened_has_failed(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/ready/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err),
				 -1);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, second);
	(void)close(claimed.fd);
}

static void test_a_move_that_fails_loses_nothing(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/sending/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), -1);
	assert_true(is_there(fixture, "ready", first));
	assert_true(is_there(fixture, "metadata", first));
	assert_counts(fixture, 1, 0, 0);
	assert_int_equal(rmdir(obstacle), 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	(void)close(claimed.fd);
}

/* NFS: the answer to the rename got lost, the second request finds nothing to move. */
static void test_a_move_that_was_done_already_counts(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *ready = mem_printf("%s/ready/%s", fixture->directory, first);
	cleanup_free char *sending = mem_printf("%s/sending/%s", fixture->directory, first);
	struct spool_claim claimed;

	publish(fixture, first);
	assert_int_equal(rename(ready, sending), 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(claimed.segment.packets, 10);
	(void)close(claimed.fd);
}

static void test_what_cannot_leave_sending_is_claimed_there_again(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/ready/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), -1);
	assert_counts(fixture, 0, 1, 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, first);
	/* Listing anew neither forgets a claim nor gives it to a second one; what nobody has is taken up. */
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_counts(fixture, 0, 1, 0);
	(void)close(claimed.fd);
	claimed.fd = -1;
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 0);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), -1);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_counts(fixture, 0, 1, 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_counts(fixture, 0, 0, 0);
}

static void test_the_main_thread_does_not_wait_for_the_others(void **state)
{
	struct fixture *fixture = *state;
	struct conf budget = { .spool_max_segments = 1 };
	struct spool_totals totals = { .ready = 77 };

	publish(fixture, first);
	(void)pthread_mutex_lock(&fixture->spool->lock);
	assert_false(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.ready, 77);
	spool_set_budget(fixture->spool, &budget);
	spool_wake(fixture->spool);
	assert_false(spool_is_full(fixture->spool, NULL));
	(void)pthread_mutex_unlock(&fixture->spool->lock);
}

/* Days without the sink: opening must not take time that grows with the square. */
static void test_a_long_backlog(void **state)
{
	enum {
		BACKLOG = 20000
	};
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct spool_claim claimed;
	struct spool_totals totals;

	for (uint64_t i = 0; i < BACKLOG; i++) {
		int fd;

		name_format("n", "eth0", (1700000000 + i * 7919 % BACKLOG) * CLOCK_NS_PER_S, i,
			    ".pcap", name);
		fd = openat(fixture->spool->folder_fd[SPOOL_READY], name, O_WRONLY | O_CREAT, 0640);
		assert_true(fd >= 0);
		(void)close(fd);
	}
	open_again(fixture);
	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.ready, BACKLOG);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_non_null(strstr(claimed.name, "_00000000.pcap"));
	(void)close(claimed.fd);
	for (size_t i = 1; i < fixture->spool->count; i++)
		assert_true(name_compare(fixture->spool->entries[i - 1]->name,
					 fixture->spool->entries[i]->name) < 0);
}

static void test_kinds_of_failure_at_start(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *file = mem_printf("%s/sequence", fixture->directory);
	cleanup_free char *loop = mem_printf("%s/loop", fixture->directory);
	cleanup_free char *below = mem_printf("%s/loop/x", fixture->directory);
	cleanup_free char *fresh = mem_printf("%s/fresh", fixture->directory);
	struct spool *spool = NULL;
	struct rlimit before, none;
	struct error err;
	uint64_t sequence;

	assert_int_equal(spool_next_sequence(fixture->spool, &sequence, &err), 0);
	assert_int_equal(symlink("loop", loop), 0);
	assert_int_equal(spool_open(file, &fixture->counters, &spool, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(spool_open(below, &fixture->counters, &spool, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(err.errnum, ELOOP);
	assert_int_equal(spool_check(below, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_int_equal(spool_check(file, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	/* What may have passed a minute later is no fault of the configuration. */
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(spool_open(fresh, &fixture->counters, &spool, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(err.errnum, EMFILE);
	assert_int_equal(err.kind, ERROR_FATAL);
}

static void test_a_folder_with_other_files_is_not_given_away(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *folder = mem_printf("%s/home", fixture->directory);
	cleanup_free char *other = mem_printf("%s/home/notes", fixture->directory);
	cleanup_free char *mine = mem_printf("%s/home/.sequence.new", fixture->directory);
	struct error err;

	/* Our own folder, after a run. */
	publish(fixture, first);
	assert_int_equal(spool_chown(fixture->directory, geteuid(), getegid(), &err), 0);
	assert_int_equal(file_make_folders(other, 0700, &err), 0);
	assert_int_equal(spool_chown(folder, geteuid(), getegid(), &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.message, "give the spool a folder of its own"));
	assert_false(is_there(fixture, "home", "ready"));
	assert_int_equal(rmdir(other), 0);
	assert_int_equal(close(open(mine, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(spool_chown(folder, geteuid(), getegid(), &err), 0);
	assert_true(is_there(fixture, "home", "ready"));
}

static uid_t owner(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_uid;
}

static void test_links_and_foreign_files_are_not_given_away(void **state)
{
	static const uid_t somebody = 12345;
	struct fixture *fixture = *state;
	cleanup_free char *home = mem_printf("%s.other", fixture->directory);
	cleanup_free char *secret = mem_printf("%s.other/secret", fixture->directory);
	cleanup_free char *hard = mem_printf("%s/ready/" NAME("05", "00000005"),
					     fixture->directory);
	cleanup_free char *soft = mem_printf("%s/ready/" NAME("06", "00000006"),
					     fixture->directory);
	cleanup_free char *ours = mem_printf("%s/ready/%s", fixture->directory, first);
	cleanup_free char *foreign = mem_printf("%s/ready/notes.txt", fixture->directory);
	cleanup_free char *sequence = mem_printf("%s/sequence", fixture->directory);
	cleanup_free char *destination = mem_printf("%s/destination", fixture->directory);
	cleanup_free char *left = mem_printf("%s/metadata/.%s.new", fixture->directory, first);
	uint64_t number;
	struct error err;

	if (geteuid() != 0)
		skip(); /* only root can give anything away */
	publish(fixture, first);
	assert_int_equal(mkdir(home, 0700), 0);
	assert_int_equal(close(open(secret, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(close(open(foreign, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(close(open(left, O_WRONLY | O_CREAT, 0600)), 0);
	assert_int_equal(spool_next_sequence(fixture->spool, &number, &err), 0);
	spool_set_destination(fixture->spool, "file:///srv", 1, 0);
	assert_int_equal(link(secret, hard), 0);
	assert_int_equal(symlink(secret, soft), 0);
	if (spool_chown(fixture->directory, somebody, somebody, &err) < 0) {
		(void)unlink(secret);
		(void)rmdir(home);
		skip(); /* root of a namespace that has no such user */
	}
	assert_int_equal(owner(secret), 0);
	assert_int_equal(owner(soft), 0);
	assert_int_equal(owner(ours), somebody);
	assert_int_equal(owner(left), somebody);
	assert_int_equal(owner(sequence), somebody);
	assert_int_equal(owner(destination), somebody);
	assert_int_equal(owner(foreign), 0);
	assert_int_equal(owner(fixture->directory), somebody);
	assert_int_equal(unlink(secret), 0);
	assert_int_equal(rmdir(home), 0);
}

static void assert_identity(struct fixture *fixture, const char *name, const char *identity)
{
	cleanup_free char *known = spool_known_identity(fixture->spool, name);

	assert_string_equal(known, identity);
}

static void test_the_destination_is_remembered(void **state)
{
	struct fixture *fixture = *state;

	spool_set_destination(fixture->spool, "file:///srv", 1, 0);
	assert_identity(fixture, "file:///srv", "");
	spool_note_identity(fixture->spool, "file:///srv", "/srv nfs 2");
	spool_note_identity(fixture->spool, "file:///late", "/late nfs 2");
	open_again(fixture);
	assert_identity(fixture, "file:///srv", "/srv nfs 2");
	assert_identity(fixture, "file:///srv2", "");
	spool_set_destination(fixture->spool, "file:///srv", 5, 0);
	assert_identity(fixture, "file:///srv", "/srv nfs 2");
	spool_set_destination(fixture->spool, "file:///srv2", 9, 0);
	assert_identity(fixture, "file:///srv2", "");
}

static uint64_t kept(struct fixture *fixture)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	return totals.kept_back;
}

/* What was recorded for a folder does not go to a bucket, nor the other way round, until somebody says so. */
static void test_a_clock_that_is_set_back_keeps_nothing_for_ever(void **state)
{
	struct fixture *fixture = *state;

	spool_set_destination(fixture->spool, "file:///a", 1, 0);
	publish(fixture, first);
	spool_set_destination(fixture->spool, "gs://a", 1, UINT64_MAX); /* a reload in the future */
	publish(fixture, second);
	assert_int_equal(kept(fixture), 2);
	spool_maintain(fixture->spool);
	assert_int_equal(kept(fixture), 0);
	open_again(fixture);
	assert_int_equal(kept(fixture), 0);
}

static void test_segments_are_kept_for_their_kind(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first); /* by an older version */
	spool_set_destination(fixture->spool, "gs://a", spool_sequence(fixture->spool), 0);
	assert_int_equal(kept(fixture), 0);
	spool_set_destination(fixture->spool, "gs://b", spool_sequence(fixture->spool), 0);
	assert_int_equal(kept(fixture), 0);
	spool_set_destination(fixture->spool, "file:///a", spool_sequence(fixture->spool), 0);
	assert_int_equal(kept(fixture), 1);
	publish(fixture, second);
	open_again(fixture);
	assert_int_equal(kept(fixture), 1);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_string_equal(claimed.name, second);
	assert_int_equal(spool_release(fixture->spool, &claimed, false, &err), 0);
	spool_set_destination(fixture->spool, "gs://b", spool_sequence(fixture->spool), 0);
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_string_equal(claimed.name, first);
	assert_int_equal(spool_release(fixture->spool, &claimed, false, &err), 0);
	assert_int_equal(kept(fixture), 1);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_int_equal(kept(fixture), 1);
	spool_send_kept_back(fixture->spool);
	assert_int_equal(kept(fixture), 0);
	open_again(fixture);
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_string_equal(claimed.name, second);
	(void)close(claimed.fd);
}

static struct fixture *watched;
static unsigned syncs, locked_syncs;

static void watch_lock(const char *name)
{
	bool is_locked = pthread_mutex_trylock(&watched->spool->lock) != 0;

	assert_string_not_equal(name, "");
	syncs++;
	locked_syncs += is_locked;
	if (!is_locked)
		(void)pthread_mutex_unlock(&watched->spool->lock);
}

/* The disk is not waited for with the lock held, which recorders and uploads need. */
static void test_the_destination_is_written_without_the_lock(void **state)
{
	struct fixture *fixture = *state;

	publish(fixture, first);
	watched = fixture;
	syncs = locked_syncs = 0;
	before_sync = watch_lock;
	spool_set_destination(fixture->spool, "gs://a", 1, 0);
	assert_in_range(syncs, 2, 8); /* the file, and its folder */
	spool_set_destination(fixture->spool, "file:///srv", 5, 0);
	assert_in_range(syncs, 4, 8);
	spool_note_identity(fixture->spool, "file:///srv", "/srv nfs 2");
	assert_in_range(syncs, 6, 8);
	spool_send_kept_back(fixture->spool);
	assert_int_equal(syncs, 8);
	before_sync = NULL;
	assert_int_equal(locked_syncs, 0);
	assert_counts(fixture, 1, 0, 0);
	open_again(fixture);
	assert_identity(fixture, "file:///srv", "/srv nfs 2");
	assert_int_equal(kept(fixture), 0);
}

/* However often it changes, the file stays small. */
static void test_destinations_are_few(void **state)
{
	struct fixture *fixture = *state;
	char name[32];

	publish(fixture, first);
	for (unsigned i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof name, "%s%u", i % 2 ? "file:///" : "gs://", i);
		spool_set_destination(fixture->spool, name, 2 + i, 0);
	}
	assert_in_range(fixture->spool->destinations.count, 2, SPOOL_DESTINATIONS_MAX);
	open_again(fixture);
	assert_string_equal(
		fixture->spool->destinations.list[fixture->spool->destinations.count - 1].name,
		"file:///99");
}

static void test_the_lock_is_a_file(void **state)
{
	struct fixture *fixture = *state;

	assert_true(is_there(fixture, ".", "lock"));
	fixture->spool = spool_close(fixture->spool);
	assert_true(is_there(fixture, ".", "lock"));
	open_again(fixture);
}

static char *last_attempt(struct fixture *fixture, const struct spool_claim *claimed)
{
	return spool_load_upload_state(fixture->spool, claimed);
}

static void test_an_attempt_is_known_to_the_next(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/upload-state/%s", fixture->directory, first);
	struct spool_claim claimed;
	struct stat st;
	struct error err;
	char *text;

	publish(fixture, first);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_null(last_attempt(fixture, &claimed));
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "secret", &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	open_again(fixture);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	text = last_attempt(fixture, &claimed);
	assert_string_equal(text, "secret");
	free(text);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, NULL, &err), 0);
	assert_null(last_attempt(fixture, &claimed));
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "more", &err), 0);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_false(is_there(fixture, "upload-state", first));

	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "more", &err), 0);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_false(is_there(fixture, "upload-state", second));
}

/* A lost reply must not be forgotten because the disk is full. */
static void test_an_attempt_that_the_disk_does_not_take_is_known(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/upload-state/.%s.new", fixture->directory,
						 first);
	struct spool_claim claimed;
	struct error err;
	char *text;

	publish(fixture, first);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "old", &err), 0);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "new", &err), -1);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	text = last_attempt(fixture, &claimed);
	assert_string_equal(text, "new");
	free(text);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, NULL, &err), 0);
	assert_null(last_attempt(fixture, &claimed));
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "newer", &err), -1);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "newest", &err), 0);
	text = last_attempt(fixture, &claimed);
	assert_string_equal(text, "newest");
	free(text);
	/* A crash then: nobody knows, rather than what was known before. */
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(spool_save_upload_state(fixture->spool, &claimed, "lost", &err), -1);
	assert_int_equal(rmdir(obstacle), 0);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	open_again(fixture);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	text = last_attempt(fixture, &claimed);
	assert_string_equal(text, "");
	free(text);
	(void)close(claimed.fd);
}

/* What was being sent when the process ended may have arrived. */
static void test_an_attempt_ends_with_its_process(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim one, two, three;
	struct error err;
	char *text;

	publish(fixture, first);
	publish(fixture, second);
	publish(fixture, third);
	one = claim(fixture, SPOOL_OLDEST_FIRST);
	two = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_save_upload_state(fixture->spool, &two, "known", &err), 0);
	(void)close(one.fd);
	(void)close(two.fd);
	open_again(fixture);
	open_again(fixture); /* it stays known */
	one = claim(fixture, SPOOL_OLDEST_FIRST);
	two = claim(fixture, SPOOL_OLDEST_FIRST);
	three = claim(fixture, SPOOL_OLDEST_FIRST);
	text = last_attempt(fixture, &one);
	assert_string_equal(text, "");
	free(text);
	text = last_attempt(fixture, &two);
	assert_string_equal(text, "known");
	free(text);
	assert_null(last_attempt(fixture, &three));
	/* Whoever takes the segment away takes that with it. */
	assert_int_equal(spool_remove(fixture->spool, &two, &err), 0);
	assert_int_equal(spool_remove(fixture->spool, &three, &err), 0);
	{
		cleanup_free char *path = mem_printf("%s/sending/%s", fixture->directory, first);

		assert_int_equal(unlink(path), 0);
	}
	(void)close(one.fd);
	open_again(fixture);
	assert_false(is_there(fixture, "upload-state", first));
}

static void append_name(void *context, const char *name)
{
	text_append(context, "%s ", name);
}

/* Who ended segments is told which: those that were open when it was asked for. */
static void test_segments_that_ended_of_late(void **state)
{
	static struct ended ended;
	uint64_t asked_ns = clock_real_ns();
	char bytes[64], many[ENDED_MAX * 16];
	struct text text = text_over(bytes, sizeof bytes);

	(void)state;
	ended_init(&ended);
	ended_add(&ended, "a", asked_ns - 2);
	ended_add(&ended, "b", asked_ns - 1);
	ended_add(&ended, "later", asked_ns);
	ended_each(&ended, asked_ns, append_name, &text);
	assert_string_equal(bytes, "a b ");
	text = text_over(bytes, sizeof bytes);
	ended_each(&ended, clock_real_ns() + CLOCK_NS_PER_S, append_name, &text);
	assert_string_equal(bytes, "");
	/* Of more than it holds the newest, in their order. */
	for (size_t i = 0; i < ENDED_MAX; i++)
		ended_add(&ended, i < ENDED_MAX - 1 ? "c" : "d", asked_ns - 1);
	text = text_over(many, sizeof many);
	ended_each(&ended, asked_ns, append_name, &text);
	assert_int_equal(strlen(many), strlen("c ") * ENDED_MAX);
	assert_string_equal(many + strlen("c ") * (ENDED_MAX - 1), "d ");
	ended_done(&ended);
}

UNIT_TESTS()
{
#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(test_oldest_or_newest_first),
		SPOOL_TEST(test_a_claim_ends_in_one_of_three_ways),
		SPOOL_TEST(test_restart_sends_what_was_being_sent),
		SPOOL_TEST(test_sequence_never_repeats),
		SPOOL_TEST(test_new_spools_begin_anywhere),
		SPOOL_TEST(test_sequence_is_reserved_in_blocks),
		SPOOL_TEST(test_an_attempt_is_known_to_the_next),
		SPOOL_TEST(test_an_attempt_that_the_disk_does_not_take_is_known),
		SPOOL_TEST(test_an_attempt_ends_with_its_process),
		SPOOL_TEST(test_segment_without_metadata_is_read),
		SPOOL_TEST(test_orphaned_metadata_are_removed_at_start),
		SPOOL_TEST(test_operator_may_take_and_bring_files),
		SPOOL_TEST(test_listing_anew_forgets_no_packets),
		SPOOL_TEST(test_a_claim_has_the_packets_that_the_list_knows),
		SPOOL_TEST(test_what_vanished_is_counted_when_the_folders_are_listed),
		SPOOL_TEST(test_budget_takes_rejected_then_oldest),
		SPOOL_TEST(test_what_is_being_sent_is_never_deleted),
		SPOOL_TEST(test_the_sum_is_exact_after_a_crash),
		SPOOL_TEST(test_room_is_made_before_it_is_taken),
		SPOOL_TEST(test_notes_of_workers_have_their_room),
		SPOOL_TEST(test_drop_newest_deletes_nothing_and_waits_for_room_to_spare),
		SPOOL_TEST(test_a_damaged_file_is_not_sent),
		SPOOL_TEST(test_each_interface_has_its_own_number),
		SPOOL_TEST(test_what_is_being_sent_costs_no_packets),
		SPOOL_TEST(test_a_second_process_is_refused),
		SPOOL_TEST(test_check_changes_nothing),
		SPOOL_TEST(test_what_fails_lets_others_go_first),
		SPOOL_TEST(test_listing_anew_lets_all_be_tried),
		SPOOL_TEST(test_newest_first_takes_what_failed_last_but_at_once),
		SPOOL_TEST(test_a_file_that_cannot_be_opened_has_failed),
		SPOOL_TEST(test_a_move_that_fails_loses_nothing),
		SPOOL_TEST(test_a_move_that_was_done_already_counts),
		SPOOL_TEST(test_what_cannot_leave_sending_is_claimed_there_again),
		SPOOL_TEST(test_the_main_thread_does_not_wait_for_the_others),
		SPOOL_TEST(test_a_long_backlog),
		SPOOL_TEST(test_kinds_of_failure_at_start),
		SPOOL_TEST(test_a_folder_with_other_files_is_not_given_away),
		SPOOL_TEST(test_links_and_foreign_files_are_not_given_away),
		SPOOL_TEST(test_the_destination_is_remembered),
		SPOOL_TEST(test_a_clock_that_is_set_back_keeps_nothing_for_ever),
		SPOOL_TEST(test_segments_are_kept_for_their_kind),
		SPOOL_TEST(test_destinations_are_few),
		SPOOL_TEST(test_the_destination_is_written_without_the_lock),
		SPOOL_TEST(test_the_lock_is_a_file),
		cmocka_unit_test(test_segments_that_ended_of_late),
	};

	unit_add(tests, NULL, NULL);
}
