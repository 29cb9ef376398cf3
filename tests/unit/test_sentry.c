// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sentry.h: when a service is calm and when under flood, by handshakes and time. Nothing here waits: now_ns is what the
 * tests say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sentry.h"

#define LIMIT 256

static __u64 now_ns;
static struct sentry s;

static int begin(void **state)
{
	(void)state;
	now_ns = 1000000 * NSEC_PER_SEC;
	s = (struct sentry){};
	return 0;
}

/* So many SYNs a second for so long, each by itself; completed: of a hundred, so many handshakes are completed at once.
 * Returns how many came before the limit was passed, -1: it was not. */
static int press_for(__u64 for_ns, __u32 per_second, __u32 completed)
{
	__u64 until_ns = now_ns + for_ns;

	for (int syn = 1; now_ns < until_ns; syn++, now_ns += NSEC_PER_SEC / per_second) {
		if (sentry_press(&s, LIMIT, 1, now_ns))
			return syn;
		if ((__u32)syn % 100 < completed)
			sentry_relieve(&s, LIMIT, 1, now_ns);
	}
	return -1;
}

static void test_calm_handshakes_that_complete_never_press(void **state)
{
	(void)state;
	assert_int_equal(press_for(60 * NSEC_PER_SEC, 20000, 100), -1);
	assert_int_equal(sentry_pressure(&s, LIMIT, now_ns), 0);
	assert_false(sentry_is_flooded(&s, now_ns));
}

static void test_calm_few_unanswered_never_press(void **state)
{
	(void)state;
	assert_int_equal(press_for(600 * NSEC_PER_SEC, LIMIT / 4 - 1, 0), -1); /* a window of them is below the limit */
}

static void test_calm_flood_shows_behind_the_limit(void **state)
{
	(void)state;
	assert_in_range(press_for(NSEC_PER_SEC, 1000000, 0), LIMIT, LIMIT + 2);
}

static void test_calm_slow_flood_shows_in_the_end(void **state)
{
	(void)state;
	assert_in_range(press_for(60 * NSEC_PER_SEC, LIMIT, 0), LIMIT, 2 * LIMIT);
}

static void test_calm_flood_within_traffic_shows(void **state)
{
	(void)state;
	assert_int_not_equal(press_for(60 * NSEC_PER_SEC, 20000, 95), -1);
}

static void test_calm_many_at_once_weigh_as_much_as_one_by_one(void **state)
{
	(void)state;
	assert_false(sentry_press(&s, LIMIT, LIMIT, now_ns));
	assert_int_equal(sentry_pressure(&s, LIMIT, now_ns), LIMIT);
	assert_true(sentry_press(&s, LIMIT, 1, now_ns));
	assert_int_equal(s.syns, LIMIT + 1);
}

static void test_calm_relief_without_pressure_is_nothing(void **state)
{
	(void)state;
	sentry_relieve(&s, LIMIT, 1, now_ns);
	assert_int_equal(s.pressure_ns, 0);
	sentry_press(&s, LIMIT, 1, now_ns);
	sentry_relieve(&s, LIMIT, 1, now_ns);
	sentry_relieve(&s, LIMIT, 1, now_ns);
	assert_false(sentry_press(&s, LIMIT, LIMIT, now_ns));
	assert_in_range(sentry_pressure(&s, LIMIT, now_ns), LIMIT - 1, LIMIT);
}

static void test_calm_relief_of_many_is_that_of_each(void **state)
{
	(void)state;
	sentry_press(&s, LIMIT, 100, now_ns);
	sentry_relieve(&s, LIMIT, 60, now_ns);
	assert_int_equal(sentry_pressure(&s, LIMIT, now_ns), 40);
	sentry_relieve(&s, LIMIT, 60, now_ns);
	assert_int_equal(s.pressure_ns, now_ns); /* and not before: what comes next weighs all */
}

static void test_flood_is_noticed_by_one(void **state)
{
	(void)state;
	assert_true(sentry_begin_flood(&s, SENTRY_QUEUE, now_ns));
	assert_false(sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns + 1));
	assert_true(sentry_is_flooded(&s, now_ns));
	assert_int_equal(s.cause, SENTRY_QUEUE);
	assert_int_equal(s.floods, 1);
	assert_int_equal(s.flood_since_ns, now_ns);
}

static void test_flood_between_mark_and_hold_counts_as_one(void **state)
{
	(void)state;
	s.flood_since_ns = s.pressed_ns = now_ns; /* who has begun it has not written the hold time yet */
	assert_true(sentry_is_flooded(&s, now_ns));
	assert_false(sentry_end_flood(&s, now_ns));
}

static void test_flood_ends_when_nothing_presses_for_the_hold_time(void **state)
{
	__u64 began_ns = now_ns, hold_ns = SENTRY_HOLD_S * NSEC_PER_SEC;

	(void)state;
	sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns);
	assert_false(sentry_end_flood(&s, now_ns + hold_ns - 1));
	assert_true(sentry_is_flooded(&s, now_ns + hold_ns - 1));
	assert_false(sentry_is_flooded(&s, now_ns + hold_ns));
	now_ns += hold_ns + 7 * NSEC_PER_SEC; /* noticed late: it ended when it ended */
	assert_true(sentry_end_flood(&s, now_ns));
	assert_false(sentry_end_flood(&s, now_ns));
	assert_int_equal(s.lasted_ns, hold_ns);
	assert_int_equal(s.calm_since_ns, began_ns + hold_ns);
	assert_int_equal(s.flood_since_ns, 0);
}

static void test_flood_goes_on_while_it_presses(void **state)
{
	(void)state;
	sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns);
	for (int jiffy = 0; jiffy < 100 * 250; jiffy++, now_ns += 4 * NSEC_PER_MSEC) {
		sentry_press(&s, LIMIT, 400, now_ns);
		assert_true(sentry_is_flooded(&s, now_ns));
	}
}

/* The pressure of a long flood is worked off in two windows, so legitimate SYNs do not go on pressing. */
static void test_flood_is_not_felt_long_after_it(void **state)
{
	__u64 ended_ns;

	(void)state;
	sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns);
	for (int jiffy = 0; jiffy < 1000; jiffy++, now_ns += 4 * NSEC_PER_MSEC)
		sentry_press(&s, LIMIT, 20000, now_ns);
	ended_ns = now_ns;
	while (sentry_is_flooded(&s, now_ns)) {
		sentry_press(&s, LIMIT, 1, now_ns);
		sentry_relieve(&s, LIMIT, 1, now_ns);
		now_ns += 10 * NSEC_PER_MSEC;
	}
	assert_true(now_ns - ended_ns > SENTRY_HOLD_S * NSEC_PER_SEC);
	assert_true(now_ns - ended_ns < 2 * SENTRY_WINDOW_NS + SENTRY_HOLD_S * NSEC_PER_SEC);
}

static void test_flood_that_pulses_at_half_the_hold_time_is_one(void **state)
{
	(void)state;
	sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns);
	for (int pulse = 0; pulse < 20; pulse++) {
		sentry_press(&s, LIMIT, 10 * LIMIT, now_ns);
		now_ns += SENTRY_HOLD_S * NSEC_PER_SEC / 2;
		assert_true(sentry_is_flooded(&s, now_ns));
	}
	assert_int_equal(s.floods, 1);
}

static void test_flood_that_comes_again_is_held_longer_each_time(void **state)
{
	__u32 expected_s = SENTRY_HOLD_S;

	(void)state;
	for (int flood = 0; flood < 10; flood++) {
		assert_true(sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns));
		assert_int_equal(s.hold_s, expected_s);
		now_ns += s.hold_s * NSEC_PER_SEC;
		assert_true(sentry_end_flood(&s, now_ns));
		expected_s = expected_s * 2 < SENTRY_HOLD_MAX_S ? expected_s * 2 : SENTRY_HOLD_MAX_S;
		now_ns += SENTRY_RELAPSE * s.hold_s * NSEC_PER_SEC; /* just soon enough */
	}
	now_ns += NSEC_PER_SEC;
	assert_true(sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns));
	assert_int_equal(s.hold_s, SENTRY_HOLD_S);
}

/* CPUs read their clocks once a jiffy, at different times. */
static void test_flood_that_comes_again_on_a_cpu_behind_is_held_longer(void **state)
{
	(void)state;
	sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns);
	now_ns += SENTRY_HOLD_S * NSEC_PER_SEC;
	assert_true(sentry_end_flood(&s, now_ns));
	assert_true(sentry_begin_flood(&s, SENTRY_HALF_OPEN, now_ns - NSEC_PER_MSEC));
	assert_int_equal(s.hold_s, 2 * SENTRY_HOLD_S);
}

#define TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_calm_handshakes_that_complete_never_press),
		TEST(test_calm_few_unanswered_never_press),
		TEST(test_calm_flood_shows_behind_the_limit),
		TEST(test_calm_slow_flood_shows_in_the_end),
		TEST(test_calm_flood_within_traffic_shows),
		TEST(test_calm_many_at_once_weigh_as_much_as_one_by_one),
		TEST(test_calm_relief_without_pressure_is_nothing),
		TEST(test_calm_relief_of_many_is_that_of_each),
		TEST(test_flood_is_noticed_by_one),
		TEST(test_flood_between_mark_and_hold_counts_as_one),
		TEST(test_flood_ends_when_nothing_presses_for_the_hold_time),
		TEST(test_flood_goes_on_while_it_presses),
		TEST(test_flood_is_not_felt_long_after_it),
		TEST(test_flood_that_pulses_at_half_the_hold_time_is_one),
		TEST(test_flood_that_comes_again_is_held_longer_each_time),
		TEST(test_flood_that_comes_again_on_a_cpu_behind_is_held_longer),
	};

	return cmocka_run_group_tests_name("sentry", tests, NULL, NULL);
}
