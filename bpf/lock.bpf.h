/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow's lock: a word of its record (enum flow_lock), taken by compare-and-swap.
 *
 * A bpf_spin_lock would do the same for 50 ns a segment, nearly all of it for switching interrupts off and on, which
 * is not needed here:
 *   - Whoever holds the lock is a network hook: a softirq, or softirqs are off. What would want the same lock on the
 *     same CPU can not interrupt it, and it has done in some 30 ns; with a new state, while somebody watches
 *     (watch.bpf.h), in some hundred more.
 *   - The sweep, which can be interrupted, never holds it: it makes a free record a dead one in one step.
 * Waiting has an end all the same, for a holder's virtual CPU may be taken from it. Who has waited in vain goes on as
 * if there were no record: the connection is adopted anew, from its socket, by a record that replaces the one held.
 */
#ifndef SYNKEEP_LOCK_BPF_H
#define SYNKEEP_LOCK_BPF_H

#include "flow.h"

#define LOCK_TURNS (1 << 20) /* some milliseconds */

struct lock_wait {
	struct flow *f;
	bool taken;
};

static __always_inline enum flow_lock lock_exchange(struct flow *f, enum flow_lock from, enum flow_lock to)
{
	return __sync_val_compare_and_swap(&f->lock, from, to);
}

/* One look at a lock that was held. 1: waiting is over. */
static long lock_turn(__u32 turn, struct lock_wait *wait)
{
	enum flow_lock seen = *(volatile __u32 *)&wait->f->lock;

	if (seen == FLOW_LOCK_FREE)
		seen = lock_exchange(wait->f, FLOW_LOCK_FREE, FLOW_LOCK_HELD);
	wait->taken = seen == FLOW_LOCK_FREE;
	return seen != FLOW_LOCK_HELD;
}

static __noinline bool lock_wait(struct flow *f)
{
	struct lock_wait wait = { .f = f };

	bpf_loop(LOCK_TURNS, lock_turn, &wait, 0);
	return wait.taken;
}

/* False: the record is dead, or its holder does not come back. */
static __always_inline bool lock_take(struct flow *f)
{
	enum flow_lock seen = lock_exchange(f, FLOW_LOCK_FREE, FLOW_LOCK_HELD);

	return seen == FLOW_LOCK_FREE || (seen == FLOW_LOCK_HELD && lock_wait(f));
}

/*
 * Gives the record back, or leaves it dead. All that was written to it before is seen before this is. A holder that
 * comes back after others have given it up, and the element to another connection, leaves that one's lock as it is.
 */
static __always_inline void lock_give(struct flow *f, enum flow_lock left)
{
	lock_exchange(f, FLOW_LOCK_HELD, left);
}

#endif /* SYNKEEP_LOCK_BPF_H */
