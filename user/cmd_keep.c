/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep keep: makes a trial a load for good. Its guard sees that and ends (guard.h).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bpf_log.h"
#include "clocks.h"
#include "cmd_devices.h"

/* The pins are locked. Once its time is over a trial may be half taken away: then it is too late. */
static int keep(struct device *device)
{
	int err;

	if (config_is_draining(&device->config, clocks_now_ns(device)))
		return command_failed(&command_keep,
				      "%s: too late: its trial is over, or it is being unloaded; when `synkeep status` "
				      "shows it no more, load it again",
				      device->name);
	if (!device->config.try_until_ns)
		return command_failed(
			&command_keep,
			"%s: there is nothing to keep: it is loaded for good, without --try or kept before",
			device->name);
	device->config.try_until_ns = 0;
	err = device_config_write(device);
	if (err)
		return command_failed(&command_keep, "%s: its pins can not be written: %s", device->name,
				      strerror(-err));
	printf("%s: kept\n", device->name);
	return EXIT_DONE;
}

static int keep_named(const char *pin_root, const char *name)
{
	struct device device;
	int status, lock;

	status = cmd_devices_lock(&device, &command_keep, pin_root, name, &lock);
	if (status)
		return status;
	status = keep(&device);
	cmd_devices_unlock(&device, lock);
	return status;
}

static int run(int argc, char **argv)
{
	static const struct option known[] = {
		COMMAND_OPTIONS,
		{ 0 },
	};
	const char *pin_root = PINS_ROOT;
	bool help = false;
	int option, status = EXIT_DONE;

	while (!status && !help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1)
		status = command_take_option(&command_keep, option, &pin_root, &help);
	if (help)
		return command_help(&command_keep);
	if (status)
		return status;
	if (argc - optind != 1)
		return command_misused(&command_keep,
				       argc == optind ? "which device? DEV is missing" : "one device at a time");
	bpf_log_capture(false);
	return keep_named(pin_root, argv[optind]);
}

const struct command command_keep = {
	.name = "keep",
	.summary = "keep a shield that was loaded with --try: it does not unload by itself any more",
	.usage = "Usage: synkeep keep DEV [--pin-root DIR]\n"
		 "\n"
		 "A shield that was loaded with --try unloads by itself when its time is over. This makes it stay.\n"
		 "Too late it fails, and there is nothing to keep of a shield that was loaded without --try.\n"
		 "\n"
		 "  DEV                the device\n"
		 "      --pin-root DIR where it is pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
