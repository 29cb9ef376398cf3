/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deadlines in a binary heap, which timer_wheel.h is measured beside.
 *
 * As good as one can be made plainly: an array of deadlines and numbers, so that comparing touches nothing else; a hole
 * that moves instead of exchanges; and where each timer lies, for moves.
 */
#ifndef SYNKEEP_BENCH_TIMER_HEAP_H
#define SYNKEEP_BENCH_TIMER_HEAP_H

#include "base.h"

#define TIMER_HEAP_NONE ~0U

struct timer_heap {
	struct timer_heap_entry {
		__u64 expires_ns;
		__u32 timer;
	} * entries;	  /* room for every timer */
	__u32 *positions; /* by timer, among the entries; TIMER_HEAP_NONE: not armed */
	__u32 count;
};

/* Arms the timer, or moves it. */
void timer_heap_arm(struct timer_heap *heap, __u32 timer, __u64 expires_ns);

/* Takes a timer whose time has come; TIMER_HEAP_NONE: there is none. */
__u32 timer_heap_expire(struct timer_heap *heap, __u64 now_ns);

#endif /* SYNKEEP_BENCH_TIMER_HEAP_H */
