/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An acknowledgement: what it acknowledges, sacks, measures and ends. See sent.h.
 */
#include "tcp/sent_inner.h"

#define WINDOW_BYTES_MAX (1U << 30) /* RFC 7323, 2.3 */

/* --- acknowledged ------------------------------------------------------------------------------------------------ */

/* Takes the first entry away, which is acknowledged. */
static void take_first(struct sent *sent, const struct sent_ack *ack, const struct rtt *rtt, struct sent_delivery *d,
		       struct sent_result *result)
{
	struct sent_segment *segment = sent_at(sent, sent->head);

	if (segment->flags & SENT_RETRANSMITTED)
		d->is_ambiguous = true;
	if (!(segment->flags & (SENT_SACKED | SENT_DELIVERED))) {
		sent_rack_note(sent, segment, ack, rtt, d);
		result->delivered_bytes += sent_length(segment);
		if (!d->acked_sent_ns)
			d->acked_sent_ns = segment->sent_ns;
	}
	if (segment->flags & SENT_SACKED)
		sent->sacked_count--;
	if (segment->flags & (SENT_SACKED | SENT_LOST))
		*sent_sum(sent, segment) -= sent_length(segment);
	else
		sent_leave_flight(sent, sent->head);
	if (sent->first_lost == sent->head)
		sent->first_lost++;
	sent->head++;
	sent->count--;
}

static void take_acknowledged(struct sent *sent, const struct sent_ack *ack, const struct rtt *rtt,
			      struct sent_delivery *d, struct sent_result *result)
{
	struct sent_segment *segment;
	__u32 part;

	while (sent->count && !seq_after(sent_at(sent, sent->head)->end, ack->ack))
		take_first(sent, ack, rtt, d, result);
	segment = sent_first(sent);
	if (!segment || !seq_after(ack->ack, segment->seq))
		return;
	/* Within a segment: its rest goes on as it was, and tells nothing of when it was sent. */
	part = ack->ack - segment->seq;
	*sent_sum(sent, segment) -= part;
	if (!(segment->flags & (SENT_SACKED | SENT_DELIVERED)))
		result->delivered_bytes += part;
	segment->seq = ack->ack;
}

/* --- SACK -------------------------------------------------------------------------------------------------------- */

/* The first entry that begins at a number or behind it. */
static __u16 find(const struct sent *sent, __u32 seq)
{
	__u16 low = 0, high = sent->count;

	while (low < high) {
		__u16 middle = (low + high) / 2;

		if (seq_before(sent_at(sent, sent->head + middle)->seq, seq))
			low = middle + 1;
		else
			high = middle;
	}
	return sent->head + low;
}

/* The first entry from a number on that is not sacked. Each search halves the way of the next one. */
static __u16 next_unsacked(struct sent *sent, __u16 number)
{
	while (number != sent_tail(sent) && sent_at(sent, number)->flags & SENT_SACKED) {
		struct sent_segment *segment = sent_at(sent, number);

		if (segment->later != sent_tail(sent) && sent_at(sent, segment->later)->flags & SENT_SACKED)
			segment->later = sent_at(sent, segment->later)->later;
		number = segment->later;
	}
	return number;
}

static void mark_sacked(struct sent *sent, __u16 number, struct sent_result *result)
{
	struct sent_segment *segment = sent_at(sent, number);

	if (!(segment->flags & SENT_DELIVERED))
		result->delivered_bytes += sent_length(segment);
	if (segment->flags & SENT_LOST)
		sent->lost_bytes -= sent_length(segment);
	else
		sent_leave_flight(sent, number);
	segment->flags = (segment->flags & ~SENT_LOST) | SENT_SACKED;
	segment->later = number + 1;
	sent->sacked_bytes += sent_length(segment);
	sent->sacked_count++;
}

/* Entries that a block holds wholly. */
static void take_block(struct sent *sent, const struct sack_block *block, const struct sent_ack *ack,
		       const struct rtt *rtt, struct sent_delivery *d, struct sent_result *result)
{
	__u16 number = next_unsacked(sent, find(sent, block->start));

	while (number != sent_tail(sent) && !seq_after(sent_at(sent, number)->end, block->end)) {
		const struct sent_segment *segment = sent_at(sent, number);

		if (!(segment->flags & SENT_DELIVERED)) {
			sent_rack_note(sent, segment, ack, rtt, d);
			if (!(segment->flags & SENT_RETRANSMITTED) && segment->sent_ns > d->sacked_sent_ns)
				d->sacked_sent_ns = segment->sent_ns;
		}
		mark_sacked(sent, number, result);
		number = next_unsacked(sent, number + 1);
	}
}

/*
 * Above SEG.ACK (what begins there would have been acknowledged) and not beyond what was sent. A block that runs
 * backwards holds no entry.
 */
static bool is_sack(const struct sent *sent, const struct sack_block *block, __u32 ack)
{
	return seq_after(block->start, ack) && !seq_after(block->end, sent_snd_nxt(sent, ack));
}

/* RFC 2883, 4: the first block tells of a duplicate if it is acknowledged already, or lies in the second one. */
static bool is_duplicate(const struct sent *sent, const struct sent_ack *ack)
{
	const struct sack_block *first = &ack->blocks[0], *second = &ack->blocks[1];

	if (!ack->block_count || !seq_before(first->start, first->end))
		return false;
	if (!seq_after(first->end, ack->ack))
		return ack->ack - first->start <= WINDOW_BYTES_MAX;
	return ack->block_count > 1 && is_sack(sent, second, ack->ack) && !seq_before(first->start, second->start) &&
	       !seq_after(first->end, second->end);
}

/* Whether all that was sent again since the repair began was there already (RFC 3708). */
static bool is_undone(struct sent *sent, const struct sack_block *duplicate)
{
	__u32 length = duplicate->end - duplicate->start;

	if (!sent->undo_bytes || seq_before(duplicate->start, sent->repair_from) ||
	    seq_after(duplicate->end, sent->repair_end))
		return false;
	sent->undo_bytes -= length < sent->undo_bytes ? length : sent->undo_bytes;
	return !sent->undo_bytes;
}

static void take_blocks(struct sent *sent, const struct sent_ack *ack, const struct rtt *rtt, struct sent_delivery *d,
			struct sent_result *result)
{
	result->duplicate_seen = is_duplicate(sent, ack);
	result->spurious = result->duplicate_seen && is_undone(sent, &ack->blocks[0]);
	for (__u32 i = result->duplicate_seen; i < ack->block_count && i < SENT_SACK_BLOCKS_MAX; i++) {
		if (is_sack(sent, &ack->blocks[i], ack->ack))
			take_block(sent, &ack->blocks[i], ack, rtt, d, result);
	}
}

/* --- an acknowledgement, step by step ---------------------------------------------------------------------------- */

/*
 * By the echoed timestamp, of what was sent more than once: unless it is that of an earlier time, whose acknowledgement
 * was lost. The wait for the time-out would be taken for a round trip.
 */
static __u32 measure_by_echo(const struct sent_ack *ack, const struct sent_delivery *d)
{
	__u64 last_us = (ack->now_ns - d->acked_sent_ns) / 1000;

	if (ack->ack == ack->snd_una || (d->acked_sent_ns && ack->echo_rtt_us > last_us + SENT_ECHO_GRAIN_US))
		return 0;
	return ack->echo_rtt_us;
}

/* RFC 6298, 3; RFC 7323, 4.1. What was sacked came at once, what was acknowledged may have been delayed. */
static __u32 measure(const struct sent_ack *ack, const struct sent_delivery *d)
{
	__u64 sent_ns = d->acked_sent_ns && !d->is_ambiguous ? d->acked_sent_ns : d->sacked_sent_ns;
	__u64 rtt_us = (ack->now_ns - sent_ns) / 1000;

	if (!sent_ns)
		return measure_by_echo(ack, d);
	return rtt_us ? rtt_us : 1;
}

/*
 * Without SACK: the third duplicate acknowledgement (RFC 5681, 3.2, step 2), unless what came before the last repair
 * has caused it (RFC 6582, 3.2, step 2); and each partial one (RFC 6582, 3.2, step 3).
 */
static bool count_duplicates(struct sent *sent, const struct sent_ack *ack)
{
	struct sent_segment *first = sent_first(sent);
	bool is_partial = ack->ack != ack->snd_una && sent->repair == SENT_FAST_RECOVERY, is_third = false;

	if (ack->ack != ack->snd_una)
		sent->duplicate_acks = 0;
	else if (ack->is_duplicate && first && sent->duplicate_acks < 255)
		is_third = ++sent->duplicate_acks == SENT_DUPLICATES_THRESHOLD && sent->repair == SENT_NO_REPAIR &&
			   ack->ack != sent->repair_end;
	if ((!is_partial && !is_third) || !first || first->flags & SENT_LOST)
		return false;
	sent_mark_lost(sent, sent->head);
	return true;
}

/* Whether the acknowledgement ends a repair. What was found lost meanwhile behind it begins another one. */
static bool end_repair(struct sent *sent, const struct sent_ack *ack, struct sent_result *result)
{
	if (sent->repair == SENT_NO_REPAIR || seq_before(ack->ack, sent->repair_end))
		return false;
	sent->repair = SENT_NO_REPAIR;
	if (sent->lost_bytes) {
		sent_begin_repair(sent, SENT_FAST_RECOVERY);
		result->new_losses = true;
	}
	return true;
}

void sent_take_ack(struct sent *sent, struct memory_account *account, const struct sent_ack *ack, const struct rtt *rtt,
		   struct sent_result *result)
{
	struct sent_delivery d = { .fack = sent->rack_fack };
	bool repaired, is_probe, new_losses;

	*result = (struct sent_result){};
	sent->sack = ack->sack;
	take_acknowledged(sent, ack, rtt, &d, result);
	if (ack->sack)
		take_blocks(sent, ack, rtt, &d, result);
	result->rtt_us = measure(ack, &d);
	if (result->rtt_us)
		sent->probe_unsampled = false;
	if (ack->ack != ack->snd_una)
		sent->probe_from_ns = ack->now_ns;
	sent_rack_advance(sent, ack, &d);
	is_probe = sent_rack_end_probe(sent, ack, result);
	repaired = end_repair(sent, ack, result);
	sent_rack_adapt(sent, ack, result->duplicate_seen && !is_probe, repaired);
	sent_find_losses(sent, rtt, ack->now_ns, &new_losses);
	if (!ack->sack)
		new_losses = count_duplicates(sent, ack);
	result->new_losses |= new_losses;
	if (!sent->count)
		sent_free(sent, account);
}
