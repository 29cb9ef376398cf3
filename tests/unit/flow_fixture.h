/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Flows in every state, the segments that meet them, and the records that should come of it.
 *
 * Sequence numbers are relative: each end's SYN is 0 and its first octet 1. The initial sequence numbers are one of
 * flow_bases[], and every group of tests runs over each of them, so that every number wraps in the midst of some test.
 *
 * The flow as constructed: the peer has sent octets 1 to 1000 and the owner 1 to 2000, all of it acknowledged.
 */
#ifndef SYNKEEP_FLOW_FIXTURE_H
#define SYNKEEP_FLOW_FIXTURE_H

#include "unit.h"
#include "judge.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define SYN TCP_FLAG_SYN

#define NOW_NS (1000 * NSEC_PER_SEC)
#define MSL_NS (60 * NSEC_PER_SEC)

#define PEER_WSCALE 7
#define OWN_WSCALE 8
#define PEER_WINDOW 1000
#define OWN_WINDOW 500
#define OWN_WINDOW_BYTES (OWN_WINDOW << OWN_WSCALE)

struct flow_base {
	const char *name;
	__u32 irs;
	__u32 iss;
};

static const struct flow_base flow_bases[] = {
	{ "judge, ordinary numbers", 10000, 50000 },
	{ "judge, SYNs at the wrap", 0xffffffff, 0xffffffff },
	{ "judge, peer's data at the wrap", 0xffffffff - 500, 50000 },
	{ "judge, peer's next octet at the wrap", 0xffffffff - 1000, 50000 },
	{ "judge, window's edge at the wrap", 0xffffffff - 1000 - OWN_WINDOW_BYTES, 50000 },
	{ "judge, own data at the wrap", 10000, 0xffffffff - 1000 },
	{ "judge, own next octet at the wrap", 10000, 0xffffffff - 2000 },
	{ "judge, where the sign changes", 0x7fffffff - 1000, 0x7fffffff - 2000 },
};

static const struct flow_base *base = flow_bases;

/* Runs the group once over each base. */
#define run_over_flow_bases(tests)                                                                                     \
	({                                                                                                             \
		int failed_ = 0;                                                                                       \
		for (base = flow_bases; base < flow_bases + ARRAY_LEN(flow_bases); base++)                             \
			failed_ += cmocka_run_group_tests_name(base->name, tests, NULL, NULL);                         \
		failed_;                                                                                               \
	})

/* The peer's and our own sequence number n. */
static inline __u32 peer(__u32 n)
{
	return base->irs + n;
}

static inline __u32 own(__u32 n)
{
	return base->iss + n;
}

/* --- flows, state by state ---------------------------------------------------------------------------------------- */

static inline struct flow flow_in_syn_received(void)
{
	return (struct flow){
		.tag = 0x7a67,
		.state = TCPS_SYN_RECEIVED,
		.owner = FLOW_OWNER_KERNEL,
		.flags = FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_COOKIE | FLOW_HANDOVER,
		.snd_wscale = PEER_WSCALE,
		.rcv_wscale = OWN_WSCALE,
		.mss = 1400,
		.irs = peer(0),
		.iss = own(0),
		.rcv_nxt = peer(1),
		.rcv_wup = peer(1),
		.rcv_edge = peer(1 + 65535),
		.rcv_max = peer(1),
		.snd_nxt = own(1),
		.snd_una = own(0),
		.rcv_wnd = 65535,
		.rcv_tsval = 100,
		.snd_tsval = 200,
		.deadline_ns = 1,
		.born_s = 900,
		.rcv_seen_ms = 900000,
	};
}

static inline struct flow flow_in_established(void)
{
	struct flow f = flow_in_syn_received();

	f.state = TCPS_ESTABLISHED;
	f.flags &= ~FLOW_HANDOVER;
	f.rcv_nxt = f.rcv_wup = peer(1001);
	f.rcv_edge = peer(1001 + OWN_WINDOW_BYTES);
	f.snd_nxt = f.snd_una = own(2001);
	f.rcv_wnd = OWN_WINDOW;
	f.snd_wnd = PEER_WINDOW;
	f.rcv_packets = 7;
	f.rcv_bytes = 7000;
	f.snd_packets = 8;
	f.snd_bytes = 8000;
	return f;
}

/* Our FIN is octet 2001, the peer's is octet 1001. */
static inline struct flow flow_with_own_fin(struct flow f, enum tcp_state state)
{
	f.state = state;
	f.flags |= FLOW_SND_FIN;
	f.snd_fin = own(2001);
	f.snd_nxt = own(2002);
	return f;
}

static inline struct flow flow_with_peers_fin(struct flow f, enum tcp_state state)
{
	f.state = state;
	f.flags |= FLOW_RCV_FIN;
	f.rcv_max = peer(1001);
	f.rcv_nxt = f.rcv_wup = peer(1002);
	f.rcv_edge = peer(1002 + OWN_WINDOW_BYTES);
	return f;
}

static inline struct flow flow_in_fin_wait_1(void)
{
	return flow_with_own_fin(flow_in_established(), TCPS_FIN_WAIT_1);
}

static inline struct flow flow_in_fin_wait_2(void)
{
	struct flow f = flow_with_own_fin(flow_in_established(), TCPS_FIN_WAIT_2);

	f.snd_una = own(2002);
	return f;
}

static inline struct flow flow_in_close_wait(void)
{
	return flow_with_peers_fin(flow_in_established(), TCPS_CLOSE_WAIT);
}

static inline struct flow flow_in_closing(void)
{
	return flow_with_peers_fin(flow_in_fin_wait_1(), TCPS_CLOSING);
}

static inline struct flow flow_in_last_ack(void)
{
	return flow_with_own_fin(flow_in_close_wait(), TCPS_LAST_ACK);
}

static inline struct flow flow_in_time_wait(void)
{
	return flow_with_peers_fin(flow_in_fin_wait_2(), TCPS_TIME_WAIT);
}

/* Every state between the handshakes: those in which the peer may still send, then those after its FIN. */
typedef struct flow (*flow_constructor)(void);

static const flow_constructor synchronized_flows[] = {
	flow_in_established, flow_in_fin_wait_1, flow_in_fin_wait_2,
	flow_in_close_wait,  flow_in_closing,	 flow_in_last_ack,
};
#define SYNCHRONIZED_FLOWS ARRAY_LEN(synchronized_flows)
#define SYNCHRONIZED_OPEN 3

/* --- segments ----------------------------------------------------------------------------------------------------- */

/* In order, acknowledging all that the other end sent. */
static inline struct segment segment_from_peer(const struct flow *f, __u8 flags, __u32 payload_bytes)
{
	return (struct segment){
		.seq = f->rcv_nxt,
		.ack = f->snd_nxt,
		.payload_bytes = payload_bytes,
		.packet_bytes = payload_bytes + 40,
		.packets = 1,
		.window = PEER_WINDOW,
		.flags = flags,
	};
}

static inline struct segment segment_from_owner(const struct flow *f, __u8 flags, __u32 payload_bytes)
{
	return (struct segment){
		.seq = f->snd_nxt,
		.ack = f->rcv_nxt,
		.payload_bytes = payload_bytes,
		.packet_bytes = payload_bytes + 40,
		.packets = 1,
		.window = OWN_WINDOW,
		.flags = flags,
	};
}

/* --- what should come of it --------------------------------------------------------------------------------------- */

/* What the owner has not shown to have is as short-lived as a handshake. */
static inline __u64 lifetime_s(enum tcp_state state, __u16 flags)
{
	static const __u64 seconds[TCPS_COUNT] = {
		[TCPS_SYN_SENT] = 128,	 [TCPS_SYN_RECEIVED] = 128, [TCPS_ESTABLISHED] = 432000,
		[TCPS_FIN_WAIT_1] = 300, [TCPS_FIN_WAIT_2] = 86400, [TCPS_CLOSE_WAIT] = 86400,
		[TCPS_CLOSING] = 300,	 [TCPS_LAST_ACK] = 300,	    [TCPS_TIME_WAIT] = 120,
	};

	return seconds[state == TCPS_ESTABLISHED && (flags & FLOW_HANDOVER) ? TCPS_SYN_RECEIVED : state];
}

/* The record after a segment that was refused: counted, and nothing else. */
static inline struct flow flow_counted(struct flow f, const struct segment *s, enum direction direction)
{
	if (direction == DIRECTION_RCV) {
		f.rcv_packets += s->packets;
		f.rcv_bytes += s->packet_bytes;
	} else {
		f.snd_packets += s->packets;
		f.snd_bytes += s->packet_bytes;
	}
	return f;
}

/* The record after a segment that was taken, but for what the test itself names. */
static inline struct flow flow_taken(struct flow f, const struct segment *s, enum direction direction,
				     enum tcp_state state)
{
	f = flow_counted(f, s, direction);
	f.state = state;
	f.deadline_ns = NOW_NS + lifetime_s(state, f.flags) * NSEC_PER_SEC;
	if (direction == DIRECTION_RCV)
		f.rcv_seen_ms = 1000000;
	return f;
}

static inline enum judgement judge(struct flow *f, const struct segment *s, enum direction direction)
{
	return flow_judge(f, s, direction, NOW_NS, MSL_NS);
}

#define assert_flow_field_equal(field)                                                                                 \
	do {                                                                                                           \
		if (got->field != want->field)                                                                         \
			fail_msg(#field " is %lld, not %lld", (long long)got->field, (long long)want->field);          \
	} while (0)

static inline void assert_flow_equal(const struct flow *got, const struct flow *want)
{
	if (got->state != want->state)
		fail_msg("state is %s, not %s", tcp_state_name(got->state), tcp_state_name(want->state));
	assert_flow_field_equal(flags);
	assert_flow_field_equal(rcv_nxt);
	assert_flow_field_equal(rcv_wup);
	assert_flow_field_equal(rcv_edge);
	assert_flow_field_equal(rcv_max);
	assert_flow_field_equal(snd_nxt);
	assert_flow_field_equal(snd_una);
	assert_flow_field_equal(snd_fin);
	assert_flow_field_equal(rcv_wnd);
	assert_flow_field_equal(snd_wnd);
	assert_flow_field_equal(rcv_tsval);
	assert_flow_field_equal(snd_tsval);
	assert_flow_field_equal(rcv_packets);
	assert_flow_field_equal(snd_packets);
	assert_flow_field_equal(rcv_bytes);
	assert_flow_field_equal(snd_bytes);
	assert_flow_field_equal(deadline_ns);
	assert_flow_field_equal(rcv_seen_ms);
	assert_flow_field_equal(snd_seen_ms);
	assert_flow_field_equal(probes);
	assert_memory_equal(got, want, sizeof(*want)); /* and all that no segment changes */
}

/* The segment is refused with the judgement, and changes nothing but the counters. */
static inline void assert_refused(struct flow f, const struct segment *s, enum judgement judgement)
{
	struct flow want = flow_counted(f, s, DIRECTION_RCV);

	assert_int_equal(judge(&f, s, DIRECTION_RCV), judgement);
	assert_flow_equal(&f, &want);
}

/* The segment is taken, and the record is want. */
static inline void assert_taken(struct flow f, const struct segment *s, enum direction direction,
				const struct flow *want)
{
	assert_int_equal(judge(&f, s, direction), JUDGE_TAKEN);
	assert_flow_equal(&f, want);
}

#endif /* SYNKEEP_FLOW_FIXTURE_H */
