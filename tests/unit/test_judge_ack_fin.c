// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, what the peer sends: ACK, text and FIN (RFC 9293, 3.10.7.4, fifth to eighth), and keepalive probes.
 * test_<state>_<stimulus>_<outcome>; after each the whole record is compared.
 *
 * What makes a segment acceptable is in test_judge_sequence.c and test_judge_timestamps.c, a handshake's end in
 * test_judge_handshake.c, what the owner sends in test_judge_send.c; whole lives are in test_judge_lives.c.
 */
#include "flow_fixture.h"

/* --- ACK: fifth, RFC 5961, 5 ----------------------------------------------------------------------------------------
 */

static void test_synchronized_no_ack_bit_refused(void **state)
{
	const __u8 flags[] = { 0, FIN, TCP_FLAG_PSH | TCP_FLAG_URG };

	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * ARRAY_LEN(flags); i++) {
		struct flow f = synchronized_flows[i / ARRAY_LEN(flags)]();
		struct segment s = segment_from_peer(&f, flags[i % ARRAY_LEN(flags)], 10);

		assert_refused(f, &s, JUDGE_NO_ACK);
	}
}

static void test_synchronized_ack_of_unsent_data_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i]();
		struct segment s = segment_from_peer(&f, ACK, 10);

		s.ack = f.snd_nxt + 1;
		assert_refused(f, &s, JUDGE_BAD_ACK);
		s.flags |= FIN;
		s.ack = f.snd_nxt + 0x40000000;
		assert_refused(f, &s, JUDGE_BAD_ACK);
	}
}

static void test_established_ack_older_than_any_window_refused(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 10);

	(void)state;
	s.ack = f.snd_una - (65535 << PEER_WSCALE) - 1;
	assert_refused(f, &s, JUDGE_BAD_ACK);
	s.ack++;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1011);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_ack_of_part_moves_una(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	f.snd_una = own(1);
	s.ack = own(1500);
	s.window = 4321;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.snd_una = own(1500);
	want.snd_wnd = 4321;
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_older_ack_leaves_una(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.ack = own(1500);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* RFC 9293, 3.10.7.4, fifth: old segments do not update the window. */
static void test_established_older_ack_leaves_the_window(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.ack = own(1500);
	s.window = 1;
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.snd_wnd, PEER_WINDOW);
}

static void test_fin_wait_1_ack_short_of_our_fin_stays(void **state)
{
	struct flow f = flow_in_fin_wait_1(), want;
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.ack = own(2001);
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_FIN_WAIT_1);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_ack_of_our_fin_steps(void **state)
{
	const struct {
		flow_constructor flow;
		enum tcp_state next;
	} steps[] = { { flow_in_fin_wait_1, TCPS_FIN_WAIT_2 },
		      { flow_in_closing, TCPS_TIME_WAIT },
		      { flow_in_last_ack, TCPS_CLOSED } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct flow f = steps[i].flow(), want;
		struct segment s = segment_from_peer(&f, ACK, 0);

		want = flow_taken(f, &s, DIRECTION_RCV, steps[i].next);
		want.snd_una = own(2002);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

/* --- keepalive -----------------------------------------------------------------------------------------------------
 */

static void test_synchronized_keepalive_probe_shows_life(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * 2; i++) {
		struct flow f = synchronized_flows[i / 2](), want;
		struct segment s = segment_from_peer(&f, ACK, i % 2); /* with the garbage octet, and without */

		s.seq = f.rcv_nxt - 1;
		s.ack = f.snd_una;
		want = flow_taken(f, &s, DIRECTION_RCV, f.state);
		/* the garbage octet ends at the window: an octet that is repeated, as far as anyone can tell */
		assert_int_equal(judge(&f, &s, DIRECTION_RCV), s.payload_bytes ? JUDGE_TAKEN : JUDGE_PROBE);
		assert_flow_equal(&f, &want);
	}
}

static void test_established_almost_a_probe_is_none(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.seq = f.rcv_nxt - 2;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	s.seq = f.rcv_nxt - 1;
	s.flags = 0;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	s.flags = ACK;
	s.ack = f.snd_nxt + 1;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
}

/* The owner has acknowledged less than the record has seen, so its socket takes the repeated octet with its ACK. */
static void test_fin_wait_1_last_octet_again_with_ack_of_our_fin_fin_wait_2(void **state)
{
	struct flow f = flow_in_fin_wait_1();
	struct segment s = segment_from_peer(&f, ACK, 1);

	(void)state;
	f.rcv_nxt = peer(1002);
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_FIN_WAIT_2);
}

/* --- FIN: eighth ----------------------------------------------------------------------------------------------------
 */

static void test_fin_in_order_steps(void **state)
{
	const enum tcp_state next[SYNCHRONIZED_OPEN] = { TCPS_CLOSE_WAIT, TCPS_CLOSING, TCPS_TIME_WAIT };

	(void)state;
	for (int i = 0; i < SYNCHRONIZED_OPEN * 2; i++) {
		struct flow f = synchronized_flows[i / 2](), want;
		__u32 bytes = i % 2 * 300; /* with data, and without */
		struct segment s = segment_from_peer(&f, ACK | FIN, bytes);

		s.ack = f.snd_una;
		want = flow_taken(f, &s, DIRECTION_RCV, next[i / 2]);
		want.flags |= FLOW_RCV_FIN;
		want.rcv_max = peer(1001 + bytes);
		want.rcv_nxt = peer(1002 + bytes);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

static void test_fin_wait_1_fin_with_ack_of_ours_time_wait(void **state)
{
	struct flow f = flow_in_fin_wait_1(), want;
	struct segment s = segment_from_peer(&f, ACK | FIN, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_TIME_WAIT);
	want.flags |= FLOW_RCV_FIN;
	want.snd_una = own(2002);
	want.rcv_max = peer(1001);
	want.rcv_nxt = peer(1002);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_fin_behind_a_hole_waits(void **state)
{
	(void)state;
	for (int i = 0; i < SYNCHRONIZED_OPEN; i++) {
		struct flow f = synchronized_flows[i](), want;
		struct segment s = segment_from_peer(&f, ACK | FIN, 50);

		s.seq = peer(1101);
		s.ack = f.snd_una;
		want = flow_taken(f, &s, DIRECTION_RCV, f.state);
		want.flags |= FLOW_RCV_FIN_AHEAD;
		want.rcv_max = peer(1151);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

/* Octet 1151 is a FIN that waits for 1001 to 1150. */
static struct flow flow_with_fin_ahead(void)
{
	struct flow f = flow_in_established();

	f.flags |= FLOW_RCV_FIN_AHEAD;
	f.rcv_max = peer(1151);
	return f;
}

static void test_established_hole_before_fin_filled_close_wait(void **state)
{
	struct flow f = flow_with_fin_ahead(), want;
	struct segment s = segment_from_peer(&f, ACK, 150);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSE_WAIT);
	want.flags = (f.flags & ~FLOW_RCV_FIN_AHEAD) | FLOW_RCV_FIN;
	want.rcv_nxt = peer(1152);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_hole_before_fin_half_filled_waits(void **state)
{
	struct flow f = flow_with_fin_ahead(), want;
	struct segment s = segment_from_peer(&f, ACK, 149);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1150);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_text_beyond_the_waiting_fin_shows_it_was_none(void **state)
{
	struct flow f = flow_with_fin_ahead(), want;
	struct segment s = segment_from_peer(&f, ACK, 152);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.flags = f.flags & ~FLOW_RCV_FIN_AHEAD;
	want.rcv_nxt = peer(1153);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* Nothing that comes behind a hole moves the FIN that waits there. */
static void test_established_more_behind_the_hole_leaves_the_waiting_fin(void **state)
{
	const __u32 seqs[] = { peer(1101), peer(1201) };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seqs); i++) {
		struct flow f = flow_with_fin_ahead(), want;
		struct segment s = segment_from_peer(&f, ACK, 50);

		s.seq = seqs[i];
		want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

static void test_established_owner_acks_the_waiting_fin_close_wait(void **state)
{
	struct flow f = flow_with_fin_ahead(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.ack = peer(1152);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_CLOSE_WAIT);
	want.flags = (f.flags & ~FLOW_RCV_FIN_AHEAD) | FLOW_RCV_FIN;
	want.rcv_nxt = want.rcv_wup = peer(1152);
	want.rcv_edge = peer(1152 + OWN_WINDOW_BYTES);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_owner_acks_short_of_the_waiting_fin_waits(void **state)
{
	struct flow f = flow_with_fin_ahead(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.ack = peer(1150);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_nxt = want.rcv_wup = peer(1150);
	want.rcv_edge = peer(1150 + OWN_WINDOW_BYTES);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_fin_again_changes_no_number(void **state)
{
	(void)state;
	for (size_t i = SYNCHRONIZED_OPEN; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i](), want;
		struct segment s = segment_from_peer(&f, ACK | FIN, 0);

		s.seq = peer(1001);
		s.ack = f.snd_una;
		want = flow_taken(f, &s, DIRECTION_RCV, f.state);
		assert_taken(f, &s, DIRECTION_RCV, &want);
	}
}

static void test_close_wait_data_after_the_fin_is_not_there(void **state)
{
	struct flow f = flow_in_close_wait(), want;
	struct segment s = segment_from_peer(&f, ACK | FIN, 500);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSE_WAIT);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* RFC 9293, 3.10.7.4, first: what lies before the window is cut off, the FIN too. */
static void test_established_fin_within_data_already_there_is_none(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK | FIN, 9);

	(void)state;
	f.rcv_nxt = peer(1101);
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_ESTABLISHED);
	assert_int_equal(f.flags & (FLOW_RCV_FIN | FLOW_RCV_FIN_AHEAD), 0);
}

/* Linux takes the whole of a segment that begins in the window: its ACK says so. */
static void test_established_fin_beyond_the_edge_acked_by_the_owner_close_wait(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK | FIN, OWN_WINDOW_BYTES + 1);

	(void)state;
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_ESTABLISHED);
	s = segment_from_owner(&f, ACK, 0);
	s.ack = peer(1001 + OWN_WINDOW_BYTES + 2);
	judge(&f, &s, DIRECTION_SND);
	assert_int_equal(f.state, TCPS_CLOSE_WAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synchronized_no_ack_bit_refused),
		cmocka_unit_test(test_synchronized_ack_of_unsent_data_refused),
		cmocka_unit_test(test_established_ack_older_than_any_window_refused),
		cmocka_unit_test(test_established_ack_of_part_moves_una),
		cmocka_unit_test(test_established_older_ack_leaves_una),
		cmocka_unit_test(test_established_older_ack_leaves_the_window),
		cmocka_unit_test(test_fin_wait_1_ack_short_of_our_fin_stays),
		cmocka_unit_test(test_ack_of_our_fin_steps),
		cmocka_unit_test(test_synchronized_keepalive_probe_shows_life),
		cmocka_unit_test(test_established_almost_a_probe_is_none),
		cmocka_unit_test(test_fin_wait_1_last_octet_again_with_ack_of_our_fin_fin_wait_2),
		cmocka_unit_test(test_fin_in_order_steps),
		cmocka_unit_test(test_fin_wait_1_fin_with_ack_of_ours_time_wait),
		cmocka_unit_test(test_fin_behind_a_hole_waits),
		cmocka_unit_test(test_established_hole_before_fin_filled_close_wait),
		cmocka_unit_test(test_established_hole_before_fin_half_filled_waits),
		cmocka_unit_test(test_established_text_beyond_the_waiting_fin_shows_it_was_none),
		cmocka_unit_test(test_established_more_behind_the_hole_leaves_the_waiting_fin),
		cmocka_unit_test(test_established_owner_acks_the_waiting_fin_close_wait),
		cmocka_unit_test(test_established_owner_acks_short_of_the_waiting_fin_waits),
		cmocka_unit_test(test_fin_again_changes_no_number),
		cmocka_unit_test(test_close_wait_data_after_the_fin_is_not_there),
		cmocka_unit_test(test_established_fin_within_data_already_there_is_none),
		cmocka_unit_test(test_established_fin_beyond_the_edge_acked_by_the_owner_close_wait),
	};

	return run_over_flow_bases(tests);
}
