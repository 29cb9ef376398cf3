/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The leases of watchers (include/watch.h) in the mapped map "watch". A slot changes hands by one compare-and-swap of
 * its lease, so there is no lock that a killed process could keep.
 */
#ifndef SYNKEEP_WATCH_LEASE_H
#define SYNKEEP_WATCH_LEASE_H

#include "device.h"

/* Maps the device's element. NULL with errno. */
struct watch *watch_lease_map(const struct device *device);
void watch_lease_unmap(struct watch *watch); /* takes NULL */

/*
 * Takes a slot whose lease has run out, until *lease_ns from then on. Its number, or -EUSERS: watchers are in all.
 * Times are CLOCK_MONOTONIC as the programs see it.
 */
int watch_lease_take(struct watch *watch, __u64 now_ns, __u64 *lease_ns);

/* Moves the lease on. -ESTALE: another watcher has taken the slot. */
int watch_lease_renew(struct watch *watch, __u32 slot, __u64 now_ns, __u64 *lease_ns);

/* Gives the slot back, if it still is the caller's. */
void watch_lease_end(struct watch *watch, __u32 slot, __u64 lease_ns);

#endif /* SYNKEEP_WATCH_LEASE_H */
