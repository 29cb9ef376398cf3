/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A conversation between a peer and the owner of a service, packet by packet: the peer's go through xdp_ingress, the
 * owner's through tc_egress. Each keeps its own numbers, as a TCP would.
 *
 * Beside it runs the model: a record that include/judge.h steps in user space. After each packet the map's record must
 * be equal to it, byte for byte.
 */
#ifndef SYNKEEP_TEST_TALK_H
#define SYNKEEP_TEST_TALK_H

#include "shield.h"

#define TALK_PEER_ISN 0x7ffffff0U /* the sign changes within the first segments */
#define TALK_WINDOW 512

struct talk {
	struct tuple tuple;
	struct tcp_options offer; /* of the peer's SYN; tsval is the peer's clock */
	__u32 peer_nxt;		  /* the peer's next sequence number */
	__u32 own_nxt;		  /* ours */
	__u32 own_tsval;
	__u32 iss; /* from the SYN-ACK */
	bool ecn;
	struct flow model;
};

/* A peer that offers MSS 1460, SACK, window scale 7 and timestamps, and has sent nothing yet. */
void talk_init(struct talk *t, __u8 family, __u16 port);

/* What each would send next. */
struct packet_spec talk_syn(const struct talk *t);
struct packet_spec talk_peer_segment(const struct talk *t, __u8 flags, __u32 payload_bytes);
struct packet_spec talk_owner_segment(const struct talk *t, __u8 flags, __u32 payload_bytes);

/* Sends the SYN and takes the cookie from its answer. */
void talk_get_cookie(struct talk *t);

/* The same with a cookie of the kernel's own. The terms that it does not keep are taken off the offer. */
void talk_get_kernel_cookie(struct talk *t);

/* The whole handshake: SYN, SYN-ACK, ACK. The record must then be exactly the one that a right cookie makes. */
void talk_open(struct talk *t);

/* talk_open(), and the owner's first segment: it has shown that it has the connection. */
void talk_establish(struct talk *t);

/* The record that a right cookie makes with its ACK, to be compared. */
struct flow talk_flow_from_cookie(const struct talk *t, const struct packet_spec *ack);

/* One side sends its next segment; its numbers go on, the model is stepped and compared. */
struct outcome talk_peer_sends(struct talk *t, __u8 flags, __u32 payload_bytes);
struct outcome talk_owner_sends(struct talk *t, __u8 flags, __u32 payload_bytes);

/* A segment out of the order of things: no numbers go on, the model is stepped and compared. */
struct outcome talk_passes(struct talk *t, const struct packet_spec *spec);

/* The model alone is shown a segment that the test has sent in a way of its own. */
void talk_model_takes(struct talk *t, const struct packet_spec *spec);

/* The record equals the model, is in this state, and its numbers are those of the two ends. */
void talk_assert_state(const struct talk *t, enum tcp_state state);

/* No live record any more; what is left of it is in this state, or nothing where state is TCPS_COUNT. */
void talk_assert_ended(const struct talk *t, enum tcp_state state);

#endif /* SYNKEEP_TEST_TALK_H */
