/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Policy monitor: a packet is judged as under always, by the same code, but for the answer, which is not written. Here
 * the judgement is counted, and the packet passes as it came.
 *
 * What flows claim has the same fate under always, and is not counted. The counts are of a CPU's own element.
 */
#ifndef SYNKEEP_MONITOR_BPF_H
#define SYNKEEP_MONITOR_BPF_H

#include "local_end.bpf.h"
#include "options.bpf.h"

/* Counts the verdict that always would have given; returns the one that the packet gets. m: NULL if not counted. */
static __always_inline enum verdict monitor_verdict(struct monitored *m, enum verdict verdict)
{
	if (m && verdict < VERDICT_COUNT)
		m->verdicts[verdict]++;
	return verdict_action(verdict) == VERDICT_PASS ? verdict : V_MONITORED;
}

/* The service is looked up once more, for its key: so only packets of monitored services pay for that. */
__noinline enum verdict monitor_segment(const struct packet *p, const struct cpu_clock *clock, enum verdict verdict)
{
	struct service_key key;

	if (!p || !clock)
		return V_MONITORED;
	service_find_key(&p->tuple, service_port_kinds(p->tuple.local_port), clock->now_ns, &key);
	return monitor_verdict(bpf_map_lookup_elem(&monitored, &key), verdict);
}

/* What the SYN would have lost: by an answer that leaves it out, or for want of one. */
static __always_inline void monitor_losses(struct monitored *m, const struct packet *p, const struct tcp_options *o,
					   const struct local_end *end, enum verdict verdict)
{
	bool answered = verdict_action(verdict) == VERDICT_TX;

	m->losses[LOSS_FAST_OPEN] += answered && o->has_fast_open;
	m->losses[LOSS_SYN_DATA] += answered && p->segment.payload_bytes;
	m->losses[LOSS_MPTCP] += answered && o->has_mptcp && end->listener.mptcp;
	m->losses[LOSS_OPTIONS] += verdict == V_SYN_KERNEL_COOKIE && !o->has_timestamps &&
				   (o->sack_permitted || o->wscale != TCP_WSCALE_NONE);
	m->losses[LOSS_SIGNED] += o->has_signature;
	m->losses[LOSS_SMALL_MSS] += answered && o->mss && o->mss < cookie_min_mss(p->tuple.family);
	m->losses[LOSS_HANDOVER] += verdict == V_SYN_UNANSWERED || verdict == V_SYN_SYSCTL;
}

__noinline enum verdict monitor_syn(struct xdp_md *ctx, const struct packet *p, const struct local_end *end,
				    enum verdict verdict)
{
	struct tcp_options options;
	struct service_key key;
	struct monitored *m;

	if (!p || !end)
		return V_MONITORED;
	key = end->service_key; /* as in local_end_read() */
	m = bpf_map_lookup_elem(&monitored, &key);
	if (m && options_read_xdp(ctx, p, &options))
		monitor_losses(m, p, &options, end, verdict);
	return monitor_verdict(m, verdict);
}

#endif /* SYNKEEP_MONITOR_BPF_H */
