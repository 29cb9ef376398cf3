/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was sent and is not acknowledged: the scoreboard (RFC 2018, 8; RFC 6675), and what it tells of losses
 * (RACK-TLP, RFC 8985).
 *
 * One entry a segment, in the order of sequence numbers, SYN and FIN taking one number each. The entries are there only
 * while something is in flight. Without SACK the third duplicate acknowledgement marks the first segment lost
 * (RFC 5681, 3.2), and each partial acknowledgement the next one (RFC 6582).
 */
#ifndef SYNKEEP_TCP_SENT_H
#define SYNKEEP_TCP_SENT_H

#include "tcp/memory.h"
#include "tcp/rtt.h"

#define SENT_SACK_BLOCKS_MAX 4 /* that fit a header; three beside timestamps */

struct sack_block {
	__u32 start;
	__u32 end; /* the number behind the last */
};

enum sent_flag {
	SENT_SACKED = 1 << 0,
	SENT_LOST = 1 << 1,	     /* to be sent again, and not counted as in flight */
	SENT_RETRANSMITTED = 1 << 2, /* ever: gives no round trip without timestamps */
	SENT_DELIVERED = 1 << 3,     /* was sacked before a time-out: not delivered for the first time again */
};

/* As RACK-TLP asks it (RFC 8985, 6.2, step 4; 7.2): whether something is being repaired, and since what. */
enum sent_repair {
	SENT_NO_REPAIR,
	SENT_FAST_RECOVERY,
	SENT_TIMED_OUT,
} __attribute__((packed));

struct sent_segment {
	__u32 seq;
	__u32 end;
	__u64 sent_ns; /* the last time */
	__u16 earlier; /* in flight: its neighbours in the order of RFC 8985's RACK_sent_after(), a circle */
	__u16 later;   /* sacked: all that lies before this one is, too (see sent.c) */
	__u8 flags;    /* enum sent_flag */
};

/*
 * All zero: nothing was sent. The caller may set sack at the start where no acknowledgement will tell it, as after a
 * handshake by cookie: without it there is no probe.
 */
struct sent {
	struct sent_segment *segments; /* a ring; NULL while capacity is 0 */

	/* RFC 8985, 5.2 and 5.3 */
	__u64 rack_sent_ns;  /* RACK.xmit_ts; 0: nothing was delivered yet */
	__u64 reordering_ns; /* when the reordering timer runs out; 0: there is none */
	__u64 probe_from_ns; /* the last new data, or acknowledgement that advanced: PTO counts from it (7.2) */
	__u32 rack_end;	     /* RACK.end_seq */
	__u32 rack_rtt_us;
	__u32 rack_fack;       /* the highest number that was delivered */
	__u32 duplicate_round; /* RACK.dsack_round */
	__u32 probe_end;       /* TLP.end_seq, while probe_out */

	__u32 in_flight_bytes; /* sent less sacked and lost: RFC 6675's pipe */
	__u32 sacked_bytes;
	__u32 lost_bytes;

	__u32 repair_from; /* SND.UNA and SND.NXT when the repair began; they stay when it has ended, for undoing and */
	__u32 repair_end;  /* for RFC 6582's "recover" */
	__u32 undo_bytes;  /* sent again since, and not yet told to be duplicates */

	__u16 capacity; /* a power of two */
	__u16 head; /* entries have numbers, modulo 2^16: this is the first's, and its place is this modulo capacity */
	__u16 count;
	__u16 sacked_count; /* RACK.segs_sacked */
	__u16 oldest;	    /* in flight: the one sent first, where in_flight_bytes */
	__u16 first_lost;   /* none before it is lost */

	__u8 duplicate_acks; /* without SACK */
	__u8 window_steps;   /* RACK.reo_wnd_mult, less one */
	__u8 window_persist; /* RACK.reo_wnd_persist */
	enum sent_repair repair;
	bool sack : 1;		     /* was negotiated, said the last acknowledgement */
	bool reordering : 1;	     /* was seen (RFC 8985, 6.2, step 3) */
	bool in_duplicate_round : 1; /* RACK.dsack_round is not None */
	bool probe_out : 1;
	bool probe_is_again : 1;  /* TLP.is_retrans */
	bool probe_unsampled : 1; /* no round trip was measured since the last probe (7.3) */
};

/* What an acknowledgement has to say. */
struct sent_ack {
	__u64 now_ns;
	__u32 snd_una;	   /* before it */
	__u32 ack;	   /* SEG.ACK, acceptable: snd_una or later */
	__u32 echo_rtt_us; /* by the timestamp that it echoes, 0: none (RFC 7323, 4.1) */
	__u8 block_count;
	bool sack;	   /* was negotiated */
	bool is_duplicate; /* as RFC 5681, 2 defines it, (b) to (e); with SACK too (RFC 8985, 7.4) */
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX]; /* as they came: to be checked here (RFC 2018, RFC 2883) */
};

struct sent_result {
	__u32 delivered_bytes; /* that left the network by this acknowledgement for the first time */
	__u32 rtt_us;	       /* the sample that it gives by Karn's rule or by timestamps; 0: none */
	bool new_losses;       /* segments were marked lost */
	bool duplicate_seen;   /* a D-SACK block (RFC 2883) */
	bool spurious;	       /* all that was retransmitted since the last loss was not lost, D-SACK says */
	bool probe_repaired;   /* a tail loss probe filled a hole: a loss for congestion control (RFC 8985, 7.4) */
};

/*
 * Notes that [seq, end) was sent for the first time, behind all that was. 0, or -ENOMEM: then it must not be sent.
 * SENT_SEGMENTS_MAX entries are the most.
 */
#define SENT_SEGMENTS_MAX 32768
int sent_add(struct sent *sent, struct memory_account *account, __u32 seq, __u32 end, __u64 now_ns);

/* Makes room for one more: the next sent_add() will not fail. 0 or -ENOMEM. */
int sent_reserve(struct sent *sent, struct memory_account *account);

/* Takes an acknowledgement: entries go, are marked sacked, and RACK marks those lost that must be (6.2, steps 1 to 5).
 */
void sent_take_ack(struct sent *sent, struct memory_account *account, const struct sent_ack *ack, const struct rtt *rtt,
		   struct sent_result *result);

/*
 * RFC 8985, 6.2, step 5: marks what is lost by now. Returns the time at which more will be, if nothing comes before
 * (the reordering timer: all that was sent before RACK's segment); 0: nothing to wait for. *new_losses: something was
 * marked.
 */
__u64 sent_find_losses(struct sent *sent, const struct rtt *rtt, __u64 now_ns, bool *new_losses);

/* The reordering timer that sent_take_ack() left, as above; 0: none. */
__u64 sent_reordering_ns(const struct sent *sent);

/*
 * The first entry to send again; NULL: none. Valid until the next call of another function, but for sent_again() and
 * sent_split().
 */
struct sent_segment *sent_first_lost(struct sent *sent);

/*
 * Cuts an entry in two where it is longer than length bytes, as a smaller path MTU or window asks for. The ring may
 * move by it: *segment is then the first half, at its new place. One that was sacked stays whole. 0 or -ENOMEM.
 */
int sent_split(struct sent *sent, struct memory_account *account, struct sent_segment **segment, __u32 length);

/* It was sent again, as a loss or as a probe: no longer lost, in flight anew. */
void sent_again(struct sent *sent, struct sent_segment *segment, __u64 now_ns);

/* The first entry, whatever its marks, for a time-out or a probe of the path; NULL: nothing is in flight. */
struct sent_segment *sent_first(struct sent *sent);

/* The last entry, for a tail loss probe (RFC 8985, 7.3). */
struct sent_segment *sent_last(struct sent *sent);

/*
 * The time-out (RFC 6298, 5.4; RFC 2018, 8): everything that was sacked is forgotten, everything is lost. Departs from
 * RFC 8985, 6.3, which spares what was sent within the last round trip: after the first segment, the congestion window
 * and acknowledgements decide what is sent again.
 */
void sent_time_out(struct sent *sent);

/*
 * RFC 8985, 7.2: when to send a tail loss probe, counted from the last new data or acknowledgement that advanced; 0:
 * there is no reason to (nothing in flight, no SACK, no round trip measured since the last probe, or a probe is out
 * already, or something is being repaired). The caller, who knows when the time-out runs out, takes that where it is
 * earlier, and sends the probe in its stead.
 */
__u64 sent_probe_at_ns(const struct sent *sent, const struct rtt *rtt);

/*
 * 7.3: a probe went out, after sent_add() or sent_again() of it; end: SND.NXT; is_new: with data that was not sent
 * before. 7.4 is part of sent_take_ack().
 */
void sent_probed(struct sent *sent, __u32 end, bool is_new);

/* Gives the memory back; the rest stays as it is. */
void sent_free(struct sent *sent, struct memory_account *account);

#endif /* SYNKEEP_TCP_SENT_H */
