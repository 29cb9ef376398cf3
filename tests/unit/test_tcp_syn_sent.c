// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SYN-SENT (RFC 9293, 3.10.7.3), simultaneous open (3.5, figure 7), and the time that an open may take (3.8.3). */
#include "tcp_ladder.h"

static void test_syn_sent_syn_ack_establishes(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460);
	expect(ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
}

static void test_syn_sent_unacceptable_ack_is_reset(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(ACK, .seq = 5, .ack = 0);
	expect(RST, .seq = 0);
	peer_sends(SYN | ACK, .seq = 5, .ack = 2);
	expect(RST, .seq = 2);
	assert_state(TCPS_SYN_SENT);
}

static void test_syn_sent_rst_with_unacceptable_ack_is_dropped(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(RST | ACK, .seq = 0, .ack = 0);
	peer_sends(RST | ACK, .seq = 0, .ack = 2);
	expect_nothing();
	assert_state(TCPS_SYN_SENT);
}

static void test_syn_sent_rst_with_acceptable_ack_refuses(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(RST | ACK, .seq = 0, .ack = 1);
	expect_nothing();
	assert_state(TCPS_CLOSED);
	assert_closed(-ECONNREFUSED);
}

static void test_syn_sent_rst_without_ack_is_dropped(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(RST, .seq = 0);
	expect_nothing();
	assert_state(TCPS_SYN_SENT);
}

static void test_syn_sent_segment_without_syn_or_rst_is_dropped(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	peer_sends(FIN, .seq = 1);
	expect_nothing();
	assert_state(TCPS_SYN_SENT);
}

static void test_syn_sent_syn_is_answered_and_goes_to_syn_received(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(SYN, .mss = 1460);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_state(TCPS_SYN_RECEIVED);
	assert_int_equal(l.app.accepted, 0);
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
}

static void test_syn_sent_text_waits_and_goes_with_the_handshake(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_sends("hello");
	expect_nothing();
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460);
	expect(ACK, .seq = 1, .ack = 1, .text = "hello");
	expect_nothing();
}

static void test_syn_sent_recv_has_nothing(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_reads_nothing();
}

static void test_syn_sent_close_ends_it_silently(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_closes();
	expect_nothing();
	assert_state(TCPS_CLOSED);
	assert_int_equal(l.app.closed, 0);
	peer_sends(SYN | ACK, .ack = 1);
	expect(RST, .seq = 1);
}

static void test_syn_sent_abort_ends_it_silently(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_aborts();
	expect_nothing();
	assert_state(TCPS_CLOSED);
	assert_int_equal(l.app.closed, 0);
}

/* The FIN waits for the SYN's acknowledgement. */
static void test_syn_sent_shutdown_closes_behind_the_handshake(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_sends("x");
	app_shuts_down();
	expect_nothing();
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460);
	expect(FIN | ACK, .seq = 1, .ack = 1, .text = "x");
	assert_state(TCPS_FIN_WAIT_1);
}

static void test_syn_sent_send_behind_shutdown_is_refused(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	app_shuts_down();
	assert_int_equal(tcp_send(l.tcb, "x", 1, 0), -EPIPE);
}

/* 6298-2.1, 6298-5.5, MUST-22. */
static void test_syn_sent_syn_is_sent_again_with_doubled_waits(void **state)
{
	__u64 sent_ns;

	(void)state;
	tcb_in_syn_sent();
	sent_ns = l.now_ns;
	for (__u64 wait = 1000; wait <= 16000; wait *= 2) {
		after_ns(sent_ns + (wait - 1) * NSEC_PER_MSEC - l.now_ns);
		expect_nothing();
		after_ms(2);
		expect(SYN, .seq = 0);
		sent_ns = l.last_sent_ns;
	}
}

/* MUST-23. */
static void test_syn_sent_time_out_comes_behind_three_minutes(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	after_ms(179000);
	assert_int_equal(l.app.closed, 0);
	assert_true(expect_anything() >= 5);
	after_ms(130000);
	assert_closed(-ETIMEDOUT);
	assert_state(TCPS_CLOSED);
	expect_anything();
}

/* MUST-21. */
static void test_syn_sent_time_out_is_the_application_s(void **state)
{
	(void)state;
	l.settings.syn_timeout_ms = 5000;
	tcb_in_syn_sent();
	after_ms(4000);
	assert_int_equal(l.app.closed, 0);
	after_ms(1100); /* the next SYN would be due at seven seconds */
	assert_closed(-ETIMEDOUT);
	expect_anything();
}

/* 6298-5.7: text begins with three seconds where the SYN timed out, without a sample. */
static void test_syn_sent_timed_out_syn_makes_the_first_time_out_long(void **state)
{
	(void)state;
	l.settings.timestamps = false;
	tcb_in_syn_sent();
	after_ms(1500);
	expect(SYN, .seq = 0);
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x");
	after_ms(2900);
	expect_nothing();
	after_ms(200);
	expect(ACK, .seq = 1, .ack = 1, .text = "x");
}

/* RFC 6928, 2: one lost SYN leaves the first window as it is, a second makes it one segment. */
static void first_window_after(int lost_syns, int segments)
{
	l.settings.nagle = false;
	tcb_in_syn_sent();
	after_ms(lost_syns == 1 ? 1500 : 3500);
	for (int i = 0; i < lost_syns; i++)
		expect(SYN, .seq = 0);
	peer_sends(SYN | ACK, .ack = 1, .mss = 1000);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends_bytes(5000);
	for (int i = 0; i < segments; i++)
		expect(ACK, .seq = 1 + 1000 * i, .ack = 1, .length = 1000);
	expect_nothing();
}

static void test_syn_sent_timed_out_once_keeps_the_first_window(void **state)
{
	(void)state;
	first_window_after(1, 5);
}

static void test_syn_sent_timed_out_twice_makes_the_first_window_a_segment(void **state)
{
	(void)state;
	first_window_after(2, 1);
}

/* MUST-15. */
static void test_syn_sent_syn_ack_without_mss_gets_small_segments(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(SYN | ACK, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends_bytes(3000);
	expect(ACK, .seq = 1, .ack = 1, .length = l.tuple.family == FAMILY_IPV4 ? 536 : 1220);
	expect_anything();
}

/* RFC 7323, 2.2: no scale without the peer's. */
static void test_syn_sent_syn_ack_without_wscale_scales_nothing(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	peer_sends(SYN | ACK, .ack = 1, .mss = 1460, .window = 500);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 500);
	expect_nothing();
}

/* Its text beyond our window is not for the buffer. */
static void test_syn_sent_text_of_a_syn_ack_is_cut_to_the_window(void **state)
{
	static const char text[1000];

	(void)state;
	l.settings.recv_buffer_bytes = 100;
	tcb_in_syn_sent();
	peer_sends(SYN | ACK, .seq = 0, .ack = 1, .mss = 1460, .text = text, .length = sizeof(text));
	expect(ACK, .seq = 1, .ack = 101, .window = ZERO_WINDOW);
	assert_int_equal(ladder_status().unread_bytes, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_syn_sent_syn_ack_establishes),
		ladder_test(test_syn_sent_unacceptable_ack_is_reset),
		ladder_test(test_syn_sent_rst_with_unacceptable_ack_is_dropped),
		ladder_test(test_syn_sent_rst_with_acceptable_ack_refuses),
		ladder_test(test_syn_sent_rst_without_ack_is_dropped),
		ladder_test(test_syn_sent_segment_without_syn_or_rst_is_dropped),
		ladder_test(test_syn_sent_syn_is_answered_and_goes_to_syn_received),
		ladder_test(test_syn_sent_text_waits_and_goes_with_the_handshake),
		ladder_test(test_syn_sent_recv_has_nothing),
		ladder_test(test_syn_sent_close_ends_it_silently),
		ladder_test(test_syn_sent_abort_ends_it_silently),
		ladder_test(test_syn_sent_shutdown_closes_behind_the_handshake),
		ladder_test(test_syn_sent_send_behind_shutdown_is_refused),
		ladder_test(test_syn_sent_syn_is_sent_again_with_doubled_waits),
		ladder_test(test_syn_sent_time_out_comes_behind_three_minutes),
		ladder_test(test_syn_sent_time_out_is_the_application_s),
		ladder_test(test_syn_sent_timed_out_syn_makes_the_first_time_out_long),
		ladder_test(test_syn_sent_timed_out_once_keeps_the_first_window),
		ladder_test(test_syn_sent_timed_out_twice_makes_the_first_window_a_segment),
		ladder_test(test_syn_sent_syn_ack_without_mss_gets_small_segments),
		ladder_test(test_syn_sent_syn_ack_without_wscale_scales_nothing),
		ladder_test(test_syn_sent_text_of_a_syn_ack_is_cut_to_the_window),
	};

	return cmocka_run_group_tests_name("tcp_syn_sent", tests, NULL, NULL);
}
