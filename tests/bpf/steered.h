/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Conversations with the daemon, which is not there but for a socket: what a peer sends, whether the daemon is given
 * it, and records as the daemon would write them.
 */
#ifndef SYNKEEP_TEST_STEERED_H
#define SYNKEEP_TEST_STEERED_H

#include "talk.h"

#define STEERED_ISS 0x7000U /* of the daemon's records */

/* The peer's SYN, or its next segment, through xdp_ingress; no numbers go on. */
struct outcome steered_syn(const struct talk *t);
struct outcome steered_segment(const struct talk *t, __u8 flags, __u32 payload_bytes);

/* The frame goes to the daemon as this; terms are told with a cookie only. */
void steered_assert(const struct outcome *o, enum daemon_frame kind);

/* The same of what no verified peer sends: a handshake's segments, and those of a connection that has ended. */
void steered_assert_unverified(const struct outcome *o);

/* Records of the daemon's that never expire: the numbers of a flow and of one that ended are t's. */
struct flow steered_flow(const struct talk *t);
struct half_open steered_half_open(enum tcp_state state);
struct ended steered_ended(const struct talk *t, enum tcp_state state, __u16 flags);

/* Those before STEERED_TIME_WAIT have a TCB, which is given what comes. */
enum steered_record { STEERED_FLOW, STEERED_HALF_OPEN, STEERED_TIME_WAIT, STEERED_RECORDS };

/* Begins a conversation in which the peer's next segment meets the record. */
void steered_put_record(struct talk *t, __u8 family, __u16 port, enum steered_record record);

/* The record is the one that was put, byte for byte, and the tuple has no other. */
void steered_assert_record(const struct talk *t, enum steered_record record);

#endif /* SYNKEEP_TEST_STEERED_H */
