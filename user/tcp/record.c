// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/record.h"

#include "timeouts.h"
#include "tcp/time_wait.h"

static void report(struct tcp *tcp, const struct tuple *tuple, const struct tcp_record *record)
{
	tcp->config.rim.report(tcp->config.rim.context, tuple, record);
}

__u16 record_flags(const struct tcb *tcb)
{
	return (tcb->flags & TCB_WSCALE ? FLOW_WSCALE : 0) | (tcb->flags & TCB_SACK ? FLOW_SACK : 0) |
	       (tcb->flags & TCB_TIMESTAMPS ? FLOW_TIMESTAMPS : 0) | (tcb->flags & TCB_ECN ? FLOW_ECN : 0) |
	       (tcb->flags & TCB_COOKIE ? FLOW_COOKIE : 0) | (tcb->flags & TCB_ACTIVE ? FLOW_OUTGOING : 0) |
	       (tcb->flags & TCB_FIN_SENT ? FLOW_SND_FIN : 0) | (tcb->flags & TCB_FIN_RECEIVED ? FLOW_RCV_FIN : 0) |
	       (tcb->flags & TCB_FIN_AHEAD ? FLOW_RCV_FIN_AHEAD : 0) | (tcb->is_counted ? FLOW_COUNTED : 0);
}

static __u64 deadline_ns(const struct tcb *tcb)
{
	return tcb->origin->tcp->now_ns + tcp_state_timeout_ns(tcb->state, tcb_msl_ns(tcb));
}

static void fill_half_open(const struct tcb *tcb, struct half_open *h)
{
	*h = (struct half_open){
		.deadline_ns = deadline_ns(tcb),
		.irs = tcb->irs,
		.iss = tcb->iss,
		.snd_nxt = tcb->iss + 1,
		.rcv_tsval = tcb->ts_recent,
		.snd_tsval = tcb_ts_now(tcb),
		.rcv_wnd = (__u16)(tcb->rcv_edge - tcb->rcv_nxt),
		.mss = tcb->peer_mss,
		.flags = record_flags(tcb),
		.state = tcb->state,
		.owner = FLOW_OWNER_DAEMON,
		.snd_wscale = tcb->snd_wscale,
		.rcv_wscale = tcb->rcv_wscale,
		.syns = tcb->retransmissions + 1,
	};
}

static void fill_flow(const struct tcb *tcb, struct flow *f)
{
	*f = (struct flow){
		.tag = flow_tag(&tcb->endpoint.tuple),
		.state = tcb->state,
		.owner = FLOW_OWNER_DAEMON,
		.flags = record_flags(tcb),
		.snd_wscale = tcb->snd_wscale,
		.rcv_wscale = tcb->rcv_wscale,
		.mss = tcb->peer_mss,
		.irs = tcb->irs,
		.iss = tcb->iss,
		.rcv_nxt = tcb->rcv_nxt,
		.rcv_wup = tcb->rcv_wup,
		.rcv_edge = tcb->rcv_edge,
		.rcv_max = tcb->flags & TCB_FIN_AHEAD ? tcb->rcv_fin : reassembly_end(&tcb->rcv, tcb->rcv_nxt),
		.snd_nxt = tcb->snd_nxt,
		.snd_una = tcb->snd_una,
		.snd_fin = tcb_snd_end(tcb),
		.rcv_wnd = (__u16)((tcb->rcv_edge - tcb->rcv_nxt) >> tcb->rcv_wscale),
		.snd_wnd = (__u16)(tcb->snd_wnd >> tcb->snd_wscale),
		.rcv_tsval = tcb->ts_recent,
		.snd_tsval = tcb_ts_now(tcb),
		.rcv_bytes = tcb->rcv_bytes,
		.snd_bytes = tcb->snd_bytes,
		.rcv_packets = tcb->rcv_packets,
		.snd_packets = tcb->snd_packets,
		.deadline_ns = deadline_ns(tcb),
		.born_s = tcb->born_s,
		.rcv_seen_ms = tcb->seen_ms,
		.probes = tcb->keepalive_unanswered,
	};
}

void record_now(struct tcb *tcb)
{
	bool half_open = tcb->state == TCPS_SYN_SENT || tcb->state == TCPS_SYN_RECEIVED;
	struct tcp_record record = { .kind = half_open ? TCP_RECORD_HALF_OPEN : TCP_RECORD_FLOW };

	list_remove(&tcb->report);
	if (half_open)
		fill_half_open(tcb, &record.half_open);
	else
		fill_flow(tcb, &record.flow);
	report(tcb->origin->tcp, &tcb->endpoint.tuple, &record);
	tcb_arm(tcb, TIMER_RECORD, tcb->origin->tcp->now_ns + tcp_state_timeout_ns(tcb->state, tcb_msl_ns(tcb)) / 2);
}

static void put_off(struct tcb *tcb, struct list *list, __u64 *due_ns, __u64 delay_ns)
{
	if (list_is_empty(list))
		*due_ns = tcb->origin->tcp->now_ns + delay_ns;
	list_append(list, &tcb->report);
}

void record_changed(struct tcb *tcb)
{
	if (tcb->flags & TCB_FINISHED)
		return;
	list_remove(&tcb->report);
	put_off(tcb, &tcb->origin->tcp->changed, &tcb->origin->tcp->report_changed_ns, RECORD_CHANGED_NS);
}

void record_moved(struct tcb *tcb)
{
	if (!tcb->report.next && !(tcb->flags & TCB_FINISHED))
		put_off(tcb, &tcb->origin->tcp->moved, &tcb->origin->tcp->report_moved_ns, RECORD_MOVED_NS);
}

void record_none(struct tcp *tcp, const struct tuple *tuple)
{
	const struct tcp_record record = { .kind = TCP_RECORD_NONE };

	report(tcp, tuple, &record);
}

void record_lost(struct tcp *tcp, const struct tuple *tuple)
{
	const struct tcp_record record = { .kind = TCP_RECORD_LOST };

	report(tcp, tuple, &record);
}

/* A cookie that is not stale could make the connection again: CLOSED remains until it is. */
void record_gone(struct tcb *tcb)
{
	__u64 stale_ns = tcb->flags & TCB_COOKIE ? cookie_stale_ns(tcb->born_s) : 0;
	struct tcp *tcp = tcb->origin->tcp;
	struct tcp_record record = {
		.kind = TCP_RECORD_ENDED,
		.ended = { .handshake = tcb->iss - tcb->irs,
			   .irs = tcb->irs,
			   .rcv_nxt = tcb->rcv_nxt,
			   .snd_nxt = tcb->snd_nxt,
			   .state = TCPS_CLOSED,
			   .owner = FLOW_OWNER_DAEMON,
			   .flags = (__u8)record_flags(tcb) },
	};

	ended_set_times(&record.ended, tcp->now_ns, stale_ns);
	if (stale_ns > tcp->now_ns)
		report(tcp, &tcb->endpoint.tuple, &record);
	else
		record_none(tcp, &tcb->endpoint.tuple);
}

void record_time_wait(struct tcp *tcp, const struct time_wait *tw)
{
	struct tcp_record record = {
		.kind = TCP_RECORD_ENDED,
		.ended = { .handshake = tw->handshake,
			   .rcv_tsval = tw->ts_recent,
			   .rcv_nxt = tw->rcv_nxt,
			   .snd_nxt = tw->snd_nxt,
			   .state = TCPS_TIME_WAIT,
			   .owner = FLOW_OWNER_DAEMON,
			   .flags = (tw->flags & TCB_COOKIE ? FLOW_COOKIE : 0) |
				    (tw->flags & TCB_TIMESTAMPS ? FLOW_TIMESTAMPS : 0) |
				    (tw->flags & TCB_ACTIVE ? FLOW_OUTGOING : 0) },
	};

	ended_set_times(&record.ended, tcp->now_ns + 2 * tw->msl_ms * NSEC_PER_MSEC,
			tw->flags & TCB_COOKIE ? cookie_stale_ns(tw->born_s) : 0);
	report(tcp, &tw->endpoint.tuple, &record);
}

static void report_all(struct list *list)
{
	struct list *link;

	while ((link = list_take(list)))
		record_now(list_entry(link, struct tcb, report));
}

void record_work(struct tcp *tcp)
{
	if (tcp->now_ns >= tcp->report_changed_ns)
		report_all(&tcp->changed);
	if (tcp->now_ns >= tcp->report_moved_ns)
		report_all(&tcp->moved);
}

__u64 record_next_ns(const struct tcp *tcp)
{
	__u64 changed_ns = list_is_empty(&tcp->changed) ? UINT64_MAX : tcp->report_changed_ns;
	__u64 moved_ns = list_is_empty(&tcp->moved) ? UINT64_MAX : tcp->report_moved_ns;

	return changed_ns < moved_ns ? changed_ns : moved_ns;
}
