// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The time of a worker's TCP: it goes on while the worker runs, and pauses while it stands still. */
#include "unit.h"

#include "../../user/daemon/running_clock.c"

#define BEGIN_NS (1000 * NSEC_PER_SEC + 7)
#define REST_NS (NSEC_PER_SEC / 2)

static void assert_lost(const struct running_clock *clock, __u64 seconds, __u64 stood_still)
{
	assert_int_equal(clock->lost_ns, seconds * NSEC_PER_SEC);
	assert_int_equal(clock->stood_still, stood_still);
}

/* A turn has been, and the worker means to be back after REST_NS. */
static struct running_clock resting(void)
{
	struct running_clock clock = {};

	assert_int_equal(running_clock_turn(&clock, BEGIN_NS), BEGIN_NS);
	running_clock_rest(&clock, REST_NS);
	return clock;
}

static void test_first_turn_is_never_late(void **state)
{
	struct running_clock clock = resting();

	(void)state;
	assert_lost(&clock, 0, 0);
}

static void test_rest_before_the_first_turn_is_none(void **state)
{
	struct running_clock clock = {};

	(void)state;
	running_clock_rest(&clock, REST_NS);
	assert_int_equal(running_clock_turn(&clock, BEGIN_NS), BEGIN_NS);
	assert_lost(&clock, 0, 0);
}

static void test_turn_in_time_loses_nothing(void **state)
{
	struct running_clock clock = resting();
	__u64 last_ns = BEGIN_NS + REST_NS + RUNNING_CLOCK_LATE_NS;

	(void)state;
	assert_int_equal(running_clock_turn(&clock, BEGIN_NS + 1), BEGIN_NS + 1);
	running_clock_rest(&clock, REST_NS);
	assert_int_equal(running_clock_turn(&clock, last_ns + 1), last_ns + 1);
	assert_lost(&clock, 0, 0);
}

static void test_late_turn_loses_what_it_is_late_by_in_whole_seconds(void **state)
{
	struct running_clock clock = resting();
	__u64 due_ns = BEGIN_NS + REST_NS;

	(void)state;
	assert_int_equal(running_clock_turn(&clock, due_ns + NSEC_PER_SEC + 1), due_ns + 1);
	assert_lost(&clock, 1, 1);
	running_clock_rest(&clock, REST_NS);
	due_ns += NSEC_PER_SEC + 1 + REST_NS;
	assert_int_equal(running_clock_turn(&clock, due_ns + 3600 * NSEC_PER_SEC + 999), due_ns + 999 - NSEC_PER_SEC);
	assert_lost(&clock, 3601, 2);
}

/* Stopped in the midst of a turn. */
static void test_turn_without_rest_is_late_from_the_one_before(void **state)
{
	struct running_clock clock = {};

	(void)state;
	running_clock_turn(&clock, BEGIN_NS);
	assert_int_equal(running_clock_turn(&clock, BEGIN_NS + 5 * NSEC_PER_SEC), BEGIN_NS);
	assert_lost(&clock, 5, 1);
}

static void test_tcps_time_never_runs_backwards(void **state)
{
	struct running_clock clock = {};
	__u64 series = 1, now_ns = BEGIN_NS, before_ns = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		__u64 tcp_ns = running_clock_turn(&clock, now_ns);

		assert_true(tcp_ns >= before_ns);
		before_ns = tcp_ns;
		running_clock_rest(&clock, unit_random(&series) % NSEC_PER_SEC);
		now_ns += unit_random(&series);
	}
	assert_true(clock.stood_still > 10000);
}

static struct running_clock that_lost(__u64 seconds)
{
	return (struct running_clock){ .lost_ns = seconds * NSEC_PER_SEC };
}

static void test_times_to_come_are_put_back(void **state)
{
	struct running_clock clock = that_lost(10);

	(void)state;
	assert_int_equal(running_clock_to_monotonic(&clock, 5), 10 * NSEC_PER_SEC + 5);
	assert_true(running_clock_to_monotonic(&clock, UINT64_MAX) == UINT64_MAX);
}

/* The record after mending is want, and nothing else was changed. */
static void assert_mended(struct tcp_record record, const struct tcp_record *want)
{
	struct running_clock clock = that_lost(10);

	running_clock_mend(&clock, &record);
	assert_memory_equal(&record, want, sizeof(record));
}

static void test_record_of_a_handshake_is_put_back(void **state)
{
	struct tcp_record record, want;

	(void)state;
	memset(&record, 0xab, sizeof(record));
	record.kind = TCP_RECORD_HALF_OPEN;
	record.half_open.deadline_ns = 20 * NSEC_PER_SEC;
	want = record;
	want.half_open.deadline_ns = 30 * NSEC_PER_SEC;
	assert_mended(record, &want);
}

static void test_record_of_a_flow_is_put_back(void **state)
{
	struct tcp_record record, want;

	(void)state;
	memset(&record, 0xab, sizeof(record));
	record.kind = TCP_RECORD_FLOW;
	record.flow.deadline_ns = 20 * NSEC_PER_SEC;
	record.flow.born_s = 15;
	record.flow.rcv_seen_ms = 0xfffffff0; /* its milliseconds wrap */
	want = record;
	want.flow.deadline_ns = 30 * NSEC_PER_SEC;
	want.flow.born_s = 25;
	want.flow.rcv_seen_ms = 10000 - 16;
	assert_mended(record, &want);
}

/* The mark is counted from the deadline. */
static void test_record_of_an_ended_one_is_put_back(void **state)
{
	struct tcp_record record, want;

	(void)state;
	memset(&record, 0xab, sizeof(record));
	record.kind = TCP_RECORD_ENDED;
	record.ended.deadline_ms = 20000;
	want = record;
	want.ended.deadline_ms = 30000;
	assert_mended(record, &want);
}

static void test_record_that_is_none_is_left(void **state)
{
	struct tcp_record record;

	(void)state;
	memset(&record, 0xab, sizeof(record));
	record.kind = TCP_RECORD_NONE;
	assert_mended(record, &record);
	record.kind = TCP_RECORD_LOST;
	assert_mended(record, &record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_turn_is_never_late),
		cmocka_unit_test(test_rest_before_the_first_turn_is_none),
		cmocka_unit_test(test_turn_in_time_loses_nothing),
		cmocka_unit_test(test_late_turn_loses_what_it_is_late_by_in_whole_seconds),
		cmocka_unit_test(test_turn_without_rest_is_late_from_the_one_before),
		cmocka_unit_test(test_tcps_time_never_runs_backwards),
		cmocka_unit_test(test_times_to_come_are_put_back),
		cmocka_unit_test(test_record_of_a_handshake_is_put_back),
		cmocka_unit_test(test_record_of_a_flow_is_put_back),
		cmocka_unit_test(test_record_of_an_ended_one_is_put_back),
		cmocka_unit_test(test_record_that_is_none_is_left),
	};

	return cmocka_run_group_tests_name("running_clock", tests, NULL, NULL);
}
