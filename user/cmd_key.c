/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep key: the cookies' master key of a loaded device, changed, or carried from one machine to another.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "bpf_log.h"
#include "clocks.h"
#include "cmd_devices.h"
#include "duration.h"
#include "format.h"
#include "key_file.h"
#include "keys.h"

#define ERROR_BYTES 1024
#define IN_MAX_NS (30 * 24 * 3600 * NSEC_PER_SEC)

struct options {
	const char *pin_root;
	bool help;
	bool now;
	__u64 in_ns;
	char **words; /* what follows the options */
	int word_count;
};

static int parse_options(struct options *options, int argc, char **argv)
{
	enum { NOW = COMMAND_OPTION_OWN, IN };
	static const struct option known[] = {
		{ "now", no_argument, NULL, NOW },
		{ "in", required_argument, NULL, IN },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case NOW:
			options->now = true;
			break;
		case IN:
			if (duration_parse_within(optarg, NSEC_PER_SEC, IN_MAX_NS, &options->in_ns))
				status = command_misused(&command_key,
							 "--in %s: a time from 1s to 30d is wanted, as 10m", optarg);
			break;
		default:
			status = command_take_option(&command_key, option, &options->pin_root, &options->help);
		}
	}
	if (status)
		return status;
	if (options->now && options->in_ns)
		return command_misused(&command_key, "--now and --in exclude each other");
	options->words = argv + optind;
	options->word_count = argc - optind;
	return EXIT_DONE;
}

/* The device is locked. What was written is told; the keys are not. */
static int set_keys(struct device *device, const struct cookie_keys *keys, bool shared)
{
	int err = keys_write(device, keys, shared);

	if (err)
		return command_failed(&command_key, "%s: its pins can not be written: %s", device->name,
				      strerror(-err));
	return EXIT_DONE;
}

static __u64 begins_in_ns(const struct cookie_keys *keys, __u64 time_ns)
{
	__u64 begin_ns = keys->from_epoch * COOKIE_EPOCH_NS;

	return begin_ns > time_ns ? begin_ns - time_ns : 0;
}

/* --- rotate ------------------------------------------------------------------------------------------------------- */

/* A third key has no place beside the two, so the former must not be needed any more. */
static int refuse_if_busy(const struct device *device, __u64 time_ns)
{
	__u64 busy_ns = keys_busy_ns(&device->config.keys, time_ns);
	__u64 begins_ns = begins_in_ns(&device->config.keys, time_ns);
	char busy[FORMAT_DURATION_BYTES], begins[FORMAT_DURATION_BYTES];

	if (!busy_ns)
		return EXIT_DONE;
	format_duration(busy, busy_ns);
	if (begins_ns)
		return command_failed(&command_key,
				      "%s: a new key begins in %s already: rotate again in %s, or with --now, which "
				      "makes cookies that are out void",
				      device->name, format_duration(begins, begins_ns), busy);
	return command_failed(
		&command_key,
		"%s: its key has just changed, and cookies of the former one are still good: rotate again "
		"in %s, or with --now, which makes them void",
		device->name, busy);
}

static void tell_rotation(const struct device *device, const struct options *options, __u64 time_ns, bool was_shared)
{
	const struct cookie_keys *keys = &device->config.keys;
	char time[FORMAT_DURATION_BYTES];

	if (options->now)
		printf("%s: a new key from now on; cookies that are out are void, and their clients have to begin "
		       "anew\n",
		       device->name);
	else
		printf("%s: a new key from epoch %u on, in %s; cookies of the former one stay good for their time\n",
		       device->name, keys->from_epoch, format_duration(time, begins_in_ns(keys, time_ns)));
	if (was_shared)
		command_note(
			&command_key,
			"%s: other machines may share the key: they take this one's cookies %s if they import what "
			"`synkeep key export %s` writes",
			device->name, options->now ? "again" : "after that", device->argument);
}

static int rotate(const struct options *options, struct device *device)
{
	__u64 time_ns = clocks_cookie_time_ns(device);
	bool was_shared = device->config.key_is_shared;
	struct cookie_keys keys = device->config.keys;
	struct siphash_key fresh;
	int status, err;

	status = options->now ? EXIT_DONE : refuse_if_busy(device, time_ns);
	if (status)
		goto out;
	err = key_file_random(&fresh);
	if (err) {
		status = command_failed(&command_key, "no random key: %s", strerror(-err));
		goto out;
	}
	if (options->now)
		keys_begin(&keys, &fresh, cookie_epoch(time_ns));
	else
		keys_rotate(&keys, &fresh, time_ns, options->in_ns);
	explicit_bzero(&fresh, sizeof(fresh));
	/* The former key stays good for a while, and with it other machines' cookies. */
	status = set_keys(device, &keys, was_shared && !options->now);
	if (!status)
		tell_rotation(device, options, time_ns, was_shared);
out:
	explicit_bzero(&keys, sizeof(keys));
	return status;
}

/* --- export, import ----------------------------------------------------------------------------------------------- */

/* Who exports a key means another machine to have it, whose cookies will come here. */
static int export(const struct options *options, struct device *device)
{
	const char *path = options->word_count > 2 ? options->words[2] : KEY_FILE_STANDARD;
	char error[ERROR_BYTES];
	int err;

	if (key_file_write(path, &device->config.keys, error, sizeof(error)))
		return command_failed(&command_key, "%s", error);
	if (!device->config.key_is_shared) {
		device->config.key_is_shared = true;
		err = device_config_write(device);
		if (err)
			return command_failed(&command_key, "%s: its pins can not be written: %s", device->name,
					      strerror(-err));
	}
	if (strcmp(path, KEY_FILE_STANDARD))
		printf("%s: key written to %s: who has that file can make this shield's cookies\n", device->name, path);
	return EXIT_DONE;
}

static int import(const struct options *options, struct device *device)
{
	__u64 time_ns = clocks_cookie_time_ns(device);
	char error[ERROR_BYTES], time[FORMAT_DURATION_BYTES];
	struct cookie_keys keys;
	bool agree;
	int status;

	if (key_file_read(options->words[2], &keys, error, sizeof(error)))
		return command_failed(&command_key, "%s", error);
	if (!keys.from_epoch)
		keys_begin(&keys, &keys.master, cookie_epoch(time_ns));
	agree = keys_agree(&keys, &device->config.keys, time_ns);
	status = set_keys(device, &keys, true);
	if (!status) {
		printf("%s: key imported%s", device->name,
		       agree ? "" : "; cookies that it has sent under another key are void");
		if (begins_in_ns(&keys, time_ns))
			printf("; it changes from epoch %u on, in %s", keys.from_epoch,
			       format_duration(time, begins_in_ns(&keys, time_ns)));
		putchar('\n');
	}
	explicit_bzero(&keys, sizeof(keys));
	return status;
}

/* --- which -------------------------------------------------------------------------------------------------------- */

struct action {
	const char *name;
	int min_words, max_words; /* its name is the first */
	const char *wanted;
	int (*run)(const struct options *options, struct device *device); /* with the pins locked; enum exit_code */
};

static const struct action actions[] = {
	{ "rotate", 2, 2, "rotate takes DEV", rotate },
	{ "export", 2, 3, "export takes DEV and perhaps FILE", export },
	{ "import", 3, 3, "import takes DEV and FILE", import },
};

static const struct action *find_action(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(actions); i++) {
		if (!strcmp(actions[i].name, name))
			return &actions[i];
	}
	return NULL;
}

static int act(const struct action *action, const struct options *options)
{
	struct device device;
	int status, lock;

	status = cmd_devices_lock(&device, &command_key, options->pin_root, options->words[1], &lock);
	if (status)
		return status;
	status = action->run(options, &device);
	cmd_devices_unlock(&device, lock);
	return status;
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT };
	const struct action *action;
	int status = parse_options(&options, argc, argv);

	if (status)
		return status;
	if (options.help)
		return command_help(&command_key);
	if (!options.word_count)
		return command_misused(&command_key, "rotate, export or import is wanted");
	action = find_action(options.words[0]);
	if (!action)
		return command_misused(&command_key, "\"%s\" is unknown: it is rotate, export or import",
				       options.words[0]);
	if (options.word_count < action->min_words || options.word_count > action->max_words)
		return command_misused(&command_key, "%s", action->wanted);
	if (action->run != rotate && (options.now || options.in_ns))
		return command_misused(&command_key, "--now and --in are for rotate");
	bpf_log_capture(false);
	return act(action, &options);
}

const struct command command_key = {
	.name = "key",
	.summary = "change the cookies' key, or carry it to another machine",
	.usage =
		"Usage: synkeep key rotate DEV [--in TIME | --now] [--pin-root DIR]\n"
		"       synkeep key export DEV [FILE] [--pin-root DIR]\n"
		"       synkeep key import DEV FILE [--pin-root DIR]\n"
		"\n"
		"The key is the secret by which cookies are made and known. Machines that have the same one take each\n"
		"other's cookies. `synkeep status` says since when the key is what it is, and whether others may have "
		"it.\n"
		"\n"
		"  rotate             a new random key, from the next epoch on (of 64 s); what was sent under the "
		"former\n"
		"                     one stays good for its time, two epochs\n"
		"      --in TIME      not before that: time for other machines to import it\n"
		"      --now          for a key that leaked: at once, and cookies that are out are void\n"
		"  export             writes the key, the former one and since when, to a new file of mode 0600;\n"
		"                     without FILE to standard output, if that is a pipe or such a file\n"
		"  import             takes them, or a plain key as `synkeep load --key-file` does, from a file that\n"
		"                     nobody else can read; \"-\" is standard input\n"
		"  DEV                the device\n"
		"      --pin-root DIR where it is pinned, " PINS_ROOT " by default\n"
		"  -h, --help         this text\n",
	.run = run,
};
