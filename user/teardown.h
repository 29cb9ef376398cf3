/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Taking a device back to what it was: programs, filters, qdisc, pins. One way for a clean unload, for a load that
 * failed, and for what a load that was cut short has left.
 */
#ifndef SYNKEEP_TEARDOWN_H
#define SYNKEEP_TEARDOWN_H

#include "attach.h"
#include "device.h"

/* What was done. */
struct teardown {
	struct attach_state detached;
	bool clsact;	   /* the qdisc was ours and is removed */
	bool absent;	   /* nothing was pinned there any more */
	bool gone;	   /* the device, or its network namespace, does not exist any more */
	bool other_layout; /* the pins are of another layout, so whether the qdisc was ours is not known: it stays */
	int pins;	   /* removed */
};

/*
 * Whether the device is within reach: *gone where it, or its network namespace, does not exist any more. 0, or
 * -errno and a reason; -EXDEV: it is in another network namespace.
 */
int teardown_locate(const struct device *device, bool *gone, char *error, size_t size);

/*
 * The device is as device_open_remains() left it, or a loader that failed. Its pins are locked, and the locked
 * directory stays. Where its config is not known, the device of that name is meant. Doing it again does no harm.
 *
 * 0, or -errno and the reason in error: what could not be detached stays pinned, so that it can be tried again. -EXDEV:
 * the device is in another network namespace, nothing was done.
 */
int teardown_device(struct device *device, struct teardown *done, char *error, size_t size);

/*
 * The same from outside: locks the pins, looks at them as they are then, and removes their directory too. Whatever is
 * pinned there is meant or, where loaded_at_ns is not 0, the load of that time alone. 0 or -errno and the reason.
 */
int teardown_pinned(const char *pin_root, const char *name, __u64 loaded_at_ns, struct teardown *done, char *error,
		    size_t size);

#endif /* SYNKEEP_TEARDOWN_H */
