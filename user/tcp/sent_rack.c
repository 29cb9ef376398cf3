/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * RACK-TLP (RFC 8985): what was sent before something that was delivered, and is not delivered within a reordering
 * window after it, is lost; and a probe brings an acknowledgement where none would come. See sent.h.
 */
#include "tcp/sent_inner.h"

#define WINDOW_PERSIST 16	/* recoveries (6.2, step 4) */
#define MAX_ACK_DELAY_US 200000 /* TLP.max_ack_delay (7.2): what others delay at most */

/* --- what was delivered ------------------------------------------------------------------------------------------ */

/* RFC 8985, 6.2, step 2: whether a segment that was sent again was delivered by its last transmission. */
static bool is_delivered_by_last(const struct sent_segment *segment, const struct sent_ack *ack, const struct rtt *rtt)
{
	__u64 rtt_us = (ack->now_ns - segment->sent_ns) / 1000;

	return ack->echo_rtt_us <= rtt_us + SENT_ECHO_GRAIN_US && rtt_us >= rtt_min_us(rtt);
}

void sent_rack_note(struct sent *sent, const struct sent_segment *segment, const struct sent_ack *ack,
		    const struct rtt *rtt, struct sent_delivery *d)
{
	bool is_again = segment->flags & SENT_RETRANSMITTED;

	/* Step 2 */
	if ((!is_again || is_delivered_by_last(segment, ack, rtt)) &&
	    sent_is_after(segment->sent_ns, segment->end, d->rack_sent_ns, d->rack_end)) {
		d->rack_sent_ns = segment->sent_ns;
		d->rack_end = segment->end;
	}
	/* Step 3: in which order came what one acknowledgement tells, it does not tell. */
	if (!is_again && seq_before(segment->end, sent->rack_fack))
		sent->reordering = true;
	d->fack = seq_max(d->fack, segment->end);
}

/* RFC 8985, 6.2, step 2, at the end. */
void sent_rack_advance(struct sent *sent, const struct sent_ack *ack, const struct sent_delivery *d)
{
	sent->rack_fack = d->fack;
	if (!d->rack_sent_ns)
		return;
	sent->rack_rtt_us = (ack->now_ns - d->rack_sent_ns) / 1000;
	if (sent_is_after(d->rack_sent_ns, d->rack_end, sent->rack_sent_ns, sent->rack_end)) {
		sent->rack_sent_ns = d->rack_sent_ns;
		sent->rack_end = d->rack_end;
	}
}

/* --- what is lost by that ---------------------------------------------------------------------------------------- */

/* The round trip to reckon with where none was measured yet is that of RACK's segment. */
static __u32 otherwise(__u32 us, __u32 rack_rtt_us)
{
	return us ? us : rack_rtt_us;
}

/* Step 4, the first half: one step a round trip that tells of duplicates; none after 16 recoveries that do not. */
void sent_rack_adapt(struct sent *sent, const struct sent_ack *ack, bool duplicate, bool repaired)
{
	if (sent->in_duplicate_round && !seq_before(ack->ack, sent->duplicate_round))
		sent->in_duplicate_round = false;
	if (duplicate && !sent->in_duplicate_round) {
		sent->in_duplicate_round = true;
		sent->duplicate_round = sent_snd_nxt(sent, ack->ack);
		sent->window_persist = WINDOW_PERSIST;
		if (sent->window_steps < 255)
			sent->window_steps++;
	} else if (repaired && sent->window_persist && !--sent->window_persist) {
		sent->window_steps = 0;
	}
}

/* RFC 8985, 6.2, step 4, the second half: RACK.reo_wnd. */
static __u64 reordering_window_ns(const struct sent *sent, const struct rtt *rtt)
{
	__u64 window_us, srtt_us = otherwise(rtt->srtt_us, sent->rack_rtt_us);

	if (!sent->reordering && (sent->repair != SENT_NO_REPAIR || sent->sacked_count >= SENT_DUPLICATES_THRESHOLD))
		return 0;
	window_us = (sent->window_steps + 1ULL) * otherwise(rtt_min_us(rtt), sent->rack_rtt_us) / 4;
	return 1000 * (window_us < srtt_us ? window_us : srtt_us);
}

/*
 * Step 5. The RFC's timer runs out when the last segment that was sent before RACK's is due; it is set here for when
 * RACK's own would be, hardly later, so that those that wait need not be walked.
 */
__u64 sent_find_losses(struct sent *sent, const struct rtt *rtt, __u64 now_ns, bool *new_losses)
{
	__u64 wait_ns = 1000ULL * sent->rack_rtt_us + reordering_window_ns(sent, rtt);

	*new_losses = false;
	sent->reordering_ns = 0;
	while (sent->sack && sent->in_flight_bytes) {
		struct sent_segment *segment = sent_at(sent, sent->oldest);

		if (!sent_is_after(sent->rack_sent_ns, sent->rack_end, segment->sent_ns, segment->end))
			break;
		if (segment->sent_ns + wait_ns > now_ns) {
			sent->reordering_ns = sent->rack_sent_ns + wait_ns;
			break;
		}
		sent_mark_lost(sent, sent->oldest);
		*new_losses = true;
	}
	return sent->reordering_ns;
}

__u64 sent_reordering_ns(const struct sent *sent)
{
	return sent->reordering_ns;
}

/* --- the tail loss probe ----------------------------------------------------------------------------------------- */

__u64 sent_probe_at_ns(const struct sent *sent, const struct rtt *rtt)
{
	__u64 wait_us = 2ULL * rtt->srtt_us;

	if (!sent->count || !sent->sack || sent->repair != SENT_NO_REPAIR || sent->sacked_bytes)
		return 0;
	if (sent->probe_out || sent->probe_unsampled || !rtt->srtt_us)
		return 0;
	if (sent->count == 1)
		wait_us += MAX_ACK_DELAY_US;
	return sent->probe_from_ns + 1000 * wait_us;
}

void sent_probed(struct sent *sent, __u32 end, bool is_new)
{
	sent->probe_out = true;
	sent->probe_unsampled = true;
	sent->probe_is_again = !is_new;
	sent->probe_end = end;
}

/* RFC 8985, 7.4.2. Returns whether the duplicate that the acknowledgement tells of is the probe. */
bool sent_rack_end_probe(struct sent *sent, const struct sent_ack *ack, struct sent_result *result)
{
	bool is_told = result->duplicate_seen && sent->probe_is_again && ack->blocks[0].end == sent->probe_end;

	if (!sent->probe_out || seq_before(ack->ack, sent->probe_end))
		return false;
	if (!sent->probe_is_again || is_told || (ack->is_duplicate && !ack->block_count)) {
		sent->probe_out = false;
	} else if (seq_after(ack->ack, sent->probe_end)) {
		sent->probe_out = false;
		result->probe_repaired = true;
	}
	return is_told;
}
