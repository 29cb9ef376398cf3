/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Half-open records in the maps: what include/handshake.h decides is read from and written to half4 and half6 here, and
 * a handshake that is complete becomes a flow.
 *
 * The record is copied out, stepped and written back whole, without a lock: the hash evicts the oldest and hands its
 * elements on. Two CPUs that step one at once lose one of the two steps. Either the other end's next segment repeats it
 * (a SYN that is sent again, our SYN-ACK after a SYN that crossed ours), or the record is a left-over beside a flow,
 * which is asked first, and goes with its deadline.
 */
#ifndef SYNKEEP_HANDSHAKE_BPF_H
#define SYNKEEP_HANDSHAKE_BPF_H

#include "handshake.h"
#include "options.bpf.h"
#include "packet_at_hand.bpf.h"
#include "records.bpf.h"
#include "way.bpf.h"

static __always_inline void handshake_write(const struct tuple *t, struct half_open *h, __u64 flags,
					    const struct cpu_clock *clock, const struct config *conf)
{
	h->deadline_ns = clock->now_ns + tcp_state_timeout_ns(h->state, conf->msl_ns);
	half_open_put(t, h, flags);
}

/* Tells a step of a handshake that begins, goes on or ends without a flow. */
static __always_inline void handshake_tell(const struct tuple *t, const struct half_open *h, enum tcp_state before,
					   enum flow_end end, const struct cpu_clock *clock)
{
	bool is_news = h->state != before || end != FLOW_END_NONE;
	__u32 news = is_news ? watch_news(before, end, clock->now_ns) : 0;

	if (news)
		watch_half_open(t, h, news);
}

/*
 * A connection that ended on the tuple keeps its record, CLOSED: its cookie may still be shown again. The handshake of
 * a source that is not to have the connection stays: its owner goes on waiting for the peer, and drops it in the end.
 */
__noinline enum verdict handshake_make_flow(struct xdp_md *ctx, const struct packet *p, const struct half_open *h,
					    const struct cpu_clock *clock, const struct config *conf)
{
	struct flow *f = flow_at_hand();
	enum verdict made;

	if (!p || !h || !clock || !conf || !f)
		return V_FLOWS_FULL;
	handshake_to_flow(h, &p->segment, f);
	way_back(ctx, p, f);
	made = flow_make(f, p, h->state, clock, conf);
	if (source_limit_refuses(made))
		return made;
	if (made != V_SEGMENT)
		handshake_tell(&p->tuple, h, h->state, FLOW_END_UNTRACKED, clock);
	half_open_delete(&p->tuple);
	return made;
}

/* The half-open record's part in a segment of the peer's: what handshake_of_peer() says, the flow being made. */
__noinline enum verdict handshake_step_by_peer(struct xdp_md *ctx, const struct packet *p,
					       const struct cpu_clock *clock, const struct config *conf)
{
	struct tcp_options options;
	struct half_open h = {};
	enum tcp_state before;
	enum verdict made;

	if (!p || !clock || !conf || !half_open_read(&p->tuple, clock->now_ns, &h))
		return V_NO_FLOW;
	if (!(p->segment.flags & TCP_FLAG_SYN) || !options_read_xdp(ctx, p, &options))
		options = TCP_OPTIONS_NONE;
	before = h.state;
	switch (handshake_receive(&h, &p->segment, &options)) {
	case HANDSHAKE_COMPLETE:
		made = handshake_make_flow(ctx, p, &h, clock, conf);
		if (source_limit_refuses(made))
			return made;
		return p->segment.flags & TCP_FLAG_SYN ? V_SYN_ACK : V_HALF_OPEN_ACK;
	case HANDSHAKE_ENDED:
		handshake_tell(&p->tuple, &h, before, FLOW_END_RESET_BY_PEER, clock);
		half_open_delete(&p->tuple);
		break;
	case HANDSHAKE_STEPPED:
		handshake_tell(&p->tuple, &h, before, FLOW_END_NONE, clock);
		handshake_write(&p->tuple, &h, BPF_EXIST, clock, conf);
		break;
	case HANDSHAKE_STAYS:
		break;
	}
	return V_HALF_OPEN_SEGMENT;
}

/*
 * Shows a segment of the peer's to the tuple's half-open record. V_SYN_ACK, V_HALF_OPEN_ACK: it made the flow, and is
 * shown to that; V_HALF_OPEN_SEGMENT: it did not; V_SOURCE_RATE, V_SOURCE_OPEN: it was not to; V_NO_FLOW: there is no
 * such record.
 */
static __always_inline enum verdict handshake_of_peer(struct xdp_md *ctx, const struct packet *p,
						      const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict = handshake_step_by_peer(ctx, p, clock, conf);
	struct tracked tracked;

	if (verdict == V_SYN_ACK || verdict == V_HALF_OPEN_ACK)
		flow_track(p, DIRECTION_RCV, clock, conf, &tracked);
	return verdict;
}

/* A segment of the owner's that is no SYN. */
static __noinline int handshake_of_owner(const struct packet *p, const struct cpu_clock *clock,
					 const struct config *conf)
{
	struct half_open h = {};
	enum handshake step;

	if (!half_open_read(&p->tuple, clock->now_ns, &h))
		return 0;
	step = handshake_send(&h, &p->segment);
	if (step == HANDSHAKE_ENDED) {
		handshake_tell(&p->tuple, &h, h.state, FLOW_END_RESET_BY_OWNER, clock);
		half_open_delete(&p->tuple);
	} else if (step == HANDSHAKE_STEPPED) {
		handshake_write(&p->tuple, &h, BPF_EXIST, clock, conf);
	}
	return 0;
}

#endif /* SYNKEEP_HANDSHAKE_BPF_H */
