/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What comes for the daemon and is neither a SYN (ingress_syn.bpf.h) nor claimed by a flow: segments of handshakes,
 * cookies, strangers and fragments. The daemon's TCP judges; here it is only decided whether a packet is the daemon's
 * to judge. TIME-WAIT is answered here (time_wait.bpf.h).
 */
#ifndef SYNKEEP_INGRESS_DAEMON_BPF_H
#define SYNKEEP_INGRESS_DAEMON_BPF_H

#include "daemon.bpf.h"
#include "ingress_segment.bpf.h"
#include "time_wait.bpf.h"

/* Gives a segment of a connection that a cookie made, and what that kept of the handshake. */
__noinline enum verdict daemon_give_terms(struct xdp_md *ctx, const struct packet *p)
{
	const __u16 told = FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_ECN | FLOW_COUNTED;
	struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_COOKIE_ACK };
	const struct flow *f = p ? flow_find(&p->tuple) : NULL;

	if (!f)
		return V_DAEMON_NO_ROOM;
	hint.flags = f->flags & told;
	hint.mss = f->mss;
	hint.irs = f->irs;
	hint.snd_wscale = f->snd_wscale;
	hint.rcv_wscale = f->rcv_wscale;
	return daemon_give_hint(ctx, &hint);
}

/*
 * A segment of a flow. Until the daemon has reported it, it may not know it: the frame that told the terms may have
 * found its ring full. A peer that acknowledges more than the SYN-ACK has heard from a daemon, and is no such.
 */
static __always_inline enum verdict daemon_segment_of_flow(struct xdp_md *ctx, const struct packet *p,
							   const struct tracked *tracked)
{
	enum verdict verdict;

	if (!(tracked->flags & FLOW_HANDOVER) || p->segment.ack != tracked->iss + 1)
		return daemon_give(ctx, DAEMON_SEGMENT);
	verdict = daemon_give_terms(ctx, p);
	return verdict == V_DAEMON_COOKIE_ACK ? V_DAEMON_SEGMENT : verdict; /* the cookie has been counted */
}

/* A right cookie for a service of the daemon's: its flow begins where the handshake has ended. */
__noinline enum verdict daemon_accept(struct xdp_md *ctx, const struct packet *p, const struct cookie_terms *terms,
				      const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict made;

	if (!p || !terms || !clock || !conf || !daemon_is_here(ctx))
		return V_DAEMON_GONE;
	made = flow_from_cookie(ctx, p, terms, clock, FLOW_OWNER_DAEMON);
	if (made != V_SEGMENT)
		return source_limit_refuses(made) ? made : V_DAEMON_NO_ROOM;
	ended_delete(&p->tuple);
	half_open_delete(&p->tuple);
	return daemon_give_terms(ctx, p);
}

/* The service, if it is the daemon's and the packet is for this host. */
static __always_inline const struct service *daemon_service(struct xdp_md *ctx, const struct packet *p,
							    const struct service_match *match)
{
	if (!match->service || match->service->owner != FLOW_OWNER_DAEMON)
		return NULL;
	return match->any_address && !socket_address_is_local(ctx, p) ? NULL : match->service;
}

/* The daemon's TCP is the judge, too, of what comes before it knows its peer, and after a connection. */
static __always_inline enum verdict daemon_give_unverified(struct xdp_md *ctx)
{
	enum verdict verdict = daemon_give(ctx, DAEMON_SEGMENT);

	return verdict == V_DAEMON_SEGMENT ? V_DAEMON_UNVERIFIED : verdict;
}

/*
 * A segment of nobody's for a service whose owner sees everything: the record of a young connection may be on its way.
 * More than the budget is a flood, in which each connection has its record from the first on.
 */
static __noinline enum verdict daemon_stranger(struct xdp_md *ctx, const struct packet *p,
					       const struct service *service, const struct cpu_clock *clock,
					       const struct config *conf)
{
	enum verdict verdict = segment_of_stranger(p, service, V_DAEMON_STRANGER, clock, conf);

	return verdict == V_DAEMON_STRANGER ? daemon_give(ctx, DAEMON_STRANGER) : verdict;
}

/*
 * A segment that no flow claims, on a port where connections of the daemon's may be. A connection that has ended stays
 * in its record for a while: who sends on its tuple is told so again, in TIME-WAIT from here, else by the daemon,
 * unless with a new cookie.
 */
static __always_inline enum verdict daemon_segment(struct xdp_md *ctx, struct packet *p, const struct service *service,
						   const struct cpu_clock *clock, const struct config *conf)
{
	const struct segment *s = &p->segment;
	struct cookie_terms terms = {};
	const struct ended *e;
	bool replayed;

	if (daemon_has_half_open(&p->tuple, clock, conf))
		return daemon_give_unverified(ctx);
	e = daemon_ended(&p->tuple, clock);
	if (e && ended_state(e, clock->now_ns) == TCPS_TIME_WAIT)
		return time_wait_segment(ctx, p, POLICY_ALWAYS, clock, conf);
	replayed = e && ended_is_shown_again(e, s->seq, s->ack);
	if (replayed && !(e->flags & FLOW_SND_RST)) /* else the peer has not heard the RST */
		return V_COOKIE_REPLAY;
	if (service && packet_flags_impossible(s->flags) && !sentry_lets_pass(service, clock))
		return V_BAD_FLAGS;
	if (service && !replayed && segment_shows_cookie(ctx, p, service, clock, conf, &terms))
		return daemon_accept(ctx, p, &terms, clock, conf);
	if (e)
		return daemon_give_unverified(ctx);
	if (!service)
		return V_NO_SERVICE;
	return sentry_lets_pass(service, clock) ? daemon_stranger(ctx, p, service, clock, conf) : V_NO_FLOW;
}

/* What is no SYN and of no flow. V_NO_SERVICE: nor is it the daemon's. */
static __always_inline enum verdict ingress_of_daemon(struct xdp_md *ctx, struct packet *p, enum packet_kind kind,
						      const struct service_match *match, const struct cpu_clock *clock,
						      const struct config *conf)
{
	const struct service *service = daemon_service(ctx, p, match);

	if (kind == PACKET_TCP)
		return daemon_segment(ctx, p, service, clock, conf);
	if (!service && !daemon_has(&p->tuple, clock, conf))
		return V_NO_SERVICE;
	return kind == PACKET_FRAGMENT ? V_DAEMON_FRAGMENT : V_MALFORMED;
}

#endif /* SYNKEEP_INGRESS_DAEMON_BPF_H */
