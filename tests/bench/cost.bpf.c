// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the cost tool runs by BPF_PROG_TEST_RUN, one packet a run. A drawing program makes the frame into the next
 * packet and goes on, by a tail call, to the program whose cost is asked for: one of a loaded device, as it is attached
 * there, or one of those here that do less.
 *
 *   nothing_*   ends at once: what a run, the drawing and the tail call cost; subtracted from all others
 *   touch_*     looks the packet's flow up and writes to its record: the least that following a connection can cost
 *   lock_*      the same under the record's lock
 */
#include "cost.h"

#include "../../bpf/lock.bpf.h"
#include "flood.h"
#include "population.h"

#define ETH_BYTES 14
#define TC_ACT_UNSPEC (-1)
#define SYN_FIRST_REMOTE 0xc6120000 /* 198.18.0.0/15, as the flood tool has it */

const volatile struct cost_config config = {};

struct cost_variables variables = {};

/* Made by the device's loader; the shapes are checked when the pinned map takes their place. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct flow4_key);
	__type(value, struct flow);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xdp_target SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} tc_target SEC(".maps");

/* The headers of a segment, which has no IP options, and timestamps where every common stack puts them. */
struct headers {
	struct iphdr *ip;
	struct tcphdr *tcp;
	__be32 *options;
};

static __always_inline bool find_headers(void *data, void *end, struct headers *h)
{
	h->ip = data + ETH_BYTES;
	h->tcp = (void *)(h->ip + 1);
	h->options = (void *)(h->tcp + 1);
	return (void *)(h->options + 3) <= end;
}

/* The next run's random number. */
static __always_inline __u64 draw(void)
{
	return flood_random(variables.runs++);
}

/*
 * Makes the frame into the next segment of a flow: 16 MB of stream are sent over and over, so that most segments are
 * new to a flow's record, and all in its window.
 */
static __always_inline bool draw_segment(void *data, void *end, bool received)
{
	__u32 number = (__u32)((draw() >> 32) * variables.drawn_from >> 32), sent = (__u32)variables.runs;
	struct headers h;

	if (!find_headers(data, end, &h))
		return false;
	if (received) {
		h.ip->saddr = population_remote(number);
		h.tcp->source = net16(population_remote_port(number));
		h.tcp->seq = net32(POPULATION_IRS + 1 + (sent * COST_PAYLOAD_BYTES & 0xffffff));
	} else {
		h.ip->daddr = population_remote(number);
		h.tcp->dest = net16(population_remote_port(number));
		h.tcp->seq = net32(POPULATION_ISS + 1 + (sent * COST_PAYLOAD_BYTES & 0xffffff));
	}
	h.options[1] = net32(POPULATION_TSVAL + sent);
	return true;
}

/* Makes the frame into a SYN from one of 2^32 peers. It is written in full: its answer stands in it. */
static __always_inline bool draw_syn_of(void *data, void *end)
{
	__u64 who = draw(), what = flood_random(~variables.runs);
	struct headers h;

	if (data + sizeof(config.syn) > end || !find_headers(data, end, &h))
		return false;
	UNROLL_LOOP
	for (__u32 i = 0; i < ARRAY_LEN(config.syn); i++)
		((__u16 *)data)[i] = config.syn[i];
	h.ip->saddr = net32(SYN_FIRST_REMOTE + (__u32)(who & 0x1ffff));
	h.tcp->source = net16((__u16)(1024 + (who >> 32 & 0x7fff)));
	h.tcp->seq = (__be32)what;
	h.options[2] = (__be32)(what >> 32);
	return true;
}

/* Makes the frame into a segment of the same flags from one of 2^32 peers that have no connection. */
static __always_inline bool draw_stranger_of(void *data, void *end)
{
	__u64 who = draw(), what = flood_random(~variables.runs);
	struct headers h;

	if (!find_headers(data, end, &h))
		return false;
	h.ip->saddr = net32(SYN_FIRST_REMOTE + (__u32)(who & 0x1ffff));
	h.tcp->source = net16((__u16)(1024 + (who >> 32 & 0x7fff)));
	h.tcp->seq = (__be32)what;
	h.tcp->ack_seq = (__be32)(what >> 32);
	return true;
}

SEC("xdp")
int draw_received(struct xdp_md *ctx)
{
	if (draw_segment((void *)(long)ctx->data, (void *)(long)ctx->data_end, true))
		bpf_tail_call(ctx, &xdp_target, 0);
	return COST_NOT_RUN;
}

SEC("tc")
int draw_sent(struct __sk_buff *skb)
{
	if (draw_segment((void *)(long)skb->data, (void *)(long)skb->data_end, false))
		bpf_tail_call(skb, &tc_target, 0);
	return COST_NOT_RUN;
}

SEC("xdp")
int draw_syn(struct xdp_md *ctx)
{
	if (draw_syn_of((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call(ctx, &xdp_target, 0);
	return COST_NOT_RUN;
}

SEC("xdp")
int draw_stranger(struct xdp_md *ctx)
{
	if (draw_stranger_of((void *)(long)ctx->data, (void *)(long)ctx->data_end))
		bpf_tail_call(ctx, &xdp_target, 0);
	return COST_NOT_RUN;
}

static __always_inline struct flow *find_flow(void *data, void *end, bool received)
{
	struct flow4_key key = {};
	struct headers h;

	if (!find_headers(data, end, &h))
		return NULL;
	__builtin_memcpy(key.remote, received ? &h.ip->saddr : &h.ip->daddr, sizeof(key.remote));
	__builtin_memcpy(key.local, received ? &h.ip->daddr : &h.ip->saddr, sizeof(key.local));
	key.remote_port = host16(received ? h.tcp->source : h.tcp->dest);
	key.local_port = host16(received ? h.tcp->dest : h.tcp->source);
	return bpf_map_lookup_elem(&flows4, &key);
}

static __always_inline void touch(void *data, void *end, bool received, bool locked)
{
	struct flow *f = find_flow(data, end, received);

	if (!f)
		return;
	if (locked && !lock_take(f))
		return;
	f->rcv_packets++;
	if (locked)
		lock_give(f, FLOW_LOCK_FREE);
}

SEC("xdp")
int nothing_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

SEC("tc")
int nothing_tc(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int touch_xdp(struct xdp_md *ctx)
{
	touch((void *)(long)ctx->data, (void *)(long)ctx->data_end, true, false);
	return XDP_PASS;
}

SEC("tc")
int touch_tc(struct __sk_buff *skb)
{
	touch((void *)(long)skb->data, (void *)(long)skb->data_end, false, false);
	return TC_ACT_UNSPEC;
}

SEC("xdp")
int lock_xdp(struct xdp_md *ctx)
{
	touch((void *)(long)ctx->data, (void *)(long)ctx->data_end, true, true);
	return XDP_PASS;
}

SEC("tc")
int lock_tc(struct __sk_buff *skb)
{
	touch((void *)(long)skb->data, (void *)(long)skb->data_end, false, true);
	return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
