// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* RACK-TLP (RFC 8985): what is lost and when, the reordering window, and the tail loss probe. */
#include "sent_fixture.h"

#define MS NSEC_PER_MSEC

static bool find_losses(void)
{
	bool new_losses;
	__u64 due_ns = sent_find_losses(&sent, &rtt, now_ns, &new_losses);

	assert_int_equal(due_ns, sent_reordering_ns(&sent));
	return new_losses;
}

/* --- step 5: losses, and the timer ------------------------------------------------------------------------------- */

static void test_gap_waits_for_the_reordering_window(void **state)
{
	__u64 due;

	(void)state;
	send_new(3);
	wait_ms(RTT_MS);
	SACK(0, 1, 2);
	assert_marks(".s.");
	assert_false(result.new_losses);
	due = now_ns + RTT_MS / 4 * MS;
	assert_int_equal(sent_reordering_ns(&sent), due);
	now_ns = due - 1;
	assert_false(find_losses());
	assert_marks(".s.");
	now_ns = due;
	assert_true(find_losses());
	assert_marks("ls."); /* not what was sent behind it */
	assert_int_equal(sent_reordering_ns(&sent), 0);
	assert_false(find_losses());
}

static void test_gap_filled_the_timer_ends(void **state)
{
	(void)state;
	send_new(3);
	wait_ms(RTT_MS);
	SACK(0, 1, 2);
	assert_true(sent_reordering_ns(&sent));
	ACK(2);
	assert_int_equal(sent_reordering_ns(&sent), 0);
	assert_int_equal(sent.repair, SENT_NO_REPAIR);
}

static void test_gap_third_sacked_is_lost_at_once(void **state)
{
	(void)state;
	send_new(6);
	wait_ms(RTT_MS);
	SACK(0, 2, 4);
	assert_marks("..ss..");
	SACK(0, 2, 5);
	assert_true(result.new_losses);
	assert_marks("llsss.");
	SACK(0, 2, 6);
	assert_false(result.new_losses);
}

static void test_timed_out_gap_is_lost_at_once(void **state)
{
	(void)state;
	send_new(3);
	sent_time_out(&sent);
	for (__u32 i = 0; i < 3; i++)
		send_lost(i);
	wait_ms(RTT_MS);
	SACK(0, 1, 2);
	assert_true(result.new_losses);
	assert_marks("LSR");
}

static void test_sent_again_lost_again(void **state)
{
	(void)state;
	send_new(5);
	wait_ms(RTT_MS);
	SACK(0, 1, 4);
	send_lost(0);
	wait_ms(1);
	send_new(1);
	wait_ms(RTT_MS - 2);
	SACK(0, 1, 5); /* sent before it was sent again */
	assert_marks("Rssss.");
	wait_ms(1);
	SACK(0, 1, 6); /* sent behind that */
	assert_true(result.new_losses);
	assert_marks("Lsssss");
}

static void test_later_on_the_clock_comes_no_sooner(void **state)
{
	(void)state;
	send_new(1);
	wait_ms(5);
	send_new(2);
	wait_ms(RTT_MS);
	SACK(0, 2, 3); /* two wait: the timer is for both, and runs out when what RACK goes by would be due */
	assert_int_equal(sent_reordering_ns(&sent), now_ns + RTT_MS / 4 * MS);
	wait_ms(RTT_MS / 4 - 5);
	assert_true(find_losses()); /* somebody looked before: one is due, and the next is lost as in recovery */
	assert_marks("l.s");
	assert_true(find_losses());
	assert_marks("lls");
}

/* Within the same nanosecond the numbers decide: also where something was sent again after new data. */
static void test_sent_at_once_numbers_decide(void **state)
{
	(void)state;
	send_new(4);
	wait_ms(1);
	sent_time_out(&sent);
	send_new(1);
	send_lost(0);
	send_lost(1);
	sent_again(&sent, sent_at(&sent, sent.head + 3), now_ns);
	sent_again(&sent, sent_at(&sent, sent.head + 2), now_ns);
	wait_ms(RTT_MS);
	SACK(0, 2, 3);
	assert_marks("LLSR.");
	SACK(0, 2, 3, 4, 5);
	assert_marks("LLSLs");
}

static void test_without_sack_nothing_is_found(void **state)
{
	struct sent_ack ack;

	(void)state;
	send_new(3);
	wait_ms(RTT_MS);
	ack = ack_of(1, NULL, 0);
	ack.sack = false;
	sent_again(&sent, sent_first(&sent), now_ns - RTT_MS * MS);
	take(&ack);
	wait_ms(1000);
	assert_false(find_losses());
	assert_int_equal(sent_reordering_ns(&sent), 0);
}

/* --- step 2: what RACK goes by ----------------------------------------------------------------------------------- */

/* The second of two segments is sent again, and sacked some time after that, with an echo (0: none). */
static void sack_again(__u32 ms, __u32 echo_us)
{
	struct sent_ack ack;

	send_new(2);
	wait_ms(RTT_MS);
	sent_again(&sent, sent_last(&sent), now_ns);
	wait_ms(ms);
	ack = ack_of(0, (const __u32[]){ 1, 2 }, 1);
	ack.echo_rtt_us = echo_us;
	take(&ack);
}

static void test_sent_again_sacked_sooner_than_a_round_trip_was_the_first(void **state)
{
	(void)state;
	sack_again(RTT_MS - 1, 0);
	assert_int_equal(sent.rack_sent_ns, 0);
	assert_marks(".S");
}

static void test_sent_again_sacked_after_a_round_trip_was_the_second(void **state)
{
	(void)state;
	sack_again(RTT_MS, 0);
	assert_int_equal(sent.rack_sent_ns, now_ns - RTT_MS * MS);
	assert_int_equal(sent.rack_rtt_us, 1000 * RTT_MS);
	assert_int_equal(sent.rack_end, number(2));
}

static void test_sent_again_echo_from_before_was_the_first(void **state)
{
	(void)state;
	sack_again(RTT_MS, 1000 * RTT_MS + 2001);
	assert_int_equal(sent.rack_sent_ns, 0);
}

static void test_sent_again_echo_within_the_clock_was_the_second(void **state)
{
	(void)state;
	sack_again(RTT_MS, 1000 * RTT_MS + 2000);
	assert_int_equal(sent.rack_sent_ns, now_ns - RTT_MS * MS);
}

static void test_older_delivered_lengthens_the_round_trip_only(void **state)
{
	__u64 later;

	(void)state;
	send_new(1);
	wait_ms(1);
	later = now_ns;
	send_new(2);
	wait_ms(RTT_MS);
	SACK(0, 2, 3);
	wait_ms(2);
	ACK(1);
	assert_int_equal(sent.rack_sent_ns, later);
	assert_int_equal(sent.rack_end, number(3));
	assert_int_equal(sent.rack_rtt_us, 1000 * (RTT_MS + 3));
}

/* --- step 3: reordering ------------------------------------------------------------------------------------------ */

static void test_gap_filled_by_the_first_transmission_is_reordering(void **state)
{
	(void)state;
	send_new(4);
	wait_ms(RTT_MS);
	SACK(0, 2, 3);
	assert_false(sent.reordering);
	SACK(1, 2, 3);
	assert_true(sent.reordering);
}

static void test_gap_filled_by_the_second_transmission_is_not(void **state)
{
	(void)state;
	send_new(4);
	wait_ms(RTT_MS);
	SACK(0, 1, 4);
	send_lost(0);
	wait_ms(RTT_MS);
	ACK(4);
	assert_false(sent.reordering);
}

static void test_blocks_of_one_acknowledgement_are_not_reordering(void **state)
{
	(void)state;
	send_new(8);
	wait_ms(RTT_MS);
	SACK(1, 6, 7, 4, 5, 2, 3);
	assert_false(sent.reordering);
	SACK(1, 6, 7, 2, 5);
	assert_true(sent.reordering);
}

static void test_reordering_seen_losses_wait_for_the_window(void **state)
{
	(void)state;
	send_new(6);
	wait_ms(RTT_MS);
	sent.reordering = true;
	SACK(0, 1, 6);
	assert_marks(".sssss");
	wait_ms(RTT_MS / 4);
	assert_true(find_losses());
}

/* --- step 4: the window ------------------------------------------------------------------------------------------ */

/* How long a gap waits now, in quarters of the round trip. */
static __u32 window_quarters(void)
{
	return reordering_window_ns(&sent, &rtt) / (RTT_MS / 4 * MS);
}

static void test_duplicates_widen_the_window_once_a_round(void **state)
{
	(void)state;
	rtt.srtt_us = 10000 * RTT_MS;
	send_new(4);
	ACK(2);
	assert_int_equal(window_quarters(), 1);
	SACK(2, 0, 1);
	assert_int_equal(window_quarters(), 2);
	SACK(2, 1, 2);
	ACK(3);
	SACK(3, 0, 1);
	assert_int_equal(window_quarters(), 2);
	send_new(1);
	SACK(4, 0, 1);
	assert_int_equal(window_quarters(), 3);
	ACK(5);
	SACK(5, 4, 5); /* the round was up to what was sent by then */
	assert_int_equal(window_quarters(), 4);
}

static void test_duplicates_for_ever_window_is_a_round_trip(void **state)
{
	(void)state;
	for (__u32 i = 0; i < 300; i++) {
		send_new(1);
		ACK(i + 1);
		SACK(i + 1, i, i + 1);
	}
	assert_int_equal(reordering_window_ns(&sent, &rtt), 1000ULL * rtt.srtt_us);
	rtt.srtt_us = 1000000 * RTT_MS;
	assert_int_equal(window_quarters(), 256);
}

/* A loss and its repair, from one segment in flight at most. */
static void repair(void)
{
	send_new(1);
	sent_time_out(&sent);
	sent_again(&sent, sent_first(&sent), now_ns);
	wait_ms(RTT_MS);
	ACK(snd_una + 1);
}

static void test_recoveries_without_duplicates_narrow_it_after_16(void **state)
{
	(void)state;
	rtt.srtt_us = 10000 * RTT_MS;
	send_new(1);
	ACK(1);
	SACK(1, 0, 1);
	for (__u32 i = 0; i < 15; i++)
		repair();
	assert_int_equal(window_quarters(), 2);
	repair();
	assert_int_equal(window_quarters(), 1);
	repair();
	assert_int_equal(window_quarters(), 1);
}

static void test_no_round_trip_measured_window_is_of_the_segment(void **state)
{
	(void)state;
	rtt_init(&rtt);
	send_new(3);
	wait_ms(RTT_MS);
	SACK(0, 1, 2);
	assert_marks(".s.");
	assert_int_equal(sent_reordering_ns(&sent), now_ns + RTT_MS / 4 * MS);
}

/* --- repairs ----------------------------------------------------------------------------------------------------- */

static void test_recovery_ends_where_it_began_to_send(void **state)
{
	(void)state;
	send_new(4);
	wait_ms(RTT_MS);
	SACK(0, 1, 4);
	send_lost(0);
	send_new(2);
	wait_ms(RTT_MS);
	ACK(3);
	assert_int_equal(sent.repair, SENT_FAST_RECOVERY);
	ACK(4);
	assert_int_equal(sent.repair, SENT_NO_REPAIR);
	assert_false(result.new_losses);
}

static void test_recovery_ended_with_losses_behind_begins_anew(void **state)
{
	(void)state;
	send_new(4);
	wait_ms(RTT_MS);
	SACK(0, 1, 4);
	send_lost(0);
	send_new(4);
	wait_ms(RTT_MS);
	SACK(0, 1, 4, 5, 8);
	assert_marks("Lssslsss");
	send_lost(0);
	wait_ms(RTT_MS);
	SACK(4, 5, 8);
	assert_true(result.new_losses);
	assert_int_equal(sent.repair, SENT_FAST_RECOVERY);
	assert_int_equal(sent.repair_from, number(4));
	assert_int_equal(sent.repair_end, number(8));
}

/* --- the tail loss probe ----------------------------------------------------------------------------------------- */

static void test_flight_probe_after_two_round_trips(void **state)
{
	(void)state;
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
	send_new(2);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), now_ns + 2 * RTT_MS * MS);
	wait_ms(1);
	send_new(2);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), now_ns + 2 * RTT_MS * MS);
	wait_ms(RTT_MS);
	ACK(1);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), now_ns + 2 * RTT_MS * MS);
	wait_ms(1);
	ACK(1); /* does not advance */
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), now_ns + (2 * RTT_MS - 1) * MS);
	ACK(3); /* one left, whose acknowledgement may be delayed */
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), now_ns + (2 * RTT_MS + 200) * MS);
}

static void test_flight_no_probe_without_a_reason(void **state)
{
	(void)state;
	send_new(2);
	sent.sack = false;
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
	sent.sack = true;
	rtt.srtt_us = 0;
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
	rtt.srtt_us = 1000 * RTT_MS;
	assert_true(sent_probe_at_ns(&sent, &rtt));
	SACK(0, 1, 2);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
	sent_time_out(&sent);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
}

/* The last segment of so many goes out again as a probe. */
static void probe(__u32 count)
{
	send_new(count);
	wait_ms(2 * RTT_MS);
	sent_again(&sent, sent_last(&sent), now_ns);
	sent_probed(&sent, sent_last(&sent)->end, false);
	wait_ms(RTT_MS);
}

static void test_probe_out_no_other_one(void **state)
{
	(void)state;
	probe(2);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
	ACK(1);
	assert_int_equal(result.rtt_us, 3000 * RTT_MS);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0);
}

static void test_probe_of_new_data_acknowledged_tells_nothing(void **state)
{
	(void)state;
	send_new(2);
	wait_ms(2 * RTT_MS);
	send_new(1);
	sent_probed(&sent, number(3), true);
	wait_ms(RTT_MS);
	ACK(2);
	assert_true(sent.probe_out);
	ACK(3);
	assert_false(sent.probe_out);
	assert_false(result.probe_repaired);
	send_new(2);
	assert_true(sent_probe_at_ns(&sent, &rtt));
}

static void test_probe_told_a_duplicate_repaired_nothing(void **state)
{
	(void)state;
	probe(2);
	ACK(2);
	assert_true(sent.probe_out); /* which of the two came is not known yet */
	SACK(2, 0, 1);
	assert_true(sent.probe_out); /* another one's */
	assert_int_equal(sent.window_steps, 1);
	sent.window_steps = 0;
	sent.in_duplicate_round = false;
	SACK(2, 1, 2);
	assert_false(sent.probe_out);
	assert_false(result.probe_repaired);
	assert_int_equal(sent.window_steps, 0); /* no loss was taken for one by RACK */
}

static void test_probe_duplicate_acknowledged_repaired_nothing(void **state)
{
	struct sent_ack ack;

	(void)state;
	probe(2);
	ACK(2);
	ack = ack_of(2, NULL, 0);
	ack.is_duplicate = false; /* the peer's data */
	take(&ack);
	assert_true(sent.probe_out);
	ACK(2);
	assert_false(sent.probe_out);
	assert_false(result.probe_repaired);
}

static void test_probe_passed_without_a_duplicate_repaired_a_loss(void **state)
{
	(void)state;
	probe(2);
	ACK(2);
	assert_false(result.probe_repaired);
	send_new(2);
	wait_ms(RTT_MS);
	ACK(3);
	assert_true(result.probe_repaired);
	assert_false(sent.probe_out);
	ACK(4);
	assert_false(result.probe_repaired);
}

static void test_probe_sacked_finds_the_tail_lost(void **state)
{
	(void)state;
	probe(4);
	SACK(1, 3, 4);
	wait_ms(RTT_MS / 4);
	find_losses();
	assert_marks("llS");
	assert_false(sent.probe_out); /* a repair is under way */
}

static void test_probe_no_sample_since_no_other_one(void **state)
{
	(void)state;
	probe(1);
	ACK(1); /* by which transmission, nobody knows */
	assert_int_equal(result.rtt_us, 0);
	SACK(1, 0, 1);
	assert_false(sent.probe_out);
	send_new(2);
	assert_int_equal(sent_probe_at_ns(&sent, &rtt), 0); /* 7.3 */
	wait_ms(RTT_MS);
	ACK(2);
	assert_true(sent_probe_at_ns(&sent, &rtt));
}

static void test_probe_timed_out_is_over(void **state)
{
	(void)state;
	probe(2);
	sent_time_out(&sent);
	assert_false(sent.probe_out);
	send_lost(0);
	send_lost(1);
	wait_ms(RTT_MS);
	ACK(2);
	send_new(1);
	wait_ms(RTT_MS);
	ACK(3);
	assert_false(result.probe_repaired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_gap_waits_for_the_reordering_window),
		TEST(test_gap_filled_the_timer_ends),
		TEST(test_gap_third_sacked_is_lost_at_once),
		TEST(test_timed_out_gap_is_lost_at_once),
		TEST(test_sent_again_lost_again),
		TEST(test_later_on_the_clock_comes_no_sooner),
		TEST(test_sent_at_once_numbers_decide),
		TEST(test_without_sack_nothing_is_found),
		TEST(test_sent_again_sacked_sooner_than_a_round_trip_was_the_first),
		TEST(test_sent_again_sacked_after_a_round_trip_was_the_second),
		TEST(test_sent_again_echo_from_before_was_the_first),
		TEST(test_sent_again_echo_within_the_clock_was_the_second),
		TEST(test_older_delivered_lengthens_the_round_trip_only),
		TEST(test_gap_filled_by_the_first_transmission_is_reordering),
		TEST(test_gap_filled_by_the_second_transmission_is_not),
		TEST(test_blocks_of_one_acknowledgement_are_not_reordering),
		TEST(test_reordering_seen_losses_wait_for_the_window),
		TEST(test_duplicates_widen_the_window_once_a_round),
		TEST(test_duplicates_for_ever_window_is_a_round_trip),
		TEST(test_recoveries_without_duplicates_narrow_it_after_16),
		TEST(test_no_round_trip_measured_window_is_of_the_segment),
		TEST(test_recovery_ends_where_it_began_to_send),
		TEST(test_recovery_ended_with_losses_behind_begins_anew),
		TEST(test_flight_probe_after_two_round_trips),
		TEST(test_flight_no_probe_without_a_reason),
		TEST(test_probe_out_no_other_one),
		TEST(test_probe_of_new_data_acknowledged_tells_nothing),
		TEST(test_probe_told_a_duplicate_repaired_nothing),
		TEST(test_probe_duplicate_acknowledged_repaired_nothing),
		TEST(test_probe_passed_without_a_duplicate_repaired_a_loss),
		TEST(test_probe_sacked_finds_the_tail_lost),
		TEST(test_probe_no_sample_since_no_other_one),
		TEST(test_probe_timed_out_is_over),
	};

	return cmocka_run_group_tests_name("sent_rack", tests, NULL, NULL);
}
