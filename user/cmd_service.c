/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep service: which services a loaded device protects, read and changed without a reload.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clocks.h"
#include "cmd_devices.h"
#include "drain.h"
#include "json_out.h"
#include "seed.h"
#include "service_app.h"
#include "service_print.h"
#include "service_table.h"
#include "table.h"

struct options {
	const char *pin_root;
	bool json;
	bool help;
	char **words; /* what follows the options */
	int word_count;
};

static int parse_options(struct options *options, int argc, char **argv)
{
	enum { JSON = COMMAND_OPTION_OWN };
	static const struct option known[] = {
		{ "json", no_argument, NULL, JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case JSON:
			options->json = true;
			break;
		default:
			status = command_take_option(&command_service, option, &options->pin_root, &options->help);
		}
	}
	if (status)
		return status;
	options->words = argv + optind;
	options->word_count = argc - optind;
	return EXIT_DONE;
}

/* --- add, del ---------------------------------------------------------------------------------------------------- */

enum change {
	CHANGE_ADD,
	CHANGE_DELETE,
};

static int parse_specs(const struct options *options, struct service_spec *specs)
{
	for (int i = 0; i < options->word_count; i++) {
		char error[SERVICE_SPEC_ERROR_BYTES];

		if (service_spec_parse(options->words[i], &specs[i], error, sizeof(error)) ||
		    service_app_check(&specs[i], error, sizeof(error)))
			return command_misused(&command_service, "%s: %s", options->words[i], error);
	}
	return EXIT_DONE;
}

static int change_one(struct device *device, enum change change, const struct service_spec *spec)
{
	char text[SERVICE_SPEC_BYTES];
	int err;

	service_spec_format(spec, text, sizeof(text));
	err = change == CHANGE_ADD ? service_table_add(device, spec) : service_table_delete(device, spec);
	if (err == -ENOENT)
		return command_failed(&command_service,
				      "%s is not a service of %s; `synkeep service list %s` lists them", text,
				      device->name, device->argument);
	if (err == -ENOSPC)
		return command_failed(
			&command_service,
			"no room for %s: there may be %d services; \"*:PORT\" counts twice, and a deleted "
			"one for the %llu s in which its cookies may come back",
			text, SYNKEEP_SERVICES_MAX, DRAIN_NS / NSEC_PER_SEC);
	if (err)
		return command_failed(&command_service, "%s: %s", text, strerror(-err));
	printf("%s: %s %s", device->name, text, change == CHANGE_ADD ? "added" : "deleted");
	if (change == CHANGE_ADD)
		printf(", policy %s", service_spec_policy_name(spec->policy));
	putchar('\n');
	return EXIT_DONE;
}

/* The connections that there are to the new services are told to the programs. */
static int seed(struct device *device)
{
	int err = seed_sockets(device);

	if (err == -EXDEV)
		command_note(
			&command_service,
			"%s is in another network namespace, whose connections can not be seen from here: SYNs for "
			"the service cost more until `synkeep service add` has been run there",
			device->name);
	else if (err)
		return command_failed(&command_service, "%s: the connections that are there can not be read: %s",
				      device->name, strerror(-err));
	return EXIT_DONE;
}

static int change_all(const struct options *options, enum change change, const char *name,
		      const struct service_spec *specs)
{
	struct device device;
	int status, lock;

	status = cmd_devices_lock(&device, &command_service, options->pin_root, name, &lock);
	if (status)
		return status;
	for (int i = 0; i < options->word_count && !status; i++)
		status = change_one(&device, change, &specs[i]);
	if (!status && change == CHANGE_ADD)
		status = seed(&device);
	if (change == CHANGE_ADD && config_is_draining(&device.config, clocks_now_ns(&device)))
		command_note(&command_service, "%s is being unloaded, or its trial is over: no SYN is answered", name);
	cmd_devices_unlock(&device, lock);
	return status;
}

static int change(struct options *options, enum change change)
{
	struct service_spec *specs;
	const char *name;
	int status;

	if (options->word_count < 2)
		return command_misused(&command_service, "DEV and at least one SPEC are wanted");
	name = options->words[0];
	options->words++;
	options->word_count--;
	specs = calloc(options->word_count, sizeof(*specs));
	if (!specs)
		return command_failed(&command_service, "%s", strerror(ENOMEM));
	status = parse_specs(options, specs);
	if (!status)
		status = change_all(options, change, name, specs);
	free(specs);
	return status;
}

/* --- list -------------------------------------------------------------------------------------------------------- */

static void add_json(struct json_object *list, const char *device, const struct service_spec *spec)
{
	struct json_object *object = json_object_new_object();
	char text[SERVICE_SPEC_BYTES], full[SERVICE_SPEC_FULL_BYTES];

	service_spec_format(spec, text, sizeof(text));
	service_spec_format_full(spec, full, sizeof(full));
	json_out_text(object, "device", device);
	json_out_text(object, "service", text);
	json_out_text(object, "spec", full);
	json_out_text(object, "policy", service_spec_policy_name(spec->policy));
	json_out_text(object, "owner", service_spec_owner_name(spec->owner));
	json_out_text(object, "md5", service_spec_signed_name(spec->passes_signed));
	if (spec->policy == POLICY_AUTO)
		json_out_number(object, "half_open", spec->half_open);
	service_print_times_json(object, spec);
	service_print_limits_json(object, spec);
	if (spec->owner == FLOW_OWNER_DAEMON) {
		json_out_text(object, "app", spec->app);
		json_out_text(object, "gone", service_spec_gone_name(spec->gone));
	}
	json_object_array_add(list, object);
}

static void add_row(struct table *table, const char *device, const struct service_spec *spec)
{
	char text[SERVICE_SPEC_BYTES];

	service_spec_format(spec, text, sizeof(text));
	table_cell(table, device);
	table_cell(table, text);
	table_cell(table, service_spec_policy_name(spec->policy));
	table_cell(table, service_spec_owner_name(spec->owner));
	table_cell(table, *spec->app ? spec->app : "-");
	table_cell(table, service_spec_signed_name(spec->passes_signed));
	service_print_times(table, spec);
	service_print_limits(table, spec);
}

/* Puts the services of all devices into the one of table and list that is not NULL. */
static int collect(const struct cmd_devices *devices, struct table *table, struct json_object *list)
{
	for (int i = 0; i < devices->count; i++) {
		const struct device *device = &devices->list[i];
		struct service_spec *specs;
		int count = service_table_list(device, &specs);

		if (count < 0)
			return command_failed(&command_service, "%s: its services can not be read: %s", device->name,
					      strerror(-count));
		for (int j = 0; j < count; j++) {
			if (list)
				add_json(list, device->name, &specs[j]);
			else
				add_row(table, device->name, &specs[j]);
		}
		free(specs);
	}
	return EXIT_DONE;
}

static int list_json(const struct cmd_devices *devices)
{
	struct json_object *list = json_object_new_array();
	int status = collect(devices, NULL, list);

	if (status) {
		json_object_put(list);
		return status;
	}
	return json_out_print(list) ? EXIT_FAILED : EXIT_DONE;
}

static int list_table(const struct cmd_devices *devices)
{
	static const struct table_column columns[] = {
		{ "DEVICE", false }, { "SERVICE", false }, { "POLICY", false }, { "OWNER", false },
		{ "APP", false },    { "MD5", false },	   SERVICE_PRINT_TIMES, SERVICE_PRINT_LIMITS,
	};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	int status;

	if (!table)
		return command_failed(&command_service, "%s", strerror(ENOMEM));
	status = collect(devices, table, NULL);
	if (!status && table_flush(table, stdout))
		status = EXIT_FAILED;
	table_free(table);
	return status;
}

static int list(const struct options *options)
{
	struct cmd_devices devices;
	int status;

	if (options->word_count > 1)
		return command_misused(&command_service, "one device, or none for all");
	status = cmd_devices_open(&devices, &command_service, options->pin_root, options->words[0]);
	if (status)
		return status;
	status = options->json ? list_json(&devices) : list_table(&devices);
	cmd_devices_close(&devices);
	return status;
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT };
	const char *action;
	int status;

	status = parse_options(&options, argc, argv);
	if (status)
		return status;
	if (options.help)
		return command_help(&command_service);
	if (!options.word_count)
		return command_misused(&command_service, "add, del or list is wanted");
	action = *options.words++;
	options.word_count--;
	if (!strcmp(action, "add"))
		return change(&options, CHANGE_ADD);
	if (!strcmp(action, "del"))
		return change(&options, CHANGE_DELETE);
	if (!strcmp(action, "list"))
		return list(&options);
	return command_misused(&command_service, "\"%s\" is unknown: it is add, del or list", action);
}

const struct command command_service = {
	.name = "service",
	.summary = "add, delete and list what a loaded device protects",
	.usage = "Usage: synkeep service add DEV SPEC... [--pin-root DIR]\n"
		 "       synkeep service del DEV SPEC... [--pin-root DIR]\n"
		 "       synkeep service list [DEV] [--json] [--pin-root DIR]\n"
		 "\n"
		 "Changes hold from the next packet on; connections that are there are not touched.\n"
		 "\n"
		 "  add                adds services; one that is there takes over all of the SPEC\n"
		 "  del                deletes services; of a SPEC only ADDR:PORT matters\n"
		 "  list               lists the services of DEV, or of every loaded device\n"
		 "  SPEC               ADDR:PORT[,policy=auto|always|monitor|off][,md5=pass]\n"
		 "                     [,keepalive=on|IDLE/INTERVAL/PROBES[,dead=report]][,msl=TIME]\n"
		 "                     [,half-open=N][,new=N][,open=N][,source=/BITS[/BITS]][,limits=monitor]\n"
		 "                     [,share=N|N%][,owner=daemon,app=NAME[,gone=refuse]],\n"
		 "                     as in `synkeep load --help`; the policy is auto where it is not given\n"
		 "      --json         list: for programs\n"
		 "      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
