/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The congestion window at work: one flow over a link of a fixed rate with a drop-tail buffer.
 *
 * The sender always has something to send. Each segment that arrives is acknowledged by itself, and a hole is found
 * when three more have arrived. What is sent again is one more segment here: only the order of sending counts.
 */
#include <stdlib.h>

#include "congestion_fixture.h"

#define SEGMENTS_MAX (1U << 16) /* that may be under way */

struct segment {
	__u64 sent_ns;
	__u64 acked_ns; /* 0: dropped */
};

struct link {
	struct congestion c;
	__u64 now_ns;
	__u64 rate; /* bytes a second */
	__u64 round_trip_ns;
	__u64 buffer_bytes;
	__u64 busy_until_ns; /* with what is in the buffer */
	struct segment *segments;
	__u32 first;   /* neither acknowledged nor found lost */
	__u32 arrived; /* behind the last that is acknowledged */
	__u32 next;    /* to be sent */
	__u32 recover; /* next when the last recovery began */
	__u32 in_flight_bytes;
	__u32 srtt_us;
	__u64 delivered_bytes;
	__u32 drops, recoveries, timeouts;
	__u32 burst; /* the most segments that one acknowledgement let go in recovery */
};

static struct segment *segment_of(const struct link *link, __u32 number)
{
	return &link->segments[number % SEGMENTS_MAX];
}

static void send_one(struct link *link)
{
	__u64 begin_ns = link->busy_until_ns > link->now_ns ? link->busy_until_ns : link->now_ns;
	struct segment *segment = segment_of(link, link->next);

	assert_true(link->next - link->first < SEGMENTS_MAX);
	*segment = (struct segment){ .sent_ns = link->now_ns };
	if ((begin_ns - link->now_ns) * link->rate / NSEC_PER_SEC > link->buffer_bytes) {
		link->drops++;
	} else {
		link->busy_until_ns = begin_ns + MSS * NSEC_PER_SEC / link->rate;
		segment->acked_ns = link->busy_until_ns + link->round_trip_ns;
	}
	link->next++;
	link->in_flight_bytes += MSS;
}

static void send_all(struct link *link)
{
	__u32 burst = 0;

	for (; link->in_flight_bytes + MSS <= link->c.cwnd; burst++)
		send_one(link);
	if (link->c.phase == CONGESTION_RECOVERY && burst > link->burst)
		link->burst = burst;
}

static struct link link_new(__u64 rate, __u64 round_trip_ms, __u64 buffer_bytes)
{
	struct link link = { .c = congestion_new(),
			     .now_ns = NOW,
			     .rate = rate,
			     .round_trip_ns = round_trip_ms * NSEC_PER_MSEC,
			     .buffer_bytes = buffer_bytes };

	link.segments = calloc(SEGMENTS_MAX, sizeof(*link.segments));
	assert_non_null(link.segments);
	send_all(&link);
	return link;
}

/* Nothing more arrives: what is in flight was dropped. */
static void time_out(struct link *link)
{
	link->timeouts++;
	link->now_ns += NSEC_PER_SEC;
	congestion_on_timeout(&link->c, (link->next - link->first) * MSS);
	link->in_flight_bytes = 0;
	link->first = link->arrived = link->recover = link->next;
}

/* The path keeps the order: what is missing before a segment that arrived was dropped. */
static bool find_losses(struct link *link)
{
	bool found = false;

	for (; link->first != link->arrived; link->first++) {
		if (segment_of(link, link->first)->acked_ns)
			continue;
		if (link->arrived - link->first <= 3)
			break;
		link->in_flight_bytes -= MSS;
		found = true;
	}
	return found;
}

static void take_ack(struct link *link, const struct segment *segment)
{
	__u32 rtt_us = (segment->acked_ns - segment->sent_ns) / 1000, flight_size = (link->next - link->first) * MSS;
	bool lost;

	link->now_ns = segment->acked_ns;
	link->srtt_us = link->srtt_us ? (7 * link->srtt_us + rtt_us) / 8 : rtt_us;
	link->delivered_bytes += MSS;
	link->in_flight_bytes -= MSS;
	lost = find_losses(link);
	if (lost && link->c.phase == CONGESTION_OPEN) {
		congestion_enter_recovery(&link->c, flight_size);
		link->recover = link->next;
		link->recoveries++;
	}
	congestion_on_ack(&link->c, &(struct congestion_ack){ .now_ns = link->now_ns,
							      .acked_bytes = MSS,
							      .in_flight_bytes = link->in_flight_bytes,
							      .rtt_us = rtt_us,
							      .srtt_us = link->srtt_us,
							      .snd_una = link->first * MSS,
							      .snd_nxt = link->next * MSS,
							      .window_limited = true,
							      .new_losses = lost,
							      .advanced = !lost });
	if (link->c.phase != CONGESTION_OPEN && (__s32)(link->first - link->recover) >= 0)
		congestion_leave_recovery(&link->c);
}

static void step(struct link *link)
{
	while (link->arrived != link->next && !segment_of(link, link->arrived)->acked_ns)
		link->arrived++;
	if (link->arrived == link->next)
		time_out(link);
	else
		take_ack(link, segment_of(link, link->arrived++));
	send_all(link);
}

static void run_until(struct link *link, __u64 time_ns)
{
	while (link->now_ns < time_ns)
		step(link);
}

/* 12.5 MB/s and 40 ms: 500 segments are on their way. Doubling would go on until the buffer is full. */
static void test_deep_buffer_slow_start_ends_before_it_is_full(void **state)
{
	struct link link = link_new(12500000, 40, 8000 * MSS);

	(void)state;
	while (link.c.cwnd < link.c.ssthresh)
		step(&link);
	assert_int_equal(link.drops, 0);
	assert_in_range(link.c.cwnd, 500 * MSS, 4000 * MSS);
	free(link.segments);
}

/* After a loss the link becomes wide: the window is concave up to W_max, flat there, and convex beyond. */
static void test_loss_past_window_is_concave_then_convex(void **state)
{
	struct link link = link_new(12500000, 100, 1250 * MSS);
	__u32 windows[7];
	__u64 start_ns;
	double k_s;

	(void)state;
	while (link.recoveries < 3 || link.c.phase != CONGESTION_OPEN)
		step(&link);
	link.rate *= 10;
	link.buffer_bytes *= 100;
	start_ns = link.now_ns;
	k_s = cbrt((link.c.w_max - link.c.cwnd) / 1000. / 0.4);
	for (int i = 0; i < 7; i++) {
		run_until(&link, start_ns + (__u64)(i * k_s / 3 * 1e9));
		windows[i] = link.c.cwnd;
	}
	assert_int_equal(link.recoveries, 3);
	for (int i = 1; i < 3; i++)
		assert_true(windows[i] - windows[i - 1] > 2 * (windows[i + 1] - windows[i]));
	for (int i = 4; i < 6; i++)
		assert_true(2 * (windows[i] - windows[i - 1]) < windows[i + 1] - windows[i]);
	assert_in_range(windows[3], link.c.w_max / 100 * 99, link.c.w_max / 100 * 101);
	/* As far above it as it was below. */
	assert_in_range(windows[6], 2 * windows[3] - windows[0] - 50 * MSS, 2 * windows[3] - windows[0] + 50 * MSS);
	free(link.segments);
}

static void test_any_buffer_link_is_used_nine_tenths(void **state)
{
	static const __u32 buffers[] = { 50, 125, 500, 2000 }; /* segments, beside the 500 on their way */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(buffers); i++) {
		struct link link = link_new(12500000, 40, buffers[i] * MSS);

		run_until(&link, NOW + 20 * NSEC_PER_SEC);
		link.delivered_bytes = link.drops = link.recoveries = 0;
		run_until(&link, NOW + 80 * NSEC_PER_SEC);
		assert_true(link.recoveries > 2);
		assert_int_equal(link.timeouts, 0);
		assert_true(link.delivered_bytes > link.rate * 60 / 100 * 90);
		assert_true(link.drops < link.recoveries * 50);
		assert_true(link.burst <= 3); /* losses are repaired without bursts */
		free(link.segments);
	}
}

/* Everything in flight is dropped at once: one segment, then slow start up to ssthresh. */
static void test_outage_time_out_comes_back(void **state)
{
	struct link link = link_new(12500000, 40, 125 * MSS);
	__u64 buffer_bytes = link.buffer_bytes;

	(void)state;
	run_until(&link, NOW + 5 * NSEC_PER_SEC);
	link.busy_until_ns = link.now_ns + NSEC_PER_SEC; /* the buffer is another's for a second */
	link.buffer_bytes = 0;
	while (!link.timeouts)
		step(&link);
	link.buffer_bytes = buffer_bytes;
	assert_int_equal(link.c.phase, CONGESTION_LOSS);
	assert_in_range(link.c.ssthresh, 200 * MSS, 500 * MSS);
	run_until(&link, link.now_ns + NSEC_PER_SEC);
	assert_int_equal(link.timeouts, 1);
	assert_int_equal(link.c.phase, CONGESTION_OPEN);
	assert_true(link.c.cwnd >= link.c.ssthresh);
	free(link.segments);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deep_buffer_slow_start_ends_before_it_is_full),
		cmocka_unit_test(test_loss_past_window_is_concave_then_convex),
		cmocka_unit_test(test_any_buffer_link_is_used_nine_tenths),
		cmocka_unit_test(test_outage_time_out_comes_back),
	};

	return cmocka_run_group_tests_name("congestion_link", tests, NULL, NULL);
}
