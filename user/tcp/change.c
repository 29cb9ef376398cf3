// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/change.h"

#include <errno.h>

#include "tcp/record.h"

static void tell(const struct tcb *tcb, enum tcp_state before, enum flow_end end)
{
	const struct tcp_rim *rim = &tcb->origin->tcp->config.rim;
	struct flow_event event = {
		.tuple = tcb->endpoint.tuple,
		.rcv_bytes = tcb->rcv_bytes,
		.snd_bytes = tcb->snd_bytes,
		.rcv_packets = tcb->rcv_packets,
		.snd_packets = tcb->snd_packets,
		.flags = record_flags(tcb),
		.end = end,
		.before = before,
		.state = flow_event_state(tcb->state, end),
		.owner = FLOW_OWNER_DAEMON,
	};

	if (rim->changed)
		rim->changed(rim->context, &event);
}

static enum flow_end end_by_event(enum tcp_event event)
{
	switch (event) {
	case TCPE_RCV_RST:
		return FLOW_END_RESET_BY_PEER;
	case TCPE_SND_RST:
		return FLOW_END_RESET_BY_OWNER;
	case TCPE_TIMEOUT: /* or nobody is there: the error says */
		return FLOW_END_NONE;
	default:
		return FLOW_END_CLOSED;
	}
}

static enum flow_end end_by_error(const struct tcb *tcb, int error)
{
	switch (error) {
	case 0:
		return FLOW_END_EXPIRED; /* nobody had it any more */
	case -ECONNABORTED:
		return FLOW_END_RESET_BY_OWNER;
	case -ETIMEDOUT:
		return tcb->keepalive_unanswered ? FLOW_END_DEAD : FLOW_END_EXPIRED;
	default:
		return FLOW_END_UNREACHABLE;
	}
}

static bool is_told_by_xdp(const struct tcb *tcb, enum tcp_state before)
{
	return (tcb->flags & TCB_COOKIE) && (before == TCPS_LISTEN || before == TCPS_SYN_RECEIVED);
}

void change_state(struct tcb *tcb, enum tcp_state before, enum tcp_event event)
{
	if (tcb->state == TCPS_CLOSED || tcb->state == TCPS_TIME_WAIT) {
		tcb->before = before;
		tcb->end = end_by_event(event);
		return;
	}
	if (tcb->state != TCPS_LISTEN && !is_told_by_xdp(tcb, before))
		tell(tcb, before == TCPS_LISTEN ? TCPS_CLOSED : before, FLOW_END_NONE);
}

void change_end(struct tcb *tcb, int error)
{
	enum tcp_state before = tcb->state;
	enum flow_end end = FLOW_END_RESET_BY_OWNER; /* nothing has come to it: it was refused */

	if (before == TCPS_CLOSED || before == TCPS_TIME_WAIT) {
		before = tcb->before;
		end = tcb->end ? tcb->end : end_by_error(tcb, error);
	}
	tell(tcb, before, end);
}

void change_refused(struct tcp *tcp, const struct tuple *tuple)
{
	const struct tcp_rim *rim = &tcp->config.rim;
	const struct flow_event event = {
		.tuple = *tuple,
		.flags = FLOW_COOKIE,
		.end = FLOW_END_RESET_BY_OWNER,
		.before = TCPS_ESTABLISHED,
		.state = TCPS_CLOSED,
		.owner = FLOW_OWNER_DAEMON,
	};

	if (rim->changed)
		rim->changed(rim->context, &event);
}
