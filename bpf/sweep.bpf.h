/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sweep: takes the slots of expired records back while no process runs, and keeps the presence filter true. An
 * expired record counts as absent the moment its deadline passes; the sweep only makes room.
 *
 * A timer in a pinned map goes on firing for as long as the map is pinned. It hands the walk to a workqueue, where it
 * can be preempted: over a full table of a million it takes tens of milliseconds, too long for the timer's soft
 * interrupt. A kernel before Linux 6.10 has no workqueue for programs, and the timer itself has to walk.
 *
 * After a walk the sweep rests for a hundred times as long as that took, so that it costs a core 1 % however large the
 * tables are. The presence filter's wipe does not wait for that, which is a walk more in a period, or in a rest that is
 * longer: of a tuple that is not heard of again, the bits hold for a period less the time from one bitmap's turn to the
 * other's wipe, which has to outlast a TIME-WAIT.
 */
#ifndef SYNKEEP_SWEEP_BPF_H
#define SYNKEEP_SWEEP_BPF_H

#include <bpf/bpf_core_read.h>

#include "expiry.bpf.h"

#define SWEEP_INTERVAL_NS (5 * NSEC_PER_SEC)
#define SWEEP_REST 100 /* times the walk */
#define CLOCK_MONOTONIC 1
#define EBUSY 16

struct sweep {
	struct bpf_timer timer;
	struct bpf_wq work;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sweep);
} sweeper SEC(".maps");

__u64 sweep_due_ns; /* CLOCK_MONOTONIC: the next walk is not before this. Written by the walk alone */

extern int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) __ksym __weak;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym __weak;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int(callback_fn)(void *map, int *key, void *value),
				    unsigned int flags, void *aux__ign) __ksym __weak;

/* One walk over the tables. */
struct sweep_walk {
	__u64 now_ns;
	bool mark; /* put what is alive into the presence filter */
};

/* The tuple of a key, a struct flow4_key or flow6_key, into the presence filter. */
static __always_inline int sweep_mark(const void *key, __u8 family)
{
	const struct config *conf = config_get();
	struct tuple t;

	if (!conf)
		return 0;
	expiry_tuple(key, family, &t);
	presence_mark(conf, &t);
	return 0;
}

static __always_inline int sweep_flow(const void *key, struct flow *f, const struct sweep_walk *walk, __u8 family)
{
	struct tuple t;

	if (f->deadline_ns > walk->now_ns)
		return walk->mark ? sweep_mark(key, family) : 0;
	expiry_tuple(key, family, &t);
	expiry_take_flow(&t, f, walk->now_ns);
	return 0;
}

static __always_inline int sweep_half_open(const void *key, const struct half_open *h, const struct sweep_walk *walk,
					   __u8 family)
{
	struct tuple t;

	if (h->deadline_ns > walk->now_ns)
		return walk->mark ? sweep_mark(key, family) : 0;
	expiry_tuple(key, family, &t);
	expiry_take_half_open(&t, h, walk->now_ns);
	return 0;
}

static __always_inline int sweep_ended(const void *key, const struct ended *e, const struct sweep_walk *walk,
				       __u8 family)
{
	struct tuple t;

	if (!ended_is_over(e, walk->now_ns))
		return walk->mark ? sweep_mark(key, family) : 0;
	expiry_tuple(key, family, &t);
	expiry_take_ended(&t, e, walk->now_ns);
	return 0;
}

/* What bpf_for_each_map_elem() calls, for each of a pair of maps. */
#define SWEEP_CALLBACKS(name, type)                                                                                    \
	static int name##4(void *map, const void *key, type *value, const struct sweep_walk *walk)                     \
	{                                                                                                              \
		return name(key, value, walk, FAMILY_IPV4);                                                            \
	}                                                                                                              \
	static int name##6(void *map, const void *key, type *value, const struct sweep_walk *walk)                     \
	{                                                                                                              \
		return name(key, value, walk, FAMILY_IPV6);                                                            \
	}

SWEEP_CALLBACKS(sweep_flow, struct flow)
SWEEP_CALLBACKS(sweep_half_open, struct half_open)
SWEEP_CALLBACKS(sweep_ended, struct ended)

static __always_inline void sweep_walk(const struct config *conf, __u64 now_ns)
{
	struct sweep_walk walk = { .now_ns = now_ns, .mark = presence_turn(conf, now_ns) };

	bpf_for_each_map_elem(&flows4, sweep_flow4, &walk, 0);
	bpf_for_each_map_elem(&half4, sweep_half_open4, &walk, 0);
	bpf_for_each_map_elem(&tw4, sweep_ended4, &walk, 0);
	bpf_for_each_map_elem(&flows6, sweep_flow6, &walk, 0);
	bpf_for_each_map_elem(&half6, sweep_half_open6, &walk, 0);
	bpf_for_each_map_elem(&tw6, sweep_ended6, &walk, 0);
}

static int sweep_all(void *map, int *key, void *value)
{
	const struct config *conf = config_get();
	__u64 began_ns = bpf_ktime_get_ns(), ended_ns;

	if (!conf)
		return 0;
	sweep_due_ns = ~0ULL; /* not again while it walks */
	sweep_walk(conf, began_ns + conf->test_advance_ns);
	ended_ns = bpf_ktime_get_ns();
	sweep_due_ns = presence_wipe_is_due ? ended_ns : ended_ns + SWEEP_REST * (ended_ns - began_ns);
	return 0;
}

/* The kfuncs and this type came together. */
static __always_inline bool sweep_has_workqueue(void)
{
	return bpf_core_type_exists(struct bpf_wq);
}

static int sweep_tick(void *map, int *key, struct sweep *s)
{
	bool is_due = bpf_ktime_get_ns() >= sweep_due_ns;
	const struct config *conf = config_get();
	__u64 now_ns = conf ? bpf_ktime_get_ns() + conf->test_advance_ns : 0;

	if (conf)
		bpf_for_each_map_elem(&services, sentry_look, &now_ns, 0);
	if (is_due && sweep_has_workqueue())
		bpf_wq_start(&s->work, 0);
	else if (is_due)
		sweep_all(map, key, s);
	bpf_timer_start(&s->timer, SWEEP_INTERVAL_NS, 0);
	return 0;
}

/* An earlier try has made it. */
static __always_inline long sweep_made(long err)
{
	return err == -EBUSY ? 0 : err;
}

/*
 * -ENOMEM may pass: the kernel allocates here without waiting for a lock, and fails where another CPU has that. So it
 * can be tried again from wherever it got to.
 */
static __always_inline long sweep_begin(struct sweep *s)
{
	long err = sweep_made(bpf_timer_init(&s->timer, &sweeper, CLOCK_MONOTONIC));

	if (!err)
		err = bpf_timer_set_callback(&s->timer, sweep_tick);
	if (!err && sweep_has_workqueue())
		err = sweep_made(bpf_wq_init(&s->work, &sweeper, 0));
	if (!err && sweep_has_workqueue())
		err = bpf_wq_set_callback_impl(&s->work, sweep_all, 0, NULL);
	return err ? err : bpf_timer_start(&s->timer, SWEEP_INTERVAL_NS, 0);
}

#endif /* SYNKEEP_SWEEP_BPF_H */
