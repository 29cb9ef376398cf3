/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep status: what is attached, which services, how full, what is wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf_log.h"
#include "cmd_devices.h"
#include "status_print.h"

#define EXPLANATION_BYTES 512

/* Where the devices are shown: list gathers them for --json and is NULL otherwise. */
struct report {
	const char *pin_root;
	struct json_object *list;
	bool begun;
};

static int show(struct report *report, const struct device *device)
{
	struct status status;
	int err = status_read(device, &status);

	if (!err && report->list)
		json_object_array_add(report->list, status_print_json(&status));
	else if (!err)
		err = status_print_text(&status);
	status_free(&status);
	return err;
}

/* A device that can not be read is part of the picture all the same: half-loaded, or of another version. */
static void show_unreadable(const struct report *report, const char *name, int err, const char *explanation)
{
	struct json_object *object;

	if (!report->list) {
		printf("%s: not readable\n  PROBLEM  %s\n", name, explanation);
		return;
	}
	object = json_object_new_object();
	json_out_text(object, "device", name);
	json_out_text(object, "phase", err == -EINPROGRESS ? "half-loaded" : "unreadable");
	json_object_array_add(json_out_member(object, "problems", json_object_new_array()),
			      json_object_new_string(explanation));
	json_object_array_add(report->list, object);
}

static int show_device(struct report *report, const char *name, bool must_be_loaded)
{
	char explanation[EXPLANATION_BYTES];
	struct device device;
	int err = device_open(report->pin_root, name, &device);

	if (report->begun && !report->list)
		putchar('\n');
	report->begun = true;
	if (!err) {
		err = show(report, &device);
		device_close(&device);
		if (err == -EIO)
			return EXIT_FAILED; /* main() says it */
		return err ? command_failed(&command_status, "%s: %s", name, strerror(-err)) : EXIT_DONE;
	}
	device_explain(err, report->pin_root, name, explanation, sizeof(explanation));
	if (must_be_loaded)
		return command_failed(&command_status, "%s", explanation);
	show_unreadable(report, name, err, explanation);
	return EXIT_DONE;
}

static int show_all(struct report *report)
{
	char(*names)[IFNAMSIZ];
	int count = cmd_devices_names(&command_status, report->pin_root, &names), result = EXIT_DONE;

	if (count < 0)
		return EXIT_FAILED;
	if (count == 0 && !report->list)
		printf("no device is loaded under %s\n", report->pin_root);
	for (int i = 0; i < count && result == EXIT_DONE; i++)
		result = show_device(report, names[i], false);
	free(names);
	return result;
}

static int run(int argc, char **argv)
{
	enum { OPTION_JSON = COMMAND_OPTION_OWN };
	static const struct option known[] = {
		{ "json", no_argument, NULL, OPTION_JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	struct report report = { .pin_root = PINS_ROOT };
	bool json = false, help = false;
	const char *name;
	int option, result = EXIT_DONE;

	while (!result && !help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case OPTION_JSON:
			json = true;
			break;
		default:
			result = command_take_option(&command_status, option, &report.pin_root, &help);
		}
	}
	if (help)
		return command_help(&command_status);
	if (result == EXIT_DONE)
		result = cmd_devices_argument(&command_status, argc, argv, &name);
	if (result != EXIT_DONE)
		return result;
	bpf_log_capture(false);
	if (json)
		report.list = json_object_new_array();
	result = name ? show_device(&report, name, true) : show_all(&report);
	if (json && result == EXIT_DONE)
		return json_out_print(report.list) ? EXIT_FAILED : EXIT_DONE;
	json_object_put(report.list);
	return result;
}

const struct command command_status = {
	.name = "status",
	.summary = "what is attached, which services, how full, what is wrong",
	.usage = "Usage: synkeep status [DEV] [--json] [--pin-root DIR]\n"
		 "\n"
		 "Shows, of each device that is loaded: what is attached and how, cookies that may still come back,\n"
		 "since when the key is what it is, the number of connections and of listed sources, services and who\n"
		 "listens for them in this network namespace, which of them are calm and which under flood, and how "
		 "full\n"
		 "the tables are. A PROBLEM keeps the shield from its work, wholly or for a service, and says what to\n"
		 "do; a note is good to know. The exit status is 0 with problems too, and 1 if DEV is not loaded.\n"
		 "\n"
		 "  DEV                one device; all that are loaded if left out\n"
		 "      --json         for programs: a list of devices\n"
		 "      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
