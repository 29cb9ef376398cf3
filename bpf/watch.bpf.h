/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling watchers what becomes of connections (include/watch.h). Where a state changes, and only there, one look-up
 * and a few compares find out whether anybody watches; what it costs then, watchers have asked for. It never waits, and
 * no packet fares otherwise for it.
 *
 * The steps of a flow are told under its lock, so that both hooks' come in their order.
 */
#ifndef SYNKEEP_WATCH_BPF_H
#define SYNKEEP_WATCH_BPF_H

#include "verdict.bpf.h"
#include "watch.h"

/* News in one word, for the stack's sake: to whom, a bit for each slot; how the connection ended; the state before. */
#define WATCH_AUDIENCE_SHIFT 16
#define WATCH_END_SHIFT 8

/* 0: nobody watches. now_ns is the hooks' time, as leases are. */
static __always_inline __u32 watch_news(enum tcp_state before, enum flow_end end, __u64 now_ns)
{
	__u32 zero = 0;
	const struct watch *w = bpf_map_lookup_elem(&watch, &zero);
	__u32 audience = w ? watch_audience(w, now_ns) : 0;

	return audience ? audience << WATCH_AUDIENCE_SHIFT | end << WATCH_END_SHIFT | before : 0;
}

static __always_inline void watch_lose(__u32 slot)
{
	__u32 zero = 0;
	struct watch *w = bpf_map_lookup_elem(&watch, &zero);

	if (w && slot < WATCHERS_MAX)
		__sync_fetch_and_add(&w->slots[slot].lost, 1);
	verdict_note(V_WATCH_LOST);
}

/*
 * Room for an event in a slot's ring, to be submitted; NULL: its watcher is not there, or the ring is full. Events are
 * built in the ring itself, for under the hooks' deepest calls the stack has no room for one.
 */
static __always_inline struct flow_event *watch_reserve(__u32 slot, __u32 news)
{
	struct flow_event *event;
	void *ring;

	if (!(news >> WATCH_AUDIENCE_SHIFT & 1 << slot))
		return NULL;
	ring = bpf_map_lookup_elem(&watchers, &slot);
	if (!ring)
		return NULL;
	event = bpf_ringbuf_reserve(ring, sizeof(*event), 0);
	if (!event)
		watch_lose(slot);
	return event;
}

/* Tells each watcher what became of a flow. */
__noinline int watch_flow(const struct tuple *t, const struct flow *f, __u32 news)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; t && f && i < WATCHERS_MAX; i++) {
		struct flow_event *event = watch_reserve(i, news);

		if (!event)
			continue;
		event->time_ns = bpf_ktime_get_ns();
		event->tuple = *t;
		event->rcv_bytes = f->rcv_bytes;
		event->snd_bytes = f->snd_bytes;
		event->rcv_packets = f->rcv_packets;
		event->snd_packets = f->snd_packets;
		event->flags = f->flags;
		event->end = (__u8)(news >> WATCH_END_SHIFT);
		event->before = (__u8)news;
		event->state = flow_event_state(f->state, (__u8)(news >> WATCH_END_SHIFT));
		event->owner = f->owner;
		event->zero = 0;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* The same of a handshake that the owner answered itself, or began. */
__noinline int watch_half_open(const struct tuple *t, const struct half_open *h, __u32 news)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; t && h && i < WATCHERS_MAX; i++) {
		struct flow_event *event = watch_reserve(i, news);

		if (!event)
			continue;
		event->time_ns = bpf_ktime_get_ns();
		event->tuple = *t;
		event->rcv_bytes = event->snd_bytes = 0;
		event->rcv_packets = event->snd_packets = 0;
		event->flags = h->flags;
		event->end = (__u8)(news >> WATCH_END_SHIFT);
		event->before = (__u8)news;
		event->state = flow_event_state(h->state, (__u8)(news >> WATCH_END_SHIFT));
		event->owner = h->owner;
		event->zero = 0;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

/* An event of the daemon's. */
__noinline int watch_pass(const struct flow_event *told, __u32 news)
{
#pragma clang loop unroll(disable)
	for (__u32 i = 0; told && i < WATCHERS_MAX; i++) {
		struct flow_event *event = watch_reserve(i, news);

		if (!event)
			continue;
		*event = *told;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

#endif /* SYNKEEP_WATCH_BPF_H */
