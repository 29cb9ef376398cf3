/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ring. See outbox.h.
 *
 * Both counts only grow. Each is written by one side: what it wrote or read in the ring before is complete when the
 * other side sees the count.
 */
#include "daemon/outbox.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct frame {
	__u16 length;
	__u8 bytes[OUTBOX_FRAME_BYTES];
};

struct outbox {
	_Alignas(64) _Atomic __u32 put;
	_Alignas(64) _Atomic __u32 taken;
	int fd;
	struct frame frames[OUTBOX_FRAMES];
};

int outbox_open(struct outbox **out)
{
	struct outbox *outbox = aligned_alloc(_Alignof(struct outbox), sizeof(*outbox));
	int err = 0;

	if (!outbox)
		return -ENOMEM;
	memset(outbox, 0, sizeof(*outbox));
	outbox->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (outbox->fd < 0) {
		err = -errno;
		free(outbox);
		outbox = NULL;
	}
	*out = outbox;
	return err;
}

void outbox_close(struct outbox *outbox)
{
	if (!outbox)
		return;
	close(outbox->fd);
	free(outbox);
}

/* --- who puts ----------------------------------------------------------------------------------------------------- */

bool outbox_has_room(const struct outbox *outbox)
{
	return atomic_load_explicit(&outbox->put, memory_order_relaxed) -
		       atomic_load_explicit(&outbox->taken, memory_order_acquire) <
	       OUTBOX_FRAMES;
}

void outbox_put(struct outbox *outbox, const __u8 *frame, __u32 bytes)
{
	__u32 put = atomic_load_explicit(&outbox->put, memory_order_relaxed);
	struct frame *place = &outbox->frames[put % OUTBOX_FRAMES];

	place->length = bytes;
	memcpy(place->bytes, frame, bytes);
	atomic_store_explicit(&outbox->put, put + 1, memory_order_release);
}

void outbox_ring(struct outbox *outbox)
{
	eventfd_write(outbox->fd, 1);
}

/* --- who takes ---------------------------------------------------------------------------------------------------- */

int outbox_fd(const struct outbox *outbox)
{
	return outbox->fd;
}

void outbox_quiet(struct outbox *outbox)
{
	eventfd_t rings;

	eventfd_read(outbox->fd, &rings);
}

const __u8 *outbox_first(const struct outbox *outbox, __u32 *bytes)
{
	__u32 taken = atomic_load_explicit(&outbox->taken, memory_order_relaxed);
	const struct frame *frame = &outbox->frames[taken % OUTBOX_FRAMES];

	if (atomic_load_explicit(&outbox->put, memory_order_acquire) == taken)
		return NULL;
	*bytes = frame->length;
	return frame->bytes;
}

void outbox_drop(struct outbox *outbox)
{
	__u32 taken = atomic_load_explicit(&outbox->taken, memory_order_relaxed);

	atomic_store_explicit(&outbox->taken, taken + 1, memory_order_release);
}
