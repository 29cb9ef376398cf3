/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Round-trip times and the time-out, by values computed by hand from RFC 6298. */
#include "unit.h"

#include "../../user/tcp/rtt.c"

static struct rtt rtt_new(void)
{
	struct rtt rtt;

	rtt_init(&rtt);
	return rtt;
}

static void assert_rtt(const struct rtt *rtt, __u32 srtt_us, __u32 rttvar_us, __u32 rto_us)
{
	assert_int_equal(rtt->srtt_us, srtt_us);
	assert_int_equal(rtt->rttvar_us, rttvar_us);
	assert_int_equal(rtt->rto_us, rto_us);
	assert_int_equal(rtt_rto_ns(rtt), rto_us * 1000ULL);
}

static void test_new_without_sample_waits_a_second(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	assert_rtt(&rtt, 0, 0, 1000000);
	assert_int_equal(rtt_min_us(&rtt), 0);
}

/* 2.2 and 2.3. */
static void test_samples_step_by_eighths_and_quarters(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_sample(&rtt, 100000, 0);
	assert_rtt(&rtt, 100000, 50000, 300000);
	rtt_sample(&rtt, 180000, 0); /* |100 - 180| = 80: (150 + 80) / 4; (700 + 180) / 8 */
	assert_rtt(&rtt, 110000, 57500, 340000);
	rtt_sample(&rtt, 30000, 0); /* |110 - 30| = 80: (172.5 + 80) / 4; (770 + 30) / 8 */
	assert_rtt(&rtt, 100000, 63125, 352500);
}

static void test_steady_samples_leave_room_for_a_delayed_ack(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	for (int i = 0; i < 100; i++)
		rtt_sample(&rtt, 400000, 0);
	assert_rtt(&rtt, 400000, 0, 600000);
}

static void test_small_and_large_samples_stay_within_the_bounds(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_sample(&rtt, 0, 0); /* less than a microsecond is a sample all the same */
	assert_rtt(&rtt, 1, 0, 200001);
	assert_int_equal(rtt_min_us(&rtt), 1);
	rtt = rtt_new();
	rtt_sample(&rtt, UINT32_MAX, 0);
	assert_rtt(&rtt, UINT32_MAX, UINT32_MAX / 2, 60000000);
	rtt_sample(&rtt, UINT32_MAX, 0);
	assert_int_equal(rtt.srtt_us, UINT32_MAX);
}

/* 5.5, and 2.5 for the end of it. */
static void test_back_off_doubles_up_to_the_maximum(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	for (__u64 s = 1; s < 60; s *= 2) {
		assert_int_equal(rtt_rto_ns(&rtt), s * 1000000000);
		rtt_back_off(&rtt);
	}
	for (int i = 0; i < 300; i++) {
		assert_int_equal(rtt_rto_ns(&rtt), 60000000000);
		rtt_back_off(&rtt);
	}
	assert_int_equal(rtt_rto_ns(&rtt), 60000000000);
}

static void test_backed_off_sample_ends_it(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_back_off(&rtt);
	rtt_back_off(&rtt);
	rtt_sample(&rtt, 100000, 0);
	assert_rtt(&rtt, 100000, 50000, 300000);
}

/* 5.7. */
static void test_backed_off_syn_timed_out_begins_with_three_seconds(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_back_off(&rtt);
	rtt_syn_timed_out(&rtt);
	assert_rtt(&rtt, 0, 0, 3000000);
	rtt = rtt_new();
	rtt_sample(&rtt, 2000000, 0);
	rtt_syn_timed_out(&rtt);
	assert_rtt(&rtt, 2000000, 1000000, 6000000);
}

static void test_least_sample_is_forgotten_after_two_windows(void **state)
{
	const __u64 start = 1000 * NSEC_PER_SEC;
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_sample(&rtt, 300, start);
	rtt_sample(&rtt, 200, start + 1 * NSEC_PER_SEC);
	rtt_sample(&rtt, 250, start + 4 * NSEC_PER_SEC);
	assert_int_equal(rtt_min_us(&rtt), 200);
	rtt_sample(&rtt, 400, start + 5 * NSEC_PER_SEC); /* the second window begins */
	assert_int_equal(rtt_min_us(&rtt), 200);
	rtt_sample(&rtt, 350, start + 9 * NSEC_PER_SEC);
	assert_int_equal(rtt_min_us(&rtt), 200);
	rtt_sample(&rtt, 500, start + 10 * NSEC_PER_SEC); /* the third: 200 is older than ten seconds */
	assert_int_equal(rtt_min_us(&rtt), 350);
	rtt_sample(&rtt, 100, start + 11 * NSEC_PER_SEC); /* less than that of the window before */
	assert_int_equal(rtt_min_us(&rtt), 100);
}

static void test_least_sample_before_a_long_pause_is_forgotten(void **state)
{
	struct rtt rtt = rtt_new();

	(void)state;
	rtt_sample(&rtt, 300, 0);
	rtt_sample(&rtt, 900, 3600 * NSEC_PER_SEC);
	assert_int_equal(rtt_min_us(&rtt), 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_without_sample_waits_a_second),
		cmocka_unit_test(test_samples_step_by_eighths_and_quarters),
		cmocka_unit_test(test_steady_samples_leave_room_for_a_delayed_ack),
		cmocka_unit_test(test_small_and_large_samples_stay_within_the_bounds),
		cmocka_unit_test(test_back_off_doubles_up_to_the_maximum),
		cmocka_unit_test(test_backed_off_sample_ends_it),
		cmocka_unit_test(test_backed_off_syn_timed_out_begins_with_three_seconds),
		cmocka_unit_test(test_least_sample_is_forgotten_after_two_windows),
		cmocka_unit_test(test_least_sample_before_a_long_pause_is_forgotten),
	};

	return cmocka_run_group_tests_name("rtt", tests, NULL, NULL);
}
