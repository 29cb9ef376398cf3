/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The sweep: takes the slots of expired records back while no process runs. An expired record counts as absent the
 * moment its deadline passes; the sweep only makes room.
 *
 * A timer in a pinned map goes on firing for as long as the map is pinned. It hands the walk to a workqueue, where it
 * can be preempted: over a full table of a million it takes tens of milliseconds, too long for the timer's soft
 * interrupt.
 */
#ifndef SYNKEEP_SWEEP_BPF_H
#define SYNKEEP_SWEEP_BPF_H

#include "records.bpf.h"

#define SWEEP_INTERVAL_NS (5 * NSEC_PER_SEC)
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

extern int bpf_wq_init(struct bpf_wq *wq, void *p__map, unsigned int flags) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int(callback_fn)(void *map, int *key, void *value),
				    unsigned int flags, void *aux__ign) __ksym;

/* Marks the record dead under its lock if its time is still over: a segment may have revived it since it was read. */
static int sweep_flow(void *map, const void *key, struct flow *f, __u64 *now_ns)
{
	bool expired;

	if (f->deadline_ns > *now_ns)
		return 0;
	bpf_spin_lock(&f->lock);
	expired = f->deadline_ns <= *now_ns;
	if (expired)
		f->flags |= FLOW_DEAD;
	bpf_spin_unlock(&f->lock);
	if (!expired)
		return 0;
	bpf_map_delete_elem(map, key);
	verdict_note(V_FLOW_EXPIRED);
	return 0;
}

static int sweep_half_open(void *map, const void *key, struct half_open *h, __u64 *now_ns)
{
	if (h->deadline_ns <= *now_ns)
		bpf_map_delete_elem(map, key);
	return 0;
}

static int sweep_ended(void *map, const void *key, struct ended *e, __u64 *now_ns)
{
	if (e->deadline_ns <= *now_ns)
		bpf_map_delete_elem(map, key);
	return 0;
}

static int sweep_all(void *map, int *key, void *value)
{
	const struct config *conf = config_get();
	__u64 now_ns;

	if (!conf)
		return 0;
	now_ns = bpf_ktime_get_ns() + conf->test_advance_ns;
	bpf_for_each_map_elem(&flows4, sweep_flow, &now_ns, 0);
	bpf_for_each_map_elem(&flows6, sweep_flow, &now_ns, 0);
	bpf_for_each_map_elem(&half4, sweep_half_open, &now_ns, 0);
	bpf_for_each_map_elem(&half6, sweep_half_open, &now_ns, 0);
	bpf_for_each_map_elem(&tw4, sweep_ended, &now_ns, 0);
	bpf_for_each_map_elem(&tw6, sweep_ended, &now_ns, 0);
	return 0;
}

static int sweep_tick(void *map, int *key, struct sweep *s)
{
	bpf_wq_start(&s->work, 0);
	bpf_timer_start(&s->timer, SWEEP_INTERVAL_NS, 0);
	return 0;
}

#endif /* SYNKEEP_SWEEP_BPF_H */
