/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deadlines, each armed, moved and fired in constant time: a hierarchy of wheels (Varghese and Lauck, scheme 7).
 *
 * A tick is 2^18 ns, about a quarter of a millisecond; a timer never fires early, and at most one tick late where
 * timer_wheel_expire() is called in time. Deadlines beyond the last wheel wait there and are sorted in again.
 */
#ifndef SYNKEEP_TCP_TIMER_WHEEL_H
#define SYNKEEP_TCP_TIMER_WHEEL_H

#include "base.h"

#define TIMER_WHEEL_TICK_SHIFT 18
#define TIMER_WHEEL_LEVELS 5
#define TIMER_WHEEL_SLOTS 64
#define TIMER_WHEEL_LANES 8

struct wheel_timer {
	struct wheel_timer *next;
	struct wheel_timer **link; /* what points to it; NULL: not armed */
	__u64 expires_ns;
};

/*
 * A slot's timers, in no order: several lists, a timer's being chosen by its address. When they go down to a lower
 * wheel they have long left the cache, and a list tells the next only when the one before has come back from memory:
 * so this many are fetched at a time.
 */
struct wheel_slot {
	struct wheel_timer *lanes[TIMER_WHEEL_LANES];
};

struct timer_wheel {
	__u64 tick;			    /* all before it have been taken */
	__u64 occupied[TIMER_WHEEL_LEVELS]; /* a bit a slot that has timers */
	struct wheel_slot slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

void timer_wheel_init(struct timer_wheel *wheel, __u64 now_ns);

/* Arms the timer, or moves it. A time that has passed fires at the next timer_wheel_expire(). */
void timer_wheel_arm(struct timer_wheel *wheel, struct wheel_timer *timer, __u64 expires_ns);

/* Does nothing where it is not armed. */
void timer_wheel_disarm(struct timer_wheel *wheel, struct wheel_timer *timer);

/* Takes a timer whose time has come, disarmed; NULL: there is none. Time never runs backwards. */
struct wheel_timer *timer_wheel_expire(struct timer_wheel *wheel, __u64 now_ns);

/* No timer fires before this time; UINT64_MAX where none is armed. */
__u64 timer_wheel_next_ns(const struct timer_wheel *wheel);

#endif /* SYNKEEP_TCP_TIMER_WHEEL_H */
