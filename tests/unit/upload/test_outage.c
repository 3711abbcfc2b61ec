/* SPDX-License-Identifier: Apache-2.0 */
/* When an outage begins and ends, over all workers, and when it is worth a line. */
#include "unit.h"

#include "upload/worker.h"

enum step_kind {
	FAILED,
	WORKED,
	IDLE
};

struct step {
	unsigned worker; /* 0 or 1 */
	enum step_kind kind;
	uint64_t now_ms;
	bool is_told;
	size_t failing; /* workers, afterwards */
};

static bool take_step(struct outage *outage, struct outage_worker *worker, const struct step *step)
{
	struct error err;

	error_set(&err, ERROR_TRANSIENT, "no route");
	switch (step->kind) {
	case FAILED:
		return outage_failed(outage, worker, step->now_ms, &err);
	case WORKED:
		return outage_worked(outage, worker, true, step->now_ms);
	default:
		return outage_worked(outage, worker, false, step->now_ms);
	}
}

static void check_steps(const struct step *steps, size_t count)
{
	struct outage outage = { 0 };
	struct outage_worker workers[2] = { 0 };

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(take_step(&outage, &workers[steps[i].worker], &steps[i]),
				 steps[i].is_told);
		assert_int_equal(outage.workers, steps[i].failing);
	}
}

static void test_an_outage_is_told_once(void **state)
{
	static const struct step steps[] = {
		{ 0, WORKED, 1000, false, 0 }, /* nothing is over */
		{ 0, FAILED, 2000, true, 1 },  /* it begins */
		{ 0, FAILED, 3000, false, 1 },
		{ 1, FAILED, 4000, false, 2 }, /* another worker has it, too */
		{ 0, WORKED, 5000, false, 1 },
		{ 0, WORKED, 6000, false, 1 },
		{ 1, WORKED, 7000, true, 0 }, /* the last one is through */
		{ 1, WORKED, 8000, false, 0 },
		{ 1, FAILED, 9000, true, 1 }, /* another outage */
		{ 1, WORKED, 9500, true, 0 },
	};

	(void)state;
	check_steps(steps, ARRAY_LENGTH(steps));
}

static void test_an_idle_worker_believes_only_a_later_upload(void **state)
{
	static const struct step steps[] = {
		{ 0, IDLE, 0, false, 0 },
		{ 1, WORKED, 500, false, 0 },
		{ 0, FAILED, 1000, true, 1 },
		{ 0, IDLE, 0, false, 1 }, /* what worked was before */
		{ 1, WORKED, 2000, false, 1 },
		{ 0, IDLE, 0, true, 0 },
		{ 0, IDLE, 0, false, 0 },
	};

	(void)state;
	check_steps(steps, ARRAY_LENGTH(steps));
}

static void test_trouble_is_told_once_and_now_and_then(void **state)
{
	struct outage outage = { 0 };
	struct outage_worker one = { 0 }, two = { 0 };
	struct error err;
	char line[128];

	(void)state;
	error_set(&err, ERROR_TRANSIENT, "no route");
	assert_string_equal(outage_describe(&outage, 5000, line, sizeof line), "");
	assert_string_equal(line, "");
	assert_true(outage_failed(&outage, &one, 1000, &err));
	assert_false(outage_failed(&outage, &two, 2000, &err));
	for (int i = 3; i < 10; i++)
		assert_false(outage_failed(&outage, &one, 3000, &err));
	assert_true(outage_failed(&outage, &one, 4000, &err));
	assert_string_equal(outage_describe(&outage, 31000, line, sizeof line), "no route");
	assert_string_equal(line, "uploads failing since 30 s: no route");
	assert_string_equal(outage_describe(&outage, 121000, line, sizeof line), "no route");
	assert_string_equal(line, "uploads failing since 2 min: no route");

	/* It is over when the last worker is through. */
	assert_false(outage_worked(&outage, &one, true, 5000));
	assert_true(outage_worked(&outage, &two, true, 6000));
	assert_false(outage_worked(&outage, &two, true, 7000));
	assert_string_equal(outage_describe(&outage, 8000, line, sizeof line), "");
	assert_string_equal(line, "");
	assert_true(outage_failed(&outage, &two, 9000, &err));
}

/* Refused at the probe, it stays refused while segments fail for whatever reason. */
static void test_which_outages_last(void **state)
{
	struct outage outage = { 0 };
	struct outage_worker worker = { 0 };
	struct error transient, refusal;

	(void)state;
	error_set(&transient, ERROR_TRANSIENT, "no route");
	error_set(&refusal, ERROR_CONFIG, "no such bucket");
	assert_false(outage_is_lasting(&outage, 500000));
	(void)outage_failed(&outage, &worker, 1000, &transient);
	assert_false(outage_is_lasting(&outage, 60999));
	assert_true(outage_is_lasting(&outage, 61000));
	assert_true(outage_worked(&outage, &worker, true, 62000));
	assert_false(outage_is_lasting(&outage, 500000));
	(void)outage_failed(&outage, &worker, 63000, &refusal);
	(void)outage_failed(&outage, &worker, 63001, &transient);
	assert_true(outage_is_lasting(&outage, 63002));
	assert_true(outage_worked(&outage, &worker, true, 64000));
	(void)outage_failed(&outage, &worker, 65000, &transient);
	assert_false(outage_is_lasting(&outage, 65001));
}

UNIT_TESTS()
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_outage_is_told_once),
		cmocka_unit_test(test_which_outages_last),
		cmocka_unit_test(test_an_idle_worker_believes_only_a_later_upload),
		cmocka_unit_test(test_trouble_is_told_once_and_now_and_then),
	};

	unit_add(tests, NULL, NULL);
}
