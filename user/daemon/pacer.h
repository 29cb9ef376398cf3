/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whose turn it is to be probed: so many probes a second in all, and so many to one destination prefix, spread over the
 * time. A million connections that have been silent for equally long are asked one after the other.
 *
 * In all: time is cut into the horizon's slots, and each slot has its share of the rate. A connection gets the first
 * slot that has room, and keeps it: asked again it waits, until its turn has come.
 *
 * To a prefix: the generic cell rate algorithm (ITU-T I.371), whose state is the time before which the prefix gets no
 * other probe. A prefix is a /24 of IPv4, a /48 of IPv6: what one site has, behind one uplink.
 *
 * Memory is fixed: turns end with the horizon, a prefix is forgotten when its time has passed, and where no place is
 * left the answer is "full". Pure but for that memory.
 */
#ifndef SYNKEEP_DAEMON_PACER_H
#define SYNKEEP_DAEMON_PACER_H

#include "flow.h"
#include "siphash.h"

#define PACER_PER_SECOND_DEFAULT 1000
#define PACER_PER_SECOND_MAX 100000
#define PACER_PER_PREFIX_DEFAULT 10

/* A turn that nobody came for within this time is void: what was stopped meanwhile must not send all at once. */
#define PACER_GRACE_NS NSEC_PER_SEC

struct pacer;

/* Rates are probes a second, at least 1; key: random. NULL: no memory. */
struct pacer *pacer_new(__u32 per_second, __u32 per_prefix, const struct siphash_key *key, __u64 now_ns);
void pacer_free(struct pacer *pacer); /* takes NULL */

enum pacer_answer {
	PACER_NOW,
	PACER_LATER, /* its turn comes at *turn_ns: ask again then */
	PACER_WAITS, /* it has been given a turn, and that has not come yet */
	PACER_FULL,  /* no turn is left within the horizon */
};

/* Asks for a turn for a connection that is to be probed. */
enum pacer_answer pacer_ask(struct pacer *pacer, const struct tuple *tuple, __u64 now_ns, __u64 *turn_ns);

#endif /* SYNKEEP_DAEMON_PACER_H */
