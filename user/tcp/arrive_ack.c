// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SEGMENT ARRIVES, fifth: the ACK field (RFC 9293, 3.10.7.4), and what it tells of the path: round trips, losses,
 * marks.
 */
#include <string.h>

#include "tcp/arrive.h"
#include "tcp/emit.h"
#include "tcp/output.h"
#include "tcp/record.h"

/* RFC 5961, 5.2: neither of what was never sent, nor older than the largest window (EP-ACKNEW). */
static bool is_acceptable(const struct tcb *tcb, __u32 ack)
{
	return !seq_after(ack, tcb->snd_nxt) && !seq_before(ack, tcb->snd_una - tcb->snd_wnd_max);
}

/* RFC 5681, 2, (b) to (e). */
static bool is_duplicate(const struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;

	return s->ack == tcb->snd_una && !arrival_length(a) && (__u32)s->window << tcb->snd_wscale == tcb->snd_wnd;
}

/* RFC 7323, 4.1: only where something new is acknowledged, else the echo may be of any age. */
static __u32 echo_rtt_us(const struct tcb *tcb, const struct segment *s)
{
	__u32 ms = tcb_ts_now(tcb) - s->tsecr;

	if (!(tcb->flags & TCB_TIMESTAMPS) || !s->tsecr || !seq_after(s->ack, tcb->snd_una) || (__s32)ms < 0)
		return 0;
	return ms > 4000000 ? 0 : ms * 1000 + 1; /* an hour is no round trip; a tick that has not passed is one */
}

void arrive_slow_down(struct tcb *tcb)
{
	congestion_enter_recovery(&tcb->congestion, tcb->snd_nxt - tcb->snd_una);
	tcb->recover = tcb->snd_nxt;
}

static void tell_congestion(struct tcb *tcb, const struct arrival *a, const struct sent_result *result, bool advanced)
{
	struct congestion *c = &tcb->congestion;
	const struct congestion_ack ack = {
		.now_ns = tcb->origin->tcp->now_ns,
		.acked_bytes = result->delivered_bytes,
		.in_flight_bytes = tcb->sent.in_flight_bytes,
		.rtt_us = result->rtt_us,
		.srtt_us = tcb->rtt.srtt_us,
		.snd_una = tcb->snd_una,
		.snd_nxt = tcb->snd_nxt,
		.window_limited = tcb->flags & TCB_WINDOW_LIMITED,
		.new_losses = result->new_losses,
		.advanced = advanced,
	};
	bool marked = (tcb->flags & TCB_ECN) && arrival_has(a, TCP_FLAG_ECE);

	if (result->spurious)
		congestion_undo(c);
	if (c->phase == CONGESTION_OPEN &&
	    (result->new_losses || result->probe_repaired || (marked && seq_after(tcb->snd_nxt, tcb->snd_una)))) {
		arrive_slow_down(tcb); /* once a window (RFC 3168, 6.1.2) */
		if (marked)
			tcb->flags |= TCB_CWR;
	}
	congestion_on_ack(c, &ack);
	if (c->phase != CONGESTION_OPEN && !seq_before(tcb->snd_una, tcb->recover))
		congestion_leave_recovery(c);
}

/* What was acknowledged is given back; the FIN is the number behind the last byte. Returns whether that was it. */
static bool advance(struct tcb *tcb, __u32 ack)
{
	bool fin = (tcb->flags & TCB_FIN_SENT) && ack == tcb_snd_end(tcb) + 1;
	__u32 bytes = ack - tcb_snd_base(tcb) - fin;

	byte_ring_drop(&tcb->snd, tcb->origin->account, bytes, false);
	tcb->snd_una = ack;
	if (tcb->retransmissions >= TCB_R1)
		tcb->origin->tcp->config.rim.advise(tcb->origin->tcp->config.rim.context, tcb->path, true);
	tcb->retransmissions = 0;
	tcb->unanswered_ms = ack == tcb->snd_nxt ? 0 : tcb_now_ms(tcb);
	if (!seq_before(ack, tcb->snd_up))
		tcb->flags &= ~TCB_URGENT_OUT;
	if ((tcb->flags & TCB_DETACHED) && tcb->origin->settings.linger_ms < 0)
		tcb_arm(tcb, TIMER_LIFE,
			tcb->origin->tcp->now_ns + tcb->origin->settings.user_timeout_ms * NSEC_PER_MSEC);
	tcb_disarm(tcb, TIMER_RETRANSMIT); /* RFC 6298, 5.3: output begins it anew, if anything is in flight */
	if (tcb->flags & TCB_WANTS_ROOM)
		tcb_touch(tcb);
	return fin;
}

/* 3.10.7.4, fifth: what the acknowledgement of our FIN leads to (EP-FW). */
static void take_ack_of_fin(struct tcb *tcb)
{
	tcb_step(tcb, TCPE_RCV_ACK_OF_FIN);
	if (tcb->state == TCPS_TIME_WAIT || tcb->state == TCPS_CLOSED)
		tcb_finish(tcb, 0);
	else if (tcb->flags & TCB_DETACHED)
		tcb_arm(tcb, TIMER_LIFE,
			tcb->origin->tcp->now_ns + tcb->origin->settings.fin_wait_2_ms * NSEC_PER_MSEC);
}

static void take_ack(struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	bool advanced = seq_after(s->ack, tcb->snd_una), fin = false;
	struct sent_result result = { 0 };
	struct sent_ack ack = {
		.now_ns = tcb->origin->tcp->now_ns,
		.snd_una = tcb->snd_una,
		.ack = s->ack,
		.echo_rtt_us = echo_rtt_us(tcb, s),
		.sack = tcb->flags & TCB_SACK,
		.is_duplicate = is_duplicate(tcb, a),
		.block_count = tcb->flags & TCB_SACK ? a->block_count : 0,
	};

	/* With nothing in flight it may still tell that something came twice. */
	if (advanced || tcb->snd_una != tcb->snd_nxt || ack.block_count || tcb->sent.probe_out) {
		memcpy(ack.blocks, a->blocks, a->block_count * sizeof(a->blocks[0]));
		sent_take_ack(&tcb->sent, tcb->origin->account, &ack, &tcb->rtt, &result);
		if (result.rtt_us)
			rtt_sample(&tcb->rtt, result.rtt_us, tcb->origin->tcp->now_ns);
		if (advanced)
			fin = advance(tcb, s->ack);
		tell_congestion(tcb, a, &result, advanced);
		tcb_disarm(tcb, TIMER_LOSS); /* its time was that of what was in flight before */
		tcb_touch(tcb);
	}
	if (fin)
		take_ack_of_fin(tcb);
}

/* Third-way: SND.UNA < SEG.ACK =< SND.NXT (RST-GEN-4). */
static enum tcp_verdict take_ack_of_syn(struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	__u8 syn_timeouts = tcb->retransmissions;

	if (!seq_after(s->ack, tcb->snd_una) || seq_after(s->ack, tcb->snd_nxt)) {
		emit_reset(tcb->origin->tcp, a);
		return TCPV_BAD_ACK;
	}
	tcb->snd_wl1 = s->seq - 1;
	take_ack(tcb, a);
	tcb_step(tcb, TCPE_RCV_ACK_OF_SYN);
	arrive_establish(tcb, syn_timeouts);
	return TCPV_TAKEN;
}

/* An answer to a window that is closed keeps the connection for ever (MUST-37). */
static void take_answer_to_probe(struct tcb *tcb)
{
	if (tcb->snd_wnd == 0) {
		tcb->unanswered_ms = 0;
		tcb->retransmissions = 0;
	}
}

enum tcp_verdict arrive_ack(struct tcb *tcb, struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	enum tcp_verdict verdict = TCPV_TAKEN;

	if (tcb->state == TCPS_SYN_RECEIVED) {
		verdict = take_ack_of_syn(tcb, a);
	} else if (is_acceptable(tcb, s->ack)) {
		if (!seq_before(s->ack, tcb->snd_una))
			take_ack(tcb, a);
	} else {
		if (!arrive_may_challenge(tcb))
			return TCPV_UNCHALLENGED;
		tcb->flags |= TCB_ACK_NOW;
		tcb_touch(tcb);
		return TCPV_BAD_ACK;
	}
	if (verdict != TCPV_TAKEN || (tcb->flags & TCB_FINISHED))
		return verdict;
	arrive_take_window(tcb, s);
	take_answer_to_probe(tcb);
	tcb->path = a->path;
	tcb->seen_ms = tcb_now_ms(tcb);
	tcb->origin->tcp->counters.keepalives_answered += tcb->keepalive_unanswered > 0;
	output_arm_keepalive(tcb);
	record_moved(tcb);
	return TCPV_TAKEN;
}
