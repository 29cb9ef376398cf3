/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The way to the daemon: what its AF_XDP sockets get, by queue, and what stands before each frame (include/daemon.h);
 * and what of its connections is in the maps.
 *
 * A record that says FLOW_OWNER_DAEMON suffices for a tuple to be the daemon's, whatever the services are. The TCB is
 * the truth of it, and the record what the daemon last reported: it is read here and neither judged nor stepped.
 */
#ifndef SYNKEEP_DAEMON_BPF_H
#define SYNKEEP_DAEMON_BPF_H

#include "daemon.h"
#include "expiry.bpf.h"

/* Whether a daemon serves the queue that the packet came by. */
static __always_inline bool daemon_is_here(struct xdp_md *ctx)
{
	__u32 queue = ctx->rx_queue_index;

	return bpf_map_lookup_elem(&xsks, &queue);
}

/* For bpf_loop(). */
static int daemon_count_queue(__u32 queue, __u32 *served)
{
	*served += !!bpf_map_lookup_elem(&xsks, &queue);
	return 0;
}

/*
 * Sends the frame to the daemon's socket once the program leaves by the verdict, which is that of hint->kind, or why
 * the daemon can not have it. Metadata of other programs goes: ours ends where the frame begins. Packet pointers are
 * invalid after this.
 */
__noinline enum verdict daemon_give_hint(struct xdp_md *ctx, const struct daemon_hint *hint)
{
	const struct config *conf = config_get();
	__u64 bytes = bpf_xdp_get_buff_len(ctx);
	struct daemon_hint *meta;
	void *data;

	if (!hint || !conf || bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_DROP) != XDP_REDIRECT)
		return V_DAEMON_GONE;
	data = (void *)(long)ctx->data;
	if (bytes > conf->daemon_frame_bytes || bytes > (__u64)((void *)(long)ctx->data_end - data))
		return V_DAEMON_FRAME_TOO_LARGE;
	if (bpf_xdp_adjust_meta(ctx, (int)(data - (void *)(long)ctx->data_meta) - (int)sizeof(*meta)))
		return V_DAEMON_NO_METADATA;
	meta = (void *)(long)ctx->data_meta;
	if ((void *)(meta + 1) > (void *)(long)ctx->data)
		return V_DAEMON_NO_METADATA;
	*meta = *hint;
	return V_DAEMON_SEGMENT + hint->kind;
}

_Static_assert(V_DAEMON_ICMP - V_DAEMON_SEGMENT == DAEMON_ICMP, "verdicts are in the order of enum daemon_frame");

static __always_inline enum verdict daemon_give(struct xdp_md *ctx, enum daemon_frame kind)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = kind };

	return daemon_give_hint(ctx, &hint);
}

/*
 * Whether a handshake of the daemon's is under way. The daemon can not set a bit of the presence filter, so the
 * tuple's is set here: at the latest by the segment that completes the handshake, where its SYN did not
 * (syn_for_daemon()).
 */
static __noinline bool daemon_has_half_open(const struct tuple *t, const struct cpu_clock *clock,
					    const struct config *conf)
{
	const struct half_open *h = half_open_find(t);

	if (!h || h->owner != FLOW_OWNER_DAEMON || h->deadline_ns <= clock->now_ns)
		return false;
	presence_mark(conf, t);
	return true;
}

static __always_inline struct ended *daemon_ended(const struct tuple *t, const struct cpu_clock *clock)
{
	struct ended *e = ended_alive(t, clock->now_ns);

	return e && e->owner == FLOW_OWNER_DAEMON ? e : NULL;
}

/* What a tuple has of the daemon's connections. */
enum daemon_tuple {
	DAEMON_TUPLE_NONE,
	DAEMON_TUPLE_LIVE,
	DAEMON_TUPLE_TIME_WAIT,
};

__noinline enum daemon_tuple daemon_tuple(const struct tuple *t, const struct cpu_clock *clock,
					  const struct config *conf)
{
	const struct ended *e;
	const struct flow *f;

	if (!t || !clock || !conf)
		return DAEMON_TUPLE_NONE;
	f = flow_find(t);
	if (f && f->owner == FLOW_OWNER_DAEMON && flow_is_alive(f, t, clock->now_ns))
		return DAEMON_TUPLE_LIVE;
	if (daemon_has_half_open(t, clock, conf))
		return DAEMON_TUPLE_LIVE;
	e = daemon_ended(t, clock);
	return e && ended_state(e, clock->now_ns) == TCPS_TIME_WAIT ? DAEMON_TUPLE_TIME_WAIT : DAEMON_TUPLE_NONE;
}

static __always_inline bool daemon_has(const struct tuple *t, const struct cpu_clock *clock, const struct config *conf)
{
	return daemon_tuple(t, clock, conf) != DAEMON_TUPLE_NONE;
}

/* Deletes a record that the daemon has done with. */
__noinline int daemon_release(const struct flow6_key *key, __u8 family, __u64 now_ns)
{
	struct tuple t;
	struct flow *f;

	if (!key)
		return -1;
	expiry_tuple(key, family, &t);
	f = flow_find(&t);
	if (f && f->owner == FLOW_OWNER_DAEMON)
		flow_remove(&t, f->flags, f->born_s, now_ns);
	return 0;
}

#endif /* SYNKEEP_DAEMON_BPF_H */
