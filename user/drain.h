/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time between "no new cookies" and "nobody holds a cookie any more", in which a device goes on handing over.
 */
#ifndef SYNKEEP_DRAIN_H
#define SYNKEEP_DRAIN_H

#include "device.h"

/* How long after it was sent a cookie may come back. */
#define DRAIN_NS (COOKIE_LIFETIME_NS + COOKIE_SKEW_NS)

/*
 * After so long no program sends a cookie any more that began before the draining: a run takes microseconds, the time
 * that it goes by may be a jiffy old, and an interrupt may delay it.
 */
#define DRAIN_SETTLE_NS (20 * NSEC_PER_MSEC)

/*
 * How long a cookie may still come back that this device has sent: 0 if none was sent, or all are stale. 0 or -errno.
 * Right once no program can still be in the middle of sending one: see drain_begin().
 */
int drain_remaining_ns(const struct device *device, __u64 *remaining_ns);

/*
 * Sets phase DRAINING, and waits until every program that saw the phase before has ended. 0 or -errno; -ESTALE: another
 * command has unloaded the device since it was opened.
 */
int drain_begin(struct device *device);

/* Back to phase ACTIVE. 0 or -errno, as above. */
int drain_cancel(struct device *device);

#endif /* SYNKEEP_DRAIN_H */
