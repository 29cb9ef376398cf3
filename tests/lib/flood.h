/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frames of a flood: one template, and how the n-th frame differs from it.
 *
 * Both sources of the flood tool write their frames here: the program that makes live frames (flood.bpf.c) and the
 * packet socket (flood.c). A frame differs from the template in source address, source port, sequence number and one
 * more word, all drawn from a hash of its number; the checksums are mended from sums that were taken once.
 */
#ifndef SYNKEEP_TESTS_FLOOD_H
#define SYNKEEP_TESTS_FLOOD_H

#include "base.h"
#include "checksum.h"

/* Ethernet, IPv6, TCP, and a SYN's 20 bytes of options make 94. */
#define FLOOD_FRAME_WORDS 24
#define FLOOD_FRAME_BYTES (4 * FLOOD_FRAME_WORDS)

/* The places below are offsets in the frame, in bytes. */
struct flood_template {
	__u32 words[FLOOD_FRAME_WORDS]; /* the frame, with zeros in the fields that vary and in both checksums */
	__u32 length;			/* bytes: a multiple of four (IP, TCP), and two more (Ethernet has 14) */
	__u32 first_source;		/* the last 32 bits of the first source's address, in host order */
	__u32 sources;			/* how many addresses, from the first on */
	__u32 source_at;		/* the last 32 bits of the source address */
	__u32 ip_checksum_at;		/* 0: IPv6 has none */
	__u32 tcp_at;
	__u32 word_at; /* one more random word: a SYN's TSval, an ACK's acknowledgement; 0: none */
	__u32 reserved;
	__u64 ip_sum;  /* of the words of the IPv4 header */
	__u64 tcp_sum; /* of the words of the TCP header and the pseudo-header */
};

/* What flood.c tells flood.bpf.c; the program counts what it sends in its variable frames. */
struct flood_config {
	struct flood_template template;
	__u64 first_frame; /* its number, so that no two runs send the same frames */
	__u32 ifindex;
	__u32 interval_ns; /* from frame to frame; 0: as fast as it goes */
};

/* The n-th output of SplitMix64 (Steele, Lea and Flood, 2014) from seed 0. */
static __always_inline __u64 flood_random(__u64 n)
{
	__u64 z = (n + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/*
 * Writes the n-th frame. It writes every byte: a live frame comes back from the receiver with what was done to it.
 * Lengths and offsets come from read-only data, whose values the verifier knows, so no branch of it is left at run
 * time.
 */
static __always_inline void flood_frame_write(__u8 *frame, const volatile struct flood_template *t, __u64 n)
{
	__u64 who = flood_random(2 * n), what = flood_random(2 * n + 1);
	__be32 source = net32(t->first_source + (__u32)((who >> 32) * t->sources >> 32));
	__be16 port = net16((__u16)(1024 + (who & 0x7fff)));
	__u32 seq = (__u32)what, word = (__u32)(what >> 32), length = t->length;
	__u64 tcp_sum = t->tcp_sum + source + port + seq;

	UNROLL_LOOP
	for (int i = 0; i < FLOOD_FRAME_WORDS; i++) {
		if (4 * i + 4 <= (int)length)
			((__u32 *)frame)[i] = t->words[i];
		else if (4 * i + 2 <= (int)length)
			((__u16 *)frame)[2 * i] = (__u16)t->words[i];
	}
	*(__be32 *)(frame + t->source_at) = source;
	*(__be16 *)(frame + t->tcp_at) = port;
	*(__u32 *)(frame + t->tcp_at + 4) = seq;
	if (t->word_at) {
		*(__u32 *)(frame + t->word_at) = word;
		tcp_sum += word;
	}
	*(__u16 *)(frame + t->tcp_at + 16) = checksum_fold(tcp_sum);
	if (t->ip_checksum_at)
		*(__u16 *)(frame + t->ip_checksum_at) = checksum_fold(t->ip_sum + source);
}

#endif /* SYNKEEP_TESTS_FLOOD_H */
