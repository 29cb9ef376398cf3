/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time for the programs, read once a jiffy and CPU: reading the kernel's clocks costs 37 ns each, a jiffy 1.4 ns.
 *
 * No other CPU writes the element. A program that interrupts another of its CPU inside clock_read() reads the same
 * values; the keys are marked invalid while they are derived, so it derives them again.
 */
#ifndef SYNKEEP_CLOCK_BPF_H
#define SYNKEEP_CLOCK_BPF_H

#include "maps.bpf.h"

/* Since Linux 6.6; before that nobody knows how full a table is. */
extern __s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym __weak;

const volatile __u32 ended_full_at = ~0U; /* written by the loader: config_ended_full_at() */

/* Whether a table of ended connections has no more room but by giving up another of them. */
static __always_inline bool clock_sees_full(const void *map)
{
	return bpf_map_sum_elem_count && bpf_map_sum_elem_count(map) >= ended_full_at;
}

__noinline int clock_read(struct cpu_clock *clock, const struct config *conf, __u64 jiffies)
{
	__u64 cookie_time_ns;

	if (!clock || !conf)
		return -1;
	cookie_time_ns = bpf_ktime_get_tai_ns() - conf->cookie_time_offset_ns + conf->test_advance_ns;
	clock->now_ns = bpf_ktime_get_ns() + conf->test_advance_ns;
	clock->tw4_full = clock_sees_full(&tw4);
	clock->tw6_full = clock_sees_full(&tw6);
	cookie_clock_set(&clock->cookie, &conf->master_key, cookie_time_ns);
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
