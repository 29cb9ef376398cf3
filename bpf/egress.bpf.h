/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the kernel itself sends for a service: it steps the flow, begins a half-open record with the owner's own
 * SYN-ACK, and is a chance to adopt a connection without a record. Nothing is ever dropped or changed here.
 */
#ifndef SYNKEEP_EGRESS_BPF_H
#define SYNKEEP_EGRESS_BPF_H

#include "ingress_segment.bpf.h"

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

/* The owner answered a SYN itself. Sent again, the SYN-ACK only moves the deadline. */
static __always_inline enum verdict egress_syn_ack(struct __sk_buff *skb, const struct packet *p,
						   const struct cpu_clock *clock, const struct config *conf)
{
	const struct segment *s = &p->segment;
	struct bpf_sock *socket = skb->sk;
	struct tcp_request_sock *request = socket ? bpf_skc_to_tcp_request_sock(socket) : NULL;
	struct half_open known = {};
	struct tcp_options options;
	struct half_open h = {
		.deadline_ns = clock->now_ns + tcp_state_timeout_ns(TCPS_SYN_RECEIVED, conf->msl_ns),
		.irs = s->ack - 1,
		.iss = s->seq,
		.rcv_wnd = s->window,
		.state = TCPS_SYN_RECEIVED,
		.owner = FLOW_OWNER_KERNEL,
		.syn_acks = 1,
	};

	if (half_open_read(&p->tuple, clock->now_ns, &known) && known.iss == h.iss && known.syn_acks < 255)
		h.syn_acks = known.syn_acks + 1;
	if (!options_read_skb(skb, p, &options))
		options = TCP_OPTIONS_NONE;
	h.snd_tsval = options.tsval;
	if (request)
		half_open_read_request(&h, request);
	else
		half_open_read_options(&h, &options);
	half_open_put(&p->tuple, &h, BPF_ANY);
	return V_OWN_SYN_ACK;
}

/*
 * A segment of a connection without a record: the socket that sends it is at hand. A function of its own, so that its
 * records are not on the stack of every segment's way.
 */
static __noinline enum verdict egress_without_flow(struct __sk_buff *skb, const struct packet *p,
						   const struct cpu_clock *clock, const struct config *conf)
{
	struct bpf_sock *socket = skb->sk;
	struct half_open h = {};
	struct flow f = {};
	struct tcp_sock *tp;

	if (p->segment.flags & TCP_FLAG_RST) {
		if (half_open_read(&p->tuple, clock->now_ns, &h) && p->segment.seq == h.iss + 1)
			half_open_delete(&p->tuple); /* the owner gave it up; other resets answer forged segments */
		return V_OWN_UNTRACKED;
	}
	if (ended_alive(&p->tuple, clock->now_ns))
		return V_OWN_UNTRACKED; /* the last ACK leaves before the socket itself is in TIME-WAIT */
	if (!socket || socket_kind(socket->state) != SOCKET_CONNECTED)
		return V_OWN_UNTRACKED;
	tp = bpf_skc_to_tcp_sock(socket);
	if (!tp)
		return V_OWN_UNTRACKED;
	socket_read_flow(tp, socket->state, &f);
	return flow_make(&f, p, DIRECTION_SND, clock, conf) ? V_OWN_ADOPTED : V_OWN_UNTRACKED;
}

/* A SYN-ACK on a flow's tuple that is not the flow's own again: the owner has begun a new connection there. */
static __always_inline bool egress_begins_anew(const struct segment *s, const struct tracked *tracked)
{
	return (s->flags & TCP_FLAG_SYN) && s->seq != tracked->iss;
}

#endif /* SYNKEEP_EGRESS_BPF_H */
