/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way from the owner to its peer, for what Synkeep sends in the owner's place: next hop and tag (struct flow). It
 * is learnt from the frames of the owner; until it has sent one, it is the way back of what the peer sent, as an answer
 * by cookie takes it.
 *
 * To a next hop behind two tags, or one of 802.1ad, nothing is sent: the way is not known.
 */
#ifndef SYNKEEP_WAY_BPF_H
#define SYNKEEP_WAY_BPF_H

#include "packet.h"

/* The frame's one tag; 0: it has none. False: it is a tag, or several, of other kinds. */
static __always_inline bool way_read_tag(const struct ethhdr *eth, const struct vlan_tag *tag, __u16 ip_offset,
					 __u16 *tci)
{
	*tci = 0;
	if (ip_offset == ETH_HEADER_BYTES)
		return true;
	if (ip_offset != ETH_HEADER_BYTES + sizeof(*tag) || eth->h_proto != net16(ETH_P_8021Q))
		return false;
	*tci = host16(tag->tci);
	return true;
}

/* Where a frame of the owner's goes. Its tag is in it, or beside it where the device puts it in. */
static __always_inline void way_of_owner(const struct __sk_buff *skb, const struct frame *f, struct packet *p)
{
	const struct ethhdr *eth = f->data;
	const struct vlan_tag *tag = (const void *)(eth + 1);
	__u16 tci;

	if ((const void *)(tag + 1) > f->end || !way_read_tag(eth, tag, p->ip_offset, &tci))
		return;
	if (skb->vlan_present) {
		if (p->ip_offset != ETH_HEADER_BYTES || skb->vlan_proto != net16(ETH_P_8021Q))
			return;
		tci = skb->vlan_tci;
	}
	p->segment.vlan_tci = tci;
	/* by twos, not byte by byte: 3 ns */
	__builtin_memcpy(p->segment.next_hop, __builtin_assume_aligned(eth->h_dest, 2), sizeof(p->segment.next_hop));
}

/* The way back of a frame of the peer's, into a new record that has the terms; not of a signed one: judge_learn_way()
 */
static __always_inline void way_back(const struct xdp_md *ctx, const struct packet *p, struct flow *f)
{
	const struct ethhdr *eth = (const void *)(long)ctx->data;
	const struct vlan_tag *tag = (const void *)(eth + 1);

	if ((const void *)(tag + 1) > (const void *)(long)ctx->data_end || !judge_is_bare(f, &p->segment) ||
	    !way_read_tag(eth, tag, p->ip_offset, &f->vlan_tci))
		return;
	__builtin_memcpy(f->next_hop, eth->h_source, sizeof(f->next_hop));
}

#endif /* SYNKEEP_WAY_BPF_H */
