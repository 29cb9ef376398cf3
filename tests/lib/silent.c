// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * silent: asks user/sock_diag.c about the socket of one connection of this network namespace, as the daemon does when
 * it has found a peer dead, and prints what came of it: "none", "heard", "destroyed", or "failed:" and why.
 */
#include <arpa/inet.h>

#include "tool.h"

#include "../../user/netlink.c"
#include "../../user/sock_diag.c"

static const char usage[] =
	"usage: silent LOCAL PORT REMOTE PORT IFINDEX MILLISECONDS\n"
	"Closes the socket between these addresses unless it has heard from the peer within MILLISECONDS.\n";

static __u8 parse_address(const char *text, __be32 *address)
{
	__u8 family = strchr(text, ':') ? AF_INET6 : AF_INET;

	if (inet_pton(family, text, address) != 1)
		tool_wrong_usage("an address was expected");
	return family;
}

static __u16 parse_port(const char *text)
{
	return (__u16)tool_number(text, 1, 65535, false);
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		[SOCK_DIAG_NONE] = "none",
		[SOCK_DIAG_HEARD] = "heard",
		[SOCK_DIAG_DESTROYED] = "destroyed",
	};
	struct tuple tuple = {};
	enum sock_diag_answer answer;
	int fd;

	if (argc != 7) {
		fputs(usage, argc == 2 ? stdout : stderr);
		return argc == 2 ? 0 : 2;
	}
	tuple.family = parse_address(argv[1], tuple.local);
	tuple.local_port = parse_port(argv[2]);
	parse_address(argv[3], tuple.remote);
	tuple.remote_port = parse_port(argv[4]);
	fd = sock_diag_open();
	if (fd < 0)
		tool_fail("sock_diag");
	answer = sock_diag_destroy_if_silent(fd, &tuple, (__u32)tool_number(argv[5], 0, INT_MAX, false),
					     (__u32)tool_number(argv[6], 0, UINT_MAX, false));
	if (answer == SOCK_DIAG_FAILED)
		printf("failed: %s\n", strerror(errno));
	else
		puts(names[answer]);
	close(fd);
	return 0;
}
