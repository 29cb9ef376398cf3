/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that this host opens, on ports that no service names: tracked where the loader asked for it
 * (PORT_OUTGOING). What they begin with is in egress.bpf.h. Nothing is answered or dropped here: the kernel is the
 * judge of its own.
 *
 * All of them are in the presence filter, and what this host accepted on such a port is not: its packets cost a look at
 * the filter. A connection that has no record, but a socket, is adopted when that sends next, to which every segment of
 * the peer's leads: there the socket is at hand.
 */
#ifndef SYNKEEP_OUTGOING_BPF_H
#define SYNKEEP_OUTGOING_BPF_H

#include "ingress_segment.bpf.h"

/* Whether the tuple may be of such a connection, or of a service. */
static __always_inline bool outgoing_or_service(__u8 port_kinds, const struct tuple *t, const struct config *conf)
{
	return service_port_named(port_kinds) || presence_has(conf, t);
}

/* A segment that no flow claims. */
static __always_inline enum verdict outgoing_without_flow(struct xdp_md *ctx, const struct packet *p,
							  const struct cpu_clock *clock, const struct config *conf)
{
	enum verdict verdict = handshake_of_peer(ctx, p, clock, conf);
	struct ended *e;

	if (verdict != V_NO_FLOW)
		return verdict;
	e = ended_alive(&p->tuple, clock->now_ns);
	if (!e || ended_state(e, clock->now_ns) != TCPS_TIME_WAIT)
		return V_NO_SERVICE;
	return segment_of_ended(p, e, clock, conf);
}

#endif /* SYNKEEP_OUTGOING_BPF_H */
