// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/timeouts.h"

#include <errno.h>

#include "tcp/arrive.h"
#include "tcp/output.h"
#include "tcp/path_mtu.h"
#include "tcp/record.h"

/* USER TIMEOUT: a peer that knows of the connection is told, and the application. */
static void give_up(struct tcb *tcb)
{
	output_reset(tcb);
	tcb_step(tcb, TCPE_TIMEOUT);
	tcb_finish(tcb, -ETIMEDOUT);
}

/*
 * R2 (MUST-20, MUST-22, SHLD-11): nothing that should have come has come for so long. The probes of a closed window are
 * rare; there R1 counts too, or the loss of one would be the end.
 */
static bool is_given_up(const struct tcb *tcb)
{
	bool enough = tcb->retransmissions >= TCB_R1 || tcb->snd_wnd || !tcb_is_synchronized(tcb->state);

	return tcb->unanswered_ms && enough && tcb_now_ms(tcb) - tcb->unanswered_ms >= tcb_user_timeout_ms(tcb);
}

static void advise_of_r1(struct tcb *tcb)
{
	const struct tcp_rim *rim = &tcb->origin->tcp->config.rim;

	rim->advise(rim->context, tcb->path, false);
	tcb->error_number = ETIMEDOUT;
	tcb->flags |= TCB_TELL_ADVICE;
}

/* RFC 6298, 5.4 to 5.7; RFC 5681, 3.1. What a closed window keeps out is no loss (3.8.6.1). */
static void retransmission_time_out(struct tcb *tcb)
{
	const struct sent_segment *first = sent_first(&tcb->sent);
	bool window_closed = tcb_is_synchronized(tcb->state) && seq_after(first->end, tcb->snd_una + tcb->snd_wnd);

	if (tcb->retransmissions < 255)
		tcb->retransmissions++;
	if (tcb_is_synchronized(tcb->state) && !window_closed) {
		congestion_on_timeout(&tcb->congestion, tcb->snd_nxt - tcb->snd_una);
		tcb->recover = tcb->snd_nxt;
		path_mtu_suspect_black_hole(tcb);
	}
	if (tcb->retransmissions == TCB_R1 && !window_closed)
		advise_of_r1(tcb);
	sent_time_out(&tcb->sent);
	rtt_back_off(&tcb->rtt);
}

static void retransmit_fires(struct tcb *tcb)
{
	if (is_given_up(tcb)) {
		give_up(tcb);
		return;
	}
	if (tcb->sent.count) {
		retransmission_time_out(tcb);
	} else if (!output_probe(tcb)) {
		tcb_arm(tcb, TIMER_RETRANSMIT, tcb->origin->tcp->now_ns + NSEC_PER_MSEC); /* the rim had no room */
	} else if (!tcb->snd_wnd) {
		rtt_back_off(&tcb->rtt); /* SHLD-30 */
	}
	tcb_touch(tcb);
}

static void loss_fires(struct tcb *tcb)
{
	bool new_losses = false;

	if (sent_reordering_ns(&tcb->sent)) {
		sent_find_losses(&tcb->sent, &tcb->rtt, tcb->origin->tcp->now_ns, &new_losses);
		if (new_losses && tcb->congestion.phase == CONGESTION_OPEN)
			arrive_slow_down(tcb);
	} else if (sent_probe_at_ns(&tcb->sent, &tcb->rtt)) {
		output_tail_loss_probe(tcb);
	}
	tcb_touch(tcb);
}

/* 3.8.4. While something of ours is in flight, retransmission finds out whether the peer lives. */
static void keepalive_fires(struct tcb *tcb)
{
	const struct tcp_settings *settings = &tcb->origin->settings;

	if (!settings->keepalive || !tcb_is_synchronized(tcb->state))
		return;
	if (tcb->sent.count || tcb->snd.used) {
		output_arm_keepalive(tcb);
		return;
	}
	if (tcb->keepalive_unanswered >= settings->keepalive_probes) {
		tcb->origin->tcp->counters.keepalives_in_vain++;
		give_up(tcb);
		return;
	}
	if (output_keepalive(tcb)) {
		tcb->keepalive_unanswered++; /* MUST-29: one that is lost says nothing */
		tcb->origin->tcp->counters.keepalives_sent++;
	}
	record_moved(tcb);
	tcb_arm(tcb, TIMER_KEEPALIVE, tcb->origin->tcp->now_ns + settings->keepalive_interval_ms * NSEC_PER_MSEC);
}

/* A connection that nobody has any more: FIN-WAIT-2 ends, one that lingered or made no progress is aborted. */
static void life_fires(struct tcb *tcb)
{
	if (tcb->state != TCPS_FIN_WAIT_2)
		output_reset(tcb);
	tcb_step(tcb, TCPE_TIMEOUT);
	tcb_finish(tcb, 0);
}

static void fire(struct tcb *tcb, enum tcb_timer timer)
{
	switch (timer) {
	case TIMER_RETRANSMIT:
		retransmit_fires(tcb);
		break;
	case TIMER_LOSS:
		loss_fires(tcb);
		break;
	case TIMER_DELAYED_ACK:
		tcb->flags |= TCB_ACK_NOW;
		tcb_touch(tcb);
		break;
	case TIMER_PACE:
		tcb_touch(tcb);
		break;
	case TIMER_KEEPALIVE:
		keepalive_fires(tcb);
		break;
	case TIMER_LIFE:
		life_fires(tcb);
		break;
	case TIMER_RECORD:
		record_changed(tcb);
		break;
	case TIMER_COUNT:
		break;
	}
}

void timeouts_fire(struct tcb *tcb)
{
	__u64 next_ns = UINT64_MAX;

	for (enum tcb_timer timer = 0; timer < TIMER_COUNT; timer++) {
		if (!tcb->deadlines[timer] || tcb_deadline_ns(tcb, timer) > tcb->origin->tcp->now_ns)
			continue;
		tcb_disarm(tcb, timer);
		fire(tcb, timer);
		if (tcb->flags & TCB_FINISHED)
			return;
	}
	for (enum tcb_timer timer = 0; timer < TIMER_COUNT; timer++) {
		__u64 deadline_ns = tcb_deadline_ns(tcb, timer);

		if (deadline_ns && deadline_ns < next_ns)
			next_ns = deadline_ns;
	}
	if (next_ns != UINT64_MAX)
		timer_wheel_arm(&tcb->origin->tcp->wheel, &tcb->endpoint.timer, next_ns);
}
