/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Makes the SYN in a frame into the SYN-ACK that answers it, or the RST that refuses it, in place: headers written
 * anew, checksums in full, addresses exchanged. The answer is never longer than the SYN: an option is answered only
 * where the SYN carried it, and the layout below needs no more words than any SYN needs for the same options.
 *
 *   MSS (1 word) | SACK or NOP NOP, TIMESTAMPS (3 words), or NOP NOP SACK (1 word) | NOP, WSCALE (1 word)
 */
#ifndef SYNKEEP_SYNACK_BPF_H
#define SYNKEEP_SYNACK_BPF_H

#include "checksum.h"
#include "cookie.h"
#include "packet.h"

#define SYNACK_OPTION_WORDS 5
#define SYNACK_TTL 64
#define IPV4_DONT_FRAGMENT 0x4000
#define ETH_MIN_FRAME_BYTES 60 /* without the checksum: what the wire needs at least */

struct synack {
	struct tuple tuple;
	__u32 ip_offset; /* in the SYN's frame: VLAN tags before it stay as they are */
	__u32 syn_bytes; /* of that frame, without padding */
	struct cookie cookie;
	__u32 client_isn;
	__u32 client_tsval;
	__u16 window;
	__u16 mss;   /* 0: no option */
	__u8 wscale; /* TCP_WSCALE_NONE: no option */
	bool sack;
	bool timestamps;
	bool ecn;
	bool refuses; /* a RST instead: no option, all else 0 */
};

/* The TCP header and its options as they go out; words beyond the last option are 0. */
struct synack_tcp {
	struct tcphdr header;
	__be32 options[SYNACK_OPTION_WORDS];
};

static __always_inline __u32 synack_options(const struct synack *a, __be32 *words)
{
	__u32 count = 0;

	if (a->mss)
		words[count++] = net32(TCP_OPTION_MSS << 24 | 4 << 16 | a->mss);
	if (a->timestamps) {
		words[count++] = net32((a->sack ? TCP_OPTION_SACK_PERMITTED << 24 | 2 << 16
						: TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16) |
				       TCP_OPTION_TIMESTAMPS << 8 | 10);
		words[count++] = net32(a->cookie.tsval);
		words[count++] = net32(a->client_tsval);
	} else if (a->sack) {
		words[count++] =
			net32(TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_SACK_PERMITTED << 8 | 2);
	}
	if (a->wscale != TCP_WSCALE_NONE)
		words[count++] = net32(TCP_OPTION_NOP << 24 | TCP_OPTION_WSCALE << 16 | 3 << 8 | a->wscale);
	return count;
}

static __always_inline __u16 synack_tcp_checksum(const struct synack *a, const struct synack_tcp *tcp, __u32 bytes)
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
static __always_inline bool synack_write_tcp(void *to, void *end, const struct synack_tcp *tcp, __u32 option_words)
{
	__be32 *words = to + sizeof(tcp->header);

	if ((void *)words > end)
		return false;
	__builtin_memcpy(to, &tcp->header, sizeof(tcp->header));
	for (__u32 i = 0; i < SYNACK_OPTION_WORDS && i < option_words; i++) {
		if ((void *)(words + i + 1) > end)
			return false;
		words[i] = tcp->options[i];
	}
	return true;
}

static __always_inline void synack_write_ipv4(struct iphdr *ip, const struct synack *a, __u32 tcp_bytes)
{
	__builtin_memset(ip, 0, sizeof(*ip));
	ip->version = 4;
	ip->ihl = IPV4_HEADER_BYTES / 4;
	ip->tot_len = net16(IPV4_HEADER_BYTES + tcp_bytes);
	ip->frag_off = net16(IPV4_DONT_FRAGMENT);
	ip->ttl = SYNACK_TTL;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = a->tuple.local[0];
	ip->daddr = a->tuple.remote[0];
	ip->check = checksum_fold(checksum_add_words(0, ip, IPV4_HEADER_BYTES / 4));
}

static __always_inline void synack_write_ipv6(struct ipv6hdr *ip, const struct synack *a, __u32 tcp_bytes)
{
	__builtin_memset(ip, 0, sizeof(*ip) - sizeof(ip->saddr) - sizeof(ip->daddr));
	ip->version = 6;
	ip->payload_len = net16(tcp_bytes);
	ip->nexthdr = IPPROTO_TCP;
	ip->hop_limit = SYNACK_TTL;
	__builtin_memcpy(&ip->saddr, a->tuple.local, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, a->tuple.remote, sizeof(ip->daddr));
}

static __always_inline void synack_swap_macs(struct ethhdr *eth)
{
	__u8 mac[6];

	__builtin_memcpy(mac, eth->h_dest, sizeof(mac));
	__builtin_memcpy(eth->h_dest, eth->h_source, sizeof(mac));
	__builtin_memcpy(eth->h_source, mac, sizeof(mac));
}

static __always_inline void synack_fill_tcp(const struct synack *a, struct synack_tcp *tcp, __u32 option_words)
{
	struct tcphdr *header = &tcp->header;

	header->source = net16(a->tuple.local_port);
	header->dest = net16(a->tuple.remote_port);
	header->seq = net32(a->cookie.isn);
	header->ack_seq = net32(a->client_isn + 1);
	header->doff = TCP_HEADER_BYTES / 4 + option_words;
	header->syn = !a->refuses;
	header->rst = a->refuses;
	header->ack = 1;
	header->ece = a->ecn;
	header->window = net16(a->window);
}

/*
 * Cuts what the answer does not need from the frame's end; never below what a NIC sends. A SYN with data may lie in
 * several buffers: then the whole length must be asked for.
 */
static __always_inline long synack_shrink(struct xdp_md *ctx, __u32 syn_bytes, __u32 answer_bytes)
{
	__u32 wanted = answer_bytes > ETH_MIN_FRAME_BYTES ? answer_bytes : ETH_MIN_FRAME_BYTES;
	__u32 first_buffer = ctx->data_end - ctx->data;

	if (first_buffer <= wanted && syn_bytes <= first_buffer)
		return 0;
	return bpf_xdp_adjust_tail(ctx, (int)wanted - (int)bpf_xdp_get_buff_len(ctx));
}

/* What is left of the SYN between the shortest answer and the shortest frame goes nowhere. */
static __always_inline void synack_clear_padding(void *tcp, void *end)
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
static __always_inline bool synack_write(struct xdp_md *ctx, const struct synack *a)
{
	__u32 ip_bytes = a->tuple.family == FAMILY_IPV4 ? IPV4_HEADER_BYTES : IPV6_HEADER_BYTES;
	struct synack_tcp tcp = {};
	__u32 option_words = synack_options(a, tcp.options);
	__u32 tcp_bytes = TCP_HEADER_BYTES + 4 * option_words;
	struct ethhdr *eth;
	void *ip, *end;

	if (synack_shrink(ctx, a->syn_bytes, a->ip_offset + ip_bytes + tcp_bytes))
		return false;
	synack_fill_tcp(a, &tcp, option_words);
	tcp.header.check = synack_tcp_checksum(a, &tcp, tcp_bytes);
	eth = (void *)(long)ctx->data;
	ip = (void *)eth + (a->ip_offset & PACKET_IP_OFFSET_MASK); /* for the verifier: no change */
	end = (void *)(long)ctx->data_end;
	if ((void *)(eth + 1) > end || ip + IPV6_HEADER_BYTES > end) /* or IPv4 and TCP */
		return false;
	synack_swap_macs(eth);
	if (a->tuple.family == FAMILY_IPV4) {
		synack_clear_padding(ip + IPV4_HEADER_BYTES, end);
		synack_write_ipv4(ip, a, tcp_bytes);
	} else {
		synack_write_ipv6(ip, a, tcp_bytes);
	}
	return synack_write_tcp(ip + ip_bytes, end, &tcp, option_words);
}

#endif /* SYNKEEP_SYNACK_BPF_H */
