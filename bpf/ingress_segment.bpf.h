/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment for a service, anything but a SYN: of a flow, of a handshake that the owner answered, of a connection that
 * ended, with a right cookie, of a socket without a record, or of nobody.
 */
#ifndef SYNKEEP_INGRESS_SEGMENT_BPF_H
#define SYNKEEP_INGRESS_SEGMENT_BPF_H

#include "handshake.bpf.h"
#include "hint.bpf.h"
#include "ingress_syn.bpf.h"
#include "socket.bpf.h"

/* For so long after loading, an ACK may answer a cookie that the kernel sent before. */
#define STRANGERS_WELCOME_NS COOKIE_LIFETIME_NS

static __always_inline bool is_pure_ack(const struct segment *s)
{
	return (s->flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_ACK;
}

/* For so long after a connection found no room for its record, what comes behind its ACK may be waiting for it. */
#define HANDOVER_BATCH_NS NSEC_PER_SEC

/* Whether the segment acknowledges exactly the handshake with these initial sequence numbers. */
static __always_inline bool answers_handshake(const struct segment *s, __u32 irs, __u32 iss)
{
	return s->seq == irs + 1 && s->ack == iss + 1;
}

/* owner: of the service. */
__noinline bool segment_has_cookie(const struct packet *p, const struct cpu_clock *clock, const struct config *conf,
				   enum flow_owner owner, struct cookie_terms *terms)
{
	const struct segment *s;
	struct cookie_site site;

	if (!p || !clock || !conf || !terms)
		return false;
	s = &p->segment;
	site = cookie_site_for(conf, p->tuple.family, owner);
	return is_pure_ack(s) && cookie_check(&clock->cookie, &site, &p->tuple, s->seq - 1, s->ack - 1,
					      s->has_timestamps, s->tsecr, terms);
}

static __always_inline __u16 flow_flags_from_terms(const struct cookie_terms *terms)
{
	return (terms->sack ? FLOW_SACK : 0) | (terms->ecn ? FLOW_ECN : 0) | (terms->timestamps ? FLOW_TIMESTAMPS : 0) |
	       (terms->wscale != TCP_WSCALE_NONE ? FLOW_WSCALE : 0);
}

/*
 * The flow that a right cookie makes. What window was offered is not known any more: the most it can have been. The
 * daemon's has taken the ACK at once; one of the kernel's is shown it next. What flow_make() says.
 */
__noinline enum verdict flow_from_cookie(struct xdp_md *ctx, const struct packet *p, const struct cookie_terms *terms,
					 const struct cpu_clock *clock, enum flow_owner owner)
{
	const struct config *conf = config_get();
	const struct segment *s;
	struct flow *f = flow_at_hand();

	if (!p || !terms || !clock || !conf || !f)
		return V_FLOWS_FULL;
	s = &p->segment;
	f->state = TCPS_SYN_RECEIVED;
	f->owner = owner;
	f->flags = FLOW_COOKIE | FLOW_HANDOVER | flow_flags_from_terms(terms);
	f->mss = terms->mss;
	f->irs = s->seq - 1;
	f->iss = s->ack - 1;
	f->rcv_nxt = s->seq;
	f->rcv_wup = s->seq;
	f->rcv_edge = s->seq + 0xffff;
	f->snd_nxt = s->ack;
	f->snd_una = s->ack - 1;
	f->rcv_tsval = s->tsval;
	f->snd_tsval = s->tsecr;
	way_back(ctx, p, f);
	if (f->flags & FLOW_WSCALE) {
		f->snd_wscale = terms->wscale;
		f->rcv_wscale = terms->rcv_wscale;
	}
	if (owner == FLOW_OWNER_DAEMON) {
		flow_step(f, TCPE_RCV_ACK_OF_SYN);
		f->snd_una = s->ack;
		f->snd_wnd = s->window;
	}
	return flow_make(f, p, TCPS_CLOSED, clock, conf);
}

/*
 * Whether the segment acknowledges a cookie of the kernel's own, of which its listener will make a connection by these
 * terms.
 */
__noinline bool segment_has_kernel_cookie(struct xdp_md *ctx, const struct packet *p, struct cookie_terms *terms)
{
	const struct config *conf = config_get();
	struct listener listener = {};
	struct bpf_sock *socket;
	struct tcp_sock *tp;
	bool is_right;

	if (!p || !terms || !conf || !is_pure_ack(&p->segment))
		return false;
	socket = socket_find(ctx, &p->tuple);
	if (!socket)
		return false;
	tp = bpf_skc_to_tcp_sock(socket);
	is_right = tp && socket->state == TCP_LISTEN && kernel_cookie_is_right(socket, p);
	if (is_right)
		socket_read_listener(tp, &listener);
	bpf_sk_release(socket);
	*terms = kernel_cookie_terms(listener.timestamps, p->segment.has_timestamps, p->segment.tsecr);
	terms->rcv_wscale = kernel_cookie_rcv_wscale(conf->rcv_wscale, listener.window, listener.window_clamp);
	return is_right;
}

/*
 * How a socket takes part in a segment that has no record. V_NO_SOCKET: none knows the tuple; V_NO_FLOW: a listener.
 */
__noinline enum verdict segment_ask_socket(struct xdp_md *ctx, const struct packet *p, const struct cpu_clock *clock,
					   const struct config *conf)
{
	struct flow *f = flow_at_hand();
	enum verdict verdict = V_SOCKET;
	enum socket_kind kind;
	struct bpf_sock *socket;
	struct tcp_sock *tp;

	if (!p || !clock || !conf || !f)
		return V_NO_FLOW;
	socket = socket_find(ctx, &p->tuple);
	if (!socket)
		return V_NO_SOCKET;
	kind = socket_kind(socket->state);
	tp = kind == SOCKET_CONNECTED ? bpf_skc_to_tcp_sock(socket) : NULL;
	if (kind == SOCKET_LISTENING) {
		verdict = V_NO_FLOW;
	} else if (tp) {
		socket_read_flow(tp, socket->state, f);
		verdict = V_ADOPTED;
	}
	bpf_sk_release(socket);
	if (kind != SOCKET_LISTENING)
		presence_mark(conf, &p->tuple);
	if (verdict == V_ADOPTED && flow_make(f, p, TCPS_CLOSED, clock, conf) != V_SEGMENT)
		return V_SOCKET_NO_ROOM;
	return verdict;
}

/* The same, and a record that was made of the socket is shown the segment. */
static __always_inline enum verdict segment_of_socket(struct xdp_md *ctx, const struct packet *p,
						      const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict = segment_ask_socket(ctx, p, clock, conf);
	struct tracked tracked;

	if (verdict == V_ADOPTED)
		flow_track(p, DIRECTION_RCV, clock, conf, &tracked);
	return verdict;
}

/* The owner may know more than the program does: of connections from before it, and of those that it never answers. */
static __always_inline bool strangers_are_welcome(const struct service *service, const struct cpu_clock *clock,
						  const struct config *conf)
{
	return sentry_lets_pass(service, clock) || config_is_draining(conf, clock->now_ns) ||
	       clock->now_ns - conf->loaded_at_ns < STRANGERS_WELCOME_NS;
}

/*
 * The peer is verified, by a cookie of ours or of the kernel's. What the tuple was before is over, unless the peer's
 * source has as much as it may: then the peer has to come again, while its cookie is good.
 */
static __always_inline enum verdict segment_verified(struct xdp_md *ctx, const struct packet *p,
						     const struct cookie_terms *terms, const struct cpu_clock *clock,
						     const struct config *conf, enum verdict verdict)
{
	enum verdict made = flow_from_cookie(ctx, p, terms, clock, FLOW_OWNER_KERNEL);
	struct tracked tracked;

	if (source_limit_refuses(made))
		return made;
	ended_delete(&p->tuple);
	half_open_delete(&p->tuple);
	flow_track(p, DIRECTION_RCV, clock, conf, &tracked);
	hint_give(ctx, HINT_VERIFY);
	return verdict;
}

/* A right cookie of ours. */
static __always_inline enum verdict segment_with_cookie(struct xdp_md *ctx, const struct packet *p,
							const struct cookie_terms *terms, const struct cpu_clock *clock,
							const struct config *conf)
{
	enum verdict verdict = segment_of_socket(ctx, p, clock, conf);

	if (verdict == V_SOCKET || verdict == V_SOCKET_NO_ROOM || verdict == V_ADOPTED)
		return verdict; /* the connection is there: its record was lost, or had no room */
	return segment_verified(ctx, p, terms, clock, conf, V_COOKIE_ACK);
}

/* A segment on a tuple whose connection has ended, its cookie judged. */
static __always_inline enum verdict segment_of_ended(const struct packet *p, struct ended *e,
						     const struct cpu_clock *clock, const struct config *conf)
{
	if (ended_state(e, clock->now_ns) == TCPS_CLOSED)
		return V_COOKIE_REPLAY;
	if (time_wait_is_fin_again(&p->segment, e->rcv_nxt))
		ended_restart(p, clock, conf);
	presence_mark(conf, &p->tuple); /* Linux begins its TIME-WAIT anew with other segments too */
	return V_TIME_WAIT_SEGMENT;
}

/*
 * What its owner is to see of nobody's segments, within the budget. What is beyond that presses the service's sentry as
 * a handshake does, if the policy is auto: the budget is everybody's, and a flood at another service may have spent it.
 */
__noinline enum verdict segment_of_stranger(const struct packet *p, const struct service *service, enum verdict verdict,
					    const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict spent;

	if (!p || !service || !clock || !conf)
		return V_NO_FLOW;
	spent = budget_spend(service->policy, BUDGET_STRANGER, verdict, clock, conf);
	if (spent != verdict && service->policy == POLICY_AUTO && sentry_lets_pass(service, clock))
		service_press(p, clock);
	return spent;
}

/*
 * A segment for a listener, without a record or a right cookie. Where the table is full, no record tells what comes in
 * one batch with the handshake's ACK: it is passed to wait for its connection, and dropped there if none comes.
 */
static __noinline enum verdict segment_of_nobody(struct xdp_md *ctx, const struct packet *p,
						 const struct service *service, const struct cpu_clock *clock,
						 const struct config *conf)
{
	if (strangers_are_welcome(service, clock, conf))
		return segment_of_stranger(p, service, V_STRANGER, clock, conf);
	if (packet_flags_impossible(p->segment.flags))
		return V_BAD_FLAGS;
	if (!is_pure_ack(&p->segment) || clock->now_ns >= flows_full_ns + HANDOVER_BATCH_NS)
		return V_NO_FLOW;
	if (service->policy != POLICY_MONITOR)
		hint_give(ctx, HINT_WAIT);
	return budget_spend(service->policy, BUDGET_STRANGER, V_STRANGER, clock, conf);
}

/* Whether it acknowledges a cookie of ours; asked only for a service that may have sent one. */
static __always_inline bool segment_shows_cookie(struct xdp_md *ctx, struct packet *p, const struct service *service,
						 const struct cpu_clock *clock, const struct config *conf,
						 struct cookie_terms *terms)
{
	return is_pure_ack(&p->segment) && sentry_awaits_cookies(service, clock, conf) &&
	       options_read_timestamps(ctx, p) && segment_has_cookie(p, clock, conf, service->owner, terms);
}

/*
 * Whether nobody knows the segment's tuple, neither a socket nor a record, so that it need not be looked for: that is
 * most of what a segment of a flood would cost. A tuple without its bits in the presence filter has none, where all
 * SYN-ACKs are ours or have been seen to leave with a socket behind them: of a cookie of the kernel's own there is a
 * record without one.
 *
 * The filter forgets who was silent for longer than a day and has no record, and a SYN-ACK may go another way than this
 * device. So as long as no more come than may pass unverified, they are looked up all the same: such a connection is
 * found as soon as no flood keeps it from that. Nor is it the filter that decides where the owner sees all that comes,
 * and may have made a connection with whom it does not know.
 */
static __always_inline bool segment_is_strange(const struct packet *p, const struct service *service,
					       struct cpu_clock *clock, const struct config *conf)
{
	if (!service->sockets_known || service->policy == POLICY_MONITOR || presence_has(conf, &p->tuple) ||
	    strangers_are_welcome(service, clock, conf) || sentry_awaits_kernel_cookies(service, clock, conf) ||
	    budget_spend(service->policy, BUDGET_LOOK_UP, V_NO_FLOW, clock, conf) == V_NO_FLOW)
		return false;
	clock->strange_ns = clock->now_ns;
	return true;
}

/*
 * Whether the segment can be of no flow, so that its record need not be looked for: a tuple without its bits in the
 * presence filter has none. To ask that first would cost each segment of a flow a little, and is done only in a jiffy
 * in which strangers are more than may be looked up, and of what no flow has. Of the daemon's records some get their
 * bits a moment late.
 */
static __always_inline bool segment_has_no_flow(const struct packet *p, __u8 port_kinds, const struct cpu_clock *clock,
						const struct config *conf)
{
	bool is_asked = clock->strange_ns == clock->now_ns || packet_flags_impossible(p->segment.flags);

	return is_asked && !service_port_of_daemon(port_kinds) && !presence_has(conf, &p->tuple);
}

/* A segment that no flow claims. */
static __always_inline enum verdict segment_without_flow(struct xdp_md *ctx, struct packet *p,
							 const struct service *service, struct cpu_clock *clock,
							 const struct config *conf)
{
	bool strange = segment_is_strange(p, service, clock, conf);
	enum verdict verdict = strange ? V_NO_FLOW : handshake_of_peer(ctx, p, clock, conf);
	struct ended *e = strange ? NULL : ended_alive(&p->tuple, clock->now_ns);
	struct cookie_terms terms = {};
	bool replayed, was_reset, in_time_wait;

	/* A half-open record outlives the owner's interest in it: it must not stand in the way of a right cookie. */
	if (verdict != V_NO_FLOW && verdict != V_HALF_OPEN_SEGMENT)
		return verdict;
	replayed = e && ended_is_shown_again(e, p->segment.seq, p->segment.ack);
	if (!replayed && segment_shows_cookie(ctx, p, service, clock, conf, &terms))
		return segment_with_cookie(ctx, p, &terms, clock, conf);
	if (strange)
		return segment_of_nobody(ctx, p, service, clock, conf);
	if (verdict == V_HALF_OPEN_SEGMENT)
		return budget_spend(service->policy, BUDGET_HALF_OPEN, verdict, clock, conf);
	was_reset = e && ended_state(e, clock->now_ns) == TCPS_CLOSED && (e->flags & FLOW_SND_RST);
	if (replayed && !was_reset)
		return segment_of_ended(p, e, clock, conf);
	in_time_wait = e && ended_state(e, clock->now_ns) == TCPS_TIME_WAIT;
	verdict = in_time_wait ? V_NO_FLOW : segment_of_socket(ctx, p, clock, conf);
	if (verdict == V_NO_FLOW && sentry_awaits_kernel_cookies(service, clock, conf) &&
	    segment_has_kernel_cookie(ctx, p, &terms)) {
		if (e && kernel_cookie_is_replayed(&p->segment, e))
			return V_COOKIE_REPLAY;
		return segment_verified(ctx, p, &terms, clock, conf, V_KERNEL_COOKIE_ACK);
	}
	if (in_time_wait)
		return segment_of_ended(p, e, clock, conf);
	if (was_reset && verdict == V_NO_FLOW) /* its peer has not heard the RST, and is told again */
		return budget_spend(service->policy, BUDGET_ENDED, V_ENDED_SEGMENT, clock, conf);
	if (verdict == V_NO_SOCKET)
		return budget_spend(service->policy, BUDGET_NO_SOCKET, verdict, clock, conf);
	if (verdict == V_SOCKET)
		return budget_spend(service->policy, BUDGET_SOCKET, verdict, clock, conf);
	if (verdict != V_NO_FLOW)
		return verdict;
	return segment_of_nobody(ctx, p, service, clock, conf);
}

static __always_inline enum verdict judgement_verdict(enum judgement judgement)
{
	switch (judgement) {
	case JUDGE_OUT_OF_WINDOW:
		return V_OUT_OF_WINDOW;
	case JUDGE_CHALLENGED:
		return V_CHALLENGED;
	case JUDGE_BAD_ACK:
		return V_BAD_ACK;
	case JUDGE_NO_ACK:
		return V_NO_ACK_BIT;
	default:
		return V_SEGMENT;
	}
}

/*
 * A segment that the tuple's flow refused. With a right cookie of another handshake the flow is the stale one: cookies
 * are sent only for tuples that have no socket.
 */
static __always_inline enum verdict segment_refused(struct xdp_md *ctx, struct packet *p, const struct tracked *tracked,
						    const struct cpu_clock *clock, const struct config *conf)
{
	struct cookie_terms terms = {};

	if (answers_handshake(&p->segment, tracked->irs, tracked->iss) || !options_read_timestamps(ctx, p))
		return judgement_verdict(tracked->judgement);
	if (segment_has_cookie(p, clock, conf, FLOW_OWNER_KERNEL, &terms)) {
		flow_kill(&p->tuple, clock->now_ns);
		verdict_note(V_FLOW_REPLACED);
		return segment_with_cookie(ctx, p, &terms, clock, conf);
	}
	if (!segment_has_kernel_cookie(ctx, p, &terms))
		return judgement_verdict(tracked->judgement);
	flow_kill(&p->tuple, clock->now_ns);
	verdict_note(V_FLOW_REPLACED);
	return segment_verified(ctx, p, &terms, clock, conf, V_KERNEL_COOKIE_ACK);
}

/*
 * The answer to a probe of Synkeep's stops here, if a socket is there that does not probe as well (SO_KEEPALIVE). A
 * peer may answer but one of two probes that come close together (Linux: one in half a second), and then this answer is
 * the socket's, too. Where no socket is, the kernel tells the peer.
 */
__noinline enum verdict segment_of_answer(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_sock *socket = p ? socket_find(ctx, &p->tuple) : NULL;
	bool stops = false;
	struct tcp_sock *tp;

	if (!socket)
		return V_SEGMENT;
	tp = socket_kind(socket->state) == SOCKET_CONNECTED ? bpf_skc_to_tcp_sock(socket) : NULL;
	if (tp)
		stops = !socket_is_kept_alive(tp);
	bpf_sk_release(socket);
	return stops ? V_PROBE_ANSWER : V_SEGMENT;
}

static __always_inline enum verdict segment_of_flow(struct xdp_md *ctx, struct packet *p, const struct tracked *tracked,
						    const struct cpu_clock *clock, const struct config *conf)
{
	if (!judgement_shows_life(tracked->judgement))
		return segment_refused(ctx, p, tracked, clock, conf);
	if (tracked->judgement == JUDGE_ANSWER)
		return segment_of_answer(ctx, p);
	if (tracked->flags & FLOW_HANDOVER)
		hint_give(ctx, answers_handshake(&p->segment, tracked->irs, tracked->iss) ? HINT_VERIFY : HINT_WAIT);
	return V_SEGMENT;
}

#endif /* SYNKEEP_INGRESS_SEGMENT_BPF_H */
