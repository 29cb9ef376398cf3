/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking, renewing and giving back a watcher's slot. See watch_lease.h.
 */
#include "watch_lease.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

struct watch *watch_lease_map(const struct device *device)
{
	void *mapped = mmap(NULL, sizeof(struct watch), PROT_READ | PROT_WRITE, MAP_SHARED, device->watch_fd, 0);

	return mapped == MAP_FAILED ? NULL : mapped;
}

void watch_lease_unmap(struct watch *watch)
{
	if (watch)
		munmap(watch, sizeof(*watch));
}

/* True: the lease was seen_ns, and is until_ns now. */
static bool swap(struct watch *watch, __u32 slot, __u64 seen_ns, __u64 until_ns)
{
	return __atomic_compare_exchange_n(&watch->slots[slot].lease_ns, &seen_ns, until_ns, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

int watch_lease_take(struct watch *watch, __u64 now_ns, __u64 *lease_ns)
{
	for (__u32 slot = 0; slot < WATCHERS_MAX; slot++) {
		__u64 seen_ns = __atomic_load_n(&watch->slots[slot].lease_ns, __ATOMIC_SEQ_CST);

		if (seen_ns > now_ns || !swap(watch, slot, seen_ns, now_ns + WATCH_LEASE_NS))
			continue;
		*lease_ns = now_ns + WATCH_LEASE_NS;
		return (int)slot;
	}
	return -EUSERS;
}

int watch_lease_renew(struct watch *watch, __u32 slot, __u64 now_ns, __u64 *lease_ns)
{
	if (!swap(watch, slot, *lease_ns, now_ns + WATCH_LEASE_NS))
		return -ESTALE;
	*lease_ns = now_ns + WATCH_LEASE_NS;
	return 0;
}

void watch_lease_end(struct watch *watch, __u32 slot, __u64 lease_ns)
{
	swap(watch, slot, lease_ns, 0);
}
