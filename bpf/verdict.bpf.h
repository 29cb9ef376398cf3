/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one way out of a program: a verdict is counted, then becomes the hook's return code. */
#ifndef SYNKEEP_VERDICT_BPF_H
#define SYNKEEP_VERDICT_BPF_H

#include "maps.bpf.h"

#define TC_ACT_UNSPEC (-1)
#define TC_ACT_SHOT 2

static __always_inline void verdict_count(enum verdict verdict, __u32 bytes)
{
	__u32 index = verdict;
	struct verdict_counter *counter = bpf_map_lookup_elem(&counters, &index);

	if (!counter)
		return;
	counter->packets++;
	counter->bytes += bytes;
}

/* An event beside a packet's own verdict (VERDICT_NOTE). */
static __always_inline void verdict_note(enum verdict verdict)
{
	verdict_count(verdict, 0);
}

/* bytes: of the frame as it came. An answer to an unverified source is counted by what it is now. */
static __always_inline int verdict_leave_xdp(const struct xdp_md *ctx, enum verdict verdict, __u32 bytes)
{
	verdict_count(verdict, verdict_bytes(bytes));
	if (verdict_action(verdict) == VERDICT_TX && verdict_ledger(verdict) == LEDGER_IN)
		verdict_count(V_SYN_ANSWER, verdict_bytes(ctx->data_end - ctx->data));
	switch (verdict_action(verdict)) {
	case VERDICT_DROP:
		return XDP_DROP;
	case VERDICT_TX:
		return XDP_TX;
	case VERDICT_REDIRECT: /* daemon_give() has said where to */
		return XDP_REDIRECT;
	default:
		return XDP_PASS;
	}
}

static __always_inline int verdict_leave_tc(enum verdict verdict, __u32 bytes)
{
	verdict_count(verdict, verdict_bytes(bytes));
	return verdict_action(verdict) == VERDICT_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

#endif /* SYNKEEP_VERDICT_BPF_H */
