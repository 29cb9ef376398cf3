// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Slow start, congestion avoidance and recovery as RFC 5681 and RFC 6582 have them. */
#include "tcp/congestion.h"

static __u32 ssthresh(const struct congestion *c, __u32 in_flight_bytes)
{
	__u32 least = 2U * c->mss;

	return in_flight_bytes / 2 > least ? in_flight_bytes / 2 : least;
}

void congestion_init(struct congestion *c, __u16 mss)
{
	__u32 most = 2U * mss > 14600 ? 2U * mss : 14600;
	__u32 wanted = CONGESTION_INITIAL_SEGMENTS * (__u32)mss;

	c->mss = mss;
	c->cwnd = wanted < most ? wanted : most;
	c->ssthresh = 1U << 30;
	c->phase = CONGESTION_OPEN;
}

void congestion_set_mss(struct congestion *c, __u16 mss)
{
	c->mss = mss;
}

void congestion_on_ack(struct congestion *c, const struct congestion_ack *ack)
{
	if (c->phase == CONGESTION_RECOVERY || !ack->window_limited || c->cwnd >= 1U << 30)
		return;
	if (c->cwnd < c->ssthresh)
		c->cwnd += ack->acked_bytes;
	else
		c->cwnd += (__u32)((__u64)c->mss * ack->acked_bytes / c->cwnd);
}

void congestion_enter_recovery(struct congestion *c, __u32 in_flight_bytes, __u64 now_ns)
{
	(void)now_ns;
	c->ssthresh = c->cwnd = ssthresh(c, in_flight_bytes);
	c->phase = CONGESTION_RECOVERY;
}

void congestion_leave_recovery(struct congestion *c)
{
	c->phase = CONGESTION_OPEN;
}

void congestion_on_timeout(struct congestion *c, __u32 in_flight_bytes, __u64 now_ns)
{
	(void)now_ns;
	if (c->phase != CONGESTION_LOSS)
		c->ssthresh = ssthresh(c, in_flight_bytes);
	c->cwnd = c->mss;
	c->phase = CONGESTION_LOSS;
}

void congestion_undo(struct congestion *c)
{
	if (c->cwnd < c->ssthresh)
		c->cwnd = c->ssthresh;
}

void congestion_on_idle(struct congestion *c)
{
	__u32 initial = CONGESTION_INITIAL_SEGMENTS * (__u32)c->mss;

	if (c->cwnd > initial)
		c->cwnd = initial;
}

__u64 congestion_pacing_rate(const struct congestion *c, __u32 srtt_us)
{
	return srtt_us ? (__u64)c->cwnd * 1000000 / srtt_us * 2 : 0;
}
