// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SYN-RECEIVED (RFC 9293, 3.10.7.4), by a passive open and by a simultaneous one. */
#include "tcp_ladder.h"

static void test_syn_received_ack_establishes(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect_nothing();
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
	assert_int_equal(tcp_counters(l.tcp)->connections_half_open, 0);
}

static void test_syn_received_text_with_the_ack_is_taken(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "hello");
	expect(ACK, .seq = 1, .ack = 6);
	app_reads("hello");
}

static void test_syn_received_fin_with_the_ack_goes_to_close_wait(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_CLOSE_WAIT);
	assert_int_equal(l.app.accepted, 1);
	app_reads_end();
}

/* The last ACK was lost: text behind it does as well. */
static void test_syn_received_lost_ack_is_made_good_by_text(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 3, .ack = 1, .text = "llo");
	assert_state(TCPS_ESTABLISHED);
	expect(ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "he");
	expect(ACK, .seq = 1, .ack = 6);
	app_reads("hello");
}

/* RST-GEN-4. */
static void test_syn_received_unacceptable_ack_is_reset(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 0);
	expect(RST, .seq = 0);
	peer_sends(ACK, .seq = 1, .ack = 2);
	expect(RST, .seq = 2);
	assert_state(TCPS_SYN_RECEIVED);
}

static void test_syn_received_out_of_window_is_acknowledged(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1 + (1 << 20), .ack = 1);
	expect(ACK, .seq = 1, .ack = 1);
	assert_verdict(TCPV_OUT_OF_WINDOW);
	assert_state(TCPS_SYN_RECEIVED);
}

/* The ledger: SYN-ACKs, resets and challenges go to an unverified source, and nothing behind the last ACK does. */
static void test_syn_received_peer_is_unverified_until_its_ack(void **state)
{
	(void)state;
	tcb_in_syn_received();
	assert_int_equal(l.to_unverified, 1);
	peer_sends_syn(SYN);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 0);
	expect(RST, .seq = 0);
	peer_sends(RST, .seq = 2);
	expect(ACK, .seq = 1, .ack = 1);
	assert_int_equal(l.to_unverified, 4);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "hello");
	expect(ACK, .seq = 1, .ack = 6);
	app_sends("hello");
	expect(ACK | PSH, .seq = 1, .ack = 6, .text = "hello");
	assert_int_equal(l.to_unverified, 4);
}

/* MUST-11: back to LISTEN, and nobody has heard of it. */
static void test_syn_received_rst_returns_to_listen(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(RST, .seq = 1);
	expect_nothing();
	assert_verdict(TCPV_RESET);
	assert_state(TCPS_LISTEN);
	assert_int_equal(l.app.accepted + l.app.closed, 0);
	l.iss_known = false;
	peer_sends(SYN, .mss = 1460);
	expect(SYN | ACK, .seq = 0, .ack = 1);
}

static void test_syn_received_rst_refuses_an_active_open(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	peer_sends(RST, .seq = 1);
	expect_nothing();
	assert_state(TCPS_CLOSED);
	assert_closed(-ECONNREFUSED);
}

static void test_syn_received_inexact_rst_is_challenged(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(RST, .seq = 2);
	expect(ACK, .seq = 1, .ack = 1);
	assert_verdict(TCPV_CHALLENGED);
	assert_state(TCPS_SYN_RECEIVED);
}

static void test_syn_received_rst_outside_the_window_is_ignored(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(RST, .seq = 0);
	peer_sends(RST, .seq = 1 << 20);
	expect_nothing();
	assert_state(TCPS_SYN_RECEIVED);
}

/* Our SYN-ACK was lost. */
static void test_syn_received_syn_again_is_answered_again(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends_syn(SYN);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_state(TCPS_SYN_RECEIVED);
}

static void test_syn_received_other_syn_is_challenged(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(SYN, .seq = 77, .mss = 1460);
	expect(ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_SYN_RECEIVED);
}

static void test_syn_received_segment_without_ack_is_dropped(void **state)
{
	(void)state;
	tcb_in_syn_received();
	peer_sends(FIN, .seq = 1, .text = "x");
	expect_nothing();
	assert_verdict(TCPV_NO_ACK);
	assert_state(TCPS_SYN_RECEIVED);
}

/* Figure 7: whichever way the ACK of our SYN comes. */
static void test_syn_received_syn_ack_of_simultaneous_open_establishes(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	peer_sends_syn(SYN | ACK);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
}

static void test_syn_received_ack_of_simultaneous_open_establishes(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect_nothing();
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
}

/* MUST-22, 6298-2.1, 6298-5.5. */
static void test_syn_received_syn_ack_is_sent_again_with_doubled_waits(void **state)
{
	__u64 sent_ns;

	(void)state;
	tcb_in_syn_received();
	sent_ns = l.now_ns;
	for (__u64 wait = 1000; wait <= 16000; wait *= 2) {
		after_ns(sent_ns + (wait - 1) * NSEC_PER_MSEC - l.now_ns);
		expect_nothing();
		after_ms(2);
		expect(SYN | ACK, .seq = 0, .ack = 1);
		sent_ns = l.last_sent_ns;
	}
}

static void test_syn_received_time_out_returns_to_listen(void **state)
{
	(void)state;
	tcb_in_syn_received();
	after_ms(400000);
	expect_anything();
	assert_state(TCPS_LISTEN);
	assert_int_equal(l.app.accepted + l.app.closed, 0);
	assert_int_equal(tcp_counters(l.tcp)->connections_half_open, 0);
}

static void test_syn_received_shutdown_of_an_active_open_sends_the_fin_behind_it(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	app_shuts_down();
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect(FIN | ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_FIN_WAIT_1);
}

static void test_syn_received_abort_of_an_active_open_resets(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	app_aborts();
	assert_int_equal(expect(RST | ACK, .seq = 1, .ack = 1).length, 0);
	assert_state(TCPS_CLOSED);
}

static void test_syn_received_text_of_an_active_open_waits(void **state)
{
	(void)state;
	tcb_in_syn_received_actively();
	app_sends("x");
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1, .text = "x");
}

static void test_syn_received_old_timestamp_is_acknowledged_and_dropped(void **state)
{
	(void)state;
	l.offer.timestamps = true;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1, .timestamps = true, .tsval = ladder_peer_tsval() - 5);
	expect(ACK, .seq = 1, .ack = 1);
	assert_verdict(TCPV_OLD_TIMESTAMP);
	assert_state(TCPS_SYN_RECEIVED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_syn_received_ack_establishes),
		ladder_test(test_syn_received_text_with_the_ack_is_taken),
		ladder_test(test_syn_received_fin_with_the_ack_goes_to_close_wait),
		ladder_test(test_syn_received_lost_ack_is_made_good_by_text),
		ladder_test(test_syn_received_unacceptable_ack_is_reset),
		ladder_test(test_syn_received_out_of_window_is_acknowledged),
		ladder_test(test_syn_received_peer_is_unverified_until_its_ack),
		ladder_test(test_syn_received_rst_returns_to_listen),
		ladder_test(test_syn_received_rst_refuses_an_active_open),
		ladder_test(test_syn_received_inexact_rst_is_challenged),
		ladder_test(test_syn_received_rst_outside_the_window_is_ignored),
		ladder_test(test_syn_received_syn_again_is_answered_again),
		ladder_test(test_syn_received_other_syn_is_challenged),
		ladder_test(test_syn_received_segment_without_ack_is_dropped),
		ladder_test(test_syn_received_syn_ack_of_simultaneous_open_establishes),
		ladder_test(test_syn_received_ack_of_simultaneous_open_establishes),
		ladder_test(test_syn_received_syn_ack_is_sent_again_with_doubled_waits),
		ladder_test(test_syn_received_time_out_returns_to_listen),
		ladder_test(test_syn_received_shutdown_of_an_active_open_sends_the_fin_behind_it),
		ladder_test(test_syn_received_abort_of_an_active_open_resets),
		ladder_test(test_syn_received_text_of_an_active_open_waits),
		ladder_test(test_syn_received_old_timestamp_is_acknowledged_and_dropped),
	};

	return cmocka_run_group_tests_name("tcp_syn_received", tests, NULL, NULL);
}
