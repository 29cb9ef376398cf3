/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time for the programs, read once a jiffy and CPU: reading the kernel's clocks costs 37 ns each, a jiffy 1.4 ns.
 *
 * No other CPU writes the element. A program that interrupts another of its CPU inside clock_read() reads the same
 * values; the keys are marked invalid while they are derived, so it derives them again.
 */
#ifndef SYNKEEP_CLOCK_BPF_H
#define SYNKEEP_CLOCK_BPF_H

#include "fill.bpf.h"

__noinline int clock_read(struct cpu_clock *clock, const struct config *conf, __u64 jiffies)
{
	__u64 cookie_time_ns;

	if (!clock || !conf)
		return -1;
	cookie_time_ns = bpf_ktime_get_tai_ns() - conf->cookie_time_offset_ns + conf->test_advance_ns;
	clock->now_ns = bpf_ktime_get_ns() + conf->test_advance_ns;
	fill_look(clock);
	cookie_clock_set(&clock->cookie, &conf->keys, cookie_time_ns);
	clock->answer_cost_ns = conf->answers_per_prefix ? NSEC_PER_SEC / conf->answers_per_prefix : 0;
	clock->jiffies = jiffies;
	return 0;
}

static __always_inline struct cpu_clock *clock_get(const struct config *conf)
{
	__u32 zero = 0;
	struct cpu_clock *clock = bpf_map_lookup_elem(&clocks, &zero);
	__u64 jiffies = bpf_jiffies64();

	if (clock && clock->jiffies != jiffies)
		clock_read(clock, conf, jiffies);
	return clock;
}

#endif /* SYNKEEP_CLOCK_BPF_H */
