/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The sentries of the services (include/sentry.h): who presses, who relieves, and what is written down. */
#ifndef SYNKEEP_SENTRY_BPF_H
#define SYNKEEP_SENTRY_BPF_H

#include "journal.bpf.h"
#include "kernel_cookie.h"

static __always_inline struct sentry *sentry_of(const struct service *service)
{
	__u32 index = service->sentry;

	return bpf_map_lookup_elem(&sentries, &index);
}

static __always_inline __u32 sentry_what(const struct service *service, enum journal_kind kind, enum sentry_cause cause)
{
	return journal_what(kind, cause, 0) | (service->both_families ? JOURNAL_BOTH_FAMILIES : 0);
}

__noinline int sentry_alarm(const struct service *service, const struct service_key *key, enum sentry_cause cause,
			    __u64 now_ns)
{
	struct sentry *s = service && key ? sentry_of(service) : NULL;

	if (s && sentry_begin_flood(s, cause, now_ns))
		journal_note(key, sentry_what(service, JOURNAL_FLOOD_BEGAN, cause),
			     sentry_pressure(s, service->half_open, now_ns), now_ns);
	return 0;
}

/* The flood's hold time has passed. */
__noinline int sentry_all_clear(const struct service *service, const struct service_key *key, __u64 now_ns)
{
	struct sentry *s = service && key ? sentry_of(service) : NULL;

	if (s && sentry_end_flood(s, now_ns))
		journal_note(key, sentry_what(service, JOURNAL_FLOOD_ENDED, s->cause), s->lasted_ns / NSEC_PER_MSEC,
			     now_ns);
	return 0;
}

/* Whether the owner sees all that comes for the service: the policy is off, or auto and it is calm. */
static __always_inline bool sentry_lets_pass(const struct service *service, const struct cpu_clock *clock)
{
	const struct sentry *s;

	if (service->policy != POLICY_AUTO)
		return service->policy == POLICY_OFF;
	s = sentry_of(service);
	return s && !sentry_is_flooded(s, clock->now_ns);
}

/* Whether a cookie of ours may come back to the service: its own, or of one whose place it has taken. */
static __always_inline bool sentry_awaits_cookies(const struct service *service, const struct cpu_clock *clock,
						  const struct config *conf)
{
	const struct sentry *s = sentry_of(service);

	return conf->key_is_shared || sentry_awaits(conf->services_changed_ns, COOKIE_LIFETIME_NS, clock->now_ns) ||
	       (s && sentry_awaits(s->cookie_sent_ns, COOKIE_LIFETIME_NS, clock->now_ns));
}

/* The same of the kernel's own, which it may have sent before it, or its service, was seen. */
static __always_inline bool sentry_awaits_kernel_cookies(const struct service *service, const struct cpu_clock *clock,
							 const struct config *conf)
{
	const struct sentry *s = sentry_of(service);

	return clock->now_ns - conf->loaded_at_ns < KERNEL_COOKIE_LIFETIME_NS ||
	       sentry_awaits(conf->services_changed_ns, KERNEL_COOKIE_LIFETIME_NS, clock->now_ns) ||
	       (s && sentry_awaits(s->kernel_cookie_ns, KERNEL_COOKIE_LIFETIME_NS, clock->now_ns));
}

/* The kernel, or XDP in its place, sends a cookie of the kernel's own: it is written down once a jiffy. */
static __always_inline void sentry_note_kernel_cookie(const struct service *service, const struct cpu_clock *clock)
{
	struct sentry *s = sentry_of(service);

	if (s && s->kernel_cookie_ns != clock->now_ns)
		s->kernel_cookie_ns = clock->now_ns;
}

/* A peer of the service's is verified. */
static __always_inline void sentry_welcome(const struct service *service, const struct cpu_clock *clock)
{
	struct sentry *s = service->policy == POLICY_AUTO ? sentry_of(service) : NULL;

	if (s)
		sentry_relieve(s, service->half_open, 1, clock->now_ns);
}

/* For bpf_for_each_map_elem(): where no SYN comes any more, the sweep notes that a flood is over. */
static int sentry_look(void *map, const struct service_key *key, const struct service *service, const __u64 *now_ns)
{
	struct service_key copy = *key;
	struct sentry *s = sentry_of(service);

	if (s && s->flood_since_ns)
		sentry_all_clear(service, &copy, *now_ns);
	return 0;
}

#endif /* SYNKEEP_SENTRY_BPF_H */
