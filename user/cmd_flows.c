/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep flows: the tracked connections, one a line; with --watch, what becomes of them.
 */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cmd_devices.h"
#include "flow_filter.h"
#include "flow_print.h"
#include "flow_walk.h"
#include "flow_watch.h"
#include "flow_watch_print.h"
#include "service_spec.h"
#include "system.h"

enum {
	OPTION_STATE = COMMAND_OPTION_OWN,
	OPTION_SERVICE,
	OPTION_SOURCE,
	OPTION_DIRECTION,
	OPTION_COUNT,
	OPTION_WATCH,
	OPTION_JSON,
};

struct options {
	const char *pin_root;
	struct flow_filter filter;
	bool count;
	bool watch;
	bool json;
	bool help;
};

struct watching {
	const struct options *options;
	bool shows_device;
};

struct listing {
	const struct options *options;
	struct flow_print print;
	unsigned long long count;
};

static int take(const struct flow_view *view, void *context)
{
	struct listing *listing = context;

	if (!flow_filter_matches(&listing->options->filter, view))
		return 0;
	listing->count++;
	return listing->options->count ? 0 : flow_print_add(&listing->print, view);
}

static int print_count(const struct cmd_devices *devices, struct listing *listing)
{
	int err = 0;

	for (int i = 0; i < devices->count && !err; i++)
		err = flow_walk(&devices->list[i], take, listing);
	if (!err)
		printf(listing->options->json ? "{ \"count\": %llu }\n" : "%llu\n", listing->count);
	return err;
}

static int print_flows(const struct cmd_devices *devices, struct listing *listing)
{
	int err = flow_print_begin(&listing->print, listing->options->json, devices->count > 1);

	if (err)
		return err;
	for (int i = 0; i < devices->count && !err; i++) {
		err = flow_print_device(&listing->print, devices->list[i].name);
		if (!err)
			err = flow_walk(&devices->list[i], take, listing);
	}
	return flow_print_end(&listing->print, err);
}

/* --- watching ----------------------------------------------------------------------------------------------------- */

static int take_event(const struct device *device, const struct flow_event *event, void *context)
{
	const struct watching *watching = context;
	struct flow_view view;

	flow_view_set_event(&view, event);
	if (!flow_filter_matches(&watching->options->filter, &view))
		return 0;
	if (watching->options->json)
		return flow_watch_print_json(event, &view, device->name);
	return flow_watch_print_text(event, &view, watching->shows_device ? device->name : NULL);
}

static void note_missed(const struct flow_watch_missed *missed)
{
	if (missed->events)
		command_note(&command_flows, "lost %llu events: they came faster than they were read", missed->events);
	if (missed->ns)
		command_note(&command_flows, "stood still for %llu s: what happened meanwhile is not known",
			     (missed->ns + WATCH_LEASE_NS) / NSEC_PER_SEC);
}

static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP); /* its terminal is gone */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Until a signal, or an error that *error says. */
static int follow(struct flow_watch *watch, int signals_fd, char error[FLOW_WATCH_ERROR_BYTES])
{
	struct pollfd descriptors[] = {
		{ .fd = signals_fd, .events = POLLIN },
		{ .fd = flow_watch_fd(watch), .events = POLLIN },
	};
	__u64 renewed_ns = system_monotonic_ns();
	struct flow_watch_missed missed;
	int err = 0;

	while (!err && !descriptors[0].revents) {
		__u64 passed_ms = (system_monotonic_ns() - renewed_ns) / NSEC_PER_MSEC;

		if (passed_ms >= FLOW_WATCH_RENEW_MS) {
			renewed_ns = system_monotonic_ns();
			err = flow_watch_renew(watch, &missed, error);
			note_missed(&missed);
			continue;
		}
		poll(descriptors, ARRAY_LEN(descriptors), FLOW_WATCH_RENEW_MS - (int)passed_ms);
		err = flow_watch_read(watch);
		if (fflush(stdout) && !err)
			err = -EIO;
	}
	return err;
}

static int watch_flows(const struct cmd_devices *devices, const struct options *options)
{
	struct watching watching = { options, devices->count > 1 };
	char error[FLOW_WATCH_ERROR_BYTES] = "the events can not be read";
	struct flow_watch *watch = NULL;
	int signals_fd = signals_open(), err;

	if (signals_fd < 0)
		return command_failed(&command_flows, "signals can not be waited for: %s", strerror(-signals_fd));
	err = flow_watch_open(devices->list, devices->count, take_event, &watching, &watch, error);
	if (!err)
		err = follow(watch, signals_fd, error);
	flow_watch_close(watch);
	close(signals_fd);
	if (err == -EIO)
		return EXIT_FAILED; /* main() says it */
	return err ? command_failed(&command_flows, "%s", error) : EXIT_DONE;
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static int misused_filter(const char *what, const char *text, const char *wanted)
{
	return command_misused(&command_flows, "\"%s\" is not %s: %s", text, what, wanted);
}

static int take_filter_option(struct flow_filter *filter, int option)
{
	char complaint[SERVICE_SPEC_ERROR_BYTES];

	switch (option) {
	case OPTION_STATE:
		if (flow_filter_add_state(filter, optarg))
			return misused_filter("a state", optarg,
					      "ESTABLISHED, TIME-WAIT and so on, or as ss writes them");
		return EXIT_DONE;
	case OPTION_SOURCE:
		if (flow_filter_set_source(filter, optarg))
			return misused_filter("an address or a prefix", optarg, "10.0.0.0/8 and 2001:db8::1 are");
		return EXIT_DONE;
	case OPTION_DIRECTION:
		if (flow_filter_set_direction(filter, optarg))
			return misused_filter("a direction", optarg, "in, or out for those that this host opened");
		return EXIT_DONE;
	default: /* OPTION_SERVICE */
		if (service_spec_parse(optarg, &filter->service, complaint, sizeof(complaint)))
			return command_misused(&command_flows, "%s", complaint);
		filter->has_service = true;
		return EXIT_DONE;
	}
}

static int take_options(struct options *options, int argc, char **argv)
{
	static const struct option known[] = {
		{ "state", required_argument, NULL, OPTION_STATE },
		{ "service", required_argument, NULL, OPTION_SERVICE },
		{ "source", required_argument, NULL, OPTION_SOURCE },
		{ "direction", required_argument, NULL, OPTION_DIRECTION },
		{ "count", no_argument, NULL, OPTION_COUNT },
		{ "watch", no_argument, NULL, OPTION_WATCH },
		{ "json", no_argument, NULL, OPTION_JSON },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, result = EXIT_DONE;

	while (!result && !options->help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case OPTION_STATE:
		case OPTION_SERVICE:
		case OPTION_SOURCE:
		case OPTION_DIRECTION:
			result = take_filter_option(&options->filter, option);
			break;
		case OPTION_COUNT:
			options->count = true;
			break;
		case OPTION_WATCH:
			options->watch = true;
			break;
		case OPTION_JSON:
			options->json = true;
			break;
		default:
			result = command_take_option(&command_flows, option, &options->pin_root, &options->help);
		}
	}
	if (!result && options->count && options->watch)
		return command_misused(&command_flows, "--count is for those that are there, --watch for what comes");
	return result;
}

static int run(int argc, char **argv)
{
	struct options options = { .pin_root = PINS_ROOT };
	struct listing listing = { .options = &options };
	struct cmd_devices devices;
	const char *name;
	int result, err;

	result = take_options(&options, argc, argv);
	if (options.help)
		return command_help(&command_flows);
	if (result == EXIT_DONE)
		result = cmd_devices_argument(&command_flows, argc, argv, &name);
	if (result == EXIT_DONE)
		result = cmd_devices_open(&devices, &command_flows, options.pin_root, name);
	if (result != EXIT_DONE)
		return result;
	if (options.watch) {
		result = watch_flows(&devices, &options);
		cmd_devices_close(&devices);
		return result;
	}
	err = options.count ? print_count(&devices, &listing) : print_flows(&devices, &listing);
	cmd_devices_close(&devices);
	if (err == -EIO)
		return EXIT_FAILED; /* main() says it */
	if (err)
		return command_failed(&command_flows, "the listing was cut short: %s", strerror(-err));
	return EXIT_DONE;
}

const struct command command_flows = {
	.name = "flows",
	.summary = "the tracked connections: state, both ends, owner, age, deadline",
	.usage = "Usage: synkeep flows [DEV] [FILTER]... [--count | --watch] [--json] [--pin-root DIR]\n"
		 "\n"
		 "Lists the connections that are tracked: half-open ones (those that the owner answered itself and\n"
		 "those that this host opens), live ones, and those that ended (TIME-WAIT, and CLOSED while a\n"
		 "cookie may still come back). DIR is \"out\" where this host opened the connection. LOCAL is this\n"
		 "machine's end. IDLE is the time since the peer's last segment, PROBES how many keepalive probes\n"
		 "went out since then: \"refused\" if an ICMP error answered, \"dead\" if the peer was found so. LEFT\n"
		 "is the time to the deadline, after which the record is gone unless a segment comes. Options are\n"
		 "those that both ends agreed on, then \"cookie\": the peer was verified by one; \"handover\": the\n"
		 "owner has not shown yet that it took the connection; \"adopted\": met in mid-life.\n"
		 "\n"
		 "The tables change while they are read: a connection that moves on may be listed twice. Listings\n"
		 "of up to 4096 connections are sorted by address; longer ones come in the order of the tables.\n"
		 "\n"
		 "  DEV                 one device; all that are loaded if left out\n"
		 "      --state NAME    in this state: ESTABLISHED, TCPS_FIN_WAIT_1, estab, or a group of ss:\n"
		 "                      connected, synchronized, bucket, big, all; may be repeated\n"
		 "      --service SPEC  to this address and port: 10.0.0.2:80, [2001:db8::2]:443, *:22, 10.0.0.2:*\n"
		 "      --source PREFIX the peer has this address or prefix: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32\n"
		 "      --direction D   out: this host opened it; in: the others\n"
		 "      --count         only their number\n"
		 "      --watch         what becomes of connections from now on, until interrupted, a line an event: "
		 "new\n"
		 "                      ones, each new state (--state is for that), and how they end. Up to 4 can "
		 "watch\n"
		 "      --json          for programs: a list of connections; with --watch an object a line\n"
		 "      --pin-root DIR  where the devices are pinned, " PINS_ROOT " by default\n"
		 "  -h, --help          this text\n",
	.run = run,
};
