/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep unload: stops answering, waits for the cookies that are out, takes everything away.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf_log.h"
#include "clocks.h"
#include "command.h"
#include "drain.h"
#include "system.h"
#include "teardown.h"

#define PROGRESS_SECONDS 10 /* between lines where no terminal shows one that changes */

struct options {
	const char *pin_root;
	const char *name;
	bool now;
};

static int parse_options(struct options *options, int argc, char **argv, bool *help)
{
	enum { NOW = COMMAND_OPTION_OWN };
	static const struct option known[] = {
		{ "now", no_argument, NULL, NOW },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !*help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case NOW:
			options->now = true;
			break;
		default:
			status = command_take_option(&command_unload, option, &options->pin_root, help);
		}
	}
	if (status || *help)
		return status;
	if (argc - optind != 1)
		return command_misused(&command_unload,
				       argc == optind ? "which device? DEV is missing" : "one device at a time");
	options->name = argv[optind];
	return EXIT_DONE;
}

/* --- waiting ----------------------------------------------------------------------------------------------------- */

static void show_progress(const char *name, __u64 remaining_ns, int second)
{
	unsigned int seconds = (remaining_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC;

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%s: cookies may come back for another %u s (Ctrl-C: stay loaded)  ", name, seconds);
	else if (second % PROGRESS_SECONDS == 0)
		fprintf(stderr, "%s: cookies may come back for another %u s\n", name, seconds);
}

static void end_progress(int second)
{
	if (second && isatty(STDERR_FILENO))
		fputc('\n', stderr);
}

static bool is_interrupted(const sigset_t *signals, __u64 remaining_ns)
{
	const __u64 ns = remaining_ns < NSEC_PER_SEC ? remaining_ns : NSEC_PER_SEC;
	const struct timespec pause = { .tv_sec = ns / NSEC_PER_SEC, .tv_nsec = ns % NSEC_PER_SEC };

	return sigtimedwait(signals, NULL, &pause) > 0;
}

/*
 * Signals are blocked while we wait, and asked for: so none is lost between the looks at the clock. A reader of our
 * output that goes away interrupts nothing.
 */
static void hold_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGHUP);
	sigprocmask(SIG_BLOCK, signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Other commands go on meanwhile. -ESTALE: one has unloaded the device; -ECANCELED: one has made it active again. */
static int look(struct device *device, __u64 *remaining_ns)
{
	int err = device_check_pinned(device);

	if (!err)
		err = device_config_read(device);
	if (!err && !config_is_draining(&device->config, clocks_now_ns(device)))
		err = -ECANCELED;
	return err ? err : drain_remaining_ns(device, remaining_ns);
}

/* Where the wait was interrupted. */
static int stay_loaded(struct device *device)
{
	int err = drain_cancel(device);

	if (err)
		return err;
	if (config_is_draining(&device->config, clocks_now_ns(device)))
		return command_failed(&command_unload,
				      "%s: interrupted; its trial is over, so it answers no SYN and unloads by itself",
				      device->name);
	return command_failed(&command_unload, "%s: interrupted; it stays loaded and answers again", device->name);
}

/* EXIT_DONE too where the load is gone meanwhile: what is there then, taking it away finds out. */
static int wait_for_cookies(struct device *device)
{
	__u64 remaining_ns = 0;
	bool interrupted = false;
	sigset_t signals;
	int err, second;

	hold_signals(&signals);
	err = drain_begin(device);
	for (second = 0; !err && !interrupted; second++) {
		err = look(device, &remaining_ns);
		if (err || !remaining_ns)
			break;
		show_progress(device->name, remaining_ns, second);
		interrupted = is_interrupted(&signals, remaining_ns);
	}
	end_progress(second);
	if (interrupted)
		err = stay_loaded(device);
	if (err == -ECANCELED)
		return command_failed(&command_unload, "%s: another command made it active again; it stays loaded",
				      device->name);
	if (err < 0 && err != -ESTALE)
		return command_failed(&command_unload, "%s: its pins can not be used: %s", device->name,
				      strerror(-err));
	return err > 0 ? err : EXIT_DONE;
}

/* --- taking away ------------------------------------------------------------------------------------------------- */

static void print_done(const char *name, const struct teardown *done)
{
	const struct attach_state *detached = &done->detached;

	printf("%s: unloaded", name);
	if (done->gone)
		printf("; the device is gone, its %d pins are removed\n", done->pins);
	else
		printf("; detached:%s%s%s%s%s; %d pins removed\n", detached->xdp ? " XDP" : "",
		       detached->tc_ingress ? " ingress" : "", detached->tc_egress ? " egress" : "",
		       done->clsact ? " clsact" : "",
		       detached->xdp || detached->tc_ingress || detached->tc_egress ? "" : " nothing", done->pins);
}

/* It was there when we began. loaded_at_ns is 0 where that is not known, as of a half-load. */
static int take_away(const struct options *options, __u64 loaded_at_ns)
{
	char error[ATTACH_ERROR_BYTES];
	struct teardown done;
	int err;

	err = teardown_pinned(options->pin_root, options->name, loaded_at_ns, &done, error, sizeof(error));
	if (done.absent) {
		printf("%s: unloaded by another command\n", options->name);
		return EXIT_DONE;
	}
	if (err)
		return command_failed(&command_unload, "%s", error);
	print_done(options->name, &done);
	if (done.other_layout)
		command_note(&command_unload, "%s: its clsact qdisc stays: whether the load made it can not be read",
			     options->name);
	return EXIT_DONE;
}

static int unload(const struct options *options)
{
	char error[ATTACH_ERROR_BYTES];
	struct device device;
	int err, status = EXIT_DONE;
	__u64 loaded_at_ns;
	bool gone;

	err = device_open_remains(options->pin_root, options->name, &device);
	if ((err && err != -EINPROGRESS && err != -EPROTO) || (err == -EPROTO && !options->now)) {
		device_explain(err, options->pin_root, options->name, error, sizeof(error));
		device_close(&device);
		return command_failed(&command_unload, "%s", error);
	}
	loaded_at_ns = device.config.loaded_at_ns;
	if (teardown_locate(&device, &gone, error, sizeof(error)))
		status = command_failed(&command_unload, "%s", error);
	else if (!err && !gone && !options->now && device.config.phase != DEVICE_LOADING)
		status = wait_for_cookies(&device);
	device_close(&device);
	return status ? status : take_away(options, loaded_at_ns);
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT };
	bool help = false;
	int status;

	status = parse_options(&options, argc, argv, &help);
	if (help)
		return command_help(&command_unload);
	if (status)
		return status;
	if (!system_may_load())
		return command_failed(&command_unload, "this needs root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)");
	bpf_log_capture(false);
	return unload(&options);
}

const struct command command_unload = {
	.name = "unload",
	.summary = "take the shield off a device, resetting no connection",
	.usage = "Usage: synkeep unload DEV [--now] [--pin-root DIR]\n"
		 "\n"
		 "Stops answering SYNs, goes on handing connections over for as long as a cookie that was sent may\n"
		 "come back (at most 133 s; not at all if none was sent), then detaches the programs and removes the\n"
		 "pins. Other XDP programs, filters and qdiscs stay. Ctrl-C while it waits: the device stays loaded.\n"
		 "Clears half-loads too, and what is left of a device that is gone.\n"
		 "\n"
		 "  DEV                the device\n"
		 "      --now          does not wait: a client that holds a cookie gets a reset\n"
		 "      --pin-root DIR where it is pinned, " PINS_ROOT " by default\n"
		 "  -h, --help         this text\n",
	.run = run,
};
