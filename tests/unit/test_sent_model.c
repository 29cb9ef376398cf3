// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The scoreboard beside a plain one: an array that is walked whole at each step, positions of 64 bits that do not wrap,
 * and RACK as RFC 8985 writes it down. Both get the same random segments, acknowledgements, blocks with and without
 * sense, losses, probes, cuts and time-outs.
 */
#include <stdlib.h>

#include "sent_fixture.h"

#define SEEDS 3000
#define STEPS 400
#define SEGMENTS 100

struct plain_segment {
	__u64 start;
	__u64 end;
	__u64 sent_ns;
	bool sacked, lost, again, delivered;
};

struct plain {
	struct plain_segment segments[2 * SEGMENTS];
	__u32 count;
	__u64 una, nxt;
	bool sack, reordering, in_round, probing, probe_again;
	__u64 rack_ns, rack_end, rack_rtt_us, fack, round, timer_ns, probe_end;
	__u32 multiplier, persist, duplicate_acks;
	enum sent_repair repair;
	__u64 repair_from, repair_end, undo;
};

struct plain_block {
	__u64 start, end;
};

static struct plain plain;
static __u64 series;

static __u32 dice(__u32 sides)
{
	return unit_random(&series) % sides;
}

/* --- the plain one ----------------------------------------------------------------------------------------------- */

static bool rack_sent_after(__u64 t1, __u64 end1, __u64 t2, __u64 end2)
{
	return t1 > t2 || (t1 == t2 && end1 > end2);
}

static void plain_begin(enum sent_repair repair)
{
	if (plain.repair == SENT_NO_REPAIR) {
		plain.repair_from = plain.una;
		plain.undo = 0;
	}
	plain.repair = repair;
	plain.repair_end = plain.nxt;
	plain.probing = false;
}

static __u64 plain_window_ns(void)
{
	__u32 sacked = 0;
	__u64 least = rtt_min_us(&rtt) ? rtt_min_us(&rtt) : plain.rack_rtt_us;
	__u64 srtt = rtt.srtt_us ? rtt.srtt_us : plain.rack_rtt_us, window;

	for (__u32 i = 0; i < plain.count; i++)
		sacked += plain.segments[i].sacked;
	if (!plain.reordering && (plain.repair != SENT_NO_REPAIR || sacked >= 3))
		return 0;
	window = plain.multiplier * least / 4;
	return 1000 * (window < srtt ? window : srtt);
}

/* RFC 8985, 6.2, step 5. */
static bool plain_find_losses(void)
{
	__u64 wait_ns = 1000 * plain.rack_rtt_us + plain_window_ns();
	bool found = false;

	plain.timer_ns = 0;
	for (__u32 i = 0; i < plain.count && plain.sack; i++) {
		struct plain_segment *s = &plain.segments[i];

		if (s->sacked || s->lost || !rack_sent_after(plain.rack_ns, plain.rack_end, s->sent_ns, s->end))
			continue;
		if (s->sent_ns + wait_ns <= now_ns)
			found = s->lost = true;
		else
			plain.timer_ns = plain.rack_ns + wait_ns;
	}
	if (found && plain.repair == SENT_NO_REPAIR)
		plain_begin(SENT_FAST_RECOVERY);
	return found;
}

static bool plain_is_sack(struct plain_block block, __u64 ack)
{
	return block.start > ack && block.start < block.end && block.end <= plain.nxt;
}

static bool plain_is_duplicate(const struct plain_block *blocks, __u32 count, __u64 ack)
{
	if (!count || blocks[0].start >= blocks[0].end)
		return false;
	if (blocks[0].end <= ack)
		return true;
	return count > 1 && plain_is_sack(blocks[0], ack) && plain_is_sack(blocks[1], ack) &&
	       blocks[0].start >= blocks[1].start && blocks[0].end <= blocks[1].end;
}

static int by_sending(const void *a, const void *b)
{
	const struct plain_segment *s = a, *t = b;

	return rack_sent_after(s->sent_ns, s->end, t->sent_ns, t->end) ? 1 : -1;
}

/* RFC 8985, 6.2, steps 2 and 3, of the segments newly delivered. */
static void plain_rack(struct plain_segment *delivered, __u32 count, __u32 echo_us)
{
	__u64 fack_before = plain.fack;

	qsort(delivered, count, sizeof(*delivered), by_sending);
	for (__u32 i = 0; i < count; i++) {
		const struct plain_segment *s = &delivered[i];
		__u64 rtt_us = (now_ns - s->sent_ns) / 1000;

		if (s->end > plain.fack)
			plain.fack = s->end;
		if (s->end < fack_before && !s->again)
			plain.reordering = true;
		if (s->again && (rtt_us < rtt_min_us(&rtt) || echo_us > rtt_us + 2000))
			continue;
		plain.rack_rtt_us = rtt_us;
		if (rack_sent_after(s->sent_ns, s->end, plain.rack_ns, plain.rack_end)) {
			plain.rack_ns = s->sent_ns;
			plain.rack_end = s->end;
		}
	}
}

static __u32 plain_measure(bool again, __u64 acked_ns, __u64 sacked_ns, bool advanced, __u32 echo_us)
{
	__u64 from = acked_ns && !again ? acked_ns : sacked_ns, rtt_us = (now_ns - from) / 1000;

	if (!from && acked_ns && echo_us > (now_ns - acked_ns) / 1000 + 2000)
		return 0;
	if (!from)
		return advanced ? echo_us : 0;
	return rtt_us ? rtt_us : 1;
}

static void plain_window(__u64 ack, bool duplicate, bool repaired)
{
	if (ack >= plain.round)
		plain.in_round = false;
	if (duplicate && !plain.in_round) {
		plain.in_round = true;
		plain.round = plain.nxt;
		plain.persist = 16;
		plain.multiplier += plain.multiplier < 256;
	} else if (repaired && plain.persist && !--plain.persist) {
		plain.multiplier = 1;
	}
}

static bool plain_probe(__u64 ack, bool told, bool is_duplicate, bool blocks, struct sent_result *expected)
{
	if (!plain.probing || ack < plain.probe_end)
		return false;
	if (!plain.probe_again || told || (is_duplicate && !blocks)) {
		plain.probing = false;
	} else if (ack > plain.probe_end) {
		plain.probing = false;
		expected->probe_repaired = true;
	}
	return told;
}

static bool plain_duplicates(bool advanced, bool is_duplicate)
{
	bool lose = advanced && plain.repair == SENT_FAST_RECOVERY;

	if (advanced)
		plain.duplicate_acks = 0;
	else if (is_duplicate && plain.count && plain.duplicate_acks < 255)
		lose = ++plain.duplicate_acks == 3 && plain.repair == SENT_NO_REPAIR && plain.una != plain.repair_end;
	if (!lose || !plain.count || plain.segments[0].lost || plain.segments[0].sacked)
		return false;
	plain.segments[0].lost = true;
	if (plain.repair == SENT_NO_REPAIR)
		plain_begin(SENT_FAST_RECOVERY);
	return true;
}

/* Whether a duplicate is the last of what was sent again in this repair. */
static bool plain_undo(struct plain_block duplicate)
{
	__u64 length = duplicate.end - duplicate.start;

	if (!plain.undo || duplicate.start < plain.repair_from || duplicate.end > plain.repair_end)
		return false;
	plain.undo -= length < plain.undo ? length : plain.undo;
	return !plain.undo;
}

static bool plain_end_repair(struct sent_result *expected)
{
	if (plain.repair == SENT_NO_REPAIR || plain.una < plain.repair_end)
		return false;
	plain.repair = SENT_NO_REPAIR;
	for (__u32 i = 0; i < plain.count; i++) {
		if (!plain.segments[i].lost)
			continue;
		expected->new_losses = true;
		plain_begin(SENT_FAST_RECOVERY);
		break;
	}
	return true;
}

static void plain_ack(__u64 ack, bool is_duplicate, __u32 echo_us, const struct plain_block *blocks, __u32 count,
		      struct sent_result *expected)
{
	struct plain_segment delivered[2 * SEGMENTS];
	__u32 delivered_count = 0, kept = 0;
	__u64 acked_ns = 0, sacked_ns = 0;
	bool advanced = ack > plain.una, again = false, is_probe, repaired, told;

	*expected = (struct sent_result){};
	expected->duplicate_seen = plain.sack && plain_is_duplicate(blocks, count, ack);
	expected->spurious = expected->duplicate_seen && plain_undo(blocks[0]);
	for (__u32 i = 0; i < plain.count; i++) {
		struct plain_segment s = plain.segments[i];
		bool was = s.sacked || s.delivered, acked = s.end <= ack, sacked = false;

		for (__u32 b = expected->duplicate_seen; b < count && plain.sack && !s.sacked && !acked; b++)
			sacked |= plain_is_sack(blocks[b], ack) && s.start >= blocks[b].start && s.end <= blocks[b].end;
		if (acked || sacked) {
			again |= acked && s.again;
			if (!was) {
				delivered[delivered_count++] = s;
				expected->delivered_bytes += s.end - s.start;
			}
			if (!was && acked && !acked_ns)
				acked_ns = s.sent_ns;
			if (!was && sacked && !s.again && s.sent_ns > sacked_ns)
				sacked_ns = s.sent_ns;
		}
		if (acked)
			continue;
		if (s.start < ack) {
			expected->delivered_bytes += was ? 0 : ack - s.start;
			s.start = ack;
		}
		s.sacked |= sacked;
		s.lost &= !s.sacked;
		plain.segments[kept++] = s;
	}
	plain.count = kept;
	plain.una = ack;
	plain_rack(delivered, delivered_count, echo_us);
	expected->rtt_us = plain_measure(again, acked_ns, sacked_ns, advanced, echo_us);
	told = expected->duplicate_seen && plain.probe_again && blocks[0].end == plain.probe_end;
	is_probe = plain_probe(ack, told, is_duplicate, count, expected);
	repaired = plain_end_repair(expected);
	plain_window(ack, expected->duplicate_seen && !is_probe, repaired);
	expected->new_losses |= plain_find_losses();
	if (!plain.sack)
		expected->new_losses |= plain_duplicates(advanced, is_duplicate);
}

/* --- both, compared ---------------------------------------------------------------------------------------------- */

static void assert_same(void)
{
	__u32 in_flight = 0, sacked = 0, lost = 0, first_lost = 0;
	struct sent_segment *first = sent_first_lost(&sent);

	assert_int_equal(sent.count, plain.count);
	for (__u32 i = plain.count; i-- > 0;) {
		const struct plain_segment *p = &plain.segments[i];
		const struct sent_segment *s = sent_at(&sent, sent.head + i);

		assert_int_equal(s->seq, (__u32)p->start);
		assert_int_equal(s->end, (__u32)p->end);
		assert_int_equal(s->sent_ns, p->sent_ns);
		assert_int_equal(s->flags, (p->sacked ? SENT_SACKED : 0) | (p->lost ? SENT_LOST : 0) |
						   (p->again ? SENT_RETRANSMITTED : 0) |
						   (p->delivered ? SENT_DELIVERED : 0));
		*(p->sacked ? &sacked : p->lost ? &lost : &in_flight) += p->end - p->start;
		if (p->lost)
			first_lost = i;
	}
	assert_sums(in_flight, sacked, lost);
	assert_int_equal(in_flight + sacked + lost, plain.nxt - plain.una);
	assert_int_equal(!!first, !!lost);
	if (first)
		assert_int_equal(first->seq, (__u32)plain.segments[first_lost].start);
	assert_int_equal(sent_reordering_ns(&sent), plain.timer_ns);
	assert_int_equal(sent.repair, plain.repair);
	assert_int_equal(sent.reordering, plain.reordering);
	assert_int_equal(sent.window_steps + 1, plain.multiplier);
	assert_int_equal(sent.probe_out, plain.probing);
	assert_int_equal(account.used_bytes, sent.capacity * sizeof(struct sent_segment));
	assert_int_equal(!sent.capacity, !plain.count);
}

static void step_send(void)
{
	__u32 length = 1 + dice(50);

	if (plain.count >= SEGMENTS)
		return;
	assert_int_equal(sent_add(&sent, &account, plain.nxt, plain.nxt + length, now_ns), 0);
	plain.segments[plain.count++] =
		(struct plain_segment){ .start = plain.nxt, .end = plain.nxt + length, .sent_ns = now_ns };
	plain.nxt += length;
}

/* A number from SND.UNA to SND.NXT, mostly where a segment begins. */
static __u64 some_position(void)
{
	if (!plain.count || dice(20) == 0)
		return plain.una + dice(plain.nxt - plain.una + 1);
	return plain.segments[dice(plain.count)].start;
}

static struct plain_block some_block(__u64 ack)
{
	struct plain_block block = { some_position(), some_position() };

	if (dice(10) == 0) /* nonsense, or a duplicate */
		return (struct plain_block){ ack + dice(400) - 200, ack + dice(400) - 200 };
	if (block.end < block.start)
		block = (struct plain_block){ block.end, block.start };
	return block;
}

/* What is acknowledged: mostly nothing more, or little. */
static __u64 some_ack(void)
{
	if (dice(3))
		return plain.una;
	if (!plain.count || dice(8) == 0)
		return dice(2) ? plain.nxt : some_position();
	return plain.segments[dice(plain.count < 6 ? plain.count : 6)].start;
}

static void step_ack(void)
{
	__u64 target = some_ack();
	struct plain_block blocks[SENT_SACK_BLOCKS_MAX];
	struct sent_ack ack = {
		.now_ns = now_ns,
		.snd_una = plain.una,
		.ack = target,
		.echo_rtt_us = dice(3) ? 0 : dice(100000),
		.block_count = dice(SENT_SACK_BLOCKS_MAX + 1),
		.sack = plain.sack,
		.is_duplicate = target == plain.una && dice(2),
	};
	struct sent_result expected;

	for (__u32 i = 0; i < ack.block_count; i++) {
		blocks[i] = some_block(target);
		ack.blocks[i] = (struct sack_block){ blocks[i].start, blocks[i].end };
	}
	plain_ack(target, ack.is_duplicate, ack.echo_rtt_us, blocks, ack.block_count, &expected);
	take(&ack);
	assert_memory_equal(&result, &expected, sizeof(result));
	if (result.rtt_us)
		rtt_sample(&rtt, result.rtt_us, now_ns);
}

/* Sends an entry again: the first lost, or, for a probe, the last, with the marks of one. */
static void step_again(void)
{
	struct sent_segment *segment = dice(4) ? sent_first_lost(&sent) : sent_last(&sent);
	struct plain_segment *p = plain.segments;

	if (!segment)
		return;
	while ((__u32)p->start != segment->seq)
		p++;
	sent_again(&sent, segment, now_ns);
	p->again = true;
	if (p->sacked)
		return;
	p->sent_ns = now_ns;
	if (p->lost)
		plain.undo += p->end - p->start;
	p->lost = false;
	if (dice(4))
		return;
	plain.probing = true;
	plain.probe_again = dice(2);
	plain.probe_end = plain.nxt;
	sent_probed(&sent, plain.nxt, !plain.probe_again);
}

static void step_split(void)
{
	__u32 index = plain.count ? dice(plain.count) : 0, length = 1 + dice(40);
	struct plain_segment *p = &plain.segments[index];
	struct sent_segment *segment;

	if (!plain.count || plain.count >= SEGMENTS)
		return;
	segment = sent_at(&sent, sent.head + index);
	assert_int_equal(sent_split(&sent, &account, &segment, length), 0);
	assert_int_equal(segment->seq, (__u32)p->start);
	if (p->sacked || p->end - p->start <= length)
		return;
	memmove(p + 1, p, (plain.count - index) * sizeof(*p));
	plain.count++;
	p[0].end = p[1].start = p[0].start + length;
}

static void step_time_out(void)
{
	sent_time_out(&sent);
	for (__u32 i = 0; i < plain.count; i++) {
		plain.segments[i].delivered |= plain.segments[i].sacked;
		plain.segments[i].sacked = false;
		plain.segments[i].lost = true;
	}
	if (!plain.count)
		return;
	plain.timer_ns = 0;
	plain_begin(SENT_TIMED_OUT);
}

static void step_timer(void)
{
	bool found;

	sent_find_losses(&sent, &rtt, now_ns, &found);
	assert_int_equal(found, plain_find_losses());
}

static void step(void)
{
	if (dice(3) == 0)
		now_ns += dice(30) * NSEC_PER_MSEC;
	switch (dice(8)) {
	case 0 ... 2:
		step_send();
		break;
	case 3 ... 4:
		step_ack();
		break;
	case 5:
		step_again();
		break;
	case 6:
		step_split();
		break;
	default:
		if (dice(10))
			step_timer();
		else
			step_time_out();
	}
}

static void test_random_steps_as_the_plain_one(void **state)
{
	for (__u32 seed = 0; seed < SEEDS; seed++) {
		series = seed;
		setup(state);
		sent.head = dice(2) ? 0xfff0 + dice(16) : dice(0x10000);
		sent.sack = dice(8);
		rtt_init(&rtt);
		plain = (struct plain){ .multiplier = 1, .sack = sent.sack };
		plain.una = plain.nxt = plain.fack = (5ULL << 32) - (dice(2) ? dice(4000) : dice(0xffffffff));
		for (__u32 i = 0; i < STEPS; i++) {
			step();
			assert_same();
		}
		assert_int_equal(teardown(state), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_random_steps_as_the_plain_one),
	};

	return cmocka_run_group_tests_name("sent_model", tests, NULL, NULL);
}
