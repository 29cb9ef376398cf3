// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <string.h>

#include "end.h"

/* --- what it knows of the other end --- */

static struct tcp_options options_of(const struct packet_spec *spec)
{
	__u8 buffer[TCP_OPTIONS_BUFFER_BYTES] = {};
	struct tcp_options options;

	memcpy(buffer, spec->options, spec->option_bytes);
	tcp_options_parse(buffer, spec->option_bytes, &options);
	return options;
}

/* What the other end's SYN says, SYN-ACK or not. */
static void take_syn(struct end *e, const struct packet_spec *syn)
{
	struct tcp_options theirs = options_of(syn);
	bool wscale = e->offer.wscale != TCP_WSCALE_NONE && theirs.wscale != TCP_WSCALE_NONE;

	e->irs = syn->seq;
	e->rcv_nxt = syn->seq + 1;
	e->timestamps = e->offer.has_timestamps && theirs.has_timestamps;
	e->sack = e->offer.sack_permitted && theirs.sack_permitted;
	e->ts_recent = theirs.tsval;
	e->rcv_wscale = wscale ? e->offer.wscale : 0;
	e->snd_wscale = wscale ? theirs.wscale : 0;
	e->fin_sent = e->peers_fin_known = false;
	memset(e->received, 0, sizeof(e->received));
}

void end_open(struct end *e, __u32 iss)
{
	e->state = TCPS_SYN_SENT;
	e->iss = e->snd_una = iss;
	e->snd_nxt = iss + 1;
}

void end_accept_cookie(struct end *e, const struct packet_spec *syn, const struct packet_spec *syn_ack)
{
	e->offer = options_of(syn_ack);
	take_syn(e, syn);
	e->iss = e->snd_una = syn_ack->seq;
	e->snd_nxt = e->iss + 1;
	e->rcv_wup = e->rcv_nxt;
	e->rcv_edge = e->rcv_nxt + syn_ack->window;
	e->state = TCPS_SYN_RECEIVED;
}

/* --- what comes (RFC 9293, 3.10.7) --- */

static enum end_answer reset_for(struct end *e, const struct packet_spec *s)
{
	if (s->flags & TCP_FLAG_RST)
		return END_SAYS_NOTHING;
	e->cause = *s;
	return END_RESETS;
}

/* 3.10.7.1 and 3.10.7.2 */
static enum end_answer receive_unconnected(struct end *e, const struct packet_spec *s)
{
	if (e->state == TCPS_CLOSED || (s->flags & TCP_FLAG_ACK))
		return reset_for(e, s);
	if ((s->flags & (TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_FIN)) != TCP_FLAG_SYN)
		return END_SAYS_NOTHING;
	take_syn(e, s);
	return END_SYN_ACKS;
}

/* 3.10.7.3. A SYN that crosses ours opens from both ends. */
static enum end_answer receive_in_syn_sent(struct end *e, const struct packet_spec *s)
{
	bool acknowledged = (s->flags & TCP_FLAG_ACK) && s->ack == e->iss + 1;

	if ((s->flags & TCP_FLAG_ACK) && !acknowledged)
		return reset_for(e, s);
	if ((s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_SYN) {
		take_syn(e, s);
		e->rcv_wup = e->rcv_nxt;
		e->state = TCPS_SYN_RECEIVED;
		return END_SYN_ACKS;
	}
	if (!acknowledged || !(s->flags & (TCP_FLAG_RST | TCP_FLAG_SYN)))
		return END_SAYS_NOTHING;
	if (s->flags & TCP_FLAG_RST) {
		e->state = e->closed;
		return END_SAYS_NOTHING;
	}
	take_syn(e, s);
	e->snd_una = s->ack;
	e->snd_edge = s->ack + s->window;
	e->state = TCPS_ESTABLISHED;
	return END_ACKS;
}

/*
 * RFC 6191 and RFC 9293, 3.6.1: a SYN that can not be old opens the tuple again, if there is a listener. RFC 1337: a
 * RST does nothing.
 */
static enum end_answer receive_in_time_wait(struct end *e, const struct packet_spec *s)
{
	struct tcp_options theirs = options_of(s);
	bool newer = theirs.has_timestamps && e->timestamps && seq_after(theirs.tsval, e->ts_recent);

	if (s->flags & TCP_FLAG_RST)
		return END_SAYS_NOTHING;
	if (e->closed == TCPS_LISTEN && (s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_FIN)) == TCP_FLAG_SYN &&
	    (seq_after(s->seq, e->rcv_nxt) || newer)) {
		take_syn(e, s);
		return END_SYN_ACKS;
	}
	return s->payload_bytes || (s->flags & (TCP_FLAG_SYN | TCP_FLAG_FIN)) || s->seq != e->rcv_nxt
		       ? END_ACKS
		       : END_SAYS_NOTHING;
}

/* First: Linux judges the right edge as offered, and the left one as acknowledged last. */
static bool in_window(const struct end *e, const struct packet_spec *s)
{
	__u32 end = s->seq + s->payload_bytes + !!(s->flags & TCP_FLAG_FIN);

	return !seq_before(end, e->rcv_wup) && !seq_after(s->seq, e->rcv_edge);
}

/* The end of what came behind a hole, which a SACK block names; RCV.NXT where there is no hole. */
static __u32 sacked_until(const struct end *e)
{
	__u32 first = e->irs + 1, at = e->rcv_edge - first < END_STREAM_BYTES ? e->rcv_edge : first + END_STREAM_BYTES;

	if (e->peers_fin_known)
		return e->peers_fin + 1;
	while (seq_after(at, e->rcv_nxt) && !e->received[at - 1 - first])
		at--;
	return at;
}

/* Second (RFC 5961, 3.2): exactly the next number; Linux takes the peer's FIN's, and the one behind the last block. */
static enum end_answer receive_reset(struct end *e, const struct packet_spec *s)
{
	bool closed = e->state == TCPS_CLOSE_WAIT || e->state == TCPS_LAST_ACK || e->state == TCPS_CLOSING;

	if (s->seq == e->rcv_nxt || (closed && s->seq == e->rcv_nxt - 1) ||
	    (e->sack && !closed && s->seq == sacked_until(e))) {
		e->state = e->closed;
		return END_SAYS_NOTHING;
	}
	return in_window(e, s) ? END_ACKS : END_SAYS_NOTHING;
}

/* Fifth; true: go on with the text. */
static bool receive_ack(struct end *e, const struct packet_spec *s)
{
	bool fin_acknowledged;

	if (seq_after(s->ack, e->snd_nxt) || seq_before(s->ack, e->snd_una - (0xffffU << e->snd_wscale)))
		return false;
	if (!seq_before(s->ack, e->snd_una)) {
		e->snd_una = s->ack;
		e->snd_edge = seq_max(e->snd_edge, s->ack + ((__u32)s->window << e->snd_wscale));
	}
	fin_acknowledged = e->fin_sent && seq_after(e->snd_una, e->fin);
	if (e->state == TCPS_SYN_RECEIVED)
		e->state = TCPS_ESTABLISHED;
	else if (e->state == TCPS_FIN_WAIT_1 && fin_acknowledged)
		e->state = TCPS_FIN_WAIT_2;
	else if (e->state == TCPS_CLOSING && fin_acknowledged)
		e->state = TCPS_TIME_WAIT;
	else if (e->state == TCPS_LAST_ACK && fin_acknowledged)
		e->state = e->closed;
	return true;
}

/* Eighth */
static void receive_fin(struct end *e)
{
	e->rcv_nxt++;
	e->peers_fin_known = false;
	if (e->state == TCPS_ESTABLISHED)
		e->state = TCPS_CLOSE_WAIT;
	else if (e->state == TCPS_FIN_WAIT_1)
		e->state = TCPS_CLOSING;
	else if (e->state == TCPS_FIN_WAIT_2)
		e->state = TCPS_TIME_WAIT;
}

/* Seventh and eighth: what lies in the window is kept, and read as far as there is no hole. */
static enum end_answer receive_text(struct end *e, const struct packet_spec *s)
{
	bool open = e->state == TCPS_ESTABLISHED || e->state == TCPS_FIN_WAIT_1 || e->state == TCPS_FIN_WAIT_2;
	__u32 text_end = s->seq + s->payload_bytes, before = e->rcv_nxt;

	if (!s->payload_bytes && !(s->flags & TCP_FLAG_FIN))
		return END_SAYS_NOTHING;
	if (!open)
		return END_ACKS;
	for (__u32 at = seq_max(s->seq, e->rcv_nxt); seq_before(at, text_end) && seq_before(at, e->rcv_edge); at++)
		e->received[(at - e->irs - 1) % END_STREAM_BYTES] = true;
	if ((s->flags & TCP_FLAG_FIN) && !seq_before(text_end, e->rcv_nxt)) {
		e->peers_fin_known = true;
		e->peers_fin = text_end;
	}
	while (e->received[(e->rcv_nxt - e->irs - 1) % END_STREAM_BYTES])
		e->rcv_nxt++;
	if (e->peers_fin_known && e->rcv_nxt == e->peers_fin)
		receive_fin(e);
	return e->rcv_nxt == before ? END_ACKS : END_ACKS_LATER;
}

/* 3.10.7.4 */
static enum end_answer receive_connected(struct end *e, const struct packet_spec *s)
{
	struct tcp_options options = options_of(s);

	if (s->flags & TCP_FLAG_SYN)
		return e->state == TCPS_SYN_RECEIVED && s->seq == e->irs ? END_SYN_ACKS : END_ACKS;
	if (s->flags & TCP_FLAG_RST)
		return receive_reset(e, s);
	if (!in_window(e, s))
		return END_ACKS;
	if (!(s->flags & TCP_FLAG_ACK))
		return END_SAYS_NOTHING;
	if (e->state == TCPS_SYN_RECEIVED && s->ack != e->iss + 1)
		return reset_for(e, s);
	if (!receive_ack(e, s))
		return END_ACKS;
	if (options.has_timestamps && !seq_after(s->seq, e->rcv_wup) && seq_after(options.tsval, e->ts_recent))
		e->ts_recent = options.tsval;
	return receive_text(e, s);
}

enum end_answer end_receive(struct end *e, const struct packet_spec *s)
{
	switch (e->state) {
	case TCPS_CLOSED:
	case TCPS_LISTEN:
		return receive_unconnected(e, s);
	case TCPS_SYN_SENT:
		return receive_in_syn_sent(e, s);
	case TCPS_TIME_WAIT:
		return receive_in_time_wait(e, s);
	default:
		return receive_connected(e, s);
	}
}

/* --- what goes --- */

static struct packet_spec segment(struct end *e, __u8 flags, __u32 seq, __u32 payload_bytes)
{
	struct packet_spec spec = {
		.tuple = e->tuple,
		.direction = e->direction,
		.seq = seq,
		.ack = e->rcv_nxt,
		.flags = flags,
		.payload_bytes = payload_bytes,
	};
	__u32 offered = e->rcv_edge - e->rcv_nxt, window = e->buffer;

	if (seq_after(e->rcv_edge, e->rcv_nxt) && offered > window)
		window = offered; /* what was offered is not taken back */
	window = (window + (1U << e->rcv_wscale) - 1) >> e->rcv_wscale;
	spec.window = window > 0xffff ? 0xffff : window;
	e->rcv_wup = e->rcv_nxt;
	e->rcv_edge = seq_max(e->rcv_edge, e->rcv_nxt + ((__u32)spec.window << e->rcv_wscale));
	if (e->timestamps)
		packet_build_timestamps(&spec, e->tsval++, e->ts_recent);
	return spec;
}

static struct packet_spec syn(const struct end *e, __u8 flags)
{
	struct tcp_options offer = e->offer;
	struct packet_spec spec = {
		.tuple = e->tuple,
		.direction = e->direction,
		.seq = e->iss,
		.ack = flags & TCP_FLAG_ACK ? e->rcv_nxt : 0,
		.window = e->buffer > 0xffff ? 0xffff : e->buffer,
		.flags = flags,
	};

	offer.tsval = e->tsval;
	offer.tsecr = flags & TCP_FLAG_ACK ? e->ts_recent : 0;
	if (flags & TCP_FLAG_ACK) { /* only what the SYN had */
		offer.has_timestamps = e->timestamps;
		if (!e->rcv_wscale && !e->snd_wscale)
			offer.wscale = TCP_WSCALE_NONE;
	}
	packet_build_options(&spec, LAYOUT_LINUX, &offer);
	return spec;
}

struct packet_spec end_send_syn(struct end *e)
{
	e->tsval++;
	return syn(e, TCP_FLAG_SYN);
}

struct packet_spec end_send_syn_ack(struct end *e)
{
	struct packet_spec spec;

	if (e->state != TCPS_SYN_RECEIVED) {
		e->state = TCPS_SYN_RECEIVED;
		e->iss = e->snd_una = e->next_iss;
		e->snd_nxt = e->iss + 1;
		e->rcv_wup = e->rcv_nxt;
	}
	e->tsval++;
	spec = syn(e, TCP_FLAG_SYN | TCP_FLAG_ACK);
	e->rcv_edge = e->rcv_nxt + spec.window;
	return spec;
}

struct packet_spec end_send_ack(struct end *e)
{
	return segment(e, TCP_FLAG_ACK, e->snd_nxt, 0);
}

struct packet_spec end_send_reset(const struct end *e)
{
	const struct packet_spec *cause = &e->cause;
	bool has_ack = cause->flags & TCP_FLAG_ACK;
	__u32 length = cause->payload_bytes + !!(cause->flags & TCP_FLAG_SYN) + !!(cause->flags & TCP_FLAG_FIN);

	return (struct packet_spec){
		.tuple = e->tuple,
		.direction = e->direction,
		.seq = has_ack ? cause->ack : 0,
		.ack = has_ack ? 0 : cause->seq + length,
		.flags = TCP_FLAG_RST | (has_ack ? 0 : TCP_FLAG_ACK),
	};
}

struct packet_spec end_send_data(struct end *e, __u32 bytes)
{
	__u32 seq = e->snd_nxt;

	e->snd_nxt += bytes;
	return segment(e, TCP_FLAG_ACK | TCP_FLAG_PSH, seq, bytes);
}

struct packet_spec end_send_fin(struct end *e, __u32 bytes)
{
	__u32 seq = e->snd_nxt;

	e->fin_sent = true;
	e->fin = seq + bytes;
	e->snd_nxt = e->fin + 1;
	e->state = e->state == TCPS_CLOSE_WAIT ? TCPS_LAST_ACK : TCPS_FIN_WAIT_1;
	return segment(e, TCP_FLAG_ACK | TCP_FLAG_FIN, seq, bytes);
}

struct packet_spec end_send_again(struct end *e, __u32 bytes)
{
	__u32 end = e->fin_sent ? e->fin : e->snd_nxt, left = end - e->snd_una;

	if (bytes > left)
		bytes = left;
	return segment(e, TCP_FLAG_ACK | (e->fin_sent && bytes == left ? TCP_FLAG_FIN : 0), e->snd_una, bytes);
}

struct packet_spec end_send_abort(struct end *e)
{
	e->state = e->closed;
	return segment(e, TCP_FLAG_RST | TCP_FLAG_ACK, e->snd_nxt, 0);
}

/* RFC 9293, 3.8.4 */
struct packet_spec end_send_probe(struct end *e)
{
	return segment(e, TCP_FLAG_ACK, e->snd_nxt - 1, 0);
}

bool end_may_send(const struct end *e)
{
	return e->state == TCPS_ESTABLISHED || e->state == TCPS_CLOSE_WAIT;
}

bool end_has_unacknowledged(const struct end *e)
{
	return e->snd_una != e->snd_nxt;
}

__u32 end_room(const struct end *e)
{
	__u32 used = e->snd_nxt - e->iss, left = used < END_STREAM_BYTES ? END_STREAM_BYTES - used : 0;

	if (!end_may_send(e) || !seq_after(e->snd_edge, e->snd_nxt))
		return 0;
	return e->snd_edge - e->snd_nxt < left ? e->snd_edge - e->snd_nxt : left;
}
