/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep events: what happened to the loaded devices, and what happens.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clocks.h"
#include "cmd_devices.h"
#include "journal_print.h"
#include "journal_read.h"

#define FOLLOW_INTERVAL_US 100000

struct options {
	const char *pin_root;
	bool follow, json, help;
};

struct reading {
	const struct device *device;
	struct journal_reader reader;
};

static int print_event(const struct options *options, const struct reading *reading, bool several,
		       const struct journal_event *event)
{
	__u64 now_ns = clocks_now_ns(reading->device);

	if (options->json)
		return journal_print_json(event, reading->device->name, now_ns);
	return journal_print_text(event, several ? reading->device->name : NULL, now_ns);
}

/* What there is of one device. 0, or -EIO: stdout does not take it. */
static int print_new(const struct options *options, struct reading *reading, bool several)
{
	struct journal_event event;
	int err = 0;

	while (!err && journal_reader_next(&reading->reader, &event))
		err = print_event(options, reading, several, &event);
	if (reading->reader.missed)
		fprintf(stderr, "synkeep events: %s: %llu events were written over before they were read\n",
			reading->device->name, reading->reader.missed);
	reading->reader.missed = 0;
	return err;
}

/* -ESTALE: what is followed is not loaded any more. */
static int follow_once(const struct options *options, struct reading *readings, int count)
{
	int err = 0;

	for (int i = 0; i < count && !err; i++) {
		err = print_new(options, &readings[i], count > 1);
		if (!err && options->follow)
			err = device_check_pinned(readings[i].device);
	}
	return fflush(stdout) ? -EIO : err;
}

static int show(const struct options *options, const struct cmd_devices *devices)
{
	struct reading *readings = calloc(devices->count, sizeof(*readings));
	int err = readings ? 0 : -ENOMEM;

	for (int i = 0; i < devices->count && !err; i++) {
		readings[i].device = &devices->list[i];
		err = journal_reader_open(&devices->list[i], &readings[i].reader);
		/* Before the first that is there, none is missed: nobody has asked. */
		if (!err && readings[i].reader.journal->last > JOURNAL_EVENTS)
			readings[i].reader.next = readings[i].reader.journal->last - JOURNAL_EVENTS + 1;
	}
	while (!err) {
		err = follow_once(options, readings, devices->count);
		if (!options->follow)
			break;
		usleep(FOLLOW_INTERVAL_US);
	}
	for (int i = 0; readings && i < devices->count; i++)
		journal_reader_close(&readings[i].reader);
	free(readings);
	return err;
}

static int take_options(struct options *options, int argc, char **argv)
{
	enum { OPTION_FOLLOW = COMMAND_OPTION_OWN, OPTION_JSON };
	static const struct option known[] = {
		{ "follow", no_argument, NULL, OPTION_FOLLOW },
		{ "json", no_argument, NULL, OPTION_JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, result = EXIT_DONE;

	while (!result && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		if (option == OPTION_FOLLOW)
			options->follow = true;
		else if (option == OPTION_JSON)
			options->json = true;
		else
			result = command_take_option(&command_events, option, &options->pin_root, &options->help);
	}
	return result;
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT };
	struct cmd_devices devices;
	const char *name;
	int result, err;

	result = take_options(&options, argc, argv);
	if (options.help)
		return command_help(&command_events);
	if (result == EXIT_DONE)
		result = cmd_devices_argument(&command_events, argc, argv, &name);
	if (result == EXIT_DONE)
		result = cmd_devices_open(&devices, &command_events, options.pin_root, name);
	if (result != EXIT_DONE)
		return result;
	err = show(&options, &devices);
	cmd_devices_close(&devices);
	if (err == -EIO)
		return EXIT_FAILED; /* main() says it */
	if (err == -ESTALE)
		return command_failed(&command_events, "the device has been unloaded");
	return err ? command_failed(&command_events, "the journal can not be read: %s", strerror(-err)) : EXIT_DONE;
}

const struct command command_events = {
	.name = "events",
	.summary = "what happened: floods that began and ended, tables that fill",
	.usage = "Usage: synkeep events [DEV] [--follow] [--json] [--pin-root DIR]\n"
		 "\n"
		 "Prints what the programs have written into the device's journal, the oldest event first: when a\n"
		 "service with policy auto came under flood, what showed it, how long it lasted; which table fills\n"
		 "and which has room again; whose share is used up; when the cookies' key changed. The journal keeps\n"
		 "the last 256 events and needs nobody to read it.\n"
		 "\n"
		 "  DEV                one device; all that are loaded if left out\n"
		 "      --follow       and what happens from now on, until interrupted or unloaded\n"
		 "      --json         for programs: an object a line\n"
		 "      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
