/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A calendar of keys for the next minute: what is due, and about when.
 *
 * A day of it is a slot of 2^24 ns, 16.8 ms, with a list of chunks full of bare keys: the slot is all that is known of
 * a key's time, and a key costs little more than its bytes. It is never given before its time, and at most a slot late
 * where horizon_take() is called in time. What is further away than the last slot is refused: whoever reads the tables
 * now and then meets it again.
 *
 * Keys are not told apart: one that was added twice is given twice, and none can be taken back.
 */
#ifndef SYNKEEP_DAEMON_HORIZON_H
#define SYNKEEP_DAEMON_HORIZON_H

#include "base.h"

#define HORIZON_SLOT_SHIFT 24
#define HORIZON_SLOTS 4096
#define HORIZON_NS ((__u64)(HORIZON_SLOTS - 2) << HORIZON_SLOT_SHIFT) /* ahead of now, 68.6 s, there is a slot */

struct horizon;

/* NULL: no memory. */
struct horizon *horizon_new(__u32 key_bytes, __u64 now_ns);
void horizon_free(struct horizon *horizon); /* takes NULL */

/* What is due already is given next. 0, -ERANGE: beyond the horizon, or -ENOMEM. */
int horizon_add(struct horizon *horizon, const void *key, __u64 due_ns, __u64 now_ns);

/* Takes keys whose time has come, at most so many, the older slots first. Returns their number. Time goes forward. */
__u32 horizon_take(struct horizon *horizon, void *keys, __u32 most, __u64 now_ns);

/* Nothing is given before this time; UINT64_MAX: there is nothing. */
__u64 horizon_next_ns(const struct horizon *horizon);

/* How many keys wait. */
__u64 horizon_count(const struct horizon *horizon);

#endif /* SYNKEEP_DAEMON_HORIZON_H */
