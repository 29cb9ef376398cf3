/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sentry of a service, for policy auto: whether it is calm, and its SYNs go to their owner, or under flood, and
 * they are answered by cookies. The data path alone decides, by three things:
 *
 *   pressure   handshakes that began and are not complete. Each SYN adds one, each verified peer takes one away, and
 *              what nobody completes is worked off within SENTRY_WINDOW_NS. So a busy server stays calm, and a flood
 *              shows after `half-open` SYNs, which is milliseconds.
 *   the queue  of the kernel's listener, or of a worker of the daemon's, half of whose room for handshakes is taken. A
 *              slow flood shows there.
 *   strangers  segments of no connection, which in calm the owner answers: beyond the budget each presses as a
 *              handshake does.
 *
 * A flood has ended when the pressure was below half of the limit for the hold time, which is doubled when the next one
 * comes soon: a flood that comes and goes finds the shield up.
 *
 * Pure but for what steps the record that all CPUs share, which is atomic.
 */
#ifndef SYNKEEP_SENTRY_H
#define SYNKEEP_SENTRY_H

#include "base.h"

#define SENTRY_WINDOW_NS (4 * NSEC_PER_SEC)
#define SENTRY_HALF_OPEN_DEFAULT 256
#define SENTRY_HALF_OPEN_MAX 1000000
#define SENTRY_HOLD_S 10
#define SENTRY_HOLD_MAX_S 320
#define SENTRY_RELAPSE 10   /* times the hold: the next flood within that is held longer */
#define SENTRY_QUEUE_MIN 16 /* handshakes: so few are calm for any listener */

/* What showed that it is a flood. X(identifier, name, sentence) */
#define SENTRY_CAUSES(X)                                                                                               \
	X(NONE, "none", "there was none")                                                                              \
	X(HALF_OPEN, "half-open", "more handshakes were under way than half-open= allows")                             \
	X(QUEUE, "queue", "the listener's room for handshakes was half taken")                                         \
	X(STRANGERS, "strangers", "more segments of no connection came than may be passed")

enum sentry_cause {
#define X(id, name, sentence) SENTRY_##id,
	SENTRY_CAUSES(X)
#undef X
		SENTRY_CAUSE_COUNT
} __attribute__((packed));

/*
 * Map "sentries", an element a service: struct service's sentry. The first line is read with each packet and written
 * when something changes; the second is written in calm with each SYN, under flood once a jiffy and CPU.
 */
struct sentry {
	__u64 flood_since_ns;	 /* CLOCK_MONOTONIC, as all times here; 0: calm */
	__u64 cookie_sent_ns;	 /* when a cookie was last sent for it, to a jiffy; 0: never */
	__u64 kernel_cookie_ns;	 /* the same of the kernel's own, whoever sent it */
	__u64 calm_since_ns;	 /* when the last flood ended; 0: there was none */
	__u64 lasted_ns;	 /* how long that was */
	__u32 hold_s;		 /* of this flood, or the last; 0: there was none */
	__u32 floods;		 /* so far, this one too */
	enum sentry_cause cause; /* of this one, or the last */
	__u8 reserved[15];
	/* The second line. */
	__u64 pressure_ns __attribute__((aligned(64))); /* when it will have been worked off, if nothing comes */
	__u64 pressed_ns;				/* when it was last above half of the limit */
	__u64 syns;					/* so far, to a jiffy */
	__s32 flows;					/* records that count for the service (FLOW_COUNTED) */
	__u32 flows_full;				/* how often a connection found its share used up */
	__u64 share_told_ns;				/* when the journal was last told that */
	__u32 counted_since_s;				/* flows of records that were there before do not count */
	__u32 zero[5];
};

/* What a handshake weighs, as time. limit: how many are calm, at least 1. */
static __always_inline __u64 sentry_cost_ns(__u32 limit)
{
	return SENTRY_WINDOW_NS / limit;
}

/* How many handshakes are under way. */
static __always_inline __u32 sentry_pressure(const struct sentry *s, __u32 limit, __u64 now_ns)
{
	return s->pressure_ns > now_ns ? (__u32)((s->pressure_ns - now_ns) / sentry_cost_ns(limit)) : 0;
}

/* When the flood is over if nothing presses any more. */
static __always_inline __u64 sentry_flood_until_ns(const struct sentry *s)
{
	__u32 hold_s = s->hold_s ? s->hold_s : SENTRY_HOLD_S; /* the first flood's is about to be written */

	return s->pressed_ns + hold_s * NSEC_PER_SEC;
}

/* Whether SYNs are to be answered. A flood whose hold time has passed is over, also where nobody has noted it yet. */
static __always_inline bool sentry_is_flooded(const struct sentry *s, __u64 now_ns)
{
	return s->flood_since_ns && now_ns < sentry_flood_until_ns(s);
}

/*
 * Adds handshakes. True: there are more than the limit. The pressure does not grow beyond twice that, or a long flood
 * would be felt long after it.
 */
static __always_inline bool sentry_press(struct sentry *s, __u32 limit, __u32 handshakes, __u64 now_ns)
{
	__u64 before = s->pressure_ns, from = before > now_ns ? before : now_ns, most = now_ns + 2 * SENTRY_WINDOW_NS;
	__u64 after = from + handshakes * sentry_cost_ns(limit);

	if (after > most)
		after = most;
	/* Who meets another CPU in this is not counted: at worst the next SYN shows it. */
	if (after > before)
		__sync_val_compare_and_swap(&s->pressure_ns, before, after);
	s->syns += handshakes; /* for people, too */
	if (after > now_ns + SENTRY_WINDOW_NS / 2 && s->pressed_ns < now_ns)
		s->pressed_ns = now_ns;
	return after > now_ns + SENTRY_WINDOW_NS;
}

/* Handshakes are complete: what they weighed, as far as it is there yet. */
static __always_inline void sentry_relieve(struct sentry *s, __u32 limit, __u32 handshakes, __u64 now_ns)
{
	__u64 before = s->pressure_ns, relief_ns = handshakes * sentry_cost_ns(limit);

	if (before <= now_ns)
		return;
	if (relief_ns > before - now_ns)
		relief_ns = before - now_ns;
	__sync_fetch_and_add(&s->pressure_ns, -relief_ns);
}

/* The owner's own room for handshakes is taken, whose sum the pressure does not tell: the next SYN is of a flood. */
static __always_inline void sentry_press_hard(struct sentry *s, __u64 now_ns)
{
	s->pressure_ns = now_ns + 2 * SENTRY_WINDOW_NS;
	s->pressed_ns = now_ns;
}

/* Whether one may come back of the cookies that were sent until sent_ns, to a jiffy; 0: never. */
static __always_inline bool sentry_awaits(__u64 sent_ns, __u64 lifetime_ns, __u64 now_ns)
{
	return sent_ns && now_ns < sent_ns + 2 * lifetime_ns;
}

/* How long the pressure must stay low behind a flood that begins now. */
static __always_inline __u32 sentry_next_hold_s(const struct sentry *s, __u64 now_ns)
{
	__u32 doubled = s->hold_s < SENTRY_HOLD_MAX_S / 2 ? s->hold_s * 2 : SENTRY_HOLD_MAX_S;

	/* The CPU that noted the last one's end may be ahead of this one. */
	if (!s->hold_s || now_ns > s->calm_since_ns + SENTRY_RELAPSE * s->hold_s * NSEC_PER_SEC)
		return SENTRY_HOLD_S;
	return doubled;
}

/* True: a flood has begun, and the caller is who noticed. */
static __always_inline bool sentry_begin_flood(struct sentry *s, enum sentry_cause cause, __u64 now_ns)
{
	s->pressed_ns = now_ns;
	if (__sync_val_compare_and_swap(&s->flood_since_ns, 0, now_ns))
		return false;
	s->hold_s = sentry_next_hold_s(s, now_ns);
	s->cause = cause;
	s->floods++;
	return true;
}

/* True: a flood was over, and the caller is who noticed. */
static __always_inline bool sentry_end_flood(struct sentry *s, __u64 now_ns)
{
	__u64 since_ns = s->flood_since_ns, until_ns = sentry_flood_until_ns(s);

	if (!since_ns || now_ns < until_ns || __sync_val_compare_and_swap(&s->flood_since_ns, since_ns, 0) != since_ns)
		return false;
	s->calm_since_ns = until_ns;
	s->lasted_ns = until_ns - since_ns;
	return true;
}

_Static_assert(sizeof(struct sentry) == 128 && __builtin_offsetof(struct sentry, pressure_ns) == 64,
	       "sentry: two cache lines");

#endif /* SYNKEEP_SENTRY_H */
