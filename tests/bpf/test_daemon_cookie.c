// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Cookies for services of the daemon's: the record that a right one makes, the terms that the daemon is told, and what
 * an ended connection's is.
 */
#include <linux/bpf.h>
#include <string.h>

#include "steered.h"

#define ACK TCP_FLAG_ACK

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* --- cookies --- */

static void test_cookie_ack_makes_the_record_and_tells_the_terms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;
		struct flow f;

		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		t.offer.wscale = 5;
		t.offer.mss = 1400;
		talk_get_cookie(&t);
		o = steered_segment(&t, ACK, 0);
		steered_assert(&o, DAEMON_COOKIE_ACK);
		assert_int_equal(o.daemon.flags, FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
		assert_int_equal(o.daemon.snd_wscale, 5);
		assert_int_equal(o.daemon.rcv_wscale, SHIELD_DAEMON_RCV_WSCALE);
		assert_int_equal(o.daemon.mss, i ? 1380 : 1400);
		assert_true(shield_flow(&t.tuple, &f));
		assert_state(f.state, TCPS_ESTABLISHED);
		assert_int_equal(f.owner, FLOW_OWNER_DAEMON);
		assert_int_equal(f.flags, FLOW_COOKIE | FLOW_HANDOVER | FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
		assert_int_equal(f.irs, TALK_PEER_ISN);
		assert_int_equal(f.rcv_nxt, TALK_PEER_ISN + 1);
		assert_int_equal(f.iss, t.iss);
		assert_int_equal(f.snd_nxt, t.iss + 1);
		assert_int_equal(f.snd_una, t.iss + 1);
		assert_int_equal(f.snd_wnd, TALK_WINDOW);
		assert_int_equal(f.lock, FLOW_LOCK_FREE);
		assert_int_equal(f.snd_wscale, 5);
		assert_int_equal(f.rcv_wscale, SHIELD_DAEMON_RCV_WSCALE);
		assert_int_equal(f.mss, o.daemon.mss);
		assert_true(f.deadline_ns > shield_now_ns());
	}
}

static void test_cookie_ack_without_options_tells_so(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		t.offer = (struct tcp_options){ .mss = cookie_min_mss(families[i]), .wscale = TCP_WSCALE_NONE };
		t.ecn = true;
		talk_get_cookie(&t);
		o = steered_segment(&t, ACK, 0);
		steered_assert(&o, DAEMON_COOKIE_ACK);
		assert_int_equal(o.daemon.flags, FLOW_ECN);
		assert_int_equal(o.daemon.snd_wscale, 0);
		assert_int_equal(o.daemon.rcv_wscale, 0);
		assert_int_equal(o.daemon.mss, cookie_min_mss(families[i]));
	}
}

/* A cookie can not be judged without them, and not every stack begins its options with two NOPs. */
static void test_cookie_ack_with_timestamps_elsewhere_is_right(void **state)
{
	struct packet_spec ack;
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	memmove(ack.options, ack.options + 2, 10);
	ack.options[10] = ack.options[11] = TCP_OPTION_NOP;
	o = shield_receive_packet(&ack);
	steered_assert(&o, DAEMON_COOKIE_ACK);
}

static void assert_given_as(const struct outcome *o, enum daemon_frame kind)
{
	assert_verdict(*o, V_DAEMON_SEGMENT);
	assert_int_equal(o->daemon.kind, kind);
}

/* The frame with the ACK may have been lost in a full ring: what comes next tells all of it again. */
static void test_cookie_ack_lost_is_made_up_for_by_the_next_segment(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome first, o;
		struct flow before, after;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		first = steered_segment(&t, ACK, 0);
		assert_int_equal(first.daemon.irs, TALK_PEER_ISN);
		assert_true(shield_flow(&t.tuple, &before));
		t.peer_nxt += 10; /* lost, too */
		o = steered_segment(&t, ACK, 10);
		assert_given_as(&o, DAEMON_COOKIE_ACK);
		assert_memory_equal(&o.daemon, &first.daemon, sizeof(o.daemon));
		assert_true(shield_flow(&t.tuple, &after));
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static void test_segment_of_a_connection_that_was_reported_is_a_segment(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct talk t;
		struct flow f;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		steered_segment(&t, ACK, 0);
		assert_true(shield_flow(&t.tuple, &f));
		f.flags &= ~FLOW_HANDOVER;
		shield_put_flow(&t.tuple, &f);
		o = steered_segment(&t, ACK, 10);
		assert_given_as(&o, DAEMON_SEGMENT);
	}
}

/* A daemon that was killed before it reported it has answered: its TCB is lost. */
static void test_segment_that_acknowledges_text_is_a_segment(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	steered_segment(&t, ACK, 0);
	t.own_nxt++;
	o = steered_segment(&t, ACK, 10);
	assert_given_as(&o, DAEMON_SEGMENT);
}

static void test_cookie_ack_wrong_dropped(void **state)
{
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		t.own_nxt ^= 1 << 20;
		assert_verdict(steered_segment(&t, ACK, 0),
			       V_NO_FLOW); /* though just loaded: nobody else's connections */
		assert_false(shield_flow(&t.tuple, &t.model));
	}
}

static void test_cookie_ack_no_room_dropped(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	shield_fill_flows();
	o = steered_segment(&t, ACK, 0);
	assert_verdict(o, V_DAEMON_NO_ROOM);
	assert_false(o.noted[V_FLOWS_FULL]); /* which says that the connection works */
}

/* The peer was told another window scale: from the last daemon, or when the service was the kernel's. */
static void test_cookie_by_another_window_scale_refused(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_DAEMON_ALWAYS);
	talk_get_cookie(&t);
	shield_config.daemon_terms.rcv_wscale--;
	shield_configure();
	assert_verdict(steered_segment(&t, ACK, 0), V_NO_FLOW);
}

/* --- of a connection that has ended --- */

static void test_ended_handshake_shown_again_is_a_replay(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct ended e;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		e = steered_ended(&t, TCPS_CLOSED, FLOW_COOKIE);
		shield_put_ended(&t.tuple, &e);
		assert_verdict(steered_segment(&t, ACK, 0), V_COOKIE_REPLAY);
		assert_false(shield_flow(&t.tuple, &t.model));
	}
}

/* Its peer has not heard the RST, and is told again. */
static void test_ended_by_our_rst_segment_given(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct outcome o;
		struct ended e;
		struct talk t;

		shield_reset(state);
		talk_init(&t, families[i], PORT_DAEMON_ALWAYS);
		talk_get_cookie(&t);
		e = steered_ended(&t, TCPS_CLOSED, FLOW_COOKIE | FLOW_SND_RST);
		shield_put_ended(&t.tuple, &e);
		o = steered_segment(&t, ACK, 0);
		steered_assert_unverified(&o);
		t.peer_nxt += 10;
		o = steered_segment(&t, ACK, 0);
		steered_assert_unverified(&o);
		assert_false(shield_flow(&t.tuple, &t.model));
	}
}

static void test_ended_new_cookie_opens_anew(void **state)
{
	struct half_open h = steered_half_open(TCPS_SYN_RECEIVED);
	struct outcome o;
	struct ended e;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS);
	e = steered_ended(&t, TCPS_CLOSED, FLOW_COOKIE | FLOW_SND_RST);
	e.irs -= 1000;
	h.owner = FLOW_OWNER_KERNEL; /* from before the service was the daemon's */
	shield_put_ended(&t.tuple, &e);
	shield_put_half_open(&t.tuple, &h);
	shield_fill_presence(); /* it is looked up, and no reason to bother the daemon */
	talk_get_cookie(&t);
	o = steered_segment(&t, ACK, 0);
	steered_assert(&o, DAEMON_COOKIE_ACK);
	assert_false(shield_ended(&t.tuple, &e));
	assert_false(shield_half_open(&t.tuple, &h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cookie_ack_makes_the_record_and_tells_the_terms, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_without_options_tells_so, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_with_timestamps_elsewhere_is_right, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_lost_is_made_up_for_by_the_next_segment, shield_reset),
		cmocka_unit_test_setup(test_segment_of_a_connection_that_was_reported_is_a_segment, shield_reset),
		cmocka_unit_test_setup(test_segment_that_acknowledges_text_is_a_segment, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_wrong_dropped, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_no_room_dropped, shield_reset),
		cmocka_unit_test_setup(test_cookie_by_another_window_scale_refused, shield_reset),
		cmocka_unit_test_setup(test_ended_handshake_shown_again_is_a_replay, shield_reset),
		cmocka_unit_test_setup(test_ended_by_our_rst_segment_given, shield_reset),
		cmocka_unit_test_setup(test_ended_new_cookie_opens_anew, shield_reset),
	};

	return shield_run_tests("daemon_cookie", tests, ARRAY_LEN(tests));
}
