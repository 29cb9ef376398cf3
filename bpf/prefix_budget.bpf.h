/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a source that is not verified may get one more answer: config.answers_per_prefix, a CPU. Who is on the list
 * of allowed sources may.
 */
#ifndef SYNKEEP_PREFIX_BUDGET_BPF_H
#define SYNKEEP_PREFIX_BUDGET_BPF_H

#include "maps.bpf.h"
#include "packet.h"
#include "prefix_budget.h"

/* When each budget will be full again (prefix_budget.h); written by its own CPU only. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PREFIX_BUDGETS);
	__type(key, __u32);
	__type(value, __u64);
} prefix_budgets SEC(".maps");

static __always_inline bool prefix_budget_spend(const struct packet *p, const struct cpu_clock *clock,
						const struct config *conf)
{
	__u32 index = prefix_budget_index(&conf->presence_key, &p->tuple);
	__u64 *full_ns;

	if (!clock->answer_cost_ns || p->source_allowed)
		return true;
	full_ns = bpf_map_lookup_elem(&prefix_budgets, &index);
	return full_ns && prefix_budget_take(full_ns, clock->answer_cost_ns, clock->now_ns);
}

#endif /* SYNKEEP_PREFIX_BUDGET_BPF_H */
