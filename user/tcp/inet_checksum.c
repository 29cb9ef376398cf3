// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/inet_checksum.h"

static __u32 word_at(const __u8 *p)
{
	__u32 word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* 32-bit words into 64-bit sums, four at a time: no carry is lost below 2^32 words, and the sums do not wait for
 * another. */
__u16 inet_checksum(const void *bytes, __u32 length, __u64 sum)
{
	const __u8 *p = bytes;
	__u64 sums[4] = { sum, 0, 0, 0 };
	__u32 last = 0;

	for (; length >= 32; length -= 32, p += 32) {
		for (int i = 0; i < 4; i++)
			sums[i] += (__u64)word_at(p + 8 * i) + word_at(p + 8 * i + 4);
	}
	sum = sums[0] + sums[1] + sums[2] + sums[3];
	for (; length >= 4; length -= 4, p += 4)
		sum += word_at(p);
	memcpy(&last, p, length);
	sum += last;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}
