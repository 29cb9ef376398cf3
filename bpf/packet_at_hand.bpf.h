/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The packet that a CPU is at work on. It would take a sixth of the stack, which is short - verifiers before Linux 6.8
 * count each call's share in steps of 32 bytes - so it is kept beside it.
 *
 * One for each CPU suffices: xdp_ingress, tc_ingress and tc_egress run with soft interrupts off and so never interrupt
 * each other, and what one of them sends is on its way only when it has ended.
 */
#ifndef SYNKEEP_PACKET_AT_HAND_BPF_H
#define SYNKEEP_PACKET_AT_HAND_BPF_H

#include "base.h"
#include "packet.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct packet);
} packets SEC(".maps");

/* All zeros; NULL does not happen. */
static __always_inline struct packet *packet_at_hand(void)
{
	__u32 zero = 0;
	struct packet *p = bpf_map_lookup_elem(&packets, &zero);

	if (p)
		*p = (struct packet){};
	return p;
}

#endif /* SYNKEEP_PACKET_AT_HAND_BPF_H */
