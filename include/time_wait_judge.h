/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TIME-WAIT (RFC 9293, 3.6.1 and 3.10.7.4; RFC 1337; RFC 6191): what a segment is to a connection of which only the
 * numbers are left. For the daemon's connections; a socket of the kernel's is its own judge. Pure.
 */
#ifndef SYNKEEP_TIME_WAIT_JUDGE_H
#define SYNKEEP_TIME_WAIT_JUDGE_H

#include "judge.h"

enum time_wait_judgement {
	TIME_WAIT_RESET,	/* a RST: ignored */
	TIME_WAIT_ANEW,		/* a SYN that may begin a new connection */
	TIME_WAIT_NO_TIMESTAMP, /* it lacks what was agreed on: dropped */
	TIME_WAIT_SILENT,	/* dropped, too */
	TIME_WAIT_FIN_AGAIN,	/* acknowledged, and 2MSL begins anew */
	TIME_WAIT_OLD,		/* acknowledged */
};

/* What is left of the connection. */
struct time_wait_numbers {
	__u32 rcv_nxt;
	__u32 ts_recent; /* if has_timestamps */
	bool has_timestamps;
};

/* 3.6.1, MAY-2, by the timestamp where there are any (RFC 6191, 2; SHLD-4), else by the sequence number. */
static __always_inline bool time_wait_may_begin_anew(const struct time_wait_numbers *n, const struct segment *s)
{
	if (n->has_timestamps && s->has_timestamps && s->tsval != n->ts_recent)
		return seq_after(s->tsval, n->ts_recent);
	return seq_after(s->seq, n->rcv_nxt);
}

/* 3.10.7.4, eighth: the FIN that was taken comes again (EP-TW). Of the kernel's connections, too. */
static __always_inline bool time_wait_is_fin_again(const struct segment *s, __u32 rcv_nxt)
{
	return (s->flags & TCP_FLAG_FIN) && s->seq + s->payload_bytes + 1 == rcv_nxt;
}

static __always_inline enum time_wait_judgement time_wait_judge(const struct time_wait_numbers *n,
								const struct segment *s)
{
	__u32 length = s->payload_bytes + !!(s->flags & TCP_FLAG_SYN) + !!(s->flags & TCP_FLAG_FIN);

	/* RFC 1337, 3, fix F1 */
	if (s->flags & TCP_FLAG_RST)
		return TIME_WAIT_RESET;
	if ((s->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN && time_wait_may_begin_anew(n, s))
		return TIME_WAIT_ANEW;
	/* RFC 7323, 3.2 */
	if (n->has_timestamps && !s->has_timestamps && !(s->flags & TCP_FLAG_SYN))
		return TIME_WAIT_NO_TIMESTAMP;
	/* Two ends in TIME-WAIT would go on acknowledging each other's acknowledgements. */
	if (!length && s->seq == n->rcv_nxt)
		return TIME_WAIT_SILENT;
	/* What is old is answered without that (1337b). */
	return time_wait_is_fin_again(s, n->rcv_nxt) ? TIME_WAIT_FIN_AGAIN : TIME_WAIT_OLD;
}

#endif /* SYNKEEP_TIME_WAIT_JUDGE_H */
