/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * synkeep load: what was asked for, checked; then load.h does it, and this says what was done.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "bpf_log.h"
#include "command.h"
#include "device.h"
#include "driver.h"
#include "duration.h"
#include "format.h"
#include "guard.h"
#include "key_file.h"
#include "load.h"
#include "service_app.h"
#include "timeouts.h"
#include "vlan.h"

#define ERROR_BYTES 4096 /* room for the last lines of the verifier */
#define TRY_MIN_NS NSEC_PER_SEC
#define TRY_MAX_NS (365 * 24 * 3600 * NSEC_PER_SEC)

struct options {
	struct load load;
	struct service_spec *services;
	bool has_policy;
	enum service_policy policy;
	const char *key_file;
	bool verbose;
};

static bool is_same_service(const struct service_spec *a, const struct service_spec *b)
{
	return a->family == b->family && a->port == b->port && !memcmp(a->address, b->address, sizeof(a->address));
}

static int add_service(struct options *options, const char *text)
{
	char error[SERVICE_SPEC_ERROR_BYTES];
	size_t count = options->load.service_count;
	struct service_spec *grown;

	grown = realloc(options->services, (count + 1) * sizeof(*grown));
	if (!grown)
		return command_failed(&command_load, "%s", strerror(ENOMEM));
	options->services = grown;
	if (service_spec_parse(text, &grown[count], error, sizeof(error)) ||
	    service_app_check(&grown[count], error, sizeof(error)))
		return command_misused(&command_load, "--service %s: %s", text, error);
	for (size_t i = 0; i < count; i++) {
		if (is_same_service(&grown[i], &grown[count]))
			return command_misused(&command_load, "--service %s: this service is named twice", text);
	}
	options->load.service_count++;
	return EXIT_DONE;
}

static int set_policy(struct options *options, const char *text)
{
	char error[SERVICE_SPEC_ERROR_BYTES];

	if (service_spec_parse_policy(text, &options->policy, error, sizeof(error)))
		return command_misused(&command_load, "--policy: %s", error);
	options->has_policy = true;
	return EXIT_DONE;
}

static int set_xdp(struct options *options, const char *text)
{
	if (!strcmp(text, "native"))
		options->load.xdp = LOAD_XDP_NATIVE;
	else if (!strcmp(text, "generic"))
		options->load.xdp = LOAD_XDP_GENERIC;
	else
		return command_misused(&command_load, "--xdp %s: it is native or generic", text);
	return EXIT_DONE;
}

static int set_handover(struct options *options, const char *text)
{
	for (enum handover_way way = HANDOVER_KFUNC; way <= HANDOVER_PASS; way++) {
		if (strcmp(text, handover_way_name(way)))
			continue;
		options->load.best_handover = way;
		return EXIT_DONE;
	}
	return command_misused(&command_load, "--handover %s: it is kfunc, helper or pass", text);
}

static int set_number(const char *option, const char *text, __u32 min, __u32 max, __u32 *number)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno || value < min || value > max)
		return command_misused(&command_load, "--%s %s: a number from %u to %u is wanted", option, text, min,
				       max);
	*number = value;
	return EXIT_DONE;
}

static int set_try(struct options *options, const char *text)
{
	__u64 ns;

	if (duration_parse_within(text, TRY_MIN_NS, TRY_MAX_NS, &ns))
		return command_misused(&command_load, "--try %s: a time from 1s to 365d is wanted, as 60s or 5m", text);
	options->load.try_ns = ns;
	return EXIT_DONE;
}

static int set_msl(struct options *options, const char *text)
{
	if (duration_parse_within(text, NSEC_PER_MSEC, TCP_MSL_MAX_S * NSEC_PER_SEC, &options->load.msl_ns))
		return command_misused(&command_load, "--msl %s: a time from 1ms to 1h is wanted, as 60s", text);
	return EXIT_DONE;
}

static int parse_options(struct options *options, int argc, char **argv, bool *help)
{
	enum {
		POLICY = COMMAND_OPTION_OWN,
		SERVICE,
		XDP,
		HANDOVER,
		KEY_FILE,
		FLOWS,
		ANSWERS_PER_PREFIX,
		MSL,
		TRACK_OUTGOING,
		TRY,
		VERBOSE
	};
	static const struct option known[] = {
		{ "service", required_argument, NULL, SERVICE },
		{ "policy", required_argument, NULL, POLICY },
		{ "xdp", required_argument, NULL, XDP },
		{ "handover", required_argument, NULL, HANDOVER },
		{ "key-file", required_argument, NULL, KEY_FILE },
		{ "flows", required_argument, NULL, FLOWS },
		{ "answers-per-prefix", required_argument, NULL, ANSWERS_PER_PREFIX },
		{ "msl", required_argument, NULL, MSL },
		{ "track-outgoing", no_argument, NULL, TRACK_OUTGOING },
		{ "try", required_argument, NULL, TRY },
		{ "verbose", no_argument, NULL, VERBOSE },
		COMMAND_OPTIONS,
		{ 0 },
	};
	int option, status = EXIT_DONE;

	while (!status && !*help && (option = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (option) {
		case SERVICE:
			status = add_service(options, optarg);
			break;
		case POLICY:
			status = set_policy(options, optarg);
			break;
		case XDP:
			status = set_xdp(options, optarg);
			break;
		case HANDOVER:
			status = set_handover(options, optarg);
			break;
		case KEY_FILE:
			options->key_file = optarg;
			break;
		case FLOWS:
			status = set_number("flows", optarg, LOAD_FLOWS_MIN, LOAD_FLOWS_MAX, &options->load.flows);
			break;
		case ANSWERS_PER_PREFIX:
			status = set_number("answers-per-prefix", optarg, 0, LOAD_ANSWERS_MAX,
					    &options->load.answers_per_prefix);
			break;
		case MSL:
			status = set_msl(options, optarg);
			break;
		case TRACK_OUTGOING:
			options->load.track_outgoing = true;
			break;
		case TRY:
			status = set_try(options, optarg);
			break;
		case VERBOSE:
			options->verbose = true;
			break;
		default:
			status = command_take_option(&command_load, option, &options->load.pin_root, help);
		}
	}
	if (status || *help)
		return status;
	if (argc - optind != 1)
		return command_misused(&command_load,
				       argc == optind ? "which device? DEV is missing"
						      : "one device at a time; a service stands behind --service");
	options->load.name = argv[optind];
	return EXIT_DONE;
}

static int apply_default_policy(struct options *options)
{
	char error[SERVICE_SPEC_ERROR_BYTES], text[SERVICE_SPEC_BYTES];

	for (size_t i = 0; i < options->load.service_count; i++) {
		if (!options->services[i].has_policy)
			options->services[i].policy = options->has_policy ? options->policy : POLICY_AUTO;
		service_spec_format(&options->services[i], text, sizeof(text));
		if (service_spec_check(&options->services[i], error, sizeof(error)))
			return command_misused(&command_load, "%s: %s", text, error);
	}
	options->load.services = options->services;
	return EXIT_DONE;
}

static int check_device(struct load *load)
{
	int err = system_device(load->name, &load->system);

	if (err == -ENODEV)
		return command_failed(&command_load,
				      "there is no device \"%s\" in this network namespace; `ip link` lists them",
				      load->name);
	if (err)
		return command_failed(&command_load, "%s: %s", load->name, strerror(-err));
	if (load->system.loopback)
		return command_failed(&command_load,
				      "%s is the loopback device, where every packet comes from this host itself: name "
				      "the device that faces the clients",
				      load->name);
	if (!load->system.ethernet)
		return command_failed(&command_load,
				      "%s is not an Ethernet device: its packets would not be understood", load->name);
	return EXIT_DONE;
}

/* Answers that leave without their VLAN tag reach nobody, or a stranger. */
static int check_vlan(const struct load *load)
{
	enum device_xdp_mode mode = load->xdp == LOAD_XDP_GENERIC ? DEVICE_XDP_GENERIC : DEVICE_XDP_NATIVE;
	char reason[ATTACH_ERROR_BYTES];
	struct vlan_loss loss;
	int err = vlan_read_loss(load->system.ifindex, mode, &loss);

	if (err)
		return command_failed(&command_load, "%s: what becomes of VLAN tags can not be found out: %s",
				      load->name, strerror(-err));
	if (!loss.kinds)
		return EXIT_DONE;
	vlan_explain(&loss, load->name, mode, reason, sizeof(reason));
	return command_failed(&command_load, "%s: %s", load->name, reason);
}

/* The maps are filled in advance: the kernel would rather kill processes than refuse them. */
static int check_memory(const struct load *load)
{
	__u64 needed = load_memory_bytes(load->flows), available = system_available_bytes();
	char needed_text[FORMAT_SIZE_BYTES], available_text[FORMAT_SIZE_BYTES];

	if (!available || needed <= available)
		return EXIT_DONE;
	return command_failed(&command_load, "%u flows take %s, and %s are available; choose fewer with --flows",
			      load->flows, format_bytes(needed_text, needed), format_bytes(available_text, available));
}

static int get_key(struct options *options)
{
	char error[ATTACH_ERROR_BYTES];
	int err;

	if (!options->key_file) {
		err = key_file_random(&options->load.keys.master);
		return err ? command_failed(&command_load, "no random key: %s", strerror(-err)) : EXIT_DONE;
	}
	if (key_file_read(options->key_file, &options->load.keys, error, sizeof(error)))
		return command_failed(&command_load, "%s", error);
	options->load.key_is_shared = true;
	return EXIT_DONE;
}

static void print_notes(const struct load *load, const struct load_result *result)
{
	if (result->mounted_bpffs)
		command_note(&command_load, "mounted the BPF file system at /sys/fs/bpf");
	if (result->cleared)
		command_note(
			&command_load,
			"%s: cleared away what was left of an earlier load: it was cut short, its device was gone, "
			"or its XDP program or a filter had been taken off",
			load->name);
}

static void print_summary(const struct options *options, const struct load_result *result)
{
	char pin_dir[DEVICE_PATH_MAX], argument[DEVICE_ARGUMENT_BYTES];
	const struct load *load = &options->load;
	const char *title = "services";
	char time[FORMAT_DURATION_BYTES];

	device_argument(argument, load->pin_root, load->name);
	printf("%s: loaded, XDP %s", load->name, result->xdp_mode == DEVICE_XDP_GENERIC ? "generic" : "native");
	if (result->native_error)
		printf(" (native: %s)", strerror(-result->native_error));
	putchar('\n');
	for (size_t i = 0; i < load->service_count; i++) {
		char text[SERVICE_SPEC_BYTES];

		service_spec_format(&options->services[i], text, sizeof(text));
		printf("  %-9s %s, policy %s\n", title, text, service_spec_policy_name(options->services[i].policy));
		title = "";
	}
	if (!load->service_count)
		printf("  %-9s none: synkeep service add %s SPEC\n", title, argument);
	if (load->track_outgoing)
		printf("  %-9s connections that this host opens, too\n", "tracked");
	if (!device_pin_dir(load->pin_root, load->name, pin_dir, sizeof(pin_dir)))
		printf("  %-9s %s\n", "pins", pin_dir);
	printf("  %-9s synkeep status %s\n", "see", argument);
	printf("  %-9s synkeep unload %s\n", "remove", argument);
	if (load->try_ns)
		printf("  %-9s synkeep keep %s: within %s, or it unloads by itself\n", "KEEP", argument,
		       format_duration(time, load->try_ns));
}

static void print_advice(enum advice_kind kind, const char *sentence, void *context)
{
	(void)context;
	command_note(&command_load, "%s: %s", kind == ADVICE_PROBLEM ? "PROBLEM" : "note", sentence);
}

/* What `synkeep status` will say of the services; all that is wrong with the device itself has been an error. */
static void print_services_advice(const struct load *load)
{
	struct device device;
	struct status status;

	if (device_open(load->pin_root, load->name, &device))
		return;
	if (!status_read_services(&device, &status))
		advice_give_on_services(&status, print_advice, NULL);
	status_free(&status);
	device_close(&device);
}

static void begin_trial(const struct load *load, const struct load_result *result)
{
	char argument[DEVICE_ARGUMENT_BYTES];
	int err = guard_start(load->pin_root, load->name, result->loaded_at_ns);

	if (err)
		command_note(
			&command_load,
			"%s: no process could be started to unload it (%s): when the time is over, SYNs are passed "
			"all the same; `synkeep unload %s` then removes it",
			load->name, strerror(-err), device_argument(argument, load->pin_root, load->name));
}

/* Who is logged in by the device wants to know before, not after. */
static void warn_of_interruption(const struct load *load)
{
	const char *effect = driver_effect_words(driver_attach_effect(load->system.driver, load->system.bus));

	if (load->xdp == LOAD_XDP_GENERIC || !effect)
		return;
	command_note(&command_load,
		     "%s: its driver, %s, %s when native XDP is attached, and when it is detached; connections outlive "
		     "that. %s`--xdp generic` spares it, and is slower",
		     load->name, *load->system.driver ? load->system.driver : "of no name", effect,
		     load->try_ns ? "" : "`--try 60s` unloads by itself if that locks you out; ");
}

/* All but those that lie in what was asked for are what the doctor looks for. */
static int tell_failure(const struct load *load, int err, const char *error)
{
	char argument[DEVICE_ARGUMENT_BYTES];

	command_failed(&command_load, "%s: %s", load->name, error);
	if (err != -EEXIST && err != -ENOSPC)
		command_note(&command_load, "`synkeep doctor %s` says what is in the way here, and what mends it",
			     device_argument(argument, load->pin_root, load->name));
	return EXIT_FAILED;
}

static int load_and_tell(struct options *options)
{
	char error[ERROR_BYTES];
	struct load_result result;
	int err;

	warn_of_interruption(&options->load);
	/* Who tries it over the device itself may lose his terminal to it: that must not cut the load short. */
	if (options->load.try_ns)
		signal(SIGHUP, SIG_IGN);
	err = load_device(&options->load, &result, error, sizeof(error));
	explicit_bzero(&options->load.keys, sizeof(options->load.keys)); /* the guard is to inherit nothing of it */
	if (!err && options->load.try_ns)
		begin_trial(&options->load, &result);
	print_notes(&options->load, &result);
	if (err)
		return tell_failure(&options->load, err, error);
	print_summary(options, &result);
	print_services_advice(&options->load);
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options options = {
		.load = { .pin_root = PINS_ROOT,
			  .flows = SYNKEEP_FLOWS_DEFAULT,
			  .answers_per_prefix = SYNKEEP_ANSWERS_DEFAULT,
			  .msl_ns = TCP_MSL_DEFAULT_S * NSEC_PER_SEC },
	};
	bool help = false;
	int status;

	status = parse_options(&options, argc, argv, &help);
	if (status || help)
		goto out;
	if (!system_may_load()) {
		status = command_failed(&command_load, "this needs root (CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN)");
		goto out;
	}
	status = apply_default_policy(&options);
	bpf_log_capture(options.verbose);
	if (!status)
		status = check_device(&options.load);
	if (!status)
		status = check_vlan(&options.load);
	if (!status)
		status = check_memory(&options.load);
	if (!status)
		status = get_key(&options);
	if (!status)
		status = load_and_tell(&options);
out:
	free(options.services);
	return help ? command_help(&command_load) : status;
}

const struct command command_load = {
	.name = "load",
	.summary = "put the shield on a device; it works on without a process",
	.usage =
		"Usage: synkeep load DEV [--service SPEC]... [--policy auto|always|monitor|off] [--xdp "
		"native|generic]\n"
		"                    [--handover kfunc|helper|pass] [--track-outgoing] [--try TIME] [--key-file FILE]\n"
		"                    [--flows N] [--answers-per-prefix N] [--msl TIME] [--pin-root DIR] [--verbose]\n"
		"\n"
		"Attaches the programs to a network device, pins them and their maps, and exits.\n"
		"\n"
		"  DEV                the device that the services' clients come in by\n"
		"      --service SPEC what to protect: "
		"ADDR:PORT[,policy=auto|always|monitor|off][,md5=pass]\n"
		"                     [,keepalive=on|IDLE/INTERVAL/PROBES[,dead=report]][,msl=TIME]\n"
		"                     [,half-open=N][,new=N][,open=N][,source=/BITS[/BITS]][,limits=monitor]\n"
		"                     [,share=N|N%][,owner=daemon,app=NAME[,gone=refuse]]\n"
		"                     10.0.0.2:80  [2001:db8::2]:443,policy=always  *:22 (every address)\n"
		"                     10.0.0.2:* (every port); may be repeated\n"
		"      --policy P     for services that do not say: auto passes SYNs in calm and answers them with\n"
		"                     cookies under flood (the default); always answers every SYN; off only tracks\n"
		"                     connections; monitor tracks and counts what always would do\n"
		"      --xdp MODE     native (in the driver) or generic; by default native, or generic if the driver "
		"can not\n"
		"      --handover WAY no listener gets its connections in a better way than this: kfunc (our cookies,\n"
		"                     all options kept; the default), helper (the kernel's cookies, answered in XDP),\n"
		"                     pass (SYNs go to the kernel). `synkeep status` says which each service has,\n"
		"                     and why\n"
		"      --track-outgoing\n"
		"                     tracks connections that this host opens through the device, too, to any port\n"
		"      --try TIME     for so long only (60s, 5m), unless `synkeep keep DEV` comes in time: then it\n"
		"                     unloads by itself, and nobody is locked out\n"
		"      --key-file F   the cookies' master key, 32 hexadecimal digits in a file of mode 0600, or what\n"
		"                     `synkeep key export` wrote; machines that share it take each other's cookies.\n"
		"                     By default a random key\n"
		"      --flows N      connections to track at the same time, of each address family; 262144 by\n"
		"                     default, of about 700 bytes each\n"
		"      --answers-per-prefix N\n"
		"                     answers that the sources in one /24 or /48 get in a second, by each CPU; 25000\n"
		"                     by default, 0: no limit. For whoever is attacked in whose name SYNs come here\n"
		"      --msl TIME     maximum segment lifetime, of services that do not say: TIME-WAIT lasts two of\n"
		"                     them; 60s by default\n"
		"      --pin-root DIR where to pin, in a BPF file system; " PINS_ROOT " by default\n"
		"      --verbose      shows what libbpf and libxdp say\n"
		"  -h, --help         this text\n",
	.run = run,
};
