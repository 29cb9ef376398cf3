/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one source, a prefix of addresses, may have of a service (struct source_limits): so many new connections a
 * second, in bursts of as many, and so many at a time.
 *
 * A source is known by its verified peers alone, so that nobody fills the map with addresses that are not his, or uses
 * up what another one has. Connections from before the source was known, or known again, do not count.
 *
 * Pure but for source_limit_take_rate(), source_limit_count_up() and source_limit_count_down(), which step what all
 * CPUs share.
 */
#ifndef SYNKEEP_SOURCE_LIMIT_H
#define SYNKEEP_SOURCE_LIMIT_H

#include "config.h"

#define SOURCE_LIMIT_ACCOUNTS                                                                                          \
	65536 /* of all services; when there are more, the one that is silent for the longest time goes */
#define SOURCE_LIMIT_RATE_MAX 1000000
#define SOURCE_LIMIT_OPEN_MAX 100000000
#define SOURCE_LIMIT_PREFIX_IPV4 32
#define SOURCE_LIMIT_PREFIX_IPV6 64

/* Clocks of records are of different processes: the daemon's may be behind when it stood still. */
#define SOURCE_LIMIT_CLOCK_SLACK_S 2

/* Map "source_accounts". */
struct source_account_key {
	__u32 service;	   /* struct service's sentry */
	ipv6_bytes prefix; /* IPv4: the first four bytes */
	__u8 family;
	__u8 zero[3];
};

struct source_account {
	__u64 rate_ns; /* when all that it had would have come at the limit's pace: CLOCK_MONOTONIC */
	__s32 open;    /* connections; less than 0 for a moment, at most */
	__u32 since_s; /* known since then */
};

/* The first so many bits of a word of the address. */
static __always_inline __be32 source_account_mask(__be32 word, __s32 bits)
{
	if (bits <= 0)
		return 0;
	return bits >= 32 ? word : word & net32(~0U << (32 - bits));
}

/* The source of the tuple's peer, as the service with these limits has it. */
static __always_inline void source_account_key_set(struct source_account_key *key, const struct tuple *t, __u32 service,
						   const struct source_limits *limits)
{
	__s32 bits = t->family == FAMILY_IPV4 ? limits->prefix_ipv4 : limits->prefix_ipv6;
	__be32 prefix[4];

	for (int i = 0; i < 4; i++)
		prefix[i] = source_account_mask(t->remote[i], bits - 32 * i);
	*key = (struct source_account_key){ .service = service, .family = t->family };
	__builtin_memcpy(key->prefix, prefix, sizeof(key->prefix));
}

/*
 * GCRA: rate_ns behind one more connection; 0: that is one too many. From an idle source as many are taken at once as
 * the limit gives a second.
 */
static __always_inline __u64 source_limit_rate_step(__u64 rate_ns, __u32 new_per_second, __u64 now_ns)
{
	__u64 from_ns = rate_ns > now_ns ? rate_ns : now_ns;
	__u64 after_ns = from_ns + NSEC_PER_SEC / new_per_second;

	return after_ns > now_ns + NSEC_PER_SEC ? 0 : after_ns;
}

/* Whether the source's next connection would be within its limits. */
static __always_inline bool source_limit_has_rate(const struct source_account *s, const struct source_limits *l,
						  __u64 now_ns)
{
	return !l->new_per_second || source_limit_rate_step(s->rate_ns, l->new_per_second, now_ns);
}

static __always_inline bool source_limit_has_open(const struct source_account *s, const struct source_limits *l)
{
	return !l->open || s->open < (__s32)l->open;
}

#define SOURCE_LIMIT_TRIES 4

/* Takes a connection from the rate. False: it has none. Who meets other CPUs again and again has one for nothing. */
static __always_inline bool source_limit_take_rate(struct source_account *s, const struct source_limits *l,
						   __u64 now_ns)
{
	if (!l->new_per_second)
		return true;
	for (int i = 0; i < SOURCE_LIMIT_TRIES; i++) {
		__u64 before_ns = s->rate_ns, after_ns = source_limit_rate_step(before_ns, l->new_per_second, now_ns);

		if (!after_ns)
			return false;
		if (__sync_val_compare_and_swap(&s->rate_ns, before_ns, after_ns) == before_ns)
			return true;
	}
	return true;
}

/* Counts one up. False: there are as many as may be, and nothing was counted. most: 0 for no limit. */
static __always_inline bool source_limit_count_up(__s32 *count, __u32 most)
{
	__s32 before = __sync_fetch_and_add(count, 1);

	if (!most || before < (__s32)most)
		return true;
	__sync_fetch_and_add(count, -1);
	return false;
}

/* Counts one down, from nothing to nothing. */
static __always_inline void source_limit_count_down(__s32 *count)
{
	if (__sync_fetch_and_add(count, -1) <= 0)
		__sync_fetch_and_add(count, 1);
}

/* Whether a connection of this age was counted by what counts since then, seconds. */
static __always_inline bool source_limit_was_counted(__u32 born_s, __u32 since_s)
{
	return born_s + SOURCE_LIMIT_CLOCK_SLACK_S >= since_s;
}

_Static_assert(sizeof(struct source_account_key) == 24, "source_key: no holes");
_Static_assert(sizeof(struct source_account) == 16, "source");

#endif /* SYNKEEP_SOURCE_LIMIT_H */
