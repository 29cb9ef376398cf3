/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep run: loads what is not loaded, adds what services it is given, and then is the daemon, in the foreground,
 * until a signal ends it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "bpf_log.h"
#include "command.h"
#include "daemon/daemon.h"
#include "daemon/pacer.h"
#include "duration.h"
#include "format.h"
#include "service_app.h"
#include "size.h"
#include "system.h"
#include "timeouts.h"

#define ERROR_BYTES 1024
#define DELAYED_ACK_MAX_NS (500 * NSEC_PER_MSEC) /* RFC 9293, MUST-40: less */
#define BUFFER_MIN_BYTES 4096
#define BUFFER_MAX_BYTES (1ULL << 30)
#define MEMORY_MIN_BYTES (1ULL << 20)
#define CONNECTIONS_MAX (1U << 27)

struct options {
	struct daemon_options daemon;
	/* What becomes the command line of `synkeep load` or of `synkeep service add`. */
	char **services;
	int service_count;
	char **load_words;
	int load_word_count;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static int misused(const char *option, const char *text, const char *wanted)
{
	return command_misused(&command_run, "--%s %s: %s is wanted", option, text, wanted);
}

/* Whether text is a number from least to most. */
static bool parse_number(const char *text, unsigned long least, unsigned long most, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && !*end && !errno && *number >= least && *number <= most;
}

static int set_buffer(__u32 *bytes, const char *option, const char *text)
{
	__u64 size;

	if (size_parse(text, &size) || size < BUFFER_MIN_BYTES || size > BUFFER_MAX_BYTES)
		return misused(option, text, "a size from 4k to 1G, as 256k");
	*bytes = size;
	return EXIT_DONE;
}

static int set_memory(struct options *options, const char *text)
{
	if (size_parse(text, &options->daemon.memory_bytes) || options->daemon.memory_bytes < MEMORY_MIN_BYTES)
		return misused("memory", text, "a size of at least 1M, as 2G");
	return EXIT_DONE;
}

static int set_msl(struct options *options, const char *text)
{
	if (duration_parse_within(text, NSEC_PER_MSEC, TCP_MSL_MAX_S * NSEC_PER_SEC, &options->daemon.msl_ns))
		return misused("msl", text, "a time from 1ms to 1h, as 60s");
	return EXIT_DONE;
}

static int set_delayed_ack(struct options *options, const char *text)
{
	__u64 ns;

	if (duration_parse(text, &ns) || ns >= DELAYED_ACK_MAX_NS)
		return misused("delayed-ack", text, "a time below 500ms, as 40ms or 0ms");
	options->daemon.settings.delayed_ack_ms = ns / NSEC_PER_MSEC;
	return EXIT_DONE;
}

static int set_connections(struct options *options, const char *text)
{
	unsigned long number;

	if (!parse_number(text, 1, CONNECTIONS_MAX, &number))
		return misused("connections", text, "a number from 1 to 134217728");
	options->daemon.connections = number;
	return EXIT_DONE;
}

static int set_ring(struct options *options, const char *text)
{
	unsigned long number;

	if (!parse_number(text, XSK_RING_MIN, XSK_RING_MAX, &number) || (number & (number - 1)))
		return misused("ring", text, "a power of two from 64 to 32768");
	options->daemon.ring = number;
	return EXIT_DONE;
}

static int set_probes(__u32 *rate, const char *option, const char *text)
{
	unsigned long number;

	if (!parse_number(text, 1, PACER_PER_SECOND_MAX, &number))
		return misused(option, text, "a number from 1 to 100000");
	*rate = number;
	return EXIT_DONE;
}

static int add_word(char ***words, int *count, const char *word)
{
	char **grown = realloc(*words, (*count + 1) * sizeof(*grown));

	if (!grown)
		return command_failed(&command_run, "%s", strerror(ENOMEM));
	*words = grown;
	grown[(*count)++] = (char *)word;
	return EXIT_DONE;
}

static int add_load_option(struct options *options, const char *name, const char *value)
{
	int status = add_word(&options->load_words, &options->load_word_count, name);

	return status ? status : add_word(&options->load_words, &options->load_word_count, value);
}

/* Checked here, too: what is wrong in any word is told before anything is loaded. */
static int add_service(struct options *options, const char *text)
{
	char error[SERVICE_SPEC_ERROR_BYTES];
	struct service_spec spec;

	if (service_spec_parse(text, &spec, error, sizeof(error)) || service_app_check(&spec, error, sizeof(error)))
		return command_misused(&command_run, "--service %s: %s", text, error);
	return add_word(&options->services, &options->service_count, text);
}

enum {
	SERVICE = COMMAND_OPTION_OWN,
	MSL,
	RECV_BUFFER,
	SEND_BUFFER,
	NO_WINDOW_SCALING,
	DELAYED_ACK,
	CONNECTIONS,
	MEMORY,
	PROBES_PER_SECOND,
	PROBES_PER_PREFIX,
	BUSY_POLL,
	RING,
	POLICY,
	XDP,
	FLOWS,
	KEY_FILE,
};

static int take_option(struct options *options, int option, bool *help)
{
	switch (option) {
	case SERVICE:
		return add_service(options, optarg);
	case MSL:
		return set_msl(options, optarg);
	case RECV_BUFFER:
		return set_buffer(&options->daemon.settings.recv_buffer_bytes, "recv-buffer", optarg);
	case SEND_BUFFER:
		return set_buffer(&options->daemon.settings.send_buffer_bytes, "send-buffer", optarg);
	case NO_WINDOW_SCALING:
		options->daemon.settings.window_scaling = false;
		return EXIT_DONE;
	case DELAYED_ACK:
		return set_delayed_ack(options, optarg);
	case CONNECTIONS:
		return set_connections(options, optarg);
	case MEMORY:
		return set_memory(options, optarg);
	case PROBES_PER_SECOND:
		return set_probes(&options->daemon.probes_per_second, "probes-per-second", optarg);
	case PROBES_PER_PREFIX:
		return set_probes(&options->daemon.probes_per_prefix, "probes-per-prefix", optarg);
	case BUSY_POLL:
		options->daemon.busy_poll = true;
		return EXIT_DONE;
	case RING:
		return set_ring(options, optarg);
	case POLICY:
		return add_load_option(options, "--policy", optarg);
	case XDP:
		return add_load_option(options, "--xdp", optarg);
	case FLOWS:
		return add_load_option(options, "--flows", optarg);
	case KEY_FILE:
		return add_load_option(options, "--key-file", optarg);
	default:
		return command_take_option(&command_run, option, &options->daemon.pin_root, help);
	}
}

static int parse_options(struct options *options, int argc, char **argv, bool *help)
{
	static const struct option known[] = {
		{ "service", required_argument, NULL, SERVICE },
		{ "msl", required_argument, NULL, MSL },
		{ "recv-buffer", required_argument, NULL, RECV_BUFFER },
		{ "send-buffer", required_argument, NULL, SEND_BUFFER },
		{ "no-window-scaling", no_argument, NULL, NO_WINDOW_SCALING },
		{ "delayed-ack", required_argument, NULL, DELAYED_ACK },
		{ "connections", required_argument, NULL, CONNECTIONS },
		{ "memory", required_argument, NULL, MEMORY },
		{ "probes-per-second", required_argument, NULL, PROBES_PER_SECOND },
		{ "probes-per-prefix", required_argument, NULL, PROBES_PER_PREFIX },
		{ "busy-poll", no_argument, NULL, BUSY_POLL },
		{ "ring", required_argument, NULL, RING },
		{ "policy", required_argument, NULL, POLICY },
		{ "xdp", required_argument, NULL, XDP },
		{ "flows", required_argument, NULL, FLOWS },
		{ "key-file", required_argument, NULL, KEY_FILE },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !*help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1)
		status = take_option(options, option, help);
	if (status || *help)
		return status;
	if (argc - optind != 1)
		return command_misused(&command_run,
				       argc == optind ? "which device? DEV is missing"
						      : "one device at a time; a service stands behind --service");
	options->daemon.name = argv[optind];
	return EXIT_DONE;
}

/* --- loading ------------------------------------------------------------------------------------------------------ */

/* Runs another command as if it had been typed. */
static int run_command(const struct command *command, char **words, int count)
{
	int status;

	optind = 0; /* getopt begins anew */
	status = command->run(count, words);
	fflush(stdout);
	return status;
}

static int load(const struct options *options)
{
	char **words = calloc(5 + options->load_word_count + 2 * options->service_count, sizeof(*words));
	int count = 0, status;

	if (!words)
		return command_failed(&command_run, "%s", strerror(ENOMEM));
	words[count++] = "synkeep load";
	words[count++] = (char *)options->daemon.name;
	words[count++] = "--pin-root";
	words[count++] = (char *)options->daemon.pin_root;
	for (int i = 0; i < options->load_word_count; i++)
		words[count++] = options->load_words[i];
	for (int i = 0; i < options->service_count; i++) {
		words[count++] = "--service";
		words[count++] = options->services[i];
	}
	status = run_command(&command_load, words, count);
	free(words);
	return status;
}

static int add_services(const struct options *options)
{
	char **words = calloc(6 + options->service_count, sizeof(*words));
	int count = 0, status = EXIT_DONE;

	if (!words)
		return command_failed(&command_run, "%s", strerror(ENOMEM));
	words[count++] = "synkeep service";
	words[count++] = "add";
	words[count++] = (char *)options->daemon.name;
	words[count++] = "--pin-root";
	words[count++] = (char *)options->daemon.pin_root;
	for (int i = 0; i < options->service_count; i++)
		words[count++] = options->services[i];
	if (options->service_count)
		status = run_command(&command_service, words, count);
	free(words);
	return status;
}

/* What is loaded already stays as it is, but for the services that are new. */
static int prepare(const struct options *options)
{
	char explanation[ERROR_BYTES];
	struct device device;
	int err;

	err = device_open(options->daemon.pin_root, options->daemon.name, &device);
	if (err == -ENOENT || err == -EINPROGRESS || err == -ENOTDIR)
		return load(options);
	if (err) {
		device_explain(err, options->daemon.pin_root, options->daemon.name, explanation, sizeof(explanation));
		return command_failed(&command_run, "%s", explanation);
	}
	device_close(&device);
	if (options->load_word_count)
		command_note(&command_run, "%s is loaded already: %s and the like do nothing", options->daemon.name,
			     options->load_words[0]);
	return add_services(options);
}

/* --- serving ------------------------------------------------------------------------------------------------------ */

static void print_summary(const struct options *options, const struct daemon_summary *summary)
{
	char memory[FORMAT_SIZE_BYTES];
	const char *way = summary->zero_copy == summary->workers ? "zero-copy"
			  : summary->zero_copy			 ? "zero-copy in part"
								 : "copy";

	printf("%s: serving, %u service%s, %u worker%s (AF_XDP %s), up to %u connections and %s", options->daemon.name,
	       summary->services, summary->services == 1 ? "" : "s", summary->workers, summary->workers == 1 ? "" : "s",
	       way, summary->connections, format_bytes(memory, summary->memory_bytes));
	if (summary->kernel_services)
		printf("; ageing %u service%s of the kernel's", summary->kernel_services,
		       summary->kernel_services == 1 ? "" : "s");
	putchar('\n');
	fflush(stdout);
}

static const char *end_sentence(int error)
{
	switch (error) {
	case -ESTALE:
		return "was unloaded: there is nothing left to serve";
	case -ENODEV:
		return "is gone";
	default:
		return strerror(-error);
	}
}

static int serve(const struct options *options, int signals_fd)
{
	struct daemon_summary summary;
	struct daemon *daemon;
	char error[ERROR_BYTES];
	int err;

	if (daemon_open(&options->daemon, &daemon, error, sizeof(error)))
		return command_failed(&command_run, "%s", error);
	err = daemon_start(daemon, &summary, error, sizeof(error));
	if (!err) {
		print_summary(options, &summary);
		err = daemon_run(daemon, signals_fd);
		snprintf(error, sizeof(error), "%s %s", options->daemon.name, end_sentence(err));
	}
	daemon_close(daemon);
	return err ? command_failed(&command_run, "%s", error) : EXIT_DONE;
}

/* Blocked before there are threads, so that the descriptor gets them. */
static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP); /* its terminal is gone */
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int run_daemon(const struct options *options)
{
	int signals_fd, status;

	if (!system_may_load())
		return command_failed(&command_run, "this needs root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)");
	bpf_log_capture(false);
	status = prepare(options);
	if (status)
		return status;
	signals_fd = open_signals();
	if (signals_fd < 0)
		return command_failed(&command_run, "signals can not be waited for: %s", strerror(errno));
	status = serve(options, signals_fd);
	close(signals_fd);
	return status;
}

static int run(int argc, char **argv)
{
	struct options options = {
		.daemon = { .pin_root = PINS_ROOT,
			    .ring = XSK_RING_DEFAULT,
			    .settings = tcp_settings_default(),
			    .probes_per_second = PACER_PER_SECOND_DEFAULT,
			    .probes_per_prefix = PACER_PER_PREFIX_DEFAULT },
	};
	bool help = false;
	int status = parse_options(&options, argc, argv, &help);

	if (help)
		status = command_help(&command_run);
	else if (!status)
		status = run_daemon(&options);
	free(options.services);
	free(options.load_words);
	return status;
}

const struct command command_run = {
	.name = "run",
	.summary = "the daemon: serves with Synkeep's own TCP, in the foreground",
	.usage =
		"Usage: synkeep run DEV [--service SPEC]... [--msl TIME] [--recv-buffer SIZE] [--send-buffer SIZE]\n"
		"                   [--no-window-scaling] [--delayed-ack TIME] [--connections N] [--memory SIZE]\n"
		"                   [--probes-per-second N] [--probes-per-prefix N] [--busy-poll] [--ring N]\n"
		"                   [--policy P] [--xdp MODE] [--flows N] [--key-file FILE]\n"
		"                   [--pin-root DIR]\n"
		"\n"
		"Serves the services with owner=daemon: their connections end in a TCP of Synkeep's own, over AF_XDP.\n"
		"Of all services it takes records away when their time has come, and with keepalive= it asks silent "
		"peers of the\n"
		"kernel's connections whether they are there.\n"
		"Loads the device if it is not loaded, says in a line when it serves, and runs in the foreground "
		"until\n"
		"SIGINT, SIGTERM or SIGHUP; then it resets its connections and ends. The device stays loaded, with its "
		"services.\n"
		"\n"
		"  DEV                      the device that the services' clients come in by\n"
		"      --service SPEC       a service, as of synkeep load; with owner=daemon and app=NAME it is served "
		"here:\n"
		"                           10.0.0.2:7,owner=daemon,app=echo; NAME is echo, discard, daytime or "
		"chargen\n"
		"      --msl TIME           the device's maximum segment lifetime from now on, of services that do not "
		"say:\n"
		"                           TIME-WAIT lasts two of them; by default as it was loaded with\n"
		"      --recv-buffer SIZE   of a connection at most: what its window can offer (as 256k, 4M)\n"
		"      --send-buffer SIZE   of a connection at most\n"
		"      --no-window-scaling  windows of at most 64 KiB (RFC 7323 is not offered, nor taken up)\n"
		"      --delayed-ack TIME   how long an acknowledgement may wait for company; below 500ms\n"
		"      --connections N      at most so many at a time; by default as many as the flow table has room "
		"for\n"
		"      --memory SIZE        of connections and their buffers; by default a quarter of what is "
		"available\n"
		"      --probes-per-second N  keepalive probes for connections that the kernel owns, at most so many "
		"in "
		"all;\n"
		"                           1000 by default\n"
		"      --probes-per-prefix N  and to one destination prefix, a /24 of IPv4 or a /48 of IPv6; 10 by "
		"default\n"
		"      --busy-poll          workers never sleep, and poll the driver themselves: less delay, all of a "
		"CPU\n"
		"      --ring N             frames in each AF_XDP ring, a power of two; 2048 by default\n"
		"      --policy, --xdp, --flows, --key-file   as of synkeep load, if the device is not loaded yet\n"
		"      --pin-root DIR       where to pin, in a BPF file system; " PINS_ROOT " by default\n"
		"  -h, --help               this text\n",
	.run = run,
};
