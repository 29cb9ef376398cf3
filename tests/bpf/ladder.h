/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lives of connections as tables: a rung is a packet, the verdict that it gets, and what the record must be after it.
 * The peer's go through xdp_ingress, the owner's through tc_egress. A table reads as a ladder diagram.
 *
 * Numbers are relative, each end's SYN being 0, and both initial numbers lie before the sign changes. The state says in
 * which of the three tables the record is; it must be in that one alone.
 */
#ifndef SYNKEEP_TEST_LADDER_H
#define SYNKEEP_TEST_LADDER_H

#include "shield.h"

#define LADDER_PEER_ISN 0x7ffffff0U
#define LADDER_OWN_ISN 0x7fffff00U
#define LADDER_MSS 1400
#define LADDER_WINDOW 512 /* of every segment; each end's shift is 7 */
#define LADDER_WSCALE 7

/* Names for tables. */
#define PEER DIRECTION_RCV
#define OWNER DIRECTION_SND
#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST
#define SYN TCP_FLAG_SYN
#define NO_RECORD TCPS_COUNT

/* What a table leaves out at the end of a rung is 0. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

struct rung {
	enum direction sender;
	__u8 flags;
	__u32 seq, ack, bytes;
	enum verdict verdict;
	/* after it */
	enum tcp_state state; /* NO_RECORD: none in any table; so is CLOSED, but by cookie or with our RST */
	__u32 rcv_nxt, rcv_wup, snd_nxt, snd_una;
	/* before it */
	__u32 later_s; /* time that passes */
	__s32 older;   /* by how much the sender's TSval lies behind its clock */
};

struct ladder {
	struct tuple tuple;
	__u32 irs, iss;
	__u32 peer_tsval, own_tsval; /* each end's clock: a tick a packet, 1000 a second */
	bool by_cookie;
	size_t rung; /* the one that is being climbed, from 1 */
};

static const __u8 ladder_families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* A tuple on which nothing has happened. */
struct ladder ladder_begin(__u8 family, __u16 local_port);

/* A connection that the peer opened by a cookie, and one that this host opened: established, nothing sent yet. */
struct ladder ladder_accepted(__u8 family);
struct ladder ladder_opened(__u8 family);

/* One of each, in each family, from a clean state. */
#define LADDER_CONNECTIONS 4
struct ladder ladder_connection(int i);

/* Sends the packets one after the other, and looks after each. */
void ladder_climb(struct ladder *l, const struct rung *rungs, size_t count);

#define ladder(l, ...)                                                                                                 \
	do {                                                                                                           \
		const struct rung rungs_[] = { __VA_ARGS__ };                                                          \
		ladder_climb(l, rungs_, ARRAY_LEN(rungs_));                                                            \
	} while (0)

#endif /* SYNKEEP_TEST_LADDER_H */
