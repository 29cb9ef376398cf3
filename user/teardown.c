/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Detach, then unpin. See teardown.h.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "pins.h"
#include "system.h"
#include "teardown.h"

int teardown_locate(const struct device *device, bool *gone, char *error, size_t size)
{
	char name[IFNAMSIZ];

	*gone = false;
	if (!device->config.ifindex) {
		*gone = !if_nametoindex(device->name);
		return 0;
	}
	if (device->config.netns_inode == system_netns_inode()) {
		*gone = !if_indextoname(device->config.ifindex, name);
		return 0;
	}
	/* A namespace that nobody holds has taken the device with it, and the programs. */
	if (!system_netns_is_alive(device->config.netns_inode)) {
		*gone = true;
		return 0;
	}
	snprintf(error, size,
		 "%s is in another network namespace (inode %llu); go there with `nsenter --net=/run/netns/NAME`, "
		 "which keeps the pins in sight, as `ip netns exec` does not",
		 device->name, device->config.netns_inode);
	return -EXDEV;
}

int teardown_device(struct device *device, struct teardown *done, char *error, size_t size)
{
	int err;

	*done = (struct teardown){};
	err = teardown_locate(device, &done->gone, error, size);
	if (!device->config.ifindex)
		device->config.ifindex = if_nametoindex(device->name);
	if (!err && !done->gone)
		err = attach_detach(device, &done->detached, &done->clsact, error, size);
	if (err)
		return err;
	done->pins = pins_clear(device->pin_dir);
	if (done->pins < 0) {
		snprintf(error, size, "the pins in %s can not be removed: %s", device->pin_dir, strerror(-done->pins));
		return done->pins;
	}
	return 0;
}
