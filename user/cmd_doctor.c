/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep doctor: what bites users on this machine and on its devices, line by line, with what mends it. What there is
 * is gathered by machine_facts.h, device_facts.h and status.h, and judged by doctor_machine.h,
 * doctor_device.h and advice.h.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "bpf_log.h"
#include "cmd_devices.h"
#include "doctor_device.h"
#include "doctor_machine.h"
#include "json_out.h"

#define EXPLANATION_BYTES 512

/* Where findings go: list gathers them for --json and is NULL otherwise. */
struct report {
	const char *pin_root;
	struct json_object *list;
	const char *device; /* that they are about; NULL: the machine */
	int problems;
};

static const char *const kind_names[] = {
	[FINDING_OK] = "ok",
	[FINDING_NOTE] = "note",
	[FINDING_PROBLEM] = "problem",
};

static void add_json(const struct report *report, const struct finding *finding)
{
	struct json_object *object = json_object_new_object();

	json_out_text(object, "device", report->device);
	json_out_text(object, "check", finding->check);
	json_out_text(object, "finding", kind_names[finding->kind]);
	json_out_text(object, "text", finding->text);
	json_out_text(object, "remedy", *finding->remedy ? finding->remedy : NULL);
	json_object_array_add(report->list, object);
}

static void take_finding(const struct finding *finding, void *context)
{
	struct report *report = context;

	report->problems += finding->kind == FINDING_PROBLEM;
	if (report->list)
		add_json(report, finding);
	else
		printf("  %-8s %-24s %s%s%s%s\n",
		       finding->kind == FINDING_PROBLEM ? "PROBLEM" : kind_names[finding->kind], finding->check,
		       finding->text, *finding->remedy ? ": `" : "", finding->remedy, *finding->remedy ? "`" : "");
}

static void begin(struct report *report, const char *device)
{
	report->device = device;
	if (!report->list)
		printf("%s%s\n", device ? "\n" : "", device ? device : "machine");
}

/* --- what is loaded ---------------------------------------------------------------------------------------------- */

/* What is told of the shield itself. */
struct shield {
	const struct finding_listener *listener;
	bool has_advice;
};

static void take_advice(enum advice_kind kind, const char *sentence, void *context)
{
	struct shield *shield = context;

	shield->has_advice = true;
	finding_tell(shield->listener, kind == ADVICE_PROBLEM ? FINDING_PROBLEM : FINDING_NOTE, "shield", "", "%s",
		     sentence);
}

static void tell_shield(const struct status *status, const struct finding_listener *listener)
{
	struct shield shield = { listener, false };

	advice_give_on_shield(status, take_advice, &shield);
	if (!shield.has_advice)
		finding_tell(listener, FINDING_OK, "shield", "", "loaded, and all well");
}

/* err: that of device_open(). */
static bool has_pins(int err)
{
	return err != -ENOENT && err != -ENOTDIR;
}

static void tell_not_open(const struct report *report, int err, const struct finding_listener *listener)
{
	char explanation[EXPLANATION_BYTES];

	if (!has_pins(err)) {
		finding_tell(listener, FINDING_OK, "shield", "", "not loaded");
		return;
	}
	device_explain(err, report->pin_root, report->device, explanation, sizeof(explanation));
	finding_tell(listener, FINDING_PROBLEM, "shield", "", "%s", explanation);
}

/* --- a device ---------------------------------------------------------------------------------------------------- */

static int fail(const char *name, int err)
{
	if (err == -ENODEV)
		return command_failed(&command_doctor,
				      "there is no device \"%s\" in this network namespace; `ip link` lists them",
				      name);
	return command_failed(&command_doctor, "%s: %s", name, strerror(-err));
}

/* status: NULL, or what of the device is loaded, if it can be read. */
static int judge(const struct machine_facts *machine, const char *name, const struct status *status, bool loaded,
		 const struct finding_listener *listener)
{
	struct device_facts facts;
	int err = device_facts_read(name, status, loaded, &facts);

	if (err)
		return fail(name, err);
	doctor_device_judge(machine, &facts, listener);
	return EXIT_DONE;
}

static int judge_loaded(const struct machine_facts *machine, const char *name, const struct device *device,
			const struct finding_listener *listener)
{
	struct status status;
	int err = status_read(device, &status);
	int result = err ? fail(name, err) : judge(machine, name, status.here ? &status : NULL, status.here, listener);

	if (result == EXIT_DONE)
		tell_shield(&status, listener);
	status_free(&status);
	return result;
}

/* By the name that it has, or had when it was loaded. 0 or -errno, as of device_open(). */
static int open_pins(const char *pin_root, const char *name, struct device *device)
{
	int err = device_open(pin_root, name, device), count;
	char(*names)[IFNAMSIZ];

	if (has_pins(err))
		return err;
	count = device_list(pin_root, &names);
	for (int i = 0; i < count && err; i++) {
		if (device_open(pin_root, names[i], device))
			continue;
		if (device->config.netns_inode == system_netns_inode() &&
		    device->config.ifindex == if_nametoindex(name))
			err = 0;
		else
			device_close(device);
	}
	free(names);
	return err;
}

static int examine(struct report *report, const struct machine_facts *machine, const char *name)
{
	const struct finding_listener listener = { take_finding, report };
	struct device device;
	int err, result;

	begin(report, name);
	err = open_pins(report->pin_root, name, &device);
	if (!err) {
		result = judge_loaded(machine, name, &device, &listener);
		device_close(&device);
		return result;
	}
	result = judge(machine, name, NULL, has_pins(err), &listener);
	if (result == EXIT_DONE)
		tell_not_open(report, err, &listener);
	return result;
}

/* Those by which clients may come in. */
static bool is_suitable(const char *name)
{
	struct system_device device;

	return !system_device(name, &device) && device.ethernet && !device.loopback;
}

static int examine_all(struct report *report, const struct machine_facts *machine)
{
	struct if_nameindex *devices = if_nameindex();
	int result = EXIT_DONE;

	if (!devices)
		return command_failed(&command_doctor, "the devices can not be listed: %s", strerror(errno));
	for (int i = 0; devices[i].if_index && result == EXIT_DONE; i++) {
		if (is_suitable(devices[i].if_name))
			result = examine(report, machine, devices[i].if_name);
	}
	if_freenameindex(devices);
	return result;
}

/* What only pins are left of is in no list of devices. */
static void examine_gone(struct report *report)
{
	const struct finding_listener listener = { take_finding, report };
	char(*names)[IFNAMSIZ];
	int count = device_list(report->pin_root, &names);

	for (int i = 0; i < count; i++) {
		struct device device;
		struct status status;

		if (if_nametoindex(names[i]) || device_open(report->pin_root, names[i], &device))
			continue;
		if (!status_read(&device, &status) && !status.exists) {
			begin(report, names[i]);
			tell_shield(&status, &listener);
		}
		status_free(&status);
		device_close(&device);
	}
	free(names);
}

/* --- the command ------------------------------------------------------------------------------------------------- */

static int examine_machine(struct report *report, const char *name)
{
	const struct finding_listener listener = { take_finding, report };
	struct machine_facts machine;
	int result;

	machine_facts_read(report->pin_root, &machine);
	begin(report, NULL);
	doctor_machine_judge(&machine, &listener);
	result = name ? examine(report, &machine, name) : examine_all(report, &machine);
	if (!name)
		examine_gone(report);
	machine_facts_free(&machine);
	return result;
}

static int tell(struct report *report, int result)
{
	if (result == EXIT_DONE && report->problems)
		result = EXIT_FAILED;
	if (report->list)
		return json_out_print(report->list) ? EXIT_FAILED : result;
	if (report->problems)
		printf("\n%d PROBLEM%s\n", report->problems, report->problems > 1 ? "S" : "");
	else if (result == EXIT_DONE)
		puts("\nall well");
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
		if (option == OPTION_JSON)
			json = true;
		else
			result = command_take_option(&command_doctor, option, &report.pin_root, &help);
	}
	if (help)
		return command_help(&command_doctor);
	if (result == EXIT_DONE)
		result = cmd_devices_argument(&command_doctor, argc, argv, &name);
	if (result != EXIT_DONE)
		return result;
	if (name && !if_nametoindex(name))
		return fail(name, -ENODEV);
	bpf_log_capture(false);
	if (json)
		report.list = json_object_new_array();
	return tell(&report, examine_machine(&report, name));
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "what may keep a shield from its work here, and what mends it",
	.usage =
		"Usage: synkeep doctor [DEV] [--json] [--pin-root DIR]\n"
		"\n"
		"Looks at this machine, this network namespace and a device, before a load and after it, for what\n"
		"bites users: a line for each thing that was looked at, ok, note or PROBLEM, with what is and, behind\n"
		"it, the command that mends it. A PROBLEM keeps a shield from its work, wholly or for a service; a\n"
		"note is good to know. Changes nothing. The exit status is 1 if there is a PROBLEM, 0 otherwise.\n"
		"\n"
		"  DEV                one device; every Ethernet device of this network namespace if left out, and "
		"pins\n"
		"                     whose device is gone\n"
		"      --json         for programs: a list of findings\n"
		"      --pin-root DIR where devices are pinned, " PINS_ROOT " by default\n"
		"  -h, --help         this text\n",
	.run = run,
};
