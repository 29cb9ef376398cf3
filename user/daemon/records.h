/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a worker's TCP reports about its connections, on its way into the maps flows4, half4, tw4 and their IPv6 twins.
 *
 * Reports are collected for a few milliseconds, the newest of a connection counts, and then all are written at once.
 * What a map refuses, as a full one does, is counted and tried again with the next reports; there are never more of
 * them than RECORDS_MAX.
 *
 * The maps are reached through functions, so this is pure but for memory.
 */
#ifndef SYNKEEP_DAEMON_RECORDS_H
#define SYNKEEP_DAEMON_RECORDS_H

#include "tcp/tcp.h"

#define RECORDS_MAX 4096
#define RECORDS_DELAY_NS (2 * NSEC_PER_MSEC)   /* and RECORD_CHANGED_NS: a state is to be in the map within 10 ms */
#define RECORDS_RETRY_NS (100 * NSEC_PER_MSEC) /* after a refusal */

enum records_map { RECORDS_HALF, RECORDS_FLOWS, RECORDS_TW, RECORDS_MAPS };

struct records_maps {
	void *context;
	/* Writes count elements. 0, or -errno; *count is then how many were written, and the next was refused. */
	int (*update)(void *context, enum records_map map, __u8 family, const void *keys, const void *values,
		      __u32 *count);
	/* Deletes them; -ENOENT: the one behind *count was not there. */
	int (*erase)(void *context, enum records_map map, __u8 family, const void *keys, __u32 *count);
};

struct records_counters {
	__u64 written;
	__u64 deleted;
	__u64 refused; /* by a map; tried again */
	__u64 lost;    /* refused, and no room to keep them */
};

struct records;

/* key: random. half_open_max: how many connections may be half-open at a time. NULL: no memory. */
struct records *records_new(const struct records_maps *maps, const struct siphash_key *key, __u32 half_open_max);
void records_free(struct records *records); /* takes NULL */

void records_put(struct records *records, const struct tuple *tuple, const struct tcp_record *record, __u64 now_ns);

/* When records_flush() is due; UINT64_MAX: there is nothing. */
__u64 records_next_ns(const struct records *records);

/* Writes all that there is. */
void records_flush(struct records *records, __u64 now_ns);

const struct records_counters *records_counters(const struct records *records);

#endif /* SYNKEEP_DAEMON_RECORDS_H */
