// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The live source of the flood tool: run by BPF_PROG_TEST_RUN with live frames, it writes each frame anew and redirects
 * it out of a device. It is attached nowhere.
 */
#include "flood.h"

const volatile struct flood_config config = {};

__u64 frames; /* written so far; one thread runs the program */

SEC("xdp")
int flood_live(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;

	if (data + config.template.length > data_end)
		return XDP_ABORTED;
	flood_frame_write(data, &config.template, config.first_frame + frames);
	frames++;
	return bpf_redirect(config.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
