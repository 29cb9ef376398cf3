// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is sent again, when, and how much may be in flight (RFC 6298; RFC 5681; RFC 6582; RFC 3042; RFC 6675; RFC 2018,
 * 8; RFC 9293, 3.8.1 to 3.8.3). The peer's MSS is 1000, and 50 ms away.
 */
#include "tcp_ladder.h"

#define MSS 1000
#define RTT_MS 50

static void established_over(__u32 rtt_ms)
{
	l.offer.mss = MSS;
	tcb_in_syn_received();
	after_ms(rtt_ms);
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect_nothing();
}

static void established(void)
{
	established_over(RTT_MS);
}

static void established_with_sack(void)
{
	l.offer.sack_permitted = true;
	established();
}

/* So many full segments leave, from seq on. */
static void expect_segments(__u32 seq, int count)
{
	for (int i = 0; i < count; i++, seq += MSS)
		expect(ACK, .seq = seq, .ack = 1, .length = MSS);
}

/* How many segments leave until the first acknowledgement, of plenty. */
static unsigned int flight(void)
{
	unsigned int count = 0;

	while (l.count) {
		if (ladder_take(__FILE__, __LINE__).length)
			count++;
		ladder_free_taken();
	}
	return count;
}

/* 5681-3.1iw, RFC 6928 */
static void test_retransmission_initial_window_is_ten_segments(void **state)
{
	(void)state;
	established();
	app_sends_bytes(40 * MSS);
	expect_segments(1, 10);
	expect_nothing();
}

/* RFC 6928, 2: at most 14,600 bytes. */
static void test_retransmission_initial_window_of_large_segments_is_bounded(void **state)
{
	(void)state;
	l.mtu = 9000;
	l.offer.mss = 8000;
	tcb_established();
	app_sends_bytes(60000);
	expect(ACK, .seq = 1, .ack = 1, .length = 8000);
	assert_in_range(flight(), 0, 1);
}

/* 5681-3.1ss: by no more than what was acknowledged. */
static void test_retransmission_slow_start_grows_by_what_is_acknowledged(void **state)
{
	__u32 before;

	(void)state;
	established();
	app_sends_bytes(60 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	before = ladder_status().cwnd_bytes;
	peer_sends(ACK, .seq = 1, .ack = 1 + 2 * MSS);
	assert_in_range(ladder_status().cwnd_bytes, before + 1, before + 2 * MSS);
	assert_in_range(flight(), 3, 4);
}

/* 6298-2.x, 6298-5.x: R of 300 ms makes 300 + 4 * 150. */
static void test_retransmission_time_out_follows_the_round_trip(void **state)
{
	__u64 sent_ns;

	(void)state;
	established_over(300);
	assert_int_equal(ladder_status().srtt_us, 300000);
	for (int i = 0; i < 60; i++) { /* it becomes steady */
		app_sends("x");
		expect_anything();
		after_ms(300);
		peer_sends(ACK, .seq = 1, .ack = 2 + (__u32)i);
	}
	assert_in_range(ladder_status().srtt_us, 295000, 305000);
	app_sends("y");
	expect_anything();
	sent_ns = l.now_ns;
	after_ms(299);
	expect_nothing();
	after_ms(2000);
	assert_true(l.count > 0);
	ladder_take(__FILE__, __LINE__);
	ladder_free_taken();
	assert_in_range(l.last_sent_ns - sent_ns, 300 * NSEC_PER_MSEC, 1200 * NSEC_PER_MSEC);
	expect_anything();
}

/* 6298-2.4, as this TCP departs from it: never below 200 ms. */
static void test_retransmission_time_out_is_never_below_200_ms(void **state)
{
	(void)state;
	established();
	for (__u32 i = 0; i < 30; i++) {
		app_sends("x");
		expect_anything();
		after_ms(1);
		peer_sends(ACK, .seq = 1, .ack = 2 + i);
	}
	l.settings.nagle = false;
	app_sends("y");
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 32);
	app_sends("z");
	expect_anything();
	/* the tail loss probe comes first (RFC 8985, 7.2); it is not the time-out */
	after_ms(199);
	assert_in_range(flight(), 0, 1);
	after_ms(1000);
	assert_true(flight() >= 1);
}

/* 6298-5.5, MUST-19 */
static void test_retransmission_waits_are_doubled(void **state)
{
	__u64 last_ns = 0, wait_ns = 0;
	int doubled = 0;

	(void)state;
	established();
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x");
	for (int i = 0; i < 6; i++) {
		for (int ms = 0; !l.count && ms < 300000; ms += 1)
			after_ms(1);
		expect(ACK, .seq = 1, .ack = 1, .text = "x");
		if (wait_ns && l.last_sent_ns - last_ns >= wait_ns * 2 - 4 * NSEC_PER_MSEC &&
		    l.last_sent_ns - last_ns <= wait_ns * 2 + 4 * NSEC_PER_MSEC)
			doubled++;
		wait_ns = last_ns ? l.last_sent_ns - last_ns : 0;
		last_ns = l.last_sent_ns;
	}
	assert_true(doubled >= 3);
}

/* 5681-3.1lw: one segment, then slow start anew. */
static void test_retransmission_time_out_begins_with_one_segment(void **state)
{
	(void)state;
	established();
	app_sends_bytes(30 * MSS);
	expect_segments(1, 10);
	after_ms(500);
	expect_anything();
	assert_in_range(ladder_status().cwnd_bytes, MSS, 2 * MSS);
	peer_sends(ACK, .seq = 1, .ack = 1 + 10 * MSS);
	assert_in_range(flight(), 1, 10);
}

/* MUST-18: Karn. What was sent twice gives no sample without timestamps. */
static void test_retransmission_gives_no_sample(void **state)
{
	(void)state;
	established();
	app_sends("x");
	expect_anything();
	after_ms(3500);
	assert_true(expect_anything() >= 1);
	peer_sends(ACK, .seq = 1, .ack = 2);
	assert_int_equal(ladder_status().srtt_us, RTT_MS * 1000); /* that of the handshake */
}

static void test_retransmission_gives_a_sample_by_timestamps(void **state)
{
	__u32 tsval;

	(void)state;
	l.offer.timestamps = true;
	established();
	app_sends("x");
	tsval = l.ts_recent;
	expect_anything();
	after_ms(3500);
	assert_true(expect_anything() >= 1);
	peer_sends(ACK, .seq = 1, .ack = 2, .timestamps = true, .tsval = ladder_peer_tsval(), .tsecr = tsval);
	assert_int_not_equal(ladder_status().srtt_us, 0);
}

/* 5681-3.2fr, without SACK */
static void test_retransmission_third_duplicate_ack_repairs(void **state)
{
	(void)state;
	established();
	app_sends_bytes(10 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	for (int i = 0; i < 3; i++)
		peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1, .length = MSS);
	assert_int_equal(ladder_status().retransmitted, 1);
	assert_in_range(ladder_status().cwnd_bytes, 2 * MSS, 10 * MSS);
	peer_sends(ACK, .seq = 1, .ack = 1 + 10 * MSS);
	assert_int_equal(ladder_status().unsent_bytes, 0);
}

/* 3042: the first two let new text out. */
static void test_retransmission_first_duplicate_acks_let_new_text_go(void **state)
{
	(void)state;
	established();
	app_sends_bytes(20 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1 + 10 * MSS, .ack = 1, .length = MSS);
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1 + 11 * MSS, .ack = 1, .length = MSS);
	expect_nothing();
}

/* 6582: a partial acknowledgement shows the next hole. */
static void test_retransmission_partial_ack_repairs_the_next_hole(void **state)
{
	(void)state;
	established();
	app_sends_bytes(10 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	for (int i = 0; i < 3; i++)
		peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1, .length = MSS);
	after_ms(50);
	peer_sends(ACK, .seq = 1, .ack = 1 + 4 * MSS);
	expect(ACK, .seq = 1 + 4 * MSS, .ack = 1, .length = MSS);
}

/* 6675, 2018-8: only the hole, what is sacked stays. */
static void test_retransmission_sack_repairs_the_hole_alone(void **state)
{
	(void)state;
	established_with_sack();
	app_sends_bytes(10 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	peer_sends(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 1 + MSS, 1 + 5 * MSS } });
	after_ms(60);
	expect(ACK, .seq = 1, .ack = 1, .length = MSS);
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1 + 10 * MSS);
	assert_int_equal(ladder_status().retransmitted, 1);
}

static void test_retransmission_two_holes_are_repaired(void **state)
{
	(void)state;
	established_with_sack();
	app_sends_bytes(10 * MSS);
	expect_segments(1, 10);
	after_ms(50);
	peer_sends(ACK, .seq = 1, .ack = 1, .block_count = 2,
		   .blocks = { { 1 + 6 * MSS, 1 + 10 * MSS }, { 1 + MSS, 1 + 5 * MSS } });
	after_ms(60);
	expect(ACK, .seq = 1, .ack = 1, .length = MSS);
	after_ms(60);
	if (l.count)
		expect(ACK, .seq = 1 + 5 * MSS, .ack = 1, .length = MSS);
	expect_nothing();
}

/* 2018-8: what was sacked may be gone after a time-out. */
static void test_retransmission_time_out_forgets_what_was_sacked(void **state)
{
	(void)state;
	established_with_sack();
	app_sends_bytes(3 * MSS);
	expect_segments(1, 3);
	after_ms(50);
	peer_sends(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 1 + MSS, 1 + 3 * MSS } });
	after_ms(500);
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 1 + MSS);
	expect(ACK, .seq = 1 + MSS, .ack = 1, .length = MSS);
	expect_anything();
}

/* Blocks of what was never sent, or of nothing, mark nothing. */
static void test_retransmission_wild_sack_blocks_are_ignored(void **state)
{
	(void)state;
	established_with_sack();
	app_sends_bytes(5 * MSS);
	expect_segments(1, 5);
	for (__u32 i = 0; i < 8; i++)
		peer_sends(ACK, .seq = 1, .ack = 1, .block_count = 3,
			   .blocks = { { 1 + 9 * MSS, 1 + 10 * MSS }, { 3000, 2000 }, { 0x80000000, 1 } });
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1 + 5 * MSS);
	assert_int_equal(ladder_status().unsent_bytes, 0);
	assert_int_equal(ladder_status().retransmitted, 0);
}

/* 5681-4.1: after a pause no more than a restart window goes at once. */
static void test_retransmission_window_restarts_after_a_pause(void **state)
{
	(void)state;
	established();
	app_sends_bytes(40 * MSS);
	for (__u32 acked = 0; acked < 40;) {
		acked += flight();
		after_ms(20);
		peer_sends(ACK, .seq = 1, .ack = 1 + acked * MSS);
	}
	assert_true(ladder_status().cwnd_bytes > 12 * MSS);
	after_ms(10000);
	app_sends_bytes(40 * MSS);
	assert_in_range(flight(), 1, 10);
}

/* MUST-20, SHLD-9, SHLD-10: R1 is told to the path and the application, R2 ends it. */
static void test_retransmission_without_an_answer_advises_and_ends(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 60000;
	established();
	app_sends("x");
	expect_anything();
	after_ms(40000);
	assert_true(expect_anything() >= 3);
	assert_true(l.path_advice >= 1 && !l.reachable);
	assert_true(l.app.advised >= 1);
	assert_int_equal(l.app.closed, 0);
	after_ms(90000);
	assert_closed(-ETIMEDOUT);
	expect_anything();
}

static void test_retransmission_answer_makes_the_path_reachable_again(void **state)
{
	(void)state;
	established();
	app_sends("x");
	after_ms(40000);
	expect_anything();
	assert_false(l.reachable);
	peer_sends(ACK, .seq = 1, .ack = 2);
	assert_true(l.reachable);
}

/* SHLD-11 */
static void test_retransmission_goes_on_for_100_s_by_default(void **state)
{
	(void)state;
	established();
	app_sends("x");
	after_ms(99000);
	assert_int_equal(l.app.closed, 0);
	expect_anything();
	after_ms(2000000);
	assert_closed(-ETIMEDOUT);
	expect_anything();
}

/* MUST-21: on the way, too. */
static void test_retransmission_user_time_out_can_be_changed(void **state)
{
	struct tcp_settings settings;

	(void)state;
	established();
	settings = *tcp_settings(l.tcb);
	settings.user_timeout_ms = 5000;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	app_sends("x");
	after_ms(4000);
	assert_int_equal(l.app.closed, 0);
	after_ms(10000);
	assert_closed(-ETIMEDOUT);
	expect_anything();
}

/* RFC 8985, 7: the last segment of a flight is probed before the time-out. */
static void test_retransmission_lost_tail_is_probed(void **state)
{
	__u64 sent_ns;

	(void)state;
	established_with_sack();
	for (__u32 i = 0; i < 20; i++) {
		app_sends("x");
		expect_anything();
		after_ms(20);
		peer_sends(ACK, .seq = 1, .ack = 2 + i);
	}
	app_sends_bytes(3 * MSS);
	assert_int_equal(flight(), 3);
	sent_ns = l.now_ns;
	after_ms(20);
	peer_sends(ACK, .seq = 1, .ack = 21 + MSS);
	expect_nothing();
	after_ms(100);
	expect(ACK, .seq = 21 + 2 * MSS, .ack = 1, .length = MSS);
	assert_in_range(l.last_sent_ns - sent_ns, 30 * NSEC_PER_MSEC, 190 * NSEC_PER_MSEC);
}

/* A probe that is due in the turn in which all is acknowledged has nothing to probe, and repairs nothing later. */
static void test_retransmission_probe_of_nothing_is_no_loss(void **state)
{
	__u32 cwnd;

	(void)state;
	established_with_sack();
	app_sends("abc");
	expect(ACK, .seq = 1, .ack = 1, .text = "abc");
	l.now_ns += 900 * NSEC_PER_MSEC;
	peer_sends(ACK, .seq = 1, .ack = 4);
	expect_nothing();
	cwnd = ladder_status().cwnd_bytes;
	app_sends("def");
	expect(ACK, .seq = 4, .ack = 1, .text = "def");
	peer_sends(ACK, .seq = 1, .ack = 7);
	assert_true(ladder_status().cwnd_bytes >= cwnd);
}

/* Nor is one sent that was due by what was acknowledged before. */
static void test_retransmission_probe_waits_from_the_last_ack(void **state)
{
	(void)state;
	established_with_sack();
	app_sends_bytes(3 * MSS);
	expect_segments(1, 3);
	l.now_ns += 105 * NSEC_PER_MSEC;
	peer_sends(ACK, .seq = 1, .ack = 1 + MSS);
	expect_nothing();
}

/* RFC 8985, 7.3: where new text can not leave, be it for want of memory, the last segment is the probe. */
static void test_retransmission_probe_without_memory_is_the_last_segment(void **state)
{
	static const char text[5 * MSS];

	(void)state;
	established_with_sack();
	assert_int_equal(tcp_send(l.tcb, text, sizeof(text), 0), sizeof(text));
	l.account.limit_bytes = l.account.used_bytes; /* for four segments in flight */
	ladder_work();
	expect_segments(1, 4);
	expect_nothing();
	after_ms(150);
	expect(ACK, .seq = 1 + 3 * MSS, .ack = 1, .length = MSS);
	expect_nothing();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_retransmission_initial_window_is_ten_segments),
		ladder_test(test_retransmission_initial_window_of_large_segments_is_bounded),
		ladder_test(test_retransmission_slow_start_grows_by_what_is_acknowledged),
		ladder_test(test_retransmission_time_out_follows_the_round_trip),
		ladder_test(test_retransmission_time_out_is_never_below_200_ms),
		ladder_test(test_retransmission_waits_are_doubled),
		ladder_test(test_retransmission_time_out_begins_with_one_segment),
		ladder_test(test_retransmission_gives_no_sample),
		ladder_test(test_retransmission_gives_a_sample_by_timestamps),
		ladder_test(test_retransmission_third_duplicate_ack_repairs),
		ladder_test(test_retransmission_first_duplicate_acks_let_new_text_go),
		ladder_test(test_retransmission_partial_ack_repairs_the_next_hole),
		ladder_test(test_retransmission_sack_repairs_the_hole_alone),
		ladder_test(test_retransmission_two_holes_are_repaired),
		ladder_test(test_retransmission_time_out_forgets_what_was_sacked),
		ladder_test(test_retransmission_wild_sack_blocks_are_ignored),
		ladder_test(test_retransmission_window_restarts_after_a_pause),
		ladder_test(test_retransmission_without_an_answer_advises_and_ends),
		ladder_test(test_retransmission_answer_makes_the_path_reachable_again),
		ladder_test(test_retransmission_goes_on_for_100_s_by_default),
		ladder_test(test_retransmission_user_time_out_can_be_changed),
		ladder_test(test_retransmission_lost_tail_is_probed),
		ladder_test(test_retransmission_probe_of_nothing_is_no_loss),
		ladder_test(test_retransmission_probe_waits_from_the_last_ack),
		ladder_test(test_retransmission_probe_without_memory_is_the_last_segment),
	};

	return cmocka_run_group_tests_name("tcp_retransmission", tests, NULL, NULL);
}
