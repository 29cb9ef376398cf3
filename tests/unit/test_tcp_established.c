// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ESTABLISHED: text and FIN, both ways, and the user's calls (RFC 9293, 3.10.2 to 3.10.6, 3.10.7.4 sixth to eighth). */
#include "tcp_ladder.h"

static void test_established_text_is_acknowledged_and_readable(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK | PSH, .seq = 1, .ack = 1, .text = "hello");
	expect(ACK, .seq = 1, .ack = 6);
	assert_verdict(TCPV_TAKEN);
	assert_int_equal(l.app.readable, 1);
	assert_int_equal(ladder_status().unread_bytes, 5);
	app_reads("hello");
	app_reads_nothing();
	expect_nothing();
}

static void test_established_sent_text_goes_at_once_and_is_pushed(void **state)
{
	(void)state;
	tcb_established();
	app_sends("hello");
	expect(ACK | PSH, .seq = 1, .ack = 1, .text = "hello");
	assert_int_equal(ladder_status().unsent_bytes, 5);
	peer_sends(ACK, .seq = 1, .ack = 6);
	assert_int_equal(ladder_status().unsent_bytes, 0);
	expect_nothing();
}

/* MUST-61, SHLD-28: full segments, and PSH on the last. */
static void test_established_sent_text_is_cut_into_full_segments(void **state)
{
	struct wire_segment first;

	(void)state;
	tcb_established();
	app_sends_bytes(2 * 1460 + 10);
	if (l.tuple.family == FAMILY_IPV4) {
		first = expect(ACK, .seq = 1, .ack = 1, .length = 1460);
		assert_false(first.flags & PSH);
		expect(ACK, .seq = 1461, .ack = 1, .length = 1460);
	} else { /* the peer's MSS is more than the link takes */
		first = expect(ACK, .seq = 1, .ack = 1, .length = 1440);
		assert_false(first.flags & PSH);
		expect(ACK, .seq = 1441, .ack = 1, .length = 1440);
	}
	peer_sends(ACK, .seq = 1, .ack = l.tuple.family == FAMILY_IPV4 ? 2921 : 2881);
	if (l.tuple.family == FAMILY_IPV4)
		expect(ACK | PSH, .seq = 2921, .ack = 1, .length = 10);
	else
		expect(ACK | PSH, .seq = 2881, .ack = 1, .length = 50);
	expect_nothing();
}

/* MUST-16: the peer's MSS, less the options that each segment has. */
static void test_established_segments_leave_room_for_timestamps(void **state)
{
	(void)state;
	l.offer.mss = 300;
	l.offer.timestamps = true;
	tcb_established();
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 288, .timestamps = true);
	expect(ACK, .seq = 289, .ack = 1, .length = 288, .timestamps = true);
	expect_anything();
}

/* SHLD-31, MUST-59: one acknowledgement for all when the hole is filled. */
static void test_established_text_behind_a_hole_waits(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 4, .ack = 1, .text = "def");
	expect(ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 10, .ack = 1, .text = "jkl");
	expect(ACK, .seq = 1, .ack = 1);
	app_reads_nothing();
	peer_sends(ACK, .seq = 7, .ack = 1, .text = "ghi");
	expect(ACK, .seq = 1, .ack = 1);
	assert_int_equal(l.app.readable, 0);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 13);
	app_reads("abcdefghijkl");
	expect_nothing();
}

/* EP-TRIM */
static void test_established_text_left_of_the_window_is_cut(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 4);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "XYZdef");
	expect(ACK, .seq = 1, .ack = 7);
	app_reads("abcdef");
}

static void test_established_text_right_of_the_window_is_cut(void **state)
{
	(void)state;
	l.settings.recv_buffer_bytes = 4096;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 4000);
	assert_int_equal(expect_anything(), 1);
	peer_sends(FIN | ACK, .seq = 4001, .ack = 1, .length = 200);
	expect(ACK, .seq = 1, .ack = 4097, .window = ZERO_WINDOW);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(ladder_status().unread_bytes, 4096);
}

static void test_established_text_again_is_acknowledged_and_not_read_twice(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 4);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 4);
	app_reads("abc");
	app_reads_nothing();
}

/* MUST-58: one acknowledgement for a batch. */
static void test_established_batch_is_acknowledged_once(void **state)
{
	(void)state;
	tcb_established();
	for (__u32 i = 0; i < 9; i++)
		peer_sends_more(ACK, .seq = 1 + 1000 * i, .ack = 1, .length = 1000);
	peer_sends(ACK, .seq = 9001, .ack = 1, .length = 1000);
	expect(ACK, .seq = 1, .ack = 10001);
	expect_nothing();
}

/* MUST-5, MUST-6, MUST-64: options in any segment. */
static void test_established_options_in_a_segment_do_no_harm(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc", .mss = 100, .raw = "\x01\xfd\x04zz\x03\x03\x0e",
		   .raw_bytes = 8);
	expect(ACK, .seq = 1, .ack = 4);
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 4, .length = 1000);
}

/* RSVD */
static void test_established_reserved_bits_are_ignored(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc", .reserved = 15);
	expect(ACK, .seq = 1, .ack = 4);
}

static void test_established_fin_goes_to_close_wait(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(FIN | ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 5);
	assert_state(TCPS_CLOSE_WAIT);
	app_reads("abc");
	app_reads_end();
}

static void test_established_fin_behind_a_hole_waits(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(FIN | ACK, .seq = 4, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_ESTABLISHED);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 5);
	assert_state(TCPS_CLOSE_WAIT);
}

static void test_established_shutdown_goes_to_fin_wait_1_behind_all_text(void **state)
{
	(void)state;
	tcb_established();
	app_sends("abc");
	expect(ACK, .seq = 1, .ack = 1, .text = "abc");
	app_sends("def");
	app_shuts_down();
	expect(FIN | ACK, .seq = 4, .ack = 1, .text = "def");
	assert_state(TCPS_FIN_WAIT_1);
	assert_int_equal(tcp_send(l.tcb, "x", 1, 0), -EPIPE);
}

/* The line and our FIN in one segment (RFC 867's way). */
static void test_established_text_and_shutdown_together_are_one_segment(void **state)
{
	(void)state;
	tcb_established();
	assert_int_equal(tcp_send(l.tcb, "now", 3, 0), 3);
	tcp_shutdown(l.tcb);
	ladder_work();
	expect(FIN | ACK, .seq = 1, .ack = 1, .text = "now");
	expect_nothing();
}

static void test_established_close_sends_a_fin_and_tells_nothing_more(void **state)
{
	(void)state;
	tcb_established();
	app_closes();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_FIN_WAIT_1);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
	assert_int_equal(l.app.closed, 0);
}

/* SHLD-3 */
static void test_established_close_with_unread_text_resets(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "unread");
	expect(ACK, .seq = 1, .ack = 7);
	app_closes();
	expect(RST | ACK, .seq = 1, .ack = 7);
	assert_state(TCPS_LISTEN);
}

static void test_established_close_with_linger_0_resets(void **state)
{
	(void)state;
	l.settings.linger_ms = 0;
	tcb_established();
	app_sends("x");
	expect_anything();
	app_closes();
	expect(RST | ACK, .seq = 2, .ack = 1);
	assert_state(TCPS_LISTEN);
}

static void test_established_close_with_linger_gives_up_after_it(void **state)
{
	(void)state;
	l.settings.linger_ms = 3000;
	tcb_established();
	app_sends("x");
	expect_anything();
	app_closes();
	after_ms(2900);
	assert_state(TCPS_FIN_WAIT_1);
	expect_anything();
	after_ms(200);
	expect(RST | ACK, .seq = 3, .ack = 1);
	assert_state(TCPS_LISTEN);
}

static void test_established_close_with_linger_goes_by_the_book_before_it(void **state)
{
	(void)state;
	l.settings.linger_ms = 3000;
	tcb_established();
	app_closes();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	after_ms(10000);
	assert_state(TCPS_TIME_WAIT);
	expect_nothing();
}

static void test_established_peek_and_skip_read_without_a_copy(void **state)
{
	const __u8 *bytes;

	(void)state;
	tcb_established();
	assert_int_equal(tcp_peek(l.tcb, &bytes), -EAGAIN);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abcdef");
	expect(ACK, .seq = 1, .ack = 7);
	assert_int_equal(tcp_peek(l.tcb, &bytes), 6);
	assert_memory_equal(bytes, "abcdef", 6);
	tcp_skip(l.tcb, 4);
	app_reads("ef");
	peer_sends(FIN | ACK, .seq = 7, .ack = 1);
	assert_int_equal(tcp_peek(l.tcb, &bytes), 0);
	expect_anything();
}

static void test_established_send_takes_what_there_is_room_for(void **state)
{
	(void)state;
	l.settings.send_buffer_bytes = 4096;
	l.settings.nagle = false;
	tcb_established();
	assert_int_equal(app_sends_bytes(5000), 4096);
	assert_int_equal(app_sends_bytes(1), 0);
	assert_int_equal(ladder_status().send_room_bytes, 0);
	expect_anything();
	assert_int_equal(l.app.writable, 0);
	peer_sends(ACK, .seq = 1, .ack = 4097);
	assert_int_equal(l.app.writable, 1);
	assert_int_equal(ladder_status().send_room_bytes, 4096);
}

/* MUST-66, MUST-30 */
static void test_established_rst_and_urgent_count_with_a_closed_window(void **state)
{
	(void)state;
	l.settings.recv_buffer_bytes = 4096;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 4096);
	expect(ACK, .seq = 1, .ack = 4097, .window = ZERO_WINDOW);
	peer_sends(ACK | URG, .seq = 4097, .ack = 1, .urgent = 5, .text = "x");
	expect(ACK, .seq = 1, .ack = 4097, .window = ZERO_WINDOW);
	assert_int_equal(l.app.urgent, 1);
	peer_sends(RST, .seq = 4097);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
}

/* An ACK counts with a closed window too. */
static void test_established_ack_counts_with_a_closed_window(void **state)
{
	(void)state;
	l.settings.recv_buffer_bytes = 4096;
	tcb_established();
	app_sends("x");
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 4096);
	expect_anything();
	peer_sends(ACK, .seq = 4097, .ack = 2);
	assert_int_equal(ladder_status().unsent_bytes, 0);
}

/* MUST-12: the application can tell. */
static void test_established_reset_is_told_apart_from_a_close(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "unread");
	expect(ACK, .seq = 1, .ack = 7);
	peer_sends(RST, .seq = 7);
	if (!l.app.closed)
		app_reads("unread");
	assert_closed(-ECONNRESET);
}

static void test_established_status_says_what_is_so(void **state)
{
	struct tcp_status status;

	(void)state;
	tcb_established();
	status = ladder_status();
	assert_memory_equal(&status.tuple, &l.tuple, sizeof(l.tuple));
	assert_int_equal(status.state, TCPS_ESTABLISHED);
	assert_int_equal(status.unread_bytes, 0);
	assert_int_equal(status.unsent_bytes, 0);
	assert_int_equal(status.mss_bytes, l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	assert_true(status.cwnd_bytes >= 2 * status.mss_bytes && status.cwnd_bytes <= 14600);
	assert_false(status.peer_closed);
	assert_int_equal(status.send_room_bytes, l.settings.send_buffer_bytes);
}

/* A byte at the window's end takes a whole window's memory: the last of it is for what can be read. */
static void test_established_text_behind_a_hole_is_refused_without_memory(void **state)
{
	const __u64 others = 60000;

	(void)state;
	l.account.limit_bytes = 1 << 16;
	tcb_established();
	assert_true(memory_charge(&l.account, others));
	peer_sends(ACK, .seq = 3, .ack = 1, .text = "cd");
	assert_verdict(TCPV_TEXT_REFUSED);
	expect(ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "ab");
	expect(ACK, .seq = 1, .ack = 3);
	memory_release(&l.account, others);
	peer_sends(ACK, .seq = 5, .ack = 1, .text = "ef");
	expect(ACK, .seq = 1, .ack = 3);
	assert_verdict(TCPV_TAKEN);
}

/* A FIN that text has passed was not the peer's: its own is taken when it comes. */
static void test_established_fin_that_text_has_passed_is_forgotten(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(FIN | ACK, .seq = 3, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abcdef");
	expect(ACK, .seq = 1, .ack = 7);
	assert_state(TCPS_ESTABLISHED);
	peer_sends(FIN | ACK, .seq = 7, .ack = 1);
	expect(ACK, .seq = 1, .ack = 8);
	assert_state(TCPS_CLOSE_WAIT);
}

/* An application that skips more than there is. */
static void test_established_skip_goes_to_the_end_at_most(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect(ACK, .seq = 1, .ack = 4);
	tcp_skip(l.tcb, 100);
	assert_int_equal(ladder_status().unread_bytes, 0);
	peer_sends(ACK, .seq = 4, .ack = 1, .text = "def");
	expect(ACK, .seq = 1, .ack = 7);
	app_reads("def");
}

/* MUST-45: what the rim has no frame for goes later. */
static void test_established_text_waits_for_a_frame(void **state)
{
	(void)state;
	tcb_established();
	l.no_room = true;
	app_sends("abc");
	expect_nothing();
	assert_true(tcp_counters(l.tcp)->no_frame > 0);
	l.no_room = false;
	ladder_work();
	expect(ACK, .seq = 1, .ack = 1, .text = "abc");
	expect_nothing();
}

static void test_established_acknowledgement_waits_for_a_frame(void **state)
{
	(void)state;
	tcb_established();
	l.no_room = true;
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abc");
	l.no_room = false;
	ladder_work();
	expect(ACK, .seq = 1, .ack = 4);
	expect_nothing();
}

static void test_established_reset_waits_for_a_frame(void **state)
{
	(void)state;
	tcb_established();
	l.no_room = true;
	app_aborts();
	after_ms(1);
	l.no_room = false;
	after_ms(1);
	expect(RST | ACK, .seq = 1, .ack = 1);
	expect_nothing();
	assert_state(TCPS_LISTEN);
}

static void test_established_is_reported(void **state)
{
	const __u32 headers = (l.tuple.family == FAMILY_IPV4 ? 20 : 40) + 20;
	struct flow before;

	(void)state;
	tcb_established();
	after_ms(20);
	assert_true(l.has_record && l.record.kind == TCP_RECORD_FLOW);
	assert_int_equal(l.record.flow.state, TCPS_ESTABLISHED);
	assert_int_equal(l.record.flow.owner, FLOW_OWNER_DAEMON);
	assert_int_equal(l.record.flow.rcv_nxt, l.irs + 1);
	assert_int_equal(l.record.flow.snd_nxt, l.iss + 1);
	before = l.record.flow;
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 1000);
	after_ms(1010);
	assert_int_equal(l.record.flow.rcv_nxt, l.irs + 1001);
	assert_int_equal(l.record.flow.rcv_packets, before.rcv_packets + 1);
	assert_int_equal(l.record.flow.rcv_bytes, before.rcv_bytes + headers + 1000);
	assert_int_equal(l.record.flow.snd_packets, before.snd_packets + 1);
	assert_int_equal(l.record.flow.snd_bytes, before.snd_bytes + headers);
	expect_anything();
	peer_sends(RST, .seq = 1001);
	after_ms(20);
	assert_true(l.record.kind == TCP_RECORD_NONE || l.record.kind == TCP_RECORD_ENDED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_established_text_is_acknowledged_and_readable),
		ladder_test(test_established_sent_text_goes_at_once_and_is_pushed),
		ladder_test(test_established_sent_text_is_cut_into_full_segments),
		ladder_test(test_established_segments_leave_room_for_timestamps),
		ladder_test(test_established_text_behind_a_hole_waits),
		ladder_test(test_established_text_left_of_the_window_is_cut),
		ladder_test(test_established_text_right_of_the_window_is_cut),
		ladder_test(test_established_text_again_is_acknowledged_and_not_read_twice),
		ladder_test(test_established_batch_is_acknowledged_once),
		ladder_test(test_established_options_in_a_segment_do_no_harm),
		ladder_test(test_established_reserved_bits_are_ignored),
		ladder_test(test_established_fin_goes_to_close_wait),
		ladder_test(test_established_fin_behind_a_hole_waits),
		ladder_test(test_established_shutdown_goes_to_fin_wait_1_behind_all_text),
		ladder_test(test_established_text_and_shutdown_together_are_one_segment),
		ladder_test(test_established_close_sends_a_fin_and_tells_nothing_more),
		ladder_test(test_established_close_with_unread_text_resets),
		ladder_test(test_established_close_with_linger_0_resets),
		ladder_test(test_established_close_with_linger_gives_up_after_it),
		ladder_test(test_established_close_with_linger_goes_by_the_book_before_it),
		ladder_test(test_established_peek_and_skip_read_without_a_copy),
		ladder_test(test_established_send_takes_what_there_is_room_for),
		ladder_test(test_established_rst_and_urgent_count_with_a_closed_window),
		ladder_test(test_established_ack_counts_with_a_closed_window),
		ladder_test(test_established_reset_is_told_apart_from_a_close),
		ladder_test(test_established_status_says_what_is_so),
		ladder_test(test_established_text_behind_a_hole_is_refused_without_memory),
		ladder_test(test_established_fin_that_text_has_passed_is_forgotten),
		ladder_test(test_established_skip_goes_to_the_end_at_most),
		ladder_test(test_established_text_waits_for_a_frame),
		ladder_test(test_established_reset_waits_for_a_frame),
		ladder_test(test_established_acknowledgement_waits_for_a_frame),
		ladder_test(test_established_is_reported),
	};

	return cmocka_run_group_tests_name("tcp_established", tests, NULL, NULL);
}
