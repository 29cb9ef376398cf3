/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ageing, as the daemon asks for it (include/ageing.h): what is upcoming in a table, what is due for the records that
 * it names, and a probe's mark in a record.
 *
 * These run for a process, each on one CPU, but may be interrupted there: by a hook that waits for a flow's lock, for
 * one. So none of them takes it (lock.bpf.h); what they change is changed in one step.
 */
#ifndef SYNKEEP_AGEING_BPF_H
#define SYNKEEP_AGEING_BPF_H

#include "expiry.bpf.h"

static __always_inline struct agenda *agenda_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&agenda, &zero);
}

static __always_inline __u64 ageing_now_ns(const struct config *conf)
{
	return bpf_ktime_get_ns() + conf->test_advance_ns;
}

/* --- upcoming: one record of a table ------------------------------------------------------------------------------ */

static __always_inline int upcoming_emit(struct bpf_iter__bpf_map_elem *ctx, const void *key, __u8 family, __u64 due_ns)
{
	if (family == FAMILY_IPV4) {
		struct upcoming4 u = { .due_ns = due_ns, .key = *(const struct flow4_key *)key };

		bpf_seq_write(ctx->meta->seq, &u, sizeof(u));
	} else {
		struct upcoming6 u = { .due_ns = due_ns, .key = *(const struct flow6_key *)key };

		bpf_seq_write(ctx->meta->seq, &u, sizeof(u));
	}
	return 0; /* where the buffer had no room, the kernel comes again with the same record */
}

/* When an ended record is to be taken away. */
static __always_inline __u64 upcoming_ended_ns(const struct ended *e, __u64 now_ns)
{
	return now_ns - ended_late_ms(e, now_ns) * (__s64)NSEC_PER_MSEC + EXPIRY_GRACE_NS;
}

static __always_inline int upcoming_half_open(struct bpf_iter__bpf_map_elem *ctx, __u8 family)
{
	const struct half_open *h = ctx->value;
	const void *key = ctx->key;
	const struct agenda *a = agenda_get();
	__u64 due_ns;

	if (!a || !key || !h)
		return 0;
	due_ns = h->deadline_ns + EXPIRY_GRACE_NS;
	return due_ns < a->until_ns ? upcoming_emit(ctx, key, family, due_ns) : 0;
}

static __always_inline int upcoming_ended(struct bpf_iter__bpf_map_elem *ctx, __u8 family)
{
	const struct ended *e = ctx->value;
	const void *key = ctx->key;
	const struct agenda *a = agenda_get();
	__u64 due_ns;

	if (!a || !key || !e)
		return 0;
	due_ns = upcoming_ended_ns(e, a->until_ns);
	return due_ns < a->until_ns ? upcoming_emit(ctx, key, family, due_ns) : 0;
}

/* When the next probe, or the deadline, is due: ~0 if not before until_ns. The clock is only read if it is. */
static __always_inline __u64 upcoming_probe_ns(const struct flow *f, const void *key, __u8 family,
					       const struct agenda *a, const struct config *conf)
{
	__u64 until_ns = a->until_ns;
	struct keepalive k;
	struct tuple t;

	expiry_tuple(key, family, &t);
	service_keepalive(&t, until_ns, &k);
	if (ageing_flow_due_ns(f, &k, a->resumed_ms, until_ns) > until_ns)
		return ~0ULL;
	return ageing_flow_due_ns(f, &k, a->resumed_ms, ageing_now_ns(conf));
}

/* The service is looked up only where its keepalive could make a difference. */
static __always_inline int upcoming_flow(struct bpf_iter__bpf_map_elem *ctx, __u8 family)
{
	const struct config *conf = config_get();
	const struct agenda *a = agenda_get();
	const struct flow *f = ctx->value;
	const void *key = ctx->key;
	__u64 due_ns;

	if (!conf || !a || !key || !f)
		return 0;
	due_ns = f->deadline_ns + EXPIRY_GRACE_NS;
	if (ageing_may_probe(f)) {
		__u64 probe_ns = upcoming_probe_ns(f, key, family, a, conf);

		if (probe_ns < f->deadline_ns)
			due_ns = probe_ns;
	}
	return due_ns < a->until_ns ? upcoming_emit(ctx, key, family, due_ns) : 0;
}

/* --- attend: one item of the agenda ------------------------------------------------------------------------------- */

static __always_inline __u32 attend_late_ms(__u64 deadline_ns, __u64 now_ns)
{
	return now_ns > deadline_ns ? (now_ns - deadline_ns) / NSEC_PER_MSEC : 0;
}

static __noinline enum age_due attend_half_open(const struct tuple *t, struct agenda_item *item, __u64 now_ns)
{
	const struct half_open *h = half_open_find(t);

	if (!h)
		return AGE_GONE;
	item->late_ms = attend_late_ms(h->deadline_ns, now_ns);
	item->due_ns = h->deadline_ns + EXPIRY_GRACE_NS;
	return expiry_take_half_open(t, h, now_ns) ? AGE_EXPIRED : AGE_LATER;
}

static __noinline enum age_due attend_ended(const struct tuple *t, struct agenda_item *item, __u64 now_ns)
{
	const struct ended *e = ended_find(t);

	if (!e)
		return AGE_GONE;
	item->late_ms = ended_late_ms(e, now_ns);
	item->due_ns = upcoming_ended_ns(e, now_ns);
	return expiry_take_ended(t, e, now_ns) ? AGE_EXPIRED : AGE_LATER;
}

static __noinline enum age_due attend_flow(const struct tuple *t, struct agenda_item *item, __u32 resumed_ms,
					   __u64 now_ns)
{
	struct flow *f = flow_find(t);
	__u64 probe_ns;
	enum age_due due;

	if (!f)
		return AGE_GONE;
	item->late_ms = attend_late_ms(f->deadline_ns, now_ns);
	if (expiry_take_flow(t, f, now_ns))
		return AGE_EXPIRED;
	service_keepalive(t, now_ns, &item->keepalive);
	item->due_ns = f->deadline_ns + EXPIRY_GRACE_NS;
	probe_ns = ageing_flow_due_ns(f, &item->keepalive, resumed_ms, now_ns);
	if (probe_ns < f->deadline_ns)
		item->due_ns = probe_ns;
	due = ageing_flow_due(f, &item->keepalive, resumed_ms, now_ns);
	return due == AGE_EXPIRED ? AGE_LATER : due; /* within the grace, or just in a hook's hands */
}

/* What bpf_loop() calls. 1: it is over. */
static long attend_item(__u32 i, const __u64 *now_ns)
{
	struct agenda *a = agenda_get();
	struct agenda_item *item;
	struct tuple t;

	if (!a || i >= AGENDA_ITEMS)
		return 1;
	item = &a->items[i];
	expiry_tuple(&item->key, a->family, &t);
	switch (a->table) {
	case AGE_HALF:
		item->due = attend_half_open(&t, item, *now_ns);
		break;
	case AGE_FLOWS:
		item->due = attend_flow(&t, item, a->resumed_ms, *now_ns);
		break;
	default:
		item->due = attend_ended(&t, item, *now_ns);
	}
	return 0;
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

/* The key's tuple, and its live record, if it is the kernel's. It may become another's at any time. */
static __noinline struct flow *probe_find(const struct flow6_key *key, __u8 family, struct tuple *t, __u64 now_ns)
{
	struct flow *f;

	expiry_tuple(key, family, t);
	f = flow_find(t);
	if (!f || f->lock == FLOW_LOCK_DEAD || f->owner != FLOW_OWNER_KERNEL || !flow_is_alive(f, t, now_ns))
		return NULL;
	return f;
}

/*
 * From seen, in one step: a hook that has written probes meanwhile - the peer has spoken, or the owner - has the last
 * word, and nothing is done.
 */
static __always_inline bool probe_mark(struct flow *f, __u32 seen, __u32 marked)
{
	return __sync_val_compare_and_swap(&f->probes, seen, marked) == seen;
}

/*
 * Counts a probe in the record, and copies that. No hook waits for this, nor this for a hook: what a hook steps while
 * it is copied shows in the lock, or in the packets, which every segment counts under it; then nothing is to be sent,
 * for the connection is not silent. The mark may stay, of a probe that was not sent; the next segment of the peer's
 * takes it away, and until then it is one more that was not answered. probed_ms is behind the mark, for it counts only
 * with that. If the element went to another connection between look and mark, that one has it, as harmlessly; the
 * tag in the copy tells.
 */
static __always_inline bool probe_count(struct flow *f, const struct tuple *t, __u32 count, __u64 now_ns,
					struct flow *copy)
{
	__u32 rcv_packets = f->rcv_packets, snd_packets = f->snd_packets, seen = f->probes;

	if (!probe_mark(f, seen, FLOW_PROBE_AWAITED | count))
		return false;
	f->probed_ms = (__u32)(now_ns / NSEC_PER_MSEC);
	*copy = *f;
	compiler_barrier();
	return f->lock == FLOW_LOCK_FREE && f->rcv_packets == rcv_packets && f->snd_packets == snd_packets &&
	       flow_is_alive(copy, t, now_ns);
}

static __always_inline bool probe_end(struct flow *f)
{
	__u32 seen = f->probes;

	return ageing_are_probes_out(seen) && probe_mark(f, seen, seen | FLOW_PROBES_OVER);
}

/*
 * Moves the flow of a dead peer, whose socket is gone, to the ended. Egress does so where it sees the socket's RST, but
 * that does not come by where the peer's link address is not known any more. From free to dead in one step, as
 * expiry_take_flow() does it. False: a hook has it just now, or it is not so any more.
 */
static __noinline bool probe_retire(const struct tuple *t, struct flow *f, __u64 now_ns)
{
	const struct config *conf = config_get();
	__u32 news, born_s = f->born_s;
	__u16 flags = f->flags;
	struct ended e = {};

	if (!conf || lock_exchange(f, FLOW_LOCK_FREE, FLOW_LOCK_DEAD) != FLOW_LOCK_FREE)
		return false;
	if (!flow_is_alive(f, t, now_ns) || !ageing_are_probes_out(f->probes)) {
		lock_exchange(f, FLOW_LOCK_DEAD, FLOW_LOCK_FREE);
		return false;
	}
	news = watch_news(f->state, FLOW_END_DEAD, now_ns);
	if (news)
		watch_flow(t, f, news);
	f->flags |= FLOW_SND_RST; /* which its peer has not heard */
	flow_to_ended(f, &e, now_ns, 0);
	e.state = TCPS_CLOSED;
	ended_put(t, &e, BPF_ANY);
	flow_remove(t, flags, born_s, now_ns);
	presence_mark(conf, t);
	verdict_note(V_FLOW_RESET);
	return true;
}

#endif /* SYNKEEP_AGEING_BPF_H */
