// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* FIN-WAIT-1: we have closed, and our FIN is not acknowledged (RFC 9293, 3.10.7.4). */
#include "tcp_ladder.h"

static void test_fin_wait_1_ack_of_fin_goes_to_fin_wait_2(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	peer_sends(ACK, .seq = 1, .ack = 2);
	expect_nothing();
	assert_state(TCPS_FIN_WAIT_2);
}

static void test_fin_wait_1_fin_goes_to_closing(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_CLOSING);
	app_reads_end();
}

static void test_fin_wait_1_fin_with_ack_of_fin_goes_to_time_wait(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
}

static void test_fin_wait_1_text_is_taken(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "more");
	expect(ACK, .seq = 2, .ack = 5);
	app_reads("more");
	assert_state(TCPS_FIN_WAIT_1);
}

/* The FIN that comes before the text is taken when the text has come. */
static void test_fin_wait_1_fin_ahead_of_text_waits(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	peer_sends(FIN | ACK, .seq = 3, .ack = 2, .text = "cd");
	expect(ACK, .seq = 2, .ack = 1);
	assert_state(TCPS_FIN_WAIT_2);
	peer_sends(ACK, .seq = 1, .ack = 2, .text = "ab");
	expect(ACK, .seq = 2, .ack = 6);
	assert_state(TCPS_TIME_WAIT);
	app_reads("abcd");
	app_reads_end();
}

static void test_fin_wait_1_fin_is_sent_again(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	after_ms(1100);
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_FIN_WAIT_2);
}

static void test_fin_wait_1_text_before_the_fin_is_sent_again(void **state)
{
	(void)state;
	tcb_established();
	app_sends("last");
	expect(ACK, .seq = 1, .ack = 1, .text = "last");
	app_shuts_down();
	expect(FIN | ACK, .seq = 5, .ack = 1);
	after_ms(1100);
	assert_int_equal(expect_anything() > 0, 1);
	peer_sends(ACK, .seq = 1, .ack = 5);
	assert_state(TCPS_FIN_WAIT_1);
	peer_sends(ACK, .seq = 1, .ack = 6);
	assert_state(TCPS_FIN_WAIT_2);
}

static void test_fin_wait_1_send_is_refused(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	assert_int_equal(tcp_send(l.tcb, "x", 1, 0), -EPIPE);
}

static void test_fin_wait_1_shutdown_again_changes_nothing(void **state)
{
	(void)state;
	tcb_in_fin_wait_1();
	app_shuts_down();
	expect_nothing();
	assert_state(TCPS_FIN_WAIT_1);
}

/* MUST-20: it is over where nothing answers. */
static void test_fin_wait_1_time_out_ends_it(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 20000;
	tcb_in_fin_wait_1();
	after_ms(60000);
	expect_anything();
	assert_closed(-ETIMEDOUT);
	assert_state(TCPS_LISTEN);
}

/* SHLD-3: closed for good, text has nobody to read it. */
static void test_fin_wait_1_text_behind_close_is_reset(void **state)
{
	(void)state;
	tcb_established();
	app_closes();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	assert_int_equal(expect_anything(), 1);
	assert_state(TCPS_LISTEN);
	assert_int_equal(l.app.closed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_fin_wait_1_ack_of_fin_goes_to_fin_wait_2),
		ladder_test(test_fin_wait_1_fin_goes_to_closing),
		ladder_test(test_fin_wait_1_fin_with_ack_of_fin_goes_to_time_wait),
		ladder_test(test_fin_wait_1_text_is_taken),
		ladder_test(test_fin_wait_1_fin_ahead_of_text_waits),
		ladder_test(test_fin_wait_1_fin_is_sent_again),
		ladder_test(test_fin_wait_1_text_before_the_fin_is_sent_again),
		ladder_test(test_fin_wait_1_send_is_refused),
		ladder_test(test_fin_wait_1_shutdown_again_changes_nothing),
		ladder_test(test_fin_wait_1_time_out_ends_it),
		ladder_test(test_fin_wait_1_text_behind_close_is_reset),
	};

	return cmocka_run_group_tests_name("tcp_fin_wait_1", tests, NULL, NULL);
}
