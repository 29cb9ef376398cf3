// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * flood: sends TCP segments from many spoofed addresses out of a device, and says how many and at what cost.
 *
 * The live source runs flood.bpf.c over live frames: millions a second from one core, or a rate that it keeps by
 * spinning. The paced source is a packet socket: half a million a second, and it sleeps in between. Either stops after
 * --seconds, or at SIGINT or SIGTERM.
 *
 * It is for a namespace whose other end is a namespace too: nobody is asked whether he wants the packets.
 */
#include "flood.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <dirent.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "judge.h"
#include "tcp_options.h"
#include "tool.h"

#define TCP_HEADER_BYTES 20
#define SYN_OPTION_BYTES 20
#define LIVE_CHUNK (1 << 24) /* runs of the program a call; each ends by waiting for RCU, tens of milliseconds */
#define PACED_BATCH 16
#define PACED_MIN_SLEEP_S 0.0002

struct options {
	bool paced;
	const char *device;
	int family;
	__u8 to[16];
	__u8 from[16];
	__u8 to_mac[ETH_ALEN];
	__u8 from_mac[ETH_ALEN];
	__u16 port;
	__u8 flags; /* enum tcp_flag */
	__u32 sources;
	double seconds;
	double rate; /* frames a second; 0: as many as it can */
	int cpu;     /* -1: any */
};

static const char usage[] =
	"usage: flood --to ADDRESS --to-mac MAC [option]... DEVICE\n"
	"  --source live|paced   live frames (the default: fast, takes the CPU) or a packet socket (sleeps)\n"
	"  --kind syn|ack|rst    what to send (syn)\n"
	"  --port PORT           destination port (80)\n"
	"  --from ADDRESS        the first source address (198.18.0.0 or 2001:2::)\n"
	"  --sources N           how many source addresses (100000)\n"
	"  --from-mac MAC        source MAC address (the device's)\n"
	"  --seconds S           how long (1)\n"
	"  --rate N              segments a second (0: as many as it can)\n"
	"  --cpu N               the CPU to run on (any)\n"
	"Prints what was sent, and the CPU time of this thread and of the CPU's ksoftirqd, as JSON.\n";

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

static __u8 parse_kind(const char *text)
{
	if (!strcmp(text, "syn"))
		return TCP_FLAG_SYN;
	if (!strcmp(text, "ack"))
		return TCP_FLAG_ACK;
	if (!strcmp(text, "rst"))
		return TCP_FLAG_RST;
	tool_wrong_usage("--kind is syn, ack or rst");
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
		o->flags = parse_kind(optarg);
		return;
	case 'p':
		o->port = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'n':
		o->sources = (__u32)tool_number(optarg, 1, 1 << 24, false);
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
		fputs(usage, stdout);
		exit(0);
	default:
		exit(2);
	}
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "source", 1, NULL, 's' },
					       { "kind", 1, NULL, 'k' },
					       { "port", 1, NULL, 'p' },
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
	if (argc - optind != 1 || !texts.to || !texts.to_mac)
		tool_wrong_usage("it takes one device, --to and --to-mac");
	o->device = argv[optind];
	o->family = parse_address(texts.to, o->to);
	if (!texts.from)
		texts.from = o->family == AF_INET ? "198.18.0.0" : "2001:2::";
	if (parse_address(texts.from, o->from) != o->family)
		tool_wrong_usage("--to and --from are of one family");
	parse_mac(texts.to_mac, o->to_mac);
	if (texts.from_mac)
		parse_mac(texts.from_mac, o->from_mac);
	else
		device_mac(o->device, o->from_mac);
}

/* --- the template ------------------------------------------------------------------------------------------------ */

/* Of length bytes, an even number, in memory order. */
static __u64 sum_bytes(const void *bytes, size_t length)
{
	__u64 sum = 0;
	__u16 word;

	for (size_t i = 0; i < length; i += sizeof(word)) {
		memcpy(&word, (const __u8 *)bytes + i, sizeof(word));
		sum += word;
	}
	return sum;
}

static void put_be16(__u8 *p, unsigned int value)
{
	p[0] = (__u8)(value >> 8);
	p[1] = (__u8)value;
}

/* Returns the length of the IP header, whose payload has tcp_bytes. */
static unsigned int write_ip(__u8 *ip, const struct options *o, unsigned int tcp_bytes)
{
	if (o->family == AF_INET) {
		ip[0] = 0x45; /* version, header words */
		put_be16(ip + 2, 20 + tcp_bytes);
		ip[6] = 0x40; /* do not fragment */
		ip[8] = 64;   /* time to live */
		ip[9] = IPPROTO_TCP;
		memcpy(ip + 12, o->from, 4);
		memcpy(ip + 16, o->to, 4);
		return 20;
	}
	ip[0] = 0x60;
	put_be16(ip + 4, tcp_bytes);
	ip[6] = IPPROTO_TCP;
	ip[7] = 64; /* hop limit */
	memcpy(ip + 8, o->from, 16);
	memcpy(ip + 24, o->to, 16);
	return 40;
}

/* Returns the length of the segment. Its options are those of a Linux SYN. */
static unsigned int write_tcp(__u8 *tcp, const struct options *o)
{
	static const __u8 syn_options[SYN_OPTION_BYTES] = { TCP_OPTION_MSS,
							    4,
							    1460 >> 8,
							    1460 & 0xff,
							    TCP_OPTION_SACK_PERMITTED,
							    2,
							    TCP_OPTION_TIMESTAMPS,
							    10,
							    0,
							    0,
							    0,
							    0,
							    0,
							    0,
							    0,
							    0,
							    TCP_OPTION_NOP,
							    TCP_OPTION_WSCALE,
							    3,
							    7 };
	unsigned int bytes = TCP_HEADER_BYTES;

	put_be16(tcp + 2, o->port);
	tcp[13] = o->flags;
	put_be16(tcp + 14, 64240); /* window */
	if (o->flags == TCP_FLAG_SYN) {
		memcpy(tcp + bytes, syn_options, sizeof(syn_options));
		bytes += sizeof(syn_options);
	}
	tcp[12] = (__u8)(bytes / 4 << 4);
	return bytes;
}

static void make_template(struct flood_template *t, const struct options *o)
{
	unsigned int address_bytes = o->family == AF_INET ? 4 : 16, ip_bytes, tcp_bytes;
	__u8 *frame = (__u8 *)t->words, *ip = frame + ETH_HLEN, *tcp = ip + (o->family == AF_INET ? 20 : 40);
	__be16 length, protocol = htons(IPPROTO_TCP);

	memcpy(frame, o->to_mac, ETH_ALEN);
	memcpy(frame + ETH_ALEN, o->from_mac, ETH_ALEN);
	put_be16(frame + 2 * ETH_ALEN, o->family == AF_INET ? ETH_P_IP : ETH_P_IPV6);
	tcp_bytes = write_tcp(tcp, o);
	ip_bytes = write_ip(ip, o, tcp_bytes);
	t->length = ETH_HLEN + ip_bytes + tcp_bytes;
	t->tcp_at = ETH_HLEN + ip_bytes;
	t->source_at = ETH_HLEN + (o->family == AF_INET ? 12 : 20);
	t->ip_checksum_at = o->family == AF_INET ? ETH_HLEN + 10 : 0;
	t->word_at = o->flags == TCP_FLAG_SYN ? t->tcp_at + 28 : o->flags == TCP_FLAG_ACK ? t->tcp_at + 8 : 0;
	t->first_source = get_be32(o->from + address_bytes - 4);
	t->sources = o->sources;

	memset(frame + t->source_at, 0, 4);
	length = htons((__u16)tcp_bytes);
	t->ip_sum = sum_bytes(ip, ip_bytes);
	t->tcp_sum =
		sum_bytes(tcp, tcp_bytes) + sum_bytes(tcp - 2 * address_bytes, 2 * address_bytes) + protocol + length;
}

/* --- the sources ------------------------------------------------------------------------------------------------- */

/* Returns how many frames it sent. */
static __u64 send_live(const struct options *o, const struct flood_config *config, double *started)
{
	struct bpf_object *object = tool_open_programs(config, sizeof(*config));
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = config->template.words, .data_size_in = config->template.length,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES, .repeat = LIVE_CHUNK);
	__u64 sent = 0;
	__u32 zero = 0;
	int program, variables;

	if (bpf_object__load(object))
		tool_fail("loading the program");
	program = bpf_program__fd(bpf_object__find_program_by_name(object, "flood_live"));
	variables = bpf_map__fd(bpf_object__find_map_by_name(object, ".bss"));
	*started = tool_seconds(CLOCK_MONOTONIC);
	tool_stop_after(o->seconds);
	do {
		if (bpf_prog_test_run_opts(program, &run) && errno != EINTR)
			tool_fail("running the program");
		bpf_map_lookup_elem(variables, &zero, &sent);
	} while (!tool_stopped);
	bpf_object__close(object);
	return sent;
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

/* Sleeps while the source is ahead of the rate; a little is let be, for a sleep is never short. */
static void wait_for_turn(const struct options *o, double started, __u64 sent)
{
	double ahead_s = o->rate ? started + (double)sent / o->rate - tool_seconds(CLOCK_MONOTONIC) : 0;

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
		wait_for_turn(o, *started, sent);
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
	struct options o = { .port = 80, .flags = TCP_FLAG_SYN, .sources = 100000, .seconds = 1, .cpu = -1 };
	struct flood_config config = {};
	double started, seconds, cpu_before, cpu_spent;
	__u64 sent;

	parse_options(argc, argv, &o);
	config.ifindex = if_nametoindex(o.device);
	if (!config.ifindex)
		tool_fail(o.device);
	config.interval_ns = o.rate ? (__u32)(1e9 / o.rate) : 0;
	config.first_frame = (__u64)(tool_seconds(CLOCK_REALTIME) * 1e9);
	make_template(&config.template, &o);
	if (o.cpu >= 0)
		tool_pin_cpu(o.cpu);
	tool_catch_signals();
	cpu_before = cpu_seconds(&o);
	sent = o.paced ? send_paced(&o, &config, &started) : send_live(&o, &config, &started);
	seconds = tool_seconds(CLOCK_MONOTONIC) - started;
	cpu_spent = cpu_seconds(&o) - cpu_before;
	printf("{\"sent\": %llu, \"seconds\": %.3f, \"per_second\": %.0f, \"cpu_seconds\": %.4f}\n",
	       (unsigned long long)sent, seconds, (double)sent / seconds, cpu_spent);
	return 0;
}
