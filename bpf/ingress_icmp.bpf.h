/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * ICMP errors: one about a segment of the daemon's is the daemon's; one that answers a keepalive probe of Synkeep's is
 * noted in the flow's record. The kernel gets every other, and that one too: the quoted number is below its SND.UNA, so
 * it takes no notice.
 */
#ifndef SYNKEEP_INGRESS_ICMP_BPF_H
#define SYNKEEP_INGRESS_ICMP_BPF_H

#include "daemon.bpf.h"
#include "icmp.h"

/*
 * The host that is asked says that nobody is there. Only who has seen the probe knows its number (RFC 5927, 4.1). What
 * may pass, and what an administrator forbids, says nothing of the peer (RFC 9293, 3.9.2.2; RFC 5461).
 *
 * One step from what was seen: a peer that shows at this moment that it lives has cleared it.
 */
static __noinline int icmp_refuses_probe(const struct icmp_error *error, const struct cpu_clock *clock)
{
	struct flow *f = flow_lock(&error->tuple, clock->now_ns);
	bool refuses;
	__u32 probes;

	if (!f)
		return 0;
	probes = f->probes;
	refuses = (probes & FLOW_PROBE_AWAITED) && error->seq == f->snd_nxt - 1 &&
		  __sync_val_compare_and_swap(&f->probes, probes, probes | FLOW_PROBE_REFUSED) == probes;
	flow_unlock(f);
	if (refuses)
		verdict_note(V_PROBE_REFUSED);
	return 0;
}

/* V_OTHER: it is not about a segment of the daemon's. */
__noinline enum verdict ingress_icmp(struct xdp_md *ctx, const struct packet *p, const struct cpu_clock *clock,
				     const struct config *conf)
{
	const struct frame f = {
		.data = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
		.direction = DIRECTION_RCV,
	};
	struct icmp_error error;
	__u8 port_kinds;

	if (!p || !clock || !conf || !icmp_parse(p, &f, &error))
		return V_OTHER;
	port_kinds = service_port_kinds(error.tuple.local_port);
	if (port_kinds && error.is_refusal)
		icmp_refuses_probe(&error, clock);
	if (service_port_of_daemon(port_kinds) && daemon_has(&error.tuple, clock, conf))
		return daemon_give(ctx, DAEMON_ICMP);
	return V_OTHER;
}

#endif /* SYNKEEP_INGRESS_ICMP_BPF_H */
