/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep counters: what became of every packet, one line a verdict, and the ledger.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cmd_devices.h"
#include "counters.h"
#include "daemon_print.h"
#include "json_out.h"
#include "ledger.h"
#include "monitored_print.h"
#include "system.h"
#include "table.h"

/* Where each group of the list in verdict.h begins. */
static const struct {
	enum verdict first;
	const char *name;
} groups[] = {
	{ V_OTHER, "other" },	     { V_SYN_COOKIE, "syn" },	     { V_SEGMENT, "segment" },
	{ V_COOKIE_ACK, "no-flow" }, { V_DAEMON_SEGMENT, "daemon" }, { V_HANDOVER, "handover" },
	{ V_OWN_SEGMENT, "egress" }, { V_FLOWS_FULL, "record" },
};

struct options {
	const char *pin_root;
	bool all;
	bool json;
};

static const char *group_of(enum verdict verdict)
{
	size_t group = ARRAY_LEN(groups) - 1;

	while (verdict < groups[group].first)
		group--;
	return groups[group].name;
}

static const char *action_name(enum verdict_action action)
{
	static const char *const names[] = {
		[VERDICT_PASS] = "pass",       [VERDICT_TX] = "answer", [VERDICT_DROP] = "drop",
		[VERDICT_REDIRECT] = "daemon", [VERDICT_NOTE] = "note",
	};

	return names[action];
}

static const char *severity_name(enum verdict_severity severity)
{
	static const char *const names[] = {
		[VERDICT_NORMAL] = "normal",
		[VERDICT_ATTACK] = "attack",
		[VERDICT_TROUBLE] = "trouble",
	};

	return names[severity];
}

static int read_sums(const struct device *device, struct verdict_counter sums[VERDICT_COUNT], struct ledger *ledger)
{
	struct daemon_view view;
	int err = counters_read(device, sums);

	if (!err)
		err = daemon_view_read(device, system_monotonic_ns(), &view);
	if (!err)
		*ledger = ledger_sum(sums, &view.sum.to_unverified);
	return err;
}

static void add_side(struct json_object *object, const char *name, const struct verdict_counter *side)
{
	struct json_object *counts = json_out_member(object, name, json_object_new_object());

	json_out_number(counts, "packets", side->packets);
	json_out_number(counts, "bytes", side->bytes);
}

static struct json_object *ledger_to_json(const struct ledger *ledger)
{
	struct json_object *object = json_object_new_object();

	add_side(object, "in", &ledger->in);
	add_side(object, "out", &ledger->out);
	return object;
}

static struct json_object *verdict_to_json(enum verdict verdict, const struct verdict_counter *sum)
{
	const struct verdict_info *info = verdict_info(verdict);
	struct json_object *object = json_object_new_object();

	json_out_text(object, "name", info->name);
	json_out_text(object, "group", group_of(verdict));
	json_out_text(object, "action", action_name(info->action));
	json_out_text(object, "severity", severity_name(info->severity));
	json_out_number(object, "packets", sum->packets);
	json_out_number(object, "bytes", sum->bytes);
	json_out_text(object, "sentence", info->sentence);
	return object;
}

static int print_json(const struct cmd_devices *devices, const struct options *options)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < devices->count; i++) {
		struct json_object *object, *verdicts, *monitored = NULL;
		struct json_object *daemon = NULL, *ager = NULL;
		struct verdict_counter sums[VERDICT_COUNT];
		struct ledger ledger;
		int err = read_sums(&devices->list[i], sums, &ledger);

		if (!err)
			err = monitored_print_json(&devices->list[i], &monitored);
		if (!err)
			err = daemon_print_counters_json(&devices->list[i], options->all, &daemon, &ager);
		if (err) {
			json_object_put(monitored);
			json_object_put(daemon);
			json_object_put(ager);
			json_object_put(list);
			return err;
		}
		object = json_object_new_object();
		json_object_array_add(list, object);
		json_out_text(object, "device", devices->list[i].name);
		verdicts = json_out_member(object, "counters", json_object_new_array());
		for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
			if (sums[verdict].packets || options->all)
				json_object_array_add(verdicts, verdict_to_json(verdict, &sums[verdict]));
		}
		json_out_member(object, "ledger", ledger_to_json(&ledger));
		json_out_member(object, "monitored", monitored);
		json_out_member(object, "daemon", daemon);
		json_out_member(object, "ager", ager);
	}
	return json_out_print(list);
}

static void add_counts(struct table *table, const struct verdict_counter *counts, bool has_bytes)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", counts->packets);
	table_cell(table, number);
	snprintf(number, sizeof(number), "%llu", counts->bytes);
	table_cell(table, has_bytes ? number : "-");
}

static void add_row(struct table *table, const char *device, enum verdict verdict, const struct verdict_counter *sum)
{
	const struct verdict_info *info = verdict_info(verdict);
	bool trouble = info->severity == VERDICT_TROUBLE && sum->packets;

	if (device)
		table_cell(table, device);
	table_cell(table, trouble ? "!" : "");
	table_cell(table, group_of(verdict));
	table_cell(table, info->name);
	table_cell(table, action_name(info->action));
	add_counts(table, sum, info->action != VERDICT_NOTE || sum->bytes);
	table_cell(table, info->sentence);
}

static void add_ledger_row(struct table *table, const char *device, const char *side,
			   const struct verdict_counter *counts, const char *meaning)
{
	if (device)
		table_cell(table, device);
	table_cell(table, side);
	add_counts(table, counts, true);
	table_cell(table, meaning);
}

static int print_ledger(const struct cmd_devices *devices)
{
	static const struct table_column columns[] = {
		{ "DEVICE", false }, { "LEDGER", false }, { "PACKETS", true }, { "BYTES", true }, { "MEANING", false },
	};
	bool several = devices->count > 1;
	struct table *table = table_new(several ? columns : columns + 1, (int)ARRAY_LEN(columns) - !several);
	int err = table ? 0 : -ENOMEM;

	for (int i = 0; i < devices->count && !err; i++) {
		const char *name = several ? devices->list[i].name : NULL;
		struct verdict_counter sums[VERDICT_COUNT];
		struct ledger ledger;

		err = read_sums(&devices->list[i], sums, &ledger);
		if (err)
			break;
		add_ledger_row(table, name, "in", &ledger.in, "what came from sources that are not verified");
		add_ledger_row(table, name, "out", &ledger.out, "what left for them");
	}
	if (!err)
		err = table_flush(table, stdout);
	table_free(table);
	return err;
}

static int print_table(const struct cmd_devices *devices, const struct options *options)
{
	static const struct table_column columns[] = {
		{ "DEVICE", false }, { "!", false },	  { "GROUP", false }, { "VERDICT", false },
		{ "ACTION", false }, { "PACKETS", true }, { "BYTES", true },  { "MEANING", false },
	};
	int several = devices->count > 1, err = 0;
	const struct table_column *shown = several ? columns : columns + 1;
	struct table *table = table_new(shown, (int)ARRAY_LEN(columns) - !several);

	if (!table)
		return -ENOMEM;
	for (int i = 0; i < devices->count && !err; i++) {
		const struct device *device = &devices->list[i];
		struct verdict_counter sums[VERDICT_COUNT];

		err = counters_read(device, sums);
		for (enum verdict verdict = 0; verdict < VERDICT_COUNT && !err; verdict++) {
			if (sums[verdict].packets || options->all)
				add_row(table, several ? device->name : NULL, verdict, &sums[verdict]);
		}
	}
	if (!err)
		err = table_flush(table, stdout);
	table_free(table);
	if (!err)
		err = print_ledger(devices);
	if (!err)
		err = monitored_print_text(devices->list, devices->count);
	return err ? err : daemon_print_counters(devices->list, devices->count, options->all);
}

static int run(int argc, char **argv)
{
	enum { OPTION_ALL = COMMAND_OPTION_OWN, OPTION_JSON };
	static const struct option known[] = {
		{ "all", no_argument, NULL, OPTION_ALL },
		{ "json", no_argument, NULL, OPTION_JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	struct options options = { .pin_root = PINS_ROOT };
	struct cmd_devices devices;
	const char *name;
	bool help = false;
	int option, result = EXIT_DONE, err;

	while (!result && !help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case OPTION_ALL:
			options.all = true;
			break;
		case OPTION_JSON:
			options.json = true;
			break;
		default:
			result = command_take_option(&command_counters, option, &options.pin_root, &help);
		}
	}
	if (help)
		return command_help(&command_counters);
	if (result == EXIT_DONE)
		result = cmd_devices_argument(&command_counters, argc, argv, &name);
	if (result == EXIT_DONE)
		result = cmd_devices_open(&devices, &command_counters, options.pin_root, name);
	if (result != EXIT_DONE)
		return result;
	err = options.json ? print_json(&devices, &options) : print_table(&devices, &options);
	cmd_devices_close(&devices);
	if (err == -EIO)
		return EXIT_FAILED; /* main() says it */
	return err ? command_failed(&command_counters, "the counters can not be shown: %s", strerror(-err)) : EXIT_DONE;
}

const struct command command_counters = {
	.name = "counters",
	.summary = "every verdict on a packet, with its sentence",
	.usage = "Usage: synkeep counters [DEV] [--all] [--json] [--pin-root DIR]\n"
		 "\n"
		 "Shows what became of the packets: each verdict with its group, what was done, packets, bytes and "
		 "what it\n"
		 "means. Verdicts marked \"!\" want an operator to look. Counts run since the device was loaded.\n"
		 "The ledger sums up what came from sources that are not verified, and what left for them, frames of "
		 "60 bytes at\n"
		 "least: under policy always, and in a flood, never more left than came.\n"
		 "Of services with policy monitor it shows, besides, what policy always would have done, and what SYNs "
		 "would have\n"
		 "lost by that; of a daemon (`synkeep run`), what its TCP did with each segment, and its ager with "
		 "records and "
		 "peers,\n"
		 "since it began.\n"
		 "\n"
		 "  DEV             one device; all that are loaded if left out\n"
		 "      --all       verdicts that never happened too\n"
		 "      --json      for programs: a list of devices, each with its counters\n"
		 "      --pin-root  where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help      this text\n",
	.run = run,
};
