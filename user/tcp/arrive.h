/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * SEGMENT ARRIVES (RFC 9293, 3.10.7), a file for each part of it. For the files of the TCP only.
 *
 *   arrive.c            from tcp_input() to the part that the state asks for
 *   arrive_listen.c     3.10.7.1 and 3.10.7.2, CLOSED and LISTEN
 *   arrive_syn_sent.c   3.10.7.3
 *   arrive_checks.c     3.10.7.4, first to fourth: sequence number, RST, SYN
 *   arrive_ack.c        3.10.7.4, fifth: ACK
 *   arrive_text.c       3.10.7.4, sixth to eighth: URG, text, FIN
 *   arrive_common.c     what several of them do
 */
#ifndef SYNKEEP_TCP_ARRIVE_H
#define SYNKEEP_TCP_ARRIVE_H

#include "tcp/arrival.h"
#include "tcp/tcb.h"

/* No connection has the tuple. iss: where our numbers begin, if not 0: behind a TIME-WAIT. */
enum tcp_verdict arrive_listen(struct tcp *tcp, struct arrival *a, __u32 iss);

enum tcp_verdict arrive_syn_sent(struct tcb *tcb, struct arrival *a);

/* Every other state: what is acceptable goes on to the next two. */
enum tcp_verdict arrive_checks(struct tcb *tcb, struct arrival *a);

/* Old bytes before the window, and those behind it, are cut off (EP-TRIM), a FIN behind it too. */
void arrive_trim(struct tcb *tcb, struct arrival *a);

/* TCPV_TAKEN: the segment goes on. In SYN-RECEIVED it establishes the connection. */
enum tcp_verdict arrive_ack(struct tcb *tcb, struct arrival *a);

enum tcp_verdict arrive_text(struct tcb *tcb, struct arrival *a);

/* The peer's SYN: its numbers, window and options, as far as we offered the same. */
void arrive_take_syn(struct tcb *tcb, const struct arrival *a, bool is_answer);

/* The connection stands; our SYN had to be sent again so often for it (RFC 6298, 5.7; RFC 6928, 2). */
void arrive_establish(struct tcb *tcb, __u8 syn_timeouts);

/* A loss was found, or a mark was echoed: less is sent, until what is in flight now is acknowledged. */
void arrive_slow_down(struct tcb *tcb);

/* A window that came, if it is newer than the last (SND.WL1, SND.WL2). */
void arrive_take_window(struct tcb *tcb, const struct segment *s);

/* An answer that a forger could ask for without end is given so often a second at the most, each connection by itself.
 */
bool arrive_may_challenge(struct tcb *tcb);

#endif /* SYNKEEP_TCP_ARRIVE_H */
