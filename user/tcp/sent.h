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
};

struct sent_segment {
	__u32 seq;
	__u32 end;
	__u64 sent_ns; /* the last time */
	__u8 flags;    /* enum sent_flag */
};

struct sent {
	struct sent_segment *segments; /* a ring; NULL while capacity is 0 */
	__u16 capacity;		       /* a power of two */
	__u16 head;
	__u16 count;
	__u8 duplicate_acks;   /* without SACK */
	bool reordering;       /* was seen (RFC 8985, 6.2, step 3) */
	__u32 in_flight_bytes; /* sent less sacked and lost: RFC 6675's pipe */
	__u32 sacked_bytes;
	__u32 lost_bytes;
	/* RFC 8985, 5.2 and 5.3; the implementer adds what is missing, each with its comment */
	__u64 rack_sent_ns; /* RACK.xmit_ts */
	__u32 rack_end;	    /* RACK.end_seq */
	__u32 rack_rtt_us;
};

/* What an acknowledgement has to say. */
struct sent_ack {
	__u64 now_ns;
	__u32 snd_una;	   /* before it */
	__u32 ack;	   /* SEG.ACK, acceptable: snd_una or later */
	__u32 echo_rtt_us; /* by the timestamp that it echoes, 0: none (RFC 7323, 4.1) */
	__u8 block_count;
	bool sack;	   /* was negotiated */
	bool is_duplicate; /* as RFC 5681, 2 defines it; without SACK */
	bool window_changed;
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX]; /* as they came: to be checked here (RFC 2018, RFC 2883) */
};

struct sent_result {
	__u32 delivered_bytes; /* that left the network by this acknowledgement for the first time */
	__u32 rtt_us;	       /* the sample that it gives by Karn's rule or by timestamps; 0: none */
	bool new_losses;       /* segments were marked lost */
	bool duplicate_seen;   /* a D-SACK block (RFC 2883) */
	bool spurious;	       /* all that was retransmitted since the last loss was not lost, D-SACK says */
};

/*
 * Notes that [seq, end) was sent for the first time, behind all that was. 0, or -ENOMEM: then it must not be sent.
 * SENT_SEGMENTS_MAX entries are the most.
 */
#define SENT_SEGMENTS_MAX 32768
int sent_add(struct sent *sent, struct memory_account *account, __u32 seq, __u32 end, __u64 now_ns);

/* Takes an acknowledgement: entries go, are marked sacked, and RACK marks those lost that must be (6.2, steps 1 to 5).
 */
void sent_take_ack(struct sent *sent, struct memory_account *account, const struct sent_ack *ack, const struct rtt *rtt,
		   struct sent_result *result);

/*
 * RFC 8985, 6.2, step 5: marks what is lost by now. Returns the time at which more will be, if nothing comes before
 * (the reordering timer); 0: nothing to wait for. *new_losses: something was marked.
 */
__u64 sent_find_losses(struct sent *sent, const struct rtt *rtt, __u64 now_ns, bool *new_losses);

/* The reordering timer that sent_take_ack() left, as above; 0: none. */
__u64 sent_reordering_ns(const struct sent *sent);

/* The first entry to send again; NULL: none. Valid until the next call of another function. */
struct sent_segment *sent_first_lost(struct sent *sent);

/*
 * Cuts an entry in two where it is longer than length bytes, as a smaller path MTU or window asks for; the first half
 * stays *segment's place. 0 or -ENOMEM.
 */
int sent_split(struct sent *sent, struct memory_account *account, struct sent_segment *segment, __u32 length);

/* It was sent again: no longer lost, in flight anew. */
void sent_again(struct sent *sent, struct sent_segment *segment, __u64 now_ns);

/* The first entry, whatever its marks, for a time-out or a probe of the path; NULL: nothing is in flight. */
struct sent_segment *sent_first(struct sent *sent);

/* The last entry, for a tail loss probe (RFC 8985, 7.3). */
struct sent_segment *sent_last(struct sent *sent);

/* The time-out (RFC 8985, 6.3; RFC 2018, 8): everything that was sacked is forgotten, everything is lost. */
void sent_time_out(struct sent *sent);

/*
 * RFC 8985, 7.2: when to send a tail loss probe, counted from the last segment that was sent; 0: there is no reason to
 * (nothing in flight, or a probe is out already, or something is being repaired).
 */
__u64 sent_probe_at_ns(const struct sent *sent, const struct rtt *rtt);

/* 7.3: a probe went out; is_new: with data that was not sent before. 7.4 is part of sent_take_ack(). */
void sent_probed(struct sent *sent, __u32 end, bool is_new);

/* Whether everything that was sent before the loss is repaired is the caller's to know. Gives the memory back. */
void sent_free(struct sent *sent, struct memory_account *account);

#endif /* SYNKEEP_TCP_SENT_H */
