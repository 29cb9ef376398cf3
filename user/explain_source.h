/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the maps say of where a packet comes from: the list of sources, and how many answers its prefix may still get.
 * Maps are given by their descriptors; nothing is written.
 */
#ifndef SYNKEEP_EXPLAIN_SOURCE_H
#define SYNKEEP_EXPLAIN_SOURCE_H

#include "config.h"
#include "service_spec.h"
#include "source_limit.h"
#include "source_rule.h"

/* The entry that counts for the tuple's peer, from the map "source_lists". 1: there is one; 0, or -errno. */
int explain_source_listed(int lists, const struct tuple *tuple, __u64 now_ns, struct source_rule *rule);

/*
 * What the tuple's peer has of a service that limits its sources, from the map "source_accounts". 1: it is known; 0, or
 * -errno.
 */
int explain_source_account(int accounts, const struct tuple *tuple, const struct service_spec *service,
			   struct source_account *account);

/* How many more connections the account gives at once, by the rate. */
__u32 explain_source_rate_left(const struct source_account *account, const struct source_limits *limits, __u64 now_ns);

/*
 * How many SYNs of the peer's prefix this process's CPU may still answer at once, from the map "prefix_budgets", whose
 * values are of so many CPUs. 0 or -errno.
 */
int explain_source_answers(int budgets, int cpus, const struct config *conf, const struct tuple *tuple, __u64 now_ns,
			   __u32 *left);

#endif /* SYNKEEP_EXPLAIN_SOURCE_H */
