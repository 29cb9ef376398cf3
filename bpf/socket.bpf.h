/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the host's own sockets say about a tuple. For a service that the kernel owns, the socket is the truth; records
 * are made from it (adoption) and SYNs are answered with what its listener can take.
 */
#ifndef SYNKEEP_SOCKET_BPF_H
#define SYNKEEP_SOCKET_BPF_H

#include <bpf/bpf_core_read.h>

#include "cookie.h"
#include "handover.h"
#include "packet.h"
#include "sentry.h"

#define SOCK_RCVBUF_LOCK 2 /* in sk_userlocks: SO_RCVBUF was set */

enum socket_kind {
	SOCKET_LISTENING,
	SOCKET_CONNECTED, /* ESTABLISHED or later, with all its numbers */
	SOCKET_OTHER,	  /* handshake under way, or TIME-WAIT */
};

/* What a listener, or the daemon's TCP in place of one, lets a SYN-ACK promise. */
struct listener {
	enum flow_owner owner;
	__u32 window;	    /* bytes that it can buffer */
	__u32 window_clamp; /* bytes that it will ever offer; 0: no such limit */
	bool queue_full;    /* its accept queue has no room */
	bool queue_filling; /* it is half full at least, and may be full with the next packets */
	bool pressed;	    /* half of its room for handshakes is taken */
	bool mptcp;
	bool syncookies; /* its namespace's net.ipv4.tcp_syncookies is not 0 */
	bool wscale;	 /* the options that its namespace's sysctls leave on */
	bool sack;
	bool ecn;
	__u8 timestamps; /* net.ipv4.tcp_timestamps */
};

/*
 * Looks the tuple up in the namespace of the device. A socket that is found must be released. Works for XDP and TC
 * contexts alike.
 */
static __always_inline struct bpf_sock *socket_find(void *ctx, const struct tuple *t)
{
	struct bpf_sock_tuple lookup = {};

	if (t->family == FAMILY_IPV4) {
		lookup.ipv4.saddr = t->remote[0];
		lookup.ipv4.daddr = t->local[0];
		lookup.ipv4.sport = net16(t->remote_port);
		lookup.ipv4.dport = net16(t->local_port);
		return bpf_skc_lookup_tcp(ctx, &lookup, sizeof(lookup.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	__builtin_memcpy(lookup.ipv6.saddr, t->remote, sizeof(lookup.ipv6.saddr));
	__builtin_memcpy(lookup.ipv6.daddr, t->local, sizeof(lookup.ipv6.daddr));
	lookup.ipv6.sport = net16(t->remote_port);
	lookup.ipv6.dport = net16(t->local_port);
	return bpf_skc_lookup_tcp(ctx, &lookup, sizeof(lookup.ipv6), BPF_F_CURRENT_NETNS, 0);
}

/*
 * Whether the packet's destination is this host. A listener of every address would be found for a packet that the host
 * only forwards, too; where nothing is forwarded the question costs little. Of a tagged packet the device below its
 * VLAN is asked: where that one forwards nothing and the VLAN does, transit would be taken for this host's.
 */
__noinline bool socket_address_is_local(struct xdp_md *ctx, const struct packet *p)
{
	struct bpf_fib_lookup route = {};
	long found;

	if (!p)
		return true;
	route.family = p->tuple.family;
	route.l4_protocol = IPPROTO_TCP;
	route.ifindex = ctx->ingress_ifindex;
	if (p->tuple.family == FAMILY_IPV4) {
		route.ipv4_src = p->tuple.remote[0];
		route.ipv4_dst = p->tuple.local[0];
	} else {
		__builtin_memcpy(route.ipv6_src, p->tuple.remote, sizeof(route.ipv6_src));
		__builtin_memcpy(route.ipv6_dst, p->tuple.local, sizeof(route.ipv6_dst));
	}
	found = bpf_fib_lookup(ctx, &route, sizeof(route), 0);
	return found < 0 || found == BPF_FIB_LKUP_RET_FWD_DISABLED || found == BPF_FIB_LKUP_RET_NOT_FWDED;
}

static __always_inline enum socket_kind socket_kind(__u32 kernel_state)
{
	switch (kernel_state) {
	case TCP_LISTEN:
		return SOCKET_LISTENING;
	case TCP_ESTABLISHED:
	case TCP_FIN_WAIT1:
	case TCP_FIN_WAIT2:
	case TCP_CLOSE_WAIT:
	case TCP_LAST_ACK:
	case TCP_CLOSING:
		return SOCKET_CONNECTED;
	default:
		return SOCKET_OTHER;
	}
}

static __always_inline enum tcp_state socket_state(__u32 kernel_state)
{
	switch (kernel_state) {
	case TCP_ESTABLISHED:
		return TCPS_ESTABLISHED;
	case TCP_FIN_WAIT1:
		return TCPS_FIN_WAIT_1;
	case TCP_FIN_WAIT2:
		return TCPS_FIN_WAIT_2;
	case TCP_CLOSE_WAIT:
		return TCPS_CLOSE_WAIT;
	case TCP_LAST_ACK:
		return TCPS_LAST_ACK;
	case TCP_CLOSING:
		return TCPS_CLOSING;
	default:
		return TCPS_CLOSED;
	}
}

/* The kfunc and this type came together. */
static __always_inline bool socket_has_handover_kfunc(void)
{
	return bpf_core_type_exists(struct bpf_tcp_req_attrs);
}

/* What decides how the listener's connections are handed over. */
static __always_inline enum handover_reason listener_handover(const struct listener *l, enum handover_way best)
{
	const struct handover_facts facts = {
		.best = best,
		.has_kfunc = socket_has_handover_kfunc(),
		.syncookies = l->syncookies,
		.mptcp = l->mptcp,
	};

	return handover_reason(&facts);
}

/* The most that connections of the listener will ever offer, as the kernel has it: SO_RCVBUF limits it too. */
static __always_inline __u32 socket_window_clamp(const struct tcp_sock *tp, __u32 window)
{
	__u32 clamp = tp->window_clamp;

	if ((BPF_CORE_READ_BITFIELD(tp, inet_conn.icsk_inet.sk.sk_userlocks) & SOCK_RCVBUF_LOCK) &&
	    (!clamp || clamp > window))
		return window;
	return clamp;
}

/*
 * The part of the listener's buffer that is for payload, as tcp_win_from_space() reckons it; before Linux 6.6 a sysctl
 * says how much.
 */
static __always_inline __u32 socket_window(const struct tcp_sock *tp, const struct netns_ipv4 *sysctls)
{
	__u32 space = tp->inet_conn.icsk_inet.sk.sk_rcvbuf;
	__s32 scale;

	if (bpf_core_field_exists(tp->scaling_ratio))
		return (__u64)space * tp->scaling_ratio >> 8;
	scale = sysctls->sysctl_tcp_adv_win_scale;
	return scale <= 0 ? space >> -scale : space - (space >> scale);
}

/* As sk_acceptq_is_full() has it. */
static __always_inline bool socket_queue_is_full(const struct tcp_sock *tp)
{
	const struct sock *listener = &tp->inet_conn.icsk_inet.sk;

	return listener->sk_ack_backlog > listener->sk_max_ack_backlog;
}

/* Full it is as inet_csk_reqsk_queue_is_full() has it. */
static __always_inline bool socket_is_pressed(const struct tcp_sock *tp)
{
	const struct inet_connection_sock *icsk = &tp->inet_conn;
	__u32 handshakes = icsk->icsk_accept_queue.qlen.counter;

	return handshakes >= SENTRY_QUEUE_MIN && handshakes >= icsk->icsk_inet.sk.sk_max_ack_backlog / 2;
}

static __always_inline void socket_read_listener(const struct tcp_sock *tp, struct listener *l)
{
	const struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	const struct netns_ipv4 *sysctls = &sk->__sk_common.skc_net.net->ipv4;

	l->owner = FLOW_OWNER_KERNEL;
	l->window = socket_window(tp, sysctls);
	l->queue_full = socket_queue_is_full(tp);
	l->queue_filling = sk->sk_ack_backlog >= sk->sk_max_ack_backlog / 2;
	l->pressed = socket_is_pressed(tp);
	l->window_clamp = socket_window_clamp(tp, l->window);
	l->mptcp = bpf_core_field_exists(tp->is_mptcp) ? tp->is_mptcp : false;
	l->syncookies = sysctls->sysctl_tcp_syncookies;
	l->wscale = sysctls->sysctl_tcp_window_scaling;
	l->sack = sysctls->sysctl_tcp_sack;
	l->timestamps = sysctls->sysctl_tcp_timestamps;
	l->ecn = sysctls->sysctl_tcp_ecn;
}

static __always_inline void socket_read_options(const struct tcp_sock *tp, struct flow *f)
{
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.wscale_ok)) {
		f->flags |= FLOW_WSCALE;
		f->snd_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.snd_wscale);
		f->rcv_wscale = BPF_CORE_READ_BITFIELD(tp, rx_opt.rcv_wscale);
	}
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.sack_ok))
		f->flags |= FLOW_SACK;
	if (BPF_CORE_READ_BITFIELD(tp, rx_opt.tstamp_ok)) {
		f->flags |= FLOW_TIMESTAMPS;
		f->rcv_tsval = tp->rx_opt.ts_recent;
	}
	f->mss = tp->rx_opt.mss_clamp;
}

/*
 * Whether the connection came to a listener. Nothing in a socket is meant to say so, but the child of a listener keeps
 * the device that its SYN came in by (tcp_v4_syn_recv_sock(), tcp_v6_syn_recv_sock()) where one that connected has 0.
 */
static __always_inline bool socket_was_accepted(const struct tcp_sock *tp)
{
	const struct inet_sock *inet = &tp->inet_conn.icsk_inet;
	const struct ipv6_pinfo *ipv6 = inet->pinet6;

	return inet->mc_index || (ipv6 && ipv6->mcast_oif);
}

/* Whether it sends keepalive probes itself. */
static __always_inline bool socket_is_kept_alive(const struct tcp_sock *tp)
{
	return tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags >> SOCK_KEEPOPEN & 1;
}

/*
 * The record of a connection met in mid-life: state and numbers from the socket, never from a packet. The initial
 * sequence numbers are not known any more and stay 0. A FIN of ours may be queued behind data: its number is the last
 * one written. The peer's FIN is acknowledged before the socket's state follows it; SOCK_DONE is set by then
 * (tcp_fin()).
 */
static __always_inline void socket_read_flow(const struct tcp_sock *tp, __u32 kernel_state, struct flow *f)
{
	f->state = socket_state(kernel_state);
	if (tp->inet_conn.icsk_inet.sk.__sk_common.skc_flags >> SOCK_DONE & 1)
		flow_step(f, TCPE_RCV_FIN);
	f->flags = FLOW_ADOPTED | (socket_was_accepted(tp) ? 0 : FLOW_OUTGOING);
	socket_read_options(tp, f);
	f->rcv_nxt = tp->rcv_nxt;
	f->rcv_wup = tp->rcv_wup;
	f->rcv_edge = tp->rcv_wup + tp->rcv_wnd;
	f->rcv_wnd = tp->rcv_wnd >> f->rcv_wscale;
	f->snd_nxt = tp->snd_nxt;
	f->snd_una = tp->snd_una;
	f->snd_wnd = tp->snd_wnd >> f->snd_wscale;
	if (f->state != TCPS_ESTABLISHED && f->state != TCPS_CLOSE_WAIT) {
		f->flags |= FLOW_SND_FIN;
		f->snd_fin = tp->write_seq - 1;
	}
	if (f->state == TCPS_CLOSE_WAIT || f->state == TCPS_CLOSING || f->state == TCPS_LAST_ACK ||
	    f->state == TCPS_TIME_WAIT) {
		f->flags |= FLOW_RCV_FIN;
		f->rcv_max = tp->rcv_nxt - 1;
	}
}

#endif /* SYNKEEP_SOCKET_BPF_H */
