/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the commands that read or change loaded devices share: which devices they are about.
 */
#include "cmd_devices.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "pins.h"
#include "teardown.h"

#define EXPLANATION_BYTES 512

static int open_one(struct cmd_devices *devices, const char *pin_root, const char *name, char *explanation)
{
	struct device *device = &devices->list[devices->count];
	int err = device_open(pin_root, name, device);

	if (err)
		device_explain(err, pin_root, name, explanation, EXPLANATION_BYTES);
	else
		devices->count++;
	return err;
}

static int open_named(struct cmd_devices *devices, const struct command *command, const char *pin_root,
		      const char *name)
{
	char explanation[EXPLANATION_BYTES];

	devices->list = calloc(1, sizeof(*devices->list));
	if (!devices->list)
		return command_failed(command, "%s", strerror(ENOMEM));
	if (open_one(devices, pin_root, name, explanation))
		return command_failed(command, "%s", explanation);
	return EXIT_DONE;
}

int cmd_devices_names(const struct command *command, const char *pin_root, char (**names)[IFNAMSIZ])
{
	int count = device_list(pin_root, names);

	if (count >= 0)
		return count;
	if (count == -EPERM || count == -EACCES)
		command_failed(command, "%s can not be read: this needs root (CAP_BPF and CAP_NET_ADMIN)", pin_root);
	else
		command_failed(command, "%s can not be read: %s", pin_root, strerror(-count));
	return -1;
}

static int open_all(struct cmd_devices *devices, const struct command *command, const char *pin_root)
{
	char explanation[EXPLANATION_BYTES];
	char(*names)[IFNAMSIZ];
	int count = cmd_devices_names(command, pin_root, &names);

	if (count < 0)
		return EXIT_FAILED;
	if (count == 0)
		return command_failed(command, "no device is loaded under %s: synkeep load DEV loads one", pin_root);
	devices->list = calloc((size_t)count, sizeof(*devices->list));
	for (int i = 0; i < count && devices->list; i++) {
		if (open_one(devices, pin_root, names[i], explanation))
			command_note(command, "%s", explanation);
	}
	free(names);
	if (!devices->list)
		return command_failed(command, "%s", strerror(ENOMEM));
	return devices->count ? EXIT_DONE : EXIT_FAILED;
}

int cmd_devices_open(struct cmd_devices *devices, const struct command *command, const char *pin_root, const char *name)
{
	int result;

	*devices = (struct cmd_devices){ 0 };
	result = name ? open_named(devices, command, pin_root, name) : open_all(devices, command, pin_root);
	if (result != EXIT_DONE)
		cmd_devices_close(devices);
	return result;
}

void cmd_devices_close(struct cmd_devices *devices)
{
	for (int i = 0; i < devices->count; i++)
		device_close(&devices->list[i]);
	free(devices->list);
	*devices = (struct cmd_devices){ 0 };
}

/* The pins are locked. */
static int open_for_change(struct device *device, const struct command *command, const char *pin_root, const char *name)
{
	char explanation[EXPLANATION_BYTES];
	int err = device_open(pin_root, name, device);
	bool gone;

	if (err) {
		device_explain(err, pin_root, name, explanation, sizeof(explanation));
		return command_failed(command, "%s", explanation);
	}
	err = teardown_locate(device, &gone, explanation, sizeof(explanation));
	if (!gone && (!err || err == -EXDEV))
		return EXIT_DONE;
	device_close(device);
	if (gone)
		return command_failed(command,
				      "%s: the device is gone, and only its pins are left: `synkeep unload %s --now`",
				      name, device->argument);
	return command_failed(command, "%s", explanation);
}

int cmd_devices_lock(struct device *device, const struct command *command, const char *pin_root, const char *name,
		     int *lock)
{
	char pin_dir[DEVICE_PATH_MAX], explanation[EXPLANATION_BYTES];
	int err, status;

	err = device_pin_dir(pin_root, name, pin_dir, sizeof(pin_dir));
	*lock = err ? err : pins_lock(pin_dir, false);
	if (*lock < 0) {
		device_explain(*lock, pin_root, name, explanation, sizeof(explanation));
		return command_failed(command, "%s", explanation);
	}
	status = open_for_change(device, command, pin_root, name);
	if (status)
		pins_unlock(*lock);
	return status;
}

void cmd_devices_unlock(struct device *device, int lock)
{
	device_close(device);
	pins_unlock(lock);
}

int cmd_devices_argument(const struct command *command, int argc, char **argv, const char **name)
{
	*name = optind < argc ? argv[optind] : NULL;
	if (optind + 1 < argc)
		return command_misused(command, "\"%s\" is one word too many: one device, or none for all",
				       argv[optind + 1]);
	return EXIT_DONE;
}
