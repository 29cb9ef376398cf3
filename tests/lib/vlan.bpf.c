// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * VLAN devices, for kernels that have none: what a host sends gets tags, what it receives must have the same and loses
 * them. One pair of programs a kind of tagging, for tc egress and ingress.
 */
#include "vmlinux.h"

#include <bpf/bpf_helpers.h>

#include "base.h"

#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

static __always_inline int push(struct __sk_buff *skb, __u16 type, __u16 tci)
{
	return bpf_skb_vlan_push(skb, net16(type), tci);
}

/* The outermost tag, which the kernel has taken out of the frame. False: it is another, or there is none. */
static __always_inline bool pop(struct __sk_buff *skb, __u16 type, __u16 tci)
{
	return skb->vlan_present && skb->vlan_proto == net16(type) && skb->vlan_tci == tci && !bpf_skb_vlan_pop(skb);
}

SEC("tc")
int push_vlan(struct __sk_buff *skb)
{
	return push(skb, ETH_P_8021Q, 5) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int pop_vlan(struct __sk_buff *skb)
{
	return pop(skb, ETH_P_8021Q, 5) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int push_priority(struct __sk_buff *skb)
{
	return push(skb, ETH_P_8021Q, 0x6000) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int pop_priority(struct __sk_buff *skb)
{
	return pop(skb, ETH_P_8021Q, 0x6000) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

SEC("tc")
int push_qinq(struct __sk_buff *skb)
{
	return push(skb, ETH_P_8021Q, 5) || push(skb, ETH_P_8021AD, 100) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

SEC("tc")
int pop_qinq(struct __sk_buff *skb)
{
	return pop(skb, ETH_P_8021AD, 100) && pop(skb, ETH_P_8021Q, 5) ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
