/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The handover: a packet with a right cookie becomes a request socket of the kernel's listener, with every option that
 * the cookie kept (bpf_sk_assign_tcp_reqsk, Linux 6.9). Only TC ingress may do this. Of a cookie of its own
 * (kernel_cookie.bpf.h) the kernel makes the connection by itself.
 *
 * The cookie is checked again from the packet itself, so nothing has to be carried from XDP, and a full flow table is
 * no hindrance.
 */
#ifndef SYNKEEP_HANDOVER_BPF_H
#define SYNKEEP_HANDOVER_BPF_H

#include "ingress_segment.bpf.h"
#include "merged.bpf.h"

extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *skb, struct sock *sk, struct bpf_tcp_req_attrs *attrs,
				   int attrs__sz) __ksym __weak;

static __always_inline bool handover_read_timestamps(struct __sk_buff *skb, struct packet *p)
{
	struct tcp_options options;

	if (!options_may_hide_timestamps(p))
		return true;
	if (!options_read_skb(skb, p, &options))
		return false;
	options_take_timestamps(p, &options);
	return true;
}

/*
 * The kernel goes on from rcv_tsecr as the socket's TSval clock. It is given the clock that cookies are made by, not
 * the echo of it with the data bits: so all connections run on one clock that never goes back, and the RTT that the
 * socket takes from this echo is too long by at most the data bits' 31 ms, never too short.
 *
 * Unless another machine made the cookie, whose clock is ahead: until this one has caught up, the peer would drop all
 * that comes with a TSval behind the SYN-ACK's (RFC 7323, 5.3, R1).
 */
static __always_inline __u32 handover_tsval(const struct cookie_clock *clock, __u32 tsecr)
{
	return tsecr - clock->tsval_ms <= COOKIE_SKEW_NS / NSEC_PER_MSEC ? tsecr : clock->tsval_ms;
}

static __always_inline void handover_fill(struct bpf_tcp_req_attrs *attrs, const struct cookie_terms *terms,
					  const struct segment *s, const struct cpu_clock *clock,
					  const struct config *conf)
{
	attrs->mss = terms->mss;
	attrs->sack_ok = terms->sack;
	attrs->ecn_ok = terms->ecn;
	if (terms->wscale != TCP_WSCALE_NONE) {
		attrs->wscale_ok = 1;
		attrs->snd_wscale = terms->wscale;
		attrs->rcv_wscale = terms->rcv_wscale;
	}
	if (terms->timestamps) {
		attrs->tstamp_ok = 1;
		attrs->rcv_tsval = s->tsval;
		attrs->rcv_tsecr = handover_tsval(&clock->cookie, s->tsecr);
	}
}

/*
 * A listener with room in its accept queue takes the connection, though nothing shows it as long as the server waits
 * for the client to speak: its record is given more time (TCP_UNUSED_TIMEOUT_NS). True: it was given that before, so
 * between here and the listener the connection was lost.
 */
static __always_inline bool handover_keep_flow(const struct packet *p, const struct cpu_clock *clock,
					       const struct config *conf)
{
	struct keepalive keepalive = {};
	bool queued_before;
	struct flow *f;

	service_keepalive(&p->tuple, clock->now_ns, &keepalive);
	f = flow_lock(&p->tuple, clock->now_ns);
	if (!f)
		return false;
	queued_before = f->flags & FLOW_QUEUED;
	f->flags |= FLOW_QUEUED | (keepalive.idle_ms ? FLOW_KEEPALIVE : 0);
	judge_refresh(f, clock->now_ns, conf->msl_ns);
	flow_unlock(f);
	return queued_before;
}

/*
 * The listener will make the connection. Of packets that follow close behind each other in a batch all are here before
 * it does: only one that has been sent behind the batch (again) shows that it did not.
 */
static __always_inline enum verdict handover_done(const struct tcp_sock *tp, const struct packet *p, bool again,
						  const struct cpu_clock *clock, const struct config *conf)
{
	if (!socket_queue_is_full(tp) && handover_keep_flow(p, clock, conf) && again)
		verdict_note(V_HANDOVER_LOST);
	return V_HANDOVER;
}

/*
 * The kernel must find IP in skb->protocol, and behind two tags finds the inner one there. So the outer tag, which it
 * keeps beside the frame, is put aside meanwhile, and the inner one takes its place.
 */
static __always_inline int handover_assign_socket(struct __sk_buff *skb, struct tcp_sock *listener,
						  struct bpf_tcp_req_attrs *attrs, const struct packet *p)
{
	bool inner_tag = p->ip_offset != ETH_HEADER_BYTES;
	__be16 outer_type = skb->vlan_proto;
	__u16 outer_tci = skb->vlan_tci;
	int err;

	if (inner_tag && (!skb->vlan_present || bpf_skb_vlan_pop(skb)))
		return -1;
	err = bpf_sk_assign_tcp_reqsk(skb, (struct sock *)listener, attrs, sizeof(*attrs));
	return inner_tag && bpf_skb_vlan_push(skb, outer_type, outer_tci) ? -1 : err;
}

static __always_inline bool handover_assign(struct __sk_buff *skb, struct tcp_sock *tp,
					    const struct cookie_terms *terms, const struct packet *p,
					    const struct cpu_clock *clock, const struct config *conf)
{
	struct bpf_tcp_req_attrs attrs = {};

	if (!socket_has_handover_kfunc())
		return false;
	handover_fill(&attrs, terms, &p->segment, clock, conf);
	return !handover_assign_socket(skb, tp, &attrs, p);
}

/* A packet that may make a connection of the listener's: by our cookie, by the kernel's own, or not any more. */
static __always_inline enum verdict handover_verify(struct __sk_buff *skb, struct bpf_sock *socket, struct packet *p,
						    bool again, const struct cpu_clock *clock)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(socket);
	const struct config *conf = config_get();
	struct cookie_terms terms = {};

	if (!tp || !conf)
		return V_HANDOVER_REFUSED;
	if (handover_read_timestamps(skb, p) && segment_has_cookie(p, clock, conf, FLOW_OWNER_KERNEL, &terms)) {
		if (!handover_assign(skb, tp, &terms, p, clock, conf))
			return V_HANDOVER_REFUSED;
	} else if (!kernel_cookie_is_right(socket, p)) {
		return V_HANDOVER_STALE;
	}
	return handover_done(tp, p, again, clock, conf);
}

/*
 * Without metadata, the record tells; without a record, the packet may be one that found no room for one, unless its
 * connection has ended: XDP let it pass to be reset.
 */
static __always_inline enum hint_kind handover_hint_from_record(const struct packet *p, const struct cpu_clock *clock)
{
	struct flow *f = flow_lock(&p->tuple, clock->now_ns);
	enum hint_kind kind = HINT_NONE;

	if (!f)
		return ended_alive(&p->tuple, clock->now_ns) ? HINT_NONE : HINT_VERIFY;
	if (f->flags & FLOW_HANDOVER)
		kind = answers_handshake(&p->segment, f->irs, f->iss) ? HINT_VERIFY : HINT_WAIT;
	flow_unlock(f);
	return kind;
}

/*
 * Whether the packet is to come back once. The kernel takes packets in batches and runs this hook for all of a batch
 * before TCP sees the first: data close behind the handshake's ACK finds the listener, though the connection is about
 * to be made. Handed over as well, it would be lost as the ACK's duplicate. What carries nothing goes ahead at once.
 */
static __always_inline bool handover_comes_again(struct __sk_buff *skb, const struct segment *s, enum hint_kind kind)
{
	bool carries_nothing = !s->payload_bytes && !(s->flags & TCP_FLAG_FIN);

	/* Whose mark is in use already can not be told from one that comes back. */
	return !skb->mark && (kind == HINT_WAIT || !carries_nothing);
}

/*
 * The packet's socket is looked up anew: where the connection is there already, the packet goes to it untouched. A
 * packet that has come back and still finds the listener makes the connection itself, or is dropped and will be
 * repeated.
 */
static __always_inline enum verdict handover_to_listener(struct __sk_buff *skb, struct packet *p, enum hint_kind kind,
							 bool again, const struct cpu_clock *clock)
{
	struct bpf_sock *socket = socket_find(skb, &p->tuple);
	enum verdict verdict;

	if (!socket)
		return V_HANDOVER_NO_LISTENER;
	if (socket_kind(socket->state) != SOCKET_LISTENING)
		verdict = V_SEGMENT;
	else if (!again && handover_comes_again(skb, &p->segment, kind))
		verdict = V_HANDOVER_AGAIN;
	else if (kind == HINT_WAIT)
		verdict = V_HANDOVER_EARLY;
	else
		verdict = handover_verify(skb, socket, p, again, clock);
	bpf_sk_release(socket);
	return verdict;
}

/* Generic XDP runs for the packet again when it comes back: the record forgets that it was here before. */
static __always_inline void handover_uncount(const struct packet *p, const struct cpu_clock *clock)
{
	struct flow *f = flow_lock(&p->tuple, clock->now_ns);

	if (!f)
		return;
	f->rcv_packets -= p->segment.packets;
	f->rcv_bytes -= p->segment.packet_bytes;
	flow_unlock(f);
}

/* Puts the packet behind the batch that it came in: it arrives at the device once more, marked. */
static __always_inline int handover_send_again(struct __sk_buff *skb, struct packet *p, const struct cpu_clock *clock,
					       const struct config *conf)
{
	if (conf->xdp_mode == DEVICE_XDP_GENERIC) {
		packet_count_segments(p, merged_segments(skb, p, conf));
		handover_uncount(p, clock);
	}
	verdict_note(V_HANDOVER_AGAIN);
	skb->mark = SYNKEEP_MARK;
	return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

/* True once for a packet that comes back; it is unmarked by that. */
static __always_inline bool handover_came_again(struct __sk_buff *skb)
{
	if (skb->mark != SYNKEEP_MARK)
		return false;
	skb->mark = 0;
	return true;
}

#endif /* SYNKEEP_HANDOVER_BPF_H */
