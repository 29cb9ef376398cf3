// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where a packet leaves the router: conntrack has seen it and its entry is confirmed. The entry's state is read, and
 * the packet ends here.
 */
#include "conntrack_question.h"

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2

/* Cut down to what is read; where it stands in the kernel's own is found when the program is loaded. */
struct ip_ct_tcp {
	__u8 state;
} __attribute__((preserve_access_index));

union nf_conntrack_proto {
	struct ip_ct_tcp tcp;
} __attribute__((preserve_access_index));

struct nf_conn {
	union nf_conntrack_proto proto;
} __attribute__((preserve_access_index));

struct bpf_ct_opts {
	__s32 netns_id;
	__s32 error;
	__u8 l4proto;
	__u8 dir;
	__u8 reserved[2];
};

extern struct nf_conn *bpf_skb_ct_lookup(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, u32 tuple_bytes,
					 struct bpf_ct_opts *opts, u32 opts_bytes) __ksym;
extern void bpf_ct_release(struct nf_conn *entry) __ksym;

struct conntrack_question question;

static u32 tuple_fill(struct bpf_sock_tuple *t)
{
	if (question.family == FAMILY_IPV4) {
		t->ipv4.saddr = question.remote[0];
		t->ipv4.daddr = question.local[0];
		t->ipv4.sport = question.remote_port;
		t->ipv4.dport = question.local_port;
		return sizeof(t->ipv4);
	}
	__builtin_memcpy(t->ipv6.saddr, question.remote, sizeof(t->ipv6.saddr));
	__builtin_memcpy(t->ipv6.daddr, question.local, sizeof(t->ipv6.daddr));
	t->ipv6.sport = question.remote_port;
	t->ipv6.dport = question.local_port;
	return sizeof(t->ipv6);
}

SEC("tc")
int router_egress(struct __sk_buff *skb)
{
	struct bpf_ct_opts opts = { .netns_id = -1, .l4proto = IPPROTO_TCP };
	struct bpf_sock_tuple tuple = {};
	struct nf_conn *entry;

	if (skb->mark != CONNTRACK_MARK)
		return TC_ACT_OK;
	if (tuple_fill(&tuple) == sizeof(tuple.ipv4))
		entry = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv4), &opts, sizeof(opts));
	else
		entry = bpf_skb_ct_lookup(skb, &tuple, sizeof(tuple.ipv6), &opts, sizeof(opts));
	question.state = entry ? entry->proto.tcp.state : 0;
	if (entry)
		bpf_ct_release(entry);
	question.packets++;
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
