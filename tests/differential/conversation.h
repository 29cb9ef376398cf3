/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A random conversation between a peer and the owner of a service, as this host sees it: what the peer sends when it
 * arrives, what the owner sends when it leaves. A network between them loses, repeats and overtakes; a forger sends
 * what one who does not see the connection can. The same seed is the same conversation.
 */
#ifndef SYNKEEP_TEST_CONVERSATION_H
#define SYNKEEP_TEST_CONVERSATION_H

#include "end.h"

#define CONVERSATION_QUEUE 8

/* Packets that are under way. */
struct link {
	int length;
	struct packet_spec packets[CONVERSATION_QUEUE];
};

enum conversation_kind {
	PEER_OPENS,
	PEER_OPENS_BY_COOKIE, /* its SYNs are answered before the owner sees them */
	OWNER_OPENS,
	CONVERSATION_KINDS
};

struct conversation {
	__u64 series; /* of random numbers */
	int opened;   /* connections so far, one after the other on the same tuple */
	int left;     /* packets that this host has still to see */
	struct end peer;
	struct end owner;
	struct link to_owner;
	struct link to_peer;
	enum end_answer owner_owes;
	enum conversation_kind kind;
	bool has_cookie; /* these make a connection when the ACK comes */
	struct packet_spec cookie_syn;
	struct packet_spec cookie_syn_ack;
};

/* A packet that this host sees. */
struct sighting {
	struct packet_spec spec;
	bool forged;
};

/*
 * Where cookies answer SYNs, a new connection begins when the one before has left the network: a socket would keep its
 * old cookie ACKs from the new one, and the owner here is none.
 */
void conversation_begin(struct conversation *c, __u64 seed, const struct tuple *t, enum conversation_kind kind);

/* The next packet at this host; false: the conversation is over. */
bool conversation_next(struct conversation *c, struct sighting *s);

/* The owner gets the packet, which came from the peer or a forger. */
void conversation_arrives(struct conversation *c, const struct sighting *s);

/* The packet is a SYN that was answered with a cookie before the owner saw it. */
void conversation_answer(struct conversation *c, const struct sighting *syn, const struct packet_spec *syn_ack);

#endif /* SYNKEEP_TEST_CONVERSATION_H */
