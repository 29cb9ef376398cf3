/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* HyStart++: when the first slow start ends (RFC 9406). */
#include "congestion_fixture.h"

/* A round of n acknowledgements of no bytes, each with a round trip: the last one ends it. Rounds are 100 numbers. */
static void pass_round(struct congestion *c, __u32 rtt_us, int n)
{
	__u32 end = c->round_end;

	for (int i = 1; i <= n; i++) {
		congestion_on_ack(c, &(struct congestion_ack){ .rtt_us = rtt_us,
							       .snd_una = i < n ? end - 1 : end,
							       .snd_nxt = end + 100,
							       .window_limited = true });
	}
}

/* After the acknowledgement that begins the first round, and a round of a round-trip time; numbers wrap soon. */
static struct congestion congestion_after_round(__u32 rtt_us)
{
	struct congestion c = congestion_new();

	congestion_on_ack(&c, &(struct congestion_ack){ .snd_una = -100, .snd_nxt = -50 });
	assert_int_equal(c.round_end, (__u32)-50);
	pass_round(&c, rtt_us, 8);
	assert_int_equal(c.round_end, 50);
	assert_int_equal(c.before_min_us, rtt_us);
	return c;
}

static void test_first_slow_start_longer_round_trips_begin_css(void **state)
{
	/* An eighth, but 4 to 16 ms; one microsecond less is not enough. */
	static const __u32 cases[][2] = { { 40000, 45000 }, { 8000, 12000 }, { 100, 4100 }, { 400000, 416000 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct congestion c = congestion_after_round(cases[i][0]);

		pass_round(&c, cases[i][1] - 1, 8);
		assert_int_equal(c.css_round, 0);
		c = congestion_after_round(cases[i][0]);
		pass_round(&c, cases[i][1], 8);
		assert_int_equal(c.css_round, 2); /* the round in which it began is over */
		assert_int_equal(c.css_min_us, cases[i][1]);
	}
}

static void test_first_slow_start_few_samples_or_one_short_do_not_begin_css(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 80000, 7);
	assert_int_equal(c.css_round, 0);
	c = congestion_after_round(40000);
	congestion_on_ack(&c, &(struct congestion_ack){ .rtt_us = 41000, .snd_una = -20 });
	assert_int_equal(c.round_end, 50); /* which is behind -20 */
	pass_round(&c, 80000, 8);
	assert_int_equal(c.css_round, 0);
	/* An acknowledgement without a sample is none. */
	c = congestion_after_round(40000);
	pass_round(&c, 0, 20);
	assert_int_equal(c.css_round, 0);
	assert_int_equal(c.before_min_us, UINT32_MAX);
	pass_round(&c, 80000, 8); /* nothing to compare with */
	assert_int_equal(c.css_round, 0);
	assert_int_equal(c.before_min_us, 80000);
}

static void test_css_grows_by_a_quarter(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 45000, 8);
	ack(&c, 4 * MSS);
	assert_int_equal(c.cwnd, 11 * MSS);
	ack(&c, 40 * MSS); /* L first */
	assert_int_equal(c.cwnd, 13 * MSS);
}

static void test_css_shorter_round_trips_resume_slow_start(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 45000, 8);
	pass_round(&c, 45000, 8); /* not shorter */
	assert_int_equal(c.css_round, 3);
	pass_round(&c, 44999, 7); /* too few */
	assert_int_equal(c.css_round, 4);
	pass_round(&c, 44999, 8);
	assert_int_equal(c.css_round, 0);
	assert_int_equal(c.ssthresh, UINT32_MAX);
	ack(&c, 4 * MSS);
	assert_int_equal(c.cwnd, 14 * MSS);
}

static void test_css_round_of_many_samples_resumes_with_the_first_shorter_one(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 45000, 8);
	for (int i = 1; i <= 256; i++) {
		congestion_on_ack(
			&c, &(struct congestion_ack){ .rtt_us = i < 256 ? 45000 : 44999, .snd_una = c.round_end - 1 });
	}
	assert_int_equal(c.css_round, 0);
}

static void test_css_five_rounds_end_slow_start(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	for (int round = 1; round <= 4; round++)
		pass_round(&c, 45000, 8);
	assert_int_equal(c.ssthresh, UINT32_MAX);
	pass_round(&c, 45000, 8);
	assert_int_equal(c.ssthresh, c.cwnd);
	/* RFC 9438, 4.10: the curve begins at its plateau. */
	ack_window(&c, NOW, 0);
	assert_int_equal(c.w_max, 10 * MSS);
	assert_int_equal(c.cwnd_prior, 10 * MSS);
	assert_true(c.k_s == 0);
}

static void test_later_slow_start_has_no_css(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 45000, 8);
	congestion_on_timeout(&c, 100 * MSS);
	congestion_leave_recovery(&c);
	pass_round(&c, 80000, 16);
	assert_int_equal(c.css_round, 2);
	ack(&c, 4 * MSS);
	assert_int_equal(c.cwnd, 5 * MSS);
}

static void test_first_slow_start_spurious_goes_on_with_new_rounds(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	pass_round(&c, 45000, 8);
	congestion_enter_recovery(&c, c.cwnd);
	congestion_undo(&c);
	assert_int_equal(c.css_round, 0);
	congestion_on_ack(&c, &(struct congestion_ack){ .rtt_us = 80000, .snd_una = 1000, .snd_nxt = 2000 });
	assert_int_equal(c.round_end, 2000);
	assert_int_equal(c.before_min_us, UINT32_MAX);
}

static void test_first_slow_start_idle_forgets_round_trips(void **state)
{
	struct congestion c = congestion_after_round(40000);

	(void)state;
	congestion_on_idle(&c);
	pass_round(&c, 80000, 16);
	assert_int_equal(c.css_round, 0);
	assert_int_equal(c.ssthresh, UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_slow_start_longer_round_trips_begin_css),
		cmocka_unit_test(test_first_slow_start_few_samples_or_one_short_do_not_begin_css),
		cmocka_unit_test(test_css_grows_by_a_quarter),
		cmocka_unit_test(test_css_shorter_round_trips_resume_slow_start),
		cmocka_unit_test(test_css_round_of_many_samples_resumes_with_the_first_shorter_one),
		cmocka_unit_test(test_css_five_rounds_end_slow_start),
		cmocka_unit_test(test_later_slow_start_has_no_css),
		cmocka_unit_test(test_first_slow_start_spurious_goes_on_with_new_rounds),
		cmocka_unit_test(test_first_slow_start_idle_forgets_round_trips),
	};

	return cmocka_run_group_tests_name("congestion_hystart", tests, NULL, NULL);
}
