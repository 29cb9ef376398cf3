// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, what the peer sends: whether a segment is acceptable at all, by its sequence number, its RST and its SYN
 * (RFC 9293, 3.10.7.4, first to fourth). test_<state>_<stimulus>_<outcome>; after each the whole record is compared.
 *
 * What an acceptable segment changes is in test_judge_ack_fin.c.
 */
#include "flow_fixture.h"

/* --- sequence numbers: 3.10.7.4, first -----------------------------------------------------------------------------
 */

static void test_synchronized_before_the_last_acknowledgement_out_of_window(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i]();
		struct segment s = segment_from_peer(&f, ACK, 100);

		s.seq = f.rcv_wup - 101;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
		s.seq = f.rcv_wup - 0x40000000;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
		s.flags = RST;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
		s.flags = ACK | FIN;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	}
}

static void test_synchronized_beyond_the_edge_out_of_window(void **state)
{
	const __u8 flags[] = { ACK, ACK | FIN, RST, RST | ACK, 0 };

	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * ARRAY_LEN(flags); i++) {
		struct flow f = synchronized_flows[i / ARRAY_LEN(flags)]();
		struct segment s = segment_from_peer(&f, flags[i % ARRAY_LEN(flags)], 0);

		s.seq = f.rcv_edge + 1;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
		s.seq = f.rcv_edge + 0x40000000;
		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	}
}

static void test_established_data_in_order_is_taken(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 1400);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1001 + 1400);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_data_behind_a_hole_waits(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 1400);

	(void)state;
	s.seq = peer(1001 + 1);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_max = peer(1001 + 1 + 1400);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_old_data_with_new_behind_is_taken(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 1400);

	(void)state;
	s.seq = peer(1);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1401);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_data_again_changes_no_number(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 1000);

	(void)state;
	s.seq = peer(1);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_data_over_the_edge_is_trimmed(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, OWN_WINDOW_BYTES + 1);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = f.rcv_edge;
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_data_up_to_the_edge_is_taken(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, OWN_WINDOW_BYTES);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = f.rcv_edge;
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* RFC 9293, 3.10.7.4, first: with a window of zero, ACKs and RSTs are valid all the same. */
static struct flow flow_with_zero_window(void)
{
	struct flow f = flow_in_established();

	f.rcv_edge = f.rcv_nxt;
	f.rcv_wnd = 0;
	return f;
}

static void test_established_zero_window_takes_an_ack_and_no_data(void **state)
{
	struct flow f = flow_with_zero_window(), want;
	struct segment s = segment_from_peer(&f, ACK, 1);

	(void)state;
	f.snd_una = own(1001);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.snd_una = own(2001);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_zero_window_rst_exact_closed(void **state)
{
	struct flow f = flow_with_zero_window(), want;
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* --- RST and SYN: second and fourth, RFC 5961 ----------------------------------------------------------------------
 */

static void test_synchronized_rst_exact_closed(void **state)
{
	const __u8 flags[] = { RST, RST | ACK };

	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * ARRAY_LEN(flags); i++) {
		struct flow f = synchronized_flows[i / ARRAY_LEN(flags)](), want;
		struct segment s = segment_from_peer(&f, flags[i % ARRAY_LEN(flags)], 0);

		s.ack = own(0x12345678); /* a RST's acknowledgement is not looked at */
		want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

static void test_synchronized_rst_in_window_challenged(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i]();
		struct segment s = segment_from_peer(&f, RST, 0);

		s.seq = f.rcv_nxt + 1;
		assert_refused(f, &s, JUDGE_CHALLENGED);
		s.seq = f.rcv_edge;
		assert_refused(f, &s, JUDGE_CHALLENGED);
		s.seq = f.rcv_nxt - 1;
		if (!(f.flags & FLOW_RCV_FIN))
			assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	}
}

/* The peer closed, then aborted: its RST has the FIN's own number. */
static void test_after_the_peers_fin_rst_at_the_fin_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i]();
		struct segment s = segment_from_peer(&f, RST, 0);

		s.seq = f.rcv_nxt - 1;
		if (!(f.flags & FLOW_RCV_FIN))
			continue;
		assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
		assert_int_equal(f.state, TCPS_CLOSED);
	}
}

/* The program has seen 100 octets that the owner may not have: both numbers may be its next. */
static void test_established_rst_at_the_last_acknowledgement_closed(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	f.rcv_nxt = peer(1101);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
	s.seq = peer(1101);
	assert_taken(f, &s, DIRECTION_RCV, &want);
	s.seq = peer(1050);
	assert_refused(f, &s, JUDGE_CHALLENGED);
}

/* Octets 1101 to 1200 have come, and 1301 to 1400: Linux takes an abort behind the last SACK block. */
static struct flow flow_with_holes(void)
{
	struct flow f = flow_in_established();

	for (__u32 at = 1301; at >= 1101; at -= 200) {
		struct segment s = segment_from_peer(&f, ACK, 100);

		s.seq = peer(at);
		assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	}
	return f;
}

static void test_established_rst_behind_the_last_block_closed(void **state)
{
	struct flow f = flow_with_holes(), want;
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	s.seq = peer(1401);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
	for (__u32 at = 1002; at < 1500; at++) {
		s.seq = peer(at);
		if (at != 1401)
			assert_refused(f, &s, JUDGE_CHALLENGED);
	}
	f.flags &= ~FLOW_SACK;
	s.seq = peer(1401);
	assert_refused(f, &s, JUDGE_CHALLENGED);
}

static void test_established_rst_where_the_last_block_was_challenged(void **state)
{
	struct flow f = flow_with_holes();
	struct segment data = segment_from_peer(&f, ACK, 500), s = segment_from_peer(&f, RST, 0);

	(void)state;
	judge(&f, &data, DIRECTION_RCV); /* fills the holes, and goes beyond */
	s.seq = peer(1401);
	assert_refused(f, &s, JUDGE_CHALLENGED);
}

/* The FIN behind a hole is the last that the peer has: an abort comes behind it. */
static void test_established_rst_behind_the_waiting_fin_closed(void **state)
{
	struct flow f = flow_with_holes();
	struct segment fin = segment_from_peer(&f, ACK | FIN, 50), s = segment_from_peer(&f, RST, 0);

	(void)state;
	fin.seq = peer(1501);
	judge(&f, &fin, DIRECTION_RCV);
	s.seq = peer(1551);
	assert_refused(f, &s, JUDGE_CHALLENGED);
	s.seq = peer(1552);
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	assert_int_equal(f.state, TCPS_CLOSED);
}

/* An acknowledgement of the peer's stands behind what is missing, too, and is no block. */
static void test_established_rst_behind_an_ack_that_is_ahead_challenged(void **state)
{
	struct flow f = flow_in_established();
	struct segment ack = segment_from_peer(&f, ACK, 0), s = segment_from_peer(&f, RST, 0);

	(void)state;
	ack.seq = s.seq = peer(1301);
	judge(&f, &ack, DIRECTION_RCV);
	assert_refused(f, &s, JUDGE_CHALLENGED);
}

static void test_time_wait_rst_stays(void **state)
{
	struct flow f = flow_in_time_wait();
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_TIME_WAIT);
}

static void test_synchronized_syn_challenged(void **state)
{
	const __u8 flags[] = { SYN, SYN | ACK, SYN | RST, SYN | FIN };

	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * ARRAY_LEN(flags); i++) {
		struct flow f = synchronized_flows[i / ARRAY_LEN(flags)]();
		struct segment s = segment_from_peer(&f, flags[i % ARRAY_LEN(flags)], 0);

		assert_refused(f, &s, JUDGE_CHALLENGED);
		s.seq = f.rcv_nxt - 1;
		assert_refused(f, &s, JUDGE_CHALLENGED);
		s.seq = f.rcv_nxt + 0x40000000; /* RFC 5961, 4.2: whatever its number */
		assert_refused(f, &s, JUDGE_CHALLENGED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synchronized_before_the_last_acknowledgement_out_of_window),
		cmocka_unit_test(test_synchronized_beyond_the_edge_out_of_window),
		cmocka_unit_test(test_established_data_in_order_is_taken),
		cmocka_unit_test(test_established_data_behind_a_hole_waits),
		cmocka_unit_test(test_established_old_data_with_new_behind_is_taken),
		cmocka_unit_test(test_established_data_again_changes_no_number),
		cmocka_unit_test(test_established_data_over_the_edge_is_trimmed),
		cmocka_unit_test(test_established_data_up_to_the_edge_is_taken),
		cmocka_unit_test(test_established_zero_window_takes_an_ack_and_no_data),
		cmocka_unit_test(test_established_zero_window_rst_exact_closed),
		cmocka_unit_test(test_synchronized_rst_exact_closed),
		cmocka_unit_test(test_synchronized_rst_in_window_challenged),
		cmocka_unit_test(test_after_the_peers_fin_rst_at_the_fin_closed),
		cmocka_unit_test(test_established_rst_at_the_last_acknowledgement_closed),
		cmocka_unit_test(test_established_rst_behind_the_last_block_closed),
		cmocka_unit_test(test_established_rst_where_the_last_block_was_challenged),
		cmocka_unit_test(test_established_rst_behind_the_waiting_fin_closed),
		cmocka_unit_test(test_established_rst_behind_an_ack_that_is_ahead_challenged),
		cmocka_unit_test(test_time_wait_rst_stays),
		cmocka_unit_test(test_synchronized_syn_challenged),
	};

	return run_over_flow_bases(tests);
}
