// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/output.h"

#include "tcp/record.h"
#include "tcp/transmit.h"

#define PACE_FROM_RTT_US 2000		  /* on shorter paths a burst is shorter than a tick of our timers */
#define PACE_BURST_NS NSEC_PER_MSEC	  /* that may leave together */
#define OVERRIDE_NS (200 * NSEC_PER_MSEC) /* RFC 9293, 3.8.6.2.1: 0.1 to 1 s */

/* --- what may be sent ------------------------------------------------------------------------------------------------
 */

/* How much of the peer's window is behind SND.NXT; none where it has shrunk (SHLD-15). */
static __u32 window_room(const struct tcb *tcb)
{
	__u32 edge = tcb->snd_una + tcb->snd_wnd;

	return seq_after(edge, tcb->snd_nxt) ? edge - tcb->snd_nxt : 0;
}

/* RFC 5681, 3.1, or RFC 3042 for the first two duplicate acknowledgements without SACK. */
static bool congestion_allows(const struct tcb *tcb, __u32 bytes)
{
	__u32 limited =
		tcb->flags & TCB_SACK || tcb->congestion.phase != CONGESTION_OPEN ? 0 : tcb->sent.duplicate_acks;
	__u32 allowed = tcb->congestion.cwnd + (limited > 2 ? 2 : limited) * tcb->snd_mss;

	return tcb->sent.in_flight_bytes + bytes <= allowed || !tcb->sent.in_flight_bytes;
}

static __u32 unsent_bytes(const struct tcb *tcb)
{
	return tcb->flags & TCB_FIN_SENT ? 0 : tcb_snd_end(tcb) - tcb->snd_nxt;
}

static bool fin_is_due(const struct tcb *tcb)
{
	return (tcb->flags & (TCB_FIN_QUEUED | TCB_FIN_SENT)) == TCB_FIN_QUEUED;
}

static bool sends_text(const struct tcb *tcb)
{
	return tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_CLOSE_WAIT;
}

/* Less than a full segment: silly-window avoidance (3.8.6.2.1, MUST-38) and Nagle's rule (3.7.4, SHLD-7). */
static bool may_send_small(const struct tcb *tcb, __u32 text, bool is_all)
{
	if (tcb->flags & TCB_SILLY_OVERRIDE)
		return true; /* (4) */
	if (!is_all)
		return text && text >= tcb->snd_wnd_max / 2; /* (3) */
	if (fin_is_due(tcb))
		return true; /* nothing will join it */
	if (tcb->flags & TCB_MORE)
		return false;
	return !tcb->origin->settings.nagle || (tcb->flags & TCB_PUSH) || tcb->snd_nxt == tcb->snd_una; /* (2) */
}

/* --- pacing ----------------------------------------------------------------------------------------------------------
 */

static bool pace_allows(struct tcb *tcb)
{
	if (tcb->pace_ns <= tcb->origin->tcp->now_ns + PACE_BURST_NS)
		return true;
	tcb_arm(tcb, TIMER_PACE, tcb->pace_ns - PACE_BURST_NS / 2);
	return false;
}

static void pace(struct tcb *tcb, __u32 bytes)
{
	__u64 rate;

	if (!tcb->origin->settings.pacing || tcb->rtt.srtt_us < PACE_FROM_RTT_US)
		return;
	rate = congestion_pacing_rate(&tcb->congestion, tcb->rtt.srtt_us);
	if (!rate)
		return;
	if (tcb->pace_ns < tcb->origin->tcp->now_ns)
		tcb->pace_ns = tcb->origin->tcp->now_ns;
	tcb->pace_ns += bytes * NSEC_PER_SEC / rate;
}

/* --- sending ---------------------------------------------------------------------------------------------------------
 */

/* Text and FIN of an entry, without the FIN. */
static __u32 entry_text(const struct tcb *tcb, const struct sent_segment *segment)
{
	__u32 end = seq_after(segment->end, tcb_snd_end(tcb)) ? tcb_snd_end(tcb) : segment->end;

	return end - segment->seq;
}

static bool send_again(struct tcb *tcb, struct sent_segment *segment)
{
	/* The path takes less than it did: the entry becomes two. */
	if (tcb_is_synchronized(tcb->state) && entry_text(tcb, segment) > tcb->snd_mss &&
	    sent_split(&tcb->sent, tcb->origin->account, &segment, tcb->snd_mss))
		return true;
	if (!transmit(tcb, segment->seq, segment->end, true))
		return false;
	sent_again(&tcb->sent, segment, tcb->origin->tcp->now_ns);
	if (!tcb->unanswered_ms)
		tcb->unanswered_ms = tcb_now_ms(tcb);
	return true;
}

/* RFC 5681, 3.2, step 3, and RFC 6582, 3.2, step 3: what the peer waits for is repaired at once, whatever cwnd says. */
static bool is_waited_for(const struct tcb *tcb, const struct sent_segment *segment)
{
	return segment->seq == tcb->snd_una && !(segment->flags & SENT_RETRANSMITTED);
}

/*
 * What was lost goes first, as far as window and congestion control allow; the first segment always, or a window that
 * shrank would end the connection (MUST-34, SHLD-16). False: no room.
 */
static bool send_lost(struct tcb *tcb)
{
	struct sent_segment *segment;

	while ((segment = sent_first_lost(&tcb->sent))) {
		__u32 seq = segment->seq;

		if (seq != tcb->snd_una && seq_after(segment->end, tcb->snd_una + tcb->snd_wnd))
			return true;
		if (!is_waited_for(tcb, segment) && !congestion_allows(tcb, segment->end - segment->seq))
			return true;
		if (!send_again(tcb, segment))
			return false;
		segment = sent_first_lost(&tcb->sent);
		if (segment && segment->seq == seq)
			return true; /* no memory to cut it in two: at the next time-out */
	}
	return true;
}

/* Sends [SND.NXT, SND.NXT + bytes) for the first time. */
static bool send_new(struct tcb *tcb, __u32 bytes)
{
	__u32 seq = tcb->snd_nxt, end = seq + bytes;
	bool has_fin = tcb_is_synchronized(tcb->state) && seq_after(end, tcb_snd_end(tcb));

	/* What could not be noted would be acknowledged as what was never sent. */
	if (sent_reserve(&tcb->sent, tcb->origin->account)) {
		if (!tcb->sent.count)
			tcb_arm(tcb, TIMER_PACE, tcb->origin->tcp->now_ns + OUTPUT_NO_MEMORY_RETRY_NS);
		return true;
	}
	if (!transmit(tcb, seq, end, false))
		return false;
	sent_add(&tcb->sent, tcb->origin->account, seq, end, tcb->origin->tcp->now_ns);
	if (!tcb->unanswered_ms)
		tcb->unanswered_ms = tcb_now_ms(tcb);
	tcb->snd_nxt = end;
	tcb->sent_ms = tcb_now_ms(tcb);
	tcb->flags &= ~TCB_SILLY_OVERRIDE;
	pace(tcb, bytes);
	record_moved(tcb);
	if (has_fin) {
		tcb->flags |= TCB_FIN_SENT;
		tcb_step(tcb, TCPE_SND_FIN);
	}
	return true;
}

/* Our SYN, or SYN-ACK; its record must be there before the answer is, which would be a stranger's without. */
static bool send_syn(struct tcb *tcb)
{
	if (tcb->snd_nxt != tcb->iss)
		return true;
	record_now(tcb);
	return send_new(tcb, 1);
}

/* What the next new segment is to hold; 0: nothing, or not now. */
static __u32 next_bytes(struct tcb *tcb)
{
	__u32 unsent = unsent_bytes(tcb), room = window_room(tcb);
	__u32 text = unsent < tcb->snd_mss ? unsent : tcb->snd_mss;
	bool is_all, fin;

	if (!text && !fin_is_due(tcb))
		return 0;
	if (text > room)
		text = room;
	is_all = text == unsent;
	fin = is_all && fin_is_due(tcb) && text < room;
	if (!text && !fin)
		return 0;
	if (text < tcb->snd_mss && !may_send_small(tcb, text, is_all))
		return 0;
	return text + fin;
}

static bool send_all_new(struct tcb *tcb)
{
	__u32 bytes;

	tcb->flags &= ~TCB_WINDOW_LIMITED;
	if (tcb->snd_nxt == tcb->snd_una && tcb->sent_ms &&
	    (tcb_now_ms(tcb) - tcb->sent_ms) * NSEC_PER_MSEC > rtt_rto_ns(&tcb->rtt) && unsent_bytes(tcb))
		congestion_on_idle(&tcb->congestion);
	while (sends_text(tcb) && (bytes = next_bytes(tcb))) {
		__u32 before = tcb->snd_nxt;

		if (!congestion_allows(tcb, bytes)) {
			tcb->flags |= TCB_WINDOW_LIMITED;
			break;
		}
		if (!pace_allows(tcb))
			break;
		if (!send_new(tcb, bytes))
			return false;
		if (tcb->snd_nxt == before)
			break;
	}
	if (!unsent_bytes(tcb))
		tcb->flags &= ~TCB_PUSH;
	return true;
}

/* --- timers ----------------------------------------------------------------------------------------------------------
 */

/* How long to wait for an answer: the time-out, or R2 where that comes sooner. */
static __u64 wait_ns(const struct tcb *tcb)
{
	__u32 waited_ms = tcb->unanswered_ms ? tcb_now_ms(tcb) - tcb->unanswered_ms : 0;
	__u32 limit_ms = tcb_user_timeout_ms(tcb);
	__u64 left_ns = waited_ms < limit_ms ? (limit_ms - waited_ms) * NSEC_PER_MSEC : 0;
	__u64 rto_ns = rtt_rto_ns(&tcb->rtt);

	return left_ns && left_ns < rto_ns ? left_ns : rto_ns;
}

static void arm_retransmit(struct tcb *tcb)
{
	bool in_flight = tcb->sent.count;

	if (tcb->deadlines[TIMER_RETRANSMIT])
		return;
	if (in_flight) {
		tcb_arm(tcb, TIMER_RETRANSMIT, tcb->origin->tcp->now_ns + wait_ns(tcb));
		return;
	}
	if (!sends_text(tcb) || (!unsent_bytes(tcb) && !fin_is_due(tcb)))
		return;
	/* Something waits, and no acknowledgement will set it free: a closed window (SHLD-29), or a silly one. */
	tcb_arm(tcb, TIMER_RETRANSMIT,
		tcb->origin->tcp->now_ns + (window_room(tcb) ? OVERRIDE_NS : rtt_rto_ns(&tcb->rtt)));
}

static void arm_loss(struct tcb *tcb)
{
	__u64 reordering_ns = sent_reordering_ns(&tcb->sent);
	__u64 probe_ns = tcb_is_synchronized(tcb->state) ? sent_probe_at_ns(&tcb->sent, &tcb->rtt) : 0;
	__u64 ns = reordering_ns ? reordering_ns : probe_ns, time_out_ns = tcb_deadline_ns(tcb, TIMER_RETRANSMIT);

	/* RFC 8985, 7.2: a probe in the time-out's stead, which begins anew behind it */
	if (probe_ns && time_out_ns && ns > time_out_ns)
		ns = time_out_ns;
	if (ns)
		tcb_arm(tcb, TIMER_LOSS, ns);
	else
		tcb_disarm(tcb, TIMER_LOSS);
}

static void arm_delayed_ack(struct tcb *tcb)
{
	if ((tcb->flags & TCB_ACK_LATER) && !tcb->deadlines[TIMER_DELAYED_ACK])
		tcb_arm(tcb, TIMER_DELAYED_ACK,
			tcb->origin->tcp->now_ns + tcb->origin->settings.delayed_ack_ms * NSEC_PER_MSEC);
}

void output_arm_keepalive(struct tcb *tcb)
{
	tcb->keepalive_unanswered = 0;
	if (tcb->origin->settings.keepalive)
		tcb_arm(tcb, TIMER_KEEPALIVE,
			tcb->origin->tcp->now_ns + tcb->origin->settings.keepalive_idle_ms * NSEC_PER_MSEC);
}

/* --- what others ask for ---------------------------------------------------------------------------------------------
 */

/*
 * The peer takes nothing from behind its window, acknowledgements neither: where that has shrunk, or a probe went
 * beyond it, they stand at its edge (MUST-34).
 */
bool output_ack(struct tcb *tcb)
{
	__u32 edge = tcb->snd_una + tcb->snd_wnd;
	bool has_shrunk = tcb_is_synchronized(tcb->state) && seq_before(edge, tcb->snd_nxt);

	return transmit_empty(tcb, has_shrunk ? edge : tcb->snd_nxt);
}

bool output_keepalive(struct tcb *tcb)
{
	return transmit_empty(tcb, tcb->snd_nxt - 1);
}

bool output_reset(struct tcb *tcb)
{
	return tcb->state == TCPS_SYN_SENT || tcb->state <= TCPS_LISTEN || transmit_reset(tcb);
}

bool output_probe(struct tcb *tcb)
{
	if (!window_room(tcb))
		return send_new(tcb, 1);
	tcb->flags |= TCB_SILLY_OVERRIDE;
	return send_all_new(tcb);
}

bool output_tail_loss_probe(struct tcb *tcb)
{
	__u32 text = unsent_bytes(tcb), room = window_room(tcb), before = tcb->snd_nxt;
	struct sent_segment *last = sent_last(&tcb->sent);

	if (text > tcb->snd_mss)
		text = tcb->snd_mss;
	if (sends_text(tcb) && text && text <= room && !send_new(tcb, text))
		return false;
	if (tcb->snd_nxt == before && last && !send_again(tcb, last))
		return false;
	sent_probed(&tcb->sent, tcb->snd_nxt, tcb->snd_nxt != before);
	tcb_disarm(tcb, TIMER_RETRANSMIT); /* RFC 8985, 7.3: it begins anew behind the probe */
	return true;
}

void output_window_changes(struct tcb *tcb, __u32 window)
{
	struct sent_segment *first = sent_first(&tcb->sent);
	__u32 before = tcb->snd_una + tcb->snd_wnd;

	if (!tcb->snd_wnd && tcb_is_synchronized(tcb->state)) {
		tcb->rtt.backoffs = 0; /* they were of probes, which were answered */
		tcb_disarm(tcb, TIMER_RETRANSMIT);
	}
	tcb->snd_wnd = window;
	if (first && seq_after(first->end, before) && !seq_after(first->end, tcb->snd_una + window))
		sent_time_out(&tcb->sent); /* the probe of a closed window was not taken */
	if (!first)
		tcb_disarm(tcb, TIMER_RETRANSMIT);
	if (window)
		tcb_touch(tcb);
}

bool output(struct tcb *tcb)
{
	bool done;

	if ((tcb->flags & TCB_FINISHED) || tcb->state <= TCPS_LISTEN)
		return true;
	if (transmit_window_update_due(tcb))
		tcb->flags |= TCB_ACK_NOW;
	done = !(tcb->flags & TCB_ACK_NOW) || !transmit_has_blocks(tcb) || output_ack(tcb);
	done = done && (tcb_is_synchronized(tcb->state) || send_syn(tcb));
	done = done && send_lost(tcb) && send_all_new(tcb);
	if (done && (tcb->flags & TCB_ACK_NOW))
		done = output_ack(tcb);
	arm_retransmit(tcb);
	arm_loss(tcb);
	arm_delayed_ack(tcb);
	return done;
}
