/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The frames of a flood: one template, and how the n-th frame differs from it.
 *
 * Both sources of the flood tool write their frames here: the program that makes live frames (flood.bpf.c) and the
 * packet socket (flood.c). A frame differs from the template in source address, ports, sequence number and up to two
 * more words, all drawn from a hash of its number, and in flags, which come in turn; the checksums are mended from sums
 * that were taken once. Of a frame that is replayed nothing differs.
 */
#ifndef SYNKEEP_TESTS_FLOOD_H
#define SYNKEEP_TESTS_FLOOD_H

#include "base.h"
#include "checksum.h"

/* Ethernet, IPv6, TCP, and 40 bytes of options or text make 114. */
#define FLOOD_FRAME_WORDS 32
#define FLOOD_FRAME_BYTES (4 * FLOOD_FRAME_WORDS)

#define FLOOD_SPARE_BYTES 2 /* behind a live frame as flood.bpf.c is given it */

#define FLOOD_TURNS 8 /* flags that come in turn: a power of two */
#define FLOOD_WORDS 2 /* words that are drawn, behind the sequence number */

/* So many ports, from the first on: which one is drawn. */
struct flood_ports {
	__u16 first;
	__u16 count;
};

/* The places below are offsets in the frame, in bytes. */
struct flood_template {
	__u32 words[FLOOD_FRAME_WORDS]; /* the frame, with zeros in the fields that vary and in both checksums */
	__u32 length;			/* bytes: a multiple of four (IP, TCP), and two more (Ethernet has 14) */
	__u32 replay;			/* nothing varies: the template is sent as it is */
	__u32 first_source;		/* the last 32 bits of the first source's address, in host order */
	__u32 sources;			/* how many addresses, from the first on */
	__u32 source_at;		/* the last 32 bits of the source address */
	__u32 ip_checksum_at;		/* 0: IPv6 has none */
	__u32 tcp_at;
	__u32 words_at[FLOOD_WORDS]; /* an acknowledgement, a timestamp; 0: none */
	struct flood_ports from;
	struct flood_ports to;
	__u8 flags[FLOOD_TURNS]; /* enum tcp_flag */
	__u32 reserved;
	__u64 ip_sum;  /* of the words of the IPv4 header */
	__u64 tcp_sum; /* of the words of the TCP header, its text and the pseudo-header */
};

/* What flood.c tells flood.bpf.c. */
struct flood_config {
	struct flood_template template;
	__u64 first_frame; /* its number, so that no two runs send the same frames */
	__u64 on_ns;	   /* a pulse, and the pause behind it; a pause of 0: the flood is always on */
	__u64 off_ns;
	__u32 ifindex;
	__u32 interval_ns; /* from frame to frame, while it is on; 0: as fast as it goes */
};

/* What flood.bpf.c keeps. One thread runs the program, so its variables need no care. */
struct flood_variables {
	__u64 frames;	/* sent so far */
	__u64 began_ns; /* CLOCK_MONOTONIC: when the first was asked for; the others are times since */
	__u64 due_ns;	/* when the next frame is due by the rate, in time that the flood is on */
	__u64 next_ns;	/* when it may be sent */
};

/* How much of the time since its beginning the flood was on. */
static __always_inline __u64 flood_on_ns(const volatile struct flood_config *c, __u64 elapsed_ns)
{
	__u64 period_ns = c->on_ns + c->off_ns, phase_ns;

	if (!c->off_ns)
		return elapsed_ns;
	phase_ns = elapsed_ns % period_ns;
	return elapsed_ns / period_ns * c->on_ns + (phase_ns < c->on_ns ? phase_ns : c->on_ns);
}

/* How long the pause goes on that it is in; 0: it is in none. */
static __always_inline __u64 flood_pause_ns(const volatile struct flood_config *c, __u64 elapsed_ns)
{
	__u64 period_ns = c->on_ns + c->off_ns, phase_ns = c->off_ns ? elapsed_ns % period_ns : 0;

	return c->off_ns && phase_ns >= c->on_ns ? period_ns - phase_ns : 0;
}

/* The n-th output of SplitMix64 (Steele, Lea and Flood, 2014) from seed 0. */
static __always_inline __u64 flood_random(__u64 n)
{
	__u64 z = (n + 1) * 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* Draws one by 16 random bits. */
static __always_inline __be16 flood_port(const volatile struct flood_ports *ports, __u16 random)
{
	return net16((__u16)(ports->first + ((__u32)random * ports->count >> 16)));
}

/* Writes what differs in the n-th frame. */
static __always_inline void flood_frame_vary(__u8 *frame, const volatile struct flood_template *t, __u64 n)
{
	__u64 who = flood_random(2 * n), what = flood_random(2 * n + 1);
	__be32 source = net32(t->first_source + (__u32)((who >> 32) * t->sources >> 32));
	__be16 from = flood_port(&t->from, (__u16)who), to = flood_port(&t->to, (__u16)(who >> 16));
	__u32 seq = (__u32)what, word = (__u32)(what >> 32);
	__u8 flags = t->flags[n % FLOOD_TURNS];
	__u64 tcp_sum = t->tcp_sum + source + from + to + seq + net16(flags);

	*(__be32 *)(frame + t->source_at) = source;
	*(__be16 *)(frame + t->tcp_at) = from;
	*(__be16 *)(frame + t->tcp_at + 2) = to;
	*(__u32 *)(frame + t->tcp_at + 4) = seq;
	frame[t->tcp_at + 13] = flags;
	UNROLL_LOOP
	for (int i = 0; i < FLOOD_WORDS; i++, word = word * 0x9e3779b1U + seq) {
		if (t->words_at[i]) {
			*(__u32 *)(frame + t->words_at[i]) = word;
			tcp_sum += word;
		}
	}
	*(__u16 *)(frame + t->tcp_at + 16) = checksum_fold(tcp_sum);
	if (t->ip_checksum_at)
		*(__u16 *)(frame + t->ip_checksum_at) = checksum_fold(t->ip_sum + source);
}

/*
 * Writes the n-th frame. It writes every byte: a live frame comes back from the receiver with what was done to it.
 * Lengths and offsets come from read-only data, whose values the verifier knows, so no branch of it is left at run
 * time.
 */
static __always_inline void flood_frame_write(__u8 *frame, const volatile struct flood_template *t, __u64 n)
{
	__u32 length = t->length;

	UNROLL_LOOP
	for (int i = 0; i < FLOOD_FRAME_WORDS; i++) {
		if (4 * i + 4 <= (int)length)
			((__u32 *)frame)[i] = t->words[i];
		else if (4 * i + 2 <= (int)length)
			((__u16 *)frame)[2 * i] = (__u16)t->words[i];
	}
	if (!t->replay)
		flood_frame_vary(frame, t, n);
}

#endif /* SYNKEEP_TESTS_FLOOD_H */
