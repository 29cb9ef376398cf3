/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4; RFC 1337; RFC 6191): what is left of a connection for 2MSL, in a tenth of a
 * TCB's memory; or in none, where the record alone is left after tcp_config.time_wait_ns, and XDP answers from that by
 * the same rules (time_wait_judge.h).
 */
#ifndef SYNKEEP_TCP_TIME_WAIT_H
#define SYNKEEP_TCP_TIME_WAIT_H

#include "tcp/arrival.h"
#include "tcp/tcb.h"

struct time_wait {
	struct endpoint endpoint;
	struct list link; /* in tcp->time_waits, in the order in which they began */
	__u32 path;
	__u32 snd_nxt;
	__u32 rcv_nxt;
	__u32 ts_recent;
	__u32 ts_offset;
	__u32 handshake; /* the initial sequence numbers: ours less the peer's */
	__u32 msl_ms;
	__u32 born_s;
	__u32 flags;  /* enum tcb_flag: what was agreed on */
	__u16 window; /* as it stands in the header */
	__u8 ttl;
};

/* Takes over from a TCB that is leaving the wire. 0 or -ENOMEM: then there is no TIME-WAIT. */
int time_wait_make(struct tcb *tcb);

/* A segment for it. TCPV_TIME_WAIT_REUSED: it is a SYN that may begin anew, which is the caller's to do. */
enum tcp_verdict time_wait_arrives(struct tcp *tcp, struct time_wait *tw, const struct arrival *a);

/* Where a new connection's numbers begin behind one whose numbers ended at snd_nxt (3.6.1, MAY-2). */
__u32 time_wait_iss(const struct tcp *tcp, const struct tuple *tuple, __u32 snd_nxt);

/* Its time here is over, or it has to make room. Where the record is to outlive it, it does. */
void time_wait_end(struct tcp *tcp, struct time_wait *tw);

#endif /* SYNKEEP_TCP_TIME_WAIT_H */
