/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sweep: takes the slots of expired records back while no process runs, and keeps the presence filter true. An
 * expired record counts as absent the moment its deadline passes; the sweep only makes room.
 *
 * A timer in a pinned map goes on firing for as long as the map is pinned. It hands the walk to a workqueue, where it
 * can be preempted: over a full table of a million it takes tens of milliseconds, too long for the timer's soft
 * interrupt. A kernel before Linux 6.10 has no workqueue for programs, and the timer itself has to walk.
 */
#ifndef SYNKEEP_SWEEP_BPF_H
#define SYNKEEP_SWEEP_BPF_H

#include <bpf/bpf_core_read.h>

#include "records.bpf.h"

#define SWEEP_INTERVAL_NS (5 * NSEC_PER_SEC)
/* The hooks' clocks are up to a jiffy late (clock.bpf.h): none of them takes for alive what is over for so long. */
#define SWEEP_GRACE_NS NSEC_PER_SEC
#define CLOCK_MONOTONIC 1

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
static __always_inline void sweep_mark(const void *key, __u8 family, bool lasting)
{
	const struct config *conf = config_get();
	struct tuple t = {};

	if (!conf)
		return;
	if (family == FAMILY_IPV4)
		flow4_key_to_tuple(key, &t);
	else
		flow6_key_to_tuple(key, &t);
	if (lasting)
		presence_mark_lasting(conf, &t);
	else
		presence_mark(conf, &t);
}

/* Makes the record dead, unless someone has it just now: then it is left for the next time. */
static __always_inline int sweep_flow(void *map, const void *key, struct flow *f, const struct sweep_walk *walk,
				      __u8 family)
{
	enum flow_lock seen;
	bool never_owned;

	if (f->deadline_ns > walk->now_ns) {
		if (walk->mark)
			sweep_mark(key, family, false);
		return 0;
	}
	seen = lock_exchange(f, FLOW_LOCK_FREE, FLOW_LOCK_DEAD);
	if (seen == FLOW_LOCK_HELD)
		return 0;
	if (seen == FLOW_LOCK_FREE &&
	    f->deadline_ns > walk->now_ns) { /* the element was given to another connection since it was read */
		lock_exchange(f, FLOW_LOCK_DEAD, FLOW_LOCK_FREE);
		return 0;
	}
	never_owned = (f->flags & (FLOW_HANDOVER | FLOW_QUEUED)) == FLOW_HANDOVER;
	if (!never_owned)
		sweep_mark(key, family, true); /* the owner's socket may be there still, and silent */
	bpf_map_delete_elem(map, key);
	verdict_note(V_FLOW_EXPIRED);
	return 0;
}

static __always_inline int sweep_half_open(void *map, const void *key, struct half_open *h,
					   const struct sweep_walk *walk, __u8 family)
{
	if (h->deadline_ns <= walk->now_ns)
		bpf_map_delete_elem(map, key);
	else if (walk->mark)
		sweep_mark(key, family, false);
	return 0;
}

static __always_inline int sweep_ended(void *map, const void *key, struct ended *e, const struct sweep_walk *walk,
				       __u8 family)
{
	if (ended_is_over(e, walk->now_ns))
		bpf_map_delete_elem(map, key);
	else if (walk->mark && ended_state(e, walk->now_ns) == TCPS_TIME_WAIT)
		sweep_mark(key, family, false);
	return 0;
}

/* What bpf_for_each_map_elem() calls, for each of a pair of maps. */
#define SWEEP_CALLBACKS(name, type)                                                                                    \
	static int name##4(void *map, const void *key, type *value, const struct sweep_walk *walk)                     \
	{                                                                                                              \
		return name(map, key, value, walk, FAMILY_IPV4);                                                       \
	}                                                                                                              \
	static int name##6(void *map, const void *key, type *value, const struct sweep_walk *walk)                     \
	{                                                                                                              \
		return name(map, key, value, walk, FAMILY_IPV6);                                                       \
	}

SWEEP_CALLBACKS(sweep_flow, struct flow)
SWEEP_CALLBACKS(sweep_half_open, struct half_open)
SWEEP_CALLBACKS(sweep_ended, struct ended)

static int sweep_all(void *map, int *key, void *value)
{
	const struct config *conf = config_get();
	struct sweep_walk walk = {};

	if (!conf)
		return 0;
	walk.now_ns = bpf_ktime_get_ns() + conf->test_advance_ns - SWEEP_GRACE_NS;
	walk.mark = presence_turn(conf, walk.now_ns);
	bpf_for_each_map_elem(&flows4, sweep_flow4, &walk, 0);
	bpf_for_each_map_elem(&half4, sweep_half_open4, &walk, 0);
	bpf_for_each_map_elem(&tw4, sweep_ended4, &walk, 0);
	bpf_for_each_map_elem(&flows6, sweep_flow6, &walk, 0);
	bpf_for_each_map_elem(&half6, sweep_half_open6, &walk, 0);
	bpf_for_each_map_elem(&tw6, sweep_ended6, &walk, 0);
	return 0;
}

/* The kfuncs and this type came together. */
static __always_inline bool sweep_has_workqueue(void)
{
	return bpf_core_type_exists(struct bpf_wq);
}

static int sweep_tick(void *map, int *key, struct sweep *s)
{
	if (sweep_has_workqueue())
		bpf_wq_start(&s->work, 0);
	else
		sweep_all(map, key, s);
	bpf_timer_start(&s->timer, SWEEP_INTERVAL_NS, 0);
	return 0;
}

static __always_inline long sweep_begin(struct sweep *s)
{
	if (bpf_timer_init(&s->timer, &sweeper, CLOCK_MONOTONIC) || bpf_timer_set_callback(&s->timer, sweep_tick))
		return -1;
	if (sweep_has_workqueue() &&
	    (bpf_wq_init(&s->work, &sweeper, 0) || bpf_wq_set_callback_impl(&s->work, sweep_all, 0, NULL)))
		return -1;
	return bpf_timer_start(&s->timer, SWEEP_INTERVAL_NS, 0);
}

#endif /* SYNKEEP_SWEEP_BPF_H */
