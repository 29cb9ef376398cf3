/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Detach, then unpin. See teardown.h.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pins.h"
#include "system.h"
#include "teardown.h"

/* Whether the device exists in this namespace: 1, 0, or -errno. Without its config, its name is all that is known. */
static int is_here(const struct device *device)
{
	struct system_device system;
	int err;

	if (device->config.ifindex)
		return system_device_exists(device->config.ifindex);
	err = system_device(device->name, &system);
	if (err == -ENODEV)
		return 0;
	return err ? err : 1;
}

int teardown_locate(const struct device *device, bool *gone, char *error, size_t size)
{
	bool here = !device->config.ifindex || device->config.netns_inode == system_netns_inode();
	/* A namespace that nobody holds has taken the device with it, and the programs. */
	int exists = here ? is_here(device) : system_netns_is_alive(device->config.netns_inode);

	*gone = exists == 0;
	if (exists < 0) {
		snprintf(error, size, "whether %s still exists can not be found out: %s", device->name,
			 strerror(-exists));
		return exists;
	}
	if (here || *gone)
		return 0;
	snprintf(error, size,
		 "%s is in another network namespace (inode %llu); go there with `nsenter --net=/run/netns/NAME`, "
		 "which keeps the pins in sight, as `ip netns exec` does not",
		 device->name, device->config.netns_inode);
	return -EXDEV;
}

static int detach(struct device *device, struct teardown *done, char *error, size_t size)
{
	struct system_device system;
	int err;

	if (!device->config.ifindex) {
		err = system_device(device->name, &system);
		if (err) {
			snprintf(error, size, "%s: %s", device->name, strerror(-err));
			return err;
		}
		device->config.ifindex = system.ifindex;
	}
	return attach_detach(device, &done->detached, &done->clsact, error, size);
}

/*
 * Whether there are pins and none has the name of a map of ours: then they are another program's. A load that was cut
 * short may have come to any of the maps.
 */
static bool is_of_others(const char *pin_dir)
{
	static const char *const maps[] = {
		"config",   "services", "ports",      "counters", "clocks", "budgets",	"monitored",
		"flows4",   "flows6",	"half4",      "half6",	  "tw4",    "tw6",	"packets",
		"presence", "sweeper",	"local_ends", "agenda",	  "watch",  "watchers", "prefix_budgets",
	};
	int others = 0;
	DIR *dir;

	for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
		char path[DEVICE_PATH_MAX + 32];

		snprintf(path, sizeof(path), "%s/%s", pin_dir, maps[i]);
		if (access(path, F_OK) == 0)
			return false;
	}
	dir = opendir(pin_dir);
	while (dir && readdir(dir))
		others++;
	if (dir)
		closedir(dir);
	return others > 2; /* "." and ".." */
}

int teardown_device(struct device *device, struct teardown *done, char *error, size_t size)
{
	int err;

	*done = (struct teardown){};
	if (is_of_others(device->pin_dir)) {
		snprintf(error, size, "%s holds another program's pins, and nothing of synkeep's: it is left alone",
			 device->pin_dir);
		return -EBUSY;
	}
	err = teardown_locate(device, &done->gone, error, size);
	if (!err && !done->gone)
		err = detach(device, done, error, size);
	if (err)
		return err;
	done->pins = pins_clear(device->pin_dir);
	if (done->pins < 0) {
		snprintf(error, size, "the pins in %s can not be removed: %s", device->pin_dir, strerror(-done->pins));
		return done->pins;
	}
	return 0;
}

/* The pins are locked. */
static int take_away(const char *pin_root, const char *name, __u64 loaded_at_ns, struct teardown *done, char *error,
		     size_t size)
{
	struct device device;
	bool other_layout;
	int err;

	err = device_open_remains(pin_root, name, &device);
	other_layout = err == -EPROTO;
	if (err && err != -EINPROGRESS && !other_layout) {
		device_explain(err, pin_root, name, error, size);
	} else if (loaded_at_ns && device.config.loaded_at_ns != loaded_at_ns) {
		snprintf(error, size, "%s has been loaded anew", name);
		err = -ESTALE;
	} else {
		err = teardown_device(&device, done, error, size);
		done->other_layout = other_layout;
	}
	device_close(&device);
	return err;
}

int teardown_pinned(const char *pin_root, const char *name, __u64 loaded_at_ns, struct teardown *done, char *error,
		    size_t size)
{
	char pin_dir[DEVICE_PATH_MAX];
	int lock, err;

	*done = (struct teardown){};
	err = device_pin_dir(pin_root, name, pin_dir, sizeof(pin_dir));
	lock = err ? err : pins_lock(pin_dir, false);
	done->absent = lock == -ENOENT;
	if (lock < 0) {
		device_explain(lock, pin_root, name, error, size);
		return lock;
	}
	err = take_away(pin_root, name, loaded_at_ns, done, error, size);
	pins_remove_empty(pin_root, pin_dir);
	pins_unlock(lock);
	return err;
}
