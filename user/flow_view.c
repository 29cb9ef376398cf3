/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One tracked connection as it is shown, whichever of the tables its record is in.
 */
#include <string.h>

#include "flow_view.h"
#include "handshake.h"

void flow_view_set_key(struct flow_view *view, __u8 family, const void *key)
{
	view->family = family;
	if (family == FAMILY_IPV4) {
		const struct flow4_key *key4 = key;

		memset(view->remote, 0, sizeof(view->remote));
		memset(view->local, 0, sizeof(view->local));
		memcpy(view->remote, key4->remote, sizeof(key4->remote));
		memcpy(view->local, key4->local, sizeof(key4->local));
		view->remote_port = key4->remote_port;
		view->local_port = key4->local_port;
	} else {
		const struct flow6_key *key6 = key;

		memcpy(view->remote, key6->remote, sizeof(view->remote));
		memcpy(view->local, key6->local, sizeof(view->local));
		view->remote_port = key6->remote_port;
		view->local_port = key6->local_port;
	}
}

/* What only live records have. */
static void clear_history(struct flow_view *view)
{
	view->age_ns = view->idle_ns = 0;
	view->rcv_bytes = view->snd_bytes = 0;
	view->rcv_packets = view->snd_packets = 0;
	view->probes = 0;
	view->probe_refused = view->peer_dead = false;
}

bool flow_view_set_half_open(struct flow_view *view, const struct half_open *half, __u64 now_ns)
{
	if (half->deadline_ns <= now_ns)
		return false;
	view->table = FLOW_TABLE_HALF;
	view->state = half->state;
	view->owner = half->owner;
	view->flags = half->state == TCPS_SYN_SENT ? half->flags & ~HANDSHAKE_TERMS : half->flags;
	view->snd_wscale = half->snd_wscale;
	view->rcv_wscale = half->rcv_wscale;
	view->mss = half->mss;
	view->irs = half->irs;
	view->iss = half->iss;
	view->rcv_nxt = half->state == TCPS_SYN_SENT ? 0 : half->irs + 1;
	view->snd_nxt = half->snd_nxt;
	view->left_ns = half->deadline_ns - now_ns;
	clear_history(view);
	return true;
}

/* A program on another CPU may have written a time that is a little after ours: that is 0, not 49 days. */
static __u64 since_ms(__u32 then_ms, __u64 now_ns)
{
	__s32 elapsed_ms = (__s32)((__u32)(now_ns / NSEC_PER_MSEC) - then_ms);

	return elapsed_ms < 0 ? 0 : (__u64)elapsed_ms * NSEC_PER_MSEC;
}

bool flow_view_set_live(struct flow_view *view, const struct flow *flow, __u64 now_ns)
{
	__u64 now_s = now_ns / NSEC_PER_SEC;

	if (flow->deadline_ns <= now_ns || flow->lock == FLOW_LOCK_DEAD)
		return false;
	view->table = FLOW_TABLE_LIVE;
	view->state = flow->state;
	view->owner = flow->owner;
	view->flags = flow->flags;
	view->snd_wscale = flow->snd_wscale;
	view->rcv_wscale = flow->rcv_wscale;
	view->mss = flow->mss;
	view->irs = flow->irs;
	view->iss = flow->iss;
	view->rcv_nxt = flow->rcv_nxt;
	view->snd_nxt = flow->snd_nxt;
	view->left_ns = flow->deadline_ns - now_ns;
	view->age_ns = now_s > flow->born_s ? (now_s - flow->born_s) * NSEC_PER_SEC : 0;
	view->idle_ns = since_ms(flow->rcv_seen_ms, now_ns);
	view->rcv_bytes = flow->rcv_bytes;
	view->snd_bytes = flow->snd_bytes;
	view->rcv_packets = flow->rcv_packets;
	view->snd_packets = flow->snd_packets;
	view->probes = flow->probes & FLOW_PROBES_COUNT;
	view->probe_refused = flow->probes & FLOW_PROBE_REFUSED;
	view->peer_dead = flow->probes & FLOW_PROBES_OVER;
	return true;
}

bool flow_view_set_ended(struct flow_view *view, const struct ended *ended, __u64 now_ns)
{
	enum tcp_state state = ended_state(ended, now_ns);
	__u32 left_ms = state == TCPS_TIME_WAIT ? ended_left_ms(ended, now_ns) : ended_over_in_ms(ended, now_ns);

	if (ended_is_over(ended, now_ns))
		return false;
	view->table = FLOW_TABLE_ENDED;
	view->state = state;
	view->owner = ended->owner;
	view->flags = ended->flags & ~FLOW_WSCALE;
	view->snd_wscale = view->rcv_wscale = 0;
	view->mss = 0;
	view->irs = ended_answers(ended) ? 0 : ended->irs;
	view->iss = ended_answers(ended) ? 0 : ended->irs + ended->handshake;
	view->rcv_nxt = ended->rcv_nxt;
	view->snd_nxt = ended->snd_nxt;
	view->left_ns = left_ms * NSEC_PER_MSEC;
	clear_history(view);
	return true;
}

void flow_view_set_event(struct flow_view *view, const struct flow_event *event)
{
	*view = (struct flow_view){
		.table = FLOW_TABLE_LIVE,
		.state = event->state,
		.owner = event->owner,
		.family = event->tuple.family,
		.remote_port = event->tuple.remote_port,
		.local_port = event->tuple.local_port,
		.flags = event->flags,
		.rcv_bytes = event->rcv_bytes,
		.snd_bytes = event->snd_bytes,
		.rcv_packets = event->rcv_packets,
		.snd_packets = event->snd_packets,
	};
	memcpy(view->remote, event->tuple.remote, sizeof(view->remote));
	memcpy(view->local, event->tuple.local, sizeof(view->local));
}

int flow_view_compare(const struct flow_view *a, const struct flow_view *b)
{
	int order = a->family - b->family;

	if (!order)
		order = memcmp(a->local, b->local, sizeof(a->local));
	if (!order)
		order = a->local_port - b->local_port;
	if (!order)
		order = memcmp(a->remote, b->remote, sizeof(a->remote));
	if (!order)
		order = a->remote_port - b->remote_port;
	return order;
}
