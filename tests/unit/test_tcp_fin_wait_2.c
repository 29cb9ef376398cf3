// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* FIN-WAIT-2: our FIN is acknowledged, the peer goes on (RFC 9293, 3.10.7.4). */
#include "tcp_ladder.h"

static void test_fin_wait_2_fin_goes_to_time_wait(void **state)
{
	(void)state;
	tcb_in_fin_wait_2();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
	app_reads_end();
	assert_closed(0);
}

static void test_fin_wait_2_text_is_taken(void **state)
{
	(void)state;
	tcb_in_fin_wait_2();
	peer_sends(ACK, .seq = 1, .ack = 2, .text = "more");
	expect(ACK, .seq = 2, .ack = 5);
	app_reads("more");
	peer_sends(FIN | ACK, .seq = 5, .ack = 2, .text = "end");
	expect(ACK, .seq = 2, .ack = 9);
	app_reads("end");
	app_reads_end();
	assert_state(TCPS_TIME_WAIT);
}

/* What was not read yet can be read behind the end. */
static void test_fin_wait_2_text_is_readable_after_time_wait_began(void **state)
{
	(void)state;
	tcb_in_fin_wait_2();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2, .text = "end");
	expect(ACK, .seq = 2, .ack = 5);
	assert_state(TCPS_TIME_WAIT);
	after_ms(1000);
	assert_int_equal(l.app.closed, 0);
	app_reads("end");
	app_reads_end();
	assert_closed(0);
}

/* Half-closed by the application: for ever. */
static void test_fin_wait_2_half_closed_lasts(void **state)
{
	(void)state;
	l.settings.fin_wait_2_ms = 5000;
	tcb_in_fin_wait_2();
	after_ms(3600000);
	assert_state(TCPS_FIN_WAIT_2);
	expect_nothing();
}

static void closed_in_fin_wait_2(void)
{
	l.settings.fin_wait_2_ms = 5000;
	tcb_established();
	app_closes();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_FIN_WAIT_2);
}

static void test_fin_wait_2_closed_time_out_ends_it(void **state)
{
	(void)state;
	closed_in_fin_wait_2();
	after_ms(4900);
	assert_state(TCPS_FIN_WAIT_2);
	after_ms(200);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	expect_anything();
}

static void test_fin_wait_2_closed_fin_goes_to_time_wait(void **state)
{
	(void)state;
	closed_in_fin_wait_2();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
	assert_int_equal(l.app.closed, 0);
}

/* SHLD-3 */
static void test_fin_wait_2_closed_text_is_reset(void **state)
{
	(void)state;
	closed_in_fin_wait_2();
	peer_sends(ACK, .seq = 1, .ack = 2, .text = "x");
	assert_true(expect_anything() >= 1);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
}

static void test_fin_wait_2_send_is_refused(void **state)
{
	(void)state;
	tcb_in_fin_wait_2();
	assert_int_equal(tcp_send(l.tcb, "x", 1, 0), -EPIPE);
}

static void test_fin_wait_2_closed_by_the_application_then_waits_its_time(void **state)
{
	(void)state;
	l.settings.fin_wait_2_ms = 5000;
	tcb_in_fin_wait_2();
	app_closes();
	after_ms(4900);
	assert_state(TCPS_FIN_WAIT_2);
	after_ms(200);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	expect_anything();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_fin_wait_2_fin_goes_to_time_wait),
		ladder_test(test_fin_wait_2_text_is_taken),
		ladder_test(test_fin_wait_2_text_is_readable_after_time_wait_began),
		ladder_test(test_fin_wait_2_half_closed_lasts),
		ladder_test(test_fin_wait_2_closed_time_out_ends_it),
		ladder_test(test_fin_wait_2_closed_fin_goes_to_time_wait),
		ladder_test(test_fin_wait_2_closed_text_is_reset),
		ladder_test(test_fin_wait_2_send_is_refused),
		ladder_test(test_fin_wait_2_closed_by_the_application_then_waits_its_time),
	};

	return cmocka_run_group_tests_name("tcp_fin_wait_2", tests, NULL, NULL);
}
