/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Seeding: what is connected already when the shield is loaded gets its record at once, from its socket. Run once by
 * the loader, after the hooks are attached, through an iterator over the TCP sockets of the device's namespace; what it
 * misses is adopted with its next segment.
 */
#ifndef SYNKEEP_SEED_BPF_H
#define SYNKEEP_SEED_BPF_H

#include "clock.bpf.h"
#include "records.bpf.h"
#include "service.bpf.h"
#include "socket.bpf.h"

#define IPV4_MAPPED_PREFIX net32(0x0000ffff) /* the third word of ::ffff:0:0/96 */

/* The socket's tuple. A dual-stack socket has IPv4 peers as mapped IPv6 addresses; on the wire they are IPv4. */
static __always_inline void seed_read_tuple(const struct sock_common *skc, struct tuple *t)
{
	t->family = skc->skc_family;
	t->remote_port = host16(skc->skc_dport);
	t->local_port = skc->skc_num;
	if (t->family == FAMILY_IPV4) {
		t->remote[0] = skc->skc_daddr;
		t->local[0] = skc->skc_rcv_saddr;
		return;
	}
	BPF_CORE_READ_INTO(&t->remote, skc, skc_v6_daddr.in6_u.u6_addr32);
	BPF_CORE_READ_INTO(&t->local, skc, skc_v6_rcv_saddr.in6_u.u6_addr32);
	if (t->remote[0] || t->remote[1] || t->remote[2] != IPV4_MAPPED_PREFIX)
		return;
	t->family = FAMILY_IPV4;
	t->remote[0] = t->remote[3];
	t->local[0] = t->local[3];
	t->remote[1] = t->remote[2] = t->remote[3] = 0;
	t->local[1] = t->local[2] = t->local[3] = 0;
}

/*
 * Whether the socket concerns the programs: it is a service's, or this host opened it and its packets came in by this
 * device. It may as well be connected over another one, or to this host itself, and its record would never see a
 * segment. tp is NULL where it is not connected.
 */
static __always_inline bool seed_wants(const struct tcp_sock *tp, const struct tuple *t, const struct cpu_clock *clock,
				       const struct config *conf)
{
	__u8 port_kinds = service_port_kinds(t->local_port);

	if (service_find(t, port_kinds, clock->now_ns).service)
		return true;
	return tp && service_ports_outgoing(port_kinds) && !socket_was_accepted(tp) &&
	       (__u32)tp->inet_conn.icsk_inet.sk.sk_rx_dst_ifindex == conf->ifindex;
}

/* A record that is there already was made by the hooks meanwhile, and knows more. */
static __always_inline void seed_flow(const struct tcp_sock *tp, __u32 kernel_state, const struct tuple *t,
				      const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict = V_SEGMENT;
	struct flow f = {};
	__u32 news;

	if (flow_find(t))
		return;
	socket_read_flow(tp, kernel_state, &f);
	flow_init(&f, t, clock, conf);
	if (conf->counts_flows)
		verdict = source_limit_count(&f, t, false, clock);
	if (verdict == V_SEGMENT)
		verdict = flow_put_new(&f, t, clock);
	if (verdict != V_SEGMENT) {
		presence_mark_lasting(conf, t);
		verdict_note(verdict);
		return;
	}
	news = watch_news(TCPS_CLOSED, FLOW_END_NONE, clock->now_ns);
	if (news)
		watch_flow(t, &f, news);
}

#endif /* SYNKEEP_SEED_BPF_H */
