// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sink: attaches one of the roles of sink.bpf.c to a device, and reads what it counted.
 *
 * Nothing is pinned: a program stays as long as its device, and its counters are found through it.
 */
#include "sink.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <getopt.h>
#include <linux/if_link.h>
#include <net/if.h>

#include "tool.h"

static const char usage[] = "usage: sink attach ROLE [option]... DEVICE\n"
			    "       sink detach DEVICE\n"
			    "       sink counters DEVICE\n"
			    "Roles, each an XDP program in the driver, count-tc a filter of clsact ingress:\n"
			    "  count, count-tc   count what goes to the spoofed prefixes, and drop it\n"
			    "  complete          the same, but answer SYN-ACKs, and be silent on the connection\n"
			    "  pass              nothing: a veth takes frames of XDP only if it has a program\n"
			    "  drop              drop what comes from the spoofed prefixes\n"
			    "  swap              send SYNs of the spoofed prefixes back, their ends swapped\n"
			    "  --ipv4 PREFIX     (198.18.0.0/15)\n"
			    "  --ipv6 PREFIX     (2001:2::/48)\n"
			    "  --window BYTES    that a completed connection offers (65535)\n"
			    "  --text            let it begin with four bytes of text, if it has timestamps\n";

static const struct role {
	const char *name;
	const char *program;
} roles[] = {
	{ "count", "count_xdp" }, { "count-tc", "count_tc" }, { "complete", "complete_xdp" },
	{ "pass", "pass_xdp" },	  { "drop", "drop_xdp" },     { "swap", "swap_xdp" },
};

/* The place of the one filter that count-tc is. */
#define TC_PLACE .handle = 1, .priority = 1

static const struct role *find_role(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		if (!strcmp(roles[i].name, name))
			return &roles[i];
	}
	tool_wrong_usage("there is no such role");
}

/* ADDRESS/LENGTH into network and mask, of words 32-bit words. */
static void parse_prefix(const char *text, int family, __be32 *network, __be32 *mask, int words)
{
	char address[INET6_ADDRSTRLEN];
	int length;

	if (sscanf(text, "%45[^/]/%d", address, &length) != 2 || length < 0 || length > 32 * words ||
	    inet_pton(family, address, network) != 1)
		tool_wrong_usage("a prefix is ADDRESS/LENGTH");
	for (int i = 0; i < words; i++) {
		int bits = length - 32 * i;

		mask[i] = net32(bits >= 32 ? ~0U : bits <= 0 ? 0 : ~(~0U >> bits));
		network[i] &= mask[i];
	}
}

static int device_index(const char *device)
{
	int ifindex = (int)if_nametoindex(device);

	if (!ifindex)
		tool_fail(device);
	return ifindex;
}

static void attach(const struct role *role, const struct sink_config *config, const char *device)
{
	struct bpf_object *object = tool_open_programs(config, sizeof(*config));
	int ifindex = device_index(device), fd;
	struct bpf_program *program;

	bpf_object__for_each_program (program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), role->program));
	if (bpf_object__load(object))
		tool_fail("loading the program");
	fd = bpf_program__fd(bpf_object__find_program_by_name(object, role->program));
	if (!strcmp(role->name, "count-tc")) {
		LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
		LIBBPF_OPTS(bpf_tc_opts, place, TC_PLACE, .prog_fd = fd, .flags = BPF_TC_F_REPLACE);
		int err = bpf_tc_hook_create(&hook);

		if ((err && err != -EEXIST) || bpf_tc_attach(&hook, &place))
			tool_fail("attaching the filter");
	} else if (bpf_xdp_attach(ifindex, fd, XDP_FLAGS_DRV_MODE, NULL)) {
		tool_fail("attaching the program");
	}
	bpf_object__close(object);
}

static void detach(const char *device)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = device_index(device), .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, place, TC_PLACE);

	bpf_xdp_attach(hook.ifindex, -1, XDP_FLAGS_DRV_MODE, NULL);
	bpf_tc_detach(&hook, &place);
}

/* The identifier of the program at the device, 0 if there is none. */
static __u32 attached_program(int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, place, TC_PLACE);
	__u32 id = 0;

	if (!bpf_xdp_query_id(ifindex, XDP_FLAGS_DRV_MODE, &id) && id)
		return id;
	return bpf_tc_query(&hook, &place) ? 0 : place.prog_id;
}

/* The map "counters" of the program. */
static int open_counters(__u32 program_id)
{
	struct bpf_prog_info program = {};
	__u32 map_ids[8], length = sizeof(program);
	int fd = bpf_prog_get_fd_by_id(program_id);

	program.map_ids = (__u64)(unsigned long)map_ids;
	program.nr_map_ids = ARRAY_LEN(map_ids);
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &program, &length))
		tool_fail("reading the program");
	close(fd);
	for (__u32 i = 0; i < program.nr_map_ids && i < ARRAY_LEN(map_ids); i++) {
		struct bpf_map_info map = {};

		length = sizeof(map);
		fd = bpf_map_get_fd_by_id(map_ids[i]);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &map, &length) && !strcmp(map.name, "counters"))
			return fd;
		close(fd);
	}
	errno = ENOENT;
	tool_fail("counters");
}

static void print_counters(const char *device)
{
	int cpus = libbpf_num_possible_cpus(), fd = open_counters(attached_program(device_index(device)));
	struct sink_counters *counters = calloc((size_t)cpus, sizeof(*counters)), sum = {};
	__u32 zero = 0;

	if (!counters || bpf_map_lookup_elem(fd, &zero, counters))
		tool_fail("counters");
	for (int i = 0; i < cpus; i++) {
		sum.syn += counters[i].syn;
		sum.syn_ack += counters[i].syn_ack;
		sum.rst += counters[i].rst;
		sum.other += counters[i].other;
		sum.not_tcp += counters[i].not_tcp;
		sum.bytes += counters[i].bytes;
	}
	printf("{\"syn\": %llu, \"syn_ack\": %llu, \"rst\": %llu, \"other\": %llu, \"not_tcp\": %llu, \"bytes\": "
	       "%llu}\n",
	       sum.syn, sum.syn_ack, sum.rst, sum.other, sum.not_tcp, sum.bytes);
	free(counters);
	close(fd);
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "ipv4", 1, NULL, '4' },   { "ipv6", 1, NULL, '6' },
					       { "window", 1, NULL, 'w' }, { "text", 0, NULL, 't' },
					       { "help", 0, NULL, 'h' },   {} };
	const char *ipv4 = "198.18.0.0/15", *ipv6 = "2001:2::/48";
	struct sink_config config = { .window = 65535 };
	int option;

	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case '4':
			ipv4 = optarg;
			break;
		case '6':
			ipv6 = optarg;
			break;
		case 'w':
			config.window = (__u16)tool_number(optarg, 0, 65535, false);
			break;
		case 't':
			config.text = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return 2;
		}
	}
	argc -= optind;
	argv += optind;
	parse_prefix(ipv4, AF_INET, &config.ipv4, &config.ipv4_mask, 1);
	parse_prefix(ipv6, AF_INET6, config.ipv6, config.ipv6_mask, 4);
	if (argc == 3 && !strcmp(argv[0], "attach"))
		attach(find_role(argv[1]), &config, argv[2]);
	else if (argc == 2 && !strcmp(argv[0], "detach"))
		detach(argv[1]);
	else if (argc == 2 && !strcmp(argv[0], "counters"))
		print_counters(argv[1]);
	else
		tool_wrong_usage("attach, detach or counters, and a device");
	return 0;
}
