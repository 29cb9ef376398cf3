/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where Synkeep's record may disagree about a connection with nf_conntrack's entry, or with the owner itself: every
 * case, with its reason.
 *
 * A difference is named by the packet that begins it and by the two states. It lasts until both agree again; where two
 * state machines have parted, what each makes of the next packets follows from that.
 */
#ifndef SYNKEEP_TEST_DIFFERENCE_H
#define SYNKEEP_TEST_DIFFERENCE_H

#include "conntrack.h"
#include "conversation.h"

/* X(identifier, name): a packet, by who sends it and what it is; a SYN may be a SYN-ACK. */
#define STIMULI(X)                                                                                                     \
	X(PEER_SYN, "peer's SYN")                                                                                      \
	X(PEER_SEGMENT, "peer's segment")                                                                              \
	X(PEER_FIN, "peer's FIN")                                                                                      \
	X(PEER_RST, "peer's RST")                                                                                      \
	X(OWNER_SYN, "owner's SYN")                                                                                    \
	X(OWNER_SEGMENT, "owner's segment")                                                                            \
	X(OWNER_FIN, "owner's FIN")                                                                                    \
	X(OWNER_RST, "owner's RST")                                                                                    \
	X(FORGED_SYN, "forged SYN")                                                                                    \
	X(FORGED_SEGMENT, "forged segment")                                                                            \
	X(FORGED_FIN, "forged FIN")                                                                                    \
	X(FORGED_RST, "forged RST")                                                                                    \
	X(FORGED_GARBAGE, "garbage flags")

enum difference_stimulus {
#define X(id, name) STIMULUS_##id,
	STIMULI(X)
#undef X
};

/* Whom the record is compared with. */
enum difference_witness {
	WITNESS_CONNTRACK, /* states are enum tcp_conntrack */
	WITNESS_OWNER,	   /* states are enum tcp_state */
};

struct difference {
	enum difference_witness witness;
	enum difference_stimulus begun_by;
	enum tcp_state record; /* TCPS_CLOSED: none, too */
	int witnessed;	       /* the state that the witness has instead of the one that the record's would be there */
	const char *reason;
	__u64 seed; /* of a conversation that has it, where it is too rare to be met in thousands of them; else 0 */
};

#define DIFFERENCES_MAX 100
extern const struct difference differences[];
extern const int differences_count;

enum difference_stimulus difference_stimulus(const struct sighting *s);
const char *difference_stimulus_name(enum difference_stimulus stimulus);
const char *difference_witness_name(enum difference_witness witness);
const char *difference_state_name(enum difference_witness witness, int state);

/* Whether both have the same beginning and states. */
bool difference_is(const struct difference *d, const struct difference *other);

/* The number in the list of the difference with the same beginning and states, or -1. */
int difference_find(const struct difference *d);

#endif /* SYNKEEP_TEST_DIFFERENCE_H */
