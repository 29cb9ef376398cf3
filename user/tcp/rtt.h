/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Round-trip times and the retransmission time-out (RFC 6298). Karn's rule is the caller's: no sample of what was sent
 * twice without timestamps (MUST-18).
 *
 * Departs from RFC 6298, 2.4: the time-out is at least 200 ms more than a round trip, not a second, as all common
 * stacks have it. A delayed acknowledgement takes 40 ms with them.
 */
#ifndef SYNKEEP_TCP_RTT_H
#define SYNKEEP_TCP_RTT_H

#include "base.h"

#define RTT_RTO_INITIAL_US 1000000	 /* 2.1 */
#define RTT_RTO_SYN_TIMED_OUT_US 3000000 /* 5.7 */
#define RTT_RTO_MIN_US 200000		 /* above SRTT, in place of G and 2.4's second */
#define RTT_RTO_MAX_US 60000000		 /* 2.5; half of 2MSL, or a TIME-WAIT would not see a FIN that comes again */

struct rtt {
	__u32 srtt_us; /* 0: no sample yet */
	__u32 rttvar_us;
	__u32 rto_us; /* without backing off */
	/* The least of the last ten seconds or so, of one window and the one before (RFC 8985, 6.2, step 1). 0: none.
	 */
	__u32 min_us;
	__u32 min_before_us;
	__u32 min_since_s; /* when the window of min_us began */
	__u8 backoffs;	   /* the time-out is doubled so often (5.5) */
};

void rtt_init(struct rtt *rtt);

/* A sample (2.2, 2.3). It ends backing off. */
void rtt_sample(struct rtt *rtt, __u32 sample_us, __u64 now_ns);

/* The time-out, doubled as often as it has run out, at most RTT_RTO_MAX_US. */
__u64 rtt_rto_ns(const struct rtt *rtt);

/* 5.5: the time-out has run out. */
void rtt_back_off(struct rtt *rtt);

/* 5.7: data may be sent now, and the SYN's time-out had run out before the connection stood. */
void rtt_syn_timed_out(struct rtt *rtt);

/* The least round trip of late, microseconds; 0: no sample yet. */
__u32 rtt_min_us(const struct rtt *rtt);

#endif /* SYNKEEP_TCP_RTT_H */
