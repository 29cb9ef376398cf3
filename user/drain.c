/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Phases and the age of the last cookie. See drain.h.
 */
#include <errno.h>
#include <time.h>

#include "clocks.h"
#include "drain.h"
#include "pins.h"

int drain_remaining_ns(const struct device *device, __u64 *remaining_ns)
{
	__u64 now_ns = clocks_now_ns(device), sent_ns, end_ns;
	int err = clocks_cookie_sent(device, &sent_ns);

	end_ns = sent_ns + DRAIN_NS;
	*remaining_ns = !err && sent_ns && end_ns > now_ns ? end_ns - now_ns : 0;
	return err;
}

static int set_phase(struct device *device, enum device_phase phase)
{
	int lock, err;

	lock = pins_lock(device->pin_dir, false);
	if (lock < 0)
		return lock == -ENOENT ? -ESTALE : lock;
	err = device_check_pinned(device);
	if (!err)
		err = device_config_read(device);
	if (!err) {
		device->config.phase = phase;
		err = device_config_write(device);
	}
	pins_unlock(lock);
	return err;
}

int drain_begin(struct device *device)
{
	const struct timespec pause = { .tv_nsec = DRAIN_SETTLE_NS };
	int err = set_phase(device, DEVICE_DRAINING);

	if (!err)
		nanosleep(&pause, NULL);
	return err;
}

int drain_cancel(struct device *device)
{
	return set_phase(device, DEVICE_ACTIVE);
}
