// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Cookies of the kernel's own: answered with in XDP where a listener takes none of ours (HANDOVER_HELPER), and taken
 * back whoever sent them.
 *
 * Not here: the connections that the kernel makes of them (tests/net/test_kernel_cookie.py).
 */
#include <linux/bpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel_cookie.h"
#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define RST TCP_FLAG_RST

/* Only the kernel's cookies answer, for every SYN. */
static int helper(void **state)
{
	shield_reset(state);
	shield_config.best_handover = HANDOVER_HELPER;
	shield_configure();
	sockets_sysctl("tcp_syncookies", 2);
	return 0;
}

static int usual_sysctls(void **state)
{
	(void)state;
	sockets_sysctl("tcp_syncookies", 1);
	sockets_sysctl("tcp_timestamps", 1);
	return 0;
}

static struct outcome show_ack(const struct talk *t)
{
	struct packet_spec ack = talk_peer_segment(t, ACK, 0);

	return shield_receive_packet(&ack);
}

/* The flow that the cookie's ACK has made, with the terms that the SYN-ACK told the peer. */
static void assert_flow_is_made(struct talk *t)
{
	struct packet_spec ack = talk_peer_segment(t, ACK, 0);
	struct outcome o = shield_receive_packet(&ack);

	assert_verdict(o, V_KERNEL_COOKIE_ACK);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	t->model = talk_flow_from_cookie(t, &ack);
	t->model.mss = 0; /* the kernel keeps it to itself */
	talk_assert_state(t, TCPS_ESTABLISHED);
}

static void test_ack_makes_flow_with_what_the_cookie_keeps(void **state)
{
	for (int bits = 0; bits < 24; bits++) {
		int sysctl = bits >> 3;
		struct talk t;

		helper(state);
		sockets_sysctl("tcp_timestamps", sysctl);
		talk_init(&t, bits & 1 ? FAMILY_IPV6 : FAMILY_IPV4, PORT_ALWAYS);
		t.offer.has_timestamps = bits & 2;
		t.offer.sack_permitted = bits & 4;
		t.ecn = bits & 4;
		talk_get_kernel_cookie(&t);
		assert_int_equal(t.offer.has_timestamps, (bits & 2) && sysctl == 2);
		assert_int_equal(t.offer.wscale, t.offer.has_timestamps ? 7 : TCP_WSCALE_NONE);
		assert_int_equal(t.offer.sack_permitted, (bits & 4) && t.offer.has_timestamps);
		assert_int_equal(t.ecn, t.offer.sack_permitted);
		assert_flow_is_made(&t);
	}
}

static void test_mptcp_listener_answered_and_ack_makes_flow(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		__u8 family = i ? FAMILY_IPV6 : FAMILY_IPV4;
		int listener = sockets_listen_mptcp(family, PORT_MPTCP);
		struct talk t;

		shield_config.best_handover = HANDOVER_KFUNC;
		shield_configure();
		talk_init(&t, family, PORT_MPTCP);
		talk_get_kernel_cookie(&t);
		assert_flow_is_made(&t);
		close(listener);
	}
}

static void test_wrong_ack_is_dropped(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	t.own_nxt += 4; /* the kernel's lowest bits choose one of four MSS: these can not be wrong */
	assert_verdict(show_ack(&t), V_NO_FLOW);
	t.own_nxt -= 4;
	t.peer_nxt += 4;
	assert_verdict(show_ack(&t), V_NO_FLOW);
	t.peer_nxt -= 4;
	t.tuple.remote_port++;
	assert_verdict(show_ack(&t), V_NO_FLOW);
	t.tuple.remote_port--;
	assert_verdict(show_ack(&t), V_KERNEL_COOKIE_ACK);
}

/* A cookie that the kernel sent itself, before the load: whatever the way is now. */
static void test_cookie_of_another_way_is_taken(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	shield_config.best_handover = HANDOVER_KFUNC;
	shield_configure();
	assert_flow_is_made(&t);
}

/* What it keeps stands behind an offset that only the kernel knows: the record errs on the side of the peer. */
static void test_cookie_behind_an_offset_makes_flow_with_the_widest_window(void **state)
{
	struct flow f;
	struct talk t;

	(void)state;
	sockets_sysctl("tcp_timestamps", 2);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	sockets_sysctl("tcp_timestamps", 1);
	assert_verdict(show_ack(&t), V_KERNEL_COOKIE_ACK);
	assert_true(shield_flow(&t.tuple, &f));
	assert_int_equal(f.snd_wscale, TCP_WSCALE_MAX);
	assert_int_equal(f.flags & (FLOW_WSCALE | FLOW_TIMESTAMPS), FLOW_WSCALE | FLOW_TIMESTAMPS);
}

static void test_cookie_shown_again_after_rst_is_a_replay(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	talk_peer_sends(&t, ACK, 100);
	talk_owner_sends(&t, ACK, 100);
	talk_peer_sends(&t, RST, 0);
	talk_assert_ended(&t, TCPS_CLOSED);
	assert_verdict(show_ack(&t),
		       V_COOKIE_REPLAY); /* as far apart as the handshake's, these numbers are right, too */
	t.peer_nxt -= 100;
	t.own_nxt -= 100;
	assert_verdict(show_ack(&t), V_COOKIE_REPLAY);
}

/* Of a connection whose socket is gone; the tuple's new one was answered with a cookie. */
static void test_stale_flow_is_replaced(void **state)
{
	struct talk t, next;
	struct outcome o;
	struct flow f;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	next = t;
	next.peer_nxt += 0x1000000;
	talk_get_kernel_cookie(&next);
	o = show_ack(&next);
	assert_verdict(o, V_KERNEL_COOKIE_ACK);
	assert_noted(o, V_FLOW_REPLACED);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	assert_true(shield_flow(&t.tuple, &f));
	assert_int_equal(f.iss, next.iss);
}

/* Our 2MSL is longer than the kernel's TIME-WAIT: a cookie may answer on such a tuple. */
static void test_time_wait_record_gives_way(void **state)
{
	struct talk t, next;
	struct ended e;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	talk_owner_sends(&t, ACK | TCP_FLAG_FIN, 0);
	talk_peer_sends(&t, ACK | TCP_FLAG_FIN, 0);
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	next = t;
	next.peer_nxt += 0x1000000;
	talk_get_kernel_cookie(&next);
	assert_verdict(show_ack(&t), V_COOKIE_REPLAY); /* its numbers are as far apart as at the beginning */
	t.peer_nxt++;
	t.own_nxt += 1000;
	assert_verdict(show_ack(&t), V_TIME_WAIT_SEGMENT);
	assert_verdict(show_ack(&next), V_KERNEL_COOKIE_ACK);
	assert_false(shield_ended(&t.tuple, &e));
}

/* The kernel scales the windows of such a connection by its own reckoning. */
static void test_small_buffer_is_offered_as_the_kernel_scales_it(void **state)
{
	int listener = sockets_listen(FAMILY_IPV4, PORT_UNHEARD), buffer = 8192;
	struct packet_view view;
	struct packet_spec syn;
	struct outcome o;
	struct talk t;

	(void)state;
	sockets_sysctl("tcp_timestamps", 2);
	talk_init(&t, FAMILY_IPV4, PORT_UNHEARD);
	syn = talk_syn(&t);
	o = shield_receive_packet(&syn);
	assert_null(packet_build_read(&view, &o.frame));
	assert_int_equal(view.options.wscale, SHIELD_RCV_WSCALE);
	assert_int_equal(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
	o = shield_receive_packet(&syn);
	assert_null(packet_build_read(&view, &o.frame));
	assert_int_equal(view.options.wscale, 0);
	assert_true(view.window <= 2 * buffer);
	close(listener);
}

/* The queue of a listener with the least backlog overflows with the second or third SYN, by the kernel's version. */
static void test_syncookies_1_answers_while_the_queue_overflows(void **state)
{
	int listener = sockets_listen(FAMILY_IPV4, PORT_UNHEARD);
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	(void)state;
	sockets_sysctl("tcp_syncookies", 1);
	assert_int_equal(listen(listener, 1), 0);
	talk_init(&t, FAMILY_IPV4, PORT_UNHEARD);
	syn = talk_syn(&t);
	assert_verdict(shield_receive_packet(&syn), V_SYN_NO_COOKIE);
	for (int i = 0; i < 3; i++) {
		packet_build(&f, &syn);
		sockets_inject(&f); /* the kernel answers, and waits */
		t.tuple.remote_port++;
		syn = talk_syn(&t);
	}
	for (int ms = 0; ms < 1000 && shield_receive_packet(&syn).verdict != V_SYN_KERNEL_COOKIE; ms++)
		usleep(1000);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	close(listener);
}

/* --- the handover, which the kernel makes by itself, by test run --- */

static int helper_without_metadata(void **state)
{
	helper(state);
	shield_set_metadata_missing(true);
	return 0;
}

/* The record of a connection that the listener has in its queue. */
static struct flow handed_over(void)
{
	struct packet_spec ack;
	struct frame f;
	struct flow record;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	packet_build(&f, &ack);
	assert_verdict(shield_hand_over(&f), V_HANDOVER);
	assert_true(shield_flow(&t.tuple, &record));
	assert_true(record.flags & FLOW_QUEUED);
	return record;
}

static void test_ack_handed_over_lives_longer(void **state)
{
	struct flow record = handed_over();

	(void)state;
	assert_false(record.flags & FLOW_KEEPALIVE);
	assert_int_equal(record.deadline_ns, shield_now_ns() + TCP_UNUSED_TIMEOUT_NS);
}

/* Where keepalive finds out if its peer is gone, it lives like any other. */
static void test_flow_of_service_with_keepalive_is_kept_for_that(void **state)
{
	static const struct keepalive keepalive = { .idle_ms = 7200000, .interval_ms = 75000, .probes = 10 };
	struct flow record;

	(void)state;
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &keepalive);
	record = handed_over();
	assert_true(record.flags & FLOW_KEEPALIVE);
	assert_int_equal(record.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_ESTABLISHED, 0));
}

/* Two that follow close behind each other show nothing; one that has been behind the batch shows a loss. */
static void test_queued_connection_not_there_is_lost(void **state)
{
	struct packet_spec ack, data;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	assert_flow_is_made(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	data = talk_peer_segment(&t, ACK, 10);
	packet_build(&f, &ack);
	assert_verdict(shield_hand_over(&f), V_HANDOVER);
	o = shield_hand_over(&f);
	assert_verdict(o, V_HANDOVER);
	assert_false(o.noted[V_HANDOVER_LOST]);
	packet_build(&f, &data);
	o = shield_hand_over(&f);
	assert_noted(o, V_HANDOVER_AGAIN);
	assert_false(o.noted[V_HANDOVER_LOST]);
	o = shield_hand_over_again(&f);
	assert_verdict(o, V_HANDOVER);
	assert_noted(o, V_HANDOVER_LOST);
}

#define test_of(function, set_up) cmocka_unit_test_setup_teardown(function, set_up, usual_sysctls)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_of(test_ack_makes_flow_with_what_the_cookie_keeps, helper),
		test_of(test_mptcp_listener_answered_and_ack_makes_flow, helper),
		test_of(test_wrong_ack_is_dropped, helper),
		test_of(test_cookie_of_another_way_is_taken, helper),
		test_of(test_cookie_behind_an_offset_makes_flow_with_the_widest_window, helper),
		test_of(test_cookie_shown_again_after_rst_is_a_replay, helper),
		test_of(test_stale_flow_is_replaced, helper),
		test_of(test_time_wait_record_gives_way, helper),
		test_of(test_small_buffer_is_offered_as_the_kernel_scales_it, helper),
		test_of(test_syncookies_1_answers_while_the_queue_overflows, helper),
		test_of(test_ack_handed_over_lives_longer, helper_without_metadata),
		test_of(test_flow_of_service_with_keepalive_is_kept_for_that, helper_without_metadata),
		test_of(test_queued_connection_not_there_is_lost, helper_without_metadata),
	};

	return shield_run_tests("kernel_cookie", tests, ARRAY_LEN(tests));
}
