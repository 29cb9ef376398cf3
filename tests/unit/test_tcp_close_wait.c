// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CLOSE-WAIT: the peer has closed, we may go on (RFC 9293, 3.10.7.4). */
#include "tcp_ladder.h"

static void test_close_wait_send_goes_on(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_sends("still here");
	expect(ACK, .seq = 1, .ack = 2, .text = "still here");
	peer_sends(ACK, .seq = 2, .ack = 11);
	assert_state(TCPS_CLOSE_WAIT);
	assert_int_equal(ladder_status().unsent_bytes, 0);
}

static void test_close_wait_recv_is_at_its_end(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_reads_end();
	app_reads_end();
	assert_true(ladder_status().peer_closed);
	assert_int_equal(l.app.closed, 0);
}

static void test_close_wait_shutdown_goes_to_last_ack(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_sends("bye");
	app_shuts_down();
	expect(ACK, .seq = 1, .ack = 2, .text = "bye");
	expect(FIN | ACK, .seq = 4, .ack = 2);
	assert_state(TCPS_LAST_ACK);
}

static void test_close_wait_close_delivers_what_was_sent(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_sends("bye");
	expect(ACK, .seq = 1, .ack = 2, .text = "bye");
	app_closes();
	expect(FIN | ACK, .seq = 4, .ack = 2);
	assert_state(TCPS_LAST_ACK);
	peer_sends(ACK, .seq = 2, .ack = 5);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	assert_int_equal(l.app.closed, 0);
}

static void test_close_wait_fin_again_is_acknowledged(void **state)
{
	(void)state;
	tcb_in_close_wait();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_CLOSE_WAIT);
}

/* EP-CW: there is nothing behind a FIN. */
static void test_close_wait_text_behind_the_fin_is_not_taken(void **state)
{
	(void)state;
	tcb_in_close_wait();
	peer_sends(ACK, .seq = 2, .ack = 1, .text = "ghost");
	expect_anything();
	app_reads_end();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 2);
}

static void test_close_wait_text_before_the_fin_is_read_first(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1, .text = "the end");
	expect(ACK, .seq = 1, .ack = 9);
	assert_state(TCPS_CLOSE_WAIT);
	app_reads("the end");
	app_reads_end();
}

/* SHLD-3: text that was not read is lost, and the peer is told. */
static void test_close_wait_close_with_unread_text_resets(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1, .text = "unread");
	expect(ACK, .seq = 1, .ack = 8);
	app_closes();
	expect(RST | ACK, .seq = 1, .ack = 8);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
}

static void test_close_wait_text_is_sent_again(void **state)
{
	(void)state;
	tcb_in_close_wait();
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 2, .text = "x");
	after_ms(1100);
	assert_true(expect_anything() >= 1);
	assert_state(TCPS_CLOSE_WAIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_close_wait_send_goes_on),
		ladder_test(test_close_wait_recv_is_at_its_end),
		ladder_test(test_close_wait_shutdown_goes_to_last_ack),
		ladder_test(test_close_wait_close_delivers_what_was_sent),
		ladder_test(test_close_wait_fin_again_is_acknowledged),
		ladder_test(test_close_wait_text_behind_the_fin_is_not_taken),
		ladder_test(test_close_wait_text_before_the_fin_is_read_first),
		ladder_test(test_close_wait_close_with_unread_text_resets),
		ladder_test(test_close_wait_text_is_sent_again),
	};

	return cmocka_run_group_tests_name("tcp_close_wait", tests, NULL, NULL);
}
