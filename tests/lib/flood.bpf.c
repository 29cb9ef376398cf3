// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The live source of the flood tool: run by BPF_PROG_TEST_RUN with live frames, it writes each frame anew and redirects
 * it out of a device. It is attached nowhere.
 */
#include "flood.h"

const volatile struct flood_config config = {};

struct flood_variables variables = {};

/*
 * Whether it is time for a frame. A call of BPF_PROG_TEST_RUN is followed by a pause of tens of milliseconds; what was
 * missed is made up for at twice the rate, since a burst would only overrun the receiver's ring.
 */
static __always_inline bool is_time(void)
{
	__u64 now = bpf_ktime_get_ns() - variables.began_ns;

	if (flood_pause_ns(&config, now))
		return false;
	now = flood_on_ns(&config, now);
	if (now < variables.next_ns)
		return false;
	variables.due_ns += config.interval_ns;
	variables.next_ns = variables.due_ns > now ? variables.due_ns : now + config.interval_ns / 2;
	return true;
}

/*
 * A frame whose answer was shorter comes back with that length, and the kernel sees nothing of it unless the program
 * gives the frame a length itself (6.18, net/bpf/test_run.c, frame_was_changed()): it is cut here each time.
 */
SEC("xdp")
int flood_live(struct xdp_md *ctx)
{
	void *data, *data_end;

	if (bpf_xdp_adjust_tail(ctx, -FLOOD_SPARE_BYTES))
		return XDP_ABORTED;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (data + config.template.length > data_end)
		return XDP_ABORTED;
	if (!variables.began_ns)
		variables.began_ns = bpf_ktime_get_ns();
	if ((config.interval_ns || config.off_ns) && !is_time())
		return XDP_DROP; /* the frame comes back at once: with a rate, the program spins */
	flood_frame_write(data, &config.template, config.first_frame + variables.frames);
	variables.frames++;
	return bpf_redirect(config.ifindex, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
