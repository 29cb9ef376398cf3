// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A cookie's ACK that is shown again, while its connection lives and after it has ended, and the next connection on the
 * same tuple.
 */
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define RST TCP_FLAG_RST

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static void reset_then_replay(__u8 family, bool by_owner)
{
	enum verdict verdict = by_owner ? V_ENDED_SEGMENT : V_COOKIE_REPLAY; /* a peer may not have heard our RST */
	struct packet_spec ack;
	struct talk t;

	shield_reset(NULL);
	talk_init(&t, family, PORT_ALWAYS);
	talk_open(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	talk_owner_sends(&t, ACK, 0);
	if (by_owner)
		talk_owner_sends(&t, RST | ACK, 0);
	else
		talk_peer_sends(&t, RST, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
	assert_verdict(shield_receive_packet(&ack), verdict);
	shield_advance(44 * NSEC_PER_SEC + COOKIE_EPOCH_NS - NSEC_PER_SEC); /* the last second of the next epoch */
	assert_verdict(shield_receive_packet(&ack), verdict);
	shield_advance(2 * NSEC_PER_SEC); /* the cookie is stale, the tombstone stands */
	assert_verdict(shield_receive_packet(&ack), verdict);
	shield_advance(by_owner ? 1000 * NSEC_PER_SEC : COOKIE_EPOCH_NS); /* both are gone */
	assert_verdict(shield_receive_packet(&ack), V_NO_FLOW);
}

static void test_closed_by_rst_cookie_again_is_replay_until_stale(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		reset_then_replay(families[i % 2], i / 2);
}

/* At no moment after a connection has ended may its own cookie make another one. */
static void assert_never_made_again(struct talk *t, const struct packet_spec *ack)
{
	struct flow f;

	for (int second = 0; second < 200; second++) {
		struct outcome o;

		shield_advance(NSEC_PER_SEC);
		o = shield_receive_packet(ack);
		if (o.verdict == V_COOKIE_ACK)
			print_message("made again %d s after its end\n", second + 1);
		assert_int_not_equal(o.verdict, V_COOKIE_ACK);
		assert_false(shield_flow(&t->tuple, &f));
	}
}

/* Opened in the first second of an epoch, so that the cookie lives longest. */
static void open_at_start_of_epoch(struct talk *t, __u8 family, struct packet_spec *ack)
{
	shield_reset(NULL);
	shield_set_cookie_time(SHIELD_EPOCH * COOKIE_EPOCH_NS);
	talk_init(t, family, PORT_ALWAYS);
	talk_open(t);
	*ack = talk_peer_segment(t, ACK, 0);
	talk_owner_sends(t, ACK, 0);
}

static void test_closed_by_rst_cookie_again_never_makes_flow(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	for (int i = 0; i < 4; i++) {
		open_at_start_of_epoch(&t, families[i % 2], &ack);
		if (i / 2)
			talk_owner_sends(&t, RST | ACK, 0);
		else
			talk_peer_sends(&t, RST, 0);
		talk_assert_ended(&t, TCPS_CLOSED);
		assert_never_made_again(&t, &ack);
	}
}

static void test_time_wait_cookie_again_never_makes_flow(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	open_at_start_of_epoch(&t, FAMILY_IPV6, &ack);
	talk_owner_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	assert_never_made_again(&t, &ack);
}

static void test_time_wait_fin_again_cookie_again_never_makes_flow(void **state)
{
	struct packet_spec ack, fin;
	struct talk t;

	(void)state;
	open_at_start_of_epoch(&t, FAMILY_IPV4, &ack);
	talk_owner_sends(&t, TCP_FLAG_FIN | ACK, 0);
	fin = talk_peer_segment(&t, TCP_FLAG_FIN | ACK, 0);
	talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	assert_verdict(shield_receive_packet(&fin), V_TIME_WAIT_SEGMENT); /* restarts the 2MSL, and not less */
	assert_never_made_again(&t, &ack);
}

/* The same for a cookie that was made a moment before the boundary by a machine that is ahead. */
static void test_closed_by_rst_cookie_of_next_epoch_never_makes_flow(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	shield_set_cookie_time(SHIELD_EPOCH * COOKIE_EPOCH_NS);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	shield_set_cookie_time(SHIELD_EPOCH * COOKIE_EPOCH_NS - 4 * NSEC_PER_SEC);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
	t.model = talk_flow_from_cookie(&t, &ack);
	talk_peer_sends(&t, RST, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
	assert_never_made_again(&t, &ack);
}

static struct talk another_connection(const struct talk *t)
{
	struct talk next = { .tuple = t->tuple, .offer = t->offer, .peer_nxt = TALK_PEER_ISN + 0x1000000 };

	talk_get_cookie(&next);
	return next;
}

static void assert_cookie_makes_flow(struct talk *next, bool replaces)
{
	struct packet_spec ack = talk_peer_segment(next, ACK, 0);
	struct outcome o = shield_receive_packet(&ack);
	struct ended e;
	struct flow f;

	assert_verdict(o, V_COOKIE_ACK);
	assert_int_equal(o.noted[V_FLOW_REPLACED], replaces);
	assert_true(shield_flow(&next->tuple, &f));
	assert_int_equal(f.irs, next->peer_nxt - 1);
	assert_int_equal(f.iss, next->iss);
	assert_state(f.state, TCPS_ESTABLISHED);
	assert_false(shield_ended(&next->tuple, &e));
}

static void test_established_new_handshake_replaces_stale_flow(void **state)
{
	struct talk t, next;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	next = another_connection(&t); /* no socket has the tuple: the flow is stale */
	assert_cookie_makes_flow(&next, true);
}

static void test_closed_new_handshake_makes_new_flow(void **state)
{
	struct talk t, next;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, RST, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
	next = another_connection(&t);
	assert_cookie_makes_flow(&next, false);
}

static void test_time_wait_new_handshake_makes_new_flow(void **state)
{
	struct talk t, next;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_establish(&t);
	talk_owner_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	next = another_connection(&t);
	assert_cookie_makes_flow(&next, false);
}

/* Shown again while the connection lives, the ACK is a segment like any other. */
static void test_established_cookie_ack_again_is_segment(void **state)
{
	struct packet_spec ack;
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	o = talk_passes(&t, &ack);
	assert_verdict(o, V_SEGMENT);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY); /* the first may have been lost before the socket was made */
	talk_owner_sends(&t, ACK, 0);
	o = talk_passes(&t, &ack);
	assert_verdict(o, V_SEGMENT);
	assert_int_equal(o.hint, SHIELD_HINT_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_closed_by_rst_cookie_again_is_replay_until_stale, shield_reset),
		cmocka_unit_test_setup(test_closed_by_rst_cookie_again_never_makes_flow, shield_reset),
		cmocka_unit_test_setup(test_time_wait_cookie_again_never_makes_flow, shield_reset),
		cmocka_unit_test_setup(test_time_wait_fin_again_cookie_again_never_makes_flow, shield_reset),
		cmocka_unit_test_setup(test_closed_by_rst_cookie_of_next_epoch_never_makes_flow, shield_reset),
		cmocka_unit_test_setup(test_established_new_handshake_replaces_stale_flow, shield_reset),
		cmocka_unit_test_setup(test_closed_new_handshake_makes_new_flow, shield_reset),
		cmocka_unit_test_setup(test_time_wait_new_handshake_makes_new_flow, shield_reset),
		cmocka_unit_test_setup(test_established_cookie_ack_again_is_segment, shield_reset),
	};

	return shield_run_tests("cookie_replay", tests, ARRAY_LEN(tests));
}
