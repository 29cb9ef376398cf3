// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The scoreboard's entries: how they come, are cut, are lost, are sent again and go, and what they cost. */
#include "sent_fixture.h"

static void test_idle_adds_take_and_give_memory_back(void **state)
{
	(void)state;
	assert_int_equal(account.used_bytes, 0);
	send_new(1);
	assert_int_equal(account.used_bytes, sent.capacity * sizeof(struct sent_segment));
	send_new(99);
	assert_int_equal(sent.capacity, 128);
	assert_int_equal(account.used_bytes, 128 * sizeof(struct sent_segment));
	assert_sums(100 * SEGMENT, 0, 0);
	for (__u16 i = 0; i < 100; i++) {
		assert_int_equal(sent_at(&sent, sent.head + i)->seq, number(i));
		assert_int_equal(sent_at(&sent, sent.head + i)->end, number(i + 1));
		assert_int_equal(sent_at(&sent, sent.head + i)->sent_ns, now_ns);
	}
	ACK(99);
	assert_true(account.used_bytes);
	ACK(100);
	assert_int_equal(account.used_bytes, 0);
	assert_sums(0, 0, 0);
}

static void test_account_full_add_changes_nothing(void **state)
{
	(void)state;
	send_new(4);
	account.limit_bytes = account.used_bytes;
	assert_int_equal(sent_add(&sent, &account, number(4), number(5), now_ns), -ENOMEM);
	assert_marks("....");
	assert_sums(4 * SEGMENT, 0, 0);
	assert_int_equal(sent_last(&sent)->end, number(4));
	ACK(1);
	assert_int_equal(sent_add(&sent, &account, number(4), number(5), now_ns), 0); /* a place was left */
	assert_int_equal(sent_last(&sent)->end, number(5));
}

static void test_most_entries_one_more_is_refused(void **state)
{
	(void)state;
	send_new(SENT_SEGMENTS_MAX);
	assert_int_equal(sent_add(&sent, &account, number(SENT_SEGMENTS_MAX), 0, now_ns), -ENOMEM);
	assert_sums(SENT_SEGMENTS_MAX * SEGMENT, 0, 0);
	SACK(0, SENT_SEGMENTS_MAX - 1, SENT_SEGMENTS_MAX);
	assert_int_equal(sent.sacked_count, 1);
	ACK(SENT_SEGMENTS_MAX);
	assert_int_equal(account.used_bytes, 0);
}

static void test_free_gives_all_back(void **state)
{
	(void)state;
	send_new(5);
	SACK(0, 1, 4);
	sent_free(&sent, &account);
	assert_int_equal(account.used_bytes, 0);
	assert_sums(0, 0, 0);
	assert_null(sent_first(&sent));
	send_new(1); /* from number(0) on: nothing is known of what was */
	assert_marks(".");
	assert_int_equal(sent.sacked_count, 0);
}

static void test_idle_has_no_entries(void **state)
{
	(void)state;
	assert_null(sent_first(&sent));
	assert_null(sent_last(&sent));
	assert_null(sent_first_lost(&sent));
	sent_time_out(&sent);
	assert_int_equal(sent.repair, SENT_NO_REPAIR);
}

static void test_in_flight_first_and_last(void **state)
{
	(void)state;
	send_new(3);
	assert_int_equal(sent_first(&sent)->seq, number(0));
	assert_int_equal(sent_last(&sent)->seq, number(2));
	ACK(2);
	assert_ptr_equal(sent_first(&sent), sent_last(&sent));
	assert_null(sent_first_lost(&sent));
}

/* --- lost and sent again ----------------------------------------------------------------------------------------- */

static void test_lost_sent_again_in_order(void **state)
{
	(void)state;
	send_new(8);
	wait_ms(RTT_MS);
	SACK(0, 3, 4, 5, 8);
	assert_marks("lllslsss");
	assert_sums(0, 4 * SEGMENT, 4 * SEGMENT);
	send_lost(0);
	assert_sums(SEGMENT, 4 * SEGMENT, 3 * SEGMENT);
	send_lost(1);
	send_lost(2);
	send_lost(4);
	assert_null(sent_first_lost(&sent));
	assert_marks("RRRsRsss");
	assert_sums(4 * SEGMENT, 4 * SEGMENT, 0);
	assert_int_equal(sent_first(&sent)->sent_ns, now_ns);
}

static void test_found_lost_before_another_is_sent_again_first(void **state)
{
	(void)state;
	send_new(6);
	wait_ms(RTT_MS);
	SACK(0, 1, 2, 3, 6);
	send_lost(0);
	send_lost(2);
	wait_ms(RTT_MS);
	send_new(1);
	wait_ms(RTT_MS);
	SACK(0, 1, 2, 3, 7); /* what was sent again is lost again */
	assert_marks("LsLssss");
	send_lost(0);
	send_lost(2);
	assert_null(sent_first_lost(&sent));
}

static void test_in_flight_sent_again_counts_once(void **state)
{
	(void)state;
	send_new(3);
	wait_ms(5);
	sent_again(&sent, sent_last(&sent), now_ns);
	assert_marks("..R");
	assert_sums(3 * SEGMENT, 0, 0);
	assert_int_equal(sent_last(&sent)->sent_ns, now_ns);
	assert_int_equal(sent.undo_bytes, 0); /* a probe: nothing was taken for lost */
}

static void test_sacked_sent_again_stays_sacked(void **state)
{
	(void)state;
	send_new(3);
	SACK(0, 1, 2);
	sent_again(&sent, sent_at(&sent, sent.head + 1), now_ns);
	assert_marks(".S.");
	assert_sums(2 * SEGMENT, SEGMENT, 0);
}

static void test_time_out_forgets_sacks_and_loses_all(void **state)
{
	(void)state;
	send_new(6);
	wait_ms(RTT_MS);
	SACK(0, 4, 5);
	assert_marks("....s.");
	assert_true(sent_reordering_ns(&sent));
	sent_time_out(&sent);
	assert_marks("llllll");
	assert_sums(0, 0, 6 * SEGMENT);
	assert_int_equal(sent.sacked_count, 0);
	assert_int_equal(sent_reordering_ns(&sent), 0);
	send_lost(0);
	send_lost(1);
	wait_ms(RTT_MS);
	ACK(2);
	send_lost(2);
}

static void test_time_out_after_sending_again_starts_at_the_first(void **state)
{
	(void)state;
	send_new(3);
	sent_time_out(&sent);
	send_lost(0);
	send_lost(1);
	sent_time_out(&sent);
	assert_marks("LLl");
	assert_sums(0, 0, 3 * SEGMENT);
	send_lost(0);
}

static void test_time_out_twice_what_was_sacked_twice_is_delivered_once(void **state)
{
	(void)state;
	send_new(4);
	SACK(0, 1, 2);
	assert_int_equal(result.delivered_bytes, SEGMENT);
	sent_time_out(&sent);
	SACK(0, 1, 2);
	assert_int_equal(result.delivered_bytes, 0);
	assert_marks("lsll");
	sent_time_out(&sent);
	SACK(0, 1, 3);
	assert_int_equal(result.delivered_bytes, SEGMENT);
	sent_time_out(&sent);
	ACK(4);
	assert_int_equal(result.delivered_bytes, 2 * SEGMENT);
}

/* --- cut in two -------------------------------------------------------------------------------------------------- */

/* Cuts the entry at an index; the halves are where they have to be. */
static void split(__u16 index, __u32 length)
{
	struct sent_segment *segment = sent_at(&sent, sent.head + index), before = *segment;

	assert_int_equal(sent_split(&sent, &account, &segment, length), 0);
	assert_ptr_equal(segment, sent_at(&sent, sent.head + index));
	assert_int_equal(segment->seq, before.seq);
	assert_int_equal(segment->end, before.seq + length);
	segment = sent_at(&sent, sent.head + index + 1);
	assert_int_equal(segment->seq, before.seq + length);
	assert_int_equal(segment->end, before.end);
	assert_int_equal(segment->sent_ns, before.sent_ns);
	assert_int_equal(segment->flags, before.flags);
}

static void test_lost_split_is_sent_again_in_halves(void **state)
{
	(void)state;
	send_new(8);
	wait_ms(RTT_MS);
	SACK(0, 2, 5, 6, 8);
	assert_marks("llssslss");
	split(5, 30); /* what lies behind moves */
	assert_marks("llsssllss");
	split(1, 60); /* what lies before moves */
	assert_marks("lllsssllss");
	assert_sums(0, 5 * SEGMENT, 3 * SEGMENT);
	send_lost(0);
	assert_int_equal(sent_first_lost(&sent)->seq, number(1));
	sent_again(&sent, sent_first_lost(&sent), now_ns);
	assert_int_equal(sent_first_lost(&sent)->seq, number(1) + 60);
	sent_again(&sent, sent_first_lost(&sent), now_ns);
	assert_int_equal(sent_first_lost(&sent)->seq, number(5));
	assert_sums(2 * SEGMENT, 5 * SEGMENT, SEGMENT);
	wait_ms(RTT_MS);
	SACK(0, 2, 8); /* the leaps over what was sacked have moved too */
	assert_marks("RRRsssssss");
}

static void test_in_flight_split_keeps_the_order_of_sending(void **state)
{
	(void)state;
	send_new(2);
	wait_ms(1);
	send_new(4);
	split(4, 50);
	split(1, 50);
	assert_marks("........");
	assert_sums(6 * SEGMENT, 0, 0);
	wait_ms(RTT_MS - 1);
	SACK(0, 2, 4, 5, 6); /* the halves are overdue, each in its place */
	assert_marks("lllsslls");
}

static void test_alone_split_and_sent_again(void **state)
{
	(void)state;
	send_new(1);
	split(0, 10);
	split(0, 5);
	split(2, 20);
	assert_sums(SEGMENT, 0, 0);
	sent_again(&sent, sent_first(&sent), ++now_ns);
	assert_sums(SEGMENT, 0, 0);
	ACK(1);
	assert_sums(0, 0, 0);
	assert_int_equal(account.used_bytes, 0);
}

static void test_short_or_sacked_split_leaves_it(void **state)
{
	struct sent_segment *segment;

	(void)state;
	send_new(3);
	SACK(0, 1, 2);
	segment = sent_first(&sent);
	assert_int_equal(sent_split(&sent, &account, &segment, SEGMENT), 0);
	segment = sent_at(&sent, sent.head + 1);
	assert_int_equal(sent_split(&sent, &account, &segment, 10), 0);
	assert_int_equal(sent.count, 3);
}

static void test_account_full_split_changes_nothing(void **state)
{
	struct sent_segment *segment;

	(void)state;
	send_new(4);
	account.limit_bytes = account.used_bytes;
	segment = sent_first(&sent);
	assert_int_equal(sent_split(&sent, &account, &segment, 10), -ENOMEM);
	assert_int_equal(segment->end, number(1));
	assert_int_equal(sent.count, 4);
}

/* A smaller path MTU cuts one lost segment after the other: what is less moves, not the window behind. */
static void test_large_window_split_moves_the_shorter_side(void **state)
{
	__u16 tail_before, head_before;

	(void)state;
	send_new(10000);
	sent_time_out(&sent);
	tail_before = sent_tail(&sent);
	for (__u16 i = 0; i < 5; i++)
		split(2 * i, 50);
	assert_int_equal(sent_tail(&sent), tail_before);
	head_before = sent.head;
	split(sent.count - 1, 50);
	assert_int_equal(sent.head, head_before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_idle_adds_take_and_give_memory_back),
		TEST(test_account_full_add_changes_nothing),
		TEST(test_most_entries_one_more_is_refused),
		TEST(test_free_gives_all_back),
		TEST(test_idle_has_no_entries),
		TEST(test_in_flight_first_and_last),
		TEST(test_lost_sent_again_in_order),
		TEST(test_found_lost_before_another_is_sent_again_first),
		TEST(test_in_flight_sent_again_counts_once),
		TEST(test_sacked_sent_again_stays_sacked),
		TEST(test_time_out_forgets_sacks_and_loses_all),
		TEST(test_time_out_after_sending_again_starts_at_the_first),
		TEST(test_time_out_twice_what_was_sacked_twice_is_delivered_once),
		TEST(test_lost_split_is_sent_again_in_halves),
		TEST(test_in_flight_split_keeps_the_order_of_sending),
		TEST(test_alone_split_and_sent_again),
		TEST(test_short_or_sacked_split_leaves_it),
		TEST(test_account_full_split_changes_nothing),
		TEST(test_large_window_split_moves_the_shorter_side),
	};

	return cmocka_run_group_tests_name("sent", tests, NULL, NULL);
}
