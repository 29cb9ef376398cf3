/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep deny, synkeep allow: the list of sources of a loaded device, its two halves alike.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf_log.h"
#include "clocks.h"
#include "cmd_devices.h"
#include "json_write.h"
#include "source_list_file.h"
#include "source_table.h"
#include "table.h"

#define ROWS_AT_A_TIME 4096

struct options {
	const struct command *command;
	bool denies; /* else it allows */
	const char *pin_root;
	const char *timeout;
	bool monitor;
	bool json;
	bool help;
	char **words; /* what follows the options */
	int word_count;
};

static int parse_options(struct options *options, int argc, char **argv)
{
	enum { JSON = COMMAND_OPTION_OWN, TIMEOUT, MONITOR };
	static const struct option known[] = {
		{ "json", no_argument, NULL, JSON },
		{ "timeout", required_argument, NULL, TIMEOUT },
		{ "monitor", no_argument, NULL, MONITOR },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case JSON:
			options->json = true;
			break;
		case TIMEOUT:
			options->timeout = optarg;
			break;
		case MONITOR:
			options->monitor = true;
			break;
		default:
			status = command_take_option(options->command, option, &options->pin_root, &options->help);
		}
	}
	options->words = argv + optind;
	options->word_count = argc - optind;
	return status;
}

/* Tells why the list could not be read or changed; nothing has changed. */
static int failed(const struct options *options, const struct device *device, int err)
{
	if (err == -ENOSPC)
		return command_failed(options->command,
				      "%s: nothing was changed: a list has room for %d prefixes, allowed and denied "
				      "together",
				      device->name, SOURCE_LIST_MAX);
	return command_failed(options->command, "%s: nothing was changed: %s", device->name, strerror(-err));
}

static void note_draining(const struct options *options, const struct device *device)
{
	if (config_is_draining(&device->config, clocks_now_ns(device)))
		command_note(options->command, "%s is being unloaded, or its trial is over: nobody is denied",
			     device->name);
}

/* --- add, del ---------------------------------------------------------------------------------------------------- */

/* The words behind DEV, as the options say. */
static int parse_rules(const struct options *options, struct source_rule *rules)
{
	char error[SOURCE_RULE_ERROR_BYTES];

	for (int i = 1; i < options->word_count; i++) {
		struct source_rule *rule = &rules[i - 1];

		*rule = (struct source_rule){ .entry.action = !options->denies	 ? SOURCE_ALLOW
							      : options->monitor ? SOURCE_DENY_MONITOR
										 : SOURCE_DENY };
		if (source_rule_parse_prefix(options->words[i], rule, error) ||
		    (options->timeout && source_rule_parse_timeout(options->timeout, rule, error)))
			return command_misused(options->command, "%s", error);
	}
	return EXIT_DONE;
}

static int add(const struct options *options, struct device *device, struct source_rule *rules, size_t count)
{
	int err;

	source_rule_begin(rules, count, clocks_now_ns(device));
	err = source_table_add(device, rules, count);
	if (err)
		return failed(options, device, err);
	for (size_t i = 0; i < count; i++) {
		char prefix[SOURCE_RULE_PREFIX_BYTES];

		printf("%s: %s %s%s%s%s\n", device->name, source_rule_format_prefix(prefix, &rules[i].key),
		       options->denies ? "denied" : "allowed", options->monitor ? ", only counted" : "",
		       options->timeout ? ", for " : "", options->timeout ? options->timeout : "");
	}
	note_draining(options, device);
	return EXIT_DONE;
}

static int delete (const struct options *options, struct device *device, struct source_rule *rules, size_t count)
{
	const struct source_rule *missing;
	char prefix[SOURCE_RULE_PREFIX_BYTES];
	int err = source_table_delete(device, options->denies, rules, count, &missing);

	if (err == -ENOENT)
		return command_failed(options->command,
				      "%s: nothing was changed: %s is not in this list; `synkeep %s list %s` shows it",
				      device->name, source_rule_format_prefix(prefix, &missing->key),
				      options->command->name, device->argument);
	if (err)
		return failed(options, device, err);
	for (size_t i = 0; i < count; i++)
		printf("%s: %s deleted\n", device->name, source_rule_format_prefix(prefix, &rules[i].key));
	return EXIT_DONE;
}

typedef int (*change_rules)(const struct options *options, struct device *device, struct source_rule *rules,
			    size_t count);

static int change_all(const struct options *options, change_rules change)
{
	struct source_rule *rules;
	struct device device;
	int status, lock;

	if (options->word_count < 2)
		return command_misused(options->command, "DEV and at least one PREFIX are wanted");
	rules = calloc(options->word_count - 1, sizeof(*rules));
	if (!rules)
		return command_failed(options->command, "%s", strerror(ENOMEM));
	status = parse_rules(options, rules);
	if (!status)
		status = cmd_devices_lock(&device, options->command, options->pin_root, options->words[0], &lock);
	if (!status) {
		status = change(options, &device, rules, options->word_count - 1);
		cmd_devices_unlock(&device, lock);
	}
	free(rules);
	return status;
}

/* --- load -------------------------------------------------------------------------------------------------------- */

static int replace(const struct options *options, const struct device *device, struct source_rule *rules, size_t count)
{
	int err;

	source_rule_begin(rules, count, clocks_now_ns(device));
	err = source_table_replace(device, options->denies, rules, count);
	if (err)
		return failed(options, device, err);
	printf("%s: %zu prefix%s %s\n", device->name, count, count == 1 ? "" : "es",
	       options->denies ? "denied" : "allowed");
	note_draining(options, device);
	return EXIT_DONE;
}

static int read_file(const struct options *options, const char *name, struct source_rule **rules, size_t *count)
{
	bool is_stdin = !strcmp(name, "-");
	FILE *in = is_stdin ? stdin : fopen(name, "re");
	char error[SOURCE_LIST_FILE_ERROR_BYTES];
	int err;

	if (!in)
		return command_failed(options->command, "%s: %s", name, strerror(errno));
	err = source_list_file_read(in, is_stdin ? "standard input" : name,
				    options->denies ? SOURCE_DENY : SOURCE_ALLOW, rules, count, error);
	if (!is_stdin)
		fclose(in);
	return err ? command_failed(options->command, "%s; nothing was changed", error) : EXIT_DONE;
}

static int load(const struct options *options)
{
	struct source_rule *rules;
	struct device device;
	int status, lock;
	size_t count;

	if (options->word_count != 2)
		return command_misused(options->command, "DEV and FILE are wanted, - for standard input");
	status = read_file(options, options->words[1], &rules, &count);
	if (status)
		return status;
	status = cmd_devices_lock(&device, options->command, options->pin_root, options->words[0], &lock);
	if (!status) {
		status = replace(options, &device, rules, count);
		cmd_devices_unlock(&device, lock);
	}
	free(rules);
	return status;
}

/* --- save, list -------------------------------------------------------------------------------------------------- */

/* What is in the command's half of the list. EXIT_FAILED: told why. */
static int read_half(const struct options *options, const struct device *device, struct source_rule **rules,
		     size_t *count)
{
	size_t all, kept = 0;
	int err = source_table_read(device, rules, &all);

	if (err)
		return command_failed(options->command, "%s: the list can not be read: %s", device->name,
				      strerror(-err));
	for (size_t i = 0; i < all; i++) {
		if (source_rule_denies(&(*rules)[i]) == options->denies)
			(*rules)[kept++] = (*rules)[i];
	}
	*count = kept;
	return EXIT_DONE;
}

static int write_rules(FILE *out, const struct options *options, const struct device *device,
		       const struct source_rule *rules, size_t count)
{
	fprintf(out, "# Sources that %s %s; `synkeep %s load %s FILE` takes this back.\n", device->name,
		options->denies ? "denies" : "allows", options->command->name, device->argument);
	return source_list_file_write(out, rules, count, clocks_now_ns(device));
}

/*
 * A regular file, perhaps behind a link, is replaced when all is written, by one of its mode: a full disk costs no
 * list.
 */
static int write_file(const char *name, const struct options *options, const struct device *device,
		      const struct source_rule *rules, size_t count)
{
	char beside[PATH_MAX], real[PATH_MAX];
	struct stat there = {}; /* of mode 0: nothing is */
	FILE *out;
	int err;

	if (realpath(name, real))
		name = real;
	stat(name, &there);
	if (there.st_mode && !S_ISREG(there.st_mode))
		snprintf(beside, sizeof(beside), "%s", name);
	else if (snprintf(beside, sizeof(beside), "%s.new", name) >= (int)sizeof(beside))
		return -ENAMETOOLONG;
	out = fopen(beside, "we");
	if (!out)
		return -errno;
	if (S_ISREG(there.st_mode) && fchmod(fileno(out), there.st_mode & 07777) < 0)
		err = -errno;
	else
		err = write_rules(out, options, device, rules, count);
	if (fclose(out) && !err)
		err = -errno;
	if (!strcmp(beside, name))
		return err;
	if (!err && rename(beside, name) < 0)
		err = -errno;
	if (err)
		unlink(beside);
	return err;
}

static int save_device(const struct options *options, const struct device *device, const char *name)
{
	struct source_rule *rules;
	size_t count;
	int status = read_half(options, device, &rules, &count), err;

	if (status)
		return status;
	if (!strcmp(name, "-"))
		err = write_rules(stdout, options, device, rules, count);
	else
		err = write_file(name, options, device, rules, count);
	free(rules);
	if (!err)
		return EXIT_DONE;
	return command_failed(options->command, "%s: %s", strcmp(name, "-") ? name : "standard output", strerror(-err));
}

static int save(const struct options *options)
{
	struct cmd_devices devices;
	int status;

	if (options->word_count < 1 || options->word_count > 2)
		return command_misused(options->command, "DEV is wanted, and FILE, or none for standard output");
	status = cmd_devices_open(&devices, options->command, options->pin_root, options->words[0]);
	if (status)
		return status;
	status = save_device(options, &devices.list[0], options->word_count == 2 ? options->words[1] : "-");
	cmd_devices_close(&devices);
	return status;
}

static const char *action_name(const struct source_rule *rule)
{
	switch (rule->entry.action) {
	case SOURCE_ALLOW:
		return "allow";
	case SOURCE_DENY_MONITOR:
		return "monitor";
	default:
		return "deny";
	}
}

static void print_json(const struct device *device, const struct source_rule *rule, bool first)
{
	char prefix[SOURCE_RULE_PREFIX_BYTES];
	struct json_write object;

	fputs(first ? "\n" : ",\n", stdout);
	json_write_begin(&object, stdout);
	json_write_text(&object, "device", device->name);
	json_write_text(&object, "prefix", source_rule_format_prefix(prefix, &rule->key));
	json_write_text(&object, "action", action_name(rule));
	if (rule->entry.expires_ns)
		json_write_number(&object, "left_s", source_rule_left_s(rule, clocks_now_ns(device)));
	json_write_end(&object);
}

static void add_row(struct table *table, const struct device *device, const struct source_rule *rule)
{
	char prefix[SOURCE_RULE_PREFIX_BYTES], left[FORMAT_DURATION_BYTES];
	__u64 left_ns = source_rule_left_s(rule, clocks_now_ns(device)) * NSEC_PER_SEC;

	table_cell(table, device->name);
	table_cell(table, source_rule_format_prefix(prefix, &rule->key));
	table_cell(table, action_name(rule));
	table_cell(table, left_ns ? format_duration(left, left_ns) : "-");
}

/* Into the table, or as JSON where that is NULL. */
static int list_device(const struct options *options, const struct device *device, struct table *table, bool *first)
{
	struct source_rule *rules;
	size_t count;
	int status = read_half(options, device, &rules, &count);

	for (size_t i = 0; !status && i < count; i++) {
		if (!table)
			print_json(device, &rules[i], *first);
		else
			add_row(table, device, &rules[i]);
		*first = false;
		if (table && table_rows(table) == ROWS_AT_A_TIME && table_flush(table, stdout))
			status = EXIT_FAILED;
	}
	if (!status)
		free(rules);
	return status;
}

static int list_devices(const struct options *options, const struct cmd_devices *devices)
{
	static const struct table_column columns[] = {
		{ "DEVICE", false },
		{ "PREFIX", false },
		{ "ACTION", false },
		{ "LEFT", true },
	};
	struct table *table = options->json ? NULL : table_new(columns, ARRAY_LEN(columns));
	int status = EXIT_DONE;
	bool first = true;

	if (!table && !options->json)
		return command_failed(options->command, "%s", strerror(ENOMEM));
	if (!table)
		putchar('[');
	for (int i = 0; i < devices->count && !status; i++)
		status = list_device(options, &devices->list[i], table, &first);
	if (!table)
		fputs(first ? "]\n" : "\n]\n", stdout);
	else if (!status && table_flush(table, stdout))
		status = EXIT_FAILED;
	table_free(table);
	return status;
}

static int list(const struct options *options)
{
	struct cmd_devices devices;
	int status;

	if (options->word_count > 1)
		return command_misused(options->command, "one device, or none for all");
	status = cmd_devices_open(&devices, options->command, options->pin_root, options->words[0]);
	if (status)
		return status;
	status = list_devices(options, &devices);
	cmd_devices_close(&devices);
	return status;
}

/* --- both commands ----------------------------------------------------------------------------------------------- */

static int run_action(struct options *options, const char *action)
{
	if (options->monitor && (!options->denies || strcmp(action, "add")))
		return command_misused(options->command, "--monitor belongs to `synkeep deny add`");
	if (options->timeout && strcmp(action, "add"))
		return command_misused(options->command, "--timeout belongs to add");
	if (options->json && strcmp(action, "list"))
		return command_misused(options->command, "--json belongs to list");
	if (!strcmp(action, "add"))
		return change_all(options, add);
	if (!strcmp(action, "del"))
		return change_all(options, delete);
	if (!strcmp(action, "list"))
		return list(options);
	if (!strcmp(action, "load"))
		return load(options);
	if (!strcmp(action, "save"))
		return save(options);
	return command_misused(options->command, "\"%s\" is unknown: it is add, del, list, load or save", action);
}

static int run(const struct command *command, bool denies, int argc, char **argv)
{
	struct options options = { .command = command, .denies = denies, .pin_root = PINS_ROOT };
	int status = parse_options(&options, argc, argv);

	if (status)
		return status;
	if (options.help)
		return command_help(command);
	if (!options.word_count)
		return command_misused(command, "add, del, list, load or save is wanted");
	bpf_log_capture(false);
	options.word_count--;
	return run_action(&options, *options.words++);
}

static int run_deny(int argc, char **argv)
{
	return run(&command_deny, true, argc, argv);
}

static int run_allow(int argc, char **argv)
{
	return run(&command_allow, false, argc, argv);
}

const struct command command_deny = {
	.name = "deny",
	.summary = "which sources get nothing new: prefixes, by hand or by the million from a file",
	.usage =
		"Usage: synkeep deny add DEV PREFIX... [--timeout TIME] [--monitor] [--pin-root DIR]\n"
		"       synkeep deny del DEV PREFIX... [--pin-root DIR]\n"
		"       synkeep deny list [DEV] [--json] [--pin-root DIR]\n"
		"       synkeep deny load DEV FILE [--pin-root DIR]\n"
		"       synkeep deny save DEV [FILE] [--pin-root DIR]\n"
		"\n"
		"What comes from a denied source for a service is dropped before anything is looked up for it, unless\n"
		"the service's policy is off. Connections that are there go on: `ss -K src PREFIX` ends those of the\n"
		"kernel. Of prefixes within each other the longest decides, allowed ones among them. A prefix is\n"
		"denied or allowed, as was said last. Changes hold from the next packet on, until the unload.\n"
		"\n"
		"  add                adds prefixes, or says anew what they are; all or none\n"
		"  del                deletes them; all or none\n"
		"  list               lists what is denied at DEV, or at every loaded device\n"
		"  load               puts FILE, - for standard input, in the place of all that is denied, at once;\n"
		"                     with a line that is none nothing changes\n"
		"  save               writes what load takes back, without FILE to standard output\n"
		"  PREFIX             192.0.2.0/24, 2001:db8::/32, or a single address\n"
		"  FILE               a prefix a line; behind it may stand \"timeout TIME\", \"monitor\", # and a "
		"comment\n"
		"      --timeout TIME for so long, as 90s, 5m, 2h or 1d\n"
		"      --monitor      what would be dropped is counted (DENY_MONITORED), and goes its way\n"
		"      --json         list: for programs\n"
		"      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		"  -h, --help         this text\n",
	.run = run_deny,
};

const struct command command_allow = {
	.name = "allow",
	.summary = "which sources no limit concerns, and no denial of a shorter prefix",
	.usage = "Usage: synkeep allow add DEV PREFIX... [--timeout TIME] [--pin-root DIR]\n"
		 "       synkeep allow del DEV PREFIX... [--pin-root DIR]\n"
		 "       synkeep allow list [DEV] [--json] [--pin-root DIR]\n"
		 "       synkeep allow load DEV FILE [--pin-root DIR]\n"
		 "       synkeep allow save DEV [FILE] [--pin-root DIR]\n"
		 "\n"
		 "An allowed source is exempt from the limits of services, and from the denial of a prefix around its\n"
		 "own. It is not exempt from cookies: anybody can write its address. All else is as in\n"
		 "`synkeep deny --help`, but that nothing of it is monitored.\n"
		 "\n"
		 "  add                adds prefixes, or says anew what they are; all or none\n"
		 "  del                deletes them; all or none\n"
		 "  list               lists what is allowed at DEV, or at every loaded device\n"
		 "  load               puts FILE, - for standard input, in the place of all that is allowed, at once;\n"
		 "                     with a line that is none nothing changes\n"
		 "  save               writes what load takes back, without FILE to standard output\n"
		 "  PREFIX             192.0.2.0/24, 2001:db8::/32, or a single address\n"
		 "  FILE               a prefix a line; behind it may stand \"timeout TIME\", # and a comment\n"
		 "      --timeout TIME for so long, as 90s, 5m, 2h or 1d\n"
		 "      --json         list: for programs\n"
		 "      --pin-root DIR where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run_allow,
};
