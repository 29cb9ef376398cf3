// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * flood: sends TCP segments of one kind (flood_kinds.h) out of a device, from one address or many, to one port or many,
 * steadily or in pulses, and says how many and at what cost.
 *
 * The live source runs flood.bpf.c over live frames: millions a second from one core, or a rate that it keeps by
 * spinning. The paced source is a packet socket: half a million a second, and it sleeps in between. Either stops after
 * --seconds, or at SIGINT or SIGTERM.
 *
 * It is for a namespace whose other end is a namespace too: nobody is asked whether he wants the packets.
 */
#include "flood_template.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tool.h"

#define LIVE_CHUNK (1 << 24) /* runs of the program a call; each ends by waiting for RCU, tens of milliseconds */
#define PACED_BATCH 16
#define PACED_MIN_SLEEP_S 0.0002

struct options {
	bool paced;
	const char *device;
	struct flood_ends ends;
	const struct flood_kind *kind;
	const char *replay; /* a frame in hexadecimal digits; NULL: frames of the kind */
	double seconds;
	double rate; /* frames a second; 0: as many as it can */
	double on_ms, off_ms;
	int cpu; /* -1: any */
};

static const char usage[] =
	"usage: flood --to ADDRESS --to-mac MAC [option]... DEVICE\n"
	"  --source live|paced   live frames (the default: fast, takes the CPU) or a packet socket (sleeps)\n"
	"  --kind KIND           what to send (syn); kinds are below\n"
	"  --replay HEX          this frame again and again, as it is; --to and what is said of a kind are not asked "
	"then\n"
	"  --port PORT           the first destination port (80)\n"
	"  --ports N             how many destination ports (1)\n"
	"  --from ADDRESS        the first source address (198.18.0.0 or 2001:2::)\n"
	"  --sources N           how many source addresses (100000); 256 are a prefix of IPv4, 1 is one source\n"
	"  --from-port PORT      the one source port (any from 1024 to 33791)\n"
	"  --from-mac MAC        source MAC address (the device's)\n"
	"  --seconds S           how long (1)\n"
	"  --rate N              segments a second (0: as many as it can)\n"
	"  --pulse ON/OFF        in pulses, of so many milliseconds, with such pauses; the rate is that of a pulse\n"
	"  --cpu N               the CPU to run on (any)\n"
	"Prints what was sent, when it began (CLOCK_MONOTONIC), and the CPU time of this thread and of the CPU's\n"
	"ksoftirqd, as JSON.\n"
	"Kinds:\n";

/* --- the command line -------------------------------------------------------------------------------------------- */

static void parse_mac(const char *text, __u8 *mac)
{
	int end = 0;

	if (sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
		   &end) != ETH_ALEN ||
	    text[end])
		tool_wrong_usage("a MAC address is six hexadecimal bytes with colons between");
}

static void device_mac(const char *device, __u8 *mac)
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		tool_fail(device);
	memcpy(mac, request.ifr_hwaddr.sa_data, ETH_ALEN);
	close(fd);
}

/* Returns the address's family. */
static int parse_address(const char *text, __u8 *address)
{
	if (inet_pton(AF_INET, text, address) == 1)
		return AF_INET;
	if (inet_pton(AF_INET6, text, address) != 1)
		tool_wrong_usage("an address is IPv4 or IPv6, in numbers");
	return AF_INET6;
}

static const struct flood_kind *parse_kind(const char *name)
{
	const struct flood_kind *kind = flood_kind_find(name);

	if (!kind)
		tool_wrong_usage("there is no such kind");
	return kind;
}

static void parse_pulse(const char *text, struct options *o)
{
	int end = 0;

	if (sscanf(text, "%lf/%lf%n", &o->on_ms, &o->off_ms, &end) != 2 || text[end] || o->on_ms <= 0 || o->off_ms <= 0)
		tool_wrong_usage("a pulse is two times in milliseconds with a slash between");
}

__attribute__((noreturn)) static void print_help(void)
{
	fputs(usage, stdout);
	for (size_t i = 0; i < ARRAY_LEN(flood_kinds); i++)
		printf("  %-21s %s\n", flood_kinds[i].name, flood_kinds[i].what);
	exit(0);
}

/* The options that are judged when all have been read. */
struct texts {
	const char *to, *from, *to_mac, *from_mac;
};

static void take_option(struct options *o, struct texts *texts, int option)
{
	switch (option) {
	case 's':
		o->paced = !strcmp(optarg, "paced");
		if (!o->paced && strcmp(optarg, "live"))
			tool_wrong_usage("--source is live or paced");
		return;
	case 'k':
		o->kind = parse_kind(optarg);
		return;
	case 'x':
		o->replay = optarg;
		return;
	case 'p':
		o->ends.to_ports.first = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'P':
		o->ends.to_ports.count = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'q':
		o->ends.from_ports = (struct flood_ports){ (__u16)tool_number(optarg, 1, 65535, false), 1 };
		return;
	case 'u':
		parse_pulse(optarg, o);
		return;
	case 'n':
		o->ends.sources = (__u32)tool_number(optarg, 1, 1 << 24, false);
		return;
	case 't':
		o->seconds = tool_number(optarg, 0.001, 3600, true);
		return;
	case 'r':
		o->rate = tool_number(optarg, 0, 1e8, true);
		return;
	case 'c':
		o->cpu = (int)tool_number(optarg, 0, CPU_SETSIZE - 1, false);
		return;
	case 'd':
		texts->to = optarg;
		return;
	case 'f':
		texts->from = optarg;
		return;
	case 'D':
		texts->to_mac = optarg;
		return;
	case 'F':
		texts->from_mac = optarg;
		return;
	case 'h':
		print_help();
	default:
		exit(2);
	}
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "source", 1, NULL, 's' },
					       { "kind", 1, NULL, 'k' },
					       { "replay", 1, NULL, 'x' },
					       { "port", 1, NULL, 'p' },
					       { "ports", 1, NULL, 'P' },
					       { "from-port", 1, NULL, 'q' },
					       { "pulse", 1, NULL, 'u' },
					       { "sources", 1, NULL, 'n' },
					       { "seconds", 1, NULL, 't' },
					       { "rate", 1, NULL, 'r' },
					       { "cpu", 1, NULL, 'c' },
					       { "to", 1, NULL, 'd' },
					       { "from", 1, NULL, 'f' },
					       { "to-mac", 1, NULL, 'D' },
					       { "from-mac", 1, NULL, 'F' },
					       { "help", 0, NULL, 'h' },
					       {} };
	struct texts texts = {};
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, &texts, option);
	if (argc - optind != 1 || (!o->replay && (!texts.to || !texts.to_mac)))
		tool_wrong_usage("it takes one device, and --to and --to-mac or --replay");
	o->device = argv[optind];
	if (o->replay)
		return;
	if (o->ends.to_ports.first + o->ends.to_ports.count > 65536)
		tool_wrong_usage("there are not so many ports");
	o->ends.family = parse_address(texts.to, o->ends.to);
	if (!texts.from)
		texts.from = o->ends.family == AF_INET ? "198.18.0.0" : "2001:2::";
	if (parse_address(texts.from, o->ends.from) != o->ends.family)
		tool_wrong_usage("--to and --from are of one family");
	parse_mac(texts.to_mac, o->ends.to_mac);
	if (texts.from_mac)
		parse_mac(texts.from_mac, o->ends.from_mac);
	else
		device_mac(o->device, o->ends.from_mac);
}

/* --- the template ------------------------------------------------------------------------------------------------ */

/* The template that is sent as it is. */
static void take_template(struct flood_template *t, const char *hex)
{
	size_t digits = strlen(hex);
	__u8 *frame = (__u8 *)t->words;

	if (digits % 4 || digits < 2 * ETH_HLEN || digits > 2 * FLOOD_FRAME_BYTES)
		tool_wrong_usage("a frame has an even number of bytes, 14 to 128, of two digits each");
	for (size_t i = 0; i < digits / 2; i++) {
		if (sscanf(hex + 2 * i, "%2hhx", &frame[i]) != 1)
			tool_wrong_usage("a frame is written in hexadecimal digits");
	}
	t->length = (__u32)digits / 2;
	t->replay = true;
}

/* --- the sources ------------------------------------------------------------------------------------------------- */

/* Returns how many frames it sent. */
static __u64 send_live(const struct options *o, const struct flood_config *config, double *started)
{
	static const __u8 frame[FLOOD_FRAME_BYTES + FLOOD_SPARE_BYTES]; /* the program writes what is sent */
	struct bpf_object *object = tool_open_programs(config, sizeof(*config));
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame,
		    .data_size_in = config->template.length + FLOOD_SPARE_BYTES, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .repeat = LIVE_CHUNK);
	struct flood_variables variables;
	__u32 zero = 0;
	int program, map;

	if (bpf_object__load(object))
		tool_fail("loading the program");
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "flood_live"));
	map = bpf_map__fd(bpf_object__find_map_by_name(object, ".bss"));
	tool_stop_after(o->seconds);
	do {
		if (bpf_prog_test_run_opts(program, &run) && errno != EINTR)
			tool_fail("running the program");
		if (bpf_map_lookup_elem(map, &zero, &variables))
			tool_fail("reading the variables");
	} while (!tool_stopped);
	bpf_object__close(object);
	*started = (double)variables.began_ns * 1e-9;
	return variables.frames;
}

static int open_packet_socket(__u32 ifindex)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = (int)ifindex };
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: receives nothing */

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		tool_fail("packet socket");
	return fd;
}

/* Sleeps while it is in a pause, or ahead of the rate; a little is let be, for a sleep is never short. */
static void wait_for_turn(const struct options *o, const struct flood_config *config, double started, __u64 sent)
{
	__u64 elapsed_ns = (__u64)((tool_seconds(CLOCK_MONOTONIC) - started) * 1e9);
	double pause_s = (double)flood_pause_ns(config, elapsed_ns) * 1e-9;
	double ahead_s = o->rate ? (double)sent / o->rate - (double)flood_on_ns(config, elapsed_ns) * 1e-9 : 0;

	if (ahead_s < pause_s)
		ahead_s = pause_s;
	if (ahead_s > PACED_MIN_SLEEP_S)
		usleep((useconds_t)(ahead_s * 1e6));
}

static __u64 send_paced(const struct options *o, const struct flood_config *config, double *started)
{
	static __u8 frames[PACED_BATCH][FLOOD_FRAME_BYTES];
	struct mmsghdr messages[PACED_BATCH] = {};
	struct iovec vectors[PACED_BATCH];
	int fd = open_packet_socket(config->ifindex);
	__u64 sent = 0;

	for (int i = 0; i < PACED_BATCH; i++) {
		vectors[i] = (struct iovec){ .iov_base = frames[i], .iov_len = config->template.length };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	*started = tool_seconds(CLOCK_MONOTONIC);
	tool_stop_after(o->seconds);
	do {
		int count;

		for (int i = 0; i < PACED_BATCH; i++)
			flood_frame_write(frames[i], &config->template, config->first_frame + sent + (__u64)i);
		count = sendmmsg(fd, messages, PACED_BATCH, 0);
		if (count < 0 && errno != EINTR && errno != ENOBUFS)
			tool_fail("sending");
		sent += count > 0 ? (__u64)count : 0;
		wait_for_turn(o, config, *started, sent);
	} while (!tool_stopped);
	close(fd);
	return sent;
}

/* --- the price --------------------------------------------------------------------------------------------------- */

/* Opens a file of /proc/PID. */
static FILE *open_process_file(const char *pid, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return fopen(path, "r");
}

static bool is_process_named(const char *pid, const char *wanted)
{
	FILE *file = open_process_file(pid, "comm");
	char name[64] = "";
	bool same;

	if (!file)
		return false;
	same = fscanf(file, "%63s", name) == 1 && !strcmp(name, wanted);
	fclose(file);
	return same;
}

/* Run time of ksoftirqd on the CPU, in seconds: the packets' way is walked there when it does not fit into interrupts.
 */
static double ksoftirqd_seconds(int cpu)
{
	unsigned long long run_ns = 0;
	struct dirent *entry;
	char name[64];
	DIR *processes = opendir("/proc");
	FILE *file;

	if (!processes)
		tool_fail("/proc");
	snprintf(name, sizeof(name), "ksoftirqd/%d", cpu);
	while ((entry = readdir(processes)) && !is_process_named(entry->d_name, name))
		;
	file = entry ? open_process_file(entry->d_name, "schedstat") : NULL;
	if (!file || fscanf(file, "%llu", &run_ns) != 1)
		tool_fail(name);
	fclose(file);
	closedir(processes);
	return (double)run_ns * 1e-9;
}

static double cpu_seconds(const struct options *o)
{
	return tool_seconds(CLOCK_THREAD_CPUTIME_ID) + (o->cpu < 0 ? 0 : ksoftirqd_seconds(o->cpu));
}

int main(int argc, char **argv)
{
	struct options o = { .kind = &flood_kinds[0],
			     .ends = { .to_ports = { 80, 1 }, .from_ports = { 1024, 32768 }, .sources = 100000 },
			     .seconds = 1,
			     .cpu = -1 };
	struct flood_config config = {};
	double started, seconds, cpu_before, cpu_spent;
	__u64 sent;

	parse_options(argc, argv, &o);
	config.ifindex = if_nametoindex(o.device);
	if (!config.ifindex)
		tool_fail(o.device);
	config.interval_ns = o.rate ? (__u32)(1e9 / o.rate) : 0;
	config.first_frame = (__u64)(tool_seconds(CLOCK_REALTIME) * 1e9);
	config.on_ns = (__u64)(o.on_ms * 1e6);
	config.off_ns = (__u64)(o.off_ms * 1e6);
	if (o.replay)
		take_template(&config.template, o.replay);
	else
		flood_template_make(&config.template, o.kind, &o.ends);
	if (o.cpu >= 0)
		tool_pin_cpu(o.cpu);
	tool_catch_signals();
	cpu_before = cpu_seconds(&o);
	sent = o.paced ? send_paced(&o, &config, &started) : send_live(&o, &config, &started);
	seconds = tool_seconds(CLOCK_MONOTONIC) - started;
	cpu_spent = cpu_seconds(&o) - cpu_before;
	printf("{\"sent\": %llu, \"began\": %.6f, \"seconds\": %.3f, \"per_second\": %.0f, \"cpu_seconds\": %.4f}\n",
	       (unsigned long long)sent, started, seconds, (double)sent / seconds, cpu_spent);
	return 0;
}
