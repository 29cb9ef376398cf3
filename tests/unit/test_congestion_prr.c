/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Proportional Rate Reduction: what may be sent while losses are repaired (RFC 9937). */
#include "congestion_fixture.h"

/* In recovery, RecoverFS 20 segments, ssthresh 14. */
static struct congestion congestion_in_recovery(void)
{
	struct congestion c = congestion_new();

	c.cwnd = 20 * MSS;
	congestion_enter_recovery(&c, 20 * MSS);
	return c;
}

struct flight {
	__u32 in_flight;
	__u32 sent; /* segments, since recovery began */
};

/* One segment less is in flight; then as many go as the window allows, whole ones. */
static void deliver(struct congestion *c, struct flight *flight, bool advanced, bool new_losses)
{
	flight->in_flight -= MSS;
	congestion_on_ack(c, &(struct congestion_ack){ .now_ns = NOW,
						       .acked_bytes = MSS,
						       .in_flight_bytes = flight->in_flight,
						       .window_limited = true,
						       .advanced = advanced,
						       .new_losses = new_losses });
	for (; flight->in_flight + MSS <= c->cwnd; flight->in_flight += MSS)
		flight->sent++;
}

static void test_recovery_much_in_flight_sends_in_proportion(void **state)
{
	struct congestion c = congestion_in_recovery();
	struct flight flight = { .in_flight = 19 * MSS };

	(void)state;
	deliver(&c, &flight, false, true);
	assert_int_equal(c.cwnd, 18 * MSS + 700);
	deliver(&c, &flight, false, false); /* 1,400 may be out, none is */
	assert_int_equal(c.cwnd, 17 * MSS + 1400);
	assert_int_equal(flight.sent, 1);
	deliver(&c, &flight, false, false); /* 2,100, and 1,000 is */
	assert_int_equal(c.cwnd, 17 * MSS + 1100);
	for (int i = 4; i <= 10; i++)
		deliver(&c, &flight, false, false);
	assert_int_equal(c.prr_delivered, 10 * MSS);
	assert_int_equal(flight.sent, 7);
}

static void test_recovery_new_losses_do_not_free_what_was_sent(void **state)
{
	struct congestion c = congestion_in_recovery();
	struct flight flight = { .in_flight = 19 * MSS };

	(void)state;
	for (int i = 1; i <= 3; i++)
		deliver(&c, &flight, false, false);
	assert_int_equal(flight.sent, 2); /* one of them now */
	flight.in_flight -= MSS;	  /* another segment is found lost: 2,800 may be out, and 2,000 is */
	deliver(&c, &flight, false, true);
	assert_int_equal(c.cwnd, flight.in_flight + 800);
	assert_int_equal(flight.sent, 2);
}

static void test_recovery_little_in_flight_sends_what_left_and_one_more(void **state)
{
	struct congestion c = congestion_in_recovery();
	struct flight flight = { .in_flight = 6 * MSS };

	(void)state;
	deliver(&c, &flight, false, true); /* conservation: one for one */
	assert_int_equal(c.cwnd, 6 * MSS);
	deliver(&c, &flight, true, true); /* further losses: as before */
	assert_int_equal(c.cwnd, 6 * MSS);
	deliver(&c, &flight, true, false); /* good progress: one more */
	assert_int_equal(c.cwnd, 7 * MSS);
	for (int i = 0; i < 20; i++)
		deliver(&c, &flight, true, false);
	assert_int_equal(c.cwnd, 14 * MSS); /* ssthresh */
	congestion_leave_recovery(&c);
	assert_int_equal(c.cwnd, 14 * MSS);
	assert_int_equal(c.phase, CONGESTION_OPEN);
}

static void test_recovery_sender_that_lagged_behind_may_catch_up(void **state)
{
	struct congestion c = congestion_in_recovery();

	(void)state;
	for (__u32 in_flight = 9; in_flight >= 5; in_flight--) { /* it had nothing to send */
		congestion_on_ack(&c,
				  &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = in_flight * MSS });
	}
	assert_int_equal(c.prr_out, 0);
	assert_int_equal(c.cwnd, 5 * MSS + 5 * MSS);
}

static void test_recovery_sender_with_little_to_send_is_counted(void **state)
{
	struct congestion c = congestion_in_recovery();

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = 10 * MSS, .in_flight_bytes = 9 * MSS });
	assert_int_equal(c.cwnd, 14 * MSS);
	/* It sent 500 bytes, and had no more. */
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = 8 * MSS + 500 });
	assert_int_equal(c.prr_out, 500);
}

static void test_recovery_second_one_counts_anew(void **state)
{
	struct congestion c = congestion_in_recovery();
	struct flight flight = { .in_flight = 6 * MSS };

	(void)state;
	for (int i = 0; i < 5; i++)
		deliver(&c, &flight, true, true);
	assert_int_equal(c.cwnd, 6 * MSS);
	congestion_leave_recovery(&c);
	assert_int_equal(c.cwnd, 14 * MSS);
	congestion_enter_recovery(&c, 20 * MSS);
	flight = (struct flight){ .in_flight = 19 * MSS };
	deliver(&c, &flight, false, false);
	assert_int_equal(c.cwnd, 18 * MSS + 490); /* 9,800 of 20,000 */
}

/* Less than a byte may be out: one. And what was out already does not come back. */
static void test_recovery_tiny_acks_are_rounded_up(void **state)
{
	struct congestion c = congestion_in_recovery();

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = 1, .in_flight_bytes = 19 * MSS });
	assert_int_equal(c.cwnd, 19 * MSS + 1);
	c = congestion_in_recovery();
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = 1, .in_flight_bytes = 14 * MSS });
	assert_int_equal(c.cwnd, 15 * MSS); /* fast retransmit: 1,000 are out, of 2 that may be */
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = 1, .in_flight_bytes = 15 * MSS - 1 });
	assert_int_equal(c.cwnd, 15 * MSS - 1);
}

static void test_recovery_first_ack_lets_one_segment_go(void **state)
{
	struct congestion c = congestion_in_recovery();

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .acked_bytes = MSS, .in_flight_bytes = 14 * MSS });
	assert_int_equal(c.cwnd, 15 * MSS);
}

static void test_recovery_ack_of_nothing_changes_nothing(void **state)
{
	struct congestion c = congestion_in_recovery(), before = c;

	(void)state;
	congestion_on_ack(&c, &(struct congestion_ack){ .in_flight_bytes = 5 * MSS, .window_limited = true });
	assert_memory_equal(&c, &before, sizeof(c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recovery_much_in_flight_sends_in_proportion),
		cmocka_unit_test(test_recovery_new_losses_do_not_free_what_was_sent),
		cmocka_unit_test(test_recovery_little_in_flight_sends_what_left_and_one_more),
		cmocka_unit_test(test_recovery_sender_that_lagged_behind_may_catch_up),
		cmocka_unit_test(test_recovery_sender_with_little_to_send_is_counted),
		cmocka_unit_test(test_recovery_second_one_counts_anew),
		cmocka_unit_test(test_recovery_tiny_acks_are_rounded_up),
		cmocka_unit_test(test_recovery_first_ack_lets_one_segment_go),
		cmocka_unit_test(test_recovery_ack_of_nothing_changes_nothing),
	};

	return cmocka_run_group_tests_name("congestion_prr", tests, NULL, NULL);
}
