/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A ring of bytes that grows in powers of two and gives its memory back when it is empty.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/byte_ring.h"

/* The index of an offset from the head. */
static __u32 index_of(const struct byte_ring *ring, __u32 offset)
{
	return (ring->head + offset) & (ring->capacity - 1);
}

/* How much of length bytes from an index on lies before the ring wraps around. */
static __u32 length_before_wrap(const struct byte_ring *ring, __u32 index, __u32 length)
{
	__u32 room = ring->capacity - index;

	return length < room ? length : room;
}

int byte_ring_reserve(struct byte_ring *ring, struct memory_account *account, __u32 size)
{
	__u32 capacity = ring->capacity ? ring->capacity : BYTE_RING_CAPACITY_MIN;
	__u8 *bytes;

	if (size <= ring->capacity)
		return 0;
	if (size > BYTE_RING_CAPACITY_MAX)
		return -ENOMEM;
	while (capacity < size)
		capacity *= 2;
	if (!memory_charge(account, capacity - ring->capacity))
		return -ENOMEM;
	bytes = malloc(capacity);
	if (!bytes) {
		memory_release(account, capacity - ring->capacity);
		return -ENOMEM;
	}
	/* All of the old ring, not only what is used: text may have been written behind the end. */
	if (ring->bytes) {
		memcpy(bytes, ring->bytes + ring->head, ring->capacity - ring->head);
		memcpy(bytes + ring->capacity - ring->head, ring->bytes, ring->head);
		free(ring->bytes);
	}
	ring->bytes = bytes;
	ring->capacity = capacity;
	ring->head = 0;
	return 0;
}

void byte_ring_write(struct byte_ring *ring, __u32 offset, const void *from, __u32 length)
{
	__u32 index, first;

	if (!length)
		return;
	index = index_of(ring, offset);
	first = length_before_wrap(ring, index, length);
	memcpy(ring->bytes + index, from, first);
	memcpy(ring->bytes, (const __u8 *)from + first, length - first);
}

void byte_ring_read(const struct byte_ring *ring, __u32 offset, void *to, __u32 length)
{
	__u32 index, first;

	if (!length)
		return;
	index = index_of(ring, offset);
	first = length_before_wrap(ring, index, length);
	memcpy(to, ring->bytes + index, first);
	memcpy((__u8 *)to + first, ring->bytes, length - first);
}

__u32 byte_ring_peek(const struct byte_ring *ring, __u32 offset, const __u8 **bytes)
{
	__u32 index;

	if (offset >= ring->used)
		return 0;
	index = index_of(ring, offset);
	*bytes = ring->bytes + index;
	return length_before_wrap(ring, index, ring->used - offset);
}

void byte_ring_drop(struct byte_ring *ring, struct memory_account *account, __u32 length, bool reserved)
{
	ring->head = index_of(ring, length);
	ring->used -= length;
	if (!ring->used && !reserved)
		byte_ring_free(ring, account);
}

void byte_ring_free(struct byte_ring *ring, struct memory_account *account)
{
	free(ring->bytes);
	memory_release(account, ring->capacity);
	*ring = (struct byte_ring){ 0 };
}
