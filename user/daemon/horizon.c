/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slots, and chunks of keys. See horizon.h.
 */
#include "daemon/horizon.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 512
#define SPARE_MAX 2048 /* chunks that are kept to be used again: a megabyte */
#define WORD_BITS 64

struct chunk {
	struct chunk *next;
	__u8 keys[CHUNK_BYTES - sizeof(struct chunk *)]; /* 42 of IPv4, or 14 of IPv6, without a rest */
};

/* All chunks but the first of a list are full. */
struct slot {
	struct chunk *first;
	__u32 used; /* keys in the first */
};

struct horizon {
	__u32 key_bytes;
	__u32 keys_max; /* of a chunk */
	__u64 present;	/* the number of the first slot that may have something: its time, shifted */
	__u64 count;
	struct chunk *spare;
	__u32 spare_count;
	__u64 occupied[HORIZON_SLOTS / WORD_BITS]; /* a bit a slot that has something */
	struct slot slots[HORIZON_SLOTS];
};

_Static_assert(sizeof(struct chunk) == CHUNK_BYTES, "chunk");

struct horizon *horizon_new(__u32 key_bytes, __u64 now_ns)
{
	struct horizon *horizon = calloc(1, sizeof(*horizon));

	if (!horizon)
		return NULL;
	horizon->key_bytes = key_bytes;
	horizon->keys_max = sizeof(((struct chunk *)NULL)->keys) / key_bytes;
	horizon->present = now_ns >> HORIZON_SLOT_SHIFT;
	return horizon;
}

static void free_list(struct chunk *chunk)
{
	while (chunk) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void horizon_free(struct horizon *horizon)
{
	if (!horizon)
		return;
	for (__u32 i = 0; i < HORIZON_SLOTS; i++)
		free_list(horizon->slots[i].first);
	free_list(horizon->spare);
	free(horizon);
}

static struct chunk *get_chunk(struct horizon *horizon)
{
	struct chunk *chunk = horizon->spare;

	if (!chunk)
		return malloc(sizeof(*chunk));
	horizon->spare = chunk->next;
	horizon->spare_count--;
	return chunk;
}

static void put_chunk(struct horizon *horizon, struct chunk *chunk)
{
	if (horizon->spare_count == SPARE_MAX) {
		free(chunk);
		return;
	}
	chunk->next = horizon->spare;
	horizon->spare = chunk;
	horizon->spare_count++;
}

static void set_occupied(struct horizon *horizon, __u32 index, bool occupied)
{
	__u64 bit = 1ULL << index % WORD_BITS;

	if (occupied)
		horizon->occupied[index / WORD_BITS] |= bit;
	else
		horizon->occupied[index / WORD_BITS] &= ~bit;
}

/* The number of the first slot that has something, where one has. */
static __u64 first_occupied(const struct horizon *horizon)
{
	__u32 start = horizon->present % HORIZON_SLOTS, index = start;
	__u64 word = horizon->occupied[index / WORD_BITS] & (UINT64_MAX << index % WORD_BITS);

	while (!word) {
		index = (index / WORD_BITS + 1) * WORD_BITS % HORIZON_SLOTS;
		word = horizon->occupied[index / WORD_BITS];
	}
	index = index / WORD_BITS * WORD_BITS + __builtin_ctzll(word);
	return horizon->present + (index - start) % HORIZON_SLOTS;
}

/* Slots that have passed, and have nothing, are those of later times now. */
static void move_on(struct horizon *horizon, __u64 now_ns)
{
	__u64 number = now_ns >> HORIZON_SLOT_SHIFT;

	if (horizon->present >= number)
		return;
	if (horizon->count && first_occupied(horizon) < number)
		number = first_occupied(horizon);
	horizon->present = number;
}

int horizon_add(struct horizon *horizon, const void *key, __u64 due_ns, __u64 now_ns)
{
	__u64 number = ((due_ns - 1) >> HORIZON_SLOT_SHIFT) + 1; /* the first that does not begin before it */
	struct slot *slot;

	move_on(horizon, now_ns);
	if (due_ns <= now_ns || number < horizon->present)
		number = horizon->present;
	if (number - horizon->present >= HORIZON_SLOTS)
		return -ERANGE;
	slot = &horizon->slots[number % HORIZON_SLOTS];
	if (!slot->first || slot->used == horizon->keys_max) {
		struct chunk *chunk = get_chunk(horizon);

		if (!chunk)
			return -ENOMEM;
		chunk->next = slot->first;
		*slot = (struct slot){ .first = chunk };
		set_occupied(horizon, number % HORIZON_SLOTS, true);
	}
	memcpy(slot->first->keys + slot->used++ * horizon->key_bytes, key, horizon->key_bytes);
	horizon->count++;
	return 0;
}

/* From a slot that has something. */
static __u32 take_from(struct horizon *horizon, __u32 index, __u8 *keys, __u32 most)
{
	struct slot *slot = &horizon->slots[index];
	struct chunk *chunk = slot->first;
	__u32 count = slot->used < most ? slot->used : most;

	slot->used -= count;
	memcpy(keys, chunk->keys + slot->used * horizon->key_bytes, count * horizon->key_bytes);
	horizon->count -= count;
	if (!slot->used) {
		*slot = (struct slot){ .first = chunk->next, .used = chunk->next ? horizon->keys_max : 0 };
		put_chunk(horizon, chunk);
	}
	if (!slot->first)
		set_occupied(horizon, index, false);
	return count;
}

__u32 horizon_take(struct horizon *horizon, void *keys, __u32 most, __u64 now_ns)
{
	__u64 last = now_ns >> HORIZON_SLOT_SHIFT;
	__u32 taken = 0;

	while (taken < most && horizon->count) {
		__u64 number = first_occupied(horizon);

		if (number > last)
			break;
		horizon->present = number;
		taken += take_from(horizon, number % HORIZON_SLOTS, (__u8 *)keys + taken * horizon->key_bytes,
				   most - taken);
	}
	move_on(horizon, now_ns);
	return taken;
}

__u64 horizon_next_ns(const struct horizon *horizon)
{
	return horizon->count ? first_occupied(horizon) << HORIZON_SLOT_SHIFT : UINT64_MAX;
}

__u64 horizon_count(const struct horizon *horizon)
{
	return horizon->count;
}
