// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h, keepalive probes that Synkeep sends in the owner's place: which segment of the peer's is the answer to one
 * and need not reach the owner, what tells that the peer lives, and what is learnt of the owner's segments for the next
 * probe. test_<state>_<stimulus>_<outcome>.
 */
#include "flow_fixture.h"

#define NOW_MS ((__u32)(NOW_NS / NSEC_PER_MSEC))
#define IPV4_FIRST 0x45000034U
#define IPV6_FIRST 0x60012345U
#define WITH_TIMESTAMPS_BYTES 52 /* IPv4, TCP, NOP, NOP, TIMESTAMPS */

/* Three probes are out, and the owner has sent nothing since. */
static struct flow flow_probed(struct flow f)
{
	f.probes = FLOW_PROBE_AWAITED | 3;
	f.probed_ms = NOW_MS - 20;
	f.rcv_seen_ms = NOW_MS - 60000;
	return f;
}

static struct segment answer_of_peer(const struct flow *f)
{
	struct segment s = segment_from_peer(f, ACK, 0);

	s.packet_bytes = WITH_TIMESTAMPS_BYTES;
	s.has_timestamps = true;
	s.tsval = f->rcv_tsval + 60000;
	s.ip_first = net32(IPV4_FIRST);
	return s;
}

/* --- the answer ----------------------------------------------------------------------------------------------------
 */

/* Counted, and the peer lives; TS.Recent stays as the owner has it. */
static void assert_answer(struct flow f, const struct segment *s)
{
	struct flow want = flow_taken(f, s, DIRECTION_RCV, f.state);

	want.probes = 0;
	assert_int_equal(judge(&f, s, DIRECTION_RCV), JUDGE_ANSWER);
	assert_flow_equal(&f, &want);
}

static void test_probed_answer_is_not_the_owners(void **state)
{
	static const flow_constructor probed_flows[] = { flow_in_established, flow_in_fin_wait_2, flow_in_close_wait };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(probed_flows); i++) {
		struct flow f = flow_probed(probed_flows[i]());
		struct segment s = answer_of_peer(&f);

		assert_answer(f, &s);
	}
}

static void test_probed_answer_over_ipv6_is_not_the_owners(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s = answer_of_peer(&f);

	(void)state;
	s.ip_first = net32(IPV6_FIRST);
	s.packet_bytes += 20;
	assert_answer(f, &s);
}

static void test_probed_answer_without_timestamps_where_none_are_used_is_not_the_owners(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s;

	(void)state;
	f.flags &= ~FLOW_TIMESTAMPS;
	s = answer_of_peer(&f);
	s.has_timestamps = false;
	s.packet_bytes = 40;
	assert_answer(f, &s);
}

/* What answers within the tick of the last segment, or of a peer whose clock stands still. */
static void test_probed_answer_with_the_last_timestamp_is_not_the_owners(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s = answer_of_peer(&f);

	(void)state;
	s.tsval = f.rcv_tsval;
	assert_answer(f, &s);
}

static void test_probed_answer_of_a_class_or_ecn_capable_is_not_the_owners(void **state)
{
	static const __u32 firsts[] = { 0x45b80034, 0x45010034, 0x45020034, 0x6b812345, 0x60112345, 0x60212345 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		struct flow f = flow_probed(flow_in_established());
		struct segment s = answer_of_peer(&f);

		s.ip_first = net32(firsts[i]);
		s.packet_bytes += firsts[i] >> 28 == 6 ? 20 : 0;
		assert_answer(f, &s);
	}
}

/* --- what is not the answer ----------------------------------------------------------------------------------------
 */

/* One thing that is otherwise than in the answer, or in the record. */
typedef void (*change)(struct flow *f, struct segment *s);

#define CHANGE(name, what)                                                                                             \
	static void name(struct flow *f, struct segment *s)                                                            \
	{                                                                                                              \
		(void)f;                                                                                               \
		(void)s;                                                                                               \
		what;                                                                                                  \
	}

CHANGE(owner_has_sent_since, f->probes &= ~FLOW_PROBE_AWAITED)
CHANGE(owner_is_not_there, f->flags |= FLOW_HANDOVER)
CHANGE(fin_waits_behind_the_edge, (f->flags |= FLOW_RCV_FIN_AHEAD, f->rcv_max = f->rcv_edge + 100))
CHANGE(data_waits_behind_a_hole, f->rcv_max = f->rcv_nxt + 100)
CHANGE(data_is_unacknowledged, f->snd_una--)
CHANGE(push, s->flags |= TCP_FLAG_PSH)
CHANGE(urgent, s->flags |= TCP_FLAG_URG)
CHANGE(congestion_echoed, s->flags |= TCP_FLAG_ECE)
CHANGE(window_reduced, s->flags |= TCP_FLAG_CWR)
CHANGE(fin, s->flags |= TCP_FLAG_FIN)
CHANGE(an_octet, (s->payload_bytes++, s->packet_bytes++))
CHANGE(number_before, s->seq--)
CHANGE(number_behind, s->seq++)
CHANGE(older_ack, s->ack--)
CHANGE(greater_window, s->window++)
CHANGE(smaller_window, s->window--)
CHANGE(timestamp_older_by_a_tick, s->tsval = f->rcv_tsval - 1)
CHANGE(timestamp_far_ahead, s->tsval = f->rcv_tsval + JUDGE_TSVAL_AHEAD_MAX + 1)
CHANGE(no_timestamps, (s->has_timestamps = false, s->packet_bytes -= 12))
CHANGE(timestamps_elsewhere, s->has_timestamps = false)
CHANGE(timestamps_not_agreed_on, f->flags &= ~FLOW_TIMESTAMPS)
CHANGE(further_options, s->packet_bytes += 12)
CHANGE(congestion_experienced, s->ip_first = net32(0x45030034))
CHANGE(congestion_experienced_ipv6, (s->ip_first = net32(0x60312345), s->packet_bytes += 20))
CHANGE(ipv6_headers, (s->ip_first = net32(IPV6_FIRST), s->packet_bytes += 28))

static const change changes[] = {
	owner_has_sent_since,
	owner_is_not_there,
	fin_waits_behind_the_edge,
	data_waits_behind_a_hole,
	data_is_unacknowledged,
	push,
	urgent,
	congestion_echoed,
	window_reduced,
	fin,
	an_octet,
	number_before,
	number_behind,
	older_ack,
	greater_window,
	smaller_window,
	timestamp_older_by_a_tick,
	timestamp_far_ahead,
	no_timestamps,
	timestamps_elsewhere,
	timestamps_not_agreed_on,
	further_options,
	congestion_experienced,
	congestion_experienced_ipv6,
	ipv6_headers,
};

/* They are acceptable, so the owner gets them, and the peer lives. */
static void test_probed_anything_else_is_the_owners(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct flow f = flow_probed(flow_in_established());
		struct segment s = answer_of_peer(&f);
		enum judgement judgement;

		changes[i](&f, &s);
		judgement = judge(&f, &s, DIRECTION_RCV);
		if (judgement != (changes[i] == number_before ? JUDGE_PROBE : JUDGE_TAKEN))
			fail_msg("change %zu: judgement %d", i, judgement);
		assert_int_equal(f.probes, 0);
		assert_int_equal(f.rcv_seen_ms, NOW_MS);
	}
}

/* TSvals go round in 49.7 days. No text comes in that time, which would move TS.Recent. */
static void test_probed_for_a_hundred_days_every_answer_shows_life(void **state)
{
	const __u32 idle_ms = 600000;
	struct flow f = flow_in_established();
	struct segment s = answer_of_peer(&f);
	__u32 taken = 0;

	(void)state;
	for (__u64 ms = 0; ms < 100 * 86400 * 1000ULL; ms += idle_ms) {
		enum judgement judgement;

		f.probes = FLOW_PROBE_AWAITED | 1;
		s.tsval += idle_ms;
		judgement = flow_judge(&f, &s, DIRECTION_RCV, NOW_NS + ms * NSEC_PER_MSEC, MSL_NS);
		assert_true(judgement_shows_life(judgement));
		taken += judgement == JUDGE_TAKEN;
	}
	assert_in_range(taken, 1, 10);
}

/* --- who lives -----------------------------------------------------------------------------------------------------
 */

static void test_found_dead_any_segment_clears_all(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s = segment_from_peer(&f, ACK, 100);

	(void)state;
	f.probes |= FLOW_PROBES_OVER | FLOW_PROBE_REFUSED;
	assert_int_equal(judge(&f, &s, DIRECTION_RCV), JUDGE_TAKEN);
	assert_int_equal(f.probes, 0);
}

static void test_probed_segment_that_is_refused_clears_nothing(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s = answer_of_peer(&f);

	(void)state;
	s.ack++;
	assert_refused(f, &s, JUDGE_BAD_ACK);
	s = answer_of_peer(&f);
	s.seq = f.rcv_edge + 1;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
	s.flags = RST;
	assert_refused(f, &s, JUDGE_OUT_OF_WINDOW);
}

/* It tells why the connection ended: the peer has been started anew. */
static void test_probed_rst_leaves_the_probes(void **state)
{
	struct flow f = flow_probed(flow_in_established()), want;
	struct segment s = segment_from_peer(&f, RST, 0);

	(void)state;
	want = flow_taken(f, &s, DIRECTION_RCV, TCPS_CLOSED);
	assert_taken(f, &s, DIRECTION_RCV, &want);
}

/* --- what the owner sends ------------------------------------------------------------------------------------------
 */

static void test_probed_own_segment_answer_is_the_owners(void **state)
{
	static const __u8 flags[] = { ACK, ACK | FIN, SYN | ACK, RST, RST | ACK };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct flow f = flow_probed(flow_in_established());
		struct segment s = segment_from_owner(&f, flags[i], 0);

		f.probes |= FLOW_PROBE_REFUSED | FLOW_PROBES_OVER;
		judge(&f, &s, DIRECTION_SND);
		assert_int_equal(f.probes, FLOW_PROBE_REFUSED | FLOW_PROBES_OVER | 3);
	}
}

/* Nor does it matter whether it is believed: it answers a forged segment, and its own answer may come. */
static void test_probed_own_rst_elsewhere_answer_is_the_owners(void **state)
{
	struct flow f = flow_probed(flow_in_established());
	struct segment s = segment_from_owner(&f, RST, 0);

	(void)state;
	s.seq += 5000;
	assert_int_equal(judge(&f, &s, DIRECTION_SND), JUDGE_OUT_OF_WINDOW);
	assert_int_equal(f.probes, 3);
}

/* --- what is learnt of the owner's segments ------------------------------------------------------------------------
 */

static const __u8 gateway[6] = { 2, 0, 0, 0, 0, 9 };

static struct flow flow_that_left_before(void)
{
	struct flow f = flow_in_established();

	memset(f.next_hop, 0xee, sizeof(f.next_hop));
	f.vlan_tci = 0xeeee;
	f.ip_first = 0xeeeeeeee;
	f.snd_seen_ms = 5;
	return f;
}

/* To the gateway, in VLAN 7. */
static struct segment segment_leaving(const struct flow *f, __u8 flags, __u32 payload_bytes)
{
	struct segment s = segment_from_owner(f, flags, payload_bytes);

	s.packet_bytes = payload_bytes + WITH_TIMESTAMPS_BYTES;
	s.has_timestamps = true;
	s.tsval = 70000;
	s.tsecr = f->rcv_tsval;
	s.ip_first = net32(IPV4_FIRST);
	memcpy(s.next_hop, gateway, sizeof(s.next_hop));
	s.vlan_tci = 7;
	return s;
}

static void take_way(struct flow *f, const struct segment *s)
{
	memcpy(f->next_hop, s->next_hop, sizeof(f->next_hop));
	f->vlan_tci = s->vlan_tci;
	f->ip_first = s->ip_first;
}

static void test_established_own_segment_way_is_learnt(void **state)
{
	static const __u32 payloads[] = { 0, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct flow f = flow_that_left_before(), want;
		struct segment s = segment_leaving(&f, ACK, payloads[i]);

		want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
		want.snd_nxt += payloads[i];
		want.snd_tsval = 70000;
		want.snd_seen_ms = NOW_MS;
		take_way(&want, &s);
		assert_taken(f, &s, DIRECTION_SND, &want);
	}
}

static void test_established_own_gso_super_packet_way_is_learnt(void **state)
{
	struct flow f = flow_that_left_before();
	struct segment s = segment_leaving(&f, ACK, 2500);

	(void)state;
	s.packets = 2;
	s.packet_bytes += WITH_TIMESTAMPS_BYTES;
	judge(&f, &s, DIRECTION_SND);
	assert_memory_equal(f.next_hop, gateway, sizeof(gateway));
}

/* Where the frame has gone is not known: not to where the last one went. */
static void test_established_own_segment_to_nowhere_way_is_forgotten(void **state)
{
	static const __u8 zeros[6];
	struct flow f = flow_that_left_before();
	struct segment s = segment_leaving(&f, ACK, 0);

	(void)state;
	memset(s.next_hop, 0, sizeof(s.next_hop));
	judge(&f, &s, DIRECTION_SND);
	assert_memory_equal(f.next_hop, zeros, sizeof(zeros));
}

/* With a signature, or with SACK blocks, which are not told apart; its timestamps are the owner's all the same. */
static void test_established_own_segment_with_further_options_way_stays(void **state)
{
	struct flow f = flow_that_left_before(), want;
	struct segment s = segment_leaving(&f, ACK, 0);

	(void)state;
	s.packet_bytes += 20;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.snd_tsval = 70000;
	want.snd_seen_ms = NOW_MS;
	assert_taken(f, &s, DIRECTION_SND, &want);
}

/* TSvals are reckoned from the time of the last that is known. */
static void test_established_own_segment_without_its_timestamps_time_stays(void **state)
{
	struct flow f = flow_that_left_before(), want;
	struct segment s = segment_leaving(&f, ACK, 0);

	(void)state;
	s.has_timestamps = false;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

static void test_established_own_segment_where_none_have_timestamps_time_and_way_are_learnt(void **state)
{
	struct flow f = flow_that_left_before(), want;
	struct segment s = segment_leaving(&f, ACK, 0);

	(void)state;
	f.flags &= ~FLOW_TIMESTAMPS;
	s.has_timestamps = false;
	s.packet_bytes = 40;
	want = flow_taken(f, &s, DIRECTION_SND, TCPS_ESTABLISHED);
	want.snd_seen_ms = NOW_MS;
	take_way(&want, &s);
	assert_taken(f, &s, DIRECTION_SND, &want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_probed_answer_is_not_the_owners),
		cmocka_unit_test(test_probed_answer_over_ipv6_is_not_the_owners),
		cmocka_unit_test(test_probed_answer_without_timestamps_where_none_are_used_is_not_the_owners),
		cmocka_unit_test(test_probed_answer_with_the_last_timestamp_is_not_the_owners),
		cmocka_unit_test(test_probed_answer_of_a_class_or_ecn_capable_is_not_the_owners),
		cmocka_unit_test(test_probed_anything_else_is_the_owners),
		cmocka_unit_test(test_probed_for_a_hundred_days_every_answer_shows_life),
		cmocka_unit_test(test_found_dead_any_segment_clears_all),
		cmocka_unit_test(test_probed_segment_that_is_refused_clears_nothing),
		cmocka_unit_test(test_probed_rst_leaves_the_probes),
		cmocka_unit_test(test_probed_own_segment_answer_is_the_owners),
		cmocka_unit_test(test_probed_own_rst_elsewhere_answer_is_the_owners),
		cmocka_unit_test(test_established_own_segment_way_is_learnt),
		cmocka_unit_test(test_established_own_gso_super_packet_way_is_learnt),
		cmocka_unit_test(test_established_own_segment_to_nowhere_way_is_forgotten),
		cmocka_unit_test(test_established_own_segment_with_further_options_way_stays),
		cmocka_unit_test(test_established_own_segment_without_its_timestamps_time_stays),
		cmocka_unit_test(test_established_own_segment_where_none_have_timestamps_time_and_way_are_learnt),
	};

	return run_over_flow_bases(tests);
}
