/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A ring of bytes that grows in powers of two up to what is asked of it, and gives its memory back when it is empty:
 * what a connection has to send, and what it has received.
 */
#ifndef SYNKEEP_TCP_BYTE_RING_H
#define SYNKEEP_TCP_BYTE_RING_H

#include "tcp/memory.h"

#define BYTE_RING_CAPACITY_MIN 512	  /* most questions and answers; malloc() keeps what is larger less readily */
#define BYTE_RING_CAPACITY_MAX (1U << 30) /* no window is larger (RFC 7323, 2.3) */

struct byte_ring {
	__u8 *bytes;	/* NULL while capacity is 0 */
	__u32 capacity; /* a power of two; what the account is charged with */
	__u32 head;	/* index of the first byte */
	__u32 used;	/* bytes from head on that are there */
};

/* Room for size bytes from the head on, what is there included. 0, or -ENOMEM: the account is full, or the machine. */
int byte_ring_reserve(struct byte_ring *ring, struct memory_account *account, __u32 size);

/* Writes at an offset from the head that was reserved; used does not change. */
void byte_ring_write(struct byte_ring *ring, __u32 offset, const void *from, __u32 length);

/* What was written behind the end is there now. */
static inline void byte_ring_extend(struct byte_ring *ring, __u32 length)
{
	ring->used += length;
}

/* Copies length bytes that are there, from an offset on. */
void byte_ring_read(const struct byte_ring *ring, __u32 offset, void *to, __u32 length);

/* The bytes that are there from an offset on, as far as they lie side by side: *bytes, and their number (0: none). */
__u32 byte_ring_peek(const struct byte_ring *ring, __u32 offset, const __u8 **bytes);

/*
 * Takes the first length bytes away. A ring that is empty then gives its memory back, but where reserved says that
 * something lies behind the end.
 */
void byte_ring_drop(struct byte_ring *ring, struct memory_account *account, __u32 length, bool reserved);

/* Gives everything back. */
void byte_ring_free(struct byte_ring *ring, struct memory_account *account);

#endif /* SYNKEEP_TCP_BYTE_RING_H */
