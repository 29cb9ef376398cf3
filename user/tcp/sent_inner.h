/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the sources of sent.h share: sent.c (the entries), sent_rack.c (RACK-TLP), sent_ack.c (an acknowledgement).
 */
#ifndef SYNKEEP_TCP_SENT_INNER_H
#define SYNKEEP_TCP_SENT_INNER_H

#include "seq.h"
#include "tcp/sent.h"

#define SENT_DUPLICATES_THRESHOLD 3 /* RFC 5681, 3.2; RFC 8985, 6.2, step 4 */
#define SENT_ECHO_GRAIN_US 2000	    /* timestamps count milliseconds, begun ones too */

/* What an acknowledgement delivered, while it is taken. */
struct sent_delivery {
	__u64 rack_sent_ns; /* the segment sent last of those that count for RACK; 0: none */
	__u32 rack_end;
	__u32 fack;	      /* the highest number that is delivered now */
	__u64 acked_sent_ns;  /* the last time, of the first of those acknowledged; 0: none */
	__u64 sacked_sent_ns; /* sent last, of those sacked and sent once; 0: none */
	bool is_ambiguous;    /* something that was sent twice was acknowledged (RFC 6298, 3) */
};

static inline struct sent_segment *sent_at(const struct sent *sent, __u16 number)
{
	return &sent->segments[number & (sent->capacity - 1)];
}

static inline __u16 sent_tail(const struct sent *sent)
{
	return (__u16)(sent->head + sent->count);
}

static inline __u32 sent_length(const struct sent_segment *segment)
{
	return segment->end - segment->seq;
}

static inline __u32 sent_snd_nxt(const struct sent *sent, __u32 snd_una)
{
	return sent->count ? sent_at(sent, sent_tail(sent) - 1)->end : snd_una;
}

/* The sum that a segment counts in. */
static inline __u32 *sent_sum(struct sent *sent, const struct sent_segment *segment)
{
	if (segment->flags & SENT_SACKED)
		return &sent->sacked_bytes;
	return segment->flags & SENT_LOST ? &sent->lost_bytes : &sent->in_flight_bytes;
}

/* RFC 8985, 6.2, step 2: RACK_sent_after(). */
static inline bool sent_is_after(__u64 sent_ns, __u32 end, __u64 other_ns, __u32 other_end)
{
	return sent_ns > other_ns || (sent_ns == other_ns && seq_after(end, other_end));
}

/* --- sent.c ------------------------------------------------------------------------------------------------------ */

/* Takes an entry, which is in flight, out of the order of sending; its marks are the caller's. */
void sent_leave_flight(struct sent *sent, __u16 number);

/* Marks an entry, which is in flight, lost. */
void sent_mark_lost(struct sent *sent, __u16 number);

void sent_begin_repair(struct sent *sent, enum sent_repair repair);

/* --- sent_rack.c: RFC 8985, 6.2, steps 2 and 3 for each segment, then 2 and 4 at the end, and 7.4 --------------- */

/* A segment was delivered for the first time. */
void sent_rack_note(struct sent *sent, const struct sent_segment *segment, const struct sent_ack *ack,
		    const struct rtt *rtt, struct sent_delivery *d);

void sent_rack_advance(struct sent *sent, const struct sent_ack *ack, const struct sent_delivery *d);

/* duplicate: a D-SACK block; repaired: the acknowledgement ended a repair. */
void sent_rack_adapt(struct sent *sent, const struct sent_ack *ack, bool duplicate, bool repaired);

/* Returns whether the duplicate that the acknowledgement tells of is the probe. */
bool sent_rack_end_probe(struct sent *sent, const struct sent_ack *ack, struct sent_result *result);

#endif /* SYNKEEP_TCP_SENT_INNER_H */
