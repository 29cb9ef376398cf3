// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * bulk: a client that sends or receives as fast as it can, and says how much, and what CPU time other tasks took in the
 * meantime.
 */
#include "base.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "cpu_time.h"

#define CHUNK_BYTES (256 << 10)
#define WARM_UP_S 0.3
/* What may be under way, with what the kernel keeps beside it: a veth's ring of 256 frames is not to overflow, for what
 * is lost says how busy the machine is, not what a segment costs. */
#define BUFFER_BYTES (128 << 10)

struct options {
	struct sockaddr_storage to;
	socklen_t to_bytes;
	bool sends;
	double seconds;
	struct cpu_time_tasks tasks;
};

static const char usage[] =
	"usage: bulk send|receive [--seconds S] [--cpu N] [--task PID]... ADDRESS PORT\n"
	"Prints bytes, seconds and each task's CPU time as JSON, of the S (1) seconds after a moment to get going.\n";

static void parse_target(struct options *o, const char *address, const char *port)
{
	struct sockaddr_in *ipv4 = (struct sockaddr_in *)&o->to;
	struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&o->to;
	__be16 network_port = htons((__u16)tool_number(port, 1, 65535, false));

	if (inet_pton(AF_INET, address, &ipv4->sin_addr) == 1) {
		ipv4->sin_family = AF_INET;
		ipv4->sin_port = network_port;
		o->to_bytes = sizeof(*ipv4);
	} else if (inet_pton(AF_INET6, address, &ipv6->sin6_addr) == 1) {
		ipv6->sin6_family = AF_INET6;
		ipv6->sin6_port = network_port;
		o->to_bytes = sizeof(*ipv6);
	} else {
		tool_wrong_usage("an address is IPv4 or IPv6, in numbers");
	}
}

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "seconds", 1, NULL, 's' },
					       { "cpu", 1, NULL, 'c' },
					       { "task", 1, NULL, 't' },
					       { "help", 0, NULL, 'h' },
					       {} };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 's':
			o->seconds = tool_number(optarg, 0.001, 3600, true);
			break;
		case 'c':
			tool_pin_cpu((int)tool_number(optarg, 0, CPU_SETSIZE - 1, false));
			break;
		case 't':
			cpu_time_add(&o->tasks, optarg);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 3 || (strcmp(argv[optind], "send") && strcmp(argv[optind], "receive")))
		tool_wrong_usage("it takes a direction, an address and a port");
	o->sends = !strcmp(argv[optind], "send");
	parse_target(o, argv[optind + 1], argv[optind + 2]);
}

/* Moves text for some seconds; how many bytes. */
static __u64 move(const struct options *o, int fd, double seconds)
{
	static char chunk[CHUNK_BYTES];
	double ends = tool_seconds(CLOCK_MONOTONIC) + seconds;
	__u64 sum = 0;

	while (tool_seconds(CLOCK_MONOTONIC) < ends) {
		ssize_t moved = o->sends ? send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL)
					 : recv(fd, NULL, sizeof(chunk), MSG_TRUNC); /* thrown away, not copied */

		if (moved <= 0)
			tool_fail("the connection");
		sum += (__u64)moved;
	}
	return sum;
}

int main(int argc, char **argv)
{
	const struct timeval timeout = { .tv_sec = 5 };
	const int buffer_bytes = BUFFER_BYTES;
	struct options o = { .seconds = 1 };
	__u64 before[CPU_TIME_TASKS_MAX], bytes;
	double started;
	int fd;

	parse_options(argc, argv, &o);
	fd = socket(o.to.ss_family, SOCK_STREAM, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes)) ||
	    connect(fd, (const struct sockaddr *)&o.to, o.to_bytes))
		tool_fail("connecting");
	move(&o, fd, WARM_UP_S);
	cpu_time_read(&o.tasks, before);
	started = tool_seconds(CLOCK_MONOTONIC);
	bytes = move(&o, fd, o.seconds);
	printf("{\"bytes\": %llu, \"seconds\": %.6f, \"cpu_seconds\": ", (unsigned long long)bytes,
	       tool_seconds(CLOCK_MONOTONIC) - started);
	cpu_time_print_since(&o.tasks, before);
	printf("}\n");
	return 0;
}
