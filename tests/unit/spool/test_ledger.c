/* SPDX-License-Identifier: Apache-2.0 */
/* Losses: each is stated once, by one segment, wherever a kill comes in between. */
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <semaphore.h>

#include "spool_fixture.h"

#include "base/clock.h"

#define NAME(second, sequence) "n_20251123T0830" second ".000Z_eth0_" sequence ".pcap"
static const char first[] = NAME("00", "00000001"), second[] = NAME("01", "00000002"),
		  third[] = NAME("02", "00000003"), fourth[] = NAME("03", "00000004");

static void publish_with(struct fixture *fixture, const char *name, uint64_t packets,
			 uint64_t kernel_drops)
{
	struct spool_writer *writer = begin(fixture, name, "123456789", 9);

	writer->segment.packets = packets;
	writer->segment.drops.count[DROP_KERNEL] = kernel_drops;
	writer->segment.end_ns = writer->segment.start_ns + CLOCK_NS_PER_S;
	assert_int_equal(spool_finish(writer), 0);
}

static void publish(struct fixture *fixture, const char *name)
{
	publish_with(fixture, name, 10, 0);
}

static struct segment claim_newest(struct fixture *fixture, const char *name)
{
	struct spool_claim claimed;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_NEWEST_FIRST, 0, &claimed, &err), 1);
	assert_string_equal(claimed.name, name);
	(void)close(claimed.fd);
	return claimed.segment;
}

static uint64_t count_lost(const struct segment *segment, enum drop_reason reason)
{
	struct losses losses;
	uint64_t packets = 0;

	losses_of_segment(segment, &losses);
	for (size_t i = 0; i < losses.count; i++)
		packets += losses.list[i].reason == reason ? losses.list[i].packets : 0;
	return packets;
}

/* What a new segment states of others for this reason, and that it has no drops of its own. */
static uint64_t publish_and_count(struct fixture *fixture, const char *name,
				  enum drop_reason reason)
{
	struct segment segment;

	publish(fixture, name);
	segment = claim_newest(fixture, name);
	assert_int_equal(drops_sum(&segment.drops), 0);
	return count_lost(&segment, reason);
}

static void enforce(struct fixture *fixture, uint64_t max_segments)
{
	const struct conf budget = { .spool_max_segments = max_segments };

	spool_set_budget(fixture->spool, &budget);
	spool_enforce(fixture->spool);
}

static uint64_t count_waiting(struct fixture *fixture)
{
	struct spool_totals totals;

	assert_true(spool_totals(fixture->spool, &totals));
	assert_int_equal(totals.bytes, du(fixture));
	return totals.ready;
}

static void move(const struct fixture *fixture, const char *from, const char *name, const char *to,
		 const char *as)
{
	cleanup_free char *before = mem_printf("%s/%s/%s", fixture->directory, from, name);
	cleanup_free char *after = mem_printf("%s/%s/%s", fixture->directory, to, as);

	assert_int_equal(rename(before, after), 0);
}

static void write_text(const struct fixture *fixture, const char *folder, const char *name,
		       const char *text)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void remove_file(const struct fixture *fixture, const char *folder, const char *name)
{
	cleanup_free char *path = mem_printf("%s/%s/%s", fixture->directory, folder, name);

	assert_int_equal(unlink(path), 0);
}

static struct fixture *emptied;
static const char *empty_at;

/* Somebody empties the spool at the worst time: all that was synced is gone, and nothing was moved yet. */
static void empty_spool(const char *name)
{
	cleanup_free char *command = mem_printf("find '%s' -type f -name '*_*' -delete",
						emptied->directory);

	if (strcmp(name, empty_at) != 0)
		return;
	before_sync = NULL;
	assert_int_equal(system(command), 0);
}

/* What is lost with a segment is known, whatever happened to its file and its metadata, and when. */
static void test_a_segment_that_vanishes_counts_whole(void **state)
{
	static const char *const places[] = { first, "metadata" };
	struct fixture *fixture = *state;
	struct segment segment;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	emptied = fixture;
	for (uint64_t i = 0; i < ARRAY_LENGTH(places); i++) {
		struct spool_writer *writer = begin(fixture, first, "x", 1);

		writer->segment.packets = 10;
		writer->segment.drops.count[DROP_KERNEL] = 3;
		empty_at = places[i];
		before_sync = empty_spool;
		assert_int_equal(spool_finish(writer), -1);
		assert_null(before_sync);
		assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 10 * (i + 1));
	}
	/* Of an earlier run, with what it stated of others. */
	publish_with(fixture, second, 10, 4);
	open_again(fixture);
	spool_maintain(fixture->spool);
	empty_at = "";
	empty_spool("");
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 30);
	publish(fixture, third);
	segment = claim_newest(fixture, third);
	assert_int_equal(count_lost(&segment, DROP_DISK), 30);
	assert_int_equal(count_lost(&segment, DROP_KERNEL), 10);
}

/* Drops are a file's own; what others held and lacked stands beside them, with their interface and interval. */
static void test_drops_of_a_file_are_its_own(void **state)
{
	struct fixture *fixture = *state;
	struct segment segment;
	struct losses losses;

	publish_with(fixture, first, 7, 3);
	publish(fixture, second);
	enforce(fixture, 1);
	publish_with(fixture, third, 10, 2);
	/* The second is deleted as well; the third, which waits, has stated the first one's. */
	enforce(fixture, 1);
	segment = claim_newest(fixture, third);
	assert_int_equal(segment.drops.count[DROP_KERNEL], 2);
	assert_int_equal(segment.drops.count[DROP_BUDGET], 0);
	losses_of_segment(&segment, &losses);
	assert_int_equal(losses.count, 2);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 7);
	assert_int_equal(count_lost(&segment, DROP_KERNEL), 3);
	assert_string_equal(losses.list[0].interface, "eth0");
	assert_true(losses.list[0].from_ns == name_start_ns(first));
	assert_true(losses.list[0].to_ns == name_start_ns(first) + CLOCK_NS_PER_S);
	assert_int_equal(publish_and_count(fixture, fourth, DROP_BUDGET), 10);
}

/* Who has stated losses of others and is deleted itself leaves all of it to the next. */
static void test_what_was_stated_is_not_lost_with_who_did(void **state)
{
	struct fixture *fixture = *state;

	publish(fixture, first);
	enforce(fixture, 0);
	publish(fixture, second);
	enforce(fixture, 0);
	open_again(fixture);
	publish(fixture, third);
	enforce(fixture, 0);
	assert_int_equal(count_waiting(fixture), 0);
	assert_int_equal(publish_and_count(fixture, fourth, DROP_BUDGET), 30);
}

/* Killed after the first of a deletion's two steps: nothing was deleted. */
static void test_a_deletion_that_was_not_done_is_no_loss(void **state)
{
	struct fixture *fixture = *state;

	publish(fixture, first);
	move(fixture, "metadata", first, "lost", "00000009.budget");
	open_again(fixture);
	assert_int_equal(count_waiting(fixture), 1);
	assert_false(is_there(fixture, "lost", "00000009.budget"));
	assert_int_equal(publish_and_count(fixture, NAME("09", "00000010"), DROP_BUDGET), 0);
	assert_int_equal(claim_newest(fixture, first).packets, 10);
}

/* Killed after the second: stated by the next, once. */
static void test_a_deletion_that_was_done_is_stated_once(void **state)
{
	struct fixture *fixture = *state;

	publish(fixture, first);
	move(fixture, "metadata", first, "lost", "00000009.budget");
	remove_file(fixture, "ready", first);
	open_again(fixture);
	assert_int_equal(count_waiting(fixture), 0);
	open_again(fixture);
	assert_int_equal(publish_and_count(fixture, NAME("09", "00000010"), DROP_BUDGET), 10);
	assert_int_equal(publish_and_count(fixture, NAME("10", "00000011"), DROP_BUDGET), 0);
	open_again(fixture);
	assert_int_equal(publish_and_count(fixture, NAME("11", "00000012"), DROP_BUDGET), 0);
}

/* Killed while a segment states losses: its metadata are in place, and the record of the loss is still there. */
static void test_what_a_segment_has_stated_is_stated_once(void **state)
{
	struct fixture *fixture = *state;
	struct spool_writer *writer = begin(fixture, first, "123456789", 9);
	struct error err;

	writer->segment.losses_stated = 9;
	assert_true(segment_attach(&writer->segment, LOSSES_KEY, "eth1 - - 5 budget"));
	assert_int_equal(spool_note(writer, &err), 0);
	write_text(fixture, "lost", "00000009.budget", "packets=5\ninterface=eth1\n");
	crash(writer);
	open_again(fixture);
	assert_false(is_there(fixture, "lost", "00000009.budget"));
	assert_int_equal(publish_and_count(fixture, NAME("09", "00000010"), DROP_BUDGET), 0);
	/* Whoever recovers it finds what it states. */
	writer = spool_take_unfinished(fixture->spool);
	assert_non_null(writer);
	assert_int_equal(count_lost(&writer->segment, DROP_BUDGET), 5);
	assert_int_equal(spool_drop(writer), 0);
	assert_int_equal(publish_and_count(fixture, NAME("10", "00000011"), DROP_BUDGET), 5);
}

/* Killed while records are added up: before the sum is in its place, and after. */
static void test_adding_up_counts_once(void **state)
{
	static const char sum[] = "losses-stated=9\nlost-before=eth1 - - 5 budget\n";
	struct fixture *fixture = *state;

	write_text(fixture, "lost", "00000009.budget", "packets=5\ninterface=eth1\n");
	write_text(fixture, "lost", ".00000010.budget.new", sum);
	open_again(fixture);
	assert_true(is_there(fixture, "lost", "00000009.budget"));
	assert_false(is_there(fixture, "lost", ".00000010.budget.new"));
	write_text(fixture, "lost", "00000010.budget", sum);
	open_again(fixture);
	assert_false(is_there(fixture, "lost", "00000009.budget"));
	assert_int_equal(publish_and_count(fixture, NAME("09", "00000011"), DROP_BUDGET), 5);
}

/* With the counter gone, a new record must not have the number of one that was stated. */
static void test_no_number_that_was_stated_is_used_again(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/sequence", fixture->directory);
	uint64_t number;
	struct error err;

	write_text(fixture, "ready", NAME("09", "00000011"), "x");
	write_text(fixture, "metadata", NAME("09", "00000011"), "node=n\nlosses-stated=900\n");
	fixture->spool = spool_close(fixture->spool);
	(void)unlink(path);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &number, &err), 0);
	assert_int_equal(number, 901);
}

/* Thousands of deletions leave a few records, and no packet is forgotten. */
static void test_many_losses_are_added_up(void **state)
{
	enum {
		MANY = 300
	};
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct error err;
	struct dirent *item;
	size_t records = 0;
	DIR *dir;

	for (uint64_t i = 1; i <= MANY; i++) {
		name_format("n", "eth0", (1700000000 + 10 * i) * CLOCK_NS_PER_S, i, ".pcap", name);
		publish_with(fixture, name, 10, 1);
	}
	enforce(fixture, 0);
	assert_int_equal(count_waiting(fixture), 0);
	dir = spool_list_folder(fixture->spool->folder_fd[SPOOL_LOST], &err);
	while ((item = readdir(dir)))
		records += item->d_name[0] != '.';
	(void)closedir(dir);
	assert_in_range(records, 1, 80);
	open_again(fixture);
	publish(fixture, NAME("09", "00001000"));
	assert_int_equal(
		count_lost(&(struct segment[]){ claim_newest(fixture, NAME("09", "00001000")) }[0],
			   DROP_BUDGET),
		10 * MANY);
	assert_int_equal(count_waiting(fixture), 0);
}

/* While no segment can be begun, what is lost is the interface's: kept, and stated once. */
static void test_losses_without_a_segment(void **state)
{
	static const struct drops drops = { .count[DROP_BUDGET] = 7 };
	struct fixture *fixture = *state;
	struct segment segment;
	struct losses losses;

	spool_add_loss(fixture->spool, "eth7", 1000, 2000, &drops);
	spool_add_loss(fixture->spool, "eth7", 2000, 3000, &drops);
	spool_ledger_save(fixture->spool);
	open_again(fixture);
	publish(fixture, first);
	segment = claim_newest(fixture, first);
	losses_of_segment(&segment, &losses);
	assert_int_equal(losses.count, 1);
	assert_string_equal(losses.list[0].interface, "eth7");
	assert_int_equal(losses.list[0].from_ns, 1000);
	assert_int_equal(losses.list[0].to_ns, 3000);
	assert_int_equal(losses.list[0].packets, 14);
	assert_int_equal(publish_and_count(fixture, second, DROP_BUDGET), 0);
}

/* Metadata whose name is not durable are there all the same: nobody else states what they do. */
static void test_metadata_that_are_in_place_state(void **state)
{
	static const struct drops drops = { .count[DROP_BUDGET] = 7 };
	struct fixture *fixture = *state;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	spool_add_loss(fixture->spool, "eth0", 1000, 2000, &drops);
	unsynced_folder = "metadata";
	assert_int_equal(publish_and_count(fixture, first, DROP_BUDGET), 7);
	unsynced_folder = NULL;
	assert_int_equal(publish_and_count(fixture, second, DROP_BUDGET), 0);
}

/* A disk that does not take the record: the loss is known, and written down as soon as it does. */
static void test_a_loss_that_the_disk_does_not_take_is_known(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *lost = mem_printf("%s/lost", fixture->directory);
	cleanup_free char *away = mem_printf("%s/away", fixture->directory);

	publish(fixture, first);
	assert_int_equal(rename(lost, away), 0);
	assert_int_equal(rmdir(away), 0);
	enforce(fixture, 0);
	assert_int_equal(fixture->spool->pending.count, 1);
	enforce(fixture, 9);
	assert_int_equal(publish_and_count(fixture, second, DROP_BUDGET), 10);
	assert_int_equal(fixture->spool->pending.count, 0);
	assert_int_equal(publish_and_count(fixture, third, DROP_BUDGET), 0);
}

/* What could not be deleted is not lost: nobody states it, in this run or the next. */
static void test_a_deletion_that_fails_is_not_stated(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *path = mem_printf("%s/ready/%s", fixture->directory, first);

	publish(fixture, first);
	publish(fixture, second);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);          /* which unlink() does not remove */
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	enforce(fixture, 1);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
	assert_true(is_there(fixture, "metadata", first));
	open_again(fixture);
	assert_int_equal(publish_and_count(fixture, third, DROP_BUDGET), 0);
}

static void test_a_damaged_record_is_no_obstacle(void **state)
{
	static const char *const damaged[] = { "", "x", "packets=-1\n", "lost-before=1 2 3\n",
					       "lost-before=a b c d e f\n" };
	struct fixture *fixture = *state;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	for (size_t i = 0; i < ARRAY_LENGTH(damaged); i++) {
		cleanup_free char *name = mem_printf("%08zu.budget", 10 + i);

		write_text(fixture, "lost", name, damaged[i]);
	}
	write_text(fixture, "lost", "notes.txt", "not ours");
	open_again(fixture);
	assert_int_equal(publish_and_count(fixture, NAME("09", "00000020"), DROP_BUDGET), 0);
	assert_true(is_there(fixture, "lost", "notes.txt"));
	assert_false(is_there(fixture, "lost", "00000010.budget"));
}

static void test_metadata_that_cannot_be_written_keep_nothing_back(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/metadata/.%s.new", fixture->directory, first);
	struct spool_writer *writer = begin(fixture, first, "123456789", 9);
	struct segment segment;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	writer->segment.drops.count[DROP_KERNEL] = 2;
	assert_int_equal(spool_note(writer, &err), 0);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	writer->segment.drops.count[DROP_KERNEL] = 5;
	writer->segment.packets = 10;
	assert_int_equal(spool_finish(writer), 0);
	segment = claim_newest(fixture, first);
	assert_int_equal(segment.bytes, 9);
	assert_int_equal(segment.crc32c, 0xe3069283);
	assert_int_equal(segment.packets, 10);
	assert_string_equal(segment.filter, "udp");
	assert_int_equal(segment.drops.count[DROP_KERNEL], 2);
	/* What its metadata do not say, the next one's do. */
	assert_int_equal(publish_and_count(fixture, second, DROP_KERNEL), 3);
}

/* An older version had other names for two folders, and noted losses in a file. */
static void test_folders_of_an_older_version_are_taken_over(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *facts = mem_printf("%s/facts", fixture->directory);
	cleanup_free char *attempts = mem_printf("%s/attempts", fixture->directory);
	struct spool_claim claimed;
	struct error err;
	char *text;

	publish(fixture, first);
	publish(fixture, second);
	assert_int_equal(mkdir(facts, 0750), 0);
	assert_int_equal(mkdir(attempts, 0750), 0);
	move(fixture, "metadata", first, "facts", first);
	write_text(fixture, "attempts", first, "session");
	write_text(fixture, ".", "carried", "1 0 0 0 0 0 \n");
	assert_int_equal(spool_may_chown(fixture->directory, &err), 0);
	open_again(fixture);
	assert_int_equal(access(facts, F_OK), -1);
	assert_int_equal(access(attempts, F_OK), -1);
	assert_false(is_there(fixture, ".", "carried"));
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_string_equal(claimed.name, first);
	assert_int_equal(claimed.segment.packets, 10);
	text = spool_load_upload_state(fixture->spool, &claimed);
	assert_string_equal(text, "session");
	free(text);
	(void)close(claimed.fd);
}

/* Somebody has deleted files while no program looked: what they held is lost, and counted once. */
static void test_metadata_without_a_segment_are_a_loss(void **state)
{
	struct fixture *fixture = *state;
	struct spool_writer *writer = begin(fixture, second, "123456789", 9);
	struct error err;

	publish_with(fixture, first, 10, 3);
	writer->segment.packets = 5;
	assert_int_equal(spool_note(writer, &err), 0);
	crash(writer);
	remove_file(fixture, "ready", first);
	remove_file(fixture, "capturing", second);
	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	open_again(fixture);
	open_again(fixture);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 15);
	assert_false(is_there(fixture, "metadata", first));
	assert_int_equal(publish_and_count(fixture, third, DROP_DISK), 15);
	assert_int_equal(publish_and_count(fixture, fourth, DROP_DISK), 0);
}

/* The sink has it, and the program ends before its metadata are gone: nothing is lost, and nothing sent again. */
static void test_metadata_of_what_was_sent_are_no_loss(void **state)
{
	static const char temporary[] = "." NAME("00", "00000001") ".new";
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	(void)close(claimed.fd);
	move(fixture, "sending", first, "sending",
	     temporary); /* the first step of spool_remove() */
	open_again(fixture);
	assert_false(is_there(fixture, "metadata", first));
	assert_false(is_there(fixture, "sending", temporary));
	assert_int_equal(publish_and_count(fixture, second, DROP_DISK), 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 0);
}

/* It was counted when it was rejected. Its files are stated as lost for that reason, as those deleted for room are. */
static void test_a_rejected_segment_that_somebody_deletes_counts_once(void **state)
{
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct error err;

	for (int is_running = 0; is_running < 2; is_running++) {
		const char *name = is_running ? third : first;

		publish(fixture, name);
		assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err),
				 1);
		assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
		remove_file(fixture, "rejected", name);
		if (is_running)
			assert_int_equal(spool_rescan(fixture->spool, &err), 0);
		else
			open_again(fixture);
		assert_false(is_there(fixture, "metadata", name));
		assert_int_equal(
			publish_and_count(fixture, is_running ? fourth : second, DROP_REJECTED),
			10);
	}
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_REJECTED]), 20);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 0);
}

/* Taken away while no program looks: what it held is lost, and was not counted as rejected. */
static void assert_counted_as_vanished(struct fixture *fixture, const char *folder,
				       const char *name, uint64_t all)
{
	struct error err;

	fixture->spool = spool_close(fixture->spool);
	remove_file(fixture, folder, name);
	assert_int_equal(spool_open(fixture->directory, &fixture->counters, &fixture->spool, &err),
			 0);
	assert_false(is_there(fixture, "metadata", name));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), all);
}

static struct spool_claim claim_oldest(struct fixture *fixture, const char *name)
{
	struct spool_claim claimed;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_string_equal(claimed.name, name);
	return claimed;
}

/* What could not be moved to rejected/, or was moved back, is not rejected. */
static void test_what_is_not_rejected_after_all(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/rejected/%s", fixture->directory, first);
	cleanup_free char *other = mem_printf("%s/rejected/%s", fixture->directory, third);
	struct spool_writer *writer;
	struct spool_claim claimed;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	claimed = claim_oldest(fixture, first);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), -1);
	assert_counted_as_vanished(fixture, "sending", first, 10);

	publish(fixture, second);
	claimed = claim_oldest(fixture, second);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	move(fixture, "rejected", second, "ready", second);
	open_again(fixture);
	claimed = claim_oldest(fixture, second);
	assert_int_equal(claimed.segment.packets, 10);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	assert_counted_as_vanished(fixture, "ready", second, 20);

	writer = begin(fixture, third, "123456789", 9);
	writer->segment.packets = 10;
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(spool_quarantine(writer), -1);
	assert_counted_as_vanished(fixture, "capturing", third, 30);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_REJECTED]), 10);
}

/* Deleted while it is open: said once, its segments are counted, and nothing is made again. */
static void test_a_spool_that_is_removed(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *command = mem_printf("rm -rf '%s'", fixture->directory);
	struct spool_writer *writer;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	writer = begin(fixture, second, "123456789", 9);
	writer->segment.packets = 5;
	spool_maintain(fixture->spool);
	assert_false(spool_is_removed(fixture->spool));
	assert_int_equal(system(command), 0);
	spool_maintain(fixture->spool);
	assert_true(spool_is_removed(fixture->spool));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 10);
	assert_int_equal(spool_finish(writer), -1);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_DISK]), 15);
	assert_int_equal(spool_begin(fixture->spool, &(struct segment){ .node = "n" }, ".pcap",
				     &writer, &err),
			 -1);
	assert_int_equal(access(fixture->directory, F_OK), -1);
}

/* NFS: a rename that was done, and whose answer got lost, is a loss once. */
static void test_a_repeated_rename_is_one_loss(void **state)
{
	struct fixture *fixture = *state;
	struct segment segment;

	publish(fixture, first);
	are_renames_repeated = true;
	enforce(fixture, 0);
	are_renames_repeated = false;
	open_again(fixture);
	publish(fixture, second);
	segment = claim_newest(fixture, second);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 10);
}

/* One record that cannot be read now keeps nothing else from being stated, and is stated when it can. */
static void test_an_unreadable_record_is_put_off(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *good = mem_printf("%s/good", fixture->directory);
	cleanup_free char *pattern = mem_printf("%s/lost/*.budget", fixture->directory);
	cleanup_free char *looping = NULL;
	struct segment segment;
	glob_t found;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	enforce(fixture, 0);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(rename(found.gl_pathv[0], good), 0);
	assert_int_equal(symlink("loop", found.gl_pathv[0]), 0);
	looping = mem_printf("%s/lost/loop", fixture->directory);
	assert_int_equal(symlink("loop", looping), 0); /* opening it is an error */
	globfree(&found);
	publish(fixture, second);
	enforce(fixture, 0);
	publish(fixture, third);
	segment = claim_newest(fixture, third);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 10);
	assert_int_equal(glob(pattern, 0, NULL, &found), 0);
	assert_int_equal(found.gl_pathc, 1);
	assert_int_equal(rename(good, found.gl_pathv[0]), 0);
	globfree(&found);
	publish(fixture, fourth);
	segment = claim_newest(fixture, fourth);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 10);
}

/* What is in no file is written down also while the others cannot be listed. */
static void test_losses_are_written_down_beside_those_that_cannot_be_listed(void **state)
{
	const struct drops drops = { .count = { [DROP_DISK] = 7 } };
	struct fixture *fixture = *state;
	struct segment segment;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	enforce(fixture, 0);
	unlisted_folder = "lost";
	spool_add_loss(fixture->spool, "eth0", 1, 2, &drops);
	spool_maintain(fixture->spool);
	assert_int_equal(fixture->spool->pending.count, 0);
	unlisted_folder = NULL;
	open_again(fixture);
	publish(fixture, second);
	segment = claim_newest(fixture, second);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 10);
	assert_int_equal(count_lost(&segment, DROP_DISK), 7);
}

/* Nobody's leftovers, nor a folder beside the segments', keep the program from starting. */
static void test_folders_that_a_start_can_do_without(void **state)
{
	static const char *const folders[] = { "metadata", "upload-state" };
	struct fixture *fixture = *state;
	struct spool *spool;
	uint64_t number;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	/* Where there is no file of it, the folders have to say which numbers are in use. */
	assert_int_equal(spool_next_sequence(fixture->spool, &number, &err), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(folders); i++) {
		unlisted_folder = folders[i];
		open_again(fixture);
		assert_int_equal(fixture->spool->counts[SPOOL_READY], 1);
	}
	unlisted_folder = "ready";
	fixture->spool = spool_close(fixture->spool);
	assert_int_equal(spool_open(fixture->directory, &fixture->counters, &spool, &err), -1);
	unlisted_folder = NULL;
	open_again(fixture);
}

static unsigned syncs;

static void count_sync(const char *name)
{
	syncs += name[0] != '\0';
}

/* The lock is held while they are deleted, or found to be gone: no disk is waited for meanwhile. */
static void test_many_segments_go_with_few_syncs(void **state)
{
	enum {
		MANY = 200
	};
	struct fixture *fixture = *state;
	char name[SEGMENT_NAME_MAX + 1];
	struct segment segment;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	emptied = fixture;
	for (int turn = 0; turn < 2; turn++) {
		enforce(fixture, UINT64_MAX);
		for (uint64_t i = 0; i < MANY; i++) {
			name_format("n", "eth0", (1700000000 + i) * CLOCK_NS_PER_S,
				    (uint64_t)turn * 1000 * MANY + i + 1, ".pcap", name);
			publish(fixture, name);
		}
		if (turn == 1) {
			empty_at = "";
			empty_spool("");
		}
		syncs = 0;
		before_sync = count_sync;
		if (turn == 0)
			enforce(fixture, 0);
		else
			assert_int_equal(spool_rescan(fixture->spool, &err), 0);
		before_sync = NULL;
		assert_in_range(syncs, 0, MANY / 2);
	}
	enforce(fixture, UINT64_MAX);
	publish(fixture, first);
	segment = claim_newest(fixture, first);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 10 * MANY);
	assert_int_equal(count_lost(&segment, DROP_DISK), 10 * MANY);
}

/* Listed again while it is uploaded, a segment keeps what it states of others, for when somebody deletes it. */
static void test_a_claimed_segment_keeps_what_it_states(void **state)
{
	static const struct drops drops = { .count[DROP_BUDGET] = 7 };
	struct fixture *fixture = *state;
	struct spool_claim claimed;
	struct segment segment;
	struct error err;

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	spool_add_loss(fixture->spool, "eth1", 1000, 2000, &drops);
	publish(fixture, first);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_OLDEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(count_lost(&claimed.segment, DROP_BUDGET), 7);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	assert_int_equal(spool_release(fixture->spool, &claimed, true, &err), 0);
	remove_file(fixture, "ready", first);
	remove_file(fixture, "metadata", first);
	assert_int_equal(spool_rescan(fixture->spool, &err), 0);
	publish(fixture, second);
	segment = claim_newest(fixture, second);
	assert_int_equal(count_lost(&segment, DROP_DISK), 10);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), 7);
}

/* A disk that takes its time for a sync of lost/, until the main thread has done what must not wait for it. */
static struct slow_disk {
	struct fixture *fixture;
	pthread_t slow;
	sem_t is_syncing, is_done;
	bool has_others_waiting;
} disk;

static void sync_slowly(const char *name)
{
	struct timespec until;

	if (strcmp(name, "lost") != 0 || !pthread_equal(pthread_self(), disk.slow))
		return;
	before_sync = NULL;
	assert_int_equal(sem_post(&disk.is_syncing), 0);
	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20; /* far more than it takes: the end of a test that fails */
	disk.has_others_waiting = sem_timedwait(&disk.is_done, &until) < 0;
}

static void *finish_slowly(void *context)
{
	(void)context;
	disk.slow = pthread_self();
	before_sync = sync_slowly;
	publish(disk.fixture, second);
	return NULL;
}

static void *save_slowly(void *context)
{
	(void)context;
	disk.slow = pthread_self();
	before_sync = sync_slowly;
	spool_ledger_save(disk.fixture->spool);
	return NULL;
}

/* While losses are stated, or added up: others write, claim, delete for room and lose packets, and no loss is forgotten. */
static void lose_while(struct fixture *fixture, void *(*run)(void *context))
{
	static const struct drops drops = { .count[DROP_BUDGET] = 7 };
	struct spool_writer *writer;
	struct spool_claim claimed;
	struct segment segment;
	pthread_t thread;
	struct error err;

	disk = (struct slow_disk){ .fixture = fixture };
	assert_int_equal(sem_init(&disk.is_syncing, 0, 0), 0);
	assert_int_equal(sem_init(&disk.is_done, 0, 0), 0);
	enforce(fixture, 100);
	publish_with(fixture, first, 1000, 0);
	publish_with(fixture, NAME("20", "00000020"), 100, 0);
	publish(fixture, NAME("21", "00000021"));
	assert_true(spool_evict_one(fixture->spool)); /* 1000 */
	spool_add_loss(fixture->spool, "eth1", 1000, 2000, &drops);
	writer = begin(fixture, third, "x", 1);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	assert_int_equal(sem_wait(&disk.is_syncing), 0);
	spool_add_loss(fixture->spool, "eth2", 1000, 2000, &drops);
	spool_ledger_save(fixture->spool);
	assert_true(spool_evict_one(fixture->spool)); /* 100 */
	assert_int_equal(spool_append(writer, "abc", 3, 3, &err), 0);
	assert_int_equal(spool_claim(fixture->spool, SPOOL_NEWEST_FIRST, 0, &claimed, &err), 1);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_int_equal(sem_post(&disk.is_done), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_false(disk.has_others_waiting);
	if (run == finish_slowly) {
		segment = claim_newest(fixture, second);
		assert_int_equal(count_lost(&segment, DROP_BUDGET), 1007);
	}
	assert_int_equal(spool_finish(writer), 0);
	segment = claim_newest(fixture, third);
	assert_int_equal(count_lost(&segment, DROP_BUDGET), run == finish_slowly ? 107 : 1114);
	assert_int_equal(publish_and_count(fixture, fourth, DROP_BUDGET), 0);
}

static void test_nobody_waits_for_losses_that_are_stated(void **state)
{
	lose_while(*state, finish_slowly);
}

static void test_nobody_waits_for_losses_that_are_added_up(void **state)
{
	lose_while(*state, save_slowly);
}

/* Metadata that the disk does not take state nothing: another segment does. */
static void test_losses_that_could_not_be_stated_are_stated_later(void **state)
{
	static const struct drops drops = { .count[DROP_BUDGET] = 7 };
	struct fixture *fixture = *state;
	cleanup_free char *obstacle = mem_printf("%s/metadata/.%s.new", fixture->directory, second);

	log_setup(LOG_LEVEL_ERROR - 1, LOG_FORMAT_TEXT); /* it is logged, rightly */
	publish(fixture, first);
	enforce(fixture, 0);
	enforce(fixture, 100);
	spool_add_loss(fixture->spool, "eth1", 1000, 2000, &drops);
	assert_int_equal(mkdir(obstacle, 0700), 0);
	assert_int_equal(publish_and_count(fixture, second, DROP_BUDGET), 0);
	assert_int_equal(publish_and_count(fixture, third, DROP_BUDGET), 17);
	assert_int_equal(publish_and_count(fixture, fourth, DROP_BUDGET), 0);
}

UNIT_TESTS()
{
#define LEDGER_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		LEDGER_TEST(test_drops_of_a_file_are_its_own),
		LEDGER_TEST(test_many_segments_go_with_few_syncs),
		LEDGER_TEST(test_a_repeated_rename_is_one_loss),
		LEDGER_TEST(test_an_unreadable_record_is_put_off),
		LEDGER_TEST(test_losses_are_written_down_beside_those_that_cannot_be_listed),
		LEDGER_TEST(test_folders_that_a_start_can_do_without),
		LEDGER_TEST(test_a_segment_that_vanishes_counts_whole),
		LEDGER_TEST(test_what_was_stated_is_not_lost_with_who_did),
		LEDGER_TEST(test_a_deletion_that_was_not_done_is_no_loss),
		LEDGER_TEST(test_a_deletion_that_was_done_is_stated_once),
		LEDGER_TEST(test_what_a_segment_has_stated_is_stated_once),
		LEDGER_TEST(test_metadata_without_a_segment_are_a_loss),
		LEDGER_TEST(test_metadata_of_what_was_sent_are_no_loss),
		LEDGER_TEST(test_a_rejected_segment_that_somebody_deletes_counts_once),
		LEDGER_TEST(test_adding_up_counts_once),
		LEDGER_TEST(test_no_number_that_was_stated_is_used_again),
		LEDGER_TEST(test_many_losses_are_added_up),
		LEDGER_TEST(test_losses_without_a_segment),
		LEDGER_TEST(test_metadata_that_are_in_place_state),
		LEDGER_TEST(test_a_loss_that_the_disk_does_not_take_is_known),
		LEDGER_TEST(test_a_deletion_that_fails_is_not_stated),
		LEDGER_TEST(test_a_damaged_record_is_no_obstacle),
		LEDGER_TEST(test_metadata_that_cannot_be_written_keep_nothing_back),
		LEDGER_TEST(test_folders_of_an_older_version_are_taken_over),
		LEDGER_TEST(test_a_spool_that_is_removed),
		LEDGER_TEST(test_what_is_not_rejected_after_all),
		LEDGER_TEST(test_nobody_waits_for_losses_that_are_stated),
		LEDGER_TEST(test_nobody_waits_for_losses_that_are_added_up),
		LEDGER_TEST(test_losses_that_could_not_be_stated_are_stated_later),
		LEDGER_TEST(test_a_claimed_segment_keeps_what_it_states),
	};

	unit_add(tests, NULL, NULL);
}
