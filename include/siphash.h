/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012) over whole 64-bit words: the pseudo-random function behind the cookie.
 *
 * The input is an array of words whose number the caller fixes at compile time; the final block carries the length in
 * bytes, as the paper asks, so a message of n words hashes as the 8n bytes that they are in little-endian order.
 */
#ifndef SYNKEEP_SIPHASH_H
#define SYNKEEP_SIPHASH_H

#include "base.h"

struct siphash_key {
	__u64 k0;
	__u64 k1;
};

struct siphash_state {
	__u64 v0, v1, v2, v3;
};

static __always_inline __u64 siphash_rotate(__u64 x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static __always_inline void siphash_round(struct siphash_state *s)
{
	s->v0 += s->v1;
	s->v1 = siphash_rotate(s->v1, 13) ^ s->v0;
	s->v0 = siphash_rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = siphash_rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = siphash_rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = siphash_rotate(s->v1, 17) ^ s->v2;
	s->v2 = siphash_rotate(s->v2, 32);
}

static __always_inline void siphash_absorb(struct siphash_state *s, __u64 word)
{
	s->v3 ^= word;
	siphash_round(s);
	siphash_round(s);
	s->v0 ^= word;
}

/* The 64-bit tag of words[0..count), count a compile-time constant below 32. */
static __always_inline __u64 siphash24(const struct siphash_key *key, const __u64 *words, int count)
{
	struct siphash_state s = {
		.v0 = key->k0 ^ 0x736f6d6570736575ULL,
		.v1 = key->k1 ^ 0x646f72616e646f6dULL,
		.v2 = key->k0 ^ 0x6c7967656e657261ULL,
		.v3 = key->k1 ^ 0x7465646279746573ULL,
	};

	UNROLL_LOOP
	for (int i = 0; i < count; i++)
		siphash_absorb(&s, words[i]);
	siphash_absorb(&s, (__u64)count * 8 << 56);
	s.v2 ^= 0xff;
	siphash_round(&s);
	siphash_round(&s);
	siphash_round(&s);
	siphash_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

#endif /* SYNKEEP_SIPHASH_H */
