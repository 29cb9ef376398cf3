/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking expired records away: what the sweep and the program "attend" do alike. An expired record counts as absent the
 * moment its deadline passes; this makes room.
 */
#ifndef SYNKEEP_EXPIRY_BPF_H
#define SYNKEEP_EXPIRY_BPF_H

#include "records.bpf.h"

/*
 * For how long a record is left behind its deadline. The hooks' clocks are up to a jiffy late (clock.bpf.h), and two of
 * the longest jiffies (10 ms) later none of them takes it for alive. A hook whose CPU was away for longer than that
 * may: it finds the record's lock dead or holds it, and at worst the connection is adopted anew with its next segment.
 */
#define EXPIRY_GRACE_NS (20 * NSEC_PER_MSEC)

/* The tuple of a key, a struct flow4_key or flow6_key. */
static __always_inline void expiry_tuple(const void *key, __u8 family, struct tuple *t)
{
	*t = (struct tuple){};
	if (family == FAMILY_IPV4)
		flow4_key_to_tuple(key, t);
	else
		flow6_key_to_tuple(key, t);
}

/*
 * Makes the record dead in one step, and deletes it. False: it has not expired; or someone has it just now, and then it
 * is left for the next time.
 */
static __noinline bool expiry_take_flow(const struct tuple *t, struct flow *f, __u64 now_ns)
{
	const struct config *conf = config_get();
	enum flow_lock seen;
	__u32 news, born_s;
	__u16 flags;

	if (!conf || f->deadline_ns > now_ns - EXPIRY_GRACE_NS)
		return false;
	seen = lock_exchange(f, FLOW_LOCK_FREE, FLOW_LOCK_DEAD);
	if (seen == FLOW_LOCK_HELD)
		return false;
	if (seen == FLOW_LOCK_FREE && f->deadline_ns > now_ns - EXPIRY_GRACE_NS) {
		/* it was moved, or the element given to another connection, since it was read */
		lock_exchange(f, FLOW_LOCK_DEAD, FLOW_LOCK_FREE);
		return false;
	}
	news = seen == FLOW_LOCK_FREE ? watch_news(f->state, FLOW_END_EXPIRED, now_ns) : 0;
	if (news)
		watch_flow(t, f, news);
	flags = f->flags;
	born_s = f->born_s;
	if ((flags & (FLOW_HANDOVER | FLOW_QUEUED)) != FLOW_HANDOVER) /* else nobody has ever owned it */
		presence_mark_lasting(conf, t); /* the owner's socket may be there still, and silent */
	flow_remove(t, flags, born_s, now_ns);
	verdict_note(V_FLOW_EXPIRED);
	return true;
}

static __noinline bool expiry_take_half_open(const struct tuple *t, const struct half_open *h, __u64 now_ns)
{
	__u32 news;

	if (h->deadline_ns > now_ns - EXPIRY_GRACE_NS)
		return false;
	news = watch_news(h->state, FLOW_END_EXPIRED, now_ns);
	if (news)
		watch_half_open(t, h, news);
	half_open_delete(t);
	return true;
}

static __noinline bool expiry_take_ended(const struct tuple *t, const struct ended *e, __u64 now_ns)
{
	if (!ended_is_over(e, now_ns - EXPIRY_GRACE_NS))
		return false;
	ended_delete(t);
	return true;
}

#endif /* SYNKEEP_EXPIRY_BPF_H */
