// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SEGMENT ARRIVES in CLOSED and LISTEN (RFC 9293, 3.10.7.1 and 3.10.7.2), and behind a cookie, which is SYN-RECEIVED
 * without having been there.
 *
 * Departs from RFC 9293, 3.10.7.2: text on a SYN is not kept but has to come again (as all stacks have it, RFC 7413
 * aside).
 */
#include <errno.h>

#include "tcp/arrive.h"

#include "addresses.h"
#include "tcp/change.h"
#include "tcp/emit.h"
#include "tcp/isn.h"
#include "tcp/listen.h"
#include "tcp/record.h"

static struct tcb *make_passive(struct tcp *tcp, const struct arrival *a, struct tcp_listener *listener)
{
	struct tcb *tcb = tcb_make(tcp, &a->packet.tuple, listener->origin, listener->context);

	if (!tcb)
		return NULL;
	tcb->path = a->path;
	tcb_step(tcb, TCPE_OPEN_PASSIVE);
	return tcb;
}

/*
 * What the SYN asked for, and its number, is in the hint; ours is one before this acknowledgement. It is the first that
 * we see of the connection, but its ACK may have been lost on the way here: text may come first, and in disorder.
 */
static enum tcp_verdict accept_cookie(struct tcp *tcp, struct arrival *a, struct tcp_listener *listener)
{
	const struct segment *s = &a->packet.segment;
	struct tcb *tcb = make_passive(tcp, a, listener);
	__u16 flags = a->hint->flags;
	__u32 window = listener->origin->settings.recv_buffer_bytes;
	enum tcp_verdict verdict;

	if (!tcb) {
		emit_reset(tcp, a);
		change_refused(tcp, &a->packet.tuple);
		record_none(tcp, &a->packet.tuple);
		return TCPV_NO_ROOM;
	}
	tcb->flags |= TCB_COOKIE | (flags & FLOW_WSCALE ? TCB_WSCALE : 0) | (flags & FLOW_SACK ? TCB_SACK : 0) |
		      (flags & FLOW_TIMESTAMPS ? TCB_TIMESTAMPS : 0) | (flags & FLOW_ECN ? TCB_ECN : 0);
	tcb->is_counted = flags & FLOW_COUNTED;
	tcb->irs = a->hint->irs;
	tcb->iss = s->ack - 1;
	tcb->rcv_nxt = tcb->rcv_wup = tcb->irs + 1;
	tcb->rcv_edge = tcb->rcv_nxt + (window > 65535 ? 65535 : window); /* as config.daemon_terms.window has it */
	tcb->snd_una = tcb->iss;
	tcb->snd_nxt = tcb->snd_up = tcb->recover = tcb->iss + 1;
	tcb->snd_wscale = a->hint->snd_wscale;
	tcb->rcv_wscale = a->hint->rcv_wscale;
	tcb->peer_mss = a->hint->mss;
	tcb->ts_recent = s->tsval;
	tcb->seen_ms = tcb_now_ms(tcb);
	/* XDP's clock goes on as ours: TSval never runs backwards. */
	tcb->ts_offset = s->tsecr - (__u32)(tcp->now_ns / NSEC_PER_MSEC);
	tcb_set_mtu(tcb, tcp->config.rim.mtu(tcp->config.rim.context, tcb->path));
	tcb_step(tcb, TCPE_RCV_SYN);
	verdict = arrive_checks(tcb, a);
	if (tcb->state != TCPS_SYN_RECEIVED)
		return TCPV_ACCEPTED;
	tcb_finish(tcb, -ECONNREFUSED); /* it is from outside the window that the SYN-ACK offered */
	return verdict;
}

static enum tcp_verdict answer_syn(struct tcp *tcp, const struct arrival *a, struct tcp_listener *listener, __u32 iss)
{
	struct tcb *tcb;

	if (tcp->counters.connections_half_open >= tcp->config.syn_received_max)
		return TCPV_SYN_BACKLOG_FULL;
	/* Under pressure nothing is begun that can not be carried on. */
	tcb = memory_is_short(listener->origin->account) ? NULL : make_passive(tcp, a, listener);
	if (!tcb)
		return TCPV_NO_ROOM;
	tcb->iss = iss ? iss : isn_make(&tcp->config.isn_key, &a->packet.tuple, tcp->now_ns);
	tcb->ts_offset = isn_ts_offset(&tcp->config.isn_key, &a->packet.tuple);
	tcb->snd_una = tcb->snd_nxt = tcb->recover = tcb->iss;
	tcb->snd_up = tcb->iss + 1;
	arrive_take_syn(tcb, a, false);
	tcb->flags |= TCB_HALF_OPEN;
	tcp->counters.connections_half_open++;
	tcb_step(tcb, TCPE_RCV_SYN);
	tcb_touch(tcb);
	return TCPV_SYN_RECEIVED;
}

enum tcp_verdict arrive_listen(struct tcp *tcp, struct arrival *a, __u32 iss)
{
	const struct tuple *t = &a->packet.tuple;
	const struct segment *s = &a->packet.segment;
	struct tcp_listener *listener;

	/* The record, if this has one, is of a connection whose TCB was lost with an earlier daemon. */
	if (a->hint->kind == DAEMON_SEGMENT)
		record_lost(tcp, t);
	/* first: RST */
	if (s->flags & TCP_FLAG_RST)
		return TCPV_RESET_IGNORED;
	listener = listen_find(tcp, t);
	if (listener && a->hint->kind == DAEMON_COOKIE_ACK && arrival_has(a, TCP_FLAG_ACK))
		return accept_cookie(tcp, a, listener);
	/* second: ACK, to nobody (3.10.7.1) or to a listener */
	if (s->flags & TCP_FLAG_ACK) {
		emit_reset(tcp, a);
		return TCPV_NO_CONNECTION;
	}
	/* third: SYN (MUST-57, MUST-63) */
	if (s->flags & TCP_FLAG_SYN) {
		if (!addresses_tuple_possible(t))
			return TCPV_BAD_ADDRESS;
		if (listener)
			return answer_syn(tcp, a, listener, iss);
		emit_reset(tcp, a);
		return TCPV_NO_LISTENER;
	}
	/* fourth: the rest, which CLOSED resets and LISTEN drops */
	if (!listener)
		emit_reset(tcp, a);
	return TCPV_NO_CONNECTION;
}
