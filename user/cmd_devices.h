/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the commands that read or change loaded devices share: which devices they are about. Speaks for the command, on
 * stderr.
 */
#ifndef SYNKEEP_CMD_DEVICES_H
#define SYNKEEP_CMD_DEVICES_H

#include "command.h"
#include "device.h"

struct cmd_devices {
	struct device *list;
	int count;
};

/*
 * Opens the device called name, or, where name is NULL, all that are loaded; of these, those that can not be opened are
 * told of and left out. Returns enum exit_code: EXIT_FAILED, told why, if there is none.
 */
int cmd_devices_open(struct cmd_devices *devices, const struct command *command, const char *pin_root,
		     const char *name);
void cmd_devices_close(struct cmd_devices *devices);

/*
 * For who changes a device: locks its pins, then opens it, so that what is open is what is loaded until it is closed
 * again. A device that is gone is refused; one in another network namespace is not. Returns enum exit_code: told why.
 */
int cmd_devices_lock(struct device *device, const struct command *command, const char *pin_root, const char *name,
		     int *lock);
void cmd_devices_unlock(struct device *device, int lock);

/*
 * The names of all devices under the pin root, as device_list() gives them. Their number; -1, told why, if they can not
 * be read.
 */
int cmd_devices_names(const struct command *command, const char *pin_root, char (**names)[IFNAMSIZ]);

/* The one word that may follow the options, or NULL. EXIT_WRONG_USAGE, told why, if there are more. */
int cmd_devices_argument(const struct command *command, int argc, char **argv, const char **name);

#endif /* SYNKEEP_CMD_DEVICES_H */
