/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) over data whose length is a multiple of four, as TCP headers and the headers that
 * this program writes always are. Sums are kept in memory order, so no byte is swapped.
 */
#ifndef SYNKEEP_CHECKSUM_H
#define SYNKEEP_CHECKSUM_H

#include "base.h"

/* Folds a 64-bit one's-complement sum of 16- or 32-bit words to its 16-bit complement, ready for the header. */
static __always_inline __u16 checksum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

/* What is summed may be of any type; BPF reads a whole word wherever it lies, user space aligns it to 2 at least. */
typedef __u32 __attribute__((may_alias, aligned(2))) checksum_word;

/* Adds count 32-bit words at p; count is a compile-time constant in BPF. */
static __always_inline __u64 checksum_add_words(__u64 sum, const void *p, int count)
{
	const checksum_word *words = p;

	for (int i = 0; i < count; i++)
		sum += words[i];
	return sum;
}

#endif /* SYNKEEP_CHECKSUM_H */
