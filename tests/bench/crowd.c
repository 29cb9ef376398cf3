// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * crowd: any number of clients without a socket (crowd.h), by commands from standard input:
 *
 *   open N      opens connections 0 to N-1, has a byte echoed on each, and leaves them
 *   probe N     asks N of those that were opened, from all over, whether they are there
 *   close N     closes connections 0 to N-1
 *   take N      opens N others, takes what comes, and closes each when the server has closed it
 *   echo S      opens connections, sends a byte, closes when it has come back, for S seconds
 *
 * Each is answered by a line of JSON: what became of them, and what CPU time other tasks took in the meantime.
 *
 * A window of connections is under way at a time. What has not come back when nothing has come for a while is lost:
 * nothing is sent again. What the server repeats is counted again.
 */
#include "crowd.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "checksum.h"
#include "cpu_time.h"
#include "judge.h"
#include "population.h"

#define BATCH 16
#define WINDOW 64	    /* each has two frames under way at times, and a veth's ring takes 256 */
#define PATIENCE_S 1	    /* until what has not come is lost */
#define LIMIT_S 60	    /* of a command */
#define LOOK_INTERVAL_US 50 /* while the window is full */
#define SYN_MSS 1460
#define PROBE_STRIDE 1000003 /* a prime: none is asked twice */
#define FIRST_TO_GO (POPULATION_MAX / 2)

struct crowd {
	const char *device;
	int ifindex;
	int packet_fd;
	__u8 macs[2 * ETH_ALEN]; /* as they stand in a frame */
	struct crowd_config config;
	volatile struct crowd_variables *variables; /* the program's */
	struct cpu_time_tasks tasks;
	__u32 opened;
	__u32 gone; /* of those that come and go */
};

static const char usage[] =
	"usage: crowd --to ADDRESS --to-mac MAC [--port PORT] [--cpu N] [--task PID]... DEVICE\n"
	"Reads commands: open N, probe N, close N, echo SECONDS; answers each with a line of JSON.\n";

/* --- the first segment of each --------------------------------------------------------------------------------------
 */

/* Of a connection by its number: a SYN, or, out of the window by one, what has to be acknowledged. Its length. */
static size_t write_first(const struct crowd *c, __u8 *frame, __u32 number, bool is_syn)
{
	const __u8 mss[] = { 2, 4, SYN_MSS >> 8, SYN_MSS & 0xff };
	__u32 tcp_bytes = is_syn ? 24 : 20;
	__u8 *ip = frame + ETH_HLEN, *tcp = ip + 20;
	__be32 remote = population_remote(number);
	__be16 port = htons(population_remote_port(number));
	__be32 seq = htonl(crowd_isn(remote, port) + (is_syn ? 0 : CROWD_TAKEN_OPEN - 1));
	__u16 sum;

	memset(frame, 0, CROWD_SYN_BYTES);
	memcpy(frame, c->macs, sizeof(c->macs));
	memcpy(frame + 2 * ETH_ALEN, &(__be16){ htons(ETH_P_IP) }, 2);
	memcpy(ip, (const __u8[]){ 0x45, 0, 0, (__u8)(20 + tcp_bytes), 0, 0, 0x40, 0, 64, IPPROTO_TCP }, 10);
	memcpy(ip + 12, &remote, 4);
	memcpy(ip + 16, &c->config.server, 4);
	sum = checksum_fold(checksum_add_words(0, ip, 5));
	memcpy(ip + 10, &sum, 2);
	memcpy(tcp, &port, 2);
	memcpy(tcp + 2, &c->config.port, 2);
	memcpy(tcp + 4, &seq, 4);
	tcp[12] = (__u8)(tcp_bytes / 4 << 4);
	tcp[13] = is_syn ? TCP_FLAG_SYN : TCP_FLAG_ACK;
	tcp[14] = tcp[15] = 0xff; /* window */
	if (is_syn)
		memcpy(tcp + 20, mss, sizeof(mss));
	sum = checksum_fold(checksum_add_words((__u64)remote + c->config.server + htons(IPPROTO_TCP) + htons(tcp_bytes),
					       tcp, (int)tcp_bytes / 4));
	memcpy(tcp + 16, &sum, 2);
	return ETH_HLEN + 20 + tcp_bytes;
}

static __u32 send_batch(const struct crowd *c, const __u32 *numbers, __u32 count, bool is_syn)
{
	__u8 frames[BATCH][CROWD_SYN_BYTES];
	struct mmsghdr messages[BATCH] = {};
	struct iovec vectors[BATCH];
	int sent;

	for (__u32 i = 0; i < count; i++) {
		vectors[i] = (struct iovec){ frames[i], write_first(c, frames[i], numbers[i], is_syn) };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &vectors[i], .msg_iovlen = 1 };
	}
	sent = sendmmsg(c->packet_fd, messages, count, 0);
	if (sent < 0 && errno != ENOBUFS && errno != EINTR)
		tool_fail("sending");
	return sent < 0 ? 0 : (__u32)sent;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static __u32 number_of(struct crowd *c, enum crowd_way way, __u32 i)
{
	if (way == CROWD_PROBE)
		return (__u32)((__u64)i * PROBE_STRIDE % c->opened);
	return way == CROWD_ECHO || way == CROWD_TAKE ? FIRST_TO_GO + c->gone++ % (POPULATION_MAX - FIRST_TO_GO) : i;
}

static bool begins_with_syn(enum crowd_way way)
{
	return way == CROWD_OPEN || way == CROWD_ECHO || way == CROWD_TAKE;
}

static __u64 done(const struct crowd *c, enum crowd_way way)
{
	const volatile struct crowd_variables *v = c->variables;

	return way == CROWD_OPEN ? v->opened : way == CROWD_PROBE ? v->answered : v->closed;
}

/* Has count connections go a way, or as many as seconds allow; how many were begun. */
static __u64 go(struct crowd *c, enum crowd_way way, __u64 count, double seconds)
{
	double now = tool_seconds(CLOCK_MONOTONIC), ends = now + seconds, progress = now;
	__u64 begun = 0, lost = 0, ended = 0;

	while (now < ends && !tool_stopped && ended + lost < count) {
		__u64 gone = ended + lost < begun ? ended + lost : begun, left = count - begun;
		__u64 room = WINDOW - (begun - gone);
		__u32 numbers[BATCH], batch = (__u32)(room < left ? room : left);

		if (batch >= BATCH || (batch && batch == left)) {
			batch = batch < BATCH ? batch : BATCH;
			for (__u32 i = 0; i < batch; i++)
				numbers[i] = number_of(c, way, (__u32)begun + i);
			begun += send_batch(c, numbers, batch, begins_with_syn(way));
		} else {
			usleep(LOOK_INTERVAL_US);
		}
		now = tool_seconds(CLOCK_MONOTONIC);
		if (done(c, way) + c->variables->reset != ended) {
			ended = done(c, way) + c->variables->reset;
			progress = now;
		} else if (now - progress > PATIENCE_S) {
			lost = begun > ended ? begun - ended : 0;
			progress = now;
		}
	}
	return begun;
}

static void obey(struct crowd *c, const char *command, double argument)
{
	static const char *const names[] = {
		[CROWD_OPEN] = "open", [CROWD_PROBE] = "probe", [CROWD_CLOSE] = "close",
		[CROWD_ECHO] = "echo", [CROWD_TAKE] = "take",
	};
	__u64 before[CPU_TIME_TASKS_MAX], begun;
	enum crowd_way way = CROWD_OPEN;

	while (way < ARRAY_LEN(names) && strcmp(names[way], command))
		way++;
	if (way == ARRAY_LEN(names))
		tool_wrong_usage("there is no such command");
	*(struct crowd_variables *)c->variables = (struct crowd_variables){ .way = way };
	cpu_time_read(&c->tasks, before);
	if (way == CROWD_ECHO)
		begun = go(c, way, POPULATION_MAX, argument);
	else
		begun = go(c, way, (__u64)argument, LIMIT_S);
	if (way == CROWD_OPEN)
		c->opened = (__u32)argument;
	printf("{\"begun\": %llu, \"done\": %llu, \"reset\": %llu, \"cpu_seconds\": ", (unsigned long long)begun,
	       (unsigned long long)done(c, way), (unsigned long long)c->variables->reset);
	cpu_time_print_since(&c->tasks, before);
	printf("}\n");
	fflush(stdout);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void parse_options(int argc, char **argv, struct crowd *c)
{
	static const struct option longs[] = { { "to", 1, NULL, 'd' },
					       { "to-mac", 1, NULL, 'm' },
					       { "port", 1, NULL, 'p' },
					       { "cpu", 1, NULL, 'c' },
					       { "task", 1, NULL, 't' },
					       { "help", 0, NULL, 'h' },
					       {} };
	__u8 *m = c->macs;
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'd':
			if (inet_pton(AF_INET, optarg, &c->config.server) != 1)
				tool_wrong_usage("--to is an IPv4 address");
			break;
		case 'm':
			if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
				tool_wrong_usage("--to-mac is a MAC address");
			break;
		case 'p':
			c->config.port = htons((__u16)tool_number(optarg, 1, 65535, false));
			break;
		case 'c':
			tool_pin_cpu((int)tool_number(optarg, 0, CPU_SETSIZE - 1, false));
			break;
		case 't':
			cpu_time_add(&c->tasks, optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 1 || !c->config.server)
		tool_wrong_usage("it takes --to, --to-mac and a device");
	c->device = argv[optind];
}

static void open_packet_socket(struct crowd *c)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET };
	struct ifreq request = {};
	int one = 1;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", c->device);
	c->packet_fd = socket(AF_PACKET, SOCK_RAW, 0); /* protocol 0: receives nothing */
	if (c->packet_fd < 0 || ioctl(c->packet_fd, SIOCGIFHWADDR, &request))
		tool_fail(c->device);
	memcpy(c->macs + ETH_ALEN, request.ifr_hwaddr.sa_data, ETH_ALEN);
	c->ifindex = address.sll_ifindex = (int)if_nametoindex(c->device);
	if (setsockopt(c->packet_fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    bind(c->packet_fd, (struct sockaddr *)&address, sizeof(address)))
		tool_fail("packet socket");
}

static struct bpf_object *attach(struct crowd *c)
{
	struct bpf_object *object = tool_open_programs(&c->config, sizeof(c->config));

	if (bpf_object__load(object))
		tool_fail("loading the program");
	c->variables = mmap(NULL, sizeof(*c->variables), PROT_READ | PROT_WRITE, MAP_SHARED,
			    bpf_map__fd(bpf_object__find_map_by_name(object, ".bss")), 0);
	if (c->variables == MAP_FAILED)
		tool_fail("the program's variables");
	if (bpf_xdp_attach(c->ifindex, bpf_program__fd(bpf_object__find_program_by_name(object, "crowd")),
			   XDP_FLAGS_DRV_MODE, NULL))
		tool_fail("attaching the program");
	return object;
}

int main(int argc, char **argv)
{
	struct crowd c = { .config.port = htons(7) };
	struct bpf_object *object;
	char command[16];
	double argument;

	parse_options(argc, argv, &c);
	open_packet_socket(&c);
	object = attach(&c);
	tool_catch_signals();
	while (!tool_stopped && scanf("%15s %lf", command, &argument) == 2)
		obey(&c, command, argument);
	bpf_object__close(object);
	return 0;
}
