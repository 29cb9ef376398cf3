/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tuples as user space compares and hashes them. */
#ifndef SYNKEEP_TCP_TUPLE_H
#define SYNKEEP_TCP_TUPLE_H

#include <string.h>

#include "flow.h"
#include "siphash.h"

static inline bool tuple_is_same(const struct tuple *a, const struct tuple *b)
{
	return a->remote_port == b->remote_port && a->local_port == b->local_port && a->family == b->family &&
	       !memcmp(a->remote, b->remote, sizeof(a->remote)) && !memcmp(a->local, b->local, sizeof(a->local));
}

/* Of both families none hashes like another but by chance: the number of words is in the hash. */
static inline __u64 tuple_hash(const struct siphash_key *key, const struct tuple *t)
{
	const __u64 ports = (__u64)t->remote_port << 16 | t->local_port;

	if (t->family == FAMILY_IPV4) {
		const __u64 words[2] = { (__u64)t->remote[0] << 32 | t->local[0], ports };

		return siphash24(key, words, 2);
	} else {
		const __u64 words[5] = {
			(__u64)t->remote[0] << 32 | t->remote[1],
			(__u64)t->remote[2] << 32 | t->remote[3],
			(__u64)t->local[0] << 32 | t->local[1],
			(__u64)t->local[2] << 32 | t->local[3],
			ports,
		};

		return siphash24(key, words, 5);
	}
}

#endif /* SYNKEEP_TCP_TUPLE_H */
