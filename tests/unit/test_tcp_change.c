// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the TCP tells of its connections to who watches them: each state, and how they end. */
#include "tcp_ladder.h"

static struct {
	struct flow_event events[16];
	int count, seen;
} told;

static void take_event(void *context, const struct flow_event *event)
{
	(void)context;
	assert_true(told.count < (int)ARRAY_LEN(told.events));
	told.events[told.count++] = *event;
}

static void watch(void)
{
	memset(&told, 0, sizeof(told));
	l.config.rim.changed = take_event;
}

/* The next event. */
static const struct flow_event *assert_told(enum tcp_state before, enum tcp_state state, enum flow_end end)
{
	const struct flow_event *event = &told.events[told.seen];

	assert_true(told.seen < told.count);
	told.seen++;
	assert_memory_equal(&event->tuple, &l.tuple, sizeof(l.tuple));
	assert_string_equal(tcp_state_name(event->before), tcp_state_name(before));
	assert_string_equal(tcp_state_name(event->state), tcp_state_name(state));
	assert_string_equal(flow_end_name(event->end), flow_end_name(end));
	assert_int_equal(event->owner, FLOW_OWNER_DAEMON);
	return event;
}

static void assert_told_all(void)
{
	assert_int_equal(told.seen, told.count);
}

/* A connection that the peer opened, and closed first, up to LAST-ACK. */
static void assert_told_to_last_ack(void)
{
	assert_told(TCPS_CLOSED, TCPS_SYN_RECEIVED, FLOW_END_NONE);
	assert_told(TCPS_SYN_RECEIVED, TCPS_ESTABLISHED, FLOW_END_NONE);
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSE_WAIT, FLOW_END_NONE);
	assert_told(TCPS_CLOSE_WAIT, TCPS_LAST_ACK, FLOW_END_NONE);
}

static void test_peer_closes_first_each_state_told(void **state)
{
	const struct flow_event *end;

	(void)state;
	watch();
	tcb_in_last_ack();
	assert_told_to_last_ack();
	assert_told_all();
	peer_sends(ACK, .seq = 2, .ack = 2);
	end = assert_told(TCPS_LAST_ACK, TCPS_CLOSED, FLOW_END_CLOSED);
	assert_in_range(end->rcv_packets, 3, 4);
	assert_in_range(end->snd_packets, 2, 4);
	assert_told_all();
}

static void test_active_close_time_wait_is_the_end(void **state)
{
	(void)state;
	watch();
	tcb_in_fin_wait_2();
	told.seen = told.count;
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	assert_told(TCPS_FIN_WAIT_2, TCPS_TIME_WAIT, FLOW_END_CLOSED);
	after_ms(3 * LADDER_MSL_MS);
	assert_told_all();
}

static void test_syn_sent_told_as_outgoing(void **state)
{
	(void)state;
	watch();
	tcb_in_syn_sent();
	assert_true(assert_told(TCPS_CLOSED, TCPS_SYN_SENT, FLOW_END_NONE)->flags & FLOW_OUTGOING);
	assert_told_all();
}

/* XDP has told that the connection is there, ESTABLISHED. */
static void test_cookie_accepted_told_from_then_on(void **state)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_COOKIE_ACK, .irs = l.irs, .mss = 1460 };

	(void)state;
	watch();
	tcb_in_listen();
	l.iss = 5000;
	l.iss_known = true;
	ladder_peer_sends_as(&hint, (struct wire_segment){ .flags = ACK, .seq = 1, .ack = 1 }, true);
	assert_state(TCPS_ESTABLISHED);
	assert_told_all();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSE_WAIT, FLOW_END_NONE);
	assert_told_all();
}

static void test_cookie_without_room_told_as_refused(void **state)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_COOKIE_ACK, .irs = l.irs, .mss = 1460 };

	(void)state;
	watch();
	l.config.connections_max = 0;
	tcb_in_listen();
	l.iss = 5000;
	l.iss_known = true;
	ladder_peer_sends_as(&hint, (struct wire_segment){ .flags = ACK, .seq = 1, .ack = 1 }, true);
	assert_verdict(TCPV_NO_ROOM);
	expect_anything();
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_RESET_BY_OWNER);
	assert_told_all();
}

static void test_established_reset_told_as_the_peers(void **state)
{
	(void)state;
	watch();
	tcb_established();
	told.seen = told.count;
	peer_sends(RST, .seq = 1);
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_RESET_BY_PEER);
	assert_told_all();
}

static void test_established_aborted_told_as_ours(void **state)
{
	(void)state;
	watch();
	tcb_established();
	told.seen = told.count;
	app_aborts();
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_RESET_BY_OWNER);
	assert_told_all();
}

static void test_syn_sent_aborted_told_as_ours(void **state)
{
	(void)state;
	watch();
	tcb_in_syn_sent();
	told.seen = told.count;
	app_aborts();
	assert_told(TCPS_SYN_SENT, TCPS_CLOSED, FLOW_END_RESET_BY_OWNER);
	assert_told_all();
}

static void test_last_ack_unanswered_told_as_expired(void **state)
{
	(void)state;
	watch();
	l.settings.user_timeout_ms = 20000;
	tcb_in_last_ack();
	told.seen = told.count;
	after_ms(60000);
	expect_anything();
	assert_told(TCPS_LAST_ACK, TCPS_CLOSED, FLOW_END_EXPIRED);
	assert_told_all();
}

static void test_established_keepalive_unanswered_told_as_dead(void **state)
{
	(void)state;
	watch();
	l.settings.keepalive = true;
	l.settings.keepalive_idle_ms = 10000;
	l.settings.keepalive_interval_ms = 1000;
	l.settings.keepalive_probes = 2;
	tcb_established();
	told.seen = told.count;
	after_ms(20000);
	expect_anything();
	assert_told(TCPS_ESTABLISHED, TCPS_CLOSED, FLOW_END_DEAD);
	assert_told_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_peer_closes_first_each_state_told),
		ladder_test(test_active_close_time_wait_is_the_end),
		ladder_test(test_syn_sent_told_as_outgoing),
		ladder_test(test_cookie_accepted_told_from_then_on),
		ladder_test(test_cookie_without_room_told_as_refused),
		ladder_test(test_established_reset_told_as_the_peers),
		ladder_test(test_established_aborted_told_as_ours),
		ladder_test(test_syn_sent_aborted_told_as_ours),
		ladder_test(test_last_ack_unanswered_told_as_expired),
		ladder_test(test_established_keepalive_unanswered_told_as_dead),
	};

	return cmocka_run_group_tests_name("tcp_change", tests, NULL, NULL);
}
