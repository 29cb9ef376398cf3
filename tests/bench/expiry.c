// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * expiry: when records of the fill tool leave the table, beside their deadlines. It looks for some of them, again and
 * again from their deadlines on, as anybody can who looks into the map: whatever takes them away is not asked.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <getopt.h>

#include "population.h"
#include "tool.h"

#define LOOK_INTERVAL_US 1000

struct options {
	struct in_addr local;
	__u16 port;
	__u32 flows;
	__u32 every;
	double seconds;
	int cpu; /* -1: any */
	const char *map;
};

struct watched {
	struct flow4_key key;
	__u64 deadline_ns;
};

static const char usage[] =
	"usage: expiry --local ADDRESS [option]... MAP\n"
	"  --port PORT    of this end (80)\n"
	"  --flows N      those numbered from 0 to N-1 (1000000)\n"
	"  --every N      every Nth of them is watched (100)\n"
	"  --seconds S    the longest that it waits behind a deadline (60)\n"
	"  --cpu N        the CPU to run on (any)\n"
	"Prints how late they went, milliseconds, as JSON: \"left\" are those that have not gone.\n";

static void take_option(struct options *o, int option)
{
	switch (option) {
	case 'l':
		if (inet_pton(AF_INET, optarg, &o->local) != 1)
			tool_wrong_usage("--local is an IPv4 address");
		return;
	case 'p':
		o->port = (__u16)tool_number(optarg, 1, 65535, false);
		return;
	case 'n':
		o->flows = (__u32)tool_number(optarg, 1, POPULATION_MAX, false);
		return;
	case 'e':
		o->every = (__u32)tool_number(optarg, 1, POPULATION_MAX, false);
		return;
	case 's':
		o->seconds = tool_number(optarg, 0, 3600, true);
		return;
	case 'c':
		o->cpu = (int)tool_number(optarg, 0, CPU_SETSIZE - 1, false);
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
	static const struct option longs[] = { { "local", 1, NULL, 'l' },   { "port", 1, NULL, 'p' },
					       { "flows", 1, NULL, 'n' },   { "every", 1, NULL, 'e' },
					       { "seconds", 1, NULL, 's' }, { "cpu", 1, NULL, 'c' },
					       { "help", 0, NULL, 'h' },    {} };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1)
		take_option(o, option);
	if (argc - optind != 1 || !o->local.s_addr)
		tool_wrong_usage("it takes --local and a map");
	o->map = argv[optind];
}

static __u64 now_ns(void)
{
	return (__u64)(tool_seconds(CLOCK_MONOTONIC) * 1e9);
}

static __u32 choose(const struct options *o, int map, struct watched *watched)
{
	__u32 count = 0;

	for (__u32 number = 0; number < o->flows; number += o->every) {
		struct tuple t = {
			.remote = { population_remote(number) },
			.local = { o->local.s_addr },
			.remote_port = population_remote_port(number),
			.local_port = o->port,
		};
		struct watched *w = &watched[count++];
		struct flow flow;

		flow4_key_from_tuple(&w->key, &t);
		if (bpf_map_lookup_elem(map, &w->key, &flow))
			tool_fail("a record that was to be watched");
		w->deadline_ns = flow.deadline_ns;
	}
	return count;
}

/* Looks for those whose time has come, and forgets those that have gone. Returns how many are left. */
static __u32 look(int map, struct watched *watched, __u32 count, double *late_ms, __u32 *gone)
{
	__u32 left = 0;

	for (__u32 i = 0; i < count; i++) {
		struct watched w = watched[i];
		struct flow flow;
		__u64 now = now_ns();

		if (w.deadline_ns <= now && bpf_map_lookup_elem(map, &w.key, &flow))
			late_ms[(*gone)++] = (double)(now - w.deadline_ns) / 1e6;
		else
			watched[left++] = w;
	}
	return left;
}

static int compare(const void *left, const void *right)
{
	double l = *(const double *)left, r = *(const double *)right;

	return (l > r) - (l < r);
}

/* That of sorted values below which such a part of them is; null where there is none. */
static void print_percentile(const char *name, const double *sorted, __u32 count, double part)
{
	if (count)
		printf(", \"%s\": %.3f", name, sorted[(__u32)(part * (count - 1))]);
	else
		printf(", \"%s\": null", name);
}

int main(int argc, char **argv)
{
	struct options o = { .port = 80, .flows = 1000000, .every = 100, .seconds = 60, .cpu = -1 };
	__u32 count, left, gone = 0;
	struct watched *watched;
	double *late_ms;
	__u64 end_ns;
	int map;

	parse_options(argc, argv, &o);
	if (o.cpu >= 0)
		tool_pin_cpu(o.cpu);
	map = bpf_obj_get(o.map);
	watched = calloc(o.flows / o.every + 1, sizeof(*watched));
	late_ms = calloc(o.flows / o.every + 1, sizeof(*late_ms));
	if (map < 0 || !watched || !late_ms)
		tool_fail(o.map);
	left = count = choose(&o, map, watched);
	end_ns = watched[count - 1].deadline_ns + (__u64)(o.seconds * 1e9);
	tool_catch_signals();
	while (!tool_stopped && (left = look(map, watched, left, late_ms, &gone)) && now_ns() < end_ns)
		usleep(LOOK_INTERVAL_US);
	qsort(late_ms, gone, sizeof(*late_ms), compare);
	printf("{\"watched\": %u, \"left\": %u", count, left);
	print_percentile("p50", late_ms, gone, 0.5);
	print_percentile("p99", late_ms, gone, 0.99);
	print_percentile("max", late_ms, gone, 1);
	printf("}\n");
	free(late_ms);
	free(watched);
	close(map);
	return 0;
}
