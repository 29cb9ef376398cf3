// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A TCB's life, its state, its timers; what each hand may do is told in tcb.h. */
#include "tcp/tcb.h"

#include <stdlib.h>

#include "tcp/change.h"
#include "tcp/origin.h"
#include "tcp/record.h"
#include "tcp/time_wait.h"

/* A TCB and the share of the table that it has. */
#define TCB_BYTES (sizeof(struct tcb) + sizeof(struct endpoint *))

struct tcb *tcb_make(struct tcp *tcp, const struct tuple *tuple, struct tcp_origin *origin, void *context)
{
	struct tcb *tcb;

	if (tcp->counters.connections >= tcp->config.connections_max || !memory_charge(origin->account, TCB_BYTES))
		return NULL;
	tcb = calloc(1, sizeof(*tcb));
	if (!tcb) {
		memory_release(origin->account, TCB_BYTES);
		return NULL;
	}
	tcb->endpoint.tuple = *tuple;
	tcb->origin = origin;
	tcb->context = context;
	tcb->state = TCPS_CLOSED;
	tcb->born_s = tcp->now_ns / NSEC_PER_SEC;
	origin_hold(origin);
	rtt_init(&tcb->rtt);
	endpoints_add(&tcp->endpoints, &tcb->endpoint);
	tcp->counters.connections++;
	return tcb;
}

struct tcb *tcb_find(struct tcp *tcp, const struct tuple *tuple)
{
	struct endpoint *endpoint = endpoints_find(&tcp->endpoints, tuple);

	return endpoint && !endpoint->is_time_wait ? (struct tcb *)endpoint : NULL;
}

void tcb_step(struct tcb *tcb, enum tcp_event event)
{
	enum tcp_state before = tcb->state;

	tcb->state = tcp_fsm_next(before, event);
	if (tcb->state == before)
		return;
	if ((tcb->flags & TCB_HALF_OPEN) && tcb->state != TCPS_SYN_RECEIVED) {
		tcb->flags &= ~TCB_HALF_OPEN;
		tcb->origin->tcp->counters.connections_half_open--;
		tcb->origin->completed += tcb->state >= TCPS_ESTABLISHED;
	}
	record_changed(tcb);
	change_state(tcb, before, event);
}

void tcb_touch(struct tcb *tcb)
{
	if (!tcb->pending.next)
		list_append(&tcb->origin->tcp->pending, &tcb->pending);
}

/* --- timers: one in the wheel stands for all of a TCB's; one that was put off fires too early, and is armed again ----
 */

static __u64 tick_of(__u64 ns)
{
	return (ns + (1 << TIMER_WHEEL_TICK_SHIFT) - 1) >> TIMER_WHEEL_TICK_SHIFT;
}

void tcb_arm(struct tcb *tcb, enum tcb_timer timer, __u64 deadline_ns)
{
	__u32 tick = (__u32)tick_of(deadline_ns);

	tcb->deadlines[timer] = tick ? tick : 1;
	deadline_ns = tcb_deadline_ns(tcb, timer);
	if (!tcb->endpoint.timer.link || tcb->endpoint.timer.expires_ns > deadline_ns)
		timer_wheel_arm(&tcb->origin->tcp->wheel, &tcb->endpoint.timer, deadline_ns);
}

__u64 tcb_deadline_ns(const struct tcb *tcb, enum tcb_timer timer)
{
	__u64 now = tick_of(tcb->origin->tcp->now_ns);

	if (!tcb->deadlines[timer])
		return 0;
	return (now + (__u64)(__s64)(__s32)(tcb->deadlines[timer] - (__u32)now)) << TIMER_WHEEL_TICK_SHIFT;
}

void tcb_disarm(struct tcb *tcb, enum tcb_timer timer)
{
	tcb->deadlines[timer] = 0;
}

/* --- the end -------------------------------------------------------------------------------------------------------
 */

static void free_buffers_to_send(struct tcb *tcb)
{
	sent_free(&tcb->sent, tcb->origin->account);
	byte_ring_free(&tcb->snd, tcb->origin->account);
}

void tcb_finish(struct tcb *tcb, int error)
{
	struct tcp *tcp = tcb->origin->tcp;

	if (tcb->flags & TCB_FINISHED)
		return;
	tcb->flags |= TCB_FINISHED;
	change_end(tcb, error);
	tcb->error_number = (__u8)-error;
	if (tcb->flags & TCB_HALF_OPEN)
		tcp->counters.connections_half_open--;
	endpoints_remove(&tcp->endpoints, &tcb->endpoint);
	timer_wheel_disarm(&tcp->wheel, &tcb->endpoint.timer);
	list_remove(&tcb->report);
	if (tcb->state != TCPS_TIME_WAIT || time_wait_make(tcb))
		record_gone(tcb);
	free_buffers_to_send(tcb);
	if (error)
		reassembly_free(&tcb->rcv, tcb->origin->account);
	list_append(&tcp->finished, &tcb->report);
	tcb_touch(tcb);
}

void tcb_free(struct tcb *tcb)
{
	struct tcp *tcp = tcb->origin->tcp;

	list_remove(&tcb->pending);
	list_remove(&tcb->report);
	free_buffers_to_send(tcb);
	reassembly_free(&tcb->rcv, tcb->origin->account);
	memory_release(tcb->origin->account, TCB_BYTES);
	origin_release(tcb->origin);
	tcp->counters.connections--;
	free(tcb);
}

/* --- sizes ---------------------------------------------------------------------------------------------------------
 */

void tcb_set_mtu(struct tcb *tcb, __u32 mtu)
{
	__u32 headers = tcb_ip_header_bytes(tcb->endpoint.tuple.family) + 20;
	__u32 options = tcb->flags & TCB_TIMESTAMPS ? 12 : 0;
	__u32 text = mtu - headers;

	if (text > tcb->peer_mss)
		text = tcb->peer_mss;
	tcb->mtu = mtu > 65535 ? 65535 : mtu;
	tcb->snd_mss = text > options + 8 ? text - options : 8; /* a peer whose MSS is smaller than any option */
	if (tcb->congestion.mss)
		congestion_set_mss(&tcb->congestion, tcb->snd_mss);
	else
		congestion_init(&tcb->congestion, tcb->snd_mss);
}
