// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Explicit congestion notification (RFC 3168, 6.1; SHLD-8). */
#include "tcp_ladder.h"

static void established_with_ecn(void)
{
	l.settings.ecn = true;
	tcb_in_listen();
	peer_sends(SYN | ECE | CWR, .mss = 1000);
	assert_int_equal(expect(SYN | ACK | ECE, .seq = 0, .ack = 1).ecn, NOT_ECT);
	peer_sends(ACK, .seq = 1, .ack = 1);
}

/* 6.1.1: not on a SYN, not on a pure acknowledgement. */
static void test_ecn_agreed_on_marks_text_as_capable(void **state)
{
	(void)state;
	established_with_ecn();
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x", .ecn = ECT_0);
	peer_sends(ACK, .seq = 1, .ack = 2, .text = "y");
	assert_int_equal(expect(ACK, .seq = 2, .ack = 2).ecn, NOT_ECT);
}

static void test_ecn_not_wanted_by_the_peer_is_not_used(void **state)
{
	(void)state;
	l.settings.ecn = true;
	tcb_in_listen();
	peer_sends(SYN, .mss = 1000);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	app_sends("x");
	assert_int_equal(expect(ACK, .seq = 1, .ack = 1, .text = "x").ecn, NOT_ECT);
}

static void test_ecn_switched_off_is_not_agreed_on(void **state)
{
	(void)state;
	l.settings.ecn = false;
	tcb_in_listen();
	peer_sends(SYN | ECE | CWR, .mss = 1000);
	expect(SYN | ACK, .seq = 0, .ack = 1);
}

/* 6.1.1.1: a SYN-ACK with both bits is of one who reflects what he does not know. */
static void test_ecn_reflected_by_the_peer_is_not_used(void **state)
{
	(void)state;
	l.settings.ecn = true;
	tcp_alone();
	ladder_connect();
	expect(SYN | ECE | CWR, .seq = 0);
	peer_sends(SYN | ACK | ECE | CWR, .ack = 1, .mss = 1000);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends("x");
	assert_int_equal(expect(ACK, .seq = 1, .ack = 1, .text = "x").ecn, NOT_ECT);
}

static void test_ecn_offered_and_agreed_on_is_used(void **state)
{
	(void)state;
	l.settings.ecn = true;
	tcp_alone();
	ladder_connect();
	expect(SYN | ECE | CWR, .seq = 0);
	peer_sends(SYN | ACK | ECE, .ack = 1, .mss = 1000);
	expect(ACK, .seq = 1, .ack = 1);
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x", .ecn = ECT_0);
}

/* 6.1.3: until CWR comes. */
static void test_ecn_mark_is_echoed_until_the_peer_slows_down(void **state)
{
	(void)state;
	established_with_ecn();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 10, .ecn = CE);
	expect(ACK | ECE, .seq = 1, .ack = 11);
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10, .ecn = ECT_0);
	expect(ACK | ECE, .seq = 1, .ack = 21);
	peer_sends(ACK | CWR, .seq = 21, .ack = 1, .length = 10, .ecn = ECT_0);
	expect(ACK, .seq = 1, .ack = 31);
	peer_sends(ACK | CWR, .seq = 31, .ack = 1, .length = 10, .ecn = CE);
	expect(ACK | ECE, .seq = 1, .ack = 41);
}

/* 6.1.2: once a window, and the next new text says so. */
static void test_ecn_echo_slows_down_once_a_window(void **state)
{
	__u32 before, after;

	(void)state;
	established_with_ecn();
	app_sends_bytes(30000);
	expect_anything();
	before = ladder_status().cwnd_bytes;
	after_ms(20);
	peer_sends(ACK | ECE, .seq = 1, .ack = 1001);
	after = ladder_status().cwnd_bytes;
	assert_true(after < before);
	expect_anything();
	peer_sends(ACK | ECE, .seq = 1, .ack = 2001);
	assert_true(ladder_status().cwnd_bytes >= after * 7 / 10 + 1000 || ladder_status().cwnd_bytes >= after - 1000);
	assert_int_equal(ladder_status().retransmitted, 0);
	expect_anything();
}

static void test_ecn_slowing_down_is_said_with_new_text(void **state)
{
	bool said = false;

	(void)state;
	established_with_ecn();
	app_sends_bytes(30000);
	expect_anything();
	after_ms(20);
	peer_sends(ACK | ECE, .seq = 1, .ack = 5001);
	for (__u32 ack = 5001; ack < 20001 && !said; ack += 1000) {
		peer_sends(ACK, .seq = 1, .ack = ack);
		while (l.count) {
			struct wire_segment s = ladder_take(__FILE__, __LINE__);

			ladder_free_taken();
			if (s.length && !said) {
				assert_true(s.flags & CWR);
				said = true;
			} else {
				assert_false(s.flags & CWR);
			}
		}
	}
	assert_true(said);
}

/* 6.1.5: what is sent again is not capable. */
static void test_ecn_retransmission_is_not_capable(void **state)
{
	(void)state;
	established_with_ecn();
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x", .ecn = ECT_0);
	after_ms(1500);
	assert_int_equal(expect(ACK, .seq = 1, .ack = 1, .text = "x").ecn, NOT_ECT);
	expect_anything();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_ecn_agreed_on_marks_text_as_capable),
		ladder_test(test_ecn_not_wanted_by_the_peer_is_not_used),
		ladder_test(test_ecn_switched_off_is_not_agreed_on),
		ladder_test(test_ecn_reflected_by_the_peer_is_not_used),
		ladder_test(test_ecn_offered_and_agreed_on_is_used),
		ladder_test(test_ecn_mark_is_echoed_until_the_peer_slows_down),
		ladder_test(test_ecn_echo_slows_down_once_a_window),
		ladder_test(test_ecn_slowing_down_is_said_with_new_text),
		ladder_test(test_ecn_retransmission_is_not_capable),
	};

	return cmocka_run_group_tests_name("tcp_ecn", tests, NULL, NULL);
}
