/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The presence filter: which tuples may have a socket on this host. A flood's SYNs have none, and a look-up that finds
 * nothing, on cold buckets, is most of what an answered SYN would cost. A bit too many costs one look-up; a bit too few
 * would answer a live tuple with a cookie, and must not be.
 *
 * Three bitmaps stand in one map. A tuple's bits are set in two of them, the current one, which SYNs are compared with,
 * and the next, when its flow is made, when the flow ends (TIME-WAIT begins), when this host sends a SYN or SYN-ACK,
 * and whenever a socket is met that has no record. Every PRESENCE_PERIOD_NS the sweep makes the next one current, and
 * with its next turn wipes the other and puts all live records into it. So bits hold for as long as there is a record,
 * and for a period less that turn, which is longer than a TIME-WAIT that is not heard of again.
 *
 * What may be connected without a record - the table was full, or the record expired while the owner held on - is set
 * in the third one too, from which a wiped bitmap is filled, and which itself is wiped once a day: else who connects
 * and stays silent could fill it for good.
 *
 * Which tuples were connected before the service was there, the seed tells (seed.bpf.h); until it has, SYNs of the
 * service are looked up (struct service, sockets_known).
 */
#ifndef SYNKEEP_PRESENCE_BPF_H
#define SYNKEEP_PRESENCE_BPF_H

#include "maps.bpf.h"

#define PRESENCE_PERIOD_NS (72 * NSEC_PER_SEC)
#define PRESENCE_LASTING_NS (86400 * NSEC_PER_SEC)

enum presence_bitmap {
	PRESENCE_FIRST, /* of these two, presence_current is one */
	PRESENCE_SECOND,
	PRESENCE_LASTING,
	PRESENCE_BITMAPS
};

/* config.presence_words for each bitmap: sized by the loader */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PRESENCE_BITMAPS);
	__type(key, __u32);
	__type(value, __u64);
} presence SEC(".maps");

/* Written by the sweep alone. */
__u32 presence_current;
__u64 presence_rotated_ns; /* when it became that */
__u64 presence_lasting_ns; /* when the lasting one was begun; 0: not yet */
bool presence_wipe_is_due; /* of the one that is not current */

static __always_inline __u64 *presence_word(const struct config *conf, __u32 bitmap, __u64 hash)
{
	__u32 index = bitmap * conf->presence_words + presence_word_index(hash, conf->presence_words);

	return bpf_map_lookup_elem(&presence, &index);
}

static __always_inline void presence_set(const struct config *conf, __u32 bitmap, __u64 hash)
{
	__u64 *word = presence_word(conf, bitmap, hash), bits = presence_bits(hash);

	if (word && (*word & bits) != bits)
		__sync_fetch_and_or(word, bits);
}

/* Whether the tuple may have a socket. */
static __always_inline bool presence_has(const struct config *conf, const struct tuple *t)
{
	__u64 hash = presence_hash(&conf->presence_key, t);
	__u64 *word = presence_word(conf, presence_current, hash), bits = presence_bits(hash);

	return !word || (*word & bits) == bits;
}

/* The tuple has a socket, or is about to: after its record was put, so that a walk of the sweep misses neither. */
__noinline int presence_mark(const struct config *conf, const struct tuple *t)
{
	__u64 hash;

	if (!conf || !t)
		return -1;
	hash = presence_hash(&conf->presence_key, t);
	presence_set(conf, PRESENCE_FIRST, hash);
	presence_set(conf, PRESENCE_SECOND, hash);
	return 0;
}

/* The same where no record will remind of it. */
__noinline int presence_mark_lasting(const struct config *conf, const struct tuple *t)
{
	if (!conf || !t)
		return -1;
	presence_set(conf, PRESENCE_LASTING, presence_hash(&conf->presence_key, t));
	return presence_mark(conf, t);
}

struct presence_wipe {
	__u32 bitmap;
	bool lasting_too; /* once it has been copied */
};

/* In blocks, for bpf_loop() takes no more than 2^23 steps. */
static int presence_wipe_block(__u32 block, const struct presence_wipe *wipe)
{
	const struct config *conf = config_get();

	if (!conf)
		return 1;
	for (__u32 i = 0; i < PRESENCE_BLOCK_WORDS; i++) {
		__u32 word = block * PRESENCE_BLOCK_WORDS + i;
		__u32 from_index = PRESENCE_LASTING * conf->presence_words + word;
		__u32 to_index = wipe->bitmap * conf->presence_words + word;
		__u64 *from = bpf_map_lookup_elem(&presence, &from_index);
		__u64 *to = bpf_map_lookup_elem(&presence, &to_index);

		if (!from || !to)
			return 1;
		*to = *from;
		if (wipe->lasting_too)
			*from = 0;
	}
	return 0;
}

static __always_inline void presence_wipe(const struct config *conf, __u64 now_ns)
{
	struct presence_wipe wipe = { .bitmap = presence_current == PRESENCE_FIRST ? PRESENCE_SECOND : PRESENCE_FIRST };

	wipe.lasting_too = presence_lasting_ns && now_ns - presence_lasting_ns >= PRESENCE_LASTING_NS;
	if (wipe.lasting_too || !presence_lasting_ns)
		presence_lasting_ns = now_ns;
	bpf_loop(conf->presence_words / PRESENCE_BLOCK_WORDS, presence_wipe_block, &wipe, 0);
}

/*
 * A turn of the sweep: makes the next bitmap current when it is time, or wipes the one that was current until the last
 * turn, which no program reads any more. True: all live records are to be marked now. A bit that is set while its word
 * is wiped is lost there, but not in the current one, and its record is found by the walk that follows.
 */
static __always_inline bool presence_turn(const struct config *conf, __u64 now_ns)
{
	if (presence_wipe_is_due) {
		presence_wipe_is_due = false;
		presence_wipe(conf, now_ns);
		return true;
	}
	if (now_ns - presence_rotated_ns >= PRESENCE_PERIOD_NS) {
		presence_rotated_ns = now_ns;
		presence_current = presence_current == PRESENCE_FIRST ? PRESENCE_SECOND : PRESENCE_FIRST;
		presence_wipe_is_due = true;
	}
	return false;
}

#endif /* SYNKEEP_PRESENCE_BPF_H */
