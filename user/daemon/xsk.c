/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The four rings of an AF_XDP socket, and the memory behind them. See xsk.h.
 */
#include "daemon/xsk.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <xdp/xsk.h>

#include "packet.h"

#define CHUNK_BYTES_SMALL 2048
#define CHUNK_BYTES_LARGE 4096 /* the kernel takes no chunk that is larger than a page */
#define KERNEL_HEADROOM 256    /* XDP_PACKET_HEADROOM, which the kernel adds to ours */
#define DRIVER_TAIL 320	       /* of a driver's page, for the kernel's struct skb_shared_info: a frame ends before it */
/* Behind Ethernet's 14 bytes, or those and tags of 4, the IP header is aligned to four. */
#define HEADROOM 2
#define HUGE_PAGE_BYTES (2U << 20)
#define BUSY_POLL_US 20
#define BUSY_POLL_FRAMES 64
#define TX_BATCHES_MAX 64 /* calls of one flush: the kernel takes some frames at a time where it copies */

struct xsk {
	/* What each frame touches. */
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;
	struct xsk_ring_prod tx;
	struct xsk_ring_cons completion;
	__u8 *memory;
	__u32 *free_chunks; /* a stack of those to send: what came back last is still in the cache */
	__u32 free_count;
	__u32 unsent;	/* in the TX ring, not shown to the kernel yet */
	__u32 received; /* that xsk_receive() gave */
	__u32 received_at;
	__u32 chunk_bytes;
	/* The rest. */
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	size_t memory_bytes;
	bool zero_copy;
};

static __u32 chunk_bytes_for(__u32 mtu)
{
	return mtu + PACKET_IP_OFFSET_MAX + HEADROOM + KERNEL_HEADROOM <= CHUNK_BYTES_SMALL ? CHUNK_BYTES_SMALL
											    : CHUNK_BYTES_LARGE;
}

__u32 xsk_mtu_max(void)
{
	return CHUNK_BYTES_LARGE - KERNEL_HEADROOM - DRIVER_TAIL - PACKET_IP_OFFSET_MAX;
}

__u32 xsk_frame_bytes_max(__u32 mtu)
{
	return chunk_bytes_for(mtu) - KERNEL_HEADROOM - HEADROOM;
}

/* Huge pages if some are reserved, else such as the kernel may join by itself. */
static int map_memory(struct xsk *xsk, size_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	bytes = (bytes + HUGE_PAGE_BYTES - 1) & ~(size_t)(HUGE_PAGE_BYTES - 1);
	xsk->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0);
	if (xsk->memory == MAP_FAILED)
		xsk->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (xsk->memory == MAP_FAILED) {
		xsk->memory = NULL;
		return -errno;
	}
	madvise(xsk->memory, bytes, MADV_HUGEPAGE);
	xsk->memory_bytes = bytes;
	return 0;
}

/* The kernel charges the memory to who may not lock as much as he likes; root may raise his own limit. */
static void raise_memory_lock_limit(void)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

	setrlimit(RLIMIT_MEMLOCK, &none);
}

static int make_umem(struct xsk *xsk, const struct xsk_options *options)
{
	const struct xsk_umem_config config = {
		.fill_size = options->ring,
		.comp_size = options->ring,
		.frame_size = xsk->chunk_bytes,
		.frame_headroom = HEADROOM,
	};
	__u32 at = 0;
	int err;

	raise_memory_lock_limit();
	err = map_memory(xsk, 2 * (size_t)options->ring * xsk->chunk_bytes);
	if (!err)
		err = xsk_umem__create(&xsk->umem, xsk->memory, 2 * (__u64)options->ring * xsk->chunk_bytes, &xsk->fill,
				       &xsk->completion, &config);
	if (err)
		return err;
	xsk->free_chunks = calloc(options->ring, sizeof(*xsk->free_chunks));
	if (!xsk->free_chunks)
		return -ENOMEM;
	xsk_ring_prod__reserve(&xsk->fill, options->ring, &at);
	for (__u32 i = 0; i < options->ring; i++) {
		*xsk_ring_prod__fill_addr(&xsk->fill, at + i) = (__u64)i * xsk->chunk_bytes;
		xsk->free_chunks[xsk->free_count++] = (options->ring + i) * xsk->chunk_bytes;
	}
	xsk_ring_prod__submit(&xsk->fill, options->ring);
	return 0;
}

/* Asked for neither, the kernel tries zero-copy first. */
static int make_socket(struct xsk *xsk, const struct xsk_options *options)
{
	const struct xsk_socket_config config = {
		.rx_size = options->ring,
		.tx_size = options->ring,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = XDP_USE_NEED_WAKEUP | (options->copy ? XDP_COPY : 0),
	};
	struct xdp_options told = {};
	socklen_t length = sizeof(told);
	int err;

	err = xsk_socket__create(&xsk->socket, options->device, options->queue, xsk->umem, &xsk->rx, &xsk->tx, &config);
	if (err)
		return err;
	if (getsockopt(xsk_fd(xsk), SOL_XDP, XDP_OPTIONS, &told, &length) < 0)
		return -errno;
	xsk->zero_copy = told.flags & XDP_OPTIONS_ZEROCOPY;
	return 0;
}

static int prefer_busy_poll(const struct xsk *xsk)
{
	const struct {
		int option, value;
	} settings[] = {
		{ SO_PREFER_BUSY_POLL, 1 },
		{ SO_BUSY_POLL, BUSY_POLL_US },
		{ SO_BUSY_POLL_BUDGET, BUSY_POLL_FRAMES },
	};

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		if (setsockopt(xsk_fd(xsk), SOL_SOCKET, settings[i].option, &settings[i].value,
			       sizeof(settings[i].value)) < 0)
			return -errno;
	}
	return 0;
}

int xsk_open(const struct xsk_options *options, struct xsk **out)
{
	struct xsk *xsk;
	int err;

	if (options->mtu > xsk_mtu_max())
		return -EMSGSIZE;
	xsk = calloc(1, sizeof(*xsk)); /* libxdp wants its rings zeroed */
	if (!xsk)
		return -ENOMEM;
	xsk->chunk_bytes = chunk_bytes_for(options->mtu);
	err = make_umem(xsk, options);
	if (!err)
		err = make_socket(xsk, options);
	if (!err && options->busy_poll)
		err = prefer_busy_poll(xsk);
	if (err) {
		xsk_close(xsk);
		return err;
	}
	*out = xsk;
	return 0;
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	xsk_socket__delete(xsk->socket);
	xsk_umem__delete(xsk->umem);
	if (xsk->memory)
		munmap(xsk->memory, xsk->memory_bytes);
	free(xsk->free_chunks);
	free(xsk);
}

int xsk_fd(const struct xsk *xsk)
{
	return xsk_socket__fd(xsk->socket);
}

bool xsk_is_zero_copy(const struct xsk *xsk)
{
	return xsk->zero_copy;
}

__u32 xsk_receive(struct xsk *xsk, struct xsk_frame *frames)
{
	xsk->received = xsk_ring_cons__peek(&xsk->rx, XSK_FRAMES_MAX, &xsk->received_at);
	for (__u32 i = 0; i < xsk->received; i++) {
		const struct xdp_desc *descriptor = xsk_ring_cons__rx_desc(&xsk->rx, xsk->received_at + i);

		frames[i] = (struct xsk_frame){ xsk->memory + descriptor->addr, descriptor->len };
		__builtin_prefetch(frames[i].bytes);
	}
	return xsk->received;
}

/* There is room in the fill ring: it is as large as there are chunks. */
void xsk_release(struct xsk *xsk)
{
	__u32 at = 0;

	if (!xsk->received)
		return;
	xsk_ring_prod__reserve(&xsk->fill, xsk->received, &at);
	for (__u32 i = 0; i < xsk->received; i++)
		*xsk_ring_prod__fill_addr(&xsk->fill, at + i) =
			xsk_ring_cons__rx_desc(&xsk->rx, xsk->received_at + i)->addr;
	xsk_ring_prod__submit(&xsk->fill, xsk->received);
	xsk_ring_cons__release(&xsk->rx, xsk->received);
	xsk->received = 0;
}

static void take_back(struct xsk *xsk)
{
	__u32 at, count = xsk_ring_cons__peek(&xsk->completion, xsk->completion.size, &at);

	for (__u32 i = 0; i < count; i++) {
		__u64 address = *xsk_ring_cons__comp_addr(&xsk->completion, at + i);

		xsk->free_chunks[xsk->free_count++] = address & ~(__u64)(xsk->chunk_bytes - 1);
	}
	if (count)
		xsk_ring_cons__release(&xsk->completion, count);
}

/* A chunk that is free has a place in the TX ring, which is as large as there are chunks. */
__u8 *xsk_frame(struct xsk *xsk)
{
	if (!xsk->free_count)
		take_back(xsk);
	if (!xsk->free_count || !xsk_prod_nb_free(&xsk->tx, 1))
		return NULL;
	return xsk->memory + xsk->free_chunks[xsk->free_count - 1];
}

void xsk_send(struct xsk *xsk, __u32 offset, __u32 bytes)
{
	__u32 at = 0;

	xsk_ring_prod__reserve(&xsk->tx, 1, &at);
	*xsk_ring_prod__tx_desc(&xsk->tx, at) = (struct xdp_desc){
		.addr = xsk->free_chunks[--xsk->free_count] + offset,
		.len = bytes,
	};
	xsk->unsent++;
}

static bool is_tx_empty(const struct xsk *xsk)
{
	return __atomic_load_n(xsk->tx.consumer, __ATOMIC_ACQUIRE) == *xsk->tx.producer;
}

/* Where it copies, the kernel sends in the call itself, a few frames each time, and says EAGAIN while there are more.
 */
bool xsk_flush(struct xsk *xsk)
{
	if (xsk->unsent) {
		xsk_ring_prod__submit(&xsk->tx, xsk->unsent);
		xsk->unsent = 0;
	}
	for (int calls = 0; calls < TX_BATCHES_MAX && !is_tx_empty(xsk); calls++) {
		__u32 before = __atomic_load_n(xsk->tx.consumer, __ATOMIC_RELAXED);

		if (!xsk_ring_prod__needs_wakeup(&xsk->tx))
			return true;
		if (sendto(xsk_fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, 0) < 0) {
			if (errno == ENETDOWN) /* it is not busy; when it is up again, there is news of the link */
				return true;
		} else if (xsk->zero_copy) {
			return true;
		}
		if (__atomic_load_n(xsk->tx.consumer, __ATOMIC_RELAXED) == before)
			break;
	}
	return is_tx_empty(xsk);
}

void xsk_poll(struct xsk *xsk)
{
	recvfrom(xsk_fd(xsk), NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

int xsk_statistics(const struct xsk *xsk, struct xsk_statistics *statistics)
{
	struct xdp_statistics told = {};
	socklen_t length = sizeof(told);

	if (getsockopt(xsk_fd(xsk), SOL_XDP, XDP_STATISTICS, &told, &length) < 0)
		return -errno;
	*statistics = (struct xsk_statistics){
		.rx_dropped = told.rx_dropped,
		.rx_ring_full = told.rx_ring_full,
		.rx_no_chunk = told.rx_fill_ring_empty_descs,
		.tx_invalid = told.tx_invalid_descs,
	};
	return 0;
}
