/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How much may be in flight: each part by its RFC, in the order in which a connection meets them.
 */
#include <math.h>
#include <stdint.h>

#include "seq.h"
#include "tcp/congestion.h"

#define CWND_MAX (1U << 30)	    /* no peer's window is larger (RFC 7323, 2.3) */
#define SSTHRESH_INITIAL UINT32_MAX /* arbitrarily high (RFC 5681, 3.1) */
#define NO_RTT UINT32_MAX

static __u32 smaller(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

static __u32 larger(__u32 a, __u32 b)
{
	return a > b ? a : b;
}

static __u32 clamp(__u32 value, __u32 least, __u32 most)
{
	return larger(least, smaller(value, most));
}

/* --- the first window ------------------------------------------------------------------------------------------- */

/* RFC 6928, 2. */
static __u32 initial_window(__u16 mss)
{
	return smaller(CONGESTION_INITIAL_SEGMENTS * mss, larger(2 * mss, 14600));
}

/* HyStart++ begins its first round with the next acknowledgement. */
static void forget_rounds(struct congestion *c)
{
	c->css_round = 0;
	c->in_round = false;
	c->round_min_us = NO_RTT;
}

void congestion_init(struct congestion *c, __u16 mss)
{
	*c = (struct congestion){ .cwnd = initial_window(mss), .ssthresh = SSTHRESH_INITIAL, .mss = mss };
	forget_rounds(c);
}

void congestion_set_mss(struct congestion *c, __u16 mss)
{
	/* The first window waits for the MSS; then RFC 5681, 3.1: as many segments as before, no burst of small ones.
	 */
	if (c->cwnd == initial_window(c->mss))
		c->cwnd = initial_window(mss);
	else if (mss < c->mss)
		c->cwnd = (__u64)c->cwnd * mss / c->mss;
	c->cwnd = larger(c->cwnd, mss);
	c->mss = mss;
	c->w_est = 0;
	c->epoch_start_ns = 0; /* K counts segments */
}

/* --- HyStart++: RFC 9406 ---------------------------------------------------------------------------------------- */

#define MIN_RTT_THRESH_US 4000 /* 4.3 */
#define MAX_RTT_THRESH_US 16000
#define MIN_RTT_DIVISOR 8
#define N_RTT_SAMPLE 8
#define CSS_GROWTH_DIVISOR 4
#define CSS_ROUNDS 5
#define L 8 /* segments that one acknowledgement may grow the window by, where nothing is paced */

/* 4.2: round trips that have become longer end slow start, for some rounds; if they were jitter, it goes on. */
static void judge_round_trips(struct congestion *c)
{
	if (c->round_samples < N_RTT_SAMPLE)
		return;
	if (c->css_round) {
		if (c->round_min_us < c->css_min_us)
			c->css_round = 0;
		return;
	}
	if (c->before_min_us == NO_RTT)
		return;
	if (c->round_min_us >=
	    c->before_min_us + clamp(c->before_min_us / MIN_RTT_DIVISOR, MIN_RTT_THRESH_US, MAX_RTT_THRESH_US)) {
		c->css_min_us = c->round_min_us;
		c->css_round = 1; /* the rest of a round counts as one */
	}
}

static void end_round(struct congestion *c, __u32 snd_nxt)
{
	if (c->css_round == CSS_ROUNDS)
		c->ssthresh = c->cwnd; /* congestion avoidance */
	else if (c->css_round)
		c->css_round++;
	c->before_min_us = c->round_min_us;
	c->round_min_us = NO_RTT;
	c->round_samples = 0;
	c->round_end = snd_nxt;
	c->in_round = true;
}

static void watch_round_trips(struct congestion *c, const struct congestion_ack *ack)
{
	if (c->in_round && ack->rtt_us) {
		c->round_min_us = smaller(c->round_min_us, ack->rtt_us);
		c->round_samples = smaller(c->round_samples + 1, N_RTT_SAMPLE);
		judge_round_trips(c);
	}
	if (!c->in_round || !seq_before(ack->snd_una, c->round_end))
		end_round(c, ack->snd_nxt);
}

/* --- slow start: RFC 5681, 3.1 ---------------------------------------------------------------------------------- */

/*
 * A sender that is paced, or is given acknowledgements of many segments, fills a window that doubles only in the course
 * of a round trip: more than half of it in flight will do (RFC 7661, 4.1, the validated phase).
 */
static bool uses_window(const struct congestion *c, const struct congestion_ack *ack)
{
	__u64 flight = (__u64)ack->in_flight_bytes + ack->acked_bytes;

	return ack->window_limited || 2 * flight > c->cwnd;
}

static void start_slowly(struct congestion *c, const struct congestion_ack *ack)
{
	bool is_first = c->ssthresh == SSTHRESH_INITIAL; /* RFC 9406, 4.3: HyStart++ is for this one */
	/* After a time-out an acknowledgement may cover what had arrived long ago: one segment (RFC 3465, 2.3). */
	__u32 limit = c->phase == CONGESTION_LOSS ? c->mss : L * c->mss;
	__u32 growth = smaller(ack->acked_bytes, limit);

	if (is_first && c->css_round)
		growth /= CSS_GROWTH_DIVISOR;
	if (uses_window(c, ack))
		c->cwnd = smaller(c->cwnd + growth, smaller(c->ssthresh, CWND_MAX));
	if (is_first)
		watch_round_trips(c, ack);
}

/* --- congestion avoidance: CUBIC, RFC 9438, 4.2 to 4.5 ---------------------------------------------------------- */

#define BETA 0.7			    /* 4.6 */
#define C 0.4				    /* segments per second cubed (5.1) */
#define ALPHA (3 * (1 - BETA) / (1 + BETA)) /* 4.3 */

/*
 * Lays the curve so that it leads through cwnd now. It is the same wherever on it one begins, so K need not be kept: it
 * is the time to W_max, and negative where that is past.
 */
static void begin_epoch(struct congestion *c, __u64 now_ns)
{
	/* After slow start without a loss, and after a time-out, nothing is known of W_max (4.8, 4.10). */
	if (!c->w_max)
		c->w_max = c->cwnd;
	if (!c->cwnd_prior)
		c->cwnd_prior = c->cwnd;
	if (c->w_est == 0)
		c->w_est = c->cwnd;
	c->epoch_start_ns = now_ns;
	c->k_s = cbrt(((double)c->w_max - c->cwnd) / c->mss / C);
}

/* Equation 1: W_cubic(t), bytes. */
static double w_cubic(const struct congestion *c, double t_s)
{
	double from_plateau_s = t_s - c->k_s;

	return C * c->mss * from_plateau_s * from_plateau_s * from_plateau_s + c->w_max;
}

static void avoid_congestion(struct congestion *c, const struct congestion_ack *ack)
{
	__u32 acked = smaller(ack->acked_bytes, c->cwnd); /* after a time-out it may be more */
	double t_s, target, growth;

	/* 5.8, and 4.2: time in which cwnd was not the limit does not count. The curve goes on afterwards. */
	if (!ack->window_limited) {
		c->epoch_start_ns = 0;
		return;
	}
	if (!c->epoch_start_ns)
		begin_epoch(c, ack->now_ns);
	t_s = (double)(ack->now_ns - c->epoch_start_ns) / NSEC_PER_SEC;

	/* 4.2, and 4.4 and 4.5: target, for each window that is acknowledged. */
	target = w_cubic(c, t_s + ack->srtt_us / 1e6);
	target = fmax(c->cwnd, fmin(target, 1.5 * c->cwnd));
	growth = c->growth + (target - c->cwnd) * acked / c->cwnd;

	/* 4.3: where Reno would have more, as much as Reno. */
	c->w_est += (c->w_est < c->cwnd_prior ? ALPHA : 1) * c->mss * acked / c->cwnd;
	if (w_cubic(c, t_s) < c->w_est)
		growth = fmax(growth, c->w_est - c->cwnd);

	growth = fmin(growth, CWND_MAX - c->cwnd);
	c->cwnd += (__u32)growth;
	c->growth = growth - (__u32)growth;
}

/* --- recovery: PRR, RFC 9937, 6 --------------------------------------------------------------------------------- */

/*
 * What was sent since the acknowledgement before: what the flight has grown by. New losses hide a part of it; where the
 * window was the limit, all whole segments that had room were sent.
 */
static __u32 sent_since(const struct congestion *c, const struct congestion_ack *ack)
{
	__u32 flight = ack->in_flight_bytes + ack->acked_bytes;
	__u32 room = c->cwnd - c->prr_in_flight;

	return larger(flight > c->prr_in_flight ? flight - c->prr_in_flight : 0,
		      ack->window_limited ? room - room % c->mss : 0);
}

static void reduce_proportionally(struct congestion *c, const struct congestion_ack *ack)
{
	__u64 may_be_out;
	__u32 snd_cnt;

	if (!ack->acked_bytes)
		return;
	if (c->prr_delivered)
		c->prr_out += sent_since(c, ack);
	c->prr_delivered += ack->acked_bytes;
	if (ack->in_flight_bytes > c->ssthresh) {
		/* Of what leaves the network, ssthresh / RecoverFS is sent anew. */
		may_be_out = ((__u64)c->prr_delivered * c->ssthresh + c->recover_fs - 1) / c->recover_fs;
		snd_cnt = may_be_out > c->prr_out ? may_be_out - c->prr_out : 0;
	} else {
		/* PRR-CRB: as much as left; PRR-SSRB, while nothing more is lost: one segment more, up to ssthresh. */
		snd_cnt = c->prr_delivered > c->prr_out ? c->prr_delivered - c->prr_out : 0;
		snd_cnt = larger(snd_cnt, ack->acked_bytes);
		if (ack->advanced && !ack->new_losses)
			snd_cnt += c->mss;
		snd_cnt = smaller(snd_cnt, c->ssthresh - ack->in_flight_bytes);
	}
	if (!c->prr_out && !snd_cnt)
		snd_cnt = c->mss; /* fast retransmit is not to wait */
	c->cwnd = ack->in_flight_bytes + snd_cnt;
	c->prr_in_flight = ack->in_flight_bytes;
}

/* --- what happens to a connection ------------------------------------------------------------------------------- */

void congestion_on_ack(struct congestion *c, const struct congestion_ack *ack)
{
	if (c->phase == CONGESTION_RECOVERY)
		reduce_proportionally(c, ack);
	else if (c->cwnd < c->ssthresh)
		start_slowly(c, ack);
	else
		avoid_congestion(c, ack);
}

/* RFC 9438, 4.6, for a time-out too (4.8). */
static void reduce_ssthresh(struct congestion *c, __u32 flight_size)
{
	/* What is undone is the first of several reductions, and with it all. */
	if (c->phase == CONGESTION_OPEN) {
		c->undo.cwnd = c->cwnd;
		c->undo.ssthresh = c->ssthresh;
		c->undo.w_max = c->w_max;
		c->undo.cwnd_prior = c->cwnd_prior;
		c->undo.w_est = c->w_est;
		c->cwnd_prior = c->cwnd;
	}
	c->ssthresh = larger(lround(flight_size * BETA), 2 * c->mss);
	c->w_est = 0;
	c->epoch_start_ns = 0;
}

void congestion_enter_recovery(struct congestion *c, __u32 flight_size)
{
	reduce_ssthresh(c, smaller(flight_size, c->cwnd));
	/* 4.7, fast convergence: a flow that lost before it reached W_max leaves room for others. */
	c->w_max = c->cwnd < c->w_max ? lround(c->cwnd * (1 + BETA) / 2) : c->cwnd;
	c->phase = CONGESTION_RECOVERY;
	c->cwnd = c->ssthresh; /* until an acknowledgement comes */
	c->recover_fs = larger(flight_size, c->mss);
	c->prr_delivered = c->prr_out = 0;
}

void congestion_leave_recovery(struct congestion *c)
{
	if (c->phase == CONGESTION_RECOVERY)
		c->cwnd = c->ssthresh; /* RFC 9937, 6: whatever is in flight by then */
	c->phase = CONGESTION_OPEN;
}

void congestion_on_timeout(struct congestion *c, __u32 flight_size)
{
	/* RFC 5681, 3.1: ssthresh once for a window. */
	if (c->phase != CONGESTION_LOSS) {
		reduce_ssthresh(c, flight_size);
		c->w_max = 0; /* RFC 9438, 4.8 */
		c->phase = CONGESTION_LOSS;
	}
	c->cwnd = c->mss;
}

void congestion_undo(struct congestion *c)
{
	if (!c->undo.cwnd)
		return;
	c->cwnd = larger(c->cwnd, c->undo.cwnd);
	c->ssthresh = c->undo.ssthresh;
	c->w_max = c->undo.w_max;
	c->cwnd_prior = c->undo.cwnd_prior;
	c->w_est = c->undo.w_est;
	c->epoch_start_ns = 0;
	c->undo.cwnd = 0;
	c->phase = CONGESTION_OPEN;
	forget_rounds(c);
}

void congestion_syn_timed_out(struct congestion *c)
{
	c->cwnd = c->mss;
}

void congestion_on_idle(struct congestion *c)
{
	c->ssthresh = larger(c->ssthresh, c->cwnd / 4 * 3); /* RFC 7661, 4.4.3: back to it by slow start */
	c->cwnd = smaller(c->cwnd, initial_window(c->mss)); /* RFC 5681, 4.1 */
	c->epoch_start_ns = 0;
	forget_rounds(c);
}

__u64 congestion_pacing_rate(const struct congestion *c, __u32 srtt_us)
{
	if (!srtt_us)
		return 0;
	return (__u64)c->cwnd * (c->cwnd < c->ssthresh ? 20 : 12) * 100000 / srtt_us;
}
