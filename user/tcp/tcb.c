// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* A TCB's life, its state, its timers; what each hand may do is told in tcb.h. */
#include "tcp/tcb.h"

#include <stdlib.h>

#include "tcp/listen.h"
#include "tcp/record.h"
#include "tcp/time_wait.h"

/* A TCB and the share of the table that it has. */
#define TCB_BYTES (sizeof(struct tcb) + sizeof(struct endpoint *))

struct tcb *tcb_make(struct tcp *tcp, const struct tuple *tuple, const struct tcp_app *app, void *context,
		     const struct tcp_settings *settings, struct memory_account *account)
{
	struct tcb *tcb;

	if (tcp->counters.connections >= tcp->config.connections_max || !memory_charge(account, TCB_BYTES))
		return NULL;
	tcb = calloc(1, sizeof(*tcb));
	if (!tcb) {
		memory_release(account, TCB_BYTES);
		return NULL;
	}
	tcb->endpoint.tuple = *tuple;
	tcb->tcp = tcp;
	tcb->app = app;
	tcb->context = context;
	tcb->settings = settings;
	tcb->account = account;
	tcb->state = TCPS_CLOSED;
	tcb->born_s = tcp->now_ns / NSEC_PER_SEC;
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
		tcb->tcp->counters.connections_half_open--;
	}
	record_changed(tcb);
}

void tcb_touch(struct tcb *tcb)
{
	if (!tcb->pending.next)
		list_append(&tcb->tcp->pending, &tcb->pending);
}

/* --- timers: one in the wheel stands for all of a TCB's; one that was put off fires too early, and is armed again ----
 */

void tcb_arm(struct tcb *tcb, enum tcb_timer timer, __u64 deadline_ns)
{
	tcb->deadlines[timer] = deadline_ns;
	if (!tcb->endpoint.timer.link || tcb->endpoint.timer.expires_ns > deadline_ns)
		timer_wheel_arm(&tcb->tcp->wheel, &tcb->endpoint.timer, deadline_ns);
}

void tcb_disarm(struct tcb *tcb, enum tcb_timer timer)
{
	tcb->deadlines[timer] = 0;
}

/* --- the end -------------------------------------------------------------------------------------------------------
 */

static void free_buffers_to_send(struct tcb *tcb)
{
	sent_free(&tcb->sent, tcb->account);
	byte_ring_free(&tcb->snd, tcb->account);
}

void tcb_finish(struct tcb *tcb, int error)
{
	struct tcp *tcp = tcb->tcp;

	if (tcb->flags & TCB_FINISHED)
		return;
	tcb->flags |= TCB_FINISHED;
	tcb->error = error;
	if (tcb->flags & TCB_HALF_OPEN)
		tcp->counters.connections_half_open--;
	endpoints_remove(&tcp->endpoints, &tcb->endpoint);
	timer_wheel_disarm(&tcp->wheel, &tcb->endpoint.timer);
	list_remove(&tcb->report);
	if (tcb->state != TCPS_TIME_WAIT || time_wait_make(tcb))
		record_gone(tcb);
	free_buffers_to_send(tcb);
	if (error)
		reassembly_free(&tcb->rcv, tcb->account);
	list_append(&tcp->finished, &tcb->report);
	tcb_touch(tcb);
}

void tcb_free(struct tcb *tcb)
{
	struct tcp *tcp = tcb->tcp;
	struct memory_account *account = tcb->account;
	list_remove(&tcb->pending);
	list_remove(&tcb->report);
	free_buffers_to_send(tcb);
	reassembly_free(&tcb->rcv, account);
	if (tcb->flags & TCB_OWN_SETTINGS)
		free((void *)(uintptr_t)tcb->settings);
	if (tcb->listener)
		listen_release(tcb->listener);
	tcp->counters.connections--;
	free(tcb);
	memory_release(account, TCB_BYTES);
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
