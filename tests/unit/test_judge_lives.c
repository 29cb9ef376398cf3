// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * judge.h over whole lives of connections. A life is a ladder: a rung is a segment, what the judge says of it and what
 * the record must be after it. Numbers are relative, as in flow_fixture.h; PEER and OWNER say who sends.
 */
#include "flow_fixture.h"

#define PEER DIRECTION_RCV
#define OWNER DIRECTION_SND
#define AHEAD FLOW_RCV_FIN_AHEAD
#define RFIN FLOW_RCV_FIN
#define SFIN FLOW_SND_FIN
#define SRST FLOW_SND_RST

struct rung {
	enum direction sender;
	__u8 flags;
	__u32 seq, ack, bytes;
	enum judgement judgement;
	/* after it */
	enum tcp_state state;
	__u32 rcv_nxt, rcv_wup, snd_nxt, snd_una;
	__u16 fins; /* those of AHEAD, RFIN and SFIN that are set */
};

/* What a rung says of the record, and what follows from the segment by its nature. */
static void expect_rung(struct flow *want, const struct rung *r, const struct segment *s, __u64 now_ns)
{
	bool taken = r->judgement == JUDGE_TAKEN, resets = s->flags & RST;
	__u32 edge = s->ack + ((__u32)s->window << OWN_WSCALE);

	if (taken && r->sender == PEER && !resets) {
		want->snd_wnd = s->window;
		if ((s->flags & FIN) && !(want->flags & RFIN))
			want->rcv_max = s->seq + s->payload_bytes;
		else if (s->payload_bytes && seq_after(s->seq, want->rcv_nxt) && !(want->flags & (AHEAD | RFIN)))
			want->rcv_max = seq_max(want->rcv_max, s->seq + s->payload_bytes);
	}
	if (taken && r->sender == OWNER && !resets) {
		want->flags &= ~FLOW_HANDOVER;
		want->rcv_wnd = s->window;
		if (seq_after(edge, want->rcv_edge))
			want->rcv_edge = edge;
		if (s->flags & FIN)
			want->snd_fin = s->seq + s->payload_bytes;
	}
	*want = flow_counted(*want, s, r->sender);
	want->state = r->state;
	want->rcv_nxt = peer(r->rcv_nxt);
	want->rcv_wup = peer(r->rcv_wup);
	want->snd_nxt = own(r->snd_nxt);
	want->snd_una = own(r->snd_una);
	want->flags = (want->flags & ~(AHEAD | RFIN | SFIN)) | r->fins;
	if (taken || r->judgement == JUDGE_PROBE) {
		want->deadline_ns = now_ns + lifetime_s(r->state, want->flags) * NSEC_PER_SEC;
		if (r->sender == PEER)
			want->rcv_seen_ms = now_ns / NSEC_PER_MSEC;
	}
}

/* Climbs the ladder from a flow, a second a rung. */
static void climb(struct flow f, const struct rung *rungs, size_t count)
{
	struct flow want = f;

	for (size_t i = 0; i < count; i++) {
		const struct rung *r = &rungs[i];
		__u64 now_ns = NOW_NS + i * NSEC_PER_SEC;
		struct segment s = {
			.seq = r->sender == PEER ? peer(r->seq) : own(r->seq),
			.ack = r->sender == PEER ? own(r->ack) : peer(r->ack),
			.payload_bytes = r->bytes,
			.packet_bytes = 52 + r->bytes,
			.packets = 1,
			.window = 600 + i,
			.flags = r->flags,
		};
		enum judgement judgement = flow_judge(&f, &s, r->sender, now_ns, MSL_NS);

		expect_rung(&want, r, &s, now_ns);
		if (judgement != r->judgement || memcmp(&f, &want, sizeof(f)))
			print_message("the ladder breaks at rung %zu\n", i + 1);
		assert_int_equal(judgement, r->judgement);
		assert_flow_equal(&f, &want);
	}
}

#define assert_life(flow, ...)                                                                                         \
	do {                                                                                                           \
		const struct rung rungs_[] = { __VA_ARGS__ };                                                          \
		climb(flow, rungs_, ARRAY_LEN(rungs_));                                                                \
	} while (0)

/* clang-format off */

/* A request, an answer that closes, the peer's FIN: a web server's day. */
static void test_life_open_by_cookie_data_closed_by_owner(void **state)
{
	(void)state;
	assert_life(flow_in_syn_received(),
/*	  who    flags       seq   ack bytes  judgement      state            rcv_nxt  wup snd_nxt una  fins */
	{ PEER,  ACK,          1,    1,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,        1,   1,     1,    1, 0 },
	{ PEER,  ACK,          1,    1,  300, JUDGE_TAKEN, TCPS_ESTABLISHED,      301,   1,     1,    1, 0 },
	{ OWNER, ACK,          1,  301,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,      301, 301,     1,    1, 0 },
	{ OWNER, ACK,          1,  301, 1400, JUDGE_TAKEN, TCPS_ESTABLISHED,      301, 301,  1401,    1, 0 },
	{ OWNER, ACK | FIN, 1401,  301,  600, JUDGE_TAKEN, TCPS_FIN_WAIT_1,       301, 301,  2002,    1, SFIN },
	{ PEER,  ACK,        301, 1401,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_1,       301, 301,  2002, 1401, SFIN },
	{ PEER,  ACK,        301, 2002,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_2,       301, 301,  2002, 2002, SFIN },
	{ PEER,  ACK | FIN,  301, 2002,    0, JUDGE_TAKEN, TCPS_TIME_WAIT,        302, 301,  2002, 2002, SFIN | RFIN });
}

/* The first ACK was lost: the data opens, and the peer closes first. */
static void test_life_opened_by_data_closed_by_peer(void **state)
{
	(void)state;
	assert_life(flow_in_syn_received(),
	{ PEER,  ACK,          1,    1,  300, JUDGE_TAKEN, TCPS_ESTABLISHED,      301,   1,     1,    1, 0 },
	{ OWNER, ACK,          1,  301, 1000, JUDGE_TAKEN, TCPS_ESTABLISHED,      301, 301,  1001,    1, 0 },
	{ PEER,  ACK | FIN,  301, 1001,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,       302, 301,  1001, 1001, RFIN },
	{ OWNER, ACK,       1001,  302,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,       302, 302,  1001, 1001, RFIN },
	{ OWNER, ACK | FIN, 1001,  302,    0, JUDGE_TAKEN, TCPS_LAST_ACK,         302, 302,  1002, 1001, RFIN | SFIN },
	{ PEER,  ACK,        302, 1002,    0, JUDGE_TAKEN, TCPS_CLOSED,           302, 302,  1002, 1002, RFIN | SFIN });
}

/* The peer has closed its half; the owner goes on sending, some of it twice. */
static void test_life_half_closed_by_peer_data_follows(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK | FIN, 1001, 2001,  100, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1102, 1001, 2001, 2001, RFIN },
	{ OWNER, ACK,       2001, 1102, 1000, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1102, 1102, 3001, 2001, RFIN },
	{ OWNER, ACK,       2001, 1102, 1000, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1102, 1102, 3001, 2001, RFIN },
	{ PEER,  ACK,       1102, 3001,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1102, 1102, 3001, 3001, RFIN },
	{ OWNER, ACK,       3001, 1102,  500, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1102, 1102, 3501, 3001, RFIN },
	{ OWNER, ACK | FIN, 3501, 1102,    0, JUDGE_TAKEN, TCPS_LAST_ACK,        1102, 1102, 3502, 3001, RFIN | SFIN },
	{ PEER,  ACK,       1102, 3501,    0, JUDGE_TAKEN, TCPS_LAST_ACK,        1102, 1102, 3502, 3501, RFIN | SFIN },
	{ PEER,  ACK,       1102, 3502,    0, JUDGE_TAKEN, TCPS_CLOSED,          1102, 1102, 3502, 3502, RFIN | SFIN });
}

/* The owner has closed its half; the peer goes on sending. */
static void test_life_half_closed_by_owner_data_follows(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ OWNER, ACK | FIN, 2001, 1001,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_1,      1001, 1001, 2002, 2001, SFIN },
	{ PEER,  ACK,       1001, 2002, 1000, JUDGE_TAKEN, TCPS_FIN_WAIT_2,      2001, 1001, 2002, 2002, SFIN },
	{ OWNER, ACK,       2002, 2001,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_2,      2001, 2001, 2002, 2002, SFIN },
	{ PEER,  ACK,       2001, 2002, 1000, JUDGE_TAKEN, TCPS_FIN_WAIT_2,      3001, 2001, 2002, 2002, SFIN },
	{ PEER,  ACK | FIN, 3001, 2002,  500, JUDGE_TAKEN, TCPS_TIME_WAIT,       3502, 2001, 2002, 2002, SFIN | RFIN });
}

/* RFC 9293, figure 13. */
static void test_life_simultaneous_close(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ OWNER, ACK | FIN, 2001, 1001,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_1,      1001, 1001, 2002, 2001, SFIN },
	{ PEER,  ACK | FIN, 1001, 2001,    0, JUDGE_TAKEN, TCPS_CLOSING,         1002, 1001, 2002, 2001, SFIN | RFIN },
	{ OWNER, ACK,       2002, 1002,    0, JUDGE_TAKEN, TCPS_CLOSING,         1002, 1002, 2002, 2001, SFIN | RFIN },
	{ PEER,  ACK,       1002, 2002,    0, JUDGE_TAKEN, TCPS_TIME_WAIT,       1002, 1002, 2002, 2002, SFIN | RFIN });
}

/* Both FINs are lost behind the program once: repeated, they change nothing here. */
static void test_life_fins_sent_again(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK | FIN, 1001, 2001,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1002, 1001, 2001, 2001, RFIN },
	{ PEER,  ACK | FIN, 1001, 2001,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1002, 1001, 2001, 2001, RFIN },
	{ OWNER, ACK,       2001, 1002,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1002, 1002, 2001, 2001, RFIN },
	{ PEER,  ACK | FIN, 1001, 2001,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1002, 1002, 2001, 2001, RFIN },
	{ OWNER, ACK | FIN, 2001, 1002,   10, JUDGE_TAKEN, TCPS_LAST_ACK,        1002, 1002, 2012, 2001, RFIN | SFIN },
	{ PEER,  ACK,       1002, 2001,    0, JUDGE_TAKEN, TCPS_LAST_ACK,        1002, 1002, 2012, 2001, RFIN | SFIN },
	{ OWNER, ACK | FIN, 2001, 1002,   10, JUDGE_TAKEN, TCPS_LAST_ACK,        1002, 1002, 2012, 2001, RFIN | SFIN },
	{ PEER,  ACK,       1002, 2012,    0, JUDGE_TAKEN, TCPS_CLOSED,          1002, 1002, 2012, 2012, RFIN | SFIN });
}

/* 1001 to 1100 is lost on the way here; what follows it the owner keeps, and its ACK tells that all is there. */
static void test_life_fin_overtakes_data_hole_filled(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK,       1101, 2001,  100, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  ACK | FIN, 1201, 2001,   50, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, AHEAD },
	{ OWNER, ACK,       2001, 1001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, AHEAD },
	{ PEER,  ACK,       1001, 2001,  100, JUDGE_TAKEN, TCPS_ESTABLISHED,     1101, 1001, 2001, 2001, AHEAD },
	{ OWNER, ACK,       2001, 1252,    0, JUDGE_TAKEN, TCPS_CLOSE_WAIT,      1252, 1252, 2001, 2001, RFIN },
	{ OWNER, ACK | FIN, 2001, 1252,    0, JUDGE_TAKEN, TCPS_LAST_ACK,        1252, 1252, 2002, 2001, RFIN | SFIN },
	{ PEER,  ACK,       1252, 2002,    0, JUDGE_TAKEN, TCPS_CLOSED,          1252, 1252, 2002, 2002, RFIN | SFIN });
}

/* The owner closes while the peer's FIN waits: it is then FIN-WAIT-2 that takes the FIN. */
static void test_life_fin_overtakes_data_owner_closes_first(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK | FIN, 1101, 2001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, AHEAD },
	{ OWNER, ACK | FIN, 2001, 1001,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_1,      1001, 1001, 2002, 2001, AHEAD | SFIN },
	{ PEER,  ACK | FIN, 1101, 2002,    0, JUDGE_TAKEN, TCPS_FIN_WAIT_2,      1001, 1001, 2002, 2002, AHEAD | SFIN },
	{ PEER,  ACK,       1001, 2002,  100, JUDGE_TAKEN, TCPS_TIME_WAIT,       1102, 1001, 2002, 2002, RFIN | SFIN });
}

static void test_life_peer_retransmits(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK,       1001, 2001, 1000, JUDGE_TAKEN, TCPS_ESTABLISHED,     2001, 1001, 2001, 2001, 0 },
	{ PEER,  ACK,       1001, 2001, 1000, JUDGE_TAKEN, TCPS_ESTABLISHED,     2001, 1001, 2001, 2001, 0 },
	{ OWNER, ACK,       2001, 2001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     2001, 2001, 2001, 2001, 0 },
	{ PEER,  ACK,       1001, 2001,  500, JUDGE_OUT_OF_WINDOW, TCPS_ESTABLISHED, 2001, 2001, 2001, 2001, 0 },
	{ PEER,  ACK,       1001, 2001, 1500, JUDGE_TAKEN, TCPS_ESTABLISHED,     2501, 2001, 2001, 2001, 0 });
}

/* Idle, probed, and closed by a RST in the end: first outside the window, then inexact, then exact. */
static void test_life_idle_probed_reset_by_peer(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  ACK,       1000, 2001,    0, JUDGE_PROBE, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ OWNER, ACK,       2001, 1001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  ACK,       1000, 2001,    1, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ OWNER, ACK,       2000, 1001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  ACK,       1001, 2001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  RST,    9999999,    0,    0, JUDGE_OUT_OF_WINDOW, TCPS_ESTABLISHED, 1001, 1001, 2001, 2001, 0 },
	{ PEER,  RST,       1002,    0,    0, JUDGE_CHALLENGED, TCPS_ESTABLISHED, 1001, 1001, 2001, 2001, 0 },
	{ OWNER, ACK,       2001, 1001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  RST,       1001,    0,    0, JUDGE_TAKEN, TCPS_CLOSED,          1001, 1001, 2001, 2001, 0 });
}

static void test_life_peer_reboots_and_challenges_are_answered(void **state)
{
	(void)state;
	assert_life(flow_in_established(),
	{ PEER,  SYN,    7777777,    0,    0, JUDGE_CHALLENGED, TCPS_ESTABLISHED, 1001, 1001, 2001, 2001, 0 },
	{ OWNER, ACK,       2001, 1001,    0, JUDGE_TAKEN, TCPS_ESTABLISHED,     1001, 1001, 2001, 2001, 0 },
	{ PEER,  RST,       1001,    0,    0, JUDGE_TAKEN, TCPS_CLOSED,          1001, 1001, 2001, 2001, 0 });
}

static void test_life_reset_by_owner(void **state)
{
	(void)state;
	assert_life(flow_in_syn_received(),
	{ PEER,  ACK,          1,    1,  100, JUDGE_TAKEN, TCPS_ESTABLISHED,      101,   1,     1,    1, 0 },
	{ OWNER, ACK,          1,  101,  100, JUDGE_TAKEN, TCPS_ESTABLISHED,      101, 101,   101,    1, 0 },
	{ OWNER, RST | ACK,  101,  101,    0, JUDGE_TAKEN, TCPS_CLOSED,           101, 101,   101,    1, SRST });
}

/* clang-format on */

/* 5 GB each way: every number goes round the whole space, and never more than a window apart. */
static void test_life_longer_than_the_sequence_space(void **state)
{
	struct flow f = flow_in_established();
	const __u32 chunk = 100000;

	(void)state;
	for (__u64 sent = 0; sent < 5000000000ULL; sent += chunk) {
		struct segment from_peer = segment_from_peer(&f, ACK, chunk), from_owner;

		assert_int_equal(judge(&f, &from_peer, DIRECTION_RCV), JUDGE_TAKEN);
		from_owner = segment_from_owner(&f, ACK, chunk);
		assert_int_equal(judge(&f, &from_owner, DIRECTION_SND), JUDGE_TAKEN);
	}
	assert_int_equal(f.state, TCPS_ESTABLISHED);
	assert_int_equal(f.rcv_nxt, peer(1001 + (__u32)5000000000ULL));
	assert_int_equal(f.snd_nxt, own(2001 + (__u32)5000000000ULL));
	assert_int_equal(f.snd_una, f.snd_nxt - chunk);
	assert_int_equal(f.rcv_bytes, 7000 + 5000000000ULL + 50000 * 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_open_by_cookie_data_closed_by_owner),
		cmocka_unit_test(test_life_opened_by_data_closed_by_peer),
		cmocka_unit_test(test_life_half_closed_by_peer_data_follows),
		cmocka_unit_test(test_life_half_closed_by_owner_data_follows),
		cmocka_unit_test(test_life_simultaneous_close),
		cmocka_unit_test(test_life_fins_sent_again),
		cmocka_unit_test(test_life_fin_overtakes_data_hole_filled),
		cmocka_unit_test(test_life_fin_overtakes_data_owner_closes_first),
		cmocka_unit_test(test_life_peer_retransmits),
		cmocka_unit_test(test_life_idle_probed_reset_by_peer),
		cmocka_unit_test(test_life_peer_reboots_and_challenges_are_answered),
		cmocka_unit_test(test_life_reset_by_owner),
		cmocka_unit_test(test_life_longer_than_the_sequence_space),
	};

	return run_over_flow_bases(tests);
}
