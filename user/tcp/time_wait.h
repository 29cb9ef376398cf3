/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4; RFC 1337; RFC 6191): what is left of a connection for 2MSL, in a tenth of a
 * TCB's memory.
 */
#ifndef SYNKEEP_TCP_TIME_WAIT_H
#define SYNKEEP_TCP_TIME_WAIT_H

#include "tcp/arrival.h"
#include "tcp/tcb.h"

struct time_wait {
	struct endpoint endpoint;
	struct list link; /* in tcp->time_waits, in the order in which they end */
	__u32 path;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 ts_offset;
	__u32 irs;
	__u32 iss;
	__u32 born_s;
	__u32 flags;  /* enum tcb_flag: what was agreed on */
	__u16 window; /* as it stands in the header */
	__u8 ttl;
};

/* Takes over from a TCB that is leaving the wire, for 2MSL. 0 or -ENOMEM: then there is no TIME-WAIT. */
int time_wait_make(struct tcb *tcb);

/*
 * A segment for it. TCPV_TIME_WAIT_REUSED: it is a SYN that may begin anew, and the TIME-WAIT is gone; *iss is where
 * the new connection's numbers must begin (3.6.1).
 */
enum tcp_verdict time_wait_arrives(struct tcp *tcp, struct time_wait *tw, const struct arrival *a, __u32 *iss);

/* Its time is over, or it has to make room. */
void time_wait_end(struct tcp *tcp, struct time_wait *tw);

#endif /* SYNKEEP_TCP_TIME_WAIT_H */
