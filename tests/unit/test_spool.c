/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "spool_fixture.h"

#define NAME(second, sequence) "n_20251123T0830" second ".000Z_eth0_" sequence ".pcap"
static const char first[] = NAME("00", "00000001"), second[] = NAME("01", "00000002"),
		  third[] = NAME("02", "00000003");

static void publish(struct fixture *fixture, const char *name)
{
	struct segment segment = { .node = "n", .packets = 10, .bytes = 9, .crc32c = 0xe3069283 };
	struct error err;

	begin(fixture, name, "123456789", 9);
	assert_int_equal(spool_publish(fixture->spool, name, &segment, &err), 0);
}

static struct spool_claim claim(struct fixture *fixture, enum spool_order order)
{
	struct spool_claim claimed;
	struct error err;

	assert_int_equal(spool_claim(fixture->spool, order, 0, &claimed, &err), 1);
	return claimed;
}

static void assert_totals(struct fixture *fixture, uint64_t ready, uint64_t sending,
			  uint64_t rejected)
{
	struct spool_totals totals;

	spool_totals(fixture->spool, &totals);
	assert_int_equal(totals.ready, ready);
	assert_int_equal(totals.sending, sending);
	assert_int_equal(totals.rejected, rejected);
	assert_int_equal(totals.bytes, (ready + sending + rejected) * 9);
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
	assert_int_equal(spool_release(fixture->spool, &claimed, &err), 0);
	assert_true(is_there(fixture, "ready", first));
	assert_totals(fixture, 1, 0, 0);

	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_true(is_there(fixture, "rejected", first));
	assert_true(is_there(fixture, "facts", first));
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_REJECTED]), 10);
	assert_totals(fixture, 0, 0, 1);

	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_remove(fixture->spool, &claimed, &err), 0);
	assert_false(is_there(fixture, "sending", second));
	assert_false(is_there(fixture, "facts", second));
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
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("garbage", file) >= 0);
	assert_int_equal(fclose(file), 0);
	open_again(fixture);
	assert_int_equal(spool_next_sequence(fixture->spool, &after, &err), 0);
	assert_int_equal(after, 778);
}

static void test_segment_without_facts_is_read(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *facts = mem_printf("%s/facts/%s", fixture->directory, first);
	struct spool_claim claimed;

	publish(fixture, first);
	assert_int_equal(unlink(facts), 0);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(claimed.segment.bytes, 9);
	assert_int_equal(claimed.segment.crc32c, 0xe3069283);
	assert_string_equal(claimed.segment.interface, "eth0");
	(void)close(claimed.fd);
}

static void test_orphaned_facts_are_removed_at_start(void **state)
{
	struct fixture *fixture = *state;
	cleanup_free char *ready = mem_printf("%s/ready/%s", fixture->directory, first);

	publish(fixture, first);
	publish(fixture, second);
	assert_int_equal(unlink(ready), 0);
	open_again(fixture);
	assert_false(is_there(fixture, "facts", first));
	assert_true(is_there(fixture, "facts", second));
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

static void test_budget_takes_rejected_then_oldest(void **state)
{
	struct fixture *fixture = *state;
	struct budget budget = { .max_segments = 3 };
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	publish(fixture, third);
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_int_equal(spool_reject(fixture->spool, &claimed, &err), 0);
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	assert_totals(fixture, 2, 0, 1);
	budget.max_segments = 2;
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	assert_totals(fixture, 2, 0, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 0);
	budget.max_segments = 1;
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	assert_totals(fixture, 1, 0, 0);
	assert_int_equal(counter_read(&fixture->counters.drops[DROP_BUDGET]), 10);
	assert_true(is_there(fixture, "ready", second));
	assert_false(is_there(fixture, "facts", first));
	assert_false(spool_is_full(fixture->spool));
}

/* The next segment tells what the deleted ones held and told, so that the objects add up. */
static void test_deleted_packets_are_told_by_the_next_segment(void **state)
{
	struct fixture *fixture = *state;
	struct budget budget = { .max_segments = 1 };
	struct segment lossy = { .packets = 7, .bytes = 9, .drops = { [DROP_KERNEL] = 3 } };
	struct spool_claim claimed;
	struct error err;

	begin(fixture, first, "123456789", 9);
	assert_int_equal(spool_publish(fixture->spool, first, &lossy, &err), 0);
	publish(fixture, second);
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	publish(fixture, third);
	/* The second is deleted as well; the third, which waits, has told the first one's. */
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	publish(fixture, NAME("03", "00000004"));
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_int_equal(claimed.segment.drops[DROP_BUDGET], 10);
	assert_int_equal(claimed.segment.drops[DROP_KERNEL], 0);
	(void)close(claimed.fd);
	claimed = claim(fixture, SPOOL_NEWEST_FIRST);
	assert_int_equal(claimed.segment.drops[DROP_BUDGET], 7);
	assert_int_equal(claimed.segment.drops[DROP_KERNEL], 3);
	(void)close(claimed.fd);
}

static void test_what_is_being_sent_is_never_deleted(void **state)
{
	struct fixture *fixture = *state;
	struct budget budget = { .max_segments = 1, .max_bytes = 1 };
	struct spool_claim claimed;
	struct error err;

	publish(fixture, first);
	publish(fixture, second);
	claimed = claim(fixture, SPOOL_OLDEST_FIRST);
	assert_int_equal(spool_enforce(fixture->spool, &budget, &err), 0);
	assert_totals(fixture, 0, 1, 0);
	assert_true(is_there(fixture, "sending", first));
	(void)close(claimed.fd);
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

int main(void)
{
#define SPOOL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(test_oldest_or_newest_first),
		SPOOL_TEST(test_a_claim_ends_in_one_of_three_ways),
		SPOOL_TEST(test_restart_sends_what_was_being_sent),
		SPOOL_TEST(test_sequence_never_repeats),
		SPOOL_TEST(test_segment_without_facts_is_read),
		SPOOL_TEST(test_orphaned_facts_are_removed_at_start),
		SPOOL_TEST(test_operator_may_take_and_bring_files),
		SPOOL_TEST(test_budget_takes_rejected_then_oldest),
		SPOOL_TEST(test_deleted_packets_are_told_by_the_next_segment),
		SPOOL_TEST(test_what_is_being_sent_is_never_deleted),
		SPOOL_TEST(test_a_second_process_is_refused),
		SPOOL_TEST(test_check_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
