/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One prefix of the list of sources, as people write it and as the map has it. Pure.
 */
#ifndef SYNKEEP_SOURCE_RULE_H
#define SYNKEEP_SOURCE_RULE_H

#include "format.h"
#include "source_list.h"

#define SOURCE_RULE_PREFIX_BYTES (FORMAT_ADDRESS_BYTES + 4) /* slash and length */
#define SOURCE_RULE_ERROR_BYTES 256
#define SOURCE_RULE_TIMEOUT_MIN_NS NSEC_PER_SEC
#define SOURCE_RULE_TIMEOUT_MAX_NS (3650ULL * 86400 * NSEC_PER_SEC)

struct source_rule {
	struct source_key key;
	struct source_entry entry;
};

/*
 * Reads 192.0.2.0/24, 2001:db8::/32 or a single address into rule->key, and its length into the entry. 0, or -EINVAL
 * and in error what is wrong, without a full stop: no prefix, too long, bits behind its length, IPv4 within IPv6.
 */
int source_rule_parse_prefix(const char *text, struct source_rule *rule, char error[SOURCE_RULE_ERROR_BYTES]);

/*
 * Reads a time-out, from a second to ten years, which has not begun: the entry expires so long after 0. 0, or -EINVAL
 * and what is wrong.
 */
int source_rule_parse_timeout(const char *text, struct source_rule *rule, char error[SOURCE_RULE_ERROR_BYTES]);

/* The time-outs that were read begin. */
void source_rule_begin(struct source_rule *rules, size_t count, __u64 now_ns);

/* As it is read; a single address without its length. */
char *source_rule_format_prefix(char buffer[SOURCE_RULE_PREFIX_BYTES], const struct source_key *key);

/* What is left of its time, in whole seconds, and one at least; 0: it has no end. */
__u64 source_rule_left_s(const struct source_rule *rule, __u64 now_ns);

/* For qsort() and bsearch(): IPv4 first, then by address, the shorter prefix first. 0: the same prefix. */
int source_rule_compare(const void *a, const void *b);

/* Puts them in that order, each prefix once. How many there are then. */
size_t source_rule_sort(struct source_rule *rules, size_t count);

/* Whether it is of the deny list, by either action of that. */
static inline bool source_rule_denies(const struct source_rule *rule)
{
	return rule->entry.action != SOURCE_ALLOW;
}

/* The parts of the filter that a prefix touches: from *first on so many. Returns their number. */
__u32 source_rule_filter_parts(const struct source_key *key, __u32 *first);

#endif /* SYNKEEP_SOURCE_RULE_H */
