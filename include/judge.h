/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The judge: whether a segment belongs to a connection, and what it changes in the record.
 *
 * One function a direction, in the order of RFC 9293, 3.10.7.4. Pure: the record, the segment and the time go in; the
 * record is changed and a judgement comes out. The BPF programs call it under the record's lock; unit tests, the fuzzer
 * and the differential test call the same code in user space.
 *
 * What comes from the peer is judged as the owner's socket will judge it: against the last acknowledgement that the
 * owner sent and the right edge that it offered, as Linux does (tcp_sequence()). A segment that fails steps nothing.
 * What the owner sends is believed: it is the truth about the connection.
 *
 * A record runs ahead of the socket where a segment passed here and was lost behind (a full queue, a bad checksum); it
 * is right again with the retransmission.
 */
#ifndef SYNKEEP_JUDGE_H
#define SYNKEEP_JUDGE_H

#include "flow.h"
#include "seq.h"
#include "timeouts.h"

enum tcp_flag {
	TCP_FLAG_FIN = 0x01,
	TCP_FLAG_SYN = 0x02,
	TCP_FLAG_RST = 0x04,
	TCP_FLAG_PSH = 0x08,
	TCP_FLAG_ACK = 0x10,
	TCP_FLAG_URG = 0x20,
	TCP_FLAG_ECE = 0x40,
	TCP_FLAG_CWR = 0x80,
};

/* A TCP segment's header in host order, and what it weighs. */
struct segment {
	__u32 seq;
	__u32 ack;
	__u32 payload_bytes;
	__u32 packet_bytes; /* the IP packet, or all packets that a GSO super-packet is cut into */
	__u32 packets;
	__u32 tsval; /* valid if has_timestamps */
	__u32 tsecr;
	__u16 window; /* as in the header, unshifted */
	__u8 flags;   /* enum tcp_flag */
	bool has_timestamps;
	__be32 ip_first; /* the first four bytes of the IP header */
	/* Of what the owner sends, as struct flow has them. */
	__u8 next_hop[6];
	__u16 vlan_tci;
};

enum direction {
	DIRECTION_RCV, /* from the peer to the owner */
	DIRECTION_SND, /* from the owner to the peer */
};

enum judgement {
	JUDGE_TAKEN,	     /* acceptable: the record was stepped */
	JUDGE_PROBE,	     /* a keepalive probe (RFC 9293, 3.8.4): shows that the peer lives, changes nothing */
	JUDGE_ANSWER,	     /* the answer to a probe that Synkeep sent: likewise, and the owner need not see it */
	JUDGE_OUT_OF_WINDOW, /* 3.10.7.4, first, or too old by its timestamp: nothing was changed */
	JUDGE_CHALLENGED,    /* a SYN, or a RST not exactly at RCV.NXT (RFC 5961, 3 and 4): nothing was changed */
	JUDGE_BAD_ACK,	     /* acknowledges what was never sent, or long ago (RFC 5961, 5): nothing was changed */
	JUDGE_NO_ACK,	     /* neither ACK nor RST nor SYN: nothing was changed */
};

/* The one place that writes a flow's state. */
static __always_inline void flow_step(struct flow *f, enum tcp_event event)
{
	f->state = tcp_fsm_next(f->state, event);
}

/* A flow in TIME_WAIT or CLOSED has left the table of live connections. */
static __always_inline bool flow_has_ended(const struct flow *f)
{
	return f->state == TCPS_TIME_WAIT || f->state == TCPS_CLOSED;
}

static __always_inline void judge_count(struct flow *f, const struct segment *s, enum direction direction)
{
	if (direction == DIRECTION_RCV) {
		f->rcv_packets += s->packets;
		f->rcv_bytes += s->packet_bytes;
	} else {
		f->snd_packets += s->packets;
		f->snd_bytes += s->packet_bytes;
	}
}

/*
 * Until the owner has shown that it has the connection, the record is short-lived: its accept queue may be full, or a
 * firewall behind the programs may have dropped the ACK. Where keepalive finds out if the peer is gone, one in the
 * queue lives on: a peer may have connected to say nothing.
 */
static __always_inline void judge_refresh(struct flow *f, __u64 now_ns, __u64 msl_ns)
{
	__u64 timeout_ns = tcp_state_timeout_ns(f->state, msl_ns);
	__u64 longest_ns =
		f->flags & FLOW_QUEUED ? TCP_UNUSED_TIMEOUT_NS : tcp_state_timeout_ns(TCPS_SYN_RECEIVED, msl_ns);

	if ((f->flags & FLOW_HANDOVER) && !(f->flags & FLOW_KEEPALIVE) && timeout_ns > longest_ns)
		timeout_ns = longest_ns;
	f->deadline_ns = now_ns + timeout_ns;
}

/* The peer's FIN is complete once everything before it is: it takes one sequence number and raises its event. */
static __always_inline void judge_take_fin(struct flow *f)
{
	if (!(f->flags & FLOW_RCV_FIN_AHEAD) || seq_before(f->rcv_nxt, f->rcv_max))
		return;
	f->flags &= ~FLOW_RCV_FIN_AHEAD;
	if (seq_after(f->rcv_nxt, f->rcv_max + 1))
		return; /* an old one: text has come where it said the end was */
	f->flags |= FLOW_RCV_FIN;
	f->rcv_nxt = seq_max(f->rcv_nxt, f->rcv_max + 1);
	flow_step(f, TCPE_RCV_FIN);
}

/* 3.10.7.4, fifth: ACK. One that is older than the last leaves the peer's window as it is. */
static __always_inline void judge_take_ack(struct flow *f, const struct segment *s)
{
	if (!seq_before(s->ack, f->snd_una)) {
		f->snd_una = s->ack;
		f->snd_wnd = s->window;
	}
	if (f->state == TCPS_SYN_RECEIVED)
		flow_step(f, TCPE_RCV_ACK_OF_SYN);
	if ((f->flags & FLOW_SND_FIN) && seq_after(s->ack, f->snd_fin))
		flow_step(f, TCPE_RCV_ACK_OF_FIN);
}

/* RFC 7323, 4.3: the segment that spans the last acknowledgement carries the timestamp to echo, if it is not older. */
static __always_inline void judge_take_timestamp(struct flow *f, const struct segment *s)
{
	if (s->has_timestamps && !seq_after(s->seq, f->rcv_wup) && !seq_before(s->tsval, f->rcv_tsval))
		f->rcv_tsval = s->tsval;
}

/* Whether something came that lies behind a hole; where there is none, rcv_max is not in the window. */
static __always_inline bool judge_has_hole(const struct flow *f)
{
	return f->rcv_max - f->rcv_nxt - 1 < f->rcv_edge - f->rcv_nxt;
}

/*
 * 3.10.7.4, seventh and eighth: text and FIN. Text beyond the offered edge is cut off; a FIN behind it counts once all
 * before it is there. A FIN before RCV.NXT is not one: text has come where it says the end is.
 */
static __always_inline void judge_take_text(struct flow *f, const struct segment *s)
{
	__u32 text_end = s->seq + s->payload_bytes;

	if (f->flags & FLOW_RCV_FIN)
		return; /* after the FIN there is nothing (3.10.7.4: "this should not occur") */
	if (!seq_after(s->seq, f->rcv_nxt))
		f->rcv_nxt = seq_max(f->rcv_nxt, seq_after(text_end, f->rcv_edge) ? f->rcv_edge : text_end);
	else if (s->payload_bytes && !(f->flags & FLOW_RCV_FIN_AHEAD))
		f->rcv_max = judge_has_hole(f) ? seq_max(f->rcv_max, text_end) : text_end;
	if ((s->flags & TCP_FLAG_FIN) && !seq_before(text_end, f->rcv_nxt)) {
		f->flags |= FLOW_RCV_FIN_AHEAD;
		f->rcv_max = text_end;
	}
	judge_take_fin(f);
}

/*
 * A RST counts where its number is exactly the next one expected (RFC 5961, 3.2). A hook beside the socket may have
 * seen data that the socket has not, so the owner's last acknowledgement counts as well. So does what a peer sends that
 * closed, or has data on the way, and then aborts, for Linux takes it (tcp_validate_incoming()): the number of its FIN,
 * and with SACK the end of the last block that we would acknowledge.
 */
static __always_inline bool judge_rst_is_exact(const struct flow *f, const struct segment *s)
{
	bool fin_ahead = f->flags & FLOW_RCV_FIN_AHEAD;

	if (s->seq == f->rcv_nxt || s->seq == f->rcv_wup)
		return true;
	if (f->flags & FLOW_RCV_FIN)
		return s->seq == f->rcv_nxt - 1;
	return (f->flags & FLOW_SACK) && judge_has_hole(f) && s->seq == f->rcv_max + fin_ahead;
}

/* How long TS.Recent holds: in the fastest clock that RFC 7323, 5.4 allows for, 2^31 ticks. Linux has the same. */
#define JUDGE_TIMESTAMP_LIFE_MS 2147000

/*
 * RFC 7323, 5.3, R1: a segment whose timestamp is older than the last is one of long ago, and its number may be in the
 * window by chance. As Linux has it, a tick is forgiven, and all is where the peer was silent for too long.
 */
static __always_inline bool judge_is_old(const struct flow *f, const struct segment *s, __u64 now_ns)
{
	if (!s->has_timestamps || !(f->flags & FLOW_TIMESTAMPS) || (__s32)(f->rcv_tsval - s->tsval) <= 1)
		return false;
	return f->rcv_tsval && (__u32)(now_ns / NSEC_PER_MSEC) - f->rcv_seen_ms < JUDGE_TIMESTAMP_LIFE_MS;
}

/* Out of the window by one: what a keepalive sends (RFC 9293, 3.8.4). With a garbage octet it reaches the window. */
static __always_inline bool judge_is_probe(const struct flow *f, const struct segment *s)
{
	return s->seq == f->rcv_nxt - 1 && !s->payload_bytes && !seq_after(s->ack, f->snd_nxt) &&
	       (s->flags & (TCP_FLAG_ACK | TCP_FLAG_SYN | TCP_FLAG_RST | TCP_FLAG_FIN)) == TCP_FLAG_ACK;
}

/* RFC 3168, 5: the packet was marked on its way. */
static __always_inline bool judge_is_ce_marked(const struct segment *s)
{
	__u32 first = host32(s->ip_first);

	return (first >> (first >> 28 == 4 ? 16 : 20) & 3) == 3;
}

/* No IP options, and no TCP options but the timestamps, where both ends want them, in the common place. */
static __always_inline bool judge_is_bare(const struct flow *f, const struct segment *s)
{
	bool timestamps = f->flags & FLOW_TIMESTAMPS;
	__u32 header_bytes = (host32(s->ip_first) >> 28 == 4 ? 20 : 40) + 20 + (timestamps ? 12 : 0);

	return s->has_timestamps == timestamps && s->packet_bytes - s->payload_bytes == s->packets * header_bytes;
}

/*
 * How far a TSval may be ahead of TS.Recent in what the owner does not see. TS.Recent stays then, and before the TSvals
 * have gone half round, when they would look old, the owner has to hear of one (RFC 7323, 5.5).
 */
#define JUDGE_TSVAL_AHEAD_MAX (1U << 30)

/*
 * What a peer says that was asked by Synkeep, and nothing else: all in it is what the owner knows. The owner has sent
 * nothing since and waits for no acknowledgement, so it does not miss this one. In doubt it is not one.
 */
static __always_inline bool judge_is_answer(const struct flow *f, const struct segment *s)
{
	if (!(f->probes & FLOW_PROBE_AWAITED) || (f->flags & (FLOW_HANDOVER | FLOW_RCV_FIN_AHEAD)))
		return false;
	if (s->flags != TCP_FLAG_ACK || s->payload_bytes || s->seq != f->rcv_nxt || judge_has_hole(f))
		return false;
	if (s->ack != f->snd_nxt || f->snd_una != f->snd_nxt || s->window != f->snd_wnd)
		return false;
	if (s->has_timestamps && s->tsval - f->rcv_tsval > JUDGE_TSVAL_AHEAD_MAX)
		return false;
	return judge_is_bare(f, s) && !judge_is_ce_marked(s);
}

static __always_inline bool judge_ack_is_acceptable(const struct flow *f, const struct segment *s)
{
	if (f->state == TCPS_SYN_RECEIVED && !seq_after(s->ack, f->snd_una))
		return false; /* our SYN is still not acknowledged */
	/* RFC 5961, 5.2: neither what was never sent, nor what is older than the largest window */
	return !seq_after(s->ack, f->snd_nxt) && !seq_before(s->ack, f->snd_una - (0xffffU << f->snd_wscale));
}

static __always_inline enum judgement judge_receive(struct flow *f, const struct segment *s, __u64 now_ns)
{
	__u32 end = s->seq + s->payload_bytes + !!(s->flags & TCP_FLAG_FIN);

	/* fourth, before all else: a SYN is challenged whatever its sequence number (RFC 5961, 4.2) */
	if (s->flags & TCP_FLAG_SYN)
		return JUDGE_CHALLENGED;
	/* second: RST, which may stand one before the window */
	if ((s->flags & TCP_FLAG_RST) && judge_rst_is_exact(f, s)) {
		flow_step(f, TCPE_RCV_RST);
		return JUDGE_TAKEN;
	}
	/* first: the sequence number, and the timestamp, which a RST need not have right (RFC 7323, 5.2) */
	if (!(s->flags & TCP_FLAG_RST) && judge_is_old(f, s, now_ns))
		return JUDGE_OUT_OF_WINDOW;
	if (seq_before(end, f->rcv_wup) || seq_after(s->seq, f->rcv_edge))
		return judge_is_probe(f, s) ? JUDGE_PROBE : JUDGE_OUT_OF_WINDOW;
	if (s->flags & TCP_FLAG_RST)
		return JUDGE_CHALLENGED;
	/* fifth: ACK */
	if (!(s->flags & TCP_FLAG_ACK))
		return JUDGE_NO_ACK;
	if (!judge_ack_is_acceptable(f, s))
		return JUDGE_BAD_ACK;
	if (judge_is_answer(f, s))
		return JUDGE_ANSWER;
	judge_take_ack(f, s);
	judge_take_timestamp(f, s);
	/* seventh and eighth: text and FIN; third and sixth, security and URG, are the owner's */
	judge_take_text(f, s);
	return JUDGE_TAKEN;
}

/*
 * How what the owner sends leaves, for what is sent in its place. Not of a segment with other options than timestamps:
 * it may be signed (MD5, AO), and where all are nobody else's are believed, so such a connection is never probed.
 *
 * The clock of the TSvals can be read off snd_tsval at snd_seen_ms, so both are taken, or neither.
 */
static __always_inline void judge_learn_way(struct flow *f, const struct segment *s, __u64 now_ns)
{
	if (s->has_timestamps)
		f->snd_tsval = s->tsval;
	if (s->has_timestamps || !(f->flags & FLOW_TIMESTAMPS))
		f->snd_seen_ms = (__u32)(now_ns / NSEC_PER_MSEC);
	if (!judge_is_bare(f, s))
		return;
	__builtin_memcpy(f->next_hop, s->next_hop, sizeof(f->next_hop));
	f->vlan_tci = s->vlan_tci;
	f->ip_first = s->ip_first;
}

static __always_inline enum judgement judge_send(struct flow *f, const struct segment *s, __u64 now_ns)
{
	__u32 text_end = s->seq + s->payload_bytes;

	/*
	 * What comes from now on may answer this segment. If a probe is counted between load and store, it is as if it
	 * had not been: its answer passes, and one more may follow it.
	 */
	if (f->probes & FLOW_PROBE_AWAITED)
		f->probes &= ~FLOW_PROBE_AWAITED;
	/* An abort goes out at SND.NXT or SND.UNA. Another RST answers a forged segment, and the connection goes on. */
	if (s->flags & TCP_FLAG_RST) {
		if (seq_before(s->seq, f->snd_una) || seq_after(s->seq, f->snd_nxt))
			return JUDGE_OUT_OF_WINDOW;
		f->flags |= FLOW_SND_RST;
		flow_step(f, TCPE_SND_RST);
		return JUDGE_TAKEN;
	}
	if (s->flags & TCP_FLAG_SYN)
		return JUDGE_TAKEN; /* a SYN-ACK again; a new connection's was told apart before */
	f->flags &= ~FLOW_HANDOVER;
	f->snd_nxt = seq_max(f->snd_nxt, text_end);
	judge_learn_way(f, s, now_ns);
	if (s->has_timestamps)
		f->rcv_tsval = s->tsecr; /* the socket's own TS.Recent */
	if (s->flags & TCP_FLAG_ACK) {
		f->rcv_wup = seq_max(f->rcv_wup, s->ack);
		f->rcv_nxt = seq_max(f->rcv_nxt, s->ack);
		f->rcv_wnd = s->window;
		f->rcv_edge = seq_max(f->rcv_edge, s->ack + ((__u32)s->window << f->rcv_wscale));
		judge_take_fin(f); /* what filled the hole was seen by the socket only; before a FIN that answers it */
	}
	if (s->flags & TCP_FLAG_FIN) {
		f->snd_nxt = seq_max(f->snd_nxt, text_end + 1);
		f->snd_fin = text_end;
		f->flags |= FLOW_SND_FIN;
		flow_step(f, TCPE_SND_FIN);
	}
	return JUDGE_TAKEN;
}

/* Whether the segment is of the connection, and its sender there. */
static __always_inline bool judgement_shows_life(enum judgement judgement)
{
	return judgement == JUDGE_TAKEN || judgement == JUDGE_PROBE || judgement == JUDGE_ANSWER;
}

/*
 * The peer is there, whatever was asked. A RST says that it is not, and leaves the probes for who tells why the
 * connection ended. A probe that is counted at this moment may be forgotten: then its answer passes.
 */
static __always_inline void judge_heard(struct flow *f, const struct segment *s, __u64 now_ns)
{
	f->rcv_seen_ms = (__u32)(now_ns / NSEC_PER_MSEC);
	if (!(s->flags & TCP_FLAG_RST))
		f->probes = 0;
}

/*
 * Judges the segment, steps the record and moves its deadline. Every segment is counted, acceptable or not; the others
 * change nothing. now_ns is CLOCK_MONOTONIC, msl_ns the maximum segment lifetime.
 */
static __always_inline enum judgement flow_judge(struct flow *f, const struct segment *s, enum direction direction,
						 __u64 now_ns, __u64 msl_ns)
{
	enum judgement judgement;

	judge_count(f, s, direction);
	judgement = direction == DIRECTION_RCV ? judge_receive(f, s, now_ns) : judge_send(f, s, now_ns);
	if (!judgement_shows_life(judgement))
		return judgement;
	if (direction == DIRECTION_RCV)
		judge_heard(f, s, now_ns);
	judge_refresh(f, now_ns, msl_ns);
	return judgement;
}

#endif /* SYNKEEP_JUDGE_H */
