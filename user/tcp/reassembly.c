/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Text that came too early, and the SACK blocks that tell of it. See reassembly.h.
 *
 * The pieces behind holes are kept by sequence number, none touching the next, each with a stamp of when a segment last
 * fell into it: the order in which RFC 2018 wants them told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "seq.h"
#include "tcp/reassembly.h"

struct piece {
	__u32 start;
	__u32 end;
	__u32 stamp;
};

struct reassembly_ranges {
	__u32 count;
	__u32 stamp; /* the last that was given; wraps, as sequence numbers do */
	struct piece pieces[REASSEMBLY_RANGES_MAX];
};

/* The pieces that a segment overlaps or touches: from index first to before behind. */
struct neighbours {
	__u32 first;
	__u32 behind;
};

static __u32 piece_count(const struct reassembly *r)
{
	return r->ranges ? r->ranges->count : 0;
}

static __u32 seq_min(__u32 a, __u32 b)
{
	return seq_before(a, b) ? a : b;
}

static struct neighbours find_neighbours(const struct reassembly *r, __u32 seq, __u32 end)
{
	__u32 first = 0, behind, count = piece_count(r);

	while (first < count && seq_before(r->ranges->pieces[first].end, seq))
		first++;
	for (behind = first; behind < count && !seq_after(r->ranges->pieces[behind].start, end);)
		behind++;
	return (struct neighbours){ first, behind };
}

/* Gives back what no piece needs: their list, and the ring where nothing waits to be read either. */
static void release_idle(struct reassembly *r, struct memory_account *account)
{
	if (r->ranges && !r->ranges->count) {
		free(r->ranges);
		r->ranges = NULL;
		memory_release(account, sizeof(*r->ranges));
	}
	byte_ring_drop(&r->ring, account, 0, r->ranges);
}

static int reserve_ranges(struct reassembly *r, struct memory_account *account)
{
	if (r->ranges)
		return 0;
	if (!memory_charge(account, sizeof(*r->ranges)))
		return -ENOMEM;
	r->ranges = calloc(1, sizeof(*r->ranges));
	if (r->ranges)
		return 0;
	memory_release(account, sizeof(*r->ranges));
	return -ENOMEM;
}

/* Everything that can fail. A segment in order needs no piece of its own, so it is never refused for their number. */
static int reserve(struct reassembly *r, struct memory_account *account, __u32 rcv_nxt, struct sack_block text,
		   struct neighbours at)
{
	int err = 0;

	if (text.start != rcv_nxt) {
		if (at.first == at.behind && piece_count(r) == REASSEMBLY_RANGES_MAX)
			return -ENOMEM;
		err = reserve_ranges(r, account);
	}
	if (!err)
		err = byte_ring_reserve(&r->ring, account, r->ring.used + (text.end - rcv_nxt));
	if (err)
		release_idle(r, account);
	return err;
}

/*
 * Writes what the pieces leave free: what came first stays, so that nobody can exchange text that was told the peer to
 * be here. The first stretch that was there is the duplicate (RFC 2883, 4: one for each segment).
 */
static void write_gaps(struct reassembly *r, __u32 rcv_nxt, struct sack_block text, const __u8 *bytes,
		       struct neighbours at)
{
	__u32 seq = text.start;
	bool noted = false;

	for (__u32 i = at.first; i <= at.behind; i++) {
		const struct piece *piece = i < at.behind ? &r->ranges->pieces[i] : NULL;
		__u32 gap_end = piece ? seq_min(piece->start, text.end) : text.end;

		if (seq_before(seq, gap_end)) {
			byte_ring_write(&r->ring, r->ring.used + (seq - rcv_nxt), bytes + (seq - text.start),
					gap_end - seq);
			seq = gap_end;
		}
		if (!piece || !seq_before(seq, seq_min(piece->end, text.end)))
			continue;
		if (!noted)
			reassembly_note_duplicate(r, seq, seq_min(piece->end, text.end));
		noted = true;
		seq = seq_min(piece->end, text.end);
	}
}

/* The pieces from first to before behind become as many as count says: none or one, not yet filled in. */
static void replace(struct reassembly_ranges *ranges, struct neighbours at, __u32 count)
{
	memmove(&ranges->pieces[at.first + count], &ranges->pieces[at.behind],
		(ranges->count - at.behind) * sizeof(ranges->pieces[0]));
	ranges->count += count - (at.behind - at.first);
}

__s64 reassembly_put(struct reassembly *r, struct memory_account *account, __u32 rcv_nxt, __u32 seq, const __u8 *bytes,
		     __u32 length)
{
	struct sack_block text = { seq, seq + length };
	struct neighbours at = find_neighbours(r, text.start, text.end);
	int err;

	if (!length)
		return 0;
	err = reserve(r, account, rcv_nxt, text, at);
	if (err)
		return err;
	write_gaps(r, rcv_nxt, text, bytes, at);
	if (at.first < at.behind) {
		text.start = seq_min(text.start, r->ranges->pieces[at.first].start);
		text.end = seq_max(text.end, r->ranges->pieces[at.behind - 1].end);
	}
	if (text.start != rcv_nxt) {
		replace(r->ranges, at, 1);
		r->ranges->pieces[at.first] = (struct piece){ text.start, text.end, ++r->ranges->stamp };
		return 0;
	}
	byte_ring_extend(&r->ring, text.end - rcv_nxt);
	if (r->ranges)
		replace(r->ranges, at, 0);
	release_idle(r, account);
	return text.end - rcv_nxt;
}

void reassembly_note_duplicate(struct reassembly *r, __u32 start, __u32 end)
{
	r->duplicate = (struct sack_block){ start, end };
}

/*
 * RFC 2883, 4 (5): a duplicate above RCV.NXT is known for one by the block behind it, which holds it. Where there is
 * room for one block alone it would be taken for text that came, so the piece is told instead.
 */
static __u32 tell_duplicate(struct reassembly *r, __u32 rcv_nxt, struct sack_block *blocks, __u32 room)
{
	struct sack_block duplicate = r->duplicate;

	if (!room || duplicate.start == duplicate.end)
		return 0;
	r->duplicate = (struct sack_block){};
	if (seq_after(duplicate.end, rcv_nxt)) {
		struct neighbours at = find_neighbours(r, duplicate.start, duplicate.end);

		if (at.first == at.behind)
			return 0; /* a FIN behind a hole takes a number, and is in no piece */
		r->ranges->pieces[at.first].stamp = ++r->ranges->stamp;
		if (room == 1)
			return 0;
	}
	blocks[0] = duplicate;
	return 1;
}

/* The piece that came last before a stamp (stamps count backwards from ranges->stamp + 1); NULL: none. */
static const struct piece *find_recent(const struct reassembly_ranges *ranges, __u32 before)
{
	const struct piece *recent = NULL;

	for (__u32 i = 0; i < ranges->count; i++) {
		const struct piece *piece = &ranges->pieces[i];

		if (seq_before(piece->stamp, before) && (!recent || seq_after(piece->stamp, recent->stamp)))
			recent = piece;
	}
	return recent;
}

__u32 reassembly_blocks(struct reassembly *r, __u32 rcv_nxt, struct sack_block *blocks, __u32 room)
{
	__u32 count = tell_duplicate(r, rcv_nxt, blocks, room);
	const struct piece *piece;

	if (!r->ranges)
		return count;
	/* RFC 2018, 4: the piece that holds the last segment first, then those told most recently. */
	for (__u32 before = r->ranges->stamp + 1; count < room; before = piece->stamp) {
		piece = find_recent(r->ranges, before);
		if (!piece)
			break;
		blocks[count++] = (struct sack_block){ piece->start, piece->end };
	}
	return count;
}

bool reassembly_has_hole(const struct reassembly *r)
{
	return r->ranges;
}

__u32 reassembly_end(const struct reassembly *r, __u32 rcv_nxt)
{
	return r->ranges ? r->ranges->pieces[r->ranges->count - 1].end : rcv_nxt;
}

void reassembly_drop(struct reassembly *r, struct memory_account *account, __u32 length)
{
	byte_ring_drop(&r->ring, account, length, r->ranges);
}

void reassembly_renege(struct reassembly *r, struct memory_account *account)
{
	if (r->ranges)
		r->ranges->count = 0;
	r->duplicate = (struct sack_block){}; /* may tell of what is not here any more */
	release_idle(r, account);
}

void reassembly_free(struct reassembly *r, struct memory_account *account)
{
	reassembly_renege(r, account);
	byte_ring_free(&r->ring, account);
}
