// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, what the owner sends, one segment at a time, and what every segment moves: counters and deadlines.
 *
 * The owner is believed: a number of its own is the truth, whatever the record had.
 */
#include "flow_fixture.h"

static void test_established_own_data_moves_nxt(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 1400);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.snd_nxt = own(3401);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_data_again_changes_no_number(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 1000);

	(void)state;
	f.snd_una = own(1);
	s.seq = own(1);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_keepalive_probe_changes_no_number(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.seq = f.snd_nxt - 1;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_ack_moves_the_window(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	f.rcv_nxt = peer(1501);
	s.ack = peer(1501);
	s.window = 700;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_wup = peer(1501);
	want.rcv_wnd = 700;
	want.rcv_edge = peer(1501 + (700 << OWN_WSCALE));
	assert_taken(f, &s, DIRECTION_SND, &want);
}

/* RFC 9293, 3.8.6: what was offered is not taken back; segments on their way were sent against it. */
static void test_established_own_smaller_window_leaves_the_edge(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.window = 0;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_wnd = 0;
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_largest_window_without_scale(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	f.rcv_wscale = 0;
	f.rcv_edge = f.rcv_nxt;
	s.window = 65535;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_wnd = 65535;
	want.rcv_edge = peer(1001 + 65535);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_largest_window_with_scale_14(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	f.rcv_wscale = 14;
	s.window = 65535;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_wnd = 65535;
	want.rcv_edge = peer(1001 + (65535U << 14));
	assert_taken(f, &s, DIRECTION_SND, &want);
}

/* The owner had octets that never passed here, or passed before the record was made. */
static void test_established_own_ack_of_unseen_data_is_believed(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.ack = peer(9001);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.rcv_nxt = want.rcv_wup = peer(9001);
	want.rcv_edge = peer(9001 + OWN_WINDOW_BYTES);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_older_ack_takes_nothing_back(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.ack = peer(501);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_timestamps_are_believed(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 0);

	(void)state;
	s.has_timestamps = true;
	s.tsval = 250;
	s.tsecr = 90; /* the owner has not got all that has passed here */
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.snd_tsval = 250;
	want.snd_seen_ms = 1000000;
	want.rcv_tsval = 90;
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_own_fin_steps(void **state)
{
	const struct {
		flow_constructor flow;
		enum tcp_state next;
	} steps[] = { { flow_in_established, TCPS_FIN_WAIT_1 }, { flow_in_close_wait, TCPS_LAST_ACK } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps) * 2; i++) {
		struct flow f = steps[i / 2].flow(), want;
		__u32 bytes = i % 2 * 300; /* with data, and without */
		struct segment s = segment_from_owner(&f, ACK | FIN, bytes);

		want = flow_taken(f, &s, DIRECTION_SND, steps[i / 2].next);
		want.flags |= FLOW_SND_FIN;
		want.snd_fin = own(2001 + bytes);
		want.snd_nxt = own(2002 + bytes);
		assert_taken(f, &s, DIRECTION_SND, &want);
	}
}

/* The owner's FIN is the first to say that the peer's came, whose hole the socket alone has seen filled. */
static void test_established_own_fin_acks_the_waiting_fin_last_ack(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK | FIN, 0);

	(void)state;
	f.flags |= FLOW_RCV_FIN_AHEAD;
	f.rcv_max = peer(1151);
	s.ack = peer(1152);
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_LAST_ACK);
	want.flags = (f.flags & ~FLOW_RCV_FIN_AHEAD) | FLOW_RCV_FIN | FLOW_SND_FIN;
	want.rcv_nxt = want.rcv_wup = peer(1152);
	want.rcv_edge = peer(1152 + OWN_WINDOW_BYTES);
	want.snd_fin = own(2001);
	want.snd_nxt = own(2002);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_own_fin_again_changes_no_number(void **state)
{
	const flow_constructor flows[] = { flow_in_fin_wait_1, flow_in_fin_wait_2, flow_in_closing, flow_in_last_ack };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
		struct flow f = flows[i](), want;
		struct segment s = segment_from_owner(&f, ACK | FIN, 0);

		s.seq = own(2001);
		want = flow_taken(f, &s, DIRECTION_SND, f.state);
		assert_taken(f, &s, DIRECTION_SND, &want);
	}
}

static void test_synchronized_own_rst_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS; i++) {
		struct flow f = synchronized_flows[i](), want;
		struct segment s = segment_from_owner(&f, RST | ACK, 0);

		want = flow_taken(f, &s, DIRECTION_SND, TCPS_CLOSED);
		want.flags |= FLOW_SND_RST;
		assert_taken(f, &s, DIRECTION_SND, &want);
	}
}

/* --- counters and deadlines -----------------------------------------------------------------------------------------
 */

static void test_established_gso_super_packet_counts_its_segments(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_owner(&f, ACK, 64000);

	(void)state;
	s.packets = 46;
	s.packet_bytes = 64000 + 46 * 40;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.snd_nxt = own(66001);
	assert_taken(f, &s, DIRECTION_SND, &want);
	assert_int_equal(want.snd_packets, 8 + 46);
	assert_int_equal(want.snd_bytes, 8000 + 65840);
}

static void test_deadline_follows_the_state(void **state)
{
	const struct {
		flow_constructor flow;
		__u64 seconds;
	} lives[] = {
		{ flow_in_syn_received, 128 }, { flow_in_established, 5 * 86400 }, { flow_in_fin_wait_1, 300 },
		{ flow_in_fin_wait_2, 86400 }, { flow_in_close_wait, 86400 },	   { flow_in_closing, 300 },
		{ flow_in_last_ack, 300 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lives); i++) {
		struct flow f = lives[i].flow();
		struct segment s = segment_from_owner(&f, ACK, 0);

		flow_judge(&f, &s, DIRECTION_SND, 5 * NSEC_PER_SEC, MSL_NS);
		assert_int_equal(f.deadline_ns, (5 + lives[i].seconds) * NSEC_PER_SEC);
		flow_judge(&f, &s, DIRECTION_SND, 7 * NSEC_PER_SEC, MSL_NS);
		assert_int_equal(f.deadline_ns, (7 + lives[i].seconds) * NSEC_PER_SEC);
	}
}

static void test_time_wait_lasts_two_msl(void **state)
{
	struct flow f = flow_in_fin_wait_2();
	struct segment s = segment_from_peer(&f, ACK | FIN, 0);

	(void)state;
	flow_judge(&f, &s, DIRECTION_RCV, 5 * NSEC_PER_SEC, 30 * NSEC_PER_SEC);
	assert_int_equal(f.state, TCPS_TIME_WAIT);
	assert_int_equal(f.deadline_ns, 65 * NSEC_PER_SEC);
}

static void test_closed_is_absent_at_once(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	judge(&f, &s, DIRECTION_RCV);
	assert_int_equal(f.deadline_ns, NOW_NS);
}

static void test_has_ended_in_closed_and_time_wait_only(void **state)
{
	(void)state;
	for (int s = 0; s < TCPS_COUNT; s++) {
		struct flow f = { .state = s };

		assert_int_equal(flow_has_ended(&f), s == TCPS_CLOSED || s == TCPS_TIME_WAIT);
	}
}

static void test_peers_time_is_kept_modulo_2_32(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	flow_judge(&f, &s, DIRECTION_RCV, 0x100000005ULL * NSEC_PER_MSEC + 999999, MSL_NS);
	assert_int_equal(f.rcv_seen_ms, 5);
	s = segment_from_owner(&f, ACK, 0);
	flow_judge(&f, &s, DIRECTION_SND, 0x100000009ULL * NSEC_PER_MSEC, MSL_NS);
	assert_int_equal(f.rcv_seen_ms, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_established_own_data_moves_nxt),
		cmocka_unit_test(test_established_own_data_again_changes_no_number),
		cmocka_unit_test(test_established_own_keepalive_probe_changes_no_number),
		cmocka_unit_test(test_established_own_ack_moves_the_window),
		cmocka_unit_test(test_established_own_smaller_window_leaves_the_edge),
		cmocka_unit_test(test_established_own_largest_window_without_scale),
		cmocka_unit_test(test_established_own_largest_window_with_scale_14),
		cmocka_unit_test(test_established_own_ack_of_unseen_data_is_believed),
		cmocka_unit_test(test_established_own_older_ack_takes_nothing_back),
		cmocka_unit_test(test_established_own_timestamps_are_believed),
		cmocka_unit_test(test_own_fin_steps),
		cmocka_unit_test(test_established_own_fin_acks_the_waiting_fin_last_ack),
		cmocka_unit_test(test_own_fin_again_changes_no_number),
		cmocka_unit_test(test_synchronized_own_rst_closed),
		cmocka_unit_test(test_established_gso_super_packet_counts_its_segments),
		cmocka_unit_test(test_deadline_follows_the_state),
		cmocka_unit_test(test_time_wait_lasts_two_msl),
		cmocka_unit_test(test_closed_is_absent_at_once),
		cmocka_unit_test(test_has_ended_in_closed_and_time_wait_only),
		cmocka_unit_test(test_peers_time_is_kept_modulo_2_32),
	};

	return run_over_flow_bases(tests);
}
