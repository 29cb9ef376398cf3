/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What counts as a standstill, and where resumed_ms goes. */
#include "unit.h"

#include "../../user/daemon/standstill.c"

#define START (5000 * NSEC_PER_SEC)
#define ASLEEP (300 * NSEC_PER_SEC) /* the machine was suspended for so long before */

static struct standstill standstill;

static int setup(void **state)
{
	(void)state;
	standstill_begin(&standstill, START + ASLEEP, START);
	return 0;
}

static bool look(__u64 monotonic_ns)
{
	return standstill_look(&standstill, monotonic_ns + ASLEEP, monotonic_ns);
}

static void test_looks_in_time_no_standstill(void **state)
{
	(void)state;
	for (__u64 now_ns = START; now_ns < START + 100 * NSEC_PER_SEC; now_ns += STANDSTILL_NS)
		assert_false(look(now_ns));
}

static void test_sleeps_as_it_meant_no_standstill(void **state)
{
	(void)state;
	standstill_sleep(&standstill, START + 10 * NSEC_PER_SEC);
	assert_false(look(START + 11 * NSEC_PER_SEC));
}

static void test_stopped_longer_than_a_second_standstill_once(void **state)
{
	(void)state;
	standstill_sleep(&standstill, START + NSEC_PER_SEC);
	assert_true(look(START + 2 * NSEC_PER_SEC + 1));
	assert_false(look(START + 2 * NSEC_PER_SEC + 2));
}

static void test_stopped_at_work_standstill(void **state)
{
	(void)state;
	assert_false(look(START + 1));
	assert_true(look(START + 1 + STANDSTILL_NS + 1));
}

static void test_suspended_standstill_once(void **state)
{
	(void)state;
	assert_true(standstill_look(&standstill, START + ASLEEP + 3600 * NSEC_PER_SEC, START + 1));
	assert_false(standstill_look(&standstill, START + ASLEEP + 3600 * NSEC_PER_SEC + 1, START + 2));
}

/* Between the readings of the two clocks it waited for the CPU. */
static void test_clocks_read_apart_no_standstill(void **state)
{
	(void)state;
	assert_false(standstill_look(&standstill, START + ASLEEP, START + NSEC_PER_SEC / 2));
	assert_false(look(START + NSEC_PER_SEC));
}

/* A machine that never slept: a difference of zero may read as less. */
static void test_never_asleep_no_standstill(void **state)
{
	(void)state;
	standstill_begin(&standstill, START, START);
	assert_false(standstill_look(&standstill, START + 10, START + 20));
	assert_false(standstill_look(&standstill, START + 30, START + 30));
}

static void test_resumed_is_now_after_a_standstill_and_stays(void **state)
{
	const __u32 start_ms = START / NSEC_PER_MSEC;

	(void)state;
	assert_int_equal(standstill_resumed_ms(17, true, START), start_ms);
	assert_int_equal(standstill_resumed_ms(start_ms, false, START + 3600 * NSEC_PER_SEC), start_ms);
}

/* Of milliseconds modulo 2^32 what lies 2^31 back would be ahead: no probe would count for 24 days. */
static void test_resumed_long_ago_stays_comparable(void **state)
{
	__u32 resumed_ms = standstill_resumed_ms(0, true, START);

	(void)state;
	for (__u64 now_ns = START; now_ns < START + 86400ULL * 100 * NSEC_PER_SEC; now_ns += 3600 * NSEC_PER_SEC) {
		resumed_ms = standstill_resumed_ms(resumed_ms, false, now_ns);
		assert_in_range((__u32)(now_ns / NSEC_PER_MSEC) - resumed_ms, 0, 1U << 30);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_looks_in_time_no_standstill, setup),
		cmocka_unit_test_setup(test_sleeps_as_it_meant_no_standstill, setup),
		cmocka_unit_test_setup(test_stopped_longer_than_a_second_standstill_once, setup),
		cmocka_unit_test_setup(test_stopped_at_work_standstill, setup),
		cmocka_unit_test_setup(test_suspended_standstill_once, setup),
		cmocka_unit_test_setup(test_clocks_read_apart_no_standstill, setup),
		cmocka_unit_test_setup(test_never_asleep_no_standstill, setup),
		cmocka_unit_test(test_resumed_is_now_after_a_standstill_and_stays),
		cmocka_unit_test(test_resumed_long_ago_stays_comparable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
