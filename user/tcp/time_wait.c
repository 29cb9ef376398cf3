// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/time_wait.h"

#include <errno.h>
#include <stdlib.h>

#include "tcp/emit.h"
#include "tcp/isn.h"
#include "tcp/record.h"
#include "tcp/transmit.h"

/* Further than any window of the old connection: what is left of it in the network can not be taken for the new one. */
#define TIME_WAIT_ISS_GAP 0x10000

static void begin_2msl(struct tcp *tcp, struct time_wait *tw)
{
	list_remove(&tw->link);
	list_append(&tcp->time_waits, &tw->link);
	timer_wheel_arm(&tcp->wheel, &tw->endpoint.timer, tcp->now_ns + 2 * tcp->config.msl_ns);
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
	tw->irs = tcb->irs;
	tw->iss = tcb->iss;
	tw->born_s = tcb->born_s;
	tw->flags = tcb->flags;
	tw->window = transmit_window(tcb);
	tw->ttl = tcb->origin->settings.ttl;
	endpoints_add(&tcp->endpoints, &tw->endpoint);
	tcp->counters.connections_time_wait++;
	begin_2msl(tcp, tw);
	return 0;
}

static void remove_time_wait(struct tcp *tcp, struct time_wait *tw)
{
	list_remove(&tw->link);
	timer_wheel_disarm(&tcp->wheel, &tw->endpoint.timer);
	endpoints_remove(&tcp->endpoints, &tw->endpoint);
	tcp->counters.connections_time_wait--;
	free(tw);
}

void time_wait_end(struct tcp *tcp, struct time_wait *tw)
{
	record_none(tcp, &tw->endpoint.tuple);
	remove_time_wait(tcp, tw);
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

/* 3.6.1, MAY-2, by the timestamp where there are any (RFC 6191, 2; SHLD-4), else by the sequence number. */
static bool may_begin_anew(const struct time_wait *tw, const struct segment *s)
{
	if ((tw->flags & TCB_TIMESTAMPS) && s->has_timestamps && s->tsval != tw->ts_recent)
		return seq_after(s->tsval, tw->ts_recent);
	return seq_after(s->seq, tw->rcv_nxt);
}

enum tcp_verdict time_wait_arrives(struct tcp *tcp, struct time_wait *tw, const struct arrival *a, __u32 *iss)
{
	const struct segment *s = &a->packet.segment;

	/* RFC 1337, 3, fix F1 */
	if (s->flags & TCP_FLAG_RST)
		return TCPV_RESET_IGNORED;
	if ((s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN && may_begin_anew(tw, s)) {
		*iss = seq_max(isn_make(&tcp->config.isn_key, &tw->endpoint.tuple, tcp->now_ns),
			       tw->snd_nxt + TIME_WAIT_ISS_GAP);
		remove_time_wait(tcp, tw);
		return TCPV_TIME_WAIT_REUSED;
	}
	/* Two ends in TIME-WAIT would go on acknowledging each other's acknowledgements. */
	if (!arrival_length(a) && s->seq == tw->rcv_nxt)
		return TCPV_TIME_WAIT;
	/* 3.10.7.4, eighth: the FIN comes again (EP-TW); anything else that is old is answered without that (1337b) */
	if ((s->flags & TCP_FLAG_FIN) && s->seq + arrival_length(a) == tw->rcv_nxt)
		begin_2msl(tcp, tw);
	acknowledge(tcp, tw, a->path);
	return TCPV_TIME_WAIT;
}
