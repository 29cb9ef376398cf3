// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fill: puts the records of many established connections (population.h) into a loaded device's table of IPv4 flows,
 * thousands a system call, and their bits into its presence filter, as the programs would. There are no sockets behind
 * them.
 */
#include "population.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <getopt.h>

#include "config.h"
#include "tool.h"

#define BATCH 4096
#define LIFETIME_MS 86400000
#define OVER_MS_MAX 3600000

struct options {
	__u32 first;
	__u32 flows;
	__u64 lifetime_ns;
	__u64 over_ns;
	struct in_addr local;
	__u16 port;
	const char *pin_dir;
};

static const char usage[] = "usage: fill --local ADDRESS [option]... PIN_DIRECTORY\n"
			    "  --port PORT    of this end (80)\n"
			    "  --first N      the number of the first (0)\n"
			    "  --flows N      how many (1000000)\n"
			    "  --lifetime MS  after which the first expires (a day)\n"
			    "  --over MS      how much later the last does (0)\n"
			    "Puts established IPv4 flows into PIN_DIRECTORY/flows4.\n";

static void parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = { { "local", 1, NULL, 'l' },    { "port", 1, NULL, 'p' },
					       { "first", 1, NULL, 'f' },    { "flows", 1, NULL, 'n' },
					       { "lifetime", 1, NULL, 't' }, { "over", 1, NULL, 'o' },
					       { "help", 0, NULL, 'h' },     {} };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 'l':
			if (inet_pton(AF_INET, optarg, &o->local) != 1)
				tool_wrong_usage("--local is an IPv4 address");
			break;
		case 'p':
			o->port = (__u16)tool_number(optarg, 1, 65535, false);
			break;
		case 'f':
			o->first = (__u32)tool_number(optarg, 0, POPULATION_MAX - 1, false);
			break;
		case 't':
			o->lifetime_ns = (__u64)tool_number(optarg, 1, LIFETIME_MS, false) * NSEC_PER_MSEC;
			break;
		case 'o':
			o->over_ns = (__u64)tool_number(optarg, 0, OVER_MS_MAX, false) * NSEC_PER_MSEC;
			break;
		case 'n':
			o->flows = (__u32)tool_number(optarg, 1, POPULATION_MAX, false);
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (argc - optind != 1 || !o->local.s_addr)
		tool_wrong_usage("it takes --local and a directory");
	if (o->first + o->flows > POPULATION_MAX)
		tool_wrong_usage("so many numbers there are not");
	o->pin_dir = argv[optind];
}

static struct flow established_flow(const struct tuple *t, __u64 now_ns, __u64 deadline_ns)
{
	return (struct flow){
		.tag = flow_tag(t),
		.state = TCPS_ESTABLISHED,
		.owner = FLOW_OWNER_KERNEL,
		.flags = FLOW_COOKIE | FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS,
		.snd_wscale = POPULATION_WSCALE,
		.rcv_wscale = POPULATION_WSCALE,
		.mss = 1460,
		.irs = POPULATION_IRS,
		.iss = POPULATION_ISS,
		.rcv_nxt = POPULATION_IRS + 1,
		.rcv_wup = POPULATION_IRS + 1,
		.rcv_edge = POPULATION_IRS + 1 + (0xffffU << POPULATION_WSCALE),
		.snd_nxt = POPULATION_ISS + 1,
		.snd_una = POPULATION_ISS + 1,
		.rcv_wnd = 0xffff,
		.snd_wnd = 0xffff,
		.rcv_tsval = POPULATION_TSVAL,
		.snd_tsval = POPULATION_TSVAL,
		.rcv_packets = 1,
		.snd_packets = 1,
		.deadline_ns = deadline_ns,
		.born_s = (__u32)(now_ns / NSEC_PER_SEC),
		.rcv_seen_ms = (__u32)(now_ns / NSEC_PER_MSEC),
	};
}

static struct tuple tuple_of(const struct options *o, __u32 number)
{
	return (struct tuple){
		.remote = { population_remote(number) },
		.local = { o->local.s_addr },
		.remote_port = population_remote_port(number),
		.local_port = o->port,
		.family = FAMILY_IPV4,
	};
}

static void put_records(const struct options *o)
{
	static struct flow4_key keys[BATCH];
	static struct flow flows[BATCH];
	__u64 now_ns = (__u64)(tool_seconds(CLOCK_MONOTONIC) * 1e9);
	int map = tool_open_pin(o->pin_dir, "flows4");

	for (__u32 done = 0; done < o->flows; done += BATCH) {
		__u32 count = o->flows - done < BATCH ? o->flows - done : BATCH;

		for (__u32 i = 0; i < count; i++) {
			__u64 deadline_ns = now_ns + o->lifetime_ns + o->over_ns * (done + i) / o->flows;
			struct tuple t = tuple_of(o, o->first + done + i);

			flow4_key_from_tuple(&keys[i], &t);
			flows[i] = established_flow(&t, now_ns, deadline_ns);
		}
		if (bpf_map_update_batch(map, keys, flows, &count, NULL))
			tool_fail("writing the records");
	}
	close(map);
}

/* In both bitmaps that take turns. No traffic may set bits meanwhile. */
static void mark_presence(const struct options *o)
{
	int map = tool_open_pin(o->pin_dir, "presence"), config_map = tool_open_pin(o->pin_dir, "config");
	struct config config;
	__u32 zero = 0, count, next, *indices;
	__u64 *words;

	if (bpf_map_lookup_elem(config_map, &zero, &config))
		tool_fail("reading the configuration");
	count = 2 * config.presence_words;
	indices = calloc(count, sizeof(*indices));
	words = calloc(count, sizeof(*words));
	if (!indices || !words || bpf_map_lookup_batch(map, NULL, &next, indices, words, &count, NULL))
		tool_fail("reading the presence filter");
	for (__u32 number = o->first; number < o->first + o->flows; number++) {
		struct tuple t = tuple_of(o, number);
		__u64 hash = presence_hash(&config.presence_key, &t);
		__u32 index = presence_word_index(hash, config.presence_words);

		words[index] |= presence_bits(hash);
		words[index + config.presence_words] |= presence_bits(hash);
	}
	if (bpf_map_update_batch(map, indices, words, &count, NULL))
		tool_fail("writing the presence filter");
	free(words);
	free(indices);
	close(config_map);
	close(map);
}

int main(int argc, char **argv)
{
	struct options o = { .flows = 1000000, .port = 80, .lifetime_ns = LIFETIME_MS * NSEC_PER_MSEC };

	parse_options(argc, argv, &o);
	put_records(&o);
	mark_presence(&o);
	return 0;
}
