// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an acknowledgement acknowledges, sacks, measures and ends; and duplicate acknowledgements, without SACK. */
#include "sent_fixture.h"

/* --- acknowledged ------------------------------------------------------------------------------------------------ */

static void test_in_flight_acknowledged_leaves(void **state)
{
	(void)state;
	send_new(4);
	ACK(3);
	assert_marks(".");
	assert_sums(SEGMENT, 0, 0);
	assert_int_equal(result.delivered_bytes, 3 * SEGMENT);
	assert_int_equal(sent_first(&sent)->seq, number(3));
	ACK(3);
	assert_int_equal(result.delivered_bytes, 0);
}

static void test_any_mark_acknowledged_leaves_its_sum(void **state)
{
	(void)state;
	send_new(7);
	wait_ms(RTT_MS);
	SACK(0, 1, 2, 4, 6);
	send_lost(0);
	assert_marks("Rsllss.");
	assert_sums(2 * SEGMENT, 3 * SEGMENT, 2 * SEGMENT);
	ACK(5);
	assert_marks("s.");
	assert_sums(SEGMENT, SEGMENT, 0);
	assert_int_equal(sent.sacked_count, 1);
	assert_int_equal(result.delivered_bytes, 3 * SEGMENT); /* the sacked ones were before */
	assert_null(sent_first_lost(&sent));
}

/* An acknowledgement that ends within a segment, in bytes from START. */
static void ack_bytes(__u32 bytes)
{
	struct sent_ack ack = ack_of(0, NULL, 0);

	ack.ack = START + bytes;
	take(&ack);
}

static void test_in_flight_acknowledged_within_a_segment_keeps_the_rest(void **state)
{
	(void)state;
	send_new(3);
	wait_ms(RTT_MS);
	ack_bytes(SEGMENT / 4);
	assert_sums(3 * SEGMENT - SEGMENT / 4, 0, 0);
	assert_int_equal(result.delivered_bytes, SEGMENT / 4);
	assert_int_equal(result.rtt_us, 0);
	assert_int_equal(sent_first(&sent)->seq, START + SEGMENT / 4);
	assert_int_equal(sent_first(&sent)->end, number(1));
	ACK(1);
	assert_int_equal(result.delivered_bytes, SEGMENT - SEGMENT / 4);
	assert_sums(2 * SEGMENT, 0, 0);
}

static void test_lost_acknowledged_within_a_segment_keeps_the_rest(void **state)
{
	(void)state;
	send_new(2);
	sent_time_out(&sent);
	ack_bytes(10);
	assert_marks("ll");
	assert_sums(0, 0, 2 * SEGMENT - 10);
	assert_int_equal(result.delivered_bytes, 10);
}

static void test_sacked_acknowledged_within_a_segment_is_not_delivered_again(void **state)
{
	(void)state;
	send_new(3);
	SACK(0, 1, 2);
	ack_bytes(SEGMENT + 10);
	assert_marks("s.");
	assert_sums(SEGMENT, SEGMENT - 10, 0);
	assert_int_equal(result.delivered_bytes, SEGMENT);
}

/* --- SACK -------------------------------------------------------------------------------------------------------- */

static void test_in_flight_blocks_mark_once(void **state)
{
	(void)state;
	send_new(9);
	SACK(0, 6, 8, 2, 3);
	assert_marks("llslllss.");
	assert_sums(SEGMENT, 3 * SEGMENT, 5 * SEGMENT);
	assert_int_equal(sent.sacked_count, 3);
	assert_int_equal(result.delivered_bytes, 3 * SEGMENT);
	SACK(0, 5, 9, 2, 3);
	assert_marks("llsllssss");
	assert_int_equal(result.delivered_bytes, 2 * SEGMENT);
	SACK(1, 2, 3, 5, 9);
	assert_marks("lsllssss");
	assert_int_equal(result.delivered_bytes, SEGMENT);
}

static void test_lost_sacked_is_not_lost(void **state)
{
	(void)state;
	send_new(5);
	wait_ms(RTT_MS);
	SACK(0, 2, 5);
	assert_marks("llsss");
	SACK(0, 1, 5);
	assert_marks("lssss");
	assert_sums(0, 4 * SEGMENT, SEGMENT);
}

/* A block in bytes from START. */
static void sack_bytes(__u32 start, __u32 end)
{
	struct sent_ack ack = ack_of(snd_una, NULL, 0);

	ack.blocks[0] = (struct sack_block){ START + start, START + end };
	ack.block_count = 1;
	take(&ack);
}

static void test_block_over_parts_marks_whole_segments_only(void **state)
{
	(void)state;
	send_new(5);
	sack_bytes(SEGMENT + 1, 4 * SEGMENT - 1);
	assert_marks("..s..");
	sack_bytes(3 * SEGMENT + 1, 4 * SEGMENT - 1);
	assert_marks("..s..");
}

static void test_block_of_nonsense_is_ignored(void **state)
{
	static const __u32 nonsense[][2] = {
		{ 400, 400 },	     /* nothing */
		{ 500, 300 },	     /* backwards */
		{ 200, 400 },	     /* begins at SEG.ACK: would have been acknowledged */
		{ 100, 400 },	     /* begins below */
		{ 300, 601 },	     /* beyond what was sent */
		{ 600, 700 },	     /* the same, wholly */
		{ 300, 0x80000000 }, /* far beyond */
		{ 0xc0000000, 100 }, /* a duplicate older than any window */
		{ 0x80000000, 400 }, /* from far below */
	};

	(void)state;
	send_new(6);
	ACK(2);
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++) {
		sack_bytes(nonsense[i][0], nonsense[i][1]);
		assert_marks("....");
		assert_false(result.duplicate_seen);
		assert_int_equal(result.delivered_bytes, 0);
	}
	sack_bytes(300, 600);
	assert_marks("lsss");
}

static void test_blocks_as_many_as_are_said(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(9);
	ack = ack_of(0, (const __u32[]){ 1, 2, 3, 4, 5, 6, 7, 8 }, 4);
	ack.block_count = 2;
	take(&ack);
	assert_marks(".s.s.....");
	ack.block_count = 4;
	take(&ack);
	assert_marks("lslslsls.");
	ack = ack_of(0, (const __u32[]){ 3, 4, 3, 4 }, 2);
	ack.block_count = 1;
	take(&ack);
	assert_false(result.duplicate_seen);
	ack = ack_of(1, (const __u32[]){ 0, 1 }, 1);
	ack.block_count = 0;
	take(&ack);
	assert_false(result.duplicate_seen);
}

static void test_blocks_without_sack_are_ignored(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(3);
	ack = ack_of(0, (const __u32[]){ 1, 2 }, 1);
	ack.sack = false;
	take(&ack);
	assert_marks("...");
	assert_false(sent.sack);
}

static void test_nothing_in_flight_blocks_are_ignored(void **state)
{
	(void)state;
	send_new(2);
	ACK(2);
	SACK(2, 3, 4, 5, 6);
	assert_sums(0, 0, 0);
}

/* A window of which a long run is sacked, an acknowledgement for each: the next one must not walk it. */
static void test_large_window_repeated_block_is_leapt_over(void **state)
{
	__u32 steps = 0;
	__u16 at;

	(void)state;
	send_new(10000);
	for (__u32 i = 2; i <= 9000; i++)
		SACK(0, 1, i);
	for (at = sent.head + 1; at != (__u16)(sent.head + 9000); at = sent_at(&sent, at)->later)
		steps++;
	assert_in_range(steps, 1, 20);
	assert_int_equal(sent.sacked_count, 8999);
}

/* --- D-SACK ------------------------------------------------------------------------------------------------------ */

static void test_first_block_acknowledged_is_a_duplicate(void **state)
{
	(void)state;
	send_new(6);
	ACK(2);
	SACK(2, 1, 2);
	assert_true(result.duplicate_seen);
	SACK(2, 0, 1, 4, 5);
	assert_true(result.duplicate_seen);
	assert_marks("..s.");
	SACK(2, 4, 5, 0, 1); /* told first, or not at all */
	assert_false(result.duplicate_seen);
}

static void test_first_block_in_the_second_is_a_duplicate(void **state)
{
	(void)state;
	send_new(9);
	SACK(0, 4, 5, 3, 6);
	assert_true(result.duplicate_seen);
	assert_marks("lllsss...");
	SACK(0, 3, 6, 3, 6);
	assert_true(result.duplicate_seen);
	SACK(0, 2, 6, 3, 6);
	assert_false(result.duplicate_seen);
	SACK(0, 3, 7, 3, 6);
	assert_false(result.duplicate_seen);
	SACK(0, 4, 5, 3, 10); /* what was not sent can not hold it */
	assert_false(result.duplicate_seen);
	SACK(0, 4, 5);
	assert_false(result.duplicate_seen);
}

static void test_all_sent_again_duplicate_was_spurious(void **state)
{
	(void)state;
	send_new(6);
	wait_ms(RTT_MS);
	SACK(0, 2, 5);
	assert_true(result.new_losses);
	send_lost(0);
	send_lost(1);
	wait_ms(1);
	ACK(6); /* the originals, late */
	assert_false(result.spurious);
	wait_ms(RTT_MS);
	SACK(6, 0, 1);
	assert_true(result.duplicate_seen);
	assert_false(result.spurious);
	SACK(6, 1, 2);
	assert_true(result.spurious);
	SACK(6, 1, 2);
	assert_false(result.spurious); /* said once */
}

static void test_sent_again_twice_one_duplicate_is_not_enough(void **state)
{
	(void)state;
	send_new(1);
	sent_time_out(&sent);
	send_lost(0);
	sent_time_out(&sent);
	send_lost(0);
	ACK(1);
	SACK(1, 0, 1);
	assert_false(result.spurious);
	SACK(1, 0, 1);
	assert_true(result.spurious);
}

static void test_duplicate_of_another_time_undoes_nothing(void **state)
{
	(void)state;
	send_new(2);
	ACK(2);
	send_new(2);
	sent_time_out(&sent);
	send_lost(2);
	ACK(4);
	send_new(1);
	ACK(5);
	SACK(5, 1, 2); /* before the repair */
	assert_false(result.spurious);
	SACK(5, 4, 5); /* behind it */
	assert_false(result.spurious);
	SACK(5, 2, 3);
	assert_true(result.spurious);
	send_new(1);
	sent_time_out(&sent); /* another repair counts anew */
	ACK(6);
	SACK(6, 5, 6);
	assert_false(result.spurious);
}

static void test_new_repair_forgets_what_the_last_one_sent(void **state)
{
	(void)state;
	send_new(1);
	sent_time_out(&sent);
	send_lost(0);
	ACK(1);
	send_new(1);
	sent_time_out(&sent);
	send_lost(1);
	ACK(2);
	SACK(2, 1, 2);
	assert_true(result.spurious);
}

/* --- round trips ------------------------------------------------------------------------------------------------- */

static void test_sent_once_acknowledged_measures_the_oldest(void **state)
{
	(void)state;
	send_new(1);
	wait_ms(10);
	send_new(1);
	wait_ms(30);
	ACK(2);
	assert_int_equal(result.rtt_us, 40000);
	ACK(2);
	assert_int_equal(result.rtt_us, 0);
}

static void test_sent_once_acknowledged_at_once_measures_something(void **state)
{
	(void)state;
	send_new(1);
	ACK(1);
	assert_int_equal(result.rtt_us, 1);
}

/* Karn (RFC 6298, 3): also nothing of what came with it, which may have waited for it. */
static void test_sent_twice_acknowledged_measures_nothing(void **state)
{
	(void)state;
	send_new(3);
	wait_ms(300);
	sent_time_out(&sent);
	send_lost(0);
	wait_ms(RTT_MS);
	ACK(3);
	assert_int_equal(result.rtt_us, 0);
}

static void test_sent_twice_acknowledged_the_timestamp_measures(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(2);
	wait_ms(300);
	sent_time_out(&sent);
	send_lost(0);
	wait_ms(RTT_MS);
	ack = ack_of(1, NULL, 0);
	ack.echo_rtt_us = 41000;
	take(&ack);
	assert_int_equal(result.rtt_us, 41000);
	ack = ack_of(1, NULL, 0);
	ack.snd_una = ack.ack; /* RFC 7323, 4.1: does not advance, so it may echo something old */
	ack.echo_rtt_us = 41000;
	take(&ack);
	assert_int_equal(result.rtt_us, 0);
}

static void test_sent_twice_echo_of_the_first_measures_nothing(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(2);
	wait_ms(300);
	sent_time_out(&sent);
	send_lost(0);
	send_lost(1);
	wait_ms(RTT_MS);
	ack = ack_of(1, NULL, 0);
	ack.echo_rtt_us = 1000 * RTT_MS + 2001;
	take(&ack);
	assert_int_equal(result.rtt_us, 0);
	ack = ack_of(2, NULL, 0);
	ack.echo_rtt_us = 1000 * RTT_MS + 2000; /* within the grain of the clock */
	take(&ack);
	assert_int_equal(result.rtt_us, 1000 * RTT_MS + 2000);
}

static void test_sacked_measures_the_latest_sent_once(void **state)
{
	(void)state;
	send_new(2);
	wait_ms(10);
	send_new(2);
	wait_ms(RTT_MS);
	SACK(0, 1, 3);
	assert_int_equal(result.rtt_us, 1000 * RTT_MS);
	wait_ms(100);
	ACK(2); /* the first one alone is new: but it fills the hole, and the second was measured */
	assert_int_equal(result.rtt_us, 1000 * (RTT_MS + 110));
	send_new(1);
	wait_ms(50);
	sent_again(&sent, sent_last(&sent), now_ns);
	wait_ms(RTT_MS);
	SACK(2, 4, 5);
	assert_int_equal(result.rtt_us, 0);
}

static void test_sacked_before_a_time_out_measures_nothing(void **state)
{
	(void)state;
	send_new(2);
	SACK(0, 1, 2);
	wait_ms(300);
	sent_time_out(&sent);
	SACK(0, 1, 2);
	assert_int_equal(result.rtt_us, 0);
	sent_time_out(&sent);
	ack_bytes(2 * SEGMENT);
	assert_int_equal(result.rtt_us, 300000); /* the first's, which was never sent again */
}

/* --- without SACK ------------------------------------------------------------------------------------------------ */

static void take_plain(__u32 segments, bool is_duplicate)
{
	struct sent_ack ack = ack_of(segments, NULL, 0);

	ack.sack = false;
	ack.is_duplicate = is_duplicate;
	take(&ack);
	snd_una = segments;
}

static void duplicates(__u32 count)
{
	for (__u32 i = 0; i < count; i++)
		take_plain(snd_una, true);
}

static void test_in_flight_third_duplicate_loses_the_first(void **state)
{
	(void)state;
	send_new(6);
	duplicates(2);
	take_plain(0, false); /* a window update, say */
	assert_marks("......");
	assert_int_equal(sent.duplicate_acks, 2);
	duplicates(1);
	assert_true(result.new_losses);
	assert_marks("l.....");
	duplicates(1);
	assert_false(result.new_losses);
	send_lost(0);
	duplicates(300);
	assert_marks("R.....");
	assert_int_equal(sent.duplicate_acks, 255);
}

static void test_duplicates_start_anew_where_it_advances(void **state)
{
	(void)state;
	send_new(6);
	duplicates(2);
	take_plain(1, false);
	duplicates(2);
	assert_marks(".....");
	duplicates(1);
	assert_marks("l....");
}

static void test_nothing_in_flight_duplicates_are_not_counted(void **state)
{
	(void)state;
	duplicates(2);
	send_new(1);
	duplicates(1);
	assert_marks(".");
}

static void test_recovery_partial_loses_the_next(void **state)
{
	(void)state;
	send_new(6);
	duplicates(3);
	send_lost(0);
	send_new(1);
	take_plain(2, false);
	assert_true(result.new_losses);
	assert_marks("l....");
	send_lost(2);
	take_plain(6, false); /* all that was sent before the loss */
	assert_false(result.new_losses);
	assert_marks(".");
	assert_int_equal(sent.repair, SENT_NO_REPAIR);
}

static void test_recovery_ended_its_duplicates_lose_nothing(void **state)
{
	(void)state;
	send_new(5);
	duplicates(3);
	send_lost(0);
	take_plain(5, false);
	send_new(4);
	duplicates(4); /* RFC 6582, 3.2, step 2 */
	assert_marks("....");
	take_plain(6, false);
	duplicates(3);
	assert_marks("l..");
}

static void test_timed_out_partial_and_duplicates_lose_nothing_more(void **state)
{
	(void)state;
	send_new(4);
	sent_time_out(&sent);
	send_lost(0);
	send_lost(1);
	take_plain(1, false);
	assert_false(result.new_losses);
	assert_marks("Rll");
	duplicates(3);
	assert_marks("Rll");
}

static void test_lost_first_partial_leaves_it(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(4);
	duplicates(3);
	ack = ack_of(0, NULL, 0);
	ack.sack = false;
	ack.ack = START + 10;
	take(&ack);
	assert_false(result.new_losses);
	assert_marks("l...");
	assert_sums(3 * SEGMENT, 0, SEGMENT - 10);
}

static void test_with_sack_duplicates_without_blocks_lose_nothing(void **state)
{
	(void)state;
	send_new(5);
	for (__u32 i = 0; i < 4; i++)
		ACK(0);
	assert_marks(".....");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_in_flight_acknowledged_leaves),
		TEST(test_any_mark_acknowledged_leaves_its_sum),
		TEST(test_in_flight_acknowledged_within_a_segment_keeps_the_rest),
		TEST(test_lost_acknowledged_within_a_segment_keeps_the_rest),
		TEST(test_sacked_acknowledged_within_a_segment_is_not_delivered_again),
		TEST(test_in_flight_blocks_mark_once),
		TEST(test_lost_sacked_is_not_lost),
		TEST(test_block_over_parts_marks_whole_segments_only),
		TEST(test_block_of_nonsense_is_ignored),
		TEST(test_blocks_as_many_as_are_said),
		TEST(test_blocks_without_sack_are_ignored),
		TEST(test_nothing_in_flight_blocks_are_ignored),
		TEST(test_large_window_repeated_block_is_leapt_over),
		TEST(test_first_block_acknowledged_is_a_duplicate),
		TEST(test_first_block_in_the_second_is_a_duplicate),
		TEST(test_all_sent_again_duplicate_was_spurious),
		TEST(test_sent_again_twice_one_duplicate_is_not_enough),
		TEST(test_duplicate_of_another_time_undoes_nothing),
		TEST(test_new_repair_forgets_what_the_last_one_sent),
		TEST(test_sent_once_acknowledged_measures_the_oldest),
		TEST(test_sent_once_acknowledged_at_once_measures_something),
		TEST(test_sent_twice_acknowledged_measures_nothing),
		TEST(test_sent_twice_acknowledged_the_timestamp_measures),
		TEST(test_sent_twice_echo_of_the_first_measures_nothing),
		TEST(test_sacked_measures_the_latest_sent_once),
		TEST(test_sacked_before_a_time_out_measures_nothing),
		TEST(test_in_flight_third_duplicate_loses_the_first),
		TEST(test_duplicates_start_anew_where_it_advances),
		TEST(test_nothing_in_flight_duplicates_are_not_counted),
		TEST(test_recovery_partial_loses_the_next),
		TEST(test_recovery_ended_its_duplicates_lose_nothing),
		TEST(test_timed_out_partial_and_duplicates_lose_nothing_more),
		TEST(test_lost_first_partial_leaves_it),
		TEST(test_with_sack_duplicates_without_blocks_lose_nothing),
	};

	return cmocka_run_group_tests_name("sent_ack", tests, NULL, NULL);
}
