// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* When text is acknowledged (RFC 9293, 3.8.6.3; RFC 5681, 4.2), and with which timestamp (RFC 7323, 4.3). */
#include "tcp_ladder.h"

#define DELAY_MS 40

static void established_delaying(void)
{
	l.settings.delayed_ack_ms = DELAY_MS;
	tcb_established();
	/* The first texts of a connection may be acknowledged sooner. */
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 1000);
	after_ms(DELAY_MS + 5);
	assert_true(expect_anything() >= 1);
}

/* SHLD-18, MUST-40 */
static void test_ack_of_one_segment_is_delayed(void **state)
{
	(void)state;
	established_delaying();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 1000);
	expect_nothing();
	after_ms(DELAY_MS - 5);
	expect_nothing();
	after_ms(10);
	expect(ACK, .seq = 1, .ack = 2001);
	after_ms(1000);
	expect_nothing();
}

/* SHLD-19 */
static void test_ack_of_the_second_full_segment_is_not_delayed(void **state)
{
	(void)state;
	established_delaying();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 1000);
	expect_nothing();
	peer_sends(ACK, .seq = 2001, .ack = 1, .length = 1000);
	expect(ACK, .seq = 1, .ack = 3001);
	after_ms(1000);
	expect_nothing();
}

static void test_ack_goes_with_text(void **state)
{
	(void)state;
	established_delaying();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 100);
	app_sends("answer");
	expect(ACK, .seq = 1, .ack = 1101, .text = "answer");
	peer_sends(ACK, .seq = 1101, .ack = 7);
	after_ms(1000);
	expect_nothing();
}

/* MAY-13, 5681-4.2 */
static void test_ack_of_text_behind_a_hole_is_not_delayed(void **state)
{
	(void)state;
	established_delaying();
	peer_sends(ACK, .seq = 1101, .ack = 1, .length = 100);
	expect(ACK, .seq = 1, .ack = 1001);
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 50);
	expect(ACK, .seq = 1, .ack = 1051);
	peer_sends(ACK, .seq = 1051, .ack = 1, .length = 50);
	expect(ACK, .seq = 1, .ack = 1201);
}

static void test_ack_of_a_fin_is_not_delayed(void **state)
{
	(void)state;
	established_delaying();
	peer_sends(FIN | ACK, .seq = 1001, .ack = 1);
	expect(ACK, .seq = 1, .ack = 1002);
}

static void established_with_timestamps(void)
{
	l.offer.timestamps = true;
	established_delaying();
}

/* 7323-4.3: of the first that is not acknowledged, not of the last. */
static void test_ack_echoes_the_timestamp_of_the_earliest_segment(void **state)
{
	__u32 first;

	(void)state;
	established_with_timestamps();
	first = ladder_peer_tsval();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 1000);
	after_ms(5);
	peer_sends(ACK, .seq = 2001, .ack = 1, .length = 1000);
	expect(ACK, .seq = 1, .ack = 3001, .timestamps = true, .tsecr = first);
}

static void test_ack_echoes_the_last_timestamp_before_a_hole(void **state)
{
	__u32 before, filling;

	(void)state;
	established_with_timestamps();
	before = l.sent[(l.head + LADDER_QUEUE - 1) % LADDER_QUEUE].segment.tsecr;
	after_ms(5);
	peer_sends(ACK, .seq = 1101, .ack = 1, .length = 100);
	expect(ACK, .seq = 1, .ack = 1001, .timestamps = true, .tsecr = before);
	after_ms(5);
	filling = ladder_peer_tsval();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 100);
	expect(ACK, .seq = 1, .ack = 1201, .timestamps = true, .tsecr = filling);
}

/* 7323-3.2 */
static void test_ack_and_every_other_segment_has_timestamps(void **state)
{
	(void)state;
	established_with_timestamps();
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1001, .text = "x", .timestamps = true);
	app_shuts_down();
	expect(FIN | ACK, .seq = 2, .ack = 1001, .timestamps = true);
	after_ms(1500);
	assert_true(expect(ACK, .seq = 1, .ack = 1001, .text = "x").timestamps);
	expect_anything();
}

/* 7323-5.5: after 24 days TS.Recent says nothing. */
static void test_ack_of_a_timestamp_after_24_days_is_given(void **state)
{
	(void)state;
	l.settings.keepalive = false;
	established_with_timestamps();
	after_ns(25ULL * 86400 * NSEC_PER_SEC);
	expect_anything();
	peer_sends(ACK, .seq = 1001, .ack = 1, .length = 1000, .timestamps = true, .tsval = 1);
	assert_verdict(TCPV_TAKEN);
	after_ms(DELAY_MS + 5);
	expect(ACK, .seq = 1, .ack = 2001, .timestamps = true, .tsecr = 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_ack_of_one_segment_is_delayed),
		ladder_test(test_ack_of_the_second_full_segment_is_not_delayed),
		ladder_test(test_ack_goes_with_text),
		ladder_test(test_ack_of_text_behind_a_hole_is_not_delayed),
		ladder_test(test_ack_of_a_fin_is_not_delayed),
		ladder_test(test_ack_echoes_the_timestamp_of_the_earliest_segment),
		ladder_test(test_ack_echoes_the_last_timestamp_before_a_hole),
		ladder_test(test_ack_and_every_other_segment_has_timestamps),
		ladder_test(test_ack_of_a_timestamp_after_24_days_is_given),
	};

	return cmocka_run_group_tests_name("tcp_ack", tests, NULL, NULL);
}
