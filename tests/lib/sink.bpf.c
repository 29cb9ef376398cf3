// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ends of a flood that are not under test, one program a role:
 *
 *   count_xdp, count_tc   the client's side: counts what is sent to the spoofed addresses and drops it
 *   complete_xdp          the same, but every SYN-ACK is answered by an ACK, and so a connection is made
 *   pass_xdp              does nothing: a veth takes frames sent by XDP only while it has a program itself
 *   drop_xdp              the server's side: drops what comes from the spoofed addresses (the control: a perfect
 * filter) swap_xdp              sends every SYN back as a SYN-ACK, with ends swapped and nothing mended (the floor)
 *
 * Everything else passes. Behind VLAN tags, IP options or extension headers no TCP is looked for.
 */
#include "sink.h"

#include "checksum.h"
#include "tcp_options.h"
#include "verdict.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

const volatile struct sink_config config = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sink_counters);
} counters SEC(".maps");

enum end {
	SOURCE,
	DESTINATION,
};

static __always_inline bool is_spoofed_ipv4(const struct iphdr *ip, enum end end)
{
	return ((end == SOURCE ? ip->saddr : ip->daddr) & config.ipv4_mask) == config.ipv4;
}

static __always_inline bool is_spoofed_ipv6(const struct ipv6hdr *ip, enum end end)
{
	const __be32 *address = end == SOURCE ? ip->saddr.in6_u.u6_addr32 : ip->daddr.in6_u.u6_addr32;

	for (int i = 0; i < 4; i++) {
		if ((address[i] & config.ipv6_mask[i]) != config.ipv6[i])
			return false;
	}
	return true;
}

/* Where the TCP header of a packet would be whose end is spoofed; NULL: it is not. */
static __always_inline const struct tcphdr *find_spoofed(const void *data, const void *data_end, enum end end,
							 bool *is_tcp)
{
	const struct ethhdr *eth = data;
	const struct iphdr *ipv4 = (const void *)(eth + 1);
	const struct ipv6hdr *ipv6 = (const void *)(eth + 1);
	const struct tcphdr *tcp;

	if ((const void *)(ipv4 + 1) > data_end)
		return NULL;
	if (eth->h_proto == net16(ETH_P_IP)) {
		tcp = (const void *)(ipv4 + 1);
		*is_tcp = ipv4->protocol == IPPROTO_TCP && ipv4->ihl == 5 && (const void *)(tcp + 1) <= data_end;
		return is_spoofed_ipv4(ipv4, end) ? tcp : NULL;
	}
	tcp = (const void *)(ipv6 + 1);
	if (eth->h_proto != net16(ETH_P_IPV6) || (const void *)tcp > data_end)
		return NULL;
	*is_tcp = ipv6->nexthdr == IPPROTO_TCP && (const void *)(tcp + 1) <= data_end;
	return is_spoofed_ipv6(ipv6, end) ? tcp : NULL;
}

static __always_inline void count_segment(struct sink_counters *c, const struct tcphdr *tcp)
{
	if (tcp->rst)
		c->rst++;
	else if (tcp->syn && tcp->ack)
		c->syn_ack++;
	else if (tcp->syn)
		c->syn++;
	else
		c->other++;
}

/* Whether this packet's end is spoofed; if so it is counted. */
static __always_inline bool count(const void *data, const void *data_end, enum end end, __u32 bytes)
{
	bool is_tcp = false;
	const struct tcphdr *tcp = find_spoofed(data, data_end, end, &is_tcp);
	struct sink_counters *c;
	__u32 zero = 0;

	if (!tcp)
		return false;
	c = bpf_map_lookup_elem(&counters, &zero);
	if (!c)
		return true;
	c->bytes += verdict_bytes(bytes);
	if (is_tcp && (const void *)(tcp + 1) <= data_end)
		count_segment(c, tcp);
	else
		c->not_tcp++;
	return true;
}

static __always_inline bool count_frame(const struct xdp_md *ctx, enum end end)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end, end, ctx->data_end - ctx->data);
}

SEC("xdp")
int count_xdp(struct xdp_md *ctx)
{
	return count_frame(ctx, DESTINATION) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int count_tc(struct __sk_buff *skb)
{
	const void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;

	return count(data, data_end, DESTINATION, skb->len) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("xdp.frags")
int pass_xdp(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

SEC("xdp")
int drop_xdp(struct xdp_md *ctx)
{
	return count_frame(ctx, SOURCE) ? XDP_DROP : XDP_PASS;
}

static __always_inline void swap_bytes(void *a, void *b, int length)
{
	__u16 *left = a, *right = b;

	for (int i = 0; i < length / 2; i++) {
		__u16 kept = left[i];

		left[i] = right[i];
		right[i] = kept;
	}
}

/* What differs between a frame and its answer in no way but this. */
static __always_inline void swap_ends(struct ethhdr *eth, struct tcphdr *tcp)
{
	struct iphdr *ipv4 = (void *)(eth + 1);
	struct ipv6hdr *ipv6 = (void *)(eth + 1);

	swap_bytes(eth->h_source, eth->h_dest, sizeof(eth->h_source));
	if (eth->h_proto == net16(ETH_P_IP))
		swap_bytes(&ipv4->saddr, &ipv4->daddr, sizeof(ipv4->saddr));
	else
		swap_bytes(&ipv6->saddr, &ipv6->daddr, sizeof(ipv6->saddr));
	swap_bytes(&tcp->source, &tcp->dest, sizeof(tcp->source));
}

SEC("xdp")
int swap_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	bool is_tcp = false;
	struct tcphdr *tcp = (struct tcphdr *)find_spoofed(data, data_end, SOURCE, &is_tcp);

	if (!tcp || !is_tcp || (void *)(tcp + 1) > data_end || !tcp->syn || tcp->ack)
		return XDP_PASS;
	swap_ends(data, tcp);
	tcp->ack = 1;
	return XDP_TX;
}

/*
 * A SYN-ACK's options, the five words that Linux and Synkeep make of them, as those of an ACK: the timestamps change
 * places, what is agreed on needs no saying, and the last word is text, if there is to be any.
 */
static __always_inline void complete_options(struct tcphdr *tcp, __be32 *words)
{
	__be32 tsval = words[2];

	words[0] = net32(TCP_OPTION_NOP * 0x01010101);
	words[1] = net32(TCP_OPTION_NOP * 0x01010000 | TCP_OPTION_TIMESTAMPS << 8 | 10);
	words[2] = words[3];
	words[3] = tsval;
	words[4] = net32(config.text ? 0 : TCP_OPTION_NOP * 0x01010101);
	if (config.text)
		tcp->doff--;
}

/* addresses, address_words: of the pseudo-header; tcp_words: of the segment, a constant. */
static __always_inline void complete_checksum(struct tcphdr *tcp, const void *addresses, int address_words,
					      int tcp_words)
{
	__u64 sum = (__u64)net16(IPPROTO_TCP) + net16((__u16)(4 * tcp_words));

	tcp->check = 0;
	sum = checksum_add_words(sum, addresses, address_words);
	tcp->check = checksum_fold(checksum_add_words(sum, tcp, tcp_words));
}

/* The handshake's last segment, as long as the one before it. */
static __always_inline void complete(struct ethhdr *eth, struct tcphdr *tcp, __be32 *options)
{
	const struct ipv6hdr *ipv6 = (void *)(eth + 1);
	const struct iphdr *ipv4 = (void *)(eth + 1);
	__be32 seq = tcp->ack_seq;

	swap_ends(eth, tcp);
	tcp->ack_seq = net32(host32(tcp->seq) + 1);
	tcp->seq = seq;
	tcp->syn = tcp->ece = 0;
	tcp->window = net16(config.window);
	if (options)
		complete_options(tcp, options);
	if (eth->h_proto == net16(ETH_P_IP))
		complete_checksum(tcp, &ipv4->saddr, 2, options ? 10 : 5);
	else
		complete_checksum(tcp, &ipv6->saddr, 8, options ? 10 : 5);
}

/* Only a SYN-ACK without options, or with all that a Linux SYN asks for, is understood. */
SEC("xdp")
int complete_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	bool is_tcp = false;
	struct tcphdr *tcp = (struct tcphdr *)find_spoofed(data, data_end, DESTINATION, &is_tcp);
	__be32 *options;

	if (!count_frame(ctx, DESTINATION))
		return XDP_PASS;
	if (!tcp || !is_tcp || (void *)(tcp + 1) > data_end || !tcp->syn || !tcp->ack)
		return XDP_DROP;
	options = (void *)(tcp + 1);
	if (tcp->doff == 5)
		complete(data, tcp, NULL);
	else if (tcp->doff == 10 && (void *)(options + 5) <= data_end)
		complete(data, tcp, options);
	else
		return XDP_DROP;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
