// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "steered.h"

void steered_assert(const struct outcome *o, enum daemon_frame kind)
{
	assert_verdict(*o, V_DAEMON_SEGMENT + kind);
	assert_int_equal(o->daemon.kind, kind);
	if (kind != DAEMON_COOKIE_ACK)
		assert_int_equal(o->daemon.flags | o->daemon.mss | o->daemon.snd_wscale | o->daemon.rcv_wscale, 0);
}

void steered_assert_unverified(const struct outcome *o)
{
	assert_verdict(*o, V_DAEMON_UNVERIFIED);
	assert_int_equal(o->daemon.kind, DAEMON_SEGMENT);
}

struct outcome steered_syn(const struct talk *t)
{
	struct packet_spec syn = talk_syn(t);

	return shield_receive_packet(&syn);
}

struct outcome steered_segment(const struct talk *t, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec = talk_peer_segment(t, flags, payload_bytes);

	return shield_receive_packet(&spec);
}

/* --- the daemon's records, as it writes them --- */

struct flow steered_flow(const struct talk *t)
{
	return (struct flow){
		.tag = flow_tag(&t->tuple),
		.state = TCPS_ESTABLISHED,
		.owner = FLOW_OWNER_DAEMON,
		.rcv_nxt = t->peer_nxt,
		.rcv_max = t->peer_nxt,
		.rcv_edge = t->peer_nxt + 0xffff,
		.snd_nxt = t->own_nxt,
		.snd_una = t->own_nxt,
		.deadline_ns = ~0ULL,
	};
}

struct half_open steered_half_open(enum tcp_state state)
{
	return (struct half_open){
		.deadline_ns = ~0ULL,
		.irs = TALK_PEER_ISN,
		.iss = STEERED_ISS,
		.snd_nxt = STEERED_ISS + 1,
		.state = state,
		.owner = FLOW_OWNER_DAEMON,
	};
}

struct ended steered_ended(const struct talk *t, enum tcp_state state, __u16 flags)
{
	return (struct ended){
		.deadline_ms = shield_now_ms() + 1000000,
		.handshake = t->own_nxt - t->peer_nxt,
		.irs = t->peer_nxt - 1,
		.rcv_nxt = t->peer_nxt,
		.snd_nxt = t->own_nxt,
		.state = state,
		.owner = FLOW_OWNER_DAEMON,
		.flags = (__u8)flags,
	};
}

/* A record of the daemon's, as the peer's next segment meets it; the tuple is in the presence filter. */
void steered_put_record(struct talk *t, __u8 family, __u16 port, enum steered_record record)
{
	struct half_open h = steered_half_open(TCPS_SYN_RECEIVED);
	struct ended e;
	struct flow f;

	talk_init(t, family, port);
	t->own_nxt = STEERED_ISS + 1;
	t->peer_nxt++;
	e = steered_ended(t, TCPS_TIME_WAIT, 0);
	f = steered_flow(t);
	if (record == STEERED_FLOW)
		shield_put_flow(&t->tuple, &f);
	else if (record == STEERED_HALF_OPEN)
		shield_put_half_open(&t->tuple, &h);
	else
		shield_put_ended(&t->tuple, &e);
}

/* The record is the one that was put, byte for byte, and there is no other. */
void steered_assert_record(const struct talk *t, enum steered_record record)
{
	struct half_open h, want_h = steered_half_open(TCPS_SYN_RECEIVED);
	struct ended e, want_e = steered_ended(t, TCPS_TIME_WAIT, 0);
	struct flow f, want_f = steered_flow(t);

	assert_int_equal(shield_flow(&t->tuple, &f), record == STEERED_FLOW);
	assert_int_equal(shield_half_open(&t->tuple, &h), record == STEERED_HALF_OPEN);
	assert_int_equal(shield_ended(&t->tuple, &e), record == STEERED_TIME_WAIT);
	want_e.deadline_ms = e.deadline_ms; /* it is made of the time of the call */
	if (record == STEERED_FLOW)
		assert_memory_equal(&f, &want_f, sizeof(f));
	else if (record == STEERED_HALF_OPEN)
		assert_memory_equal(&h, &want_h, sizeof(h));
	else
		assert_memory_equal(&e, &want_e, sizeof(e));
}
