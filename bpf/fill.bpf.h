/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How full the tables are, said before it hurts: the journal has an event when one passes FILL_FULL_PERCENT of its
 * room, and one when it has less than FILL_EASY_PERCENT again. Each CPU looks ten times a second.
 */
#ifndef SYNKEEP_FILL_BPF_H
#define SYNKEEP_FILL_BPF_H

#include "journal.bpf.h"

#define FILL_LOOK_NS (NSEC_PER_SEC / 10)
#define FILL_FULL_PERCENT 80
#define FILL_EASY_PERCENT 60

/* Since Linux 6.6; before that nobody knows how full a table is. */
extern __s64 bpf_map_sum_elem_count(const struct bpf_map *map) __ksym __weak;

const volatile __u32 ended_full_at = ~0U; /* written by the loader: config_ended_full_at() */
const volatile __u32 half_full_at = ~0U;
const volatile __u32 flows_full_at = ~0U;

__u32 fill_told; /* a bit for each enum journal_table that is told to fill */

static __always_inline __u64 fill_count(const void *map)
{
	return bpf_map_sum_elem_count ? bpf_map_sum_elem_count(map) : 0;
}

__noinline int fill_tell(__u32 table, __u64 records, __u64 full_at, __u64 now_ns)
{
	__u32 bit = 1U << (table & 31), told = fill_told;
	bool fills = !(told & bit) && records * 100 >= full_at * FILL_FULL_PERCENT;
	bool eases = (told & bit) && records * 100 < full_at * FILL_EASY_PERCENT;

	if ((!fills && !eases) || __sync_val_compare_and_swap(&fill_told, told, told ^ bit) != told)
		return 0;
	return journal_note(NULL, journal_what(fills ? JOURNAL_TABLE_FILLS : JOURNAL_TABLE_EASES, 0, table), records,
			    now_ns);
}

__noinline int fill_look(struct cpu_clock *clock)
{
	__u64 tw4_records, tw6_records;

	if (!clock)
		return -1;
	tw4_records = fill_count(&tw4);
	tw6_records = fill_count(&tw6);
	clock->tw4_full = tw4_records >= ended_full_at;
	clock->tw6_full = tw6_records >= ended_full_at;
	if (clock->now_ns - clock->fill_seen_ns < FILL_LOOK_NS)
		return 0;
	clock->fill_seen_ns = clock->now_ns;
	fill_tell(JOURNAL_HALF4, fill_count(&half4), half_full_at, clock->now_ns);
	fill_tell(JOURNAL_HALF6, fill_count(&half6), half_full_at, clock->now_ns);
	fill_tell(JOURNAL_FLOWS4, fill_count(&flows4), flows_full_at, clock->now_ns);
	fill_tell(JOURNAL_FLOWS6, fill_count(&flows6), flows_full_at, clock->now_ns);
	fill_tell(JOURNAL_TW4, tw4_records, ended_full_at, clock->now_ns);
	fill_tell(JOURNAL_TW6, tw6_records, ended_full_at, clock->now_ns);
	return 0;
}

#endif /* SYNKEEP_FILL_BPF_H */
