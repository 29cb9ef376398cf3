// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/transmit.h"

#include "tcp/emit.h"
#include "tcp/output.h"

#define ECT_0 2			   /* RFC 3168, 5 */
#define ECN_GIVES_UP_AFTER 2	   /* SYNs unanswered: something on the path may drop them for it (RFC 3168, 6.1.1.1) */
#define URGENT_POINTER_MAX 0xffffU /* farther ahead it is said again later (MUST-31) */

__u32 output_syn_window(const struct tcb *tcb)
{
	__u32 buffer = tcb->origin->settings.recv_buffer_bytes;

	return buffer > 65535 ? 65535 : buffer;
}

__u8 output_window_shift(const struct tcb *tcb)
{
	__u8 shift = 0;

	while (shift < TCP_WSCALE_MAX && tcb->origin->settings.recv_buffer_bytes >> shift > 65535)
		shift++;
	return shift;
}

/* --- the window that we offer --------------------------------------------------------------------------------------
 */

/*
 * The right edge that the buffer allows for. It moves by a segment or half the buffer at least (MUST-39), and never to
 * the left (SHLD-14); under pressure of memory it stays where it is, and so the window shrinks as text comes.
 */
static __u32 edge_wanted(const struct tcb *tcb)
{
	__u32 buffer = tcb->origin->settings.recv_buffer_bytes, unread = tcb->rcv.ring.used;
	__u32 edge = tcb->rcv_nxt + (unread < buffer ? buffer - unread : 0);
	__u32 least = tcb->rcv_mss < buffer / 2 ? tcb->rcv_mss : buffer / 2;

	if (seq_before(edge, tcb->rcv_edge + least) || memory_is_short(tcb->origin->account))
		return tcb->rcv_edge;
	return edge;
}

/* Where the window is still wide, acknowledgements of what comes next will tell. */
bool transmit_window_update_due(const struct tcb *tcb)
{
	__u32 buffer = tcb->origin->settings.recv_buffer_bytes, wide = (buffer < 65535 ? buffer : 65535) / 2;

	return (tcb->flags & TCB_HAS_READ) && !(tcb->flags & TCB_FIN_RECEIVED) && tcb->rcv_edge - tcb->rcv_nxt < wide &&
	       edge_wanted(tcb) != tcb->rcv_edge;
}

/*
 * The field for an edge: rounded down, but not below what was promised. That may go a unit beyond the buffer, and no
 * further, or a peer that sends byte by byte would have the edge go with it.
 */
static __u16 window_field(const struct tcb *tcb, __u32 edge)
{
	__u32 unit = 1U << tcb->rcv_wscale, field = (edge - tcb->rcv_nxt) >> tcb->rcv_wscale;
	__u32 most = tcb->origin->settings.recv_buffer_bytes + unit;

	if (seq_before(tcb->rcv_nxt + field * unit, tcb->rcv_edge) && tcb->rcv.ring.used + (field + 1) * unit <= most)
		field++;
	return field > 65535 ? 65535 : (__u16)field;
}

__u16 transmit_window(const struct tcb *tcb)
{
	return window_field(tcb, tcb->rcv_edge);
}

/* --- segments --------------------------------------------------------------------------------------------------------
 */

static struct outgoing begin(const struct tcb *tcb, __u32 seq)
{
	const struct outgoing o = {
		.tuple = &tcb->endpoint.tuple,
		.path = tcb->path,
		.seq = seq,
		.ack = tcb->rcv_nxt,
		.flags = TCP_FLAG_ACK | (tcb->flags & TCB_ECE ? TCP_FLAG_ECE : 0),
		.window = window_field(tcb, edge_wanted(tcb)),
		.ttl = tcb->origin->settings.ttl,
		.traffic_class = (__u8)(tcb->origin->settings.dscp << 2),
		.wscale = TCP_WSCALE_NONE,
		.has_timestamps = tcb->flags & TCB_TIMESTAMPS,
		.tsval = tcb_ts_now(tcb),
		.tsecr = tcb->ts_recent,
		.to_unverified = tcb->state == TCPS_SYN_RECEIVED,
	};

	return o;
}

/* The options that we offer (SYN-SENT), or that both want. */
static struct outgoing begin_syn(const struct tcb *tcb)
{
	const struct tcp_settings *settings = &tcb->origin->settings;
	const struct tcp_rim *rim = &tcb->origin->tcp->config.rim;
	bool opens = tcb->state == TCPS_SYN_SENT;
	struct outgoing o = begin(tcb, tcb->iss);

	o.flags = TCP_FLAG_SYN | (opens ? 0 : TCP_FLAG_ACK);
	if (opens && settings->ecn && tcb->retransmissions < ECN_GIVES_UP_AFTER)
		o.flags |= TCP_FLAG_ECE | TCP_FLAG_CWR;
	else if (!opens && (tcb->flags & TCB_ECN))
		o.flags |= TCP_FLAG_ECE;
	o.window = output_syn_window(tcb);
	o.mss = tcb_mss_of_mtu(o.tuple->family, rim->mtu(rim->context, tcb->path)); /* MUST-14, MAY-3, SHLD-6 */
	o.sack_permitted = opens ? settings->sack : tcb->flags & TCB_SACK;
	if (opens ? settings->window_scaling : tcb->flags & TCB_WSCALE)
		o.wscale = opens ? output_window_shift(tcb) : tcb->rcv_wscale;
	if (opens) {
		o.has_timestamps = settings->timestamps;
		o.tsecr = 0;
	}
	return o;
}

/* What a segment that left has told the peer. */
static void told(struct tcb *tcb, const struct outgoing *o)
{
	tcb->snd_packets++;
	tcb->snd_bytes += emit_packet_bytes(o);
	if (!(o->flags & TCP_FLAG_ACK))
		return;
	if (!(o->flags & TCP_FLAG_SYN))
		tcb->rcv_edge = seq_max(tcb->rcv_edge, o->ack + ((__u32)o->window << tcb->rcv_wscale));
	tcb->rcv_wup = o->ack;
	tcb->flags &= ~(TCB_ACK_NOW | TCB_ACK_LATER | TCB_HAS_READ);
	tcb_disarm(tcb, TIMER_DELAYED_ACK);
}

/* SACK blocks, as many as room has bytes for: RFC 2018, 4 wants them in every segment. */
static void add_blocks(struct tcb *tcb, struct outgoing *o, __u32 room)
{
	__u32 most = o->has_timestamps ? 3 : 4;

	if (!transmit_has_blocks(tcb) || room < 12)
		return;
	if (most > (room - 4) / 8)
		most = (room - 4) / 8;
	o->block_count = (__u8)reassembly_blocks(&tcb->rcv, tcb->rcv_nxt, o->blocks, most);
}

static void add_text(struct tcb *tcb, struct outgoing *o, __u32 end, bool again)
{
	__u32 text_end = tcb_snd_end(tcb);

	if (seq_after(end, text_end)) {
		o->flags |= TCP_FLAG_FIN;
		end = text_end;
	}
	o->text = &tcb->snd;
	o->text_offset = o->seq - tcb_snd_base(tcb);
	o->text_bytes = end - o->seq;
	if (o->text_bytes && end == text_end)
		o->flags |= TCP_FLAG_PSH; /* MUST-61, SHLD-27 */
	add_blocks(tcb, o, tcb->snd_mss - o->text_bytes);
	if ((tcb->flags & TCB_URGENT_OUT) && seq_before(o->seq, tcb->snd_up)) {
		__u32 ahead = tcb->snd_up - o->seq;

		o->flags |= TCP_FLAG_URG;
		o->urgent = ahead > URGENT_POINTER_MAX ? URGENT_POINTER_MAX : (__u16)ahead;
	}
	if (!(tcb->flags & TCB_ECN) || !o->text_bytes || again)
		return; /* RFC 3168, 6.1.5: what is sent again is not marked */
	o->traffic_class |= ECT_0;
	if (tcb->flags & TCB_CWR)
		o->flags |= TCP_FLAG_CWR;
}

bool transmit(struct tcb *tcb, __u32 seq, __u32 end, bool again)
{
	bool syn = tcb->state <= TCPS_SYN_RECEIVED && seq == tcb->iss;
	struct outgoing o = syn ? begin_syn(tcb) : begin(tcb, seq);

	if (!syn)
		add_text(tcb, &o, end, again);
	if (!emit(tcb->origin->tcp, &o))
		return false;
	told(tcb, &o);
	if (o.flags & TCP_FLAG_CWR)
		tcb->flags &= ~TCB_CWR;
	if (again) {
		tcb->retransmitted++;
		tcb->origin->tcp->counters.segments_retransmitted++;
	}
	return true;
}

bool transmit_has_blocks(const struct tcb *tcb)
{
	return (tcb->flags & TCB_SACK) &&
	       (reassembly_has_hole(&tcb->rcv) || tcb->rcv.duplicate.start != tcb->rcv.duplicate.end);
}

bool transmit_empty(struct tcb *tcb, __u32 seq)
{
	struct outgoing o = begin(tcb, seq);

	add_blocks(tcb, &o, TCP_OPTIONS_MAX_BYTES);
	if (!emit(tcb->origin->tcp, &o))
		return false;
	told(tcb, &o);
	return true;
}

bool transmit_reset(struct tcb *tcb)
{
	struct outgoing o = begin(tcb, tcb->snd_nxt);

	o.flags = TCP_FLAG_RST | TCP_FLAG_ACK;
	o.window = 0;
	if (!emit(tcb->origin->tcp, &o))
		return false;
	tcb->origin->tcp->counters.resets_sent++;
	return true;
}
