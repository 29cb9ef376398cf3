// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whole lives of connections, the peer's segments through XDP and the owner's through tc_egress, the record compared
 * with the model after each packet (talk.h). Each test reads as a ladder: peer on the left, owner on the right.
 *
 * Not here: how a connection opens (test_cookie_ack.c, test_half_open.c), what a real socket says (test_adoption.c).
 */
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define FIN_ACK (TCP_FLAG_FIN | TCP_FLAG_ACK)
#define RST TCP_FLAG_RST
#define RST_ACK (TCP_FLAG_RST | TCP_FLAG_ACK)

/* Runs body for both address families, from a clean state each time. */
#define EACH_FAMILY(body)                                                                                              \
	do {                                                                                                           \
		body(FAMILY_IPV4);                                                                                     \
		shield_reset(NULL);                                                                                    \
		body(FAMILY_IPV6);                                                                                     \
	} while (0)

static void data_both_ways(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	for (int i = 0; i < 5; i++) {
		assert_verdict(talk_peer_sends(&t, ACK, 100), V_SEGMENT);
		talk_assert_state(&t, TCPS_ESTABLISHED);
		talk_owner_sends(&t, ACK, 700);
		talk_assert_state(&t, TCPS_ESTABLISHED);
	}
	assert_int_equal(t.model.rcv_packets, 6);
	assert_int_equal(t.model.snd_packets, 6);
}

static void test_established_data_both_ways_numbers_go_on(void **state)
{
	(void)state;
	EACH_FAMILY(data_both_ways);
}

static void owner_closes_first(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_owner_sends(&t, FIN_ACK, 10);
	talk_assert_state(&t, TCPS_FIN_WAIT_1);
	talk_peer_sends(&t, ACK, 0);
	talk_assert_state(&t, TCPS_FIN_WAIT_2);
	talk_peer_sends(&t, FIN_ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
}

static void test_established_owner_closes_first_time_wait(void **state)
{
	(void)state;
	EACH_FAMILY(owner_closes_first);
}

static void owner_closes_and_fin_comes_with_ack(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_owner_sends(&t, FIN_ACK, 0);
	talk_peer_sends(&t, FIN_ACK, 20); /* acknowledges our FIN: FIN-WAIT-2 on the way */
	talk_assert_ended(&t, TCPS_TIME_WAIT);
}

static void test_fin_wait_1_fin_with_ack_of_fin_time_wait(void **state)
{
	(void)state;
	EACH_FAMILY(owner_closes_and_fin_comes_with_ack);
}

static void peer_closes_first(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, FIN_ACK, 5);
	talk_assert_state(&t, TCPS_CLOSE_WAIT);
	talk_owner_sends(&t, ACK, 300);
	talk_assert_state(&t, TCPS_CLOSE_WAIT);
	talk_owner_sends(&t, FIN_ACK, 0);
	talk_assert_state(&t, TCPS_LAST_ACK);
	talk_peer_sends(&t, ACK, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
}

static void test_established_peer_closes_first_closed(void **state)
{
	(void)state;
	EACH_FAMILY(peer_closes_first);
}

static void half_close(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_owner_sends(&t, FIN_ACK, 0);
	talk_peer_sends(&t, ACK, 0);
	for (int i = 0; i < 3; i++) {
		talk_peer_sends(&t, ACK, 500);
		talk_assert_state(&t, TCPS_FIN_WAIT_2);
		talk_owner_sends(&t, ACK, 0);
		talk_assert_state(&t, TCPS_FIN_WAIT_2);
	}
	talk_peer_sends(&t, FIN_ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
}

static void test_fin_wait_2_data_goes_on_until_fin(void **state)
{
	(void)state;
	EACH_FAMILY(half_close);
}

static void simultaneous_close(__u8 family)
{
	struct packet_spec fin;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	fin = talk_peer_segment(&t, FIN_ACK, 0); /* on its way before our FIN: acknowledges it not */
	talk_owner_sends(&t, FIN_ACK, 0);
	talk_passes(&t, &fin);
	t.peer_nxt++;
	talk_assert_state(&t, TCPS_CLOSING);
	talk_owner_sends(&t, ACK, 0);
	talk_assert_state(&t, TCPS_CLOSING);
	talk_peer_sends(&t, ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
}

static void test_fin_wait_1_fin_without_ack_of_fin_closing(void **state)
{
	(void)state;
	EACH_FAMILY(simultaneous_close);
}

static void rst_from_peer(__u8 family)
{
	struct packet_spec inexact;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	inexact = talk_peer_segment(&t, RST, 0);
	inexact.seq += 1;
	assert_verdict(talk_passes(&t, &inexact), V_CHALLENGED); /* RFC 5961, 3.2 */
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_verdict(talk_peer_sends(&t, RST, 0), V_SEGMENT);
	talk_assert_ended(&t, TCPS_CLOSED);
}

static void test_established_rst_from_peer_closed(void **state)
{
	(void)state;
	EACH_FAMILY(rst_from_peer);
}

static void rst_from_owner(__u8 family)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, ACK, 50);
	talk_owner_sends(&t, RST_ACK, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
}

static void test_established_rst_from_owner_closed(void **state)
{
	(void)state;
	EACH_FAMILY(rst_from_owner);
}

static void test_established_retransmissions_change_no_number(void **state)
{
	struct packet_spec theirs, ours;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	theirs = talk_peer_segment(&t, ACK, 200);
	talk_peer_sends(&t, ACK, 200);
	assert_verdict(talk_passes(&t, &theirs), V_SEGMENT);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	ours = talk_owner_segment(&t, ACK, 300);
	talk_owner_sends(&t, ACK, 300);
	talk_passes(&t, &ours);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_int_equal(t.model.rcv_packets, 3);
	assert_int_equal(t.model.snd_packets, 3);
}

static void test_close_wait_fin_again_changes_nothing(void **state)
{
	struct packet_spec fin;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	fin = talk_peer_segment(&t, FIN_ACK, 9);
	talk_peer_sends(&t, FIN_ACK, 9);
	assert_verdict(talk_passes(&t, &fin), V_SEGMENT);
	talk_assert_state(&t, TCPS_CLOSE_WAIT);
}

static void test_established_fin_before_missing_data_waits_for_it(void **state)
{
	struct packet_spec data, fin;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	data = talk_peer_segment(&t, ACK, 100);
	fin = talk_peer_segment(&t, FIN_ACK, 0);
	fin.seq += 100;
	assert_verdict(talk_passes(&t, &fin), V_SEGMENT);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	talk_passes(&t, &data);
	t.peer_nxt += 101;
	talk_assert_state(&t, TCPS_CLOSE_WAIT);
}

static void test_established_keepalive_probe_moves_deadline_only(void **state)
{
	struct packet_spec probe;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, ACK, 10);
	talk_owner_sends(&t, ACK, 0);
	shield_advance(3600 * NSEC_PER_SEC);
	probe = talk_peer_segment(&t, ACK, 0);
	probe.seq--;
	assert_verdict(talk_passes(&t, &probe), V_SEGMENT);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_int_equal(t.model.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_ESTABLISHED, 0));
}

static void test_established_segments_that_do_not_fit_are_passed_and_step_nothing(void **state)
{
	struct packet_spec spec;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_peer_segment(&t, FIN_ACK, 10);
	spec.seq += 0x100000;
	assert_verdict(talk_passes(&t, &spec), V_OUT_OF_WINDOW);
	spec = talk_peer_segment(&t, FIN_ACK, 10);
	spec.ack += 1;
	assert_verdict(talk_passes(&t, &spec), V_BAD_ACK);
	spec = talk_peer_segment(&t, TCP_FLAG_FIN, 10);
	assert_verdict(talk_passes(&t, &spec), V_NO_ACK_BIT);
	spec = talk_peer_segment(&t, TCP_FLAG_SYN | ACK, 0);
	assert_verdict(talk_passes(&t, &spec), V_CHALLENGED);
	talk_assert_state(&t, TCPS_ESTABLISHED);
}

static void test_established_gso_super_packet_counts_its_segments(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_owner_segment(&t, ACK, 1500);
	packet_build(&f, &spec);
	assert_verdict(shield_send_gso(&f, 35), V_OWN_SEGMENT);
	assert_true(shield_flow(&t.tuple, &t.model));
	assert_int_equal(t.model.snd_packets, 36);
	assert_int_equal(t.model.snd_nxt, t.own_nxt + 1500);
}

/* To TIME-WAIT, by the owner's close, after a while: its 2MSL end later than the cookie's life. */
static void close_to_time_wait(struct talk *t, __u8 family)
{
	talk_init(t, family, PORT_ALWAYS);
	talk_establish(t);
	shield_advance(30 * NSEC_PER_SEC);
	talk_owner_sends(t, FIN_ACK, 0);
	talk_peer_sends(t, FIN_ACK, 0);
	talk_assert_ended(t, TCPS_TIME_WAIT);
}

static void time_wait_fin_again(__u8 family)
{
	struct packet_spec fin, ack;
	struct ended e;
	struct talk t;

	close_to_time_wait(&t, family);
	shield_advance(50 * NSEC_PER_SEC);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_TIME_WAIT_SEGMENT);
	assert_true(shield_ended(&t.tuple, &e));
	assert_int_equal(e.deadline_ns, t.model.deadline_ns);
	fin = talk_peer_segment(&t, FIN_ACK, 0);
	fin.seq--;
	assert_verdict(shield_receive_packet(&fin), V_TIME_WAIT_SEGMENT);
	assert_true(shield_ended(&t.tuple, &e));
	assert_int_equal(e.deadline_ns, shield_now_ns() + 2 * SHIELD_MSL_NS);
}

static void test_time_wait_fin_again_restarts_deadline(void **state)
{
	(void)state;
	EACH_FAMILY(time_wait_fin_again);
}

static void time_wait_is_over(__u8 family)
{
	struct packet_spec ack;
	struct talk t;

	close_to_time_wait(&t, family);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_advance(2 * SHIELD_MSL_NS - NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&ack), V_TIME_WAIT_SEGMENT);
	shield_advance(2 * NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&ack), V_NO_FLOW);
}

static void test_time_wait_deadline_passed_counts_as_absent(void **state)
{
	(void)state;
	EACH_FAMILY(time_wait_is_over);
}

static void test_established_deadline_passed_counts_as_absent(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	shield_advance(tcp_state_timeout_ns(TCPS_ESTABLISHED, 0) + NSEC_PER_SEC);
	spec = talk_peer_segment(&t, ACK, 1);
	assert_verdict(shield_receive_packet(&spec), V_NO_FLOW);
	spec = talk_owner_segment(&t, ACK, 1);
	packet_build(&f, &spec);
	assert_verdict(shield_send(&f), V_OWN_UNTRACKED);
	assert_true(shield_flow(&t.tuple, &t.model)); /* its slot waits for the sweep */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_established_data_both_ways_numbers_go_on, shield_reset),
		cmocka_unit_test_setup(test_established_owner_closes_first_time_wait, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_1_fin_with_ack_of_fin_time_wait, shield_reset),
		cmocka_unit_test_setup(test_established_peer_closes_first_closed, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_2_data_goes_on_until_fin, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_1_fin_without_ack_of_fin_closing, shield_reset),
		cmocka_unit_test_setup(test_established_rst_from_peer_closed, shield_reset),
		cmocka_unit_test_setup(test_established_rst_from_owner_closed, shield_reset),
		cmocka_unit_test_setup(test_established_retransmissions_change_no_number, shield_reset),
		cmocka_unit_test_setup(test_close_wait_fin_again_changes_nothing, shield_reset),
		cmocka_unit_test_setup(test_established_fin_before_missing_data_waits_for_it, shield_reset),
		cmocka_unit_test_setup(test_established_keepalive_probe_moves_deadline_only, shield_reset),
		cmocka_unit_test_setup(test_established_segments_that_do_not_fit_are_passed_and_step_nothing,
				       shield_reset),
		cmocka_unit_test_setup(test_established_gso_super_packet_counts_its_segments, shield_reset),
		cmocka_unit_test_setup(test_time_wait_fin_again_restarts_deadline, shield_reset),
		cmocka_unit_test_setup(test_time_wait_deadline_passed_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_established_deadline_passed_counts_as_absent, shield_reset),
	};

	return shield_run_tests("lives", tests, ARRAY_LEN(tests));
}
