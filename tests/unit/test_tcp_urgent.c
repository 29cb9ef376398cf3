// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Urgent data (RFC 9293, 3.8.5; RFC 6093): the pointer names the byte behind it. */
#include "tcp_ladder.h"

/* MUST-32, MUST-33; and it stays in the stream (RFC 6093, 3). */
static void test_urgent_data_is_told_and_read_in_the_stream(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK | URG, .seq = 1, .ack = 1, .urgent = 3, .text = "abcdef");
	expect(ACK, .seq = 1, .ack = 7);
	assert_int_equal(l.app.urgent, 1);
	assert_int_equal(ladder_status().urgent_bytes, 3);
	app_reads("abcdef");
	assert_int_equal(ladder_status().urgent_bytes, 0);
}

/* MUST-31: longer than the segment. */
static void test_urgent_pointer_beyond_the_segment_counts(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK | URG, .seq = 1, .ack = 1, .urgent = 1000, .text = "abc");
	expect(ACK, .seq = 1, .ack = 4);
	assert_int_equal(ladder_status().urgent_bytes, 1000);
	app_reads("abc");
	assert_int_equal(ladder_status().urgent_bytes, 997);
	peer_sends(ACK, .seq = 4, .ack = 1, .length = 997);
	expect(ACK, .seq = 1, .ack = 1001);
	assert_int_equal(l.app.urgent, 1);
}

static void test_urgent_pointer_without_its_bit_is_ignored(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .urgent = 3, .text = "abcdef");
	expect(ACK, .seq = 1, .ack = 7);
	assert_int_equal(l.app.urgent, 0);
	assert_int_equal(ladder_status().urgent_bytes, 0);
}

static void test_urgent_pointer_that_moves_is_told_again(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK | URG, .seq = 1, .ack = 1, .urgent = 3, .text = "abc");
	peer_sends(ACK | URG, .seq = 1, .ack = 1, .urgent = 3, .text = "abc");
	assert_int_equal(l.app.urgent, 1);
	peer_sends(ACK | URG, .seq = 4, .ack = 1, .urgent = 2, .text = "de");
	assert_int_equal(l.app.urgent, 2);
	assert_int_equal(ladder_status().urgent_bytes, 5);
	expect_anything();
}

/* MUST-30, MUST-62 */
static void test_urgent_text_is_sent_with_its_pointer(void **state)
{
	(void)state;
	tcb_established();
	app_sends_flagged("abc", 3, TCP_SEND_URGENT);
	expect(ACK | URG, .seq = 1, .ack = 1, .text = "abc", .urgent = 3);
	peer_sends(ACK, .seq = 1, .ack = 4);
	app_sends("d");
	expect(ACK, .seq = 4, .ack = 1, .text = "d");
}

/* The pointer goes ahead of text that a window holds back (3.8.5). */
static void test_urgent_pointer_is_sent_ahead_of_its_text(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 1, .ack = 1, .window = 3000);
	app_sends_bytes(2999);
	expect_anything();
	app_sends_flagged("abcdef", 6, TCP_SEND_URGENT);
	peer_sends(ACK, .seq = 1, .ack = 1001, .window = 2000);
	after_ms(2000);
	assert_true(l.count > 0);
	while (l.count) {
		struct wire_segment s = ladder_take(__FILE__, __LINE__);

		ladder_free_taken();
		assert_true(s.flags & URG);
		assert_int_equal(s.seq + s.urgent, 3006);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_urgent_data_is_told_and_read_in_the_stream),
		ladder_test(test_urgent_pointer_beyond_the_segment_counts),
		ladder_test(test_urgent_pointer_without_its_bit_is_ignored),
		ladder_test(test_urgent_pointer_that_moves_is_told_again),
		ladder_test(test_urgent_text_is_sent_with_its_pointer),
		ladder_test(test_urgent_pointer_is_sent_ahead_of_its_text),
	};

	return cmocka_run_group_tests_name("tcp_urgent", tests, NULL, NULL);
}
