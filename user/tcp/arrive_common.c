// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What several parts of SEGMENT ARRIVES do: take a SYN, take a window, establish, limit challenges. */
#include "tcp/arrive.h"
#include "tcp/output.h"

/* RFC 5961, 7 and 10: for each connection by itself, so that nobody can count another's (CVE-2016-5696). */
#define CHALLENGES_PER_SECOND 10

bool arrive_may_challenge(struct tcb *tcb)
{
	__u8 now_s = (__u8)(tcb->origin->tcp->now_ns / NSEC_PER_SEC);

	if (tcb->challenges_s != now_s) {
		tcb->challenges_s = now_s;
		tcb->challenges = 0;
	}
	if (tcb->challenges >= CHALLENGES_PER_SECOND)
		return false;
	tcb->challenges++;
	return true;
}

void arrive_take_window(struct tcb *tcb, const struct segment *s)
{
	__u32 window = s->flags & TCP_FLAG_SYN ? s->window : (__u32)s->window << tcb->snd_wscale;

	/* 3.10.7.4, fifth, ESTABLISHED (EP-WL) */
	if (!seq_before(s->ack, tcb->snd_una) &&
	    (seq_before(tcb->snd_wl1, s->seq) || (tcb->snd_wl1 == s->seq && !seq_after(tcb->snd_wl2, s->ack)))) {
		if (tcb->snd_wnd != window)
			output_window_changes(tcb, window);
		tcb->snd_wl1 = s->seq;
		tcb->snd_wl2 = s->ack;
	}
	if (window > tcb->snd_wnd_max)
		tcb->snd_wnd_max = window;
}

/* RFC 7323, 2.3 and 3.2; RFC 2018, 2; RFC 3168, 6.1.1: what both ends want. */
void arrive_take_syn(struct tcb *tcb, const struct arrival *a, bool is_answer)
{
	const struct segment *s = &a->packet.segment;
	const struct tcp_options *o = &a->options;
	const struct tcp_settings *settings = &tcb->origin->settings;
	__u8 ecn = s->flags & (TCP_FLAG_ECE | TCP_FLAG_CWR);
	__u32 default_mss = tcb->endpoint.tuple.family == FAMILY_IPV6 ? 1220 : 536; /* MUST-15 */

	tcb->seen_ms = tcb_now_ms(tcb);
	tcb->irs = s->seq;
	tcb->rcv_nxt = tcb->rcv_wup = tcb->rcv_up = s->seq + 1;
	tcb->rcv_edge = tcb->rcv_nxt + output_syn_window(tcb);
	tcb->peer_mss = o->mss ? o->mss : default_mss;
	if (o->wscale != TCP_WSCALE_NONE && settings->window_scaling) {
		tcb->flags |= TCB_WSCALE;
		tcb->snd_wscale = o->wscale;
		tcb->rcv_wscale = output_window_shift(tcb);
	}
	if (o->sack_permitted && settings->sack)
		tcb->flags |= TCB_SACK;
	if (o->has_timestamps && settings->timestamps) {
		tcb->flags |= TCB_TIMESTAMPS;
		tcb->ts_recent = o->tsval;
	}
	if (settings->ecn && ecn == (is_answer ? TCP_FLAG_ECE : TCP_FLAG_ECE | TCP_FLAG_CWR))
		tcb->flags |= TCB_ECN;
	tcb_set_mtu(tcb, tcb->origin->tcp->config.rim.mtu(tcb->origin->tcp->config.rim.context, tcb->path));
	tcb->snd_wl1 = s->seq - 1; /* older than anything */
	arrive_take_window(tcb, s);
}

void arrive_establish(struct tcb *tcb, __u8 syn_timeouts)
{
	tcb->flags |= TCB_TELL_ACCEPT;
	tcb->sent.sack = tcb->flags & TCB_SACK;
	if (syn_timeouts)
		rtt_syn_timed_out(&tcb->rtt);
	if (syn_timeouts > 1)
		congestion_syn_timed_out(&tcb->congestion);
	tcb->retransmissions = 0;
	tcb->unanswered_ms = 0;
	output_arm_keepalive(tcb);
	tcb_touch(tcb);
}
