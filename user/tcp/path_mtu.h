/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Path MTU discovery (RFC 1191, RFC 8201) and ICMP errors (RFC 9293, 3.9.2.2): believed only about what is in flight
 * (RFC 5927), and where routers say nothing, black holes are found by time-outs (RFC 4821; RFC 2923, 2.1).
 */
#ifndef SYNKEEP_TCP_PATH_MTU_H
#define SYNKEEP_TCP_PATH_MTU_H

#include "tcp/tcb.h"

/* A frame with an ICMP error. TCPV_ICMP_TAKEN, TCPV_ICMP_IGNORED or TCPV_MALFORMED. */
enum tcp_verdict path_mtu_icmp_arrives(struct tcp *tcp, const void *frame, __u32 bytes);

/* Full segments time out again and again: smaller ones may come through. */
void path_mtu_suspect_black_hole(struct tcb *tcb);

#endif /* SYNKEEP_TCP_PATH_MTU_H */
