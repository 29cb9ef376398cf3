// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SEGMENT ARRIVES in SYN-RECEIVED and the synchronized states (RFC 9293, 3.10.7.4), first to fourth: whether the
 * segment is acceptable, then RST and SYN, which RFC 5961 put before and after.
 *
 * Departs from RFC 9293, 3.10.7.4, first: a segment without text at the right edge of the window is acceptable. A peer
 * that has filled the window sends its acknowledgements from there, and what was lost of its text would make all of
 * them unacceptable.
 */
#include <errno.h>

#include "tcp/arrive.h"
#include "tcp/emit.h"

/* RFC 7323, 5.5: TS.Recent is of no use after 24 silent days, in which the peer's clock may have gone round. */
#define TS_RECENT_LIFE_MS (24 * 86400 * 1000U)

/* <SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>, and the segment is dropped. Text that comes again is answered without limit. */
static enum tcp_verdict answer(struct tcb *tcb, const struct arrival *a, enum tcp_verdict verdict)
{
	if (!a->packet.segment.payload_bytes && !arrive_may_challenge(tcb))
		return TCPV_UNCHALLENGED;
	tcb->flags |= TCB_ACK_NOW;
	tcb_touch(tcb);
	return verdict;
}

/* The four cases of table 6; with a closed window, text at its edge counts for its ACK and URG alone (MUST-66). */
static bool is_acceptable(const struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	__u32 length = arrival_length(a), window = tcb->rcv_edge - tcb->rcv_nxt;
	__u32 last = s->seq + length - 1;

	if (s->seq - tcb->rcv_nxt <= (length && window ? window - 1 : window))
		return true;
	return length && last - tcb->rcv_nxt < window;
}

static bool is_old(const struct tcb *tcb, const struct segment *s)
{
	return seq_before(s->tsval, tcb->ts_recent) && tcb_now_ms(tcb) - tcb->seen_ms < TS_RECENT_LIFE_MS;
}

/* RFC 7323, 3.2 and 5.3; a RST needs no timestamp. */
static enum tcp_verdict check_timestamp(struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;

	if (!(tcb->flags & TCB_TIMESTAMPS) || (s->flags & TCP_FLAG_RST))
		return TCPV_TAKEN;
	if (!s->has_timestamps)
		return TCPV_NO_TIMESTAMP;
	return is_old(tcb, s) ? answer(tcb, a, TCPV_OLD_TIMESTAMP) : TCPV_TAKEN;
}

/* Second: RST, by RFC 5961, 3.2. Text that it carries says why (SHLD-2); nobody here reads it. */
static enum tcp_verdict take_reset(struct tcb *tcb, const struct arrival *a)
{
	enum tcp_state state = tcb->state;

	if (a->packet.segment.seq != tcb->rcv_nxt) {
		if (!is_acceptable(tcb, a))
			return TCPV_RESET_IGNORED;
		return answer(tcb, a, TCPV_CHALLENGED);
	}
	tcb_step(tcb, TCPE_RCV_RST);
	tcb_finish(tcb, state == TCPS_SYN_RECEIVED ? -ECONNREFUSED : -ECONNRESET);
	return TCPV_RESET;
}

/*
 * A SYN with the number of the one that we have: in SYN-RECEIVED our answer was lost, or, with the acknowledgement of
 * ours, it is the second half of a simultaneous open (3.5, figure 7).
 */
static bool is_our_syn_again(const struct tcb *tcb, const struct segment *s)
{
	return tcb->state == TCPS_SYN_RECEIVED && s->seq == tcb->irs && !(s->flags & TCP_FLAG_RST);
}

static enum tcp_verdict take_syn_again(struct tcb *tcb, struct arrival *a)
{
	struct sent_segment *first;

	if (arrival_has(a, TCP_FLAG_ACK)) {
		a->packet.segment.flags &= ~TCP_FLAG_SYN;
		a->packet.segment.seq++;
		return arrive_checks(tcb, a);
	}
	first = sent_first(&tcb->sent);
	if (first)
		sent_time_out(&tcb->sent);
	tcb_touch(tcb);
	return TCPV_TAKEN;
}

/* RFC 7323, 4.3: the segment that spans the last acknowledgement carries the timestamp to echo, if it is not older. */
static void take_timestamp(struct tcb *tcb, const struct segment *s)
{
	if (!(tcb->flags & TCB_TIMESTAMPS) || seq_after(s->seq, tcb->rcv_wup) || is_old(tcb, s))
		return;
	tcb->ts_recent = s->tsval;
}

void arrive_trim(struct tcb *tcb, struct arrival *a)
{
	struct segment *s = &a->packet.segment;
	__u32 old = tcb->rcv_nxt - s->seq, window = tcb->rcv_edge - tcb->rcv_nxt, end;

	if (seq_before(s->seq, tcb->rcv_nxt)) {
		if (s->payload_bytes)
			reassembly_note_duplicate(&tcb->rcv, s->seq,
						  s->seq + (old < s->payload_bytes ? old : s->payload_bytes));
		if (old > s->payload_bytes)
			old = s->payload_bytes;
		a->text += old;
		s->seq += old;
		s->payload_bytes -= old;
		tcb->flags |= TCB_ACK_NOW;
		tcb_touch(tcb);
	}
	end = s->seq + s->payload_bytes;
	if (end - tcb->rcv_nxt <= window)
		return;
	/* Where the window is closed all goes, and is acknowledged for the window that we have (ZWP-RCV). */
	s->payload_bytes = s->seq - tcb->rcv_nxt < window ? tcb->rcv_edge - s->seq : 0;
	s->flags &= ~TCP_FLAG_FIN;
	tcb->flags |= TCB_ACK_NOW;
	tcb_touch(tcb);
}

enum tcp_verdict arrive_checks(struct tcb *tcb, struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	enum tcp_verdict verdict;

	if ((s->flags & TCP_FLAG_SYN) && is_our_syn_again(tcb, s))
		return take_syn_again(tcb, a);
	/* fourth: SYN, before all else (RFC 5961, 4.2) */
	if ((s->flags & (TCP_FLAG_SYN | TCP_FLAG_RST)) == TCP_FLAG_SYN)
		return answer(tcb, a, TCPV_CHALLENGED);
	/* first: timestamp and sequence number */
	verdict = check_timestamp(tcb, a);
	if (verdict != TCPV_TAKEN)
		return verdict;
	/* second: RST; third, security, there is none */
	if (s->flags & TCP_FLAG_RST)
		return take_reset(tcb, a);
	if (!is_acceptable(tcb, a)) {
		if (s->payload_bytes && !seq_after(s->seq + s->payload_bytes, tcb->rcv_nxt))
			reassembly_note_duplicate(&tcb->rcv, s->seq, s->seq + s->payload_bytes);
		return answer(tcb, a, TCPV_OUT_OF_WINDOW);
	}
	if (!(s->flags & TCP_FLAG_ACK))
		return TCPV_NO_ACK;
	take_timestamp(tcb, s);
	arrive_trim(tcb, a);
	verdict = arrive_ack(tcb, a);
	if (verdict != TCPV_TAKEN || (tcb->flags & TCB_FINISHED))
		return verdict;
	return arrive_text(tcb, a);
}
