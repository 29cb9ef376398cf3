/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What xdp_ingress tells tc_ingress about a packet that may make a connection: four bytes and a mark before the frame
 * (data_meta). All other packets cost tc_ingress one comparison.
 *
 * Some drivers have no room there. The first packet that shows it sets metadata_missing, and tc_ingress asks the flow's
 * record instead.
 */
#ifndef SYNKEEP_HINT_BPF_H
#define SYNKEEP_HINT_BPF_H

#include "base.h"

#define SYNKEEP_MARK 0x53796e6bU /* "Synk": tells our metadata and our packet mark from those of others */

enum hint_kind {
	HINT_NONE,
	HINT_VERIFY,  /* carries the acknowledgement of a cookie: may become a connection */
	HINT_WAIT,    /* comes behind such a packet: of use only once the connection is there */
	HINT_UNKNOWN, /* another program's metadata stands before ours, or instead of it */
};

struct hint {
	__u32 mark;
	__u32 kind; /* enum hint_kind */
};

bool metadata_missing;

/* Packet pointers are invalid after this. */
static __always_inline void hint_give(struct xdp_md *ctx, enum hint_kind kind)
{
	struct hint *hint;

	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*hint))) {
		metadata_missing = true;
		return;
	}
	hint = (void *)(long)ctx->data_meta;
	if ((void *)(hint + 1) > (void *)(long)ctx->data)
		return;
	hint->mark = SYNKEEP_MARK;
	hint->kind = kind;
}

static __always_inline enum hint_kind hint_take(struct __sk_buff *skb)
{
	struct hint *hint = (void *)(long)skb->data_meta;

	if (skb->data_meta == skb->data)
		return HINT_NONE;
	if ((void *)(hint + 1) > (void *)(long)skb->data || hint->mark != SYNKEEP_MARK)
		return HINT_UNKNOWN;
	return hint->kind;
}

#endif /* SYNKEEP_HINT_BPF_H */
