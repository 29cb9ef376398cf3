/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The congestion window, by values computed by hand from the RFCs' formulas; HyStart++, PRR and the whole at work have
 * files of their own.
 */
#include "congestion_fixture.h"

/* In congestion avoidance after a loss, whose recovery is over: 70 segments of 100. */
static struct congestion congestion_after_loss(void)
{
	struct congestion c = congestion_new();

	c.cwnd = 100 * MSS;
	congestion_enter_recovery(&c, c.cwnd);
	congestion_leave_recovery(&c);
	return c;
}

static void assert_near(double found, double expected, double tolerance)
{
	if (!(fabs(found - expected) <= tolerance))
		fail_msg("%f is not near %f", found, expected);
}

/* --- the first window ------------------------------------------------------------------------------------------- */

static void test_new_window_is_ten_segments_or_14600_bytes(void **state)
{
	static const struct {
		__u16 mss;
		__u32 cwnd;
	} cases[] = { { 536, 5360 }, { 1448, 14480 }, { 1460, 14600 }, { 2190, 14600 }, { 8960, 17920 } };
	struct congestion c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		congestion_init(&c, cases[i].mss);
		assert_int_equal(c.cwnd, cases[i].cwnd);
		assert_int_equal(c.phase, CONGESTION_OPEN);
	}
	assert_true(sizeof(c) <= 104); /* a million idle connections hold one each */
}

/* An active open knows the peer's MSS when its answer comes. */
static void test_new_other_mss_gives_its_first_window(void **state)
{
	struct congestion c;

	(void)state;
	congestion_init(&c, 536);
	congestion_set_mss(&c, 1448);
	assert_int_equal(c.cwnd, 14480);
	congestion_set_mss(&c, 536);
	assert_int_equal(c.cwnd, 5360);
}

static void test_open_smaller_mss_keeps_the_number_of_segments(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	ack(&c, 2 * MSS);
	congestion_set_mss(&c, 400);
	assert_int_equal(c.cwnd, 4800);
	assert_int_equal(c.mss, 400);
	congestion_set_mss(&c, MSS);
	assert_int_equal(c.cwnd, 4800);
	congestion_set_mss(&c, 9000);
	assert_int_equal(c.cwnd, 9000);
}

static void test_avoidance_smaller_mss_begins_the_curve_anew(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	congestion_set_mss(&c, 500);
	assert_int_equal(c.cwnd, 35264); /* W_est has grown to 70,529 */
	c.ssthresh = 0;
	ack_window(&c, NOW + NSEC_PER_SEC, 0);
	assert_near(c.w_est, 35264 + 264.7, 1);
	assert_near(c.k_s, cbrt((100000 - 35264) / 500. / 0.4), 1e-3);
}

/* --- slow start ------------------------------------------------------------------------------------------------- */

static void test_slow_start_ack_grows_by_what_it_covers(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	ack(&c, 2 * MSS);
	assert_int_equal(c.cwnd, 12 * MSS);
	ack(&c, 20 * MSS); /* L: at most eight segments */
	assert_int_equal(c.cwnd, 20 * MSS);
	ack(&c, 0);
	assert_int_equal(c.cwnd, 20 * MSS);
}

static void test_slow_start_not_limited_does_not_grow(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS });
	assert_int_equal(c.cwnd, 10 * MSS);
}

/* RFC 7661: in flight before the acknowledgement came. */
static void test_slow_start_more_than_half_in_flight_grows(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = 4 * MSS });
	assert_int_equal(c.cwnd, 10 * MSS);
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = 4 * MSS + 1 });
	assert_int_equal(c.cwnd, 11 * MSS);
}

static void test_slow_start_ends_at_ssthresh(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	c.ssthresh = 13 * MSS + 1;
	ack(&c, 5 * MSS);
	assert_int_equal(c.cwnd, 13 * MSS + 1);
}

static void test_slow_start_and_avoidance_stop_at_a_gibibyte(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	c.cwnd = (1U << 30) - 1;
	ack(&c, 5 * MSS);
	assert_int_equal(c.cwnd, 1U << 30);
	c.ssthresh = MSS;
	c.cwnd--;
	ack_window(&c, NOW, 0);
	ack_window(&c, NOW + 1000 * NSEC_PER_SEC, 0);
	assert_int_equal(c.cwnd, 1U << 30);
}

/* --- CUBIC ------------------------------------------------------------------------------------------------------ */

static void test_avoidance_after_loss_follows_the_curve(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	assert_int_equal(c.cwnd, 70 * MSS);
	assert_int_equal(c.w_max, 100 * MSS);
	ack_window(&c, NOW, 100000);
	/* K is the cube root of 75: 4.2171633. Equation 1, a round trip ahead: 0.4 * (0.1 - K)^3 + 100 = 72.0841. */
	assert_near(c.k_s, 4.2171633, 1e-6);
	assert_near(c.cwnd, 72084, 1);
	assert_near(w_cubic(&c, 0), 70 * MSS, 1);
	assert_near(w_cubic(&c, 4.2171633), 100 * MSS, 1);
	assert_near(w_cubic(&c, 4.2171633 + 5), 150 * MSS, 1); /* 0.4 * 125 */
}

static void test_avoidance_parts_of_a_window_grow_in_proportion(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	for (int i = 0; i < 70; i++) {
		congestion_on_ack(
			&c, &(struct congestion_ack){
				    .now_ns = NOW, .acked_bytes = MSS, .srtt_us = 100000, .window_limited = true });
	}
	/* cwnd approaches 72,084 by a seventieth of the distance each time: 70,000 + 2,084 * (1 - 1 / e) or so. */
	assert_near(c.cwnd, 71316, 30);
	/* Parts of a byte add up. */
	for (int i = 0; i < 1000; i++) {
		congestion_on_ack(
			&c, &(struct congestion_ack){
				    .now_ns = NOW, .acked_bytes = 10, .srtt_us = 100000, .window_limited = true });
	}
	assert_near(c.cwnd, 71316 + 768 * (1 - exp(-10000 / 71400.)), 30);
}

static void test_avoidance_target_is_at_most_half_more(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	c.cwnd = 80 * MSS;
	ack_window(&c, NOW + 60 * NSEC_PER_SEC, 0);
	assert_int_equal(c.cwnd, 120 * MSS);
}

static void test_avoidance_target_below_the_window_does_not_shrink_it(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	c.cwnd = 120 * MSS;
	ack_window(&c, NOW + NSEC_PER_SEC, 0);
	assert_int_equal(c.cwnd, 120 * MSS);
}

static void test_avoidance_more_than_a_window_acknowledged_counts_as_one(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	c.cwnd = 80 * MSS;
	congestion_on_ack(&c, &(struct congestion_ack){ .now_ns = NOW + 60 * NSEC_PER_SEC,
							.acked_bytes = 800 * MSS,
							.window_limited = true });
	assert_int_equal(c.cwnd, 120 * MSS);
}

/* 4.3: 3 * 0.3 / 1.7 = 0.5294 of a segment for each window, and one from cwnd_prior on. */
static void test_avoidance_small_window_grows_as_reno(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	congestion_enter_recovery(&c, c.cwnd); /* 10 segments: 7 */
	congestion_leave_recovery(&c);
	ack_window(&c, NOW, 1);
	assert_near(c.cwnd, 7529, 1);
	ack_window(&c, NOW + NSEC_PER_MSEC, 1);
	assert_near(c.cwnd, 8058, 1);
	c.w_est = c.cwnd = 10 * MSS;
	ack_window(&c, NOW + 2 * NSEC_PER_MSEC, 1);
	assert_near(c.cwnd, 11000, 1);
}

/* 4.3: only where the curve itself is below. */
static void test_avoidance_curve_above_reno_is_followed(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	c.cwnd = 70 * MSS;
	c.w_est = 75 * MSS;
	/* 4.2171633 s: the plateau, 100 segments. (100 - 70) / 70 of a segment. */
	congestion_on_ack(
		&c, &(struct congestion_ack){ .now_ns = NOW + 4217163300, .acked_bytes = MSS, .window_limited = true });
	assert_near(c.cwnd, 70428, 1);
}

static void test_avoidance_pause_does_not_count(void **state)
{
	struct congestion c = congestion_after_loss(), unpaused;
	const __u64 day = 86400 * NSEC_PER_SEC;

	(void)state;
	for (__u64 t = 0; t <= 6 * NSEC_PER_SEC; t += 100 * NSEC_PER_MSEC)
		ack_window(&c, NOW + t, 100000);
	assert_true(c.cwnd > c.w_max); /* where K is negative */
	unpaused = c;
	congestion_on_ack(&c, &(struct congestion_ack){ .now_ns = NOW + 7 * NSEC_PER_SEC, .acked_bytes = MSS });
	assert_int_equal(c.cwnd, unpaused.cwnd);
	for (__u64 t = 6 * NSEC_PER_SEC; t <= 7 * NSEC_PER_SEC; t += 100 * NSEC_PER_MSEC) {
		ack_window(&c, NOW + day + t, 100000);
		ack_window(&unpaused, NOW + t, 100000);
	}
	assert_near(c.cwnd, unpaused.cwnd, 2 * MSS);
	assert_int_equal(c.w_max, 100 * MSS);
}

static void test_avoidance_loss_below_w_max_makes_room_for_others(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	congestion_enter_recovery(&c, c.cwnd); /* at 70 of 100: fast convergence, 70 * 0.85 */
	assert_int_equal(c.w_max, 59500);
	assert_int_equal(c.cwnd_prior, 70 * MSS);
	assert_int_equal(c.ssthresh, 49 * MSS);
	congestion_leave_recovery(&c);
	c.cwnd = 80 * MSS;
	congestion_enter_recovery(&c, c.cwnd);
	assert_int_equal(c.w_max, 80 * MSS);
}

static void test_open_loss_reduces_what_was_in_flight(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	c.cwnd = 100 * MSS;
	congestion_enter_recovery(&c, 50 * MSS);
	assert_int_equal(c.phase, CONGESTION_RECOVERY);
	assert_int_equal(c.ssthresh, 35 * MSS);
	assert_int_equal(c.cwnd, 35 * MSS);
	c = congestion_new();
	congestion_enter_recovery(&c, 1000 * MSS); /* what SACK has covered is no longer in the network */
	assert_int_equal(c.ssthresh, 7 * MSS);
	c = congestion_new();
	congestion_enter_recovery(&c, 0);
	assert_int_equal(c.ssthresh, 2 * MSS);
	/* PRR divides by it. */
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = 3 * MSS });
	assert_int_equal(c.cwnd, 5 * MSS);
}

/* --- time-out, undoing, idling, pace ---------------------------------------------------------------------------- */

static void test_open_time_out_leaves_one_segment(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	congestion_on_timeout(&c, 50 * MSS);
	assert_int_equal(c.phase, CONGESTION_LOSS);
	assert_int_equal(c.cwnd, MSS);
	assert_int_equal(c.ssthresh, 35 * MSS);
	ack(&c, 30 * MSS); /* one segment an acknowledgement */
	assert_int_equal(c.cwnd, 2 * MSS);
	congestion_on_timeout(&c, 2 * MSS);
	assert_int_equal(c.cwnd, MSS);
	assert_int_equal(c.ssthresh, 35 * MSS);
	congestion_leave_recovery(&c);
	assert_int_equal(c.phase, CONGESTION_OPEN);
	assert_int_equal(c.cwnd, MSS);
	/* 4.8: avoidance begins at its plateau. */
	c.cwnd = c.ssthresh;
	ack_window(&c, NOW, 0);
	assert_int_equal(c.w_max, 35 * MSS);
	assert_int_equal(c.cwnd_prior, 70 * MSS);
}

static void test_recovery_spurious_is_as_it_was(void **state)
{
	struct congestion c = congestion_after_loss(), before;

	(void)state;
	ack_window(&c, NOW, 100000);
	before = c;
	congestion_enter_recovery(&c, c.cwnd);
	ack(&c, MSS);
	congestion_on_timeout(&c, 20 * MSS); /* within the same recovery: all of it was spurious */
	congestion_undo(&c);
	assert_int_equal(c.phase, CONGESTION_OPEN);
	assert_int_equal(c.cwnd, before.cwnd);
	assert_int_equal(c.ssthresh, before.ssthresh);
	assert_int_equal(c.w_max, before.w_max);
	assert_int_equal(c.cwnd_prior, before.cwnd_prior);
	assert_near(c.w_est, before.w_est, 1);
	/* The curve goes on from where it was: 4.2171633 s to the plateau, less what cwnd has grown by. */
	ack_window(&c, NOW + 3 * NSEC_PER_SEC, 0);
	assert_near(c.k_s, cbrt((100000 - before.cwnd) / 1000. / 0.4), 1e-3);
	assert_near(c.w_est, before.w_est + 529.4, 1);
	/* Once only. */
	before = c;
	congestion_undo(&c);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_new_undo_changes_nothing(void **state)
{
	struct congestion c = congestion_new(), before = c;

	(void)state;
	congestion_undo(&c);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_avoidance_undo_begins_the_curve_at_the_old_window(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 0);
	congestion_undo(&c);
	c.ssthresh = 0;
	ack_window(&c, NOW + NSEC_PER_SEC, 0);
	assert_int_equal(c.w_max, 100 * MSS);
	assert_true(c.k_s == 0);
	assert_near(w_cubic(&c, 0), 100 * MSS, 1);
}

static void test_open_undo_keeps_a_larger_window(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	c.cwnd = 200 * MSS;
	congestion_undo(&c);
	assert_int_equal(c.cwnd, 200 * MSS);
	assert_int_equal(c.ssthresh, UINT32_MAX);
}

static void test_open_idle_starts_again_with_the_first_window(void **state)
{
	struct congestion c = congestion_after_loss();

	(void)state;
	ack_window(&c, NOW, 100000);
	c.cwnd = 200 * MSS;
	congestion_on_idle(&c);
	assert_int_equal(c.cwnd, 10 * MSS);
	assert_int_equal(c.ssthresh, 150 * MSS);
	congestion_on_idle(&c);
	assert_int_equal(c.ssthresh, 150 * MSS);
	c.cwnd = 2 * MSS; /* never more than it was */
	congestion_on_idle(&c);
	assert_int_equal(c.cwnd, 2 * MSS);
	/* The pause is none of the curve's time. */
	c.cwnd = c.ssthresh;
	ack_window(&c, NOW + 3600 * NSEC_PER_SEC, 0);
	assert_true(c.epoch_start_ns == NOW + 3600 * NSEC_PER_SEC);
}

static void test_any_pace_is_above_a_window_a_round_trip(void **state)
{
	struct congestion c = congestion_new();

	(void)state;
	assert_int_equal(congestion_pacing_rate(&c, 0), 0);
	assert_int_equal(congestion_pacing_rate(&c, 100000), 200000); /* 10,000 bytes in 100 ms, twice */
	c.ssthresh = c.cwnd;
	assert_int_equal(congestion_pacing_rate(&c, 100000), 120000);
	c.cwnd = 1U << 30;
	assert_true(congestion_pacing_rate(&c, 1) == (1ULL << 30) * 1200000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_new_window_is_ten_segments_or_14600_bytes),
		cmocka_unit_test(test_new_other_mss_gives_its_first_window),
		cmocka_unit_test(test_open_smaller_mss_keeps_the_number_of_segments),
		cmocka_unit_test(test_avoidance_smaller_mss_begins_the_curve_anew),
		cmocka_unit_test(test_slow_start_ack_grows_by_what_it_covers),
		cmocka_unit_test(test_slow_start_not_limited_does_not_grow),
		cmocka_unit_test(test_slow_start_more_than_half_in_flight_grows),
		cmocka_unit_test(test_slow_start_ends_at_ssthresh),
		cmocka_unit_test(test_slow_start_and_avoidance_stop_at_a_gibibyte),
		cmocka_unit_test(test_avoidance_after_loss_follows_the_curve),
		cmocka_unit_test(test_avoidance_parts_of_a_window_grow_in_proportion),
		cmocka_unit_test(test_avoidance_target_is_at_most_half_more),
		cmocka_unit_test(test_avoidance_target_below_the_window_does_not_shrink_it),
		cmocka_unit_test(test_avoidance_more_than_a_window_acknowledged_counts_as_one),
		cmocka_unit_test(test_avoidance_small_window_grows_as_reno),
		cmocka_unit_test(test_avoidance_curve_above_reno_is_followed),
		cmocka_unit_test(test_avoidance_pause_does_not_count),
		cmocka_unit_test(test_avoidance_loss_below_w_max_makes_room_for_others),
		cmocka_unit_test(test_open_loss_reduces_what_was_in_flight),
		cmocka_unit_test(test_open_time_out_leaves_one_segment),
		cmocka_unit_test(test_recovery_spurious_is_as_it_was),
		cmocka_unit_test(test_new_undo_changes_nothing),
		cmocka_unit_test(test_avoidance_undo_begins_the_curve_at_the_old_window),
		cmocka_unit_test(test_open_undo_keeps_a_larger_window),
		cmocka_unit_test(test_open_idle_starts_again_with_the_first_window),
		cmocka_unit_test(test_any_pace_is_above_a_window_a_round_trip),
	};

	return cmocka_run_group_tests_name("congestion", tests, NULL, NULL);
}
