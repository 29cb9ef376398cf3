// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SEGMENT ARRIVES, sixth to eighth: URG, text and FIN (RFC 9293, 3.10.7.4), of a segment that lies in the window.
 *
 * Departs from RFC 9293, 3.8.5 (MUST-62): the urgent pointer names the byte behind the urgent data, as all stacks have
 * it (RFC 6093, 2.2 and 3.1).
 */
#include <errno.h>

#include "tcp/arrive.h"
#include "tcp/output.h"

static bool receives_text(const struct tcb *tcb)
{
	return tcb->state == TCPS_ESTABLISHED || tcb->state == TCPS_FIN_WAIT_1 || tcb->state == TCPS_FIN_WAIT_2;
}

/* RFC 3168, 6.1.3: a mark is echoed until the peer says that it has slowed down. */
static void take_marks(struct tcb *tcb, const struct arrival *a)
{
	if (!(tcb->flags & TCB_ECN) || !a->packet.segment.payload_bytes)
		return;
	if (arrival_has(a, TCP_FLAG_CWR))
		tcb->flags &= ~TCB_ECE;
	if (a->congestion_experienced)
		tcb->flags |= TCB_ECE | TCB_ACK_NOW;
}

/* sixth: URG. The application is told once each time that the pointer moves (MUST-32). */
static void take_urgent(struct tcb *tcb, const struct arrival *a)
{
	if (!arrival_has(a, TCP_FLAG_URG) || !receives_text(tcb) || !seq_after(a->urgent_end, tcb->rcv_nxt))
		return;
	if ((tcb->flags & TCB_URGENT_IN) && !seq_after(a->urgent_end, tcb->rcv_up))
		return;
	tcb->rcv_up = a->urgent_end;
	tcb->flags |= TCB_URGENT_IN | TCB_TELL_URGENT;
	tcb_touch(tcb);
}

/*
 * Text in order may take the place of what waits behind holes: the peer has that still (RFC 2018, 8). Under pressure
 * nothing is kept there: a byte at the window's end takes a window's memory, from everybody.
 */
static __s64 put(struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	__s64 got;

	if (s->seq != tcb->rcv_nxt && memory_is_short(tcb->origin->account))
		return -ENOMEM;
	got = reassembly_put(&tcb->rcv, tcb->origin->account, tcb->rcv_nxt, s->seq, a->text, s->payload_bytes);
	if (got != -ENOMEM || s->seq != tcb->rcv_nxt || !reassembly_has_hole(&tcb->rcv))
		return got;
	reassembly_renege(&tcb->rcv, tcb->origin->account);
	return reassembly_put(&tcb->rcv, tcb->origin->account, tcb->rcv_nxt, s->seq, a->text, s->payload_bytes);
}

/*
 * When to acknowledge (3.8.6.3): the second full segment, and at once what is out of order or fills a hole (RFC 5681,
 * 4.2); the rest may wait for company.
 */
static void note_ack(struct tcb *tcb, __u32 bytes, bool at_once)
{
	if (bytes > tcb->rcv_mss)
		tcb->rcv_mss = bytes > 65535 ? 65535 : (__u16)bytes;
	tcb->flags |= TCB_ACK_LATER;
	if (at_once || tcb->rcv_nxt - tcb->rcv_wup >= 2U * tcb->rcv_mss || !tcb->origin->settings.delayed_ack_ms)
		tcb->flags |= TCB_ACK_NOW;
	tcb_touch(tcb);
}

/* seventh: text */
static enum tcp_verdict take_text(struct tcb *tcb, const struct arrival *a)
{
	__u32 bytes = a->packet.segment.payload_bytes;
	bool had_hole = reassembly_has_hole(&tcb->rcv);
	__s64 got;

	if (tcb->flags & TCB_DETACHED) { /* SHLD-3: nobody reads it any more, and the peer should know */
		tcb->flags |= TCB_ABORT;
		tcb_touch(tcb);
		return TCPV_TAKEN;
	}
	got = put(tcb, a);
	if (got < 0) {
		tcb->flags |= TCB_ACK_NOW;
		tcb_touch(tcb);
		return TCPV_TEXT_REFUSED;
	}
	tcb->rcv_nxt += (__u32)got;
	if (got)
		tcb->flags |= TCB_TELL_READABLE;
	note_ack(tcb, bytes, !got || had_hole);
	return TCPV_TAKEN;
}

/* eighth: FIN, once all before it is there (EP-FIN). One that text has passed was never the peer's last word. */
static void take_fin(struct tcb *tcb)
{
	if (!(tcb->flags & TCB_FIN_AHEAD) || seq_before(tcb->rcv_nxt, tcb->rcv_fin))
		return;
	tcb->flags &= ~TCB_FIN_AHEAD;
	if (tcb->rcv_nxt != tcb->rcv_fin)
		return;
	tcb->flags |= TCB_FIN_RECEIVED | TCB_TELL_READABLE | TCB_ACK_NOW;
	tcb->rcv_nxt++;
	tcb->rcv_edge = seq_max(tcb->rcv_edge, tcb->rcv_nxt);
	tcb_step(tcb, TCPE_RCV_FIN);
	tcb_touch(tcb);
	if (tcb->state != TCPS_TIME_WAIT)
		return;
	output_ack(tcb); /* if there is no room for it, the FIN comes again */
	tcb_finish(tcb, 0);
}

enum tcp_verdict arrive_text(struct tcb *tcb, struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	enum tcp_verdict verdict = TCPV_TAKEN;

	take_marks(tcb, a);
	take_urgent(tcb, a);
	if (!receives_text(tcb))
		return TCPV_TAKEN; /* behind the peer's FIN there is nothing (EP-CW) */
	if ((s->flags & TCP_FLAG_FIN) && !(tcb->flags & TCB_FIN_AHEAD)) {
		tcb->flags |= TCB_FIN_AHEAD | TCB_ACK_NOW;
		tcb->rcv_fin = s->seq + s->payload_bytes;
		tcb_touch(tcb);
	}
	if (s->payload_bytes)
		verdict = take_text(tcb, a);
	take_fin(tcb);
	return verdict;
}
