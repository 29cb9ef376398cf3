// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* When little text goes: Nagle's rule and what lifts it (RFC 9293, 3.7.4 and 3.9.1.2). */
#include "tcp_ladder.h"

/* SHLD-7 */
static void test_nagle_second_small_segment_waits_for_the_acknowledgement(void **state)
{
	(void)state;
	l.settings.nagle = true;
	tcb_established();
	app_sends("a");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	app_sends("b");
	app_sends("c");
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 2);
	expect(ACK | PSH, .seq = 2, .ack = 1, .text = "bc");
}

static void test_nagle_full_segment_does_not_wait(void **state)
{
	(void)state;
	l.settings.nagle = true;
	l.offer.mss = 1000;
	tcb_established();
	app_sends("a");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	app_sends_bytes(1500);
	expect(ACK, .seq = 2, .ack = 1, .length = 1000);
	expect_nothing();
}

/* MUST-17 */
static void test_nagle_off_lets_everything_go(void **state)
{
	(void)state;
	l.settings.nagle = false;
	tcb_established();
	app_sends("a");
	app_sends("b");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	expect(ACK, .seq = 2, .ack = 1, .text = "b");
}

static void test_nagle_can_be_switched_off_on_the_way(void **state)
{
	struct tcp_settings settings;

	(void)state;
	l.settings.nagle = true;
	tcb_established();
	app_sends("a");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	app_sends("b");
	expect_nothing();
	settings = *tcp_settings(l.tcb);
	settings.nagle = false;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	app_sends("c");
	expect(ACK, .seq = 2, .ack = 1, .text = "bc");
}

/* MAY-15 */
static void test_nagle_push_does_not_wait(void **state)
{
	(void)state;
	l.settings.nagle = true;
	tcb_established();
	app_sends("a");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	app_sends_flagged("b", 1, TCP_SEND_PUSH);
	expect(ACK | PSH, .seq = 2, .ack = 1, .text = "b");
}

/* The FIN takes along what waits. */
static void test_nagle_shutdown_does_not_wait(void **state)
{
	(void)state;
	l.settings.nagle = true;
	tcb_established();
	app_sends("a");
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	app_sends("b");
	app_shuts_down();
	expect(FIN | ACK, .seq = 2, .ack = 1, .text = "b");
}

/* MAY-16, and MUST-60: more was promised, but not for ever. */
static void test_nagle_more_to_come_waits_but_not_for_ever(void **state)
{
	(void)state;
	l.settings.nagle = false;
	tcb_established();
	app_sends_flagged("a", 1, TCP_SEND_MORE);
	expect_nothing();
	app_sends("b");
	expect(ACK, .seq = 1, .ack = 1, .text = "ab");
	peer_sends(ACK, .seq = 1, .ack = 3);
	app_sends_flagged("c", 1, TCP_SEND_MORE);
	after_ms(1000);
	expect(ACK, .seq = 3, .ack = 1, .text = "c");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_nagle_second_small_segment_waits_for_the_acknowledgement),
		ladder_test(test_nagle_full_segment_does_not_wait),
		ladder_test(test_nagle_off_lets_everything_go),
		ladder_test(test_nagle_can_be_switched_off_on_the_way),
		ladder_test(test_nagle_push_does_not_wait),
		ladder_test(test_nagle_shutdown_does_not_wait),
		ladder_test(test_nagle_more_to_come_waits_but_not_for_ever),
	};

	return cmocka_run_group_tests_name("tcp_nagle", tests, NULL, NULL);
}
