/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a tuple's bits are in the presence filter (bpf/presence.bpf.h), by which a SYN is answered without a look at
 * the host's sockets: a tuple that has not all of its bits has no socket. They are three bits of one word (a blocked
 * Bloom filter), so that a SYN of a flood costs one cache line.
 *
 * The hash is NH (RFC 4418, 5.2.1, with one pass), then a multiplication that brings its entropy to the top: nobody
 * without the key can choose tuples that fall on the bit of another. Pure.
 */
#ifndef SYNKEEP_PRESENCE_H
#define SYNKEEP_PRESENCE_H

#include "flow.h"

#define PRESENCE_BITS_PER_FLOW 8 /* with a full table one tuple in 26 is looked up for nothing */

#define PRESENCE_BLOCK_WORDS 32 /* what is wiped at once */

/* Random, and the loader's secret as the cookies' key is. */
struct presence_key {
	__u32 words[10];
	__u32 zero;
	__u64 odd; /* an odd number */
};

static __always_inline __u64 presence_product(__u32 a, __u32 b)
{
	return (__u64)a * b;
}

static __always_inline __u64 presence_hash(const struct presence_key *key, const struct tuple *t)
{
	__u32 ports = (__u32)t->remote_port << 16 | t->local_port;
	const __u32 *k = key->words;
	__u64 sum = presence_product(ports + k[0], k[1]) + presence_product(t->remote[0] + k[2], t->local[0] + k[3]);

	if (t->family == FAMILY_IPV6) {
		sum += presence_product(t->remote[1] + k[4], t->local[1] + k[5]);
		sum += presence_product(t->remote[2] + k[6], t->local[2] + k[7]);
		sum += presence_product(t->remote[3] + k[8], t->local[3] + k[9]);
	}
	sum *= key->odd;
	return sum ^ sum >> 32;
}

/* The number of 64-bit words of one bitmap for so many flows: whole blocks, at least one. */
static inline __u32 presence_words(__u32 flows)
{
	__u32 block_flows = PRESENCE_BLOCK_WORDS * 64 / PRESENCE_BITS_PER_FLOW;

	return (flows / block_flows + 1) * PRESENCE_BLOCK_WORDS;
}

/* Which of the words: from the uppermost bits of the hash, which have nothing to do with those of presence_bits(). */
static __always_inline __u32 presence_word_index(__u64 hash, __u32 words)
{
	return (hash >> 32) * words >> 32;
}

/* Which bits of it. */
static __always_inline __u64 presence_bits(__u64 hash)
{
	return 1ULL << (hash & 63) | 1ULL << (hash >> 6 & 63) | 1ULL << (hash >> 12 & 63);
}

#endif /* SYNKEEP_PRESENCE_H */
