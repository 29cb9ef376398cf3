// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Deadlines in a binary heap. */
#include "timer_heap.h"

static void put(struct timer_heap *heap, __u32 position, struct timer_heap_entry entry)
{
	heap->entries[position] = entry;
	heap->positions[entry.timer] = position;
}

/* An entry for a hole, which is at the position, or has to go up or down from there. */
static void fill_upwards(struct timer_heap *heap, __u32 hole, struct timer_heap_entry entry)
{
	while (hole) {
		__u32 parent = (hole - 1) / 2;

		if (heap->entries[parent].expires_ns <= entry.expires_ns)
			break;
		put(heap, hole, heap->entries[parent]);
		hole = parent;
	}
	put(heap, hole, entry);
}

static void fill_downwards(struct timer_heap *heap, __u32 hole, struct timer_heap_entry entry)
{
	__u32 child;

	while ((child = 2 * hole + 1) < heap->count) {
		if (child + 1 < heap->count)
			child += heap->entries[child + 1].expires_ns < heap->entries[child].expires_ns;
		if (heap->entries[child].expires_ns >= entry.expires_ns)
			break;
		put(heap, hole, heap->entries[child]);
		hole = child;
	}
	put(heap, hole, entry);
}

void timer_heap_arm(struct timer_heap *heap, __u32 timer, __u64 expires_ns)
{
	struct timer_heap_entry entry = { expires_ns, timer };
	__u32 position = heap->positions[timer];

	if (position == TIMER_HEAP_NONE)
		fill_upwards(heap, heap->count++, entry);
	else if (expires_ns < heap->entries[position].expires_ns)
		fill_upwards(heap, position, entry);
	else
		fill_downwards(heap, position, entry);
}

__u32 timer_heap_expire(struct timer_heap *heap, __u64 now_ns)
{
	__u32 timer;

	if (!heap->count || heap->entries[0].expires_ns > now_ns)
		return TIMER_HEAP_NONE;
	timer = heap->entries[0].timer;
	heap->positions[timer] = TIMER_HEAP_NONE;
	if (--heap->count)
		fill_downwards(heap, 0, heap->entries[heap->count]);
	return timer;
}
