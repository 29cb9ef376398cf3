// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, timestamps of the peer's (RFC 7323): which one is kept to be echoed, and which tell that a segment is too
 * old. test_<state>_<stimulus>_<outcome>.
 */
#include "flow_fixture.h"

/* --- TS.Recent: 4.3 ----------------------------------------------------------------------------------------------- */

static void test_established_timestamp_of_the_next_octet_is_kept(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 100);

	(void)state;
	s.has_timestamps = true;
	s.tsval = 150;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1101);
	want.rcv_tsval = 150;
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_timestamp_behind_a_hole_is_not_kept(void **state)
{
	struct flow f = flow_in_established(), want;
	struct segment s = segment_from_peer(&f, ACK, 100);

	(void)state;
	s.seq = peer(1002);
	s.has_timestamps = true;
	s.tsval = 150;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_max = peer(1102);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* SEG.TSval >= TS.Recent, or a segment that was overtaken sets the clock back. */
static void test_established_older_timestamp_is_not_kept(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.has_timestamps = true;
	s.tsval = 99;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	assert_int_equal(f.rcv_tsval, 100);
}

static void test_established_refused_segment_keeps_no_timestamp(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_from_peer(&f, ACK, 0);

	(void)state;
	s.has_timestamps = true;
	s.tsval = 150;
	s.ack = f.snd_nxt + 1;
	assert_refused(f, &s, JUDGE_BAD_ACK);
}

/* --- PAWS: RFC 7323, 5.3 ------------------------------------------------------------------------------------------ */

/* TS.Recent is 100, and the peer was heard of a second ago. */
static struct flow flow_heard_of(flow_constructor constructor)
{
	struct flow f = constructor();

	f.rcv_seen_ms = NOW_NS / NSEC_PER_MSEC - 1000;
	return f;
}

static struct segment segment_stamped(const struct flow *f, __u8 flags, __u32 payload_bytes, __u32 tsval)
{
	struct segment s = segment_from_peer(f, flags, payload_bytes);

	s.has_timestamps = true;
	s.tsval = tsval;
	return s;
}

static void test_synchronized_older_timestamp_refused(void **state)
{
	const __u8 flags[] = { ACK, ACK | FIN, ACK | TCP_FLAG_PSH };
	const __u32 tsvals[] = { 98, 0, 0xffffffff, 100 - 0x7fffffff };

	(void)state;
	for (size_t i = 0; i < SYNCHRONIZED_FLOWS * ARRAY_LEN(flags) * ARRAY_LEN(tsvals); i++) {
		struct flow f = flow_heard_of(synchronized_flows[i % SYNCHRONIZED_FLOWS]);
		size_t rest = i / SYNCHRONIZED_FLOWS;
		struct segment s = segment_stamped(&f, flags[rest % 3], 10, tsvals[rest / 3]);

		assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	}
}

/* As Linux has it (TCP_PAWS_WINDOW). */
static void test_established_timestamp_older_by_a_tick_is_taken(void **state)
{
	struct flow f = flow_heard_of(flow_in_established), want;
	struct segment s = segment_stamped(&f, ACK, 10, 99);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_ESTABLISHED);
	want.rcv_nxt = peer(1011);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

static void test_established_newer_timestamp_over_the_wrap_is_taken(void **state)
{
	struct flow f = flow_heard_of(flow_in_established);
	struct segment s = segment_stamped(&f, ACK, 10, 5);

	(void)state;
	f.rcv_tsval = 0xfffffff0;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	assert_int_equal(f.rcv_tsval, 5);
}

/* RFC 7323, 5.2: a RST has no timestamp, or any. RFC 5961, 4: a SYN is challenged. */
static void test_established_older_timestamp_of_rst_and_syn_does_not_matter(void **state)
{
	struct flow f = flow_heard_of(flow_in_established), want;
	struct segment s = segment_stamped(&f, RST, 0, 1);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
	s.seq++;
	assert_refused(f, &s, JUDGE_CHALLENGED);
	s.flags = SYN | ACK;
	assert_refused(f, &s, JUDGE_CHALLENGED);
}

/* A probe that is behind is one of long ago, and no sign of life: Linux does not answer it. */
static void test_established_probe_with_older_timestamp_refused(void **state)
{
	struct flow f = flow_heard_of(flow_in_established);
	struct segment s = segment_stamped(&f, ACK, 0, 98);

	(void)state;
	s.seq = f.rcv_nxt - 1;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
}

static void test_established_older_timestamp_is_taken_where_none_is_agreed_on(void **state)
{
	struct flow f = flow_heard_of(flow_in_established);
	struct segment s = segment_stamped(&f, ACK, 10, 1);

	(void)state;
	f.flags &= ~FLOW_TIMESTAMPS;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
}

/* Some stacks begin with a TSval of 0, and go on with their clock. */
static void test_established_any_timestamp_is_taken_after_zero(void **state)
{
	struct flow f = flow_heard_of(flow_in_established);
	struct segment s = segment_stamped(&f, ACK, 10, 0x90000000);

	(void)state;
	f.rcv_tsval = 0;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
}

/* RFC 7323, 5.5: a clock may go half round while the peer says nothing. */
static void test_established_older_timestamp_after_a_long_silence_is_taken(void **state)
{
	struct flow f = flow_in_established();
	struct segment s = segment_stamped(&f, ACK, 10, 1);

	(void)state;
	f.rcv_seen_ms = (__u32)(NOW_NS / NSEC_PER_MSEC) - JUDGE_TIMESTAMP_LIFE_MS + 1;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	f.rcv_seen_ms--;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
}

/* What passed here and was lost behind has moved TS.Recent too far; the owner's next segment says so. */
static void test_established_owner_echoes_an_older_timestamp_which_is_then_right(void **state)
{
	struct flow f = flow_heard_of(flow_in_established);
	struct segment own = segment_from_owner(&f, ACK, 0), s = segment_stamped(&f, ACK, 10, 60);

	(void)state;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	own.has_timestamps = true;
	own.tsval = 201;
	own.tsecr = 50;
	judge(&f, &own, DIRECTION_SND);
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	assert_int_equal(f.rcv_tsval, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_established_timestamp_of_the_next_octet_is_kept),
		cmocka_unit_test(test_established_timestamp_behind_a_hole_is_not_kept),
		cmocka_unit_test(test_established_older_timestamp_is_not_kept),
		cmocka_unit_test(test_established_refused_segment_keeps_no_timestamp),
		cmocka_unit_test(test_synchronized_older_timestamp_refused),
		cmocka_unit_test(test_established_timestamp_older_by_a_tick_is_taken),
		cmocka_unit_test(test_established_newer_timestamp_over_the_wrap_is_taken),
		cmocka_unit_test(test_established_older_timestamp_of_rst_and_syn_does_not_matter),
		cmocka_unit_test(test_established_probe_with_older_timestamp_refused),
		cmocka_unit_test(test_established_older_timestamp_is_taken_where_none_is_agreed_on),
		cmocka_unit_test(test_established_any_timestamp_is_taken_after_zero),
		cmocka_unit_test(test_established_older_timestamp_after_a_long_silence_is_taken),
		cmocka_unit_test(test_established_owner_echoes_an_older_timestamp_which_is_then_right),
	};

	return run_over_flow_bases(tests);
}
