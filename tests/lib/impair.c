// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * impair: a bad link. It carries every frame between two devices of its namespace, and drops, doubles and holds back
 * segments of TCP by chance, which a seed repeats. Kernels without netem have nothing else of the kind.
 *
 * It reads frames as they are on the wire, so the ends must compute checksums and cut segments themselves
 * (ethtool -K DEVICE tx off tso off gso off). At its end it prints what it did, for each direction.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include "base.h"
#include "tool.h"

#define FRAME_MAX_BYTES 9216 /* a jumbo frame */
#define BATCH 64
#define HELD_MAX 4096 /* that wait in one direction; beyond it nothing is held back */
#define BUFFER_BYTES (64 << 20)

static const char usage[] =
	"usage: impair [--drop PERCENT] [--duplicate PERCENT] [--hold PERCENT] [--hold-ms TIME] [--seed N] DEVICE "
	"DEVICE\n"
	"A frame that is held back leaves TIME (2) milliseconds later, behind others. Says \"ready\", ends on SIGTERM "
	"or\n"
	"SIGINT, and prints what it did as JSON: a list of two, in the direction of the devices and back.\n";

struct frame {
	double due; /* CLOCK_MONOTONIC, seconds */
	size_t bytes;
	__u8 at[FRAME_MAX_BYTES];
};

struct counts {
	unsigned long segments, dropped, duplicated, held;
	unsigned long other; /* frames that are not TCP: carried, nothing else */
};

/* One way: what comes from a device and goes to the other. */
struct way {
	int from, to; /* sockets */
	__u64 chance;
	struct frame *held; /* a ring, in order of due */
	unsigned int head, count;
	struct counts counts;
};

static struct {
	double drop, duplicate, hold; /* 0..1 */
	double hold_seconds;
} settings = { .hold_seconds = 0.002 };

/* A random number below 1 (splitmix64). */
static double draw(struct way *way)
{
	__u64 z = way->chance += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static bool is_tcp(const __u8 *frame, size_t bytes)
{
	if (bytes < ETH_HLEN + 40)
		return false;
	switch (get_be16(frame + 12)) {
	case ETH_P_IP:
		return frame[ETH_HLEN + 9] == IPPROTO_TCP;
	case ETH_P_IPV6:
		return frame[ETH_HLEN + 6] == IPPROTO_TCP;
	default:
		return false;
	}
}

/* A device that takes no frame now is a full queue: the frame is lost, as on a link. */
static void send_frame(const struct way *way, const __u8 *frame, size_t bytes)
{
	if (send(way->to, frame, bytes, 0) < 0 && errno != ENOBUFS && errno != EAGAIN && errno != ENETDOWN)
		tool_fail("sending");
}

static void hold_back(struct way *way, const __u8 *frame, size_t bytes)
{
	struct frame *held = &way->held[(way->head + way->count++) % HELD_MAX];

	held->due = tool_seconds(CLOCK_MONOTONIC) + settings.hold_seconds;
	held->bytes = bytes;
	memcpy(held->at, frame, bytes);
	way->counts.held++;
}

static void carry(struct way *way, const __u8 *frame, size_t bytes)
{
	if (!is_tcp(frame, bytes)) {
		way->counts.other++;
		send_frame(way, frame, bytes);
		return;
	}
	way->counts.segments++;
	if (draw(way) < settings.drop) {
		way->counts.dropped++;
		return;
	}
	if (draw(way) < settings.duplicate) {
		way->counts.duplicated++;
		send_frame(way, frame, bytes);
	}
	if (draw(way) < settings.hold && way->count < HELD_MAX)
		hold_back(way, frame, bytes);
	else
		send_frame(way, frame, bytes);
}

static void release_due(struct way *way)
{
	while (way->count && way->held[way->head].due <= tool_seconds(CLOCK_MONOTONIC)) {
		send_frame(way, way->held[way->head].at, way->held[way->head].bytes);
		way->head = (way->head + 1) % HELD_MAX;
		way->count--;
	}
}

static void carry_what_came(struct way *way)
{
	static __u8 frames[BATCH][FRAME_MAX_BYTES];
	static struct iovec vectors[BATCH];
	static struct mmsghdr messages[BATCH];
	int count;

	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ frames[i], FRAME_MAX_BYTES };
		messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &vectors[i], .msg_iovlen = 1 } };
	}
	count = recvmmsg(way->from, messages, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < count; i++)
		carry(way, frames[i], messages[i].msg_len);
}

static int open_device(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex(device) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, bytes = BUFFER_BYTES;

	if (fd < 0 || !address.sll_ifindex)
		tool_fail(device);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		tool_fail(device);
	return fd;
}

static void init_way(struct way *way, int from, int to, __u64 seed)
{
	*way = (struct way){ .from = from, .to = to, .chance = seed, .held = calloc(HELD_MAX, sizeof(struct frame)) };
	if (!way->held)
		tool_fail("memory");
}

static void run(struct way *ways)
{
	struct pollfd polled[2] = { { .fd = ways[0].from, .events = POLLIN },
				    { .fd = ways[1].from, .events = POLLIN } };

	while (!tool_stopped) {
		/* Looked at each quarter of a millisecond while something is held back. */
		struct timespec soon = { .tv_nsec = 250000 };

		if (ppoll(polled, 2, ways[0].count || ways[1].count ? &soon : NULL, NULL) < 0 && errno != EINTR)
			tool_fail("waiting");
		for (int i = 0; i < 2; i++) {
			release_due(&ways[i]);
			carry_what_came(&ways[i]);
		}
	}
}

static void print_counts(struct way *way, const char *before, const char *after)
{
	struct tpacket_stats statistics = {};
	socklen_t length = sizeof(statistics);

	if (getsockopt(way->from, SOL_PACKET, PACKET_STATISTICS, &statistics, &length))
		tool_fail("statistics");
	printf("%s{\"segments\": %lu, \"dropped\": %lu, \"duplicated\": %lu, \"held\": %lu, \"other\": %lu, "
	       "\"overrun\": %u}%s",
	       before, way->counts.segments, way->counts.dropped, way->counts.duplicated, way->counts.held,
	       way->counts.other, statistics.tp_drops, after);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "drop", 1, NULL, 'd' },
		{ "duplicate", 1, NULL, 'u' },
		{ "hold", 1, NULL, 'o' },
		{ "hold-ms", 1, NULL, 'm' },
		{ "seed", 1, NULL, 's' },
		{ "help", 0, NULL, 'h' },
		{},
	};
	struct way ways[2];
	__u64 seed = 1;
	int option, fds[2];

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'd':
			settings.drop = tool_number(optarg, 0, 100, true) / 100;
			break;
		case 'u':
			settings.duplicate = tool_number(optarg, 0, 100, true) / 100;
			break;
		case 'o':
			settings.hold = tool_number(optarg, 0, 100, true) / 100;
			break;
		case 'm':
			settings.hold_seconds = tool_number(optarg, 0, 10000, true) / 1000;
			break;
		case 's':
			seed = (__u64)tool_number(optarg, 0, 1e15, false);
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	if (argc - optind != 2)
		tool_wrong_usage("two devices are needed");
	for (int i = 0; i < 2; i++)
		fds[i] = open_device(argv[optind + i]);
	init_way(&ways[0], fds[0], fds[1], seed);
	init_way(&ways[1], fds[1], fds[0], ~seed);
	tool_catch_signals();
	puts("ready");
	fflush(stdout);
	run(ways);
	print_counts(&ways[0], "[", ", ");
	print_counts(&ways[1], "", "]\n");
	return 0;
}
