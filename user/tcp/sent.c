/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The scoreboard: its entries, and their order of sending. See sent.h.
 *
 * What an acknowledgement costs does not grow with the window:
 * - Entries are in the order of sequence numbers, so those of a SACK block are found by halving. Receivers repeat their
 *   blocks; next_unsacked() leaps over what was sacked before.
 * - RACK asks which segments were sent before the one that was delivered last. After retransmissions that is not the
 *   order of sequence numbers, so entries in flight are linked in the order of RACK_sent_after(), a segment that is
 *   sent again going to the end. As they are lost in this order, too, the walk ends at the first that is not.
 * - first_lost goes forward only, but where something before it is found lost.
 *
 * An entry's number stays while the ring grows and its first entries go: links are numbers.
 */
#include <errno.h>
#include <stdlib.h>

#include "tcp/sent_inner.h"

#define CAPACITY_MIN 4

_Static_assert(sizeof(struct sent) <= 96, "a million idle connections have one each");

/* --- the ring ---------------------------------------------------------------------------------------------------- */

static __u16 number_of(const struct sent *sent, const struct sent_segment *segment)
{
	return sent->head + ((segment - sent->segments - sent->head) & (sent->capacity - 1));
}

static int grow(struct sent *sent, struct memory_account *account)
{
	__u32 capacity = sent->capacity ? 2 * sent->capacity : CAPACITY_MIN;
	struct sent old = *sent;

	if (sent->count < sent->capacity)
		return 0;
	if (capacity > SENT_SEGMENTS_MAX || !memory_charge(account, (capacity - old.capacity) * sizeof(*old.segments)))
		return -ENOMEM;
	sent->segments = malloc(capacity * sizeof(*old.segments));
	if (!sent->segments) {
		sent->segments = old.segments;
		memory_release(account, (capacity - old.capacity) * sizeof(*old.segments));
		return -ENOMEM;
	}
	sent->capacity = capacity;
	for (__u16 number = old.head; number != sent_tail(&old); number++)
		*sent_at(sent, number) = *sent_at(&old, number);
	free(old.segments);
	return 0;
}

void sent_free(struct sent *sent, struct memory_account *account)
{
	free(sent->segments);
	memory_release(account, sent->capacity * sizeof(*sent->segments));
	sent->segments = NULL;
	sent->capacity = sent->count = sent->sacked_count = 0;
	sent->in_flight_bytes = sent->sacked_bytes = sent->lost_bytes = 0;
}

/* --- what is in flight, in the order in which it was sent -------------------------------------------------------- */

/* Behind another entry of the circle. */
static void link_behind(struct sent *sent, __u16 number, __u16 before)
{
	struct sent_segment *segment = sent_at(sent, number);

	segment->earlier = before;
	segment->later = sent_at(sent, before)->later;
	sent_at(sent, segment->later)->earlier = number;
	sent_at(sent, before)->later = number;
}

static bool is_after(const struct sent_segment *a, const struct sent_segment *b)
{
	return sent_is_after(a->sent_ns, a->end, b->sent_ns, b->end);
}

/* It has just been sent: to the end, but before what was sent within the same nanosecond with higher numbers. */
static void join_flight(struct sent *sent, __u16 number)
{
	struct sent_segment *segment = sent_at(sent, number);
	__u16 before;

	if (!sent->in_flight_bytes) {
		segment->earlier = segment->later = sent->oldest = number;
	} else {
		before = sent_at(sent, sent->oldest)->earlier;
		while (sent->oldest != number && is_after(sent_at(sent, before), segment)) {
			if (before == sent->oldest)
				sent->oldest = number;
			before = sent_at(sent, before)->earlier;
		}
		link_behind(sent, number, before);
	}
	sent->in_flight_bytes += sent_length(segment);
}

void sent_leave_flight(struct sent *sent, __u16 number)
{
	struct sent_segment *segment = sent_at(sent, number);

	sent_at(sent, segment->earlier)->later = segment->later;
	sent_at(sent, segment->later)->earlier = segment->earlier;
	if (sent->oldest == number)
		sent->oldest = segment->later;
	sent->in_flight_bytes -= sent_length(segment);
}

/* --- entries come and change ------------------------------------------------------------------------------------- */

int sent_reserve(struct sent *sent, struct memory_account *account)
{
	return grow(sent, account);
}

int sent_add(struct sent *sent, struct memory_account *account, __u32 seq, __u32 end, __u64 now_ns)
{
	__u16 number = sent_tail(sent);
	int err = grow(sent, account);

	if (err)
		return err;
	if (!sent->count++)
		sent->rack_fack = seq; /* all before it was delivered */
	*sent_at(sent, number) = (struct sent_segment){ .seq = seq, .end = end, .sent_ns = now_ns };
	join_flight(sent, number);
	sent->probe_from_ns = now_ns;
	return 0;
}

/* A place for an entry that makes room: what names it by its number follows. */
static void move(struct sent *sent, __u16 from, __u16 to)
{
	struct sent_segment *segment = sent_at(sent, to);

	*segment = *sent_at(sent, from);
	if (segment->flags & SENT_SACKED) {
		segment->later += to - from; /* what it leaps to moves with it */
		return;
	}
	if (segment->flags & SENT_LOST)
		return;
	if (sent->oldest == from)
		sent->oldest = to;
	if (segment->later == from) { /* alone in flight */
		segment->earlier = segment->later = to;
		return;
	}
	sent_at(sent, segment->earlier)->later = to;
	sent_at(sent, segment->later)->earlier = to;
}

/* Makes room behind an entry, moving what is less. Returns the entry's number, which may have become one less. */
static __u16 open_gap(struct sent *sent, __u16 number)
{
	__u16 head = sent->head, end = sent_tail(sent);

	sent->count++;
	if ((__u16)(number - head) >= (__u16)(end - number)) {
		for (__u16 n = end; n != (__u16)(number + 1); n--)
			move(sent, n - 1, n);
		return number;
	}
	sent->head--;
	if ((__u16)(sent->first_lost - head) <= (__u16)(number - head))
		sent->first_lost--;
	for (__u16 n = head; n != (__u16)(number + 1); n++)
		move(sent, n, n - 1);
	return number - 1;
}

int sent_split(struct sent *sent, struct memory_account *account, struct sent_segment **segment, __u32 length)
{
	__u16 number = number_of(sent, *segment);
	struct sent_segment *first, *second;
	int err;

	if (sent_length(*segment) <= length || (*segment)->flags & SENT_SACKED)
		return 0;
	err = grow(sent, account);
	if (err)
		return err;
	number = open_gap(sent, number);
	*segment = first = sent_at(sent, number);
	second = sent_at(sent, number + 1);
	*second = *first;
	first->end = second->seq = first->seq + length;
	if (!(first->flags & SENT_LOST))
		link_behind(sent, number + 1, number);
	return 0;
}

void sent_again(struct sent *sent, struct sent_segment *segment, __u64 now_ns)
{
	__u16 number = number_of(sent, segment);

	segment->flags |= SENT_RETRANSMITTED;
	if (segment->flags & SENT_SACKED)
		return;
	if (segment->flags & SENT_LOST) {
		segment->flags &= ~SENT_LOST;
		sent->lost_bytes -= sent_length(segment);
		sent->undo_bytes += sent_length(segment);
	} else {
		sent_leave_flight(sent, number);
	}
	segment->sent_ns = now_ns;
	join_flight(sent, number);
}

struct sent_segment *sent_first_lost(struct sent *sent)
{
	if (!sent->lost_bytes)
		return NULL;
	while (!(sent_at(sent, sent->first_lost)->flags & SENT_LOST))
		sent->first_lost++;
	return sent_at(sent, sent->first_lost);
}

struct sent_segment *sent_first(struct sent *sent)
{
	return sent->count ? sent_at(sent, sent->head) : NULL;
}

struct sent_segment *sent_last(struct sent *sent)
{
	return sent->count ? sent_at(sent, sent_tail(sent) - 1) : NULL;
}

/* --- losses ------------------------------------------------------------------------------------------------------ */

void sent_begin_repair(struct sent *sent, enum sent_repair repair)
{
	if (sent->repair == SENT_NO_REPAIR) {
		sent->repair_from = sent_first(sent)->seq;
		sent->undo_bytes = 0;
	}
	sent->repair = repair;
	sent->repair_end = sent_last(sent)->end;
	sent->probe_out = false; /* RFC 8985, 7.1 */
}

void sent_mark_lost(struct sent *sent, __u16 number)
{
	struct sent_segment *segment = sent_at(sent, number);

	sent_leave_flight(sent, number);
	segment->flags |= SENT_LOST;
	sent->lost_bytes += sent_length(segment);
	if ((__u16)(number - sent->head) < (__u16)(sent->first_lost - sent->head))
		sent->first_lost = number;
	if (sent->repair == SENT_NO_REPAIR)
		sent_begin_repair(sent, SENT_FAST_RECOVERY);
}

void sent_time_out(struct sent *sent)
{
	if (!sent->count)
		return;
	for (__u16 number = sent->head; number != sent_tail(sent); number++) {
		struct sent_segment *segment = sent_at(sent, number);

		/* RFC 2018, 8: the receiver may have thrown away what it had sacked. */
		if (segment->flags & SENT_SACKED)
			segment->flags = (segment->flags & ~SENT_SACKED) | SENT_DELIVERED;
		segment->flags |= SENT_LOST;
	}
	sent->lost_bytes += sent->in_flight_bytes + sent->sacked_bytes;
	sent->in_flight_bytes = sent->sacked_bytes = 0;
	sent->sacked_count = 0;
	sent->first_lost = sent->head;
	sent->reordering_ns = 0;
	sent_begin_repair(sent, SENT_TIMED_OUT);
}
