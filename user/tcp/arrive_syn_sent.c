// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* SEGMENT ARRIVES in SYN-SENT (RFC 9293, 3.10.7.3). */
#include <errno.h>

#include "tcp/arrive.h"
#include "tcp/emit.h"

static void take_ack_of_syn(struct tcb *tcb, const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	const struct sent_ack ack = {
		.now_ns = tcb->origin->tcp->now_ns,
		.snd_una = tcb->snd_una,
		.ack = s->ack,
		.echo_rtt_us = 0,
	};
	struct sent_result result;

	sent_take_ack(&tcb->sent, tcb->origin->account, &ack, &tcb->rtt, &result);
	if (result.rtt_us)
		rtt_sample(&tcb->rtt, result.rtt_us, tcb->origin->tcp->now_ns);
	tcb->snd_una = s->ack;
	tcb_disarm(tcb, TIMER_RETRANSMIT);
}

/* Figure 6: the SYN-ACK. */
static enum tcp_verdict take_syn_ack(struct tcb *tcb, struct arrival *a)
{
	take_ack_of_syn(tcb, a);
	arrive_take_syn(tcb, a, true);
	tcb_step(tcb, TCPE_RCV_SYN_ACK);
	arrive_establish(tcb, tcb->retransmissions);
	tcb->flags |= TCB_ACK_NOW;
	/* What else it carries goes through the later steps; the SYN has been taken. */
	a->packet.segment.flags &= ~TCP_FLAG_SYN;
	a->packet.segment.seq++;
	arrive_trim(tcb, a);
	return a->packet.segment.payload_bytes || arrival_has(a, TCP_FLAG_FIN | TCP_FLAG_URG) ? arrive_text(tcb, a)
											      : TCPV_TAKEN;
}

/* 3.5, figure 7: simultaneous open. Our SYN goes again, with the acknowledgement of theirs. */
static enum tcp_verdict take_crossing_syn(struct tcb *tcb, const struct arrival *a)
{
	arrive_take_syn(tcb, a, false);
	tcb_step(tcb, TCPE_RCV_SYN);
	sent_time_out(&tcb->sent);
	tcb_touch(tcb);
	return TCPV_TAKEN;
}

enum tcp_verdict arrive_syn_sent(struct tcb *tcb, struct arrival *a)
{
	const struct segment *s = &a->packet.segment;
	bool has_ack = arrival_has(a, TCP_FLAG_ACK);

	/* first: ACK (RST-GEN-3) */
	if (has_ack && (!seq_after(s->ack, tcb->iss) || seq_after(s->ack, tcb->snd_nxt))) {
		emit_reset(tcb->origin->tcp, a);
		return TCPV_BAD_ACK;
	}
	/* second: RST, which only an acknowledgement of our SYN verifies */
	if (arrival_has(a, TCP_FLAG_RST)) {
		if (!has_ack)
			return TCPV_RESET_IGNORED;
		tcb_step(tcb, TCPE_RCV_RST);
		tcb_finish(tcb, -ECONNREFUSED);
		return TCPV_RESET;
	}
	/* fourth: SYN; third, security, there is none */
	if (!arrival_has(a, TCP_FLAG_SYN))
		return TCPV_NO_ACK;
	tcb->path = a->path;
	return has_ack ? take_syn_ack(tcb, a) : take_crossing_syn(tcb, a);
}
