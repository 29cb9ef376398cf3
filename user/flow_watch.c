/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A watcher's slots and rings. See flow_watch.h.
 */
#include "flow_watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "clocks.h"
#include "watch_lease.h"

#define RING_BYTES (4U << 20) /* some 47000 events: a second of a busy server */
#define READ_MAX 1024	      /* at a time: under a flood of events there would be no end of them */

/* One device. */
struct seat {
	struct flow_watch *watch;
	const struct device *device;
	struct watch *map;
	int ring_fd;
	int slot; /* -1: none */
	__u64 lease_ns;
	__u64 lost_seen; /* of what was lost in the slot, this is others', or known */
};

struct flow_watch {
	flow_watch_visit visit;
	void *context;
	struct ring_buffer *rings;
	int read; /* since flow_watch_read() began */
	int count;
	struct seat seats[];
};

static int take_event(void *context, void *data, size_t size)
{
	const struct seat *seat = context;
	struct flow_watch *watch = seat->watch;
	int err;

	if (size != sizeof(struct flow_event))
		return -EPROTO;
	err = watch->visit(seat->device, data, watch->context);
	if (!err && ++watch->read == READ_MAX)
		err = -EAGAIN;
	return err;
}

/* A ring that is in the map of no slot any more gets nothing; what is in it can still be read. */
static int sit_down(struct seat *seat)
{
	int slot = watch_lease_take(seat->map, clocks_now_ns(seat->device), &seat->lease_ns);
	__u32 key = (__u32)slot;

	if (slot < 0)
		return slot;
	seat->slot = slot;
	seat->lost_seen = seat->map->slots[slot].lost;
	return bpf_map_update_elem(seat->device->watchers_fd, &key, &seat->ring_fd, BPF_ANY) < 0 ? -errno : 0;
}

static int add_ring(struct flow_watch *watch, struct seat *seat)
{
	seat->ring_fd = bpf_map_create(BPF_MAP_TYPE_RINGBUF, "watcher", 0, 0, RING_BYTES, NULL);
	if (seat->ring_fd < 0)
		return -errno;
	if (watch->rings)
		return ring_buffer__add(watch->rings, seat->ring_fd, take_event, seat);
	watch->rings = ring_buffer__new(seat->ring_fd, take_event, seat, NULL);
	return watch->rings ? 0 : -errno;
}

static int open_seat(struct flow_watch *watch, struct seat *seat)
{
	int err;

	seat->map = watch_lease_map(seat->device);
	if (!seat->map)
		return -errno;
	err = add_ring(watch, seat);
	return err ? err : sit_down(seat);
}

static void explain(const struct seat *seat, int err, char error[FLOW_WATCH_ERROR_BYTES])
{
	if (err == -EUSERS)
		snprintf(error, FLOW_WATCH_ERROR_BYTES,
			 "%d watchers of %s are there already: end one, or wait some seconds if one was killed",
			 WATCHERS_MAX, seat->device->name);
	else if (err == -ESTALE)
		snprintf(error, FLOW_WATCH_ERROR_BYTES, "%s has been unloaded", seat->device->name);
	else
		snprintf(error, FLOW_WATCH_ERROR_BYTES, "%s can not be watched: %s", seat->device->name,
			 strerror(-err));
}

int flow_watch_open(const struct device *devices, int count, flow_watch_visit visit, void *context,
		    struct flow_watch **out, char error[FLOW_WATCH_ERROR_BYTES])
{
	struct flow_watch *watch = calloc(1, sizeof(*watch) + (size_t)count * sizeof(watch->seats[0]));

	if (!watch) {
		snprintf(error, FLOW_WATCH_ERROR_BYTES, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	watch->visit = visit;
	watch->context = context;
	for (int i = 0; i < count; i++) {
		struct seat *seat = &watch->seats[watch->count++];
		int err;

		*seat = (struct seat){ .watch = watch, .device = &devices[i], .ring_fd = -1, .slot = -1 };
		err = open_seat(watch, seat);
		if (err) {
			explain(seat, err, error);
			flow_watch_close(watch);
			return err;
		}
	}
	*out = watch;
	return 0;
}

int flow_watch_fd(const struct flow_watch *watch)
{
	return ring_buffer__epoll_fd(watch->rings);
}

int flow_watch_read(struct flow_watch *watch)
{
	int taken;

	watch->read = 0;
	taken = ring_buffer__consume(watch->rings);
	return taken < 0 && taken != -EAGAIN ? taken : 0;
}

static int renew(struct seat *seat, struct flow_watch_missed *missed)
{
	__u64 now_ns = clocks_now_ns(seat->device), until_ns = seat->lease_ns;
	__u64 lost = seat->map->slots[seat->slot].lost;
	int err = device_check_pinned(seat->device);

	if (err)
		return err;
	if (now_ns > until_ns && now_ns - until_ns > missed->ns)
		missed->ns = now_ns - until_ns;
	if (watch_lease_renew(seat->map, (__u32)seat->slot, now_ns, &seat->lease_ns))
		return sit_down(seat); /* what it lost there is not known: missed->ns tells enough */
	missed->events += lost - seat->lost_seen;
	seat->lost_seen = lost;
	return 0;
}

int flow_watch_renew(struct flow_watch *watch, struct flow_watch_missed *missed, char error[FLOW_WATCH_ERROR_BYTES])
{
	*missed = (struct flow_watch_missed){};
	for (int i = 0; i < watch->count; i++) {
		int err = renew(&watch->seats[i], missed);

		if (err) {
			explain(&watch->seats[i], err, error);
			return err;
		}
	}
	return 0;
}

/* While the lease is fresh nobody else has the slot, and its ring is ours to take out. */
static void stand_up(struct seat *seat)
{
	__u32 slot = (__u32)seat->slot;

	if (watch_lease_renew(seat->map, slot, clocks_now_ns(seat->device), &seat->lease_ns))
		return;
	bpf_map_delete_elem(seat->device->watchers_fd, &slot);
	watch_lease_end(seat->map, slot, seat->lease_ns);
}

void flow_watch_close(struct flow_watch *watch)
{
	if (!watch)
		return;
	for (int i = 0; i < watch->count; i++) {
		struct seat *seat = &watch->seats[i];

		if (seat->slot >= 0)
			stand_up(seat);
		watch_lease_unmap(seat->map);
		if (seat->ring_fd >= 0)
			close(seat->ring_fd);
	}
	ring_buffer__free(watch->rings);
	free(watch);
}
