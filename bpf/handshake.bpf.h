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
#include "records.bpf.h"

static __always_inline void handshake_write(const struct tuple *t, struct half_open *h, __u64 flags,
					    const struct cpu_clock *clock, const struct config *conf)
{
	h->deadline_ns = clock->now_ns + tcp_state_timeout_ns(h->state, conf->msl_ns);
	half_open_put(t, h, flags);
}

/* A connection that ended on the tuple keeps its record, CLOSED: its cookie may still be shown again. */
__noinline int handshake_make_flow(const struct packet *p, const struct half_open *h, const struct cpu_clock *clock,
				   const struct config *conf)
{
	struct flow f = {};

	if (!p || !h || !clock || !conf)
		return -1;
	handshake_to_flow(h, &p->segment, &f);
	flow_make(&f, &p->tuple, clock, conf);
	half_open_delete(&p->tuple);
	return 0;
}

/*
 * Shows a segment of the peer's to the tuple's half-open record. V_SYN_ACK, V_HALF_OPEN_ACK: it made the flow;
 * V_HALF_OPEN_SEGMENT: it did not; V_NO_FLOW: there is no such record.
 */
__noinline enum verdict handshake_of_peer(struct xdp_md *ctx, const struct packet *p, const struct cpu_clock *clock,
					  const struct config *conf)
{
	struct tcp_options options;
	struct half_open h = {};
	struct tracked tracked;

	if (!p || !clock || !conf || !half_open_read(&p->tuple, clock->now_ns, &h))
		return V_NO_FLOW;
	if (!(p->segment.flags & TCP_FLAG_SYN) || !options_read_xdp(ctx, p, &options))
		options = TCP_OPTIONS_NONE;
	switch (handshake_receive(&h, &p->segment, &options)) {
	case HANDSHAKE_COMPLETE:
		handshake_make_flow(p, &h, clock, conf);
		flow_track(p, DIRECTION_RCV, clock, conf, &tracked);
		return p->segment.flags & TCP_FLAG_SYN ? V_SYN_ACK : V_HALF_OPEN_ACK;
	case HANDSHAKE_ENDED:
		half_open_delete(&p->tuple);
		break;
	case HANDSHAKE_STEPPED:
		handshake_write(&p->tuple, &h, BPF_EXIST, clock, conf);
		break;
	case HANDSHAKE_STAYS:
		break;
	}
	return V_HALF_OPEN_SEGMENT;
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
	if (step == HANDSHAKE_ENDED)
		half_open_delete(&p->tuple);
	else if (step == HANDSHAKE_STEPPED)
		handshake_write(&p->tuple, &h, BPF_EXIST, clock, conf);
	return 0;
}

#endif /* SYNKEEP_HANDSHAKE_BPF_H */
