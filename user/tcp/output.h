/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a connection sends, and when (RFC 9293, 3.7.4, 3.8.6; RFC 5681; RFC 8985): behind every batch of arrivals, user
 * calls and time-outs, tcp_work() has output() send whatever the connection's variables allow.
 */
#ifndef SYNKEEP_TCP_OUTPUT_H
#define SYNKEEP_TCP_OUTPUT_H

#include "tcp/tcb.h"

#define OUTPUT_NO_MEMORY_RETRY_NS (10 * NSEC_PER_MSEC)

/* Sends what may be sent now, and arms the timers for the rest. False: the rim had no room; to be called again. */
bool output(struct tcb *tcb);

/* A segment without text, now. False: no room. */
bool output_ack(struct tcb *tcb);

/* RST, as ABORT asks for (3.10.5); states without a peer that knows of us send none. False: no room. */
bool output_reset(struct tcb *tcb);

/* A segment that asks for an acknowledgement: SEQ = SND.NXT - 1, no text (3.8.4, SHLD-12). */
bool output_keepalive(struct tcb *tcb);

/* Sends the first byte that the peer's window leaves out (3.8.6.1, MUST-36), or what silly-window avoidance held back.
 */
bool output_probe(struct tcb *tcb);

/* RFC 8985, 7.3: something new, or the last segment again. */
bool output_tail_loss_probe(struct tcb *tcb);

/* SND.WND becomes window: what waits behind a closed one is sent again where that opens. */
void output_window_changes(struct tcb *tcb, __u32 window);

/* The window that a SYN of ours offers, never shifted (RFC 7323, 2.2), and the shift of later ones. */
__u32 output_syn_window(const struct tcb *tcb);
__u8 output_window_shift(const struct tcb *tcb);

/* The peer was heard: its idle time begins anew (MUST-26). */
void output_arm_keepalive(struct tcb *tcb);

#endif /* SYNKEEP_TCP_OUTPUT_H */
