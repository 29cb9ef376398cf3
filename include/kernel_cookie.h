/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a cookie of the kernel's own keeps of a SYN, beside its MSS: options, in the lowest bits of the SYN-ACK's TSval
 * (cookie_init_timestamp() and cookie_timestamp_decode() of the kernel, the same from Linux 4.13 to 6.18).
 *
 *    31                         6  5  4  3      0
 *   +----------------------------+--+--+---------+
 *   |  milliseconds since boot   |ec|sk|wscale 4 |
 *   +----------------------------+--+--+---------+
 *
 * wscale is 15 where the SYN had no window scale option; sk: SACK permitted; ec: ECN.
 *
 * The kernel reads these bits from the ACK's TSecr less an offset of its own for each peer, which nobody else knows.
 * Only with net.ipv4.tcp_timestamps=2 there is none. Without timestamps no option but the MSS is kept.
 *
 * Pure.
 */
#ifndef SYNKEEP_KERNEL_COOKIE_H
#define SYNKEEP_KERNEL_COOKIE_H

#include "cookie.h"
#include "judge.h"

#define KERNEL_COOKIE_LIFETIME_NS (120 * NSEC_PER_SEC) /* MAX_SYNCOOKIE_AGE, at the most */
#define KERNEL_COOKIE_TSVAL_BITS 6
#define KERNEL_COOKIE_SACK (1U << 4)
#define KERNEL_COOKIE_ECN (1U << 5)

#define TIMESTAMPS_WITHOUT_OFFSET 2 /* of net.ipv4.tcp_timestamps */

/* Takes off the terms what the kernel's cookie would not keep. */
static __always_inline void kernel_cookie_limit(struct cookie_terms *terms, __u8 sysctl_timestamps)
{
	if (terms->timestamps && sysctl_timestamps == TIMESTAMPS_WITHOUT_OFFSET)
		return;
	terms->wscale = TCP_WSCALE_NONE;
	terms->sack = false;
	terms->ecn = false;
	terms->timestamps = false;
}

/* The SYN-ACK's TSval; never ahead of the clock, in milliseconds, that the kernel's sockets have theirs from. */
static __always_inline __u32 kernel_cookie_tsval(const struct cookie_terms *terms, __u64 monotonic_ms)
{
	__u32 options = terms->wscale | (terms->sack ? KERNEL_COOKIE_SACK : 0) | (terms->ecn ? KERNEL_COOKIE_ECN : 0);
	__u32 step = 1U << KERNEL_COOKIE_TSVAL_BITS;
	__u32 tsval = ((__u32)monotonic_ms & ~(step - 1)) | options;

	return options > (monotonic_ms & (step - 1)) ? tsval - step : tsval;
}

/*
 * The handshake's terms as the kernel reads them from the ACK. The MSS is told to the kernel alone, and stays 0. Behind
 * an offset they are not known: the widest window errs on the side of believing the peer.
 */
static __always_inline struct cookie_terms kernel_cookie_terms(__u8 sysctl_timestamps, bool has_timestamps, __u32 tsecr)
{
	struct cookie_terms terms = { .wscale = TCP_WSCALE_NONE };

	if (!has_timestamps)
		return terms;
	terms.timestamps = true;
	if (sysctl_timestamps != TIMESTAMPS_WITHOUT_OFFSET) {
		terms.wscale = TCP_WSCALE_MAX;
		return terms;
	}
	terms.wscale = tsecr & 15;
	terms.sack = tsecr & KERNEL_COOKIE_SACK;
	terms.ecn = tsecr & KERNEL_COOKIE_ECN;
	return terms;
}

/*
 * Whether a segment with a right cookie shows that of the connection that has ended, for its numbers are of it. The
 * kernel's cookie is a sum with the peer's number as a term: all acknowledgements that are as far from their sequence
 * number as the first one was are right, and so are those of a new handshake on the same tuple.
 */
static __always_inline bool kernel_cookie_is_replayed(const struct segment *s, const struct ended *e)
{
	__u32 iss = e->irs + e->handshake;

	return !(e->flags & FLOW_ADOPTED) && seq_after(s->seq, e->irs) && !seq_after(s->seq, e->rcv_nxt) &&
	       seq_after(s->ack, iss) && !seq_after(s->ack, e->snd_nxt);
}

/* The shift that the least window scale needs for a buffer. */
static __always_inline __u8 kernel_cookie_shift(__u32 bytes)
{
	__u8 shift = 0;

	UNROLL_LOOP
	for (int i = 0; i < TCP_WSCALE_MAX; i++)
		shift += bytes >> i > 65535;
	return shift;
}

/*
 * The window scale that the kernel will give the connection, as tcp_select_initial_window() reckons it: it has to be
 * the one that the SYN-ACK offered. largest_shift is of the largest buffer that the sysctls allow, window what the
 * listener's is now, clamp the most that it may ever be, 0: no such.
 */
static __always_inline __u8 kernel_cookie_rcv_wscale(__u8 largest_shift, __u32 window, __u32 clamp)
{
	__u8 shift = kernel_cookie_shift(window), most = clamp ? kernel_cookie_shift(clamp) : TCP_WSCALE_MAX;

	if (shift < largest_shift)
		shift = largest_shift;
	return shift < most ? shift : most;
}

#endif /* SYNKEEP_KERNEL_COOKIE_H */
