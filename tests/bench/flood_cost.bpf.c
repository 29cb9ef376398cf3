// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the flood_cost tool runs by BPF_PROG_TEST_RUN, one packet a run: it writes the next frame of the flood, and goes
 * on, by a tail call, to the program whose cost is asked for: a loaded device's, or one that ends at once.
 */
#include "flood_cost.h"

#include "flood.h"

const volatile struct flood_template template = {};

__u64 frames; /* so far; one thread runs the program */

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} target SEC(".maps");

SEC("xdp")
int draw(struct xdp_md *ctx)
{
	__u32 length = template.length;

	/* What answered the last one may have left the frame shorter. */
	if (ctx->data_end - ctx->data < length && bpf_xdp_adjust_tail(ctx, (int)(length - (ctx->data_end - ctx->data))))
		return FLOOD_COST_NOT_RUN;
	if ((void *)(long)ctx->data + length > (void *)(long)ctx->data_end)
		return FLOOD_COST_NOT_RUN;
	flood_frame_write((void *)(long)ctx->data, &template, frames++);
	bpf_tail_call(ctx, &target, 0);
	return FLOOD_COST_NOT_RUN;
}

SEC("xdp")
int nothing(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
