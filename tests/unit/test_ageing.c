// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ageing.h: what is due for a flow, and when, by its numbers and the time. Each test runs at several times of the
 * clock, whose milliseconds wrap every 50 days.
 */
#include "flow_fixture.h"
#include "ageing.h"

#define IDLE_MS 7200000U
#define INTERVAL_MS 75000U
#define PROBES 10

static const struct keepalive keepalive = { .idle_ms = IDLE_MS, .interval_ms = INTERVAL_MS, .probes = PROBES };
static const struct keepalive off = {};

#define WRAP_MS (1ULL << 32)

static const struct {
	const char *name;
	__u64 now_ms;
} times[] = {
	{ "ageing, an ordinary time", 100000000 },
	{ "ageing, just behind the wrap", WRAP_MS + 1000 },
	{ "ageing, the wrap within the idle time", WRAP_MS + IDLE_MS / 2 },
	{ "ageing, just before the wrap", WRAP_MS - 1 },
	{ "ageing, where the sign changes", WRAP_MS / 2 + 1000 },
};

static __u64 now_ms;
static __u64 now_ns;

/* Whose peer was last heard so long ago, with nothing in flight. */
static struct flow flow_silent_for(__u32 ms)
{
	struct flow f = flow_in_established();

	f.deadline_ns = now_ns + 5 * 86400 * NSEC_PER_SEC;
	f.rcv_seen_ms = (__u32)(now_ms - ms);
	f.next_hop[5] = 1;
	return f;
}

/* Asked so often, the last time so long ago. */
static struct flow flow_probed(__u32 probes, __u32 ago_ms)
{
	struct flow f = flow_silent_for(IDLE_MS + (probes & FLOW_PROBES_COUNT) * INTERVAL_MS + ago_ms);

	f.probes = probes;
	f.probed_ms = (__u32)(now_ms - ago_ms);
	return f;
}

/* What was never resumed: before all that the flow knows of. */
static __u32 long_ago_ms(void)
{
	return (__u32)(now_ms - 1000000000);
}

static void assert_due(const struct flow *f, enum age_due due)
{
	assert_int_equal(ageing_flow_due(f, &keepalive, long_ago_ms(), now_ns), due);
}

static void assert_due_in_ms(const struct flow *f, __u64 ms)
{
	assert_int_equal(ageing_flow_due_ns(f, &keepalive, long_ago_ms(), now_ns), now_ns + ms * NSEC_PER_MSEC);
}

/* Nothing but its deadline is ever due. */
static void assert_only_expires(const struct flow *f)
{
	assert_due(f, AGE_LATER);
	assert_int_equal(ageing_flow_due_ns(f, &keepalive, long_ago_ms(), now_ns), f->deadline_ns);
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

static void test_established_deadline_expires_at_it(void **state)
{
	struct flow f = flow_silent_for(0);

	(void)state;
	f.deadline_ns = now_ns + 1;
	assert_due(&f, AGE_LATER);
	assert_int_equal(ageing_flow_due_ns(&f, &keepalive, long_ago_ms(), now_ns), now_ns + 1);
	f.deadline_ns = now_ns;
	assert_due(&f, AGE_EXPIRED);
	f.deadline_ns = now_ns - 1;
	assert_due(&f, AGE_EXPIRED);
}

static void test_silent_deadline_passed_expires_before_all_else(void **state)
{
	struct flow f = flow_probed(PROBES | FLOW_PROBE_REFUSED, INTERVAL_MS);

	(void)state;
	f.deadline_ns = now_ns - 1;
	assert_due(&f, AGE_EXPIRED);
	assert_int_equal(ageing_flow_due_ns(&f, &keepalive, long_ago_ms(), now_ns), now_ns - 1);
}

/* --- who is asked ------------------------------------------------------------------------------------------------- */

static void test_states_silent_only_standing_ones_are_asked(void **state)
{
	(void)state;
	for (int s = 0; s < TCPS_COUNT; s++) {
		struct flow f = flow_silent_for(IDLE_MS);
		bool stands = s == TCPS_ESTABLISHED || s == TCPS_CLOSE_WAIT || s == TCPS_FIN_WAIT_2;

		f.state = s;
		if (stands)
			assert_due(&f, AGE_PROBE);
		else
			assert_only_expires(&f);
	}
}

static void test_established_keepalive_off_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	assert_int_equal(ageing_flow_due(&f, &off, long_ago_ms(), now_ns), AGE_LATER);
	assert_int_equal(ageing_flow_due_ns(&f, &off, long_ago_ms(), now_ns), f.deadline_ns);
}

static void test_established_of_daemons_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	f.owner = FLOW_OWNER_DAEMON;
	assert_only_expires(&f);
}

static void test_established_in_flight_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	f.snd_nxt++;
	assert_only_expires(&f);
}

static void test_established_zero_window_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	f.snd_wnd = 0;
	assert_only_expires(&f);
}

/* There is nothing to send it by; where many are, they would take the turns of others. */
static void test_established_way_not_known_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	memset(f.next_hop, 0, sizeof(f.next_hop));
	assert_only_expires(&f);
	for (__u32 i = 0; i < sizeof(f.next_hop); i++) {
		memset(f.next_hop, 0, sizeof(f.next_hop));
		f.next_hop[i] = 2;
		assert_due(&f, AGE_PROBE);
	}
}

static void test_established_handover_never_asked(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	f.flags |= FLOW_HANDOVER;
	assert_only_expires(&f);
	f.flags |= FLOW_QUEUED;
	assert_only_expires(&f);
}

/* A peer that connected and says nothing, to a listener that had room for it. */
static void test_established_handed_over_to_be_asked_is(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS);

	(void)state;
	f.flags |= FLOW_HANDOVER | FLOW_QUEUED | FLOW_KEEPALIVE;
	assert_due(&f, AGE_PROBE);
}

static void test_established_probes_over_never_asked(void **state)
{
	struct flow f = flow_probed(PROBES | FLOW_PROBES_OVER, INTERVAL_MS);

	(void)state;
	assert_only_expires(&f);
	f.probes |= FLOW_PROBE_REFUSED;
	assert_only_expires(&f);
}

/* --- when --------------------------------------------------------------------------------------------------------- */

static void test_established_idle_time_asked_at_its_end(void **state)
{
	struct flow f = flow_silent_for(IDLE_MS - 1);

	(void)state;
	assert_due(&f, AGE_LATER);
	assert_due_in_ms(&f, 1);
	f = flow_silent_for(IDLE_MS);
	assert_due(&f, AGE_PROBE);
	assert_due_in_ms(&f, 0);
	f = flow_silent_for(IDLE_MS + 1);
	assert_due(&f, AGE_PROBE);
	assert_due_in_ms(&f, 0);
	f = flow_silent_for(0);
	assert_due(&f, AGE_LATER);
	assert_due_in_ms(&f, IDLE_MS);
}

/* A hook on another CPU may have read a clock that is ahead. */
static void test_established_heard_in_the_future_counts_as_now(void **state)
{
	struct flow f = flow_silent_for(-5);

	(void)state;
	assert_due(&f, AGE_LATER);
	assert_due_in_ms(&f, IDLE_MS);
}

static void test_probed_each_interval_asked_at_its_end(void **state)
{
	(void)state;
	for (__u32 probes = 1; probes < PROBES; probes++) {
		struct flow f = flow_probed(probes | FLOW_PROBE_AWAITED, INTERVAL_MS - 1);

		assert_due(&f, AGE_LATER);
		assert_due_in_ms(&f, 1);
		f = flow_probed(probes | FLOW_PROBE_AWAITED, INTERVAL_MS);
		assert_due(&f, AGE_PROBE);
		assert_due_in_ms(&f, 0);
	}
}

static void test_probed_last_interval_dead_at_its_end(void **state)
{
	struct flow f = flow_probed(PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS - 1);

	(void)state;
	assert_due(&f, AGE_LATER);
	assert_due_in_ms(&f, 1);
	f = flow_probed(PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_due(&f, AGE_DEAD);
	f = flow_probed(PROBES + 1, INTERVAL_MS); /* the service asked for more of them once */
	assert_due(&f, AGE_DEAD);
}

static void test_probed_refused_due_at_once(void **state)
{
	struct flow f = flow_probed(1 | FLOW_PROBE_REFUSED, 0);

	(void)state;
	assert_due(&f, AGE_REFUSED);
	assert_due_in_ms(&f, 0);
}

/* The last moment: its socket is not to be closed any more. */
static void test_found_dead_peer_speaks_no_probes_are_out(void **state)
{
	static const __u32 dead[] = { PROBES | FLOW_PROBE_AWAITED, 1 | FLOW_PROBE_REFUSED, FLOW_PROBE_REFUSED };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(dead); i++) {
		struct flow f = flow_probed(dead[i], INTERVAL_MS);
		struct segment s = segment_from_peer(&f, ACK, 0);

		assert_true(ageing_are_probes_out(f.probes));
		flow_judge(&f, &s, DIRECTION_RCV, now_ns, MSL_NS);
		assert_false(ageing_are_probes_out(f.probes));
	}
}

static void test_established_deadline_before_probe_due_first(void **state)
{
	struct flow f = flow_silent_for(0);

	(void)state;
	f.deadline_ns = now_ns + IDLE_MS * NSEC_PER_MSEC - 1;
	assert_int_equal(ageing_flow_due_ns(&f, &keepalive, long_ago_ms(), now_ns), f.deadline_ns);
	f.deadline_ns += 2;
	assert_due_in_ms(&f, IDLE_MS);
}

/* --- a time in which nobody listened ------------------------------------------------------------------------------ */

static void test_probed_before_a_gap_asked_from_the_first(void **state)
{
	struct flow f = flow_probed(PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	__u32 resumed_ms = (__u32)(now_ms - INTERVAL_MS + 1);

	(void)state;
	assert_int_equal(ageing_probes(&f, resumed_ms), 0);
	assert_int_equal(ageing_flow_due(&f, &keepalive, resumed_ms, now_ns), AGE_PROBE);
}

static void test_probed_behind_a_gap_counts(void **state)
{
	struct flow f = flow_probed(3 | FLOW_PROBE_AWAITED, 1000);
	__u32 resumed_ms = (__u32)(now_ms - 1000);

	(void)state;
	assert_int_equal(ageing_probes(&f, resumed_ms), 3);
	assert_int_equal(ageing_flow_due(&f, &keepalive, resumed_ms, now_ns), AGE_LATER);
	assert_int_equal(ageing_flow_due_ns(&f, &keepalive, resumed_ms, now_ns),
			 now_ns + (INTERVAL_MS - 1000) * NSEC_PER_MSEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_established_deadline_expires_at_it),
		cmocka_unit_test(test_silent_deadline_passed_expires_before_all_else),
		cmocka_unit_test(test_states_silent_only_standing_ones_are_asked),
		cmocka_unit_test(test_established_keepalive_off_never_asked),
		cmocka_unit_test(test_established_of_daemons_never_asked),
		cmocka_unit_test(test_established_in_flight_never_asked),
		cmocka_unit_test(test_established_zero_window_never_asked),
		cmocka_unit_test(test_established_way_not_known_never_asked),
		cmocka_unit_test(test_established_handover_never_asked),
		cmocka_unit_test(test_established_handed_over_to_be_asked_is),
		cmocka_unit_test(test_established_probes_over_never_asked),
		cmocka_unit_test(test_established_idle_time_asked_at_its_end),
		cmocka_unit_test(test_established_heard_in_the_future_counts_as_now),
		cmocka_unit_test(test_probed_each_interval_asked_at_its_end),
		cmocka_unit_test(test_probed_last_interval_dead_at_its_end),
		cmocka_unit_test(test_probed_refused_due_at_once),
		cmocka_unit_test(test_found_dead_peer_speaks_no_probes_are_out),
		cmocka_unit_test(test_established_deadline_before_probe_due_first),
		cmocka_unit_test(test_probed_before_a_gap_asked_from_the_first),
		cmocka_unit_test(test_probed_behind_a_gap_counts),
	};
	int failed = 0;

	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		now_ms = times[i].now_ms;
		now_ns = now_ms * NSEC_PER_MSEC;
		failed += cmocka_run_group_tests_name(times[i].name, tests, NULL, NULL);
	}
	return failed;
}
