/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Limits of sources (include/source_limit.h) and services' shares of the flow table.
 *
 * Asked twice. At a SYN, whose source may be forged, the counts are only read, so that a source beyond its limits costs
 * nothing more. Where the peer is verified and its record about to be made, they are taken: what many SYNs at once get
 * past the first is stopped there. A record counts (FLOW_COUNTED) from then on until it is deleted: flow_remove().
 *
 * A connection that is there already, and adopted, counts but is not refused; nor has its source made it just now, so
 * the rate does not know of it. What this host opens does not count.
 */
#ifndef SYNKEEP_SOURCE_LIMIT_BPF_H
#define SYNKEEP_SOURCE_LIMIT_BPF_H

#include "service.bpf.h"
#include "source_limit.h"
#include "verdict.bpf.h"

/* Whether a packet is to be dropped, and no record to be made. */
static __always_inline bool source_limit_refuses(enum verdict verdict)
{
	return verdict == V_SOURCE_RATE || verdict == V_SOURCE_OPEN;
}

/* The tuple's service, if its connections count. Not inlined, like the next two: three keys would be on the stack. */
static __noinline const struct service *source_limit_service(const struct tuple *t, __u64 now_ns)
{
	const struct service *service = service_find(t, service_port_kinds(t->local_port), now_ns).service;

	return service && service_counts_flows(service) ? service : NULL;
}

/* The source of the tuple's peer; NULL: it is not known. */
static __noinline struct source_account *source_limit_find(const struct tuple *t, const struct service *service)
{
	struct source_account_key key;

	source_account_key_set(&key, t, service->sentry, &service->limits);
	return bpf_map_lookup_elem(&source_accounts, &key);
}

/* The same, which is known from now on. NULL: the map gave no element, which does not happen. */
static __noinline struct source_account *source_limit_know(const struct tuple *t, const struct service *service,
							   __u64 now_ns)
{
	struct source_account fresh = { .since_s = now_ns / NSEC_PER_SEC };
	struct source_account_key key;
	struct source_account *s;

	source_account_key_set(&key, t, service->sentry, &service->limits);
	s = bpf_map_lookup_elem(&source_accounts, &key);
	if (s)
		return s;
	bpf_map_update_elem(&source_accounts, &key, &fresh, BPF_NOEXIST); /* another CPU may be first */
	return bpf_map_lookup_elem(&source_accounts, &key);
}

/* What speaks against a SYN; V_OTHER: nothing does. */
__noinline enum verdict source_limit_of_syn(const struct tuple *t, const struct service *service,
					    const struct cpu_clock *clock)
{
	const struct source_account *s;

	if (!t || !service || !clock || service->limits.monitor)
		return V_OTHER;
	s = source_limit_find(t, service);
	if (!s)
		return V_OTHER;
	if (!source_limit_has_open(s, &service->limits))
		return V_SYN_SOURCE_OPEN;
	return source_limit_has_rate(s, &service->limits, clock->now_ns) ? V_OTHER : V_SYN_SOURCE_RATE;
}

/* A verified peer's connection begins. V_SEGMENT: its source may have it, and it is counted. */
static __noinline enum verdict source_limit_take(const struct tuple *t, const struct service *service, bool is_new,
						 bool is_allowed, __u64 now_ns)
{
	struct source_account *s = source_limit_know(t, service, now_ns);
	const struct source_limits *l = &service->limits;
	bool binds = is_new && !is_allowed && !l->monitor, is_over;

	if (!s)
		return V_SEGMENT;
	is_over = !source_limit_has_open(s, l);
	if (!source_limit_count_up(&s->open, binds ? l->open : 0))
		return V_SOURCE_OPEN;
	if (!is_new || is_allowed)
		return V_SEGMENT;
	is_over |= !source_limit_take_rate(s, l, now_ns);
	if (!is_over)
		return V_SEGMENT;
	if (l->monitor) {
		verdict_note(V_SOURCE_MONITORED);
		return V_SEGMENT;
	}
	source_limit_count_down(&s->open);
	return V_SOURCE_RATE;
}

static __always_inline void source_limit_give(const struct tuple *t, const struct service *service, __u32 born_s)
{
	struct source_account *s = service_has_limits(service) ? source_limit_find(t, service) : NULL;

	if (s && source_limit_was_counted(born_s, s->since_s))
		source_limit_count_down(&s->open);
}

#define SOURCE_LIMIT_TELL_NS NSEC_PER_SEC

/* A connection has found the share used up: counted, and from time to time told. */
static __noinline int source_limit_note_full(const struct tuple *t, struct sentry *s, __u64 now_ns)
{
	__u64 told_ns = s->share_told_ns;
	struct service_key key;

	__sync_fetch_and_add(&s->flows_full, 1);
	if (told_ns && now_ns - told_ns < SOURCE_LIMIT_TELL_NS)
		return 0;
	if (__sync_val_compare_and_swap(&s->share_told_ns, told_ns, now_ns) != told_ns)
		return 0;
	service_find_key(t, service_port_kinds(t->local_port), now_ns, &key);
	return journal_note(&key, journal_what(JOURNAL_SHARE_FULL, SENTRY_NONE, 0), s->flows, now_ns);
}

/*
 * Whether a record may be made. V_SEGMENT: it may, and FLOW_COUNTED says whether it counts; V_FLOWS_SHARE: its
 * service's share is used up; V_SOURCE_RATE, V_SOURCE_OPEN: its source has no more to have.
 */
__noinline enum verdict source_limit_count(struct flow *f, const struct tuple *t, bool is_allowed,
					   const struct cpu_clock *clock)
{
	const struct service *service;
	enum verdict verdict = V_SEGMENT;
	struct sentry *sentry;

	if (!f || !t || !clock || (f->flags & FLOW_OUTGOING))
		return V_SEGMENT;
	service = source_limit_service(t, clock->now_ns);
	sentry = service ? sentry_of(service) : NULL;
	if (!sentry)
		return V_SEGMENT;
	if (service_has_limits(service))
		verdict = source_limit_take(t, service, !(f->flags & FLOW_ADOPTED), is_allowed, clock->now_ns);
	if (verdict != V_SEGMENT)
		return verdict;
	if (source_limit_count_up(&sentry->flows, service->flows_max)) {
		f->flags |= FLOW_COUNTED;
		return V_SEGMENT;
	}
	source_limit_give(t, service, f->born_s);
	source_limit_note_full(t, sentry, clock->now_ns);
	return V_FLOWS_SHARE;
}

/* A record that counted is no more. */
__noinline int source_limit_uncount(const struct tuple *t, __u32 born_s, __u64 now_ns)
{
	const struct service *service;
	struct sentry *sentry;

	if (!t)
		return -1;
	service = source_limit_service(t, now_ns);
	sentry = service ? sentry_of(service) : NULL;
	if (!sentry)
		return 0;
	if (source_limit_was_counted(born_s, sentry->counted_since_s))
		source_limit_count_down(&sentry->flows);
	source_limit_give(t, service, born_s);
	return 0;
}

#endif /* SYNKEEP_SOURCE_LIMIT_BPF_H */
