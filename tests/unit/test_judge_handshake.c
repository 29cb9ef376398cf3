// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, the end of a handshake that a cookie or a half-open record began: SYN-RECEIVED (RFC 9293, 3.10.7.4).
 * test_<state>_<stimulus>_<outcome>; after each the whole record is compared. What comes before is in test_handshake.c.
 */
#include "flow_fixture.h"

static void test_syn_received_ack_of_syn_established(void **state)
{
	struct flow f = flow_in_syn_received(), want;
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.snd_una = own(1);
	want.snd_wnd = PEER_WINDOW;
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_syn_received_ack_with_data_and_fin_close_wait(void **state)
{
	struct flow f = flow_in_syn_received(), want;
	struct segment s = segment_from_peer(&f, ACK | FIN, 100);

	(void)state;
	f.flags &= ~FLOW_HANDOVER;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSE_WAIT);
	want.flags |= FLOW_RCV_FIN;
	want.snd_una = own(1);
	want.snd_wnd = PEER_WINDOW;
	want.rcv_max = peer(101);
	want.rcv_nxt = peer(102);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* The owner may never get it (its accept queue is full), whatever the peer sends. */
static void test_syn_received_handed_over_data_and_fin_is_short_lived(void **state)
{
	struct flow f = flow_in_syn_received();
	struct segment s = segment_from_peer(&f, ACK | FIN, 100);

	(void)state;
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_CLOSE_WAIT);
	assert_int_equal(f.deadline_ns, NOW_NS + 128 * NSEC_PER_SEC);
}

/* RFC 9293, 3.10.7.4, fifth: SND.UNA < SEG.ACK =< SND.NXT. */
static void test_syn_received_ack_of_nothing_stays(void **state)
{
	struct flow f = flow_in_syn_received();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.ack = own(0);
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.state, TCPS_SYN_RECEIVED);
}

static void test_syn_received_rst_exact_closed(void **state)
{
	struct flow f = flow_in_syn_received(), want;
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_syn_received_own_syn_ack_again_moves_the_deadline(void **state)
{
	struct flow f = flow_in_syn_received(), want;
	struct segment s = segment_from_owner(&f, SYN | ACK, 0);

	(void)state;
	s.seq = own(0);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_SYN_RECEIVED);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

/* RFC 9293, 3.10.7.4, fifth: a wrong ACK is answered with <SEQ=SEG.ACK><CTL=RST>, and the handshake goes on. */
static void test_syn_received_own_rst_for_a_wrong_ack_stays(void **state)
{
	struct flow f = flow_in_syn_received();
	struct segment s = segment_from_owner(&f, RST, 0);

	(void)state;
	s.seq = own(12345);
	judge(&f, &s, DIRECTION_SND);
	assert_int_equal(f.state, TCPS_SYN_RECEIVED);
}

static void test_syn_received_handed_over_own_segment_ends_the_handover(void **state)
{
	struct flow f = flow_in_syn_received(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_SYN_RECEIVED);
	want.flags &= ~FLOW_HANDOVER;
	want.rcv_wnd = OWN_WINDOW;
	want.rcv_edge = peer(1 + OWN_WINDOW_BYTES);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_syn_received_ack_of_syn_established),
		cmocka_unit_test(test_syn_received_ack_with_data_and_fin_close_wait),
		cmocka_unit_test(test_syn_received_handed_over_data_and_fin_is_short_lived),
		cmocka_unit_test(test_syn_received_ack_of_nothing_stays),
		cmocka_unit_test(test_syn_received_rst_exact_closed),
		cmocka_unit_test(test_syn_received_own_syn_ack_again_moves_the_deadline),
		cmocka_unit_test(test_syn_received_own_rst_for_a_wrong_ack_stays),
		cmocka_unit_test(test_syn_received_handed_over_own_segment_ends_the_handover),
	};

	return run_over_flow_bases(tests);
}
