/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet that a CPU is at work on, and the record that it makes of it. Each would take a sixth of the stack or
 * more, which is short - verifiers before Linux 6.8 count each call's share in steps of 32 bytes - so they are kept
 * beside it.
 *
 * One for each CPU suffices: xdp_ingress, tc_ingress and tc_egress run with soft interrupts off and so never interrupt
 * each other, and what one of them sends is on its way only when it has ended.
 */
#ifndef SYNKEEP_PACKET_AT_HAND_BPF_H
#define SYNKEEP_PACKET_AT_HAND_BPF_H

#include "flow.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct flow);
} new_flows SEC(".maps");

/* All zeros; NULL does not happen. */
static __always_inline struct packet *packet_at_hand(void)
{
	__u32 zero = 0;
	struct packet *p = bpf_map_lookup_elem(&packets, &zero);

	if (p)
		*p = (struct packet){};
	return p;
}

/* The same, for a record until it is put into the table. */
static __always_inline struct flow *flow_at_hand(void)
{
	__u32 zero = 0;
	struct flow *f = bpf_map_lookup_elem(&new_flows, &zero);

	if (f)
		*f = (struct flow){};
	return f;
}

#endif /* SYNKEEP_PACKET_AT_HAND_BPF_H */
