/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Generic XDP may get one packet for several: the other end of a virtual link (veth, virtio) leaves it to a network
 * card to cut them, and none is in between. How long each is stands in the socket buffer, so at tc ingress the record
 * is told how many they are. Native XDP gets each, and for generic XDP the kernel does no GRO.
 */
#ifndef SYNKEEP_MERGED_BPF_H
#define SYNKEEP_MERGED_BPF_H

#include "clock.bpf.h"
#include "records.bpf.h"

/* How many packets p is, if XDP has counted them as one; gso_segs is 0 in what comes from a hypervisor. */
static __always_inline __u32 merged_segments(const struct __sk_buff *skb, const struct packet *p,
					     const struct config *conf)
{
	if (conf->xdp_mode != DEVICE_XDP_GENERIC || !skb->gso_size || p->segment.payload_bytes <= skb->gso_size)
		return 1;
	return (p->segment.payload_bytes + skb->gso_size - 1) / skb->gso_size;
}

/* The packet's record, if it has one, counts from now on what was meant for the wire. Called for merged packets only.
 */
__noinline int merged_count(struct __sk_buff *skb)
{
	const struct frame frame = {
		.data = (void *)(long)skb->data,
		.end = (void *)(long)skb->data_end,
		.direction = DIRECTION_RCV,
	};
	const struct config *conf = config_get();
	const struct cpu_clock *clock;
	struct packet p = {};
	__u32 counted_bytes;
	struct flow *f;

	if (!conf || packet_parse(&p, &frame) != PACKET_TCP || packet_weigh(&p, skb->len, DIRECTION_RCV) != PACKET_TCP)
		return 0;
	counted_bytes = p.segment.packet_bytes;
	packet_count_segments(&p, merged_segments(skb, &p, conf));
	clock = p.segment.packets > 1 ? clock_get(conf) : NULL;
	f = clock ? flow_lock(&p.tuple, clock->now_ns) : NULL;
	if (!f)
		return 0;
	f->rcv_packets += p.segment.packets - 1;
	f->rcv_bytes += p.segment.packet_bytes - counted_bytes;
	flow_unlock(f);
	return 0;
}

#endif /* SYNKEEP_MERGED_BPF_H */
