/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is passed unverified to a protected service: so many packets a second and CPU for each reason, in bursts of at
 * most a tenth of a second's worth, and at least one. Beyond that a packet is dropped, with a verdict of its own.
 * Services that are only monitored spend play money; to those with policy off everything passes.
 */
#ifndef SYNKEEP_BUDGET_BPF_H
#define SYNKEEP_BUDGET_BPF_H

#include "maps.bpf.h"

#define BUDGET_BURST_NS (NSEC_PER_SEC / 10)

/* verdict if the reason's budget has room for one more packet, V_UNVERIFIED_OVER_BUDGET if not. */
static __always_inline enum verdict budget_spend(enum service_policy policy, enum budget_reason reason,
						 enum verdict verdict, const struct cpu_clock *clock,
						 const struct config *conf)
{
	__u32 index = policy == POLICY_MONITOR ? BUDGET_COUNT + reason : reason;
	struct budget *budget = bpf_map_lookup_elem(&budgets, &index);
	__u64 cost_ns, burst_ns, left_ns;

	if (policy == POLICY_OFF)
		return verdict;
	if (!budget || !conf->budget_per_second)
		return V_UNVERIFIED_OVER_BUDGET;
	cost_ns = NSEC_PER_SEC / conf->budget_per_second;
	burst_ns = cost_ns > BUDGET_BURST_NS ? cost_ns : BUDGET_BURST_NS;
	left_ns = budget->left_ns + (clock->now_ns - budget->refilled_ns);
	if (left_ns > burst_ns)
		left_ns = burst_ns;
	budget->refilled_ns = clock->now_ns;
	if (left_ns < cost_ns) {
		budget->left_ns = left_ns;
		return V_UNVERIFIED_OVER_BUDGET;
	}
	budget->left_ns = left_ns - cost_ns;
	return verdict;
}

#endif /* SYNKEEP_BUDGET_BPF_H */
