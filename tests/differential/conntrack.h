/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The kernel's nf_conntrack, to be compared with: a router in a network namespace of its own, between two veth pairs.
 * Packets of the peers come in at one, the owner's at the other; what conntrack thinks is read where they leave.
 *
 * It judges windows (nf_conntrack_tcp_be_liberal=0) and makes no entry of a connection whose SYN it has not seen
 * (nf_conntrack_tcp_loose=0).
 */
#ifndef SYNKEEP_TEST_CONNTRACK_H
#define SYNKEEP_TEST_CONNTRACK_H

#include <linux/netfilter/nf_conntrack_tcp.h>

#include "packet_build.h"

/* 0 or -errno: what the kernel lacks. */
int conntrack_open(void);
void conntrack_close(void);

/* The state of the tuple's entry once the packet has passed; TCP_CONNTRACK_NONE: there is none. */
enum tcp_conntrack conntrack_pass(const struct packet_spec *spec);

/* Forgets all entries. */
void conntrack_flush(void);

const char *conntrack_state_name(enum tcp_conntrack state);

#endif /* SYNKEEP_TEST_CONNTRACK_H */
