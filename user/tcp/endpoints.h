/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a tuple leads: to a connection's TCB, or to what is left of one in TIME-WAIT. A hash table of a size that is
 * chosen once; the hash is keyed, so that nobody can choose tuples that fall into one bucket.
 */
#ifndef SYNKEEP_TCP_ENDPOINTS_H
#define SYNKEEP_TCP_ENDPOINTS_H

#include "flow.h"
#include "siphash.h"
#include "tcp/timer_wheel.h"

/* The head of a struct tcb and of a struct time_wait. */
struct endpoint {
	struct endpoint *next; /* in the bucket */
	__u32 hash;
	bool is_time_wait;
	struct tuple tuple;
	struct wheel_timer timer; /* a TCB's: the earliest of its deadlines, or earlier */
};

struct endpoints {
	struct endpoint **buckets;
	__u32 mask;
	struct siphash_key key;
};

/* Room for about so many endpoints; more only make it slower. 0 or -ENOMEM. */
int endpoints_init(struct endpoints *endpoints, __u32 expected, const struct siphash_key *key);
void endpoints_free(struct endpoints *endpoints);

struct endpoint *endpoints_find(const struct endpoints *endpoints, const struct tuple *tuple);

/* endpoint->tuple must be set, and must not be there already. */
void endpoints_add(struct endpoints *endpoints, struct endpoint *endpoint);

/* Does nothing where it is not in the table. */
void endpoints_remove(struct endpoints *endpoints, struct endpoint *endpoint);

#endif /* SYNKEEP_TCP_ENDPOINTS_H */
