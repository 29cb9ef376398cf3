// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* LAST-ACK: both have closed, the peer first (RFC 9293, 3.10.7.4). */
#include "tcp_ladder.h"

/* The passive closer has nothing left to remember. */
static void test_last_ack_ack_of_fin_ends_it(void **state)
{
	(void)state;
	tcb_in_last_ack();
	app_reads_end();
	peer_sends(ACK, .seq = 2, .ack = 2);
	expect_nothing();
	assert_state(TCPS_LISTEN);
	assert_int_equal(tcp_counters(l.tcp)->connections_time_wait, 0);
	assert_closed(0);
}

static void test_last_ack_fin_again_is_acknowledged(void **state)
{
	(void)state;
	tcb_in_last_ack();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_LAST_ACK);
}

static void test_last_ack_fin_is_sent_again(void **state)
{
	(void)state;
	tcb_in_last_ack();
	after_ms(1100);
	expect(FIN | ACK, .seq = 1, .ack = 2);
	peer_sends(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_LISTEN);
}

static void test_last_ack_ack_of_text_only_stays(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_sends("bye");
	app_shuts_down();
	expect_anything();
	peer_sends(ACK, .seq = 2, .ack = 4);
	assert_state(TCPS_LAST_ACK);
	peer_sends(ACK, .seq = 2, .ack = 5);
	assert_state(TCPS_LISTEN);
}

static void test_last_ack_segment_behind_the_end_is_reset(void **state)
{
	(void)state;
	tcb_in_last_ack();
	peer_sends(ACK, .seq = 2, .ack = 2);
	expect_nothing();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(RST, .seq = 1);
}

static void test_last_ack_time_out_ends_it(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 20000;
	tcb_in_last_ack();
	app_reads_end();
	after_ms(60000);
	expect_anything();
	assert_state(TCPS_LISTEN);
	assert_closed(-ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_last_ack_ack_of_fin_ends_it),
		ladder_test(test_last_ack_fin_again_is_acknowledged),
		ladder_test(test_last_ack_fin_is_sent_again),
		ladder_test(test_last_ack_ack_of_text_only_stays),
		ladder_test(test_last_ack_segment_behind_the_end_is_reset),
		ladder_test(test_last_ack_time_out_ends_it),
	};

	return cmocka_run_group_tests_name("tcp_last_ack", tests, NULL, NULL);
}
