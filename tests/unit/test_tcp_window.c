// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Windows: closed, shrunken, silly and scaled (RFC 9293, 3.8.6; RFC 7323, 2). */
#include "tcp_ladder.h"

#define BUFFER 8192

static void established_with_buffer(void)
{
	l.settings.recv_buffer_bytes = BUFFER;
	tcb_established();
}

/* The peer offers no window, and the application has something to say. */
static void window_is_closed(void)
{
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = ZERO_WINDOW);
	app_sends("abcdef");
	expect_nothing();
}

/* MUST-35, MUST-36, SHLD-29, SHLD-30: the first probe after one time-out, then with doubled waits. */
static void test_window_closed_is_probed_with_doubled_waits(void **state)
{
	__u64 sent_ns, wait_ns = 0;

	(void)state;
	window_is_closed();
	sent_ns = l.now_ns;
	for (int i = 0; i < 5; i++) {
		__u64 waited_ns;

		for (int ms = 0; !l.count && ms < 300000; ms++)
			after_ms(1);
		assert_in_range(l.count, 1, 1);
		ladder_take(__FILE__, __LINE__);
		ladder_free_taken();
		waited_ns = l.last_sent_ns - sent_ns;
		if (!i)
			assert_in_range(waited_ns, 190 * NSEC_PER_MSEC, 3100 * NSEC_PER_MSEC);
		else
			assert_in_range(waited_ns, wait_ns * 2 - 5 * NSEC_PER_MSEC, wait_ns * 2 + 5 * NSEC_PER_MSEC);
		wait_ns = waited_ns;
		sent_ns = l.last_sent_ns;
		peer_sends(ACK, .seq = 1, .ack = 1, .window = ZERO_WINDOW);
	}
}

/* MUST-37, 6429: as long as probes are answered. */
static void test_window_closed_is_probed_for_ever(void **state)
{
	unsigned int probes = 0;

	(void)state;
	l.settings.user_timeout_ms = 60000;
	window_is_closed();
	for (int i = 0; i < 3600; i++) {
		after_ms(1000);
		if (!expect_anything())
			continue;
		probes++;
		peer_sends(ACK, .seq = 1, .ack = 1, .window = ZERO_WINDOW);
	}
	assert_true(probes >= 20);
	assert_int_equal(l.app.closed, 0);
	peer_sends(ACK, .seq = 1, .ack = 1); /* the probe was text, and goes again as it was */
	expect(ACK, .seq = 1, .ack = 1, .text = "a");
	peer_sends(ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 1, .text = "bcdef");
}

/* The time for which the window was closed is not held against the peer. */
static void test_window_closed_for_long_leaves_the_user_time_out_whole(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 60000;
	window_is_closed();
	for (int i = 0; i < 120; i++) {
		after_ms(1000);
		if (expect_anything())
			peer_sends(ACK, .seq = 1, .ack = 1, .window = ZERO_WINDOW);
	}
	peer_sends(ACK, .seq = 1, .ack = 1);
	after_ms(40000);
	assert_true(expect_anything() >= 4);
	assert_int_equal(l.app.closed, 0);
}

static void test_window_closed_unanswered_probes_time_out(void **state)
{
	(void)state;
	l.settings.user_timeout_ms = 60000;
	window_is_closed();
	after_ms(200000);
	expect_anything();
	assert_closed(-ETIMEDOUT);
}

static void test_window_opened_lets_text_go_at_once(void **state)
{
	(void)state;
	window_is_closed();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 100);
	expect(ACK, .seq = 1, .ack = 1, .text = "abcdef");
}

/* ZWP-RCV */
static void test_window_of_ours_closed_answers_probes(void **state)
{
	(void)state;
	established_with_buffer();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = BUFFER);
	expect(ACK, .seq = 1, .ack = BUFFER + 1, .window = ZERO_WINDOW);
	peer_sends(ACK, .seq = BUFFER + 1, .ack = 1, .text = "p");
	expect(ACK, .seq = 1, .ack = BUFFER + 1, .window = ZERO_WINDOW);
	peer_sends(ACK, .seq = BUFFER, .ack = 1, .text = "p");
	expect(ACK, .seq = 1, .ack = BUFFER + 1, .window = ZERO_WINDOW);
	assert_int_equal(ladder_status().unread_bytes, BUFFER);
}

static void app_reads_bytes(size_t length)
{
	char bytes[BUFFER];

	assert_int_equal(tcp_recv(l.tcb, bytes, length), length);
	ladder_work();
}

/* MUST-39: it opens by half of the buffer or a segment, not before. */
static void test_window_of_ours_opens_in_no_silly_steps(void **state)
{
	(void)state;
	established_with_buffer();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = BUFFER);
	expect(ACK, .seq = 1, .ack = BUFFER + 1, .window = ZERO_WINDOW);
	app_reads_bytes(700);
	expect_nothing();
	peer_sends(ACK, .seq = BUFFER, .ack = 1, .text = "p");
	expect(ACK, .seq = 1, .ack = BUFFER + 1, .window = ZERO_WINDOW);
	app_reads_bytes(4000);
	assert_true(expect(ACK, .seq = 1, .ack = BUFFER + 1).window >= 1400);
}

/* SHLD-14 */
static void test_window_of_ours_keeps_its_right_edge(void **state)
{
	__u32 edge = 1 + BUFFER;

	(void)state;
	established_with_buffer();
	for (__u32 seq = 1; seq < 1 + BUFFER; seq += 64) {
		struct wire_segment ack;

		peer_sends(ACK, .seq = seq, .ack = 1, .length = 64);
		ack = expect(ACK, .seq = 1, .ack = seq + 64);
		assert_true(ack.ack + (__u32)ack.window >= edge);
		edge = ack.ack + (__u32)ack.window;
	}
}

/* MUST-38: a window of a few bytes is not filled with a silly segment before the override time-out (0.1 to 1 s). */
static void test_window_that_is_silly_is_not_used_at_once(void **state)
{
	(void)state;
	l.settings.nagle = false;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 10);
	app_sends_bytes(3000);
	expect_nothing();
	after_ms(90);
	expect_nothing();
	after_ms(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 10);
}

/* Half of the largest window that was ever seen is no silly one. */
static void test_window_of_half_the_largest_is_used(void **state)
{
	(void)state;
	l.window = 1000;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 500);
	app_sends_bytes(3000);
	expect(ACK, .seq = 1, .ack = 1, .length = 500);
}

/* SHLD-15, MUST-34 */
static void test_window_that_shrinks_stops_new_text(void **state)
{
	(void)state;
	tcb_established();
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 1000);
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 500);
	app_sends_bytes(1000);
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1001, .window = 5000);
	expect(ACK, .seq = 1001, .ack = 1, .length = 1000);
}

/* MUST-34: a peer with a closed window takes acknowledgements at its edge alone (3.10.7.4, first). */
static void test_window_that_shrank_is_not_left_by_acknowledgements(void **state)
{
	(void)state;
	tcb_established();
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 1000);
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 10, .window = 500);
	after_ms(100);
	expect(ACK, .seq = 501, .ack = 11);
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10, .window = ZERO_WINDOW);
	after_ms(100);
	expect(ACK, .seq = 1, .ack = 21);
}

/* SHLD-16 */
static void test_window_that_shrank_is_filled_again_by_the_time_out(void **state)
{
	struct wire_segment again;

	(void)state;
	tcb_established();
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 1000);
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 500);
	after_ms(1500);
	assert_true(l.count > 0);
	again = ladder_take(__FILE__, __LINE__);
	ladder_free_taken();
	assert_int_equal(again.seq, 1);
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 501, .window = 500);
	expect_anything();
	after_ms(5000);
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 1001, .window = 5000);
	assert_int_equal(ladder_status().unsent_bytes, 0);
}

/* EP-WL: an older segment does not say what the window is. */
static void test_window_of_an_older_segment_does_not_count(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 11, .ack = 1, .text = "k", .window = 2000);
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "abcdefghij", .window = ZERO_WINDOW);
	expect_anything();
	app_sends_bytes(1000);
	expect(ACK, .seq = 1, .ack = 12, .length = 1000);
}

static void test_window_update_is_taken(void **state)
{
	(void)state;
	l.window = 1000;
	tcb_established();
	app_sends_bytes(3000);
	expect(ACK, .seq = 1, .ack = 1, .length = 1000);
	expect_nothing();
	peer_sends(ACK, .seq = 1, .ack = 1001, .window = 2000);
	expect(ACK, .seq = 1001, .ack = 1, .length = l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	expect_anything();
}

/* MUST-1: it is unsigned. */
static void test_window_above_32767_is_used(void **state)
{
	__u32 sent = 0;

	(void)state;
	l.window = 65535;
	tcb_established();
	app_sends_bytes(60000);
	for (int i = 0; i < 40 && sent < 60000; i++) {
		while (l.count) {
			sent += ladder_take(__FILE__, __LINE__).length;
			ladder_free_taken();
		}
		peer_sends(ACK, .seq = 1, .ack = 1 + sent, .window = 65535);
	}
	assert_int_equal(sent, 60000);
}

/* 7323-2.3: the field, shifted. */
static void test_window_of_the_peer_is_scaled(void **state)
{
	(void)state;
	l.offer.has_wscale = true;
	l.offer.wscale = 10;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 1);
	app_sends_bytes(3000);
	after_ms(1000);
	expect(ACK, .seq = 1, .ack = 1, .length = 1024);
}

/* 7323-2.2: that of a SYN is not, and a shift above 14 is 14. */
static void test_window_of_a_syn_is_not_scaled_and_15_is_14(void **state)
{
	(void)state;
	l.offer.has_wscale = true;
	l.offer.wscale = 15;
	tcb_in_syn_sent();
	l.offer.window = 700;
	peer_sends_syn(SYN | ACK);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends_bytes(3000);
	expect(ACK, .seq = 1, .ack = 1, .length = 700);
	peer_sends(ACK, .seq = 1, .ack = 701, .window = 1); /* 16384, not 32768 */
	assert_int_equal(tcb_find(l.tcp, &l.tuple)->snd_wnd, 16384);
	expect_anything();
}

static void test_window_of_ours_is_scaled(void **state)
{
	struct wire_segment syn_ack, ack;

	(void)state;
	l.settings.recv_buffer_bytes = 1 << 20;
	l.offer.has_wscale = true;
	l.offer.wscale = 7;
	tcb_in_listen();
	peer_sends_syn(SYN);
	syn_ack = expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_true(65536U << syn_ack.wscale > 1 << 20);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	ack = expect(ACK, .seq = 1, .ack = 2);
	assert_in_range((__u32)ack.window << syn_ack.wscale, 65535, 1 << 20);
}

/* Under pressure the window does not grow, and what was offered holds. */
static void test_window_of_ours_does_not_grow_without_memory(void **state)
{
	struct wire_segment ack;

	(void)state;
	established_with_buffer();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 4096);
	expect_anything();
	l.account.limit_bytes = 100;
	app_reads_bytes(4096);
	while (l.count) {
		ack = ladder_take(__FILE__, __LINE__);
		ladder_free_taken();
		assert_int_equal(ack.ack + (__u32)ack.window, 1 + BUFFER);
	}
	peer_sends(ACK, .seq = 4097, .ack = 1, .length = 100);
	l.account.limit_bytes = 1 << 30;
	expect_anything();
	assert_state(TCPS_ESTABLISHED);
}

/* Where the shift rounds the window up, a peer that sends byte by byte must not win a byte with each. */
static void test_window_of_ours_does_not_outgrow_the_buffer(void **state)
{
	const __u32 buffer = 1 << 18, unit = 8;
	char text[1000] = { 0 };
	__u32 seq = 1;

	(void)state;
	l.settings.recv_buffer_bytes = buffer;
	l.offer.has_wscale = true;
	tcb_established();
	for (; seq < buffer - sizeof(text); seq += sizeof(text)) {
		peer_sends(ACK, .seq = seq, .ack = 1, .text = text, .length = sizeof(text));
		expect_anything();
	}
	for (int i = 0; i < 2000; i++, seq++) {
		peer_sends(ACK, .seq = seq, .ack = 1, .text = "x");
		expect_anything();
	}
	assert_in_range(ladder_status().unread_bytes, buffer, buffer + unit);
}

/* Or two ends that send before they read would wait for each other for ever. */
static void test_window_of_ours_is_left_memory_by_text_to_send(void **state)
{
	(void)state;
	l.account.limit_bytes = 70000;
	tcb_established();
	assert_int_equal(app_sends_bytes(65536), 32768);
	assert_false(memory_is_short(&l.account));
	assert_int_equal(app_sends_bytes(32768), 0);
	expect_anything();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_window_closed_is_probed_with_doubled_waits),
		ladder_test(test_window_closed_is_probed_for_ever),
		ladder_test(test_window_closed_for_long_leaves_the_user_time_out_whole),
		ladder_test(test_window_closed_unanswered_probes_time_out),
		ladder_test(test_window_opened_lets_text_go_at_once),
		ladder_test(test_window_of_ours_closed_answers_probes),
		ladder_test(test_window_of_ours_opens_in_no_silly_steps),
		ladder_test(test_window_of_ours_keeps_its_right_edge),
		ladder_test(test_window_that_is_silly_is_not_used_at_once),
		ladder_test(test_window_of_half_the_largest_is_used),
		ladder_test(test_window_that_shrinks_stops_new_text),
		ladder_test(test_window_that_shrank_is_not_left_by_acknowledgements),
		ladder_test(test_window_that_shrank_is_filled_again_by_the_time_out),
		ladder_test(test_window_of_an_older_segment_does_not_count),
		ladder_test(test_window_update_is_taken),
		ladder_test(test_window_above_32767_is_used),
		ladder_test(test_window_of_the_peer_is_scaled),
		ladder_test(test_window_of_a_syn_is_not_scaled_and_15_is_14),
		ladder_test(test_window_of_ours_is_scaled),
		ladder_test(test_window_of_ours_does_not_grow_without_memory),
		ladder_test(test_window_of_ours_does_not_outgrow_the_buffer),
		ladder_test(test_window_of_ours_is_left_memory_by_text_to_send),
	};

	return cmocka_run_group_tests_name("tcp_window", tests, NULL, NULL);
}
