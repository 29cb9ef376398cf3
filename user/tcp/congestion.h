/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much may be in flight: slow start with HyStart++ (RFC 9406), CUBIC (RFC 9438), Proportional Rate Reduction while
 * losses are repaired (RFC 9937), the initial and the restart window (RFC 6928, RFC 5681, 4.1), and the pace that comes
 * of it.
 *
 * It knows no sequence numbers but the end of a round, and no segments: bytes that were acknowledged, lost or are in
 * flight go in, a window in bytes comes out.
 */
#ifndef SYNKEEP_TCP_CONGESTION_H
#define SYNKEEP_TCP_CONGESTION_H

#include "base.h"

#define CONGESTION_INITIAL_SEGMENTS 10 /* RFC 6928, 2: and at most 14,600 bytes, or two segments */

enum congestion_phase {
	CONGESTION_OPEN,     /* slow start or congestion avoidance */
	CONGESTION_RECOVERY, /* after a loss or a mark, until what was sent before it is acknowledged */
	CONGESTION_LOSS,     /* after a time-out, as long */
} __attribute__((packed));

struct congestion {
	__u32 cwnd; /* bytes */
	__u32 ssthresh;
	__u16 mss;
	enum congestion_phase phase;

	/* HyStart++ (RFC 9406, 4.2), which ends the first slow start. Round trips in microseconds. */
	__u8 css_round;	    /* of Conservative Slow Start, from 1; 0: standard slow start */
	bool in_round;	    /* round_end is known */
	__u8 round_samples; /* rttSampleCount, as far as it matters */

	/* CUBIC (RFC 9438, 4.1.2), windows in bytes. */
	__u32 w_max;	      /* where the curve is flat; 0: where congestion avoidance begins */
	__u32 cwnd_prior;     /* before the last reduction */
	double w_est;	      /* what Reno would have; 0: congestion avoidance has not begun */
	__u64 epoch_start_ns; /* 0: the curve waits to begin, or to go on */
	float k_s;	      /* from epoch_start on to W_max */
	float growth;	      /* the part of a byte by which cwnd should be larger */

	/* Slow start's and recovery's own: never both. */
	union {
		struct {		     /* HyStart++ */
			__u32 round_end;     /* windowEnd: SND.NXT when the round began */
			__u32 round_min_us;  /* currentRoundMinRTT */
			__u32 before_min_us; /* lastRoundMinRTT */
			__u32 css_min_us;    /* cssBaselineMinRtt */
		};
		struct {		     /* PRR (RFC 9937, 6) */
			__u32 recover_fs;    /* RecoverFS: FlightSize when recovery began */
			__u32 prr_delivered; /* since then */
			__u32 prr_out;	     /* sent since then */
			__u32 prr_in_flight; /* at the last acknowledgement */
		};
	};

	/* As it was before the last reduction (RFC 9438, 4.9). */
	struct {
		__u32 cwnd; /* 0: there is nothing to undo */
		__u32 ssthresh;
		__u32 w_max;
		__u32 cwnd_prior;
		__u32 w_est;
	} undo;
};

/* What an acknowledgement tells. */
struct congestion_ack {
	__u64 now_ns;
	__u32 acked_bytes;     /* that left the network: cumulatively, or by SACK, for the first time */
	__u32 in_flight_bytes; /* after it, what is lost not counted (RFC 6675, pipe) */
	__u32 rtt_us;	       /* the sample that it gave, 0: none */
	__u32 srtt_us;
	__u32 snd_una;
	__u32 snd_nxt;
	bool window_limited; /* the sender would have sent more, had cwnd allowed it (RFC 9438, 5.8; RFC 7661) */
	bool new_losses;     /* in recovery: some more was found lost by it (RFC 9937, safeACK) */
	bool advanced;	     /* SND.UNA */
};

void congestion_init(struct congestion *c, __u16 mss);

/* Another effective MSS: the peer's option came, or path MTU discovery found it. */
void congestion_set_mss(struct congestion *c, __u16 mss);

void congestion_on_ack(struct congestion *c, const struct congestion_ack *ack);

/*
 * A loss was found, or the peer echoed a mark (ECN): once a window, the caller sees to that. FlightSize (RFC 5681, 2)
 * is what was sent and is not acknowledged, lost or not. Where an acknowledgement told of it, congestion_on_ack() takes
 * that one next.
 */
void congestion_enter_recovery(struct congestion *c, __u32 flight_size);

/* SND.UNA has passed what was SND.NXT when it began; from recovery or loss. */
void congestion_leave_recovery(struct congestion *c);

/* The retransmission time-out (RFC 5681, 3.1): once for a window; further ones of the same data change nothing. */
void congestion_on_timeout(struct congestion *c, __u32 flight_size);

/* What was taken for a loss was none (RFC 9438, 4.9; D-SACK, timestamps, RFC 5682): as it was before, and open. */
void congestion_undo(struct congestion *c);

/* RFC 6928, 2: our SYN, or SYN-ACK, had to be sent again more than once. The first window is one segment. */
void congestion_syn_timed_out(struct congestion *c);

/* Nothing was sent for longer than the time-out (RFC 5681, 4.1). */
void congestion_on_idle(struct congestion *c);

/* Bytes a second at which to send: twice cwnd a round trip in slow start, 1.2 times above. 0: no sample, do not pace.
 */
__u64 congestion_pacing_rate(const struct congestion *c, __u32 srtt_us);

#endif /* SYNKEEP_TCP_CONGESTION_H */
