/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How many answers one prefix of addresses may get in a second: who spoofs another's addresses in SYNs would have this
 * host send him the SYN-ACKs. Prefixes share PREFIX_BUDGETS budgets by a keyed hash, so nobody can choose addresses
 * that use up another's budget. Two prefixes that meet in one share it: a peer behind the second gets no answer while
 * the first is flooded; of all prefixes that is one in PREFIX_BUDGETS for each one that is. Pure.
 */
#ifndef SYNKEEP_PREFIX_BUDGET_H
#define SYNKEEP_PREFIX_BUDGET_H

#include "presence.h"

#define PREFIX_BUDGET_INDEX_BITS 12
#define PREFIX_BUDGETS (1U << PREFIX_BUDGET_INDEX_BITS)
#define PREFIX_BUDGET_BURST_NS (NSEC_PER_SEC / 10) /* the clock's steps are a jiffy, up to a tenth of this */

/* The budget of the prefix, /24 or /48, that the remote address is in. The hash is as in presence.h. */
static __always_inline __u32 prefix_budget_index(const struct presence_key *key, const struct tuple *t)
{
	bool ipv6 = t->family == FAMILY_IPV6;
	__u32 first = ipv6 ? t->remote[0] : t->remote[0] & net32(0xffffff00);
	__u32 second = ipv6 ? t->remote[1] & net32(0xffff0000) : 0;

	return presence_product(first + key->words[0], second + key->words[1]) * key->odd >>
	       (64 - PREFIX_BUDGET_INDEX_BITS);
}

/*
 * Takes an answer from a budget, which is the time when it will be full again (GCRA). cost_ns: a second divided by the
 * rate. False: there is none left. The first of a burst is always there.
 */
static __always_inline bool prefix_budget_take(__u64 *full_ns, __u32 cost_ns, __u64 now_ns)
{
	__u64 from = *full_ns > now_ns ? *full_ns : now_ns;

	if (from > now_ns && from + cost_ns > now_ns + PREFIX_BUDGET_BURST_NS)
		return false;
	*full_ns = from + cost_ns;
	return true;
}

#endif /* SYNKEEP_PREFIX_BUDGET_H */
