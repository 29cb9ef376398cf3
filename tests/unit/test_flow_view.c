/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records as they are shown, and when they count as absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/flow_view.c"

#define NOW_NS (1000 * NSEC_PER_SEC)

static struct flow flow_established(void)
{
	return (struct flow){
		.state = TCPS_ESTABLISHED,
		.flags = FLOW_WSCALE | FLOW_SACK,
		.snd_wscale = 7,
		.rcv_wscale = 10,
		.mss = 1460,
		.irs = 100,
		.iss = 200,
		.rcv_nxt = 111,
		.snd_nxt = 222,
		.rcv_bytes = 3000,
		.snd_bytes = 4000,
		.rcv_packets = 3,
		.snd_packets = 4,
		.deadline_ns = NOW_NS + 60 * NSEC_PER_SEC,
		.born_s = 990,
		.rcv_seen_ms = 999500,
	};
}

static void test_live_shows_the_whole_record(void **state)
{
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_live(&view, &flow, NOW_NS));
	assert_int_equal(view.table, FLOW_TABLE_LIVE);
	assert_int_equal(view.state, TCPS_ESTABLISHED);
	assert_int_equal(view.left_ns, 60 * NSEC_PER_SEC);
	assert_int_equal(view.age_ns, 10 * NSEC_PER_SEC);
	assert_int_equal(view.idle_ns, 500 * NSEC_PER_MSEC);
	assert_int_equal(view.rcv_nxt, 111);
	assert_int_equal(view.snd_nxt, 222);
	assert_int_equal(view.rcv_bytes, 3000);
	assert_int_equal(view.snd_packets, 4);
}

static void test_live_shows_its_probes(void **state)
{
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_live(&view, &flow, NOW_NS));
	assert_int_equal(view.probes, 0);
	assert_false(view.probe_refused || view.peer_dead);
	flow.probes = 255 | FLOW_PROBE_AWAITED;
	flow_view_set_live(&view, &flow, NOW_NS);
	assert_int_equal(view.probes, 255);
	assert_false(view.probe_refused || view.peer_dead);
	flow.probes = 1 | FLOW_PROBE_REFUSED;
	flow_view_set_live(&view, &flow, NOW_NS);
	assert_int_equal(view.probes, 1);
	assert_true(view.probe_refused && !view.peer_dead);
	flow.probes = 10 | FLOW_PROBES_OVER;
	flow_view_set_live(&view, &flow, NOW_NS);
	assert_int_equal(view.probes, 10);
	assert_true(view.peer_dead && !view.probe_refused);
}

static void test_live_at_its_deadline_is_absent(void **state)
{
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_live(&view, &flow, flow.deadline_ns - 1));
	assert_false(flow_view_set_live(&view, &flow, flow.deadline_ns));
}

static void test_live_marked_dead_is_absent(void **state)
{
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	flow.lock = FLOW_LOCK_DEAD;
	assert_false(flow_view_set_live(&view, &flow, NOW_NS));
}

static void test_live_written_after_the_clock_was_read_is_not_old(void **state)
{
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	flow.born_s = 1001;
	flow.rcv_seen_ms = 1000001;
	assert_true(flow_view_set_live(&view, &flow, NOW_NS));
	assert_int_equal(view.age_ns, 0);
	assert_int_equal(view.idle_ns, 0);
}

static void test_live_idle_over_the_wrap_of_milliseconds(void **state)
{
	const __u64 wrap_ns = (1ULL << 32) * NSEC_PER_MSEC;
	struct flow flow = flow_established();
	struct flow_view view;

	(void)state;
	flow.rcv_seen_ms = UINT32_MAX - 999;
	flow.deadline_ns = wrap_ns + 60 * NSEC_PER_SEC;
	assert_true(flow_view_set_live(&view, &flow, wrap_ns + NSEC_PER_SEC));
	assert_int_equal(view.idle_ns, 2 * NSEC_PER_SEC);
}

static void test_half_open_is_one_past_its_initial_numbers(void **state)
{
	const struct half_open half = { .deadline_ns = NOW_NS + 1,
					.irs = UINT32_MAX,
					.iss = 7,
					.snd_nxt = 8,
					.state = TCPS_SYN_RECEIVED,
					.mss = 1220 };
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_half_open(&view, &half, NOW_NS));
	assert_int_equal(view.table, FLOW_TABLE_HALF);
	assert_int_equal(view.rcv_nxt, 0);
	assert_int_equal(view.snd_nxt, 8);
	assert_int_equal(view.mss, 1220);
	assert_int_equal(view.age_ns, 0);
	assert_false(flow_view_set_half_open(&view, &half, NOW_NS + 1));
}

/* What we offered is not agreed on, and the peer has no number yet. */
static void test_syn_sent_knows_only_our_side(void **state)
{
	const struct half_open half = { .deadline_ns = NOW_NS + 1,
					.iss = 7,
					.snd_nxt = 108,
					.flags = FLOW_OUTGOING | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_WSCALE,
					.rcv_wscale = 9,
					.state = TCPS_SYN_SENT };
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_half_open(&view, &half, NOW_NS));
	assert_int_equal(view.flags, FLOW_OUTGOING);
	assert_int_equal(view.rcv_nxt, 0);
	assert_int_equal(view.snd_nxt, 108);
}

static void test_direction_is_that_of_the_syn(void **state)
{
	(void)state;
	assert_string_equal(flow_view_direction(FLOW_OUTGOING | FLOW_SACK), "out");
	assert_string_equal(flow_view_direction(FLOW_COOKIE), "in");
}

static void test_ended_does_not_tell_of_shifts_it_has_not(void **state)
{
	const struct ended ended = { .deadline_ms = NOW_NS / NSEC_PER_MSEC + 1,
				     .state = TCPS_TIME_WAIT,
				     .flags = FLOW_WSCALE | FLOW_SACK | FLOW_COOKIE };
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_ended(&view, &ended, NOW_NS));
	assert_int_equal(view.table, FLOW_TABLE_ENDED);
	assert_int_equal(view.flags, FLOW_SACK | FLOW_COOKIE);
	assert_false(flow_view_set_ended(&view, &ended, NOW_NS + NSEC_PER_MSEC));
}

static void assert_ended(const struct ended *ended, __u64 now_ns, enum tcp_state state, __u64 left_ns)
{
	struct flow_view view = { .probes = 3, .peer_dead = true }; /* of what was shown before */

	assert_true(flow_view_set_ended(&view, ended, now_ns));
	assert_int_equal(view.state, state);
	assert_int_equal(view.left_ns, left_ns);
	assert_false(view.probes || view.peer_dead);
}

/* TIME-WAIT first; then, while the cookie that made it could make it again, CLOSED. */
static void test_ended_is_closed_from_2msl_on_until_its_cookie_is_stale(void **state)
{
	struct ended ended = { .state = TCPS_TIME_WAIT, .flags = FLOW_COOKIE };
	struct flow_view view;

	(void)state;
	ended_set_times(&ended, NOW_NS + 2 * NSEC_PER_SEC, NOW_NS + 9 * NSEC_PER_SEC);
	assert_ended(&ended, NOW_NS, TCPS_TIME_WAIT, 2 * NSEC_PER_SEC);
	assert_ended(&ended, NOW_NS + 2 * NSEC_PER_SEC - NSEC_PER_MSEC, TCPS_TIME_WAIT, NSEC_PER_MSEC);
	assert_ended(&ended, NOW_NS + 2 * NSEC_PER_SEC, TCPS_CLOSED, 7 * NSEC_PER_SEC);
	assert_ended(&ended, NOW_NS + 9 * NSEC_PER_SEC - NSEC_PER_MSEC, TCPS_CLOSED, NSEC_PER_MSEC);
	assert_false(flow_view_set_ended(&view, &ended, NOW_NS + 9 * NSEC_PER_SEC));
}

/* Of one that was reset, the mark of its cookie is all there is. */
static void test_ended_by_a_reset_is_closed_until_its_cookie_is_stale(void **state)
{
	struct ended ended = { .state = TCPS_CLOSED, .flags = FLOW_COOKIE };

	(void)state;
	ended_set_times(&ended, NOW_NS, NOW_NS + 9 * NSEC_PER_SEC);
	assert_ended(&ended, NOW_NS, TCPS_CLOSED, 9 * NSEC_PER_SEC);
}

/* Of one that ingress answers for, the initial numbers are no more. */
static void test_ended_of_the_daemon_has_no_initial_numbers(void **state)
{
	const struct ended ended = { .deadline_ms = NOW_NS / NSEC_PER_MSEC + 1,
				     .state = TCPS_TIME_WAIT,
				     .owner = FLOW_OWNER_DAEMON,
				     .handshake = 5,
				     .rcv_tsval = 77,
				     .rcv_nxt = 10,
				     .snd_nxt = 20 };
	struct flow_view view;

	(void)state;
	assert_true(flow_view_set_ended(&view, &ended, NOW_NS));
	assert_int_equal(view.irs, 0);
	assert_int_equal(view.iss, 0);
	assert_int_equal(view.rcv_nxt, 10);
	assert_int_equal(view.snd_nxt, 20);
}

static void test_key_ipv4_leaves_no_rest_of_ipv6(void **state)
{
	const struct flow6_key long_key = { .remote = { [15] = 9 }, .local = { [15] = 9 } };
	const struct flow4_key key = {
		.remote = { 192, 0, 2, 1 }, .local = { 10, 0, 0, 2 }, .remote_port = 5, .local_port = 80
	};
	const __u8 remote[16] = { 192, 0, 2, 1 }, local[16] = { 10, 0, 0, 2 };
	struct flow_view view;

	(void)state;
	flow_view_set_key(&view, FAMILY_IPV6, &long_key);
	flow_view_set_key(&view, FAMILY_IPV4, &key);
	assert_int_equal(view.family, FAMILY_IPV4);
	assert_memory_equal(view.remote, remote, sizeof(remote));
	assert_memory_equal(view.local, local, sizeof(local));
	assert_int_equal(view.remote_port, 5);
	assert_int_equal(view.local_port, 80);
}

static void test_event_shows_what_it_says(void **state)
{
	const struct flow_event event = {
		.tuple = { .remote = { 1, 2, 3, 4 },
			   .local = { 5, 6, 7, 8 },
			   .remote_port = 9,
			   .local_port = 10,
			   .family = FAMILY_IPV6 },
		.state = TCPS_CLOSE_WAIT,
		.owner = FLOW_OWNER_DAEMON,
		.flags = FLOW_OUTGOING | FLOW_COOKIE,
		.rcv_bytes = 1,
		.snd_bytes = 2,
		.rcv_packets = 3,
		.snd_packets = 4,
	};
	struct flow_view view;

	(void)state;
	memset(&view, 0xff, sizeof(view));
	flow_view_set_event(&view, &event);
	assert_memory_equal(view.remote, event.tuple.remote, sizeof(view.remote));
	assert_memory_equal(view.local, event.tuple.local, sizeof(view.local));
	assert_int_equal(view.state, event.state);
	assert_int_equal(view.owner, event.owner);
	assert_int_equal(view.family, event.tuple.family);
	assert_int_equal(view.remote_port, event.tuple.remote_port);
	assert_int_equal(view.local_port, event.tuple.local_port);
	assert_int_equal(view.flags, event.flags);
	assert_int_equal(view.rcv_bytes, event.rcv_bytes);
	assert_int_equal(view.snd_bytes, event.snd_bytes);
	assert_int_equal(view.rcv_packets, event.rcv_packets);
	assert_int_equal(view.snd_packets, event.snd_packets);
}

static void test_order_is_by_family_local_end_remote_end(void **state)
{
	const struct flow_view ascending[] = {
		{ .family = FAMILY_IPV4,
		  .local = { 10, 0, 0, 2 },
		  .local_port = 80,
		  .remote = { 9 },
		  .remote_port = 1 },
		{ .family = FAMILY_IPV4,
		  .local = { 10, 0, 0, 2 },
		  .local_port = 80,
		  .remote = { 9 },
		  .remote_port = 2 },
		{ .family = FAMILY_IPV4,
		  .local = { 10, 0, 0, 2 },
		  .local_port = 80,
		  .remote = { 200 },
		  .remote_port = 1 },
		{ .family = FAMILY_IPV4, .local = { 10, 0, 0, 2 }, .local_port = 443, .remote = { 1 } },
		{ .family = FAMILY_IPV4, .local = { 10, 0, 0, 3 }, .local_port = 80 },
		{ .family = FAMILY_IPV6 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++) {
		for (size_t j = 0; j < ARRAY_LEN(ascending); j++) {
			int order = flow_view_compare(&ascending[i], &ascending[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_live_shows_the_whole_record),
		cmocka_unit_test(test_live_shows_its_probes),
		cmocka_unit_test(test_live_at_its_deadline_is_absent),
		cmocka_unit_test(test_live_marked_dead_is_absent),
		cmocka_unit_test(test_live_written_after_the_clock_was_read_is_not_old),
		cmocka_unit_test(test_live_idle_over_the_wrap_of_milliseconds),
		cmocka_unit_test(test_half_open_is_one_past_its_initial_numbers),
		cmocka_unit_test(test_syn_sent_knows_only_our_side),
		cmocka_unit_test(test_direction_is_that_of_the_syn),
		cmocka_unit_test(test_ended_does_not_tell_of_shifts_it_has_not),
		cmocka_unit_test(test_ended_is_closed_from_2msl_on_until_its_cookie_is_stale),
		cmocka_unit_test(test_ended_by_a_reset_is_closed_until_its_cookie_is_stale),
		cmocka_unit_test(test_ended_of_the_daemon_has_no_initial_numbers),
		cmocka_unit_test(test_key_ipv4_leaves_no_rest_of_ipv6),
		cmocka_unit_test(test_event_shows_what_it_says),
		cmocka_unit_test(test_order_is_by_family_local_end_remote_end),
	};

	return cmocka_run_group_tests_name("flow_view", tests, NULL, NULL);
}
