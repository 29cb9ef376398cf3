/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Random numbers that a seed repeats (splitmix64). */
#ifndef SYNKEEP_TEST_CHANCE_H
#define SYNKEEP_TEST_CHANCE_H

#include "base.h"

static inline __u32 chance_next(__u64 *series)
{
	__u64 z = *series += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (__u32)(z >> 32);
}

static inline __u32 chance_below(__u64 *series, __u32 limit)
{
	return chance_next(series) % limit;
}

/* True once in so many times. */
static inline bool chance_one_in(__u64 *series, __u32 times)
{
	return !chance_below(series, times);
}

#endif /* SYNKEEP_TEST_CHANCE_H */
