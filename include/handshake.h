/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handshakes in which the owner has sent its SYN: what each segment makes of the half-open record, until the flow
 * begins or there is nothing to begin (RFC 9293, 3.10.7.3 and, for SYN-RECEIVED, 3.10.7.4).
 *
 *   SYN-SENT       our SYN      handshake_send_syn()
 *   SYN-RECEIVED   our SYN-ACK  handshake_send_syn_ack(), or the peer's SYN crossed ours (3.5, figure 7)
 *
 * Pure, as judge.h is: the record and the segment go in, the record is changed and a step comes out. The record of a
 * tuple that has none is all zeros, which is CLOSED. Handshakes by cookie have no such record.
 */
#ifndef SYNKEEP_HANDSHAKE_H
#define SYNKEEP_HANDSHAKE_H

#include "judge.h"
#include "tcp_options.h"

enum handshake {
	HANDSHAKE_STAYS,    /* nothing was changed */
	HANDSHAKE_STEPPED,  /* the record was changed */
	HANDSHAKE_COMPLETE, /* each end has acknowledged the other's SYN: handshake_to_flow() is due */
	HANDSHAKE_ENDED,    /* reset */
};

/* What both ends must want. */
#define HANDSHAKE_TERMS (FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS | FLOW_ECN)

/* ISS < SEG.ACK =< SND.NXT, whatever lies between them (3.10.7.3, first). */
static __always_inline bool handshake_is_number_ours(const struct half_open *h, __u32 number)
{
	return number - (h->iss + 1) <= h->snd_nxt - (h->iss + 1);
}

/* What a SYN's options and flags offer; a SYN-ACK takes ECN up with ECE alone (RFC 3168, 6.1.1). */
static __always_inline __u16 handshake_offer(const struct segment *s, const struct tcp_options *o)
{
	__u8 ecn = s->flags & (TCP_FLAG_ECE | TCP_FLAG_CWR);
	__u8 ecn_setup = s->flags & TCP_FLAG_ACK ? TCP_FLAG_ECE : TCP_FLAG_ECE | TCP_FLAG_CWR;

	return (o->wscale != TCP_WSCALE_NONE ? FLOW_WSCALE : 0) | (o->sack_permitted ? FLOW_SACK : 0) |
	       (o->has_timestamps ? FLOW_TIMESTAMPS : 0) | (ecn == ecn_setup ? FLOW_ECN : 0);
}

/* The peer's SYN, with our acknowledgement or without: what both want is agreed on. */
static __always_inline void handshake_take_syn(struct half_open *h, const struct segment *s,
					       const struct tcp_options *o)
{
	h->irs = s->seq;
	h->mss = o->mss;
	h->rcv_tsval = o->tsval;
	h->flags &= handshake_offer(s, o) | ~HANDSHAKE_TERMS;
	h->snd_wscale = h->flags & FLOW_WSCALE ? o->wscale : 0;
	if (!(h->flags & FLOW_WSCALE))
		h->rcv_wscale = 0;
}

/* 3.10.7.3. Text and FIN of a SYN-ACK are not there: Linux takes neither, and acknowledges the SYN alone. */
static __always_inline enum handshake handshake_in_syn_sent(struct half_open *h, const struct segment *s,
							    const struct tcp_options *o)
{
	/* first: ACK; an unacceptable one the owner resets, and its SYN goes on */
	if ((s->flags & TCP_FLAG_ACK) && !handshake_is_number_ours(h, s->ack))
		return HANDSHAKE_STAYS;
	/* second: RST, which only an acknowledgement of our SYN verifies */
	if (s->flags & TCP_FLAG_RST)
		return s->flags & TCP_FLAG_ACK ? HANDSHAKE_ENDED : HANDSHAKE_STAYS;
	/* fourth: SYN */
	if (!(s->flags & TCP_FLAG_SYN))
		return HANDSHAKE_STAYS;
	handshake_take_syn(h, s, o);
	if (s->flags & TCP_FLAG_ACK)
		return HANDSHAKE_COMPLETE;
	h->state = tcp_fsm_next(h->state, TCPE_RCV_SYN);
	return HANDSHAKE_STEPPED;
}

/* 3.10.7.4, as far as it can concern a handshake. */
static __always_inline enum handshake handshake_in_syn_received(struct half_open *h, const struct segment *s,
								const struct tcp_options *o)
{
	if (s->flags & TCP_FLAG_RST)
		return s->seq == h->irs + 1 ? HANDSHAKE_ENDED : HANDSHAKE_STAYS;
	if (!(s->flags & TCP_FLAG_ACK) || !handshake_is_number_ours(h, s->ack))
		return HANDSHAKE_STAYS;
	if (!(s->flags & TCP_FLAG_SYN))
		return s->seq - (h->irs + 1) <= h->rcv_wnd ? HANDSHAKE_COMPLETE : HANDSHAKE_STAYS;
	/* The peer's SYN again, now with the acknowledgement of ours, which crossed it. */
	if (!(h->flags & FLOW_OUTGOING) || s->seq != h->irs)
		return HANDSHAKE_STAYS;
	h->rcv_tsval = o->tsval;
	return HANDSHAKE_COMPLETE;
}

/* A segment of the peer's; its options matter where it is a SYN. */
static __always_inline enum handshake handshake_receive(struct half_open *h, const struct segment *s,
							const struct tcp_options *o)
{
	return h->state == TCPS_SYN_SENT ? handshake_in_syn_sent(h, s, o) : handshake_in_syn_received(h, s, o);
}

static __always_inline void handshake_count_syn(struct half_open *h, const struct segment *s,
						const struct tcp_options *o)
{
	h->snd_nxt = seq_max(h->snd_nxt, s->seq + 1 + s->payload_bytes);
	h->snd_tsval = o->tsval;
	h->rcv_wnd = s->window;
	if (h->syns < 255)
		h->syns++;
}

/*
 * A SYN of ours: the first begins the record. Sent again it may offer less; behind a crossing it is too late for that.
 */
static __always_inline void handshake_send_syn(struct half_open *h, const struct segment *s,
					       const struct tcp_options *o)
{
	if (h->state == TCPS_CLOSED || h->iss != s->seq)
		*h = (struct half_open){ .iss = s->seq,
					 .snd_nxt = s->seq,
					 .state = tcp_fsm_next(TCPS_CLOSED, TCPE_SND_SYN) };
	handshake_count_syn(h, s, o);
	if (h->state != TCPS_SYN_SENT)
		return;
	h->flags = FLOW_OUTGOING | handshake_offer(s, o);
	h->rcv_wscale = h->flags & FLOW_WSCALE ? o->wscale : 0;
}

/*
 * A SYN-ACK of ours. True: it begins the record, whose terms are not known yet. In a simultaneous open it tells that
 * the peer's SYN came, whether that was seen or not.
 */
static __always_inline bool handshake_send_syn_ack(struct half_open *h, const struct segment *s,
						   const struct tcp_options *o)
{
	bool begins = h->state == TCPS_CLOSED || h->iss != s->seq;

	if (begins)
		*h = (struct half_open){ .iss = s->seq, .snd_nxt = s->seq, .state = TCPS_LISTEN };
	h->state = tcp_fsm_next(h->state, TCPE_RCV_SYN);
	h->irs = s->ack - 1;
	handshake_count_syn(h, s, o);
	return begins;
}

/* A segment of ours that is no SYN: text before the handshake is complete (RFC 7413), or the end of it. */
static __always_inline enum handshake handshake_send(struct half_open *h, const struct segment *s)
{
	/* A RST with another number answers a forged segment. */
	if (s->flags & TCP_FLAG_RST)
		return handshake_is_number_ours(h, s->seq) ? HANDSHAKE_ENDED : HANDSHAKE_STAYS;
	if (!seq_after(s->seq + s->payload_bytes, h->snd_nxt))
		return HANDSHAKE_STAYS;
	h->snd_nxt = s->seq + s->payload_bytes;
	return HANDSHAKE_STEPPED;
}

/*
 * The flow of a handshake that is complete, f being all zeros. A SYN-ACK has opened it; an ACK does so when it is
 * judged as the flow's first segment. The windows of SYNs are never shifted, those of a flow are kept as if they were.
 */
static __always_inline void handshake_to_flow(const struct half_open *h, const struct segment *s, struct flow *f)
{
	f->state = h->state;
	f->owner = h->owner;
	f->flags = h->flags;
	f->snd_wscale = h->snd_wscale;
	f->rcv_wscale = h->rcv_wscale;
	f->mss = h->mss;
	f->irs = h->irs;
	f->iss = h->iss;
	f->rcv_nxt = h->irs + 1;
	f->rcv_wup = h->irs + 1;
	f->rcv_edge = h->irs + 1 + h->rcv_wnd;
	f->rcv_wnd = h->rcv_wnd >> h->rcv_wscale;
	f->snd_nxt = h->snd_nxt;
	f->snd_una = h->iss;
	f->rcv_tsval = s->flags & TCP_FLAG_SYN ? h->rcv_tsval : s->tsval;
	f->snd_tsval = h->snd_tsval;
	if (!(s->flags & TCP_FLAG_SYN))
		return;
	flow_step(f, TCPE_RCV_SYN_ACK);
	f->snd_una = s->ack;
	f->snd_wnd = s->window >> h->snd_wscale;
}

#endif /* SYNKEEP_HANDSHAKE_H */
