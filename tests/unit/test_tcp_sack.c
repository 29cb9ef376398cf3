// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The SACK blocks that we send (RFC 2018, 4; RFC 2883). */
#include "tcp_ladder.h"

static void established_with_sack(void)
{
	l.offer.sack_permitted = true;
	tcb_established();
}

/* 2018-2 */
static void test_sack_blocks_are_not_sent_where_they_were_not_agreed_on(void **state)
{
	(void)state;
	tcb_established();
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 0);
}

static void test_sack_block_says_what_came_behind_a_hole(void **state)
{
	(void)state;
	established_with_sack();
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 11, 21 } });
	peer_sends(ACK, .seq = 21, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 11, 31 } });
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 31, .block_count = 0);
}

/* 2018-3: first the one that grew, then the others, the latest first; four at most. */
static void test_sack_first_block_is_of_the_segment_that_came_last(void **state)
{
	(void)state;
	established_with_sack();
	for (__u32 seq = 11; seq <= 91; seq += 20)
		peer_sends(ACK, .seq = seq, .ack = 1, .length = 10);
	for (int i = 0; i < 4; i++) {
		ladder_take(__FILE__, __LINE__);
		ladder_free_taken();
	}
	expect(ACK, .seq = 1, .ack = 1, .block_count = 4,
	       .blocks = { { 91, 101 }, { 71, 81 }, { 51, 61 }, { 31, 41 } });
	peer_sends(ACK, .seq = 41, .ack = 1, .length = 5);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 4,
	       .blocks = { { 31, 46 }, { 91, 101 }, { 71, 81 }, { 51, 61 } });
}

static void test_sack_blocks_beside_timestamps_are_three(void **state)
{
	(void)state;
	l.offer.timestamps = true;
	established_with_sack();
	for (__u32 seq = 11; seq <= 91; seq += 20)
		peer_sends(ACK, .seq = seq, .ack = 1, .length = 10);
	for (int i = 0; i < 4; i++) {
		ladder_take(__FILE__, __LINE__);
		ladder_free_taken();
	}
	expect(ACK, .seq = 1, .ack = 1, .block_count = 3, .blocks = { { 91, 101 }, { 71, 81 }, { 51, 61 } });
}

/* 2883: what came twice, below the acknowledgement; once. */
static void test_sack_block_says_what_came_twice(void **state)
{
	(void)state;
	established_with_sack();
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 20);
	expect(ACK, .seq = 1, .ack = 21, .block_count = 0);
	peer_sends(ACK, .seq = 1, .ack = 1, .length = 20);
	expect(ACK, .seq = 1, .ack = 21, .block_count = 1, .blocks = { { 1, 21 } });
	peer_sends(ACK, .seq = 31, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 21, .block_count = 1, .blocks = { { 31, 41 } });
}

/* 2883: behind a hole the block that it lies in follows. */
static void test_sack_block_of_a_duplicate_behind_a_hole_is_followed_by_its_block(void **state)
{
	(void)state;
	established_with_sack();
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 20);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 11, 31 } });
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 2, .blocks = { { 11, 21 }, { 11, 31 } });
}

static void test_sack_blocks_ride_on_text(void **state)
{
	(void)state;
	established_with_sack();
	peer_sends(ACK, .seq = 11, .ack = 1, .length = 10);
	expect(ACK, .seq = 1, .ack = 1, .block_count = 1, .blocks = { { 11, 21 } });
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x", .block_count = 1, .blocks = { { 11, 21 } });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_sack_blocks_are_not_sent_where_they_were_not_agreed_on),
		ladder_test(test_sack_block_says_what_came_behind_a_hole),
		ladder_test(test_sack_first_block_is_of_the_segment_that_came_last),
		ladder_test(test_sack_blocks_beside_timestamps_are_three),
		ladder_test(test_sack_block_says_what_came_twice),
		ladder_test(test_sack_block_of_a_duplicate_behind_a_hole_is_followed_by_its_block),
		ladder_test(test_sack_blocks_ride_on_text),
	};

	return cmocka_run_group_tests_name("tcp_sack", tests, NULL, NULL);
}
