/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deadlines in a hierarchy of wheels.
 *
 * Read a tick as a number of digits of base 64. A timer lies in the wheel of the highest digit in which its tick
 * differs from the present one, in the slot that this digit names:
 *
 *	digit            4          3          2          1          0
 *	present tick    17         03         62         20         05
 *	timer           17         03         62         31         44        wheel 1, slot 31
 *	timer           17         03         62         20         09        wheel 0, slot 9
 *
 * So whatever lies in a lower wheel comes first, and while time passes without reaching a timer's slot, that slot stays
 * the right one. When time reaches it, the digit is the same, and the timer goes down to a lower wheel: at most once a
 * wheel. Only the last wheel goes round: its slots are the next 64, and a later timer waits in the last of them.
 */
#include <stdint.h>
#include <string.h>

#include "tcp/timer_wheel.h"

#define DIGIT_BITS 6
#define TICK_NS (1ULL << TIMER_WHEEL_TICK_SHIFT)
#define LAST (TIMER_WHEEL_LEVELS - 1)

/* Slots and digits are one, and the slots of a wheel fit its bitmap. */
_Static_assert(TIMER_WHEEL_SLOTS == 1 << DIGIT_BITS && TIMER_WHEEL_SLOTS == 64, "");

static __u32 shift_of(__u32 level)
{
	return level * DIGIT_BITS;
}

static __u32 digit_of(__u64 tick, __u32 level)
{
	return tick >> shift_of(level) & (TIMER_WHEEL_SLOTS - 1);
}

/* The tick at which a time has come: rounded up, so that nothing fires early. */
static __u64 tick_of(__u64 time_ns)
{
	return (time_ns >> TIMER_WHEEL_TICK_SHIFT) + (time_ns % TICK_NS != 0);
}

static __u32 level_of(const struct timer_wheel *wheel, __u64 tick)
{
	__u32 highest_bit = 63 - __builtin_clzll((tick ^ wheel->tick) | 1);
	__u32 level = highest_bit / DIGIT_BITS;

	return level < LAST ? level : LAST;
}

/* Addresses may be multiples of a power of 2: a bit of the product depends on all bits below it. */
static __u32 lane_of(const struct wheel_timer *timer)
{
	return (__u64)(uintptr_t)timer * 0x9e3779b97f4a7c15ULL >> 32 & (TIMER_WHEEL_LANES - 1);
}

/* A timer of the slot; NULL: it is empty. */
static struct wheel_timer *any_of(const struct wheel_slot *slot)
{
	for (__u32 lane = 0; lane < TIMER_WHEEL_LANES; lane++) {
		if (slot->lanes[lane])
			return slot->lanes[lane];
	}
	return NULL;
}

/* Puts a timer that is in no slot where it belongs now. */
static void sort_in(struct timer_wheel *wheel, struct wheel_timer *timer)
{
	__u64 furthest = ((wheel->tick >> shift_of(LAST)) + TIMER_WHEEL_SLOTS - 1) << shift_of(LAST);
	__u64 tick = tick_of(timer->expires_ns);
	struct wheel_timer **lane;
	__u32 level;

	if (tick < wheel->tick)
		tick = wheel->tick;
	if (tick > furthest)
		tick = furthest;
	level = level_of(wheel, tick);
	lane = &wheel->slots[level][digit_of(tick, level)].lanes[lane_of(timer)];
	wheel->occupied[level] |= 1ULL << digit_of(tick, level);
	timer->next = *lane;
	timer->link = lane;
	if (timer->next)
		timer->next->link = &timer->next;
	*lane = timer;
}

/* What pointed to a timer that went: where that is in a slot, and this empty now, the slot's bit is cleared. */
static void mark_if_empty(struct timer_wheel *wheel, struct wheel_timer **link)
{
	uintptr_t offset = (uintptr_t)link - (uintptr_t)wheel->slots;
	size_t index = offset / sizeof(struct wheel_slot);

	if (offset < sizeof(wheel->slots) && !any_of(&wheel->slots[0][0] + index))
		wheel->occupied[index / TIMER_WHEEL_SLOTS] &= ~(1ULL << index % TIMER_WHEEL_SLOTS);
}

void timer_wheel_init(struct timer_wheel *wheel, __u64 now_ns)
{
	memset(wheel, 0, sizeof(*wheel));
	wheel->tick = now_ns >> TIMER_WHEEL_TICK_SHIFT;
}

void timer_wheel_arm(struct timer_wheel *wheel, struct wheel_timer *timer, __u64 expires_ns)
{
	timer_wheel_disarm(wheel, timer);
	timer->expires_ns = expires_ns;
	sort_in(wheel, timer);
}

void timer_wheel_disarm(struct timer_wheel *wheel, struct wheel_timer *timer)
{
	if (!timer->link)
		return;
	*timer->link = timer->next;
	if (timer->next)
		timer->next->link = timer->link;
	mark_if_empty(wheel, timer->link);
	timer->link = NULL;
}

/*
 * The slot that comes first: its wheel, TIMER_WHEEL_LEVELS where no timer is armed, and the tick at which it begins.
 */
static __u32 first_slot(const struct timer_wheel *wheel, __u64 *begins)
{
	for (__u32 level = 0; level < TIMER_WHEEL_LEVELS; level++) {
		__u64 occupied = wheel->occupied[level];
		__u32 digit = digit_of(wheel->tick, level);

		if (!occupied)
			continue;
		/* The bit of the present digit goes to the right end: the last wheel goes round. */
		if (digit)
			occupied = occupied >> digit | occupied << (TIMER_WHEEL_SLOTS - digit);
		*begins = ((wheel->tick >> shift_of(level)) + __builtin_ctzll(occupied)) << shift_of(level);
		return level;
	}
	return TIMER_WHEEL_LEVELS;
}

/* Time has reached a slot of a higher wheel: its timers go down, one of each lane in turn. */
static void sort_slot_in(struct timer_wheel *wheel, __u32 level)
{
	__u32 digit = digit_of(wheel->tick, level);
	struct wheel_slot slot = wheel->slots[level][digit];

	memset(&wheel->slots[level][digit], 0, sizeof(slot));
	wheel->occupied[level] &= ~(1ULL << digit);
	while (any_of(&slot)) {
		for (__u32 lane = 0; lane < TIMER_WHEEL_LANES; lane++) {
			struct wheel_timer *timer = slot.lanes[lane];

			if (!timer)
				continue;
			slot.lanes[lane] = timer->next;
			__builtin_prefetch(timer->next, 1);
			sort_in(wheel, timer);
		}
	}
}

struct wheel_timer *timer_wheel_expire(struct timer_wheel *wheel, __u64 now_ns)
{
	__u64 now = now_ns >> TIMER_WHEEL_TICK_SHIFT, begins;
	struct wheel_timer *timer;
	__u32 level;

	/* From one occupied slot to the next: the empty ones between cost nothing, be they days. */
	while ((level = first_slot(wheel, &begins)) < TIMER_WHEEL_LEVELS && begins <= now) {
		wheel->tick = begins;
		if (level) {
			sort_slot_in(wheel, level);
			continue;
		}
		timer = any_of(&wheel->slots[0][digit_of(wheel->tick, 0)]);
		timer_wheel_disarm(wheel, timer);
		return timer;
	}
	wheel->tick = now;
	return NULL;
}

__u64 timer_wheel_next_ns(const struct timer_wheel *wheel)
{
	__u64 begins;

	if (first_slot(wheel, &begins) == TIMER_WHEEL_LEVELS)
		return UINT64_MAX;
	return begins << TIMER_WHEEL_TICK_SHIFT;
}
