// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The ends of a flood that are not under test, one program a role:
 *
 *   count_xdp, count_tc   the client's side: counts what is answered to the spoofed addresses and drops it
 *   pass_xdp              does nothing: a veth takes frames sent by XDP only while it has a program itself
 *   drop_xdp              the server's side: drops what comes from the spoofed addresses (a perfect filter: the
 * control) swap_xdp              sends every SYN back as a SYN-ACK, with ends swapped and nothing mended (the floor)
 *
 * Everything else passes. Segments behind VLAN tags, IP options or extension headers are not looked for.
 */
#include "sink.h"

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

/* The TCP header of a segment whose end is spoofed; NULL: it is not, or this is no TCP. */
static __always_inline const struct tcphdr *find_spoofed(const void *data, const void *data_end, enum end end)
{
	const struct ethhdr *eth = data;
	const struct iphdr *ipv4 = (const void *)(eth + 1);
	const struct ipv6hdr *ipv6 = (const void *)(eth + 1);
	const struct tcphdr *tcp = (const void *)(ipv4 + 1);

	if ((const void *)(tcp + 1) > data_end)
		return NULL;
	if (eth->h_proto == net16(ETH_P_IP))
		return ipv4->protocol == IPPROTO_TCP && ipv4->ihl == 5 && is_spoofed_ipv4(ipv4, end) ? tcp : NULL;
	tcp = (const void *)(ipv6 + 1);
	if (eth->h_proto != net16(ETH_P_IPV6) || (const void *)(tcp + 1) > data_end)
		return NULL;
	return ipv6->nexthdr == IPPROTO_TCP && is_spoofed_ipv6(ipv6, end) ? tcp : NULL;
}

/* Whether this segment's end is spoofed; if so it is counted. */
static __always_inline bool count(const void *data, const void *data_end, enum end end)
{
	const struct tcphdr *tcp = find_spoofed(data, data_end, end);
	struct sink_counters *c;
	__u32 zero = 0;

	if (!tcp)
		return false;
	c = bpf_map_lookup_elem(&counters, &zero);
	if (!c)
		return true;
	if (tcp->rst)
		c->rst++;
	else if (tcp->syn && tcp->ack)
		c->syn_ack++;
	else if (tcp->syn)
		c->syn++;
	else
		c->other++;
	return true;
}

SEC("xdp")
int count_xdp(struct xdp_md *ctx)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end, DESTINATION) ? XDP_DROP : XDP_PASS;
}

SEC("tc")
int count_tc(struct __sk_buff *skb)
{
	return count((void *)(long)skb->data, (void *)(long)skb->data_end, DESTINATION) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("xdp.frags")
int pass_xdp(struct xdp_md *ctx __attribute__((unused)))
{
	return XDP_PASS;
}

SEC("xdp")
int drop_xdp(struct xdp_md *ctx)
{
	return count((void *)(long)ctx->data, (void *)(long)ctx->data_end, SOURCE) ? XDP_DROP : XDP_PASS;
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

SEC("xdp")
int swap_xdp(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = (struct tcphdr *)find_spoofed(data, data_end, SOURCE);
	struct ethhdr *eth = data;
	struct iphdr *ipv4 = (void *)(eth + 1);
	struct ipv6hdr *ipv6 = (void *)(eth + 1);

	if (!tcp || !tcp->syn || tcp->ack)
		return XDP_PASS;
	swap_bytes(eth->h_source, eth->h_dest, sizeof(eth->h_source));
	if (eth->h_proto == net16(ETH_P_IP))
		swap_bytes(&ipv4->saddr, &ipv4->daddr, sizeof(ipv4->saddr));
	else
		swap_bytes(&ipv6->saddr, &ipv6->daddr, sizeof(ipv6->saddr));
	swap_bytes(&tcp->source, &tcp->dest, sizeof(tcp->source));
	tcp->ack = 1;
	return XDP_TX;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
