// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * User calls (RFC 9293, 3.10.1 to 3.10.6), OPEN passive aside, which is listen.c's. None of them sends: what is to be
 * sent is sent in the turn that follows.
 */
#include <errno.h>
#include <stdlib.h>

#include "addresses.h"
#include "tcp/isn.h"
#include "tcp/origin.h"
#include "tcp/output.h"
#include "tcp/record.h"
#include "tcp/tcb.h"

#define BUFFER_MAX_BYTES (1U << 30) /* RFC 7323, 2.3: the largest window */
#define BUFFER_MIN_BYTES 64
#define DELAYED_ACK_MAX_MS 499 /* MUST-40 */

struct tcp_settings tcp_settings_default(void)
{
	return (struct tcp_settings){
		.recv_buffer_bytes = 1 << 20,
		.send_buffer_bytes = 1 << 20,
		.user_timeout_ms = 300000, /* 3.9.1: five minutes */
		.syn_timeout_ms = 180000,
		.delayed_ack_ms = 40,
		.fin_wait_2_ms = 60000,
		.linger_ms = -1,
		.keepalive_idle_ms = 7200000,
		.keepalive_interval_ms = 75000,
		.keepalive_probes = 10,
		.ttl = 64,
		.nagle = true,
		.window_scaling = true,
		.timestamps = true,
		.sack = true,
		.ecn = true,
		.pacing = true,
		.soft_errors = true,
	};
}

bool tcp_settings_are_valid(const struct tcp_settings *s)
{
	return s->recv_buffer_bytes >= BUFFER_MIN_BYTES && s->recv_buffer_bytes <= BUFFER_MAX_BYTES &&
	       s->send_buffer_bytes >= BUFFER_MIN_BYTES && s->send_buffer_bytes <= BUFFER_MAX_BYTES &&
	       s->delayed_ack_ms <= DELAYED_ACK_MAX_MS && s->linger_ms >= -1 && s->ttl && s->dscp < 64 &&
	       s->linger_ms <= TCB_TIMER_MAX_MS && s->user_timeout_ms <= TCB_TIMER_MAX_MS &&
	       s->fin_wait_2_ms <= TCB_TIMER_MAX_MS && s->msl_ms <= TCB_TIMER_MAX_MS / 2 &&
	       s->keepalive_idle_ms <= TCB_TIMER_MAX_MS && s->keepalive_interval_ms <= TCB_TIMER_MAX_MS &&
	       (!s->keepalive || (s->keepalive_idle_ms && s->keepalive_interval_ms && s->keepalive_probes));
}

int tcp_connect(struct tcp *tcp, const struct tuple *tuple, __u32 path, const struct tcp_app *app, void *context,
		const struct tcp_settings *settings, struct memory_account *account, __u64 now_ns, struct tcb **out)
{
	struct tcp_origin *origin;
	struct tcb *tcb;

	tcp->now_ns = now_ns;
	if (!addresses_tuple_possible(tuple) || !tuple->remote_port || !tuple->local_port)
		return -EADDRNOTAVAIL; /* MUST-46 */
	if (endpoints_find(&tcp->endpoints, tuple))
		return -EADDRINUSE;
	if (!tcp_settings_are_valid(settings))
		return -EINVAL;
	origin = origin_make(tcp, app, settings, account);
	if (!origin)
		return -ENOMEM;
	tcb = tcb_make(tcp, tuple, origin, context);
	origin_release(origin);
	if (!tcb)
		return -ENOMEM;
	tcb->flags |= TCB_ACTIVE | TCB_KNOWN;
	tcb->path = path;
	tcb->iss = isn_make(&tcp->config.isn_key, tuple, now_ns);
	tcb->ts_offset = isn_ts_offset(&tcp->config.isn_key, tuple);
	tcb->snd_una = tcb->snd_nxt = tcb->recover = tcb->iss;
	tcb->snd_up = tcb->iss + 1;
	tcb->peer_mss = tuple->family == FAMILY_IPV6 ? 1220 : 536; /* until the peer says more (MUST-15) */
	tcb_set_mtu(tcb, tcp->config.rim.mtu(tcp->config.rim.context, path));
	tcb_step(tcb, TCPE_SND_SYN);
	tcb_touch(tcb);
	*out = tcb;
	return 0;
}

/*
 * How much of length bytes is taken: what there is room for, but no more memory than leaves windows open. Two ends
 * whose text to send has it all would wait for each other's windows for ever.
 */
static __u32 room_to_send(const struct tcb *tcb, size_t length)
{
	__u32 limit = tcb->origin->settings.send_buffer_bytes, used = tcb->snd.used, capacity = tcb->snd.capacity;
	__u32 room = used < limit ? limit - used : 0, wanted = BYTE_RING_CAPACITY_MIN;

	if (room > length)
		room = (__u32)length;
	while (wanted < used + room)
		wanted *= 2;
	while (wanted > capacity && wanted > BYTE_RING_CAPACITY_MIN &&
	       memory_would_be_short(tcb->origin->account, wanted - capacity))
		wanted /= 2;
	if (wanted < capacity)
		wanted = capacity;
	return room < wanted - used ? room : wanted - used;
}

/* 3.10.2. Before the connection stands text is queued (MAY-16). */
ssize_t tcp_send(struct tcb *tcb, const void *bytes, size_t length, unsigned int flags)
{
	__u32 used = tcb->snd.used, take = room_to_send(tcb, length);

	if (tcb->flags & (TCB_FINISHED | TCB_FIN_QUEUED | TCB_ABORT))
		return -EPIPE;
	/* Text that takes all the memory could never be sent. */
	if (take && (sent_reserve(&tcb->sent, tcb->origin->account) ||
		     byte_ring_reserve(&tcb->snd, tcb->origin->account, used + take))) {
		take = 0;
		tcb_arm(tcb, TIMER_PACE, tcb->origin->tcp->now_ns + OUTPUT_NO_MEMORY_RETRY_NS);
	}
	if (take) {
		byte_ring_write(&tcb->snd, used, bytes, take);
		byte_ring_extend(&tcb->snd, take);
		tcb_touch(tcb);
	}
	tcb->flags &= ~TCB_MORE;
	if (take < length)
		tcb->flags |= TCB_WANTS_ROOM;
	else if (flags & TCP_SEND_MORE)
		tcb->flags |= TCB_MORE;
	if (flags & TCP_SEND_PUSH)
		tcb->flags |= TCB_PUSH;
	if ((flags & TCP_SEND_URGENT) && take == length && take) {
		tcb->flags |= TCB_URGENT_OUT;
		tcb->snd_up = tcb_snd_end(tcb);
	}
	return take;
}

/* 3.10.3 */
ssize_t tcp_peek(struct tcb *tcb, const __u8 **bytes)
{
	__u32 there = byte_ring_peek(&tcb->rcv.ring, 0, bytes);

	if (there)
		return there;
	if (!(tcb->flags & (TCB_FIN_RECEIVED | TCB_FINISHED)))
		return -EAGAIN;
	tcb->flags |= TCB_END_READ;
	if (tcb->flags & TCB_FINISHED)
		tcb_touch(tcb); /* it is over */
	return 0;
}

void tcp_skip(struct tcb *tcb, size_t length)
{
	__u32 there = tcb->rcv.ring.used;

	reassembly_drop(&tcb->rcv, tcb->origin->account, length < there ? (__u32)length : there);
	tcb->flags |= TCB_HAS_READ;
	if (!seq_after(tcb->rcv_up, tcb->rcv_nxt - tcb->rcv.ring.used))
		tcb->flags &= ~TCB_URGENT_IN;
	tcb_touch(tcb);
}

ssize_t tcp_recv(struct tcb *tcb, void *bytes, size_t length)
{
	__u32 there = tcb->rcv.ring.used;
	const __u8 *unused;

	if (!there)
		return tcp_peek(tcb, &unused);
	if (length > there)
		length = there;
	byte_ring_read(&tcb->rcv.ring, 0, bytes, (__u32)length);
	tcp_skip(tcb, length);
	return (ssize_t)length;
}

/* 3.10.4. In SYN-SENT there is nothing to close by the book: the TCB goes. */
void tcp_shutdown(struct tcb *tcb)
{
	if (tcb->flags & (TCB_FINISHED | TCB_FIN_QUEUED))
		return;
	tcb->flags |= TCB_FIN_QUEUED;
	tcb->flags &= ~(TCB_MORE | TCB_WANTS_ROOM);
	tcb_touch(tcb);
}

static bool loses_text(const struct tcb *tcb)
{
	return tcb->rcv.ring.used || tcb->origin->settings.linger_ms == 0;
}

void tcp_close(struct tcb *tcb)
{
	__s32 linger_ms = tcb->origin->settings.linger_ms;
	__u32 life_ms;

	if (tcb->flags & TCB_DETACHED)
		return;
	tcb->flags |= TCB_DETACHED;
	tcb_touch(tcb);
	if (tcb->flags & TCB_FINISHED)
		return;
	if (tcb->state == TCPS_SYN_SENT || loses_text(tcb)) {
		tcb->flags |= TCB_ABORT;
		return;
	}
	tcp_shutdown(tcb);
	/* What nobody has any more may not stay for ever, however often its peer says that its window is closed. */
	life_ms = linger_ms > 0			  ? (__u32)linger_ms
		  : tcb->state == TCPS_FIN_WAIT_2 ? tcb->origin->settings.fin_wait_2_ms
						  : tcb->origin->settings.user_timeout_ms;
	tcb_arm(tcb, TIMER_LIFE, tcb->origin->tcp->now_ns + life_ms * NSEC_PER_MSEC);
}

/* 3.10.5 */
void tcp_abort(struct tcb *tcb)
{
	tcb->flags |= TCB_ABORT | TCB_DETACHED;
	tcb_touch(tcb);
}

/* --- settings and STATUS (3.10.6) ------------------------------------------------------------------------------------
 */

const struct tcp_settings *tcp_settings(const struct tcb *tcb)
{
	return &tcb->origin->settings;
}

int tcp_change(struct tcb *tcb, const struct tcp_settings *settings)
{
	struct tcp_origin *own;

	if (!tcp_settings_are_valid(settings))
		return -EINVAL;
	own = origin_make(tcb->origin->tcp, tcb->origin->app, settings, tcb->origin->account);
	if (!own)
		return -ENOMEM;
	origin_release(tcb->origin);
	tcb->origin = own;
	if (tcb_is_synchronized(tcb->state) && !(tcb->flags & TCB_FINISHED))
		output_arm_keepalive(tcb);
	tcb_touch(tcb);
	return 0;
}

void tcp_status(const struct tcb *tcb, struct tcp_status *status)
{
	__u32 limit = tcb->origin->settings.send_buffer_bytes, read_to = tcb->rcv_nxt - tcb->rcv.ring.used;

	*status = (struct tcp_status){
		.tuple = tcb->endpoint.tuple,
		.state = tcb->state,
		.unread_bytes = tcb->rcv.ring.used,
		.unsent_bytes = tcb->snd.used,
		.urgent_bytes = tcb->flags & TCB_URGENT_IN ? tcb->rcv_up - read_to : 0,
		.send_room_bytes = tcb->snd.used < limit ? limit - tcb->snd.used : 0,
		.cwnd_bytes = tcb->congestion.cwnd,
		.srtt_us = tcb->rtt.srtt_us,
		.mss_bytes = tcb->snd_mss,
		.retransmitted = tcb->retransmitted,
		.peer_closed = tcb->flags & TCB_FIN_RECEIVED,
	};
}

void *tcp_context(const struct tcb *tcb)
{
	return tcb->context;
}

void tcp_set_context(struct tcb *tcb, void *context)
{
	tcb->context = context;
}

struct tcp *tcp_of(const struct tcb *tcb)
{
	return tcb->origin->tcp;
}
