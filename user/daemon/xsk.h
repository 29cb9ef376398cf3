/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An AF_XDP socket of one receive queue, with memory of its own: frames come, and frames go, in batches. Knows nothing
 * of what is in them.
 *
 *   in    xsk_receive(), then xsk_release() when all of them have been read
 *   out   xsk_frame(), then xsk_send(), as often as there is room; xsk_flush() once for all of them
 *
 * The chunks of the memory are divided once: the first half is for what comes, the other for what goes.
 */
#ifndef SYNKEEP_DAEMON_XSK_H
#define SYNKEEP_DAEMON_XSK_H

#include "base.h"

#define XSK_RING_DEFAULT 2048
#define XSK_RING_MIN 64
#define XSK_RING_MAX 32768
#define XSK_FRAMES_MAX 64 /* that xsk_receive() gives at a time */

/* The link's header ends here in each chunk that is sent: what follows it is aligned. */
#define XSK_TX_LINK_BYTES 32

struct xsk_options {
	const char *device;
	__u32 queue;
	__u32 ring;	/* frames each way: a power of two */
	__u32 mtu;	/* IP bytes that a frame must hold, see xsk_mtu_max() */
	bool copy;	/* zero-copy is not even tried: XDP is generic */
	bool busy_poll; /* the driver is polled by whoever waits here, instead of by interrupts */
};

struct xsk_frame {
	__u8 *bytes; /* the XDP program's metadata lies before them */
	__u32 length;
};

struct xsk_statistics {
	__u64 rx_dropped; /* too long for a chunk, or otherwise impossible to take */
	__u64 rx_ring_full;
	__u64 rx_no_chunk; /* all chunks were taken: the daemon was too slow */
	__u64 tx_invalid;
};

struct xsk;

/* The largest MTU whose frames, with two VLAN tags, fit into a page of the driver's, and into a chunk. */
__u32 xsk_mtu_max(void);

/* The longest frame, from Ethernet's header on, that a socket made for this MTU takes. */
__u32 xsk_frame_bytes_max(__u32 mtu);

/* 0 and *out, or -errno; -EBUSY: another socket has the queue; -EMSGSIZE: the MTU is too large. */
int xsk_open(const struct xsk_options *options, struct xsk **out);
void xsk_close(struct xsk *xsk); /* takes NULL */

int xsk_fd(const struct xsk *xsk);
bool xsk_is_zero_copy(const struct xsk *xsk);

/*
 * What has come, at most XSK_FRAMES_MAX; 0: nothing. All of them are given back by xsk_release(), before which there
 * are no others.
 */
__u32 xsk_receive(struct xsk *xsk, struct xsk_frame *frames);
void xsk_release(struct xsk *xsk);

/*
 * A chunk to send, up to mtu bytes from its XSK_TX_LINK_BYTES on; NULL: all are under way. Asked again it is the same
 * one until it is sent.
 */
__u8 *xsk_frame(struct xsk *xsk);

/* Sends the chunk that xsk_frame() gave, from an offset in it on, with the next xsk_flush(). */
void xsk_send(struct xsk *xsk, __u32 offset, __u32 bytes);

/* Whether the kernel took all that was sent; false: the device is busy, and another flush is wanted soon. */
bool xsk_flush(struct xsk *xsk);

/* Lets the driver poll, where nobody else makes it: busy polling. */
void xsk_poll(struct xsk *xsk);

/* 0 or -errno. */
int xsk_statistics(const struct xsk *xsk, struct xsk_statistics *statistics);

#endif /* SYNKEEP_DAEMON_XSK_H */
