// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/time_wait.h"

#include <errno.h>
#include <stdlib.h>

#include "time_wait_judge.h"
#include "tcp/emit.h"
#include "tcp/isn.h"
#include "tcp/record.h"
#include "tcp/transmit.h"

/* Further than any window of the old connection: what is left of it in the network can not be taken for the new one. */
#define TIME_WAIT_ISS_GAP 0x10000

static __u64 kept_ns(const struct tcp *tcp, const struct time_wait *tw)
{
	__u64 all_ns = 2 * tw->msl_ms * NSEC_PER_MSEC, own_ns = tcp->config.time_wait_ns;

	return own_ns && own_ns < all_ns ? own_ns : all_ns;
}

static void begin_2msl(struct tcp *tcp, struct time_wait *tw)
{
	list_remove(&tw->link);
	list_append(&tcp->time_waits, &tw->link);
	timer_wheel_arm(&tcp->wheel, &tw->endpoint.timer, tcp->now_ns + kept_ns(tcp, tw));
	record_time_wait(tcp, tw);
}

int time_wait_make(struct tcb *tcb)
{
	struct tcp *tcp = tcb->origin->tcp;
	struct time_wait *tw;

	if (tcp->counters.connections_time_wait >= tcp->config.time_wait_max && !list_is_empty(&tcp->time_waits)) {
		time_wait_end(tcp, list_entry(tcp->time_waits.next, struct time_wait, link));
		tcp->counters.time_wait_evicted++;
	}
	tw = calloc(1, sizeof(*tw));
	if (!tw)
		return -ENOMEM;
	tw->endpoint.tuple = tcb->endpoint.tuple;
	tw->endpoint.is_time_wait = true;
	tw->path = tcb->path;
	tw->snd_nxt = tcb->snd_nxt;
	tw->rcv_nxt = tcb->rcv_nxt;
	tw->ts_recent = tcb->ts_recent;
	tw->ts_offset = tcb->ts_offset;
	tw->handshake = tcb->iss - tcb->irs;
	tw->msl_ms = (__u32)(tcb_msl_ns(tcb) / NSEC_PER_MSEC);
	tw->born_s = tcb->born_s;
	tw->flags = tcb->flags;
	tw->window = transmit_window(tcb);
	tw->ttl = tcb->origin->settings.ttl;
	endpoints_add(&tcp->endpoints, &tw->endpoint);
	tcp->counters.connections_time_wait++;
	begin_2msl(tcp, tw);
	return 0;
}

void time_wait_end(struct tcp *tcp, struct time_wait *tw)
{
	if (!tcp->config.time_wait_ns)
		record_none(tcp, &tw->endpoint.tuple);
	list_remove(&tw->link);
	timer_wheel_disarm(&tcp->wheel, &tw->endpoint.timer);
	endpoints_remove(&tcp->endpoints, &tw->endpoint);
	tcp->counters.connections_time_wait--;
	free(tw);
}

static void acknowledge(struct tcp *tcp, const struct time_wait *tw, __u32 path)
{
	const struct outgoing o = {
		.tuple = &tw->endpoint.tuple,
		.path = path,
		.seq = tw->snd_nxt,
		.ack = tw->rcv_nxt,
		.flags = TCP_FLAG_ACK,
		.window = tw->window,
		.ttl = tw->ttl,
		.wscale = TCP_WSCALE_NONE,
		.has_timestamps = tw->flags & TCB_TIMESTAMPS,
		.tsval = (__u32)(tcp->now_ns / NSEC_PER_MSEC) + tw->ts_offset,
		.tsecr = tw->ts_recent,
	};

	emit(tcp, &o);
}

enum tcp_verdict time_wait_arrives(struct tcp *tcp, struct time_wait *tw, const struct arrival *a)
{
	const struct time_wait_numbers numbers = {
		.rcv_nxt = tw->rcv_nxt,
		.ts_recent = tw->ts_recent,
		.has_timestamps = tw->flags & TCB_TIMESTAMPS,
	};

	switch (time_wait_judge(&numbers, &a->packet.segment)) {
	case TIME_WAIT_RESET:
		return TCPV_RESET_IGNORED;
	case TIME_WAIT_ANEW:
		return TCPV_TIME_WAIT_REUSED;
	case TIME_WAIT_NO_TIMESTAMP:
		return TCPV_NO_TIMESTAMP;
	case TIME_WAIT_SILENT:
		return TCPV_TIME_WAIT;
	case TIME_WAIT_FIN_AGAIN:
		begin_2msl(tcp, tw);
		break;
	case TIME_WAIT_OLD:
		break;
	}
	acknowledge(tcp, tw, a->path);
	return TCPV_TIME_WAIT;
}

__u32 time_wait_iss(const struct tcp *tcp, const struct tuple *tuple, __u32 snd_nxt)
{
	return seq_max(isn_make(&tcp->config.isn_key, tuple, tcp->now_ns), snd_nxt + TIME_WAIT_ISS_GAP);
}
