/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests of the scoreboard share: one of it, with segments of a hundred bytes from START on, on a clock of
 * milliseconds. The numbers of bytes and of entries both wrap early.
 */
#ifndef SYNKEEP_SENT_FIXTURE_H
#define SYNKEEP_SENT_FIXTURE_H

#include <errno.h>

#include "unit.h"

#include "../../user/tcp/rtt.c"
#include "../../user/tcp/sent.c"
#include "../../user/tcp/sent_ack.c"
#include "../../user/tcp/sent_rack.c"

#define START 0xffffff00 /* SND.UNA at first */
#define SEGMENT 100
#define RTT_MS 40

static struct memory_account account;
static struct sent sent;
static struct rtt rtt;
static struct sent_result result;
static __u64 now_ns;
static __u32 snd_una; /* segments from START */

static int setup(void **state)
{
	(void)state;
	account = (struct memory_account){ .limit_bytes = 1 << 22 };
	sent = (struct sent){ .head = 0xfffe, .sack = true };
	rtt = (struct rtt){ .srtt_us = 1000 * RTT_MS, .min_us = 1000 * RTT_MS, .rto_us = 200000 };
	now_ns = NSEC_PER_SEC;
	snd_una = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	sent_free(&sent, &account);
	return account.used_bytes ? -1 : 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static inline __u32 number(__u32 segments)
{
	return START + SEGMENT * segments;
}

static inline void wait_ms(__u32 ms)
{
	now_ns += ms * NSEC_PER_MSEC;
}

/* Sends as many new segments, at once. */
static inline void send_new(__u32 count)
{
	__u32 seq = sent.count ? sent_last(&sent)->end : number(snd_una);

	for (__u32 i = 0; i < count; i++, seq += SEGMENT)
		assert_int_equal(sent_add(&sent, &account, seq, seq + SEGMENT, now_ns), 0);
}

/* Sends the first lost segment again, which has to be the one named. */
static inline void send_lost(__u32 segments)
{
	struct sent_segment *lost = sent_first_lost(&sent);

	assert_non_null(lost);
	assert_int_equal(lost->seq, number(segments));
	sent_again(&sent, lost, now_ns);
}

/* An acknowledgement of so many segments from START, with blocks in pairs of segments from START. */
static inline struct sent_ack ack_of(__u32 segments, const __u32 *pairs, __u32 blocks)
{
	struct sent_ack ack = {
		.now_ns = now_ns,
		.snd_una = number(snd_una),
		.ack = number(segments),
		.block_count = blocks,
		.sack = true,
		.is_duplicate = segments == snd_una,
	};

	for (__u32 i = 0; i < blocks; i++)
		ack.blocks[i] = (struct sack_block){ number(pairs[2 * i]), number(pairs[2 * i + 1]) };
	return ack;
}

static inline void take(const struct sent_ack *ack)
{
	sent_take_ack(&sent, &account, ack, &rtt, &result);
}

static inline void take_ack(__u32 segments, const __u32 *pairs, __u32 blocks)
{
	struct sent_ack ack = ack_of(segments, pairs, blocks);

	take(&ack);
	snd_una = segments;
}

#define ACK(segments) take_ack(segments, NULL, 0)
#define SACK(segments, ...)                                                                                            \
	take_ack(segments, (const __u32[]){ __VA_ARGS__ }, ARRAY_LEN(((const __u32[]){ __VA_ARGS__ })) / 2)

/* The marks of the entries, a letter each: '.' in flight, 's' sacked, 'l' lost; capital: was sent again. */
static inline void assert_marks(const char *expected)
{
	char marks[64] = "";

	assert_true(sent.count < sizeof(marks));
	for (__u16 i = 0; i < sent.count; i++) {
		__u8 flags = sent_at(&sent, sent.head + i)->flags;
		char mark = flags & SENT_SACKED ? 's' : flags & SENT_LOST ? 'l' : '.';

		if (flags & SENT_RETRANSMITTED)
			mark = mark == '.' ? 'R' : mark - 'a' + 'A';
		marks[i] = mark;
	}
	assert_string_equal(marks, expected);
}

static inline void assert_sums(__u32 in_flight, __u32 sacked, __u32 lost)
{
	assert_int_equal(sent.in_flight_bytes, in_flight);
	assert_int_equal(sent.sacked_bytes, sacked);
	assert_int_equal(sent.lost_bytes, lost);
}

#endif /* SYNKEEP_SENT_FIXTURE_H */
