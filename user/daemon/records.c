/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting reports, and writing them in batches. See records.h.
 */
#include "daemon/records.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/tuple.h"

#define SLOTS (2 * RECORDS_MAX)
#define VALUE_BYTES_MAX sizeof(struct flow)

struct pending {
	struct tuple tuple;
	struct tcp_record record;
	__u64 due_ns;
	bool takes[RECORDS_MAPS]; /* what this record and those before it take away */
};

/*
 * Fingerprints of the connections that have a half-open record: most never had one, and looking for it in the map
 * costs as much as a record. Open addressing, 0 is free.
 */
struct half_open_set {
	__u64 *slots;
	__u32 mask;
	__u32 count;
};

struct records {
	struct records_maps maps;
	struct siphash_key key;
	struct half_open_set half_open;
	__u64 next_ns;
	__u32 count;
	struct pending pending[RECORDS_MAX];
	__u16 slots[SLOTS]; /* position + 1 in pending; 0: free */
	/* A batch on its way. */
	__u32 positions[RECORDS_MAX];
	__u8 keys[RECORDS_MAX * sizeof(struct flow6_key)];
	__u8 values[RECORDS_MAX * VALUE_BYTES_MAX];
	struct records_counters counters;
};

/* What a kind of record puts into which map, and what it takes from others. */
static const struct {
	bool puts[RECORDS_MAPS];
	bool takes[RECORDS_MAPS];
} effects[] = {
	[TCP_RECORD_HALF_OPEN] = { .puts = { [RECORDS_HALF] = true }, .takes = { [RECORDS_TW] = true } },
	[TCP_RECORD_FLOW] = { .puts = { [RECORDS_FLOWS] = true }, .takes = { [RECORDS_HALF] = true } },
	[TCP_RECORD_ENDED] = { .puts = { [RECORDS_TW] = true },
			       .takes = { [RECORDS_HALF] = true, [RECORDS_FLOWS] = true } },
	[TCP_RECORD_LOST] = { .takes = { [RECORDS_HALF] = true, [RECORDS_FLOWS] = true } },
	[TCP_RECORD_NONE] = { .takes = { [RECORDS_HALF] = true, [RECORDS_FLOWS] = true, [RECORDS_TW] = true } },
};

static __u64 fingerprint(const struct records *records, const struct tuple *t)
{
	return tuple_hash(&records->key, t) | 1;
}

/* --- which connections are half-open ------------------------------------------------------------------------------ */

static __u32 half_open_slot(const struct half_open_set *set, __u64 print)
{
	__u32 slot = (print >> 1) & set->mask;

	while (set->slots[slot] && set->slots[slot] != print)
		slot = (slot + 1) & set->mask;
	return slot;
}

static void half_open_add(struct half_open_set *set, __u64 print)
{
	__u32 slot = half_open_slot(set, print);

	if (set->slots[slot] || set->count > set->mask / 2)
		return; /* one that is forgotten goes when its deadline has passed */
	set->slots[slot] = print;
	set->count++;
}

/* Those behind a slot that becomes free move up, so that they are still found. */
static bool half_open_remove(struct half_open_set *set, __u64 print)
{
	__u32 hole = half_open_slot(set, print);

	if (!set->slots[hole])
		return false;
	for (__u32 at = (hole + 1) & set->mask; set->slots[at]; at = (at + 1) & set->mask) {
		__u32 home = (set->slots[at] >> 1) & set->mask;

		if (((at - home) & set->mask) >= ((at - hole) & set->mask)) {
			set->slots[hole] = set->slots[at];
			hole = at;
		}
	}
	set->slots[hole] = 0;
	set->count--;
	return true;
}

/* --- collecting --------------------------------------------------------------------------------------------------- */

struct records *records_new(const struct records_maps *maps, const struct siphash_key *key, __u32 half_open_max)
{
	struct records *records = calloc(1, sizeof(*records));
	__u32 slots = 64;

	if (!records)
		return NULL;
	while (slots / 2 < half_open_max)
		slots *= 2;
	records->maps = *maps;
	records->key = *key;
	records->next_ns = UINT64_MAX;
	records->half_open.mask = slots - 1;
	records->half_open.slots = calloc(slots, sizeof(*records->half_open.slots));
	if (!records->half_open.slots) {
		free(records);
		return NULL;
	}
	return records;
}

void records_free(struct records *records)
{
	if (!records)
		return;
	free(records->half_open.slots);
	free(records);
}

static __u16 *find_slot(struct records *records, const struct tuple *tuple, __u64 print)
{
	__u32 slot = print >> 32 & (SLOTS - 1);

	while (records->slots[slot] && !tuple_is_same(&records->pending[records->slots[slot] - 1].tuple, tuple))
		slot = (slot + 1) & (SLOTS - 1);
	return &records->slots[slot];
}

/* Where the report of a tuple is kept; NULL: there is no room. */
static struct pending *place_for(struct records *records, const struct tuple *tuple, __u64 print, __u64 now_ns)
{
	__u16 *slot = find_slot(records, tuple, print);
	struct pending *pending;

	if (*slot)
		return &records->pending[*slot - 1];
	if (records->count == RECORDS_MAX) {
		records_flush(records, now_ns);
		slot = find_slot(records, tuple, print);
	}
	if (records->count == RECORDS_MAX)
		return NULL;
	pending = &records->pending[records->count++];
	*slot = records->count;
	*pending = (struct pending){ .tuple = *tuple, .due_ns = now_ns + RECORDS_DELAY_NS };
	if (pending->due_ns < records->next_ns)
		records->next_ns = pending->due_ns;
	return pending;
}

void records_put(struct records *records, const struct tuple *tuple, const struct tcp_record *record, __u64 now_ns)
{
	__u64 print = fingerprint(records, tuple);
	struct pending *pending = place_for(records, tuple, print, now_ns);
	bool has_half_open = record->kind == TCP_RECORD_LOST; /* of an earlier daemon: it may have been anything */

	if (!pending) {
		records->counters.lost++;
		return;
	}
	pending->record = *record;
	if (record->kind == TCP_RECORD_HALF_OPEN)
		half_open_add(&records->half_open, print);
	else
		has_half_open |= half_open_remove(&records->half_open, print);
	for (enum records_map map = 0; map < RECORDS_MAPS; map++)
		pending->takes[map] |= effects[record->kind].takes[map] && (map != RECORDS_HALF || has_half_open);
}

__u64 records_next_ns(const struct records *records)
{
	return records->next_ns;
}

const struct records_counters *records_counters(const struct records *records)
{
	return &records->counters;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

struct shape {
	__u32 key_bytes;
	__u32 value_bytes;
};

static struct shape shape_of(enum records_map map, __u8 family)
{
	static const __u32 value_bytes[] = {
		[RECORDS_HALF] = sizeof(struct half_open),
		[RECORDS_FLOWS] = sizeof(struct flow),
		[RECORDS_TW] = sizeof(struct ended),
	};

	return (struct shape){
		.key_bytes = family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(struct flow6_key),
		.value_bytes = value_bytes[map],
	};
}

static void write_key(void *key, const struct tuple *tuple)
{
	if (tuple->family == FAMILY_IPV4)
		flow4_key_from_tuple(key, tuple);
	else
		flow6_key_from_tuple(key, tuple);
}

static bool is_put(const struct pending *pending, enum records_map map)
{
	return effects[pending->record.kind].puts[map];
}

static bool is_taken(const struct pending *pending, enum records_map map)
{
	return pending->takes[map] && !is_put(pending, map);
}

/* Those that are due, and have something to do with this map; their number. */
static __u32 gather(struct records *records, enum records_map map, __u8 family,
		    bool (*concerns)(const struct pending *, enum records_map), __u64 now_ns)
{
	struct shape shape = shape_of(map, family);
	__u32 count = 0;

	for (__u32 i = 0; i < records->count; i++) {
		const struct pending *pending = &records->pending[i];

		if (pending->tuple.family != family || pending->due_ns > now_ns || !concerns(pending, map))
			continue;
		records->positions[count] = i;
		write_key(records->keys + (size_t)count * shape.key_bytes, &pending->tuple);
		memcpy(records->values + (size_t)count * shape.value_bytes, &pending->record.half_open,
		       shape.value_bytes);
		count++;
	}
	return count;
}

/* A kernel before Linux 6.8 that has no memory for the batch leaves the count as it was: nothing is done. */
static __u32 done_before_error(__u32 done, __u32 asked)
{
	return done < asked ? done : 0;
}

/* A map stops at the first element that it refuses: that one waits, and the rest goes on. */
static void update(struct records *records, enum records_map map, __u8 family, __u64 now_ns)
{
	__u32 count = gather(records, map, family, is_put, now_ns);
	struct shape shape = shape_of(map, family);

	for (__u32 at = 0; at < count;) {
		__u32 done = count - at;
		int err = records->maps.update(records->maps.context, map, family,
					       records->keys + (size_t)at * shape.key_bytes,
					       records->values + (size_t)at * shape.value_bytes, &done);

		if (err)
			done = done_before_error(done, count - at);
		records->counters.written += done;
		at += done;
		if (!err)
			break;
		records->counters.refused++;
		records->pending[records->positions[at++]].due_ns = now_ns + RECORDS_RETRY_NS;
	}
}

static void erase(struct records *records, enum records_map map, __u8 family, __u64 now_ns)
{
	__u32 count = gather(records, map, family, is_taken, now_ns);
	struct shape shape = shape_of(map, family);

	for (__u32 at = 0; at < count;) {
		__u32 done = count - at;
		int err = records->maps.erase(records->maps.context, map, family,
					      records->keys + (size_t)at * shape.key_bytes, &done);

		if (err)
			done = done_before_error(done, count - at);
		records->counters.deleted += done;
		at += done;
		if (!err)
			break;
		at++; /* it was not there, or it goes when its deadline has passed */
	}
}

/* What waits stays, and is found anew. */
static void keep_waiting(struct records *records, __u64 now_ns)
{
	__u32 kept = 0;

	memset(records->slots, 0, sizeof(records->slots));
	records->next_ns = UINT64_MAX;
	for (__u32 i = 0; i < records->count; i++) {
		struct pending *pending = &records->pending[i];

		if (pending->due_ns <= now_ns)
			continue;
		if (pending->due_ns < records->next_ns)
			records->next_ns = pending->due_ns;
		if (kept != i)
			records->pending[kept] = *pending;
		*find_slot(records, &records->pending[kept].tuple,
			   fingerprint(records, &records->pending[kept].tuple)) = kept + 1;
		kept++;
	}
	records->count = kept;
}

/* What is new comes before what is old goes: a connection is never without a record. */
void records_flush(struct records *records, __u64 now_ns)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	for (__u32 i = 0; i < records->count; i++) {
		if (records->pending[i].due_ns <= now_ns + RECORDS_DELAY_NS)
			records->pending[i].due_ns = now_ns;
	}
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		for (enum records_map map = 0; map < RECORDS_MAPS; map++)
			update(records, map, families[f], now_ns);
		for (enum records_map map = 0; map < RECORDS_MAPS; map++)
			erase(records, map, families[f], now_ns);
	}
	keep_waiting(records, now_ns);
}
