/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Round-trip times and the retransmission time-out (RFC 6298), by the numbers of its section 2.
 */
#include "tcp/rtt.h"

#define K 4	       /* 2.2 */
#define MIN_WINDOW_S 5 /* of rtt_min_us(): two of them are ten seconds */
#define USEC_PER_SEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

static __u32 smaller(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

void rtt_init(struct rtt *rtt)
{
	*rtt = (struct rtt){ .rto_us = RTT_RTO_INITIAL_US };
}

/* The least of the window that began last, and of the one before it: RFC 8985, 6.2, step 1. */
static void note_min(struct rtt *rtt, __u32 sample_us, __u32 now_s)
{
	__u32 age_s = now_s - rtt->min_since_s;

	if (rtt->min_us && age_s < MIN_WINDOW_S) {
		rtt->min_us = smaller(rtt->min_us, sample_us);
		return;
	}
	rtt->min_before_us = age_s < 2 * MIN_WINDOW_S ? rtt->min_us : 0;
	rtt->min_us = sample_us;
	rtt->min_since_s = now_s;
}

void rtt_sample(struct rtt *rtt, __u32 sample_us, __u64 now_ns)
{
	__u64 r = sample_us ? sample_us : 1, srtt = rtt->srtt_us, rttvar = rtt->rttvar_us, rto;

	if (!srtt) { /* 2.2 */
		srtt = r;
		rttvar = r / 2;
	} else { /* 2.3: alpha is 1/8, beta 1/4; RTTVAR first, by the SRTT before */
		rttvar = (3 * rttvar + (srtt > r ? srtt - r : r - srtt)) / 4;
		srtt = (7 * srtt + r) / 8;
	}
	/* The variance is held up, not the sum: a steady path's time-out would be a round trip, and no more. */
	rto = srtt + (K * rttvar > RTT_RTO_MIN_US ? K * rttvar : RTT_RTO_MIN_US);
	if (rto > RTT_RTO_MAX_US)
		rto = RTT_RTO_MAX_US;
	rtt->srtt_us = srtt;
	rtt->rttvar_us = rttvar;
	rtt->rto_us = rto;
	rtt->backoffs = 0;
	note_min(rtt, r, now_ns / NSEC_PER_SEC);
}

static __u64 rto_us(const struct rtt *rtt)
{
	__u64 us = (__u64)rtt->rto_us << rtt->backoffs;

	return us < RTT_RTO_MAX_US ? us : RTT_RTO_MAX_US;
}

__u64 rtt_rto_ns(const struct rtt *rtt)
{
	return rto_us(rtt) * NSEC_PER_USEC;
}

void rtt_back_off(struct rtt *rtt)
{
	if (rto_us(rtt) < RTT_RTO_MAX_US)
		rtt->backoffs++;
}

void rtt_syn_timed_out(struct rtt *rtt)
{
	if (rtt->rto_us < RTT_RTO_SYN_TIMED_OUT_US)
		rtt->rto_us = RTT_RTO_SYN_TIMED_OUT_US;
	rtt->backoffs = 0;
}

__u32 rtt_min_us(const struct rtt *rtt)
{
	return rtt->min_before_us ? smaller(rtt->min_us, rtt->min_before_us) : rtt->min_us;
}
