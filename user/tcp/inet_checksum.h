/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The Internet checksum (RFC 1071) over whole packets, in user space, where nothing is known of them beforehand.
 *
 * Sums are of 16-bit words as they lie in memory: the checksum does not mind byte order, as long as it is written as it
 * was read (RFC 1071, 2).
 */
#ifndef SYNKEEP_TCP_INET_CHECKSUM_H
#define SYNKEEP_TCP_INET_CHECKSUM_H

#include <string.h>

#include "flow.h"

/* The complement of the sum of length bytes and sum: 0 where they contain a right checksum. */
__u16 inet_checksum(const void *bytes, __u32 length, __u64 sum);

/* The sum of the pseudo-header (RFC 9293, 3.1; RFC 8200, 8.1) of so many bytes behind the IP header. */
static inline __u64 inet_checksum_pseudo(const struct tuple *t, __u32 bytes, __u8 protocol)
{
	__u64 sum = (__u64)net32(bytes) + net32(protocol);

	for (int i = 0; i < 4; i++)
		sum += (__u64)t->remote[i] + t->local[i];
	return sum;
}

#endif /* SYNKEEP_TCP_INET_CHECKSUM_H */
