/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Initial sequence numbers (RFC 9293, 3.4.1; RFC 6528, 3): a clock of 4 µs a tick, and a keyed hash of the tuple, so
 * that those of one tuple grow, and those of others tell nothing (MUST-8, SHLD-1, MUST-9). Timestamps' offsets are
 * drawn the same way (RFC 7323, 5.4).
 */
#ifndef SYNKEEP_TCP_ISN_H
#define SYNKEEP_TCP_ISN_H

#include "tcp/tuple.h"

static inline __u32 isn_make(const struct siphash_key *key, const struct tuple *t, __u64 now_ns)
{
	return (__u32)(now_ns / 4000) + (__u32)tuple_hash(key, t);
}

static inline __u32 isn_ts_offset(const struct siphash_key *key, const struct tuple *t)
{
	return (__u32)(tuple_hash(key, t) >> 32);
}

#endif /* SYNKEEP_TCP_ISN_H */
