/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the maps say of where a packet comes from. See explain_source.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "explain_source.h"
#include "prefix_budget.h"

/* The longest prefix in the trie that has not expired: those that have are in the way of shorter ones. */
static int find_in_trie(int trie, __u8 family, const __be32 *address, __u64 now_ns, struct source_rule *rule)
{
	__u32 least = family == FAMILY_IPV4 ? SOURCE_IPV4_BITS : 0;
	struct source_key key;

	source_key_of(&key, family, address);
	for (;;) {
		if (bpf_map_lookup_elem(trie, &key, &rule->entry) < 0)
			return errno == ENOENT ? 0 : -errno;
		if (rule->entry.prefixlen < least)
			return 0;
		if (source_entry_is_alive(&rule->entry, now_ns))
			break;
		if (!rule->entry.prefixlen)
			return 0;
		key.prefixlen = rule->entry.prefixlen - 1;
	}
	rule->key = key;
	rule->key.prefixlen = rule->entry.prefixlen;
	for (__u32 bit = rule->entry.prefixlen; bit < SOURCE_ADDRESS_BITS; bit++)
		rule->key.address[bit / 8] &= ~(0x80 >> bit % 8);
	return 1;
}

int explain_source_listed(int lists, const struct tuple *tuple, __u64 now_ns, struct source_rule *rule)
{
	__u32 zero = 0, id;
	int trie, found;

	if (bpf_map_lookup_elem(lists, &zero, &id) < 0)
		return errno == ENOENT ? 0 : -errno;
	trie = bpf_map_get_fd_by_id(id);
	if (trie < 0)
		return -errno;
	found = find_in_trie(trie, tuple->family, tuple->remote, now_ns, rule);
	close(trie);
	return found;
}

int explain_source_account(int accounts, const struct tuple *tuple, const struct service_spec *service,
			   struct source_account *account)
{
	struct source_account_key key;

	source_account_key_set(&key, tuple, service->sentry, &service->limits);
	if (bpf_map_lookup_elem(accounts, &key, account) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

__u32 explain_source_rate_left(const struct source_account *account, const struct source_limits *limits, __u64 now_ns)
{
	__u64 from_ns = account->rate_ns > now_ns ? account->rate_ns : now_ns;

	return from_ns > now_ns + NSEC_PER_SEC
		       ? 0
		       : (now_ns + NSEC_PER_SEC - from_ns) / (NSEC_PER_SEC / limits->new_per_second);
}

int explain_source_answers(int budgets, int cpus, const struct config *conf, const struct tuple *tuple, __u64 now_ns,
			   __u32 *left)
{
	__u32 index = prefix_budget_index(&conf->presence_key, tuple);
	__u64 *full_ns = calloc((size_t)cpus, sizeof(*full_ns));
	int cpu = sched_getcpu(), err = 0;
	__u64 taken_ns = 0;

	*left = 0;
	if (!full_ns)
		return -ENOMEM;
	if (bpf_map_lookup_elem(budgets, &index, full_ns) < 0)
		err = -errno;
	else if (cpu >= 0 && cpu < cpus && full_ns[cpu] > now_ns)
		taken_ns = full_ns[cpu] - now_ns;
	if (!err && taken_ns < PREFIX_BUDGET_BURST_NS && conf->answers_per_prefix)
		*left = (PREFIX_BUDGET_BURST_NS - taken_ns) / (NSEC_PER_SEC / conf->answers_per_prefix);
	if (!err && !taken_ns && !*left)
		*left = 1; /* the first of a burst is always there */
	free(full_ns);
	return err;
}
