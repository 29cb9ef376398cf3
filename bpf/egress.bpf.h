/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel itself sends: it steps the flow, begins a half-open record with the owner's own SYN or SYN-ACK, and
 * is a chance to adopt a connection without a record. Nothing is ever dropped or changed here.
 */
#ifndef SYNKEEP_EGRESS_BPF_H
#define SYNKEEP_EGRESS_BPF_H

#include "ingress_segment.bpf.h"

#define SOCK_STREAM 1

/* The peer's options and numbers as the request socket has them; a SYN-ACK with a kernel cookie has no socket. */
static __always_inline void half_open_read_request(struct half_open *h, const struct tcp_request_sock *request)
{
	const struct inet_request_sock *ireq = &request->req;

	h->mss = ireq->req.mss;
	if (BPF_CORE_READ_BITFIELD(ireq, wscale_ok)) {
		h->flags |= FLOW_WSCALE;
		h->snd_wscale = BPF_CORE_READ_BITFIELD(ireq, snd_wscale);
		h->rcv_wscale = BPF_CORE_READ_BITFIELD(ireq, rcv_wscale);
	}
	if (BPF_CORE_READ_BITFIELD(ireq, sack_ok))
		h->flags |= FLOW_SACK;
	if (BPF_CORE_READ_BITFIELD(ireq, tstamp_ok))
		h->flags |= FLOW_TIMESTAMPS;
	if (BPF_CORE_READ_BITFIELD(ireq, ecn_ok))
		h->flags |= FLOW_ECN;
}

/* The SYN-ACK's own options: what a kernel cookie leaves to be known. The peer's window scale is not in it. */
static __always_inline void half_open_read_options(struct half_open *h, const struct tcp_options *options)
{
	h->flags |= (options->sack_permitted ? FLOW_SACK : 0) | (options->has_timestamps ? FLOW_TIMESTAMPS : 0);
	if (options->wscale == TCP_WSCALE_NONE)
		return;
	h->flags |= FLOW_WSCALE;
	h->rcv_wscale = options->wscale;
	h->snd_wscale = TCP_WSCALE_MAX; /* not known: the widest window errs on the side of believing the peer */
}

/* What both ends agreed on, as far as the owner's SYN-ACK and the request behind it say. */
static __always_inline void half_open_read_terms(struct half_open *h, struct __sk_buff *skb,
						 const struct tcp_options *options)
{
	struct bpf_sock *socket = skb->sk;
	struct tcp_request_sock *request = socket ? bpf_skc_to_tcp_request_sock(socket) : NULL;

	if (request)
		half_open_read_request(h, request);
	else
		half_open_read_options(h, options);
}

/* The tuple's record as it is, all zeros if it has none, and the options of the SYN that is about to step it. */
static __always_inline void egress_read_handshake(struct __sk_buff *skb, const struct packet *p,
						  const struct cpu_clock *clock, struct half_open *h,
						  struct tcp_options *options)
{
	if (!half_open_read(&p->tuple, clock->now_ns, h))
		*h = (struct half_open){};
	if (!options_read_skb(skb, p, options))
		*options = TCP_OPTIONS_NONE;
}

/* In what state the record that was read has the connection whose SYN this is. */
static __always_inline enum tcp_state egress_state_before(const struct half_open *h, const struct segment *s)
{
	return h->iss == s->seq ? h->state : TCPS_CLOSED;
}

/* The tuple's last connection, in TIME-WAIT until now, is over: the owner has sent a SYN (RFC 6191, 2). */
static __always_inline void egress_write_handshake(const struct packet *p, struct half_open *h, enum tcp_state before,
						   const struct cpu_clock *clock, const struct config *conf)
{
	struct ended *e = ended_find(&p->tuple);

	handshake_tell(&p->tuple, h, before, FLOW_END_NONE, clock);
	handshake_write(&p->tuple, h, BPF_ANY, clock, conf);
	if (e && e->state == TCPS_TIME_WAIT)
		ended_delete(&p->tuple);
}

/* This host opens a connection. */
static __noinline enum verdict egress_syn(struct __sk_buff *skb, const struct packet *p, const struct cpu_clock *clock,
					  const struct config *conf)
{
	struct tcp_options options;
	enum tcp_state before;
	struct half_open h;

	if (!skb->sk)
		return V_OWN_UNTRACKED; /* sent by nobody here: forwarded */
	egress_read_handshake(skb, p, clock, &h, &options);
	before = egress_state_before(&h, &p->segment);
	handshake_send_syn(&h, &p->segment, &options);
	egress_write_handshake(p, &h, before, clock, conf);
	presence_mark(conf, &p->tuple);
	return V_OWN_SYN;
}

/*
 * The owner answered a SYN itself, or acknowledges one that crossed its own. What it answers where no service is, is
 * not followed.
 */
static __noinline enum verdict egress_syn_ack(struct __sk_buff *skb, const struct packet *p,
					      const struct service *service, const struct cpu_clock *clock,
					      const struct config *conf)
{
	struct tcp_options options;
	enum tcp_state before;
	struct half_open h;
	bool begins;

	egress_read_handshake(skb, p, clock, &h, &options);
	before = egress_state_before(&h, &p->segment);
	begins = handshake_send_syn_ack(&h, &p->segment, &options);
	if (begins && !service)
		return V_OWN_UNTRACKED;
	if (begins)
		half_open_read_terms(&h, skb, &options);
	egress_write_handshake(p, &h, before, clock, conf);
	if (skb->sk)
		presence_mark(conf, &p->tuple);
	else if (service) /* no socket is behind a cookie of the kernel's own */
		sentry_note_kernel_cookie(service, clock);
	return V_OWN_SYN_ACK;
}

/* A connection without a record: the socket that sends is at hand. Where no service is, only what this host opened. */
static __noinline enum verdict egress_adopt(struct __sk_buff *skb, const struct packet *p, bool of_service,
					    const struct cpu_clock *clock, const struct config *conf)
{
	struct bpf_sock *socket = skb->sk;
	struct tcp_sock *tp = socket ? bpf_skc_to_tcp_sock(socket) : NULL;
	struct flow *f = flow_at_hand();
	struct tracked tracked;
	enum tcp_state before;
	struct ended *e;

	if (!tp || !f || (!of_service && socket_was_accepted(tp)))
		return V_OWN_UNTRACKED;
	e = ended_alive(&p->tuple, clock->now_ns);
	if (e && ended_state(e, clock->now_ns) == TCPS_TIME_WAIT)
		return V_OWN_UNTRACKED; /* the last ACK leaves before the socket itself is in TIME-WAIT */
	socket_read_flow(tp, socket->state, f);
	before = half_open_delete(&p->tuple) ? TCPS_CLOSED : TCPS_COUNT;
	if (flow_make(f, p, before, clock, conf) != V_SEGMENT)
		return V_OWN_UNTRACKED;
	flow_track(p, DIRECTION_SND, clock, conf, &tracked);
	return V_OWN_ADOPTED;
}

/*
 * Whether the segment answers one of nobody's: the kernel sends those by a socket of its own, or in a handshake. What
 * ends or follows a connection without a record has been sent by its socket, or goes to a peer in TIME-WAIT.
 */
static __always_inline bool egress_answers_stranger(struct __sk_buff *skb, const struct packet *p,
						    const struct cpu_clock *clock)
{
	struct bpf_sock *socket = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
	const struct ended *e;

	if (socket && socket->type == SOCK_STREAM && socket->state != TCP_LISTEN)
		return false;
	e = ended_alive(&p->tuple, clock->now_ns);
	return !e || ended_state(e, clock->now_ns) != TCPS_TIME_WAIT;
}

static __always_inline enum verdict egress_without_flow(struct __sk_buff *skb, const struct packet *p, bool of_service,
							const struct cpu_clock *clock, const struct config *conf)
{
	struct bpf_sock *socket = skb->sk;
	bool connected = socket && socket_kind(socket->state) == SOCKET_CONNECTED;

	if (connected && !(p->segment.flags & TCP_FLAG_RST))
		return egress_adopt(skb, p, of_service, clock, conf);
	handshake_of_owner(p, clock, conf);
	return of_service && egress_answers_stranger(skb, p, clock) ? V_OWN_ANSWER : V_OWN_UNTRACKED;
}

/* A SYN on a flow's tuple that is not the flow's own again: the owner has begun a new connection there. */
static __always_inline bool egress_begins_anew(const struct segment *s, const struct tracked *tracked)
{
	return (s->flags & TCP_FLAG_SYN) && s->seq != tracked->iss;
}

#endif /* SYNKEEP_EGRESS_BPF_H */
