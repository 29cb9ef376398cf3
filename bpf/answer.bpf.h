/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the segment in a frame into the one that answers it, in place: headers written anew, checksums in full,
 * addresses exchanged. It is a SYN-ACK, the RST that refuses a SYN, or the ACK of a connection in TIME-WAIT. The answer
 * is never longer than what came: an option is answered only where the segment carried it, and the layout below needs
 * no more words than any segment needs for the same options.
 *
 *   MSS (1 word) | SACK or NOP NOP, TIMESTAMPS (3 words), or NOP NOP SACK (1 word) | NOP, WSCALE (1 word)
 */
#ifndef SYNKEEP_ANSWER_BPF_H
#define SYNKEEP_ANSWER_BPF_H

#include "checksum.h"
#include "packet.h"
#include "verdict.h"

#define ANSWER_OPTION_WORDS 5
#define ANSWER_TTL 64
#define IPV4_DONT_FRAGMENT 0x4000

struct answer {
	struct tuple tuple;
	__u32 ip_offset;   /* in the frame that came: VLAN tags before it stay as they are */
	__u32 frame_bytes; /* of that frame, without padding */
	__u32 seq;
	__u32 ack;
	__u32 tsval;
	__u32 tsecr;
	__u16 window;
	__u16 mss;   /* 0: no option */
	__u8 wscale; /* TCP_WSCALE_NONE: no option */
	__u8 flags;  /* of the TCP header */
	bool sack;
	bool timestamps;
};

/* The TCP header and its options as they go out; words beyond the last option are 0. */
struct answer_tcp {
	struct tcphdr header;
	__be32 options[ANSWER_OPTION_WORDS];
};

static __always_inline __u32 answer_options(const struct answer *a, __be32 *words)
{
	__u32 count = 0;

	if (a->mss)
		words[count++] = net32(TCP_OPTION_MSS << 24 | 4 << 16 | a->mss);
	if (a->timestamps) {
		words[count++] = net32((a->sack ? TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16
						: TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16) |
				       TCP_OPTION_TIMESTAMPS << 8 | 10);
		words[count++] = net32(a->tsval);
		words[count++] = net32(a->tsecr);
	} else if (a->sack) {
		words[count++] =
			net32(TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_SACK_PERMITTED << 8 | 2);
	}
	if (a->wscale != TCP_WSCALE_NONE)
		words[count++] = net32(TCP_OPTION_NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | a->wscale);
	return count;
}

static __always_inline __u16 answer_tcp_checksum(const struct answer *a, const struct answer_tcp *tcp, __u32 bytes)
{
	__u64 sum = (__u64)net16(IPPROTO_TCP) + net16(bytes);
	int address_words = a->tuple.family == FAMILY_IPV4 ? 1 : 4;

	UNROLL_LOOP
	for (int i = 0; i < 4; i++) {
		if (i < address_words)
			sum += (__u64)a->tuple.remote[i] + a->tuple.local[i];
	}
	sum = checksum_add_words(sum, tcp, sizeof(*tcp) / 4);
	return checksum_fold(sum);
}

/* The option words that are there are written, and no byte more. False: the frame ends before them. */
static __always_inline bool answer_write_tcp(void *to, void *end, const struct answer_tcp *tcp, __u32 option_words)
{
	__be32 *words = to + sizeof(tcp->header);

	if ((void *)words > end)
		return false;
	__builtin_memcpy(to, &tcp->header, sizeof(tcp->header));
	for (__u32 i = 0; i < ANSWER_OPTION_WORDS && i < option_words; i++) {
		if ((void *)(words + i + 1) > end)
			return false;
		words[i] = tcp->options[i];
	}
	return true;
}

static __always_inline void answer_write_ipv4(struct iphdr *ip, const struct answer *a, __u32 tcp_bytes)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = IPV4_HEADER_BYTES / 4;
	ip->tot_len = net16(IPV4_HEADER_BYTES + tcp_bytes);
	ip->frag_off = net16(IPV4_DONT_FRAGMENT);
	ip->ttl = ANSWER_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = a->tuple.local[0];
	ip->daddr = a->tuple.remote[0];
	ip->check = checksum_fold(checksum_add_words(0, ip, IPV4_HEADER_BYTES / 4));
}

static __always_inline void answer_write_ipv6(struct ipv6hdr *ip, const struct answer *a, __u32 tcp_bytes)
{
	__builtin_memset(ip, 0, sizeof(*ip) - sizeof(ip->saddr) - sizeof(ip->daddr));
	ip->version = 6;
	ip->payload_len = net16(tcp_bytes);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = ANSWER_TTL;
	__builtin_memcpy(&ip->saddr, a->tuple.local, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, a->tuple.remote, sizeof(ip->daddr));
}

static __always_inline void answer_swap_macs(struct ethhdr *eth)
{
	__u8 mac[6];

	__builtin_memcpy(mac, eth->h_dest, sizeof(mac));
	__builtin_memcpy(eth->h_dest, eth->h_source, sizeof(mac));
	__builtin_memcpy(eth->h_source, mac, sizeof(mac));
}

static __always_inline void answer_fill_tcp(const struct answer *a, struct answer_tcp *tcp, __u32 option_words)
{
	struct tcphdr *header = &tcp->header;

	header->source = net16(a->tuple.local_port);
	header->dest = net16(a->tuple.remote_port);
	header->seq = net32(a->seq);
	header->ack_seq = net32(a->ack);
	header->doff = TCP_HEADER_BYTES / 4 + option_words;
	((__u8 *)header)[13] = a->flags;
	header->window = net16(a->window);
}

/*
 * Cuts what the answer does not need from the frame's end; never below what a NIC sends. A segment with text may lie in
 * several buffers: then the whole length must be asked for.
 */
static __always_inline long answer_shrink(struct xdp_md *ctx, __u32 frame_bytes, __u32 answer_bytes)
{
	__u32 wanted = answer_bytes > ETH_MIN_FRAME_BYTES ? answer_bytes : ETH_MIN_FRAME_BYTES;
	__u32 first_buffer = ctx->data_end - ctx->data;

	if (first_buffer <= wanted && frame_bytes <= first_buffer)
		return 0;
	return bpf_xdp_adjust_tail(ctx, (int)wanted - (int)bpf_xdp_get_buff_len(ctx));
}

/* What is left of the segment between the shortest answer and the shortest frame goes nowhere. */
static __always_inline void answer_clear_padding(void *tcp, void *end)
{
	__u8 *padding = tcp + TCP_HEADER_BYTES;

	UNROLL_LOOP
	for (int i = 0; i < ETH_MIN_FRAME_BYTES - (ETH_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADER_BYTES); i++) {
		if ((void *)(padding + i + 1) > end)
			return;
		padding[i] = 0;
	}
}

/* False: the frame could not be made into the answer, and must not be sent. */
static __always_inline bool answer_write(struct xdp_md *ctx, const struct answer *a)
{
	__u32 ip_bytes = a->tuple.family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
	struct answer_tcp tcp = {};
	__u32 option_words = answer_options(a, tcp.options);
	__u32 tcp_bytes = TCP_HEADER_BYTES + 4 * option_words;
	struct ethhdr *eth;
	void *ip, *end;

	if (answer_shrink(ctx, a->frame_bytes, a->ip_offset + ip_bytes + tcp_bytes))
		return false;
	answer_fill_tcp(a, &tcp, option_words);
	tcp.header.check = answer_tcp_checksum(a, &tcp, tcp_bytes);
	eth = (void *)(long)ctx->data;
	ip = (void *)eth + (a->ip_offset & PACKET_IP_OFFSET_MASK); /* for the verifier: no change */
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) > end || ip + IPV6_HEADER_BYTES > end) /* or IPv4 and TCP */
		return false;
	if ((eth->h_dest[0] | eth->h_source[0]) & 1) /* nobody answers from a group or to one */
		return false;
	answer_swap_macs(eth);
	if (a->tuple.family == FAMILY_IPV4) {
		answer_clear_padding(ip + IPV4_HEADER_BYTES, end);
		answer_write_ipv4(ip, a, tcp_bytes);
	} else {
		answer_write_ipv6(ip, a, tcp_bytes);
	}
	return answer_write_tcp(ip + ip_bytes, end, &tcp, option_words);
}

#endif /* SYNKEEP_ANSWER_BPF_H */
