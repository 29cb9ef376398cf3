/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The congestion window under test, with segments of a thousand bytes. */
#ifndef SYNKEEP_CONGESTION_FIXTURE_H
#define SYNKEEP_CONGESTION_FIXTURE_H

#include "unit.h"

#include "../../user/tcp/congestion.c"

#define MSS 1000
#define NOW (1000 * NSEC_PER_SEC)

static inline struct congestion congestion_new(void)
{
	struct congestion c;

	congestion_init(&c, MSS);
	return c;
}

static inline void ack(struct congestion *c, __u32 acked_bytes)
{
	congestion_on_ack(
		c, &(struct congestion_ack){ .now_ns = NOW, .acked_bytes = acked_bytes, .window_limited = true });
}

/* Of one window that is acknowledged, in congestion avoidance. */
static inline void ack_window(struct congestion *c, __u64 now_ns, __u32 srtt_us)
{
	congestion_on_ack(
		c, &(struct congestion_ack){
			   .now_ns = now_ns, .acked_bytes = c->cwnd, .srtt_us = srtt_us, .window_limited = true });
}

#endif /* SYNKEEP_CONGESTION_FIXTURE_H */
