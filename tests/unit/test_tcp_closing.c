// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CLOSING: both have closed at the same time (RFC 9293, 3.6, figure 13). */
#include "tcp_ladder.h"

static void test_closing_ack_of_fin_goes_to_time_wait(void **state)
{
	(void)state;
	tcb_in_closing();
	peer_sends(ACK, .seq = 2, .ack = 2);
	expect_nothing();
	assert_state(TCPS_TIME_WAIT);
	app_reads_end();
	assert_closed(0);
}

static void test_closing_fin_again_is_acknowledged(void **state)
{
	(void)state;
	tcb_in_closing();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_CLOSING);
}

static void test_closing_fin_is_sent_again(void **state)
{
	(void)state;
	tcb_in_closing();
	after_ms(1100);
	expect(FIN | ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_CLOSING);
}

static void test_closing_text_behind_the_fin_is_not_taken(void **state)
{
	(void)state;
	tcb_in_closing();
	peer_sends(ACK, .seq = 2, .ack = 1, .text = "ghost");
	expect_anything();
	app_reads_end();
	assert_state(TCPS_CLOSING);
}

static void test_closing_time_out_ends_it(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 20000;
	tcb_in_closing();
	after_ms(60000);
	expect_anything();
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	assert_closed(-ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_closing_ack_of_fin_goes_to_time_wait),
		ladder_test(test_closing_fin_again_is_acknowledged),
		ladder_test(test_closing_fin_is_sent_again),
		ladder_test(test_closing_text_behind_the_fin_is_not_taken),
		ladder_test(test_closing_time_out_ends_it),
	};

	return cmocka_run_group_tests_name("tcp_closing", tests, NULL, NULL);
}
