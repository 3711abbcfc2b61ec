/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "pipeline/pipeline_private.h"

static void check_step(enum pipeline_state state, enum pipeline_event event,
		       enum pipeline_state next, unsigned actions)
{
	struct pipeline_step step = pipeline_next(state, event);

	if (step.next != next || step.actions != actions)
		fail_msg("state %d, event %d: state %d with actions %#x, not %d with %#x", state,
			 event, step.next, step.actions, next, actions);
}

static void test_a_life(void **unused)
{
	static const struct {
		enum pipeline_event event;
		enum pipeline_state next;
		unsigned actions;
	} life[] = {
		{ PIPELINE_OPENED, PIPELINE_RECORDING, PIPELINE_LOG },
		{ PIPELINE_OPENED, PIPELINE_RECORDING, 0 }, /* asked each second */
		{ PIPELINE_LINK_DOWN, PIPELINE_DOWN, PIPELINE_LOG | PIPELINE_NOTE_LINK },
		{ PIPELINE_OPENED, PIPELINE_DOWN, 0 },
		{ PIPELINE_LINK_UP, PIPELINE_RECORDING, PIPELINE_LOG | PIPELINE_NOTE_LINK },
		{ PIPELINE_CAPTURE_ENDED, PIPELINE_LOST,
		  PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON },
		{ PIPELINE_RETRY_DUE, PIPELINE_OPENING, PIPELINE_START },
		{ PIPELINE_OPEN_FAILED, PIPELINE_BACKOFF,
		  PIPELINE_LOG | PIPELINE_FREE | PIPELINE_RETRY_SOON },
		{ PIPELINE_RETRY_DUE, PIPELINE_RETRYING, PIPELINE_START },
		{ PIPELINE_OPEN_FAILED, PIPELINE_BACKOFF, PIPELINE_FREE | PIPELINE_RETRY_SOON },
		{ PIPELINE_LINK_DOWN, PIPELINE_BACKOFF, 0 },
		{ PIPELINE_LINK_UP, PIPELINE_BACKOFF, PIPELINE_RETRY_NOW },
		{ PIPELINE_RETRY_DUE, PIPELINE_RETRYING, PIPELINE_START },
		{ PIPELINE_OPEN_REFUSED, PIPELINE_BACKOFF, PIPELINE_FREE | PIPELINE_RETRY_LATER },
		{ PIPELINE_RETRY_DUE, PIPELINE_RETRYING, PIPELINE_START },
		{ PIPELINE_OPENED, PIPELINE_RECORDING, PIPELINE_LOG },
		{ PIPELINE_LINK_GONE, PIPELINE_ENDING, PIPELINE_LOG | PIPELINE_STOP_GONE },
		{ PIPELINE_LINK_GONE, PIPELINE_ENDING, 0 },
		{ PIPELINE_CAPTURE_ENDED, PIPELINE_ENDING, 0 },
		{ PIPELINE_THREADS_ENDED, PIPELINE_ENDING, PIPELINE_FREE | PIPELINE_REMOVE },
	};
	enum pipeline_state state = PIPELINE_OPENING;

	(void)unused;
	for (size_t i = 0; i < ARRAY_LENGTH(life); i++) {
		check_step(state, life[i].event, life[i].next, life[i].actions);
		state = life[i].next;
	}
}

static void test_one_that_records_can_end_in_four_ways(void **unused)
{
	static const enum pipeline_state running[] = { PIPELINE_OPENING, PIPELINE_RETRYING,
						       PIPELINE_RECORDING, PIPELINE_DOWN };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LENGTH(running); i++) {
		assert_true(pipeline_is_running(running[i]));
		assert_false(pipeline_is_waiting(running[i]));
		check_step(running[i], PIPELINE_LINK_GONE, PIPELINE_ENDING,
			   PIPELINE_LOG | PIPELINE_STOP_GONE);
		check_step(running[i], PIPELINE_LINK_RENAMED, PIPELINE_ENDING,
			   PIPELINE_LOG | PIPELINE_STOP_NOW);
		check_step(running[i], PIPELINE_DESELECTED, PIPELINE_ENDING,
			   PIPELINE_LOG | PIPELINE_STOP_NOW);
		check_step(running[i], PIPELINE_REPLACED, PIPELINE_ENDING, 0);
		check_step(running[i], PIPELINE_THREADS_ENDED, running[i], 0);
		check_step(running[i], PIPELINE_RETRY_DUE, running[i], 0);
	}
}

static void test_one_that_waits_is_removed_at_once(void **unused)
{
	static const enum pipeline_state waiting[] = { PIPELINE_LOST, PIPELINE_BACKOFF };
	static const enum pipeline_event ends[] = { PIPELINE_LINK_GONE, PIPELINE_LINK_RENAMED,
						    PIPELINE_DESELECTED };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LENGTH(waiting); i++) {
		assert_true(pipeline_is_waiting(waiting[i]));
		assert_false(pipeline_is_running(waiting[i]));
		for (size_t j = 0; j < ARRAY_LENGTH(ends); j++)
			check_step(waiting[i], ends[j], waiting[i], PIPELINE_LOG | PIPELINE_REMOVE);
		check_step(waiting[i], PIPELINE_LINK_DOWN, waiting[i], 0);
	}
}

/* Whatever happens: threads are freed before new ones are made, and a pipeline that is removed has none. */
static void test_threads_are_neither_leaked_nor_freed_twice(void **unused)
{
	(void)unused;
	for (enum pipeline_state state = 0; state < PIPELINE_STATE_COUNT; state++)
		for (enum pipeline_event event = 0; event < PIPELINE_EVENT_COUNT; event++) {
			struct pipeline_step step = pipeline_next(state, event);
			bool has_threads = !pipeline_is_waiting(state);

			assert_true(step.next < PIPELINE_STATE_COUNT);
			if (step.actions & PIPELINE_START)
				assert_false(has_threads);
			if (step.actions & PIPELINE_FREE)
				assert_true(has_threads);
			has_threads = (has_threads || step.actions & PIPELINE_START) &&
				      !(step.actions & PIPELINE_FREE);
			if (step.actions & PIPELINE_REMOVE)
				assert_false(has_threads);
			else
				assert_int_equal(has_threads, !pipeline_is_waiting(step.next));
		}
}

static void test_what_a_link_means(void **unused)
{
	static const struct link up = { .index = 2, .name = "eth0", .is_up = true };
	static const struct link down = { .index = 2, .name = "eth0", .is_up = false };
	static const struct link renamed = { .index = 2, .name = "eth1", .is_up = true };
	static const struct pipeline was_up = { .index = 2, .name = "eth0", .is_up = true };
	static const struct pipeline was_down = { .index = 2, .name = "eth0", .is_up = false };
	static const struct pipeline any = { .name = "any", .is_up = true };
	static const struct {
		const struct pipeline *pipeline;
		const struct link *link;
		bool is_wanted;
		enum pipeline_event event;
	} cases[] = {
		{ &was_up, &up, true, PIPELINE_NO_EVENT },
		{ &was_up, &down, true, PIPELINE_LINK_DOWN },
		{ &was_down, &up, true, PIPELINE_LINK_UP },
		{ &was_down, &down, true, PIPELINE_NO_EVENT },
		{ &was_up, NULL, false, PIPELINE_LINK_GONE },
		{ &was_up, &renamed, true, PIPELINE_LINK_RENAMED },
		{ &was_up, &renamed, false, PIPELINE_LINK_RENAMED },
		{ &was_up, &up, false, PIPELINE_DESELECTED },
		{ &was_up, &down, false, PIPELINE_DESELECTED },
		{ &any, NULL, true, PIPELINE_NO_EVENT },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_int_equal(
			pipeline_link_event(cases[i].pipeline, cases[i].link, cases[i].is_wanted),
			cases[i].event);
}

static void test_what_the_threads_mean(void **unused)
{
	static const struct error config = { .kind = ERROR_CONFIG },
				  fatal = { .kind = ERROR_FATAL };
	static const struct {
		enum pipeline_state state;
		enum capture_state capture;
		bool is_recorder_finished;
		const struct error *failure;
		enum pipeline_event event;
	} cases[] = {
		{ PIPELINE_OPENING, CAPTURE_OPENING, false, NULL, PIPELINE_NO_EVENT },
		{ PIPELINE_OPENING, CAPTURE_OPEN, false, NULL, PIPELINE_OPENED },
		{ PIPELINE_OPENING, CAPTURE_REFUSED, false, &fatal, PIPELINE_NO_EVENT },
		{ PIPELINE_OPENING, CAPTURE_REFUSED, true, &fatal, PIPELINE_OPEN_FAILED },
		{ PIPELINE_OPENING, CAPTURE_REFUSED, true, &config, PIPELINE_OPEN_REFUSED },
		{ PIPELINE_RECORDING, CAPTURE_ENDED, false, NULL, PIPELINE_NO_EVENT },
		{ PIPELINE_RECORDING, CAPTURE_ENDED, true, NULL, PIPELINE_CAPTURE_ENDED },
		{ PIPELINE_ENDING, CAPTURE_ENDED, false, NULL, PIPELINE_NO_EVENT },
		{ PIPELINE_ENDING, CAPTURE_ENDED, true, NULL, PIPELINE_THREADS_ENDED },
		{ PIPELINE_ENDING, CAPTURE_REFUSED, true, &fatal, PIPELINE_THREADS_ENDED },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
		assert_int_equal(pipeline_thread_event(cases[i].state, cases[i].capture,
						       cases[i].is_recorder_finished,
						       cases[i].failure),
				 cases[i].event);
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_life),
		cmocka_unit_test(test_one_that_records_can_end_in_four_ways),
		cmocka_unit_test(test_one_that_waits_is_removed_at_once),
		cmocka_unit_test(test_threads_are_neither_leaked_nor_freed_twice),
		cmocka_unit_test(test_what_a_link_means),
		cmocka_unit_test(test_what_the_threads_mean),
	};

	unit_add(tests, NULL, NULL);
}
