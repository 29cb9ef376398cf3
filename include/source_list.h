/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which sources are denied or allowed: one list of prefixes for both families and both ends, in which the longest
 * prefix that holds an address decides. So 10.1.0.0/16 may be allowed inside 10.0.0.0/8, which is denied.
 *
 * IPv4 stands in the list as ::ffff:0:0/96 (RFC 4291, 2.5.5.2), which no packet of IPv6 has for a source: so one map
 * holds all, and a new one takes the place of the old by one store.
 */
#ifndef SYNKEEP_SOURCE_LIST_H
#define SYNKEEP_SOURCE_LIST_H

#include "flow.h"

#define SOURCE_LIST_MAX 2000000 /* prefixes; memory is taken by those that are there */
#define SOURCE_IPV4_BITS 96	/* of an IPv4 prefix that precede it in the list */
#define SOURCE_ADDRESS_BITS 128

enum source_action {
	SOURCE_UNLISTED,
	SOURCE_ALLOW,	     /* exempt from the limits, and from a shorter prefix that is denied */
	SOURCE_DENY,	     /* nothing new of it gets in */
	SOURCE_DENY_MONITOR, /* what a denial would drop is counted, and passes */
} __attribute__((packed));

/* The shape that a trie's key has, prefixlen in host order, the address as on the wire. */
struct source_key {
	__u32 prefixlen; /* 0..128; of IPv4 96..128 */
	ipv6_bytes address;
};

/* Map "source_lists", element 0, absent where nothing is listed: a trie of these. */
struct source_entry {
	__u64 expires_ns; /* CLOCK_MONOTONIC, as the programs see it; 0: never. An expired entry counts as absent */
	__u8 prefixlen;	  /* its own key's */
	enum source_action action;
	__u8 reserved[6];
};

/* The longest prefix that an address can have. */
static __always_inline void source_key_of(struct source_key *key, __u8 family, const __be32 *address)
{
	__be32 *words = (__be32 *)key->address;

	key->prefixlen = SOURCE_ADDRESS_BITS;
	words[0] = family == FAMILY_IPV4 ? 0 : address[0];
	words[1] = family == FAMILY_IPV4 ? 0 : address[1];
	words[2] = family == FAMILY_IPV4 ? net32(0x0000ffff) : address[2];
	words[3] = family == FAMILY_IPV4 ? address[0] : address[3];
}

static __always_inline bool source_key_is_ipv4(const struct source_key *key)
{
	const __be32 *words = (const __be32 *)key->address;

	return key->prefixlen >= SOURCE_IPV4_BITS && !words[0] && !words[1] && words[2] == net32(0x0000ffff);
}

static __always_inline bool source_entry_is_alive(const struct source_entry *entry, __u64 now_ns)
{
	return !entry->expires_ns || entry->expires_ns > now_ns;
}

/*
 * Map "source_filter", a bit for each of 2^24 parts of the addresses: whether a prefix of the list may touch it. A
 * look-up among a million prefixes takes ten cache misses, and most sources of a flood are in none of them. The parts
 * are IPv4's /24 and, all on top of each other, the /27 of each eighth of IPv6, of which 2000::/3 is in use. A bit too
 * many costs a look-up.
 */
#define SOURCE_FILTER_BITS 24
#define SOURCE_FILTER_IPV6_SKIPPED 3 /* leading bits */
#define SOURCE_FILTER_WORDS (1U << SOURCE_FILTER_BITS >> 6)

/* Which part an address is in. */
static __always_inline __u32 source_filter_part(__u8 family, const __be32 *address)
{
	__u32 part = host32(address[0]);

	if (family != FAMILY_IPV4)
		part <<= SOURCE_FILTER_IPV6_SKIPPED;
	return part >> (32 - SOURCE_FILTER_BITS);
}

#endif /* SYNKEEP_SOURCE_LIST_H */
