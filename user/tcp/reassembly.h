/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was received: text in order, for the application, and behind it what came too early, with the SACK blocks that
 * tell the peer of it (RFC 9293, SHLD-31; RFC 2018; RFC 2883).
 *
 * Both lie in one ring, text at its distance from the next byte to be read. At most REASSEMBLY_RANGES_MAX pieces wait
 * behind holes; what would make one more is refused, and comes again.
 */
#ifndef SYNKEEP_TCP_REASSEMBLY_H
#define SYNKEEP_TCP_REASSEMBLY_H

#include "tcp/byte_ring.h"
#include "tcp/sent.h" /* struct sack_block */

/* An overshoot of slow start drops every other segment of a window: each is a hole. */
#define REASSEMBLY_RANGES_MAX 256

struct reassembly_ranges; /* there only while there is a hole */

struct reassembly {
	struct byte_ring ring;		  /* ring.used: in order, not yet read */
	struct reassembly_ranges *ranges; /* NULL: no hole */
	struct sack_block duplicate;	  /* to be told first, once (D-SACK); start == end: none */
};

/*
 * Takes length bytes of text from seq on, which lies in the window: rcv_nxt or later. Returns by how many bytes RCV.NXT
 * advances, 0 where it is behind a hole; -ENOMEM: no memory, or too many pieces: nothing was taken. What was there
 * already is noted as a duplicate: all of it, or the first stretch (RFC 2883, 4); what came first stays.
 */
__s64 reassembly_put(struct reassembly *r, struct memory_account *account, __u32 rcv_nxt, __u32 seq, const __u8 *bytes,
		     __u32 length);

/* Text [start, end) came that had been received: the next acknowledgement says so (RFC 2883, 4). */
void reassembly_note_duplicate(struct reassembly *r, __u32 start, __u32 end);

/*
 * The blocks of the next acknowledgement, at most room: the duplicate, which is forgotten then, and behind it the piece
 * that holds it, where there is one (RFC 2883, 4); the piece that came last, the other recent ones (RFC 2018, 4).
 * Returns their number.
 */
__u32 reassembly_blocks(struct reassembly *r, __u32 rcv_nxt, struct sack_block *blocks, __u32 room);

/* Whether anything waits behind a hole; and the number behind the last of it, rcv_nxt where nothing does. */
bool reassembly_has_hole(const struct reassembly *r);
__u32 reassembly_end(const struct reassembly *r, __u32 rcv_nxt);

/* Takes the first length bytes of what is in order away: they were read. */
void reassembly_drop(struct reassembly *r, struct memory_account *account, __u32 length);

/*
 * Under pressure: gives up what waits behind holes, which the peer sends again (RFC 2018, 8). The ring's memory goes
 * back with it where nothing is in order to be read, else when that was.
 */
void reassembly_renege(struct reassembly *r, struct memory_account *account);

void reassembly_free(struct reassembly *r, struct memory_account *account);

#endif /* SYNKEEP_TCP_REASSEMBLY_H */
