/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames from one thread for another to send: a ring without a lock, for one that puts and one that takes.
 *
 *   puts    outbox_has_room(), outbox_put(), as often as there is something; outbox_ring() once for all of them
 *   takes   waits for outbox_fd(), outbox_quiet(); outbox_first(), outbox_drop() until there is none
 */
#ifndef SYNKEEP_DAEMON_OUTBOX_H
#define SYNKEEP_DAEMON_OUTBOX_H

#include "base.h"

#define OUTBOX_FRAMES 1024 /* a power of two */
#define OUTBOX_FRAME_BYTES 126

struct outbox;

/* 0 and *out, or -errno. */
int outbox_open(struct outbox **out);
void outbox_close(struct outbox *outbox); /* takes NULL; nobody uses it any more */

bool outbox_has_room(const struct outbox *outbox);

/* A copy of a frame of at most OUTBOX_FRAME_BYTES, where there is room. */
void outbox_put(struct outbox *outbox, const __u8 *frame, __u32 bytes);

/* Wakes the other side. */
void outbox_ring(struct outbox *outbox);

/* Readable when the other side has rung; until outbox_quiet(). */
int outbox_fd(const struct outbox *outbox);
void outbox_quiet(struct outbox *outbox);

/* The oldest frame, *bytes of it; NULL: there is none. It stays until outbox_drop(). */
const __u8 *outbox_first(const struct outbox *outbox, __u32 *bytes);
void outbox_drop(struct outbox *outbox);

#endif /* SYNKEEP_DAEMON_OUTBOX_H */
