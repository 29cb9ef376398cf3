// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a VLAN device does: puts tags on what is sent, the outermost beside the frame, for the network card to put it
 * in. The test puts tc_egress behind it.
 */
#include "base.h"

#define TC_ACT_SHOT 2

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} egress SEC(".maps");

__u32 tags[2]; /* type and TCI, from the innermost outwards; 0: none */

static __always_inline bool push(struct __sk_buff *skb, __u32 tag)
{
	return !tag || !bpf_skb_vlan_push(skb, net16(tag >> 16), tag);
}

SEC("tc")
int tag_and_send(struct __sk_buff *skb)
{
	if (push(skb, tags[0]) && push(skb, tags[1]))
		bpf_tail_call(skb, &egress, 0);
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
