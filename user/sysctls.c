/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sysctls, read and judged. See sysctls.h.
 */
#include "sysctls.h"

#include <stdio.h>

#include "base.h"

int sysctls_read_one(const char *path)
{
	char full[128];
	int value = -1;
	FILE *file;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	file = fopen(full, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%d", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

struct sysctls sysctls_read(void)
{
	return (struct sysctls){
		.syncookies = sysctls_read_one("net/ipv4/tcp_syncookies"),
		.timestamps = sysctls_read_one("net/ipv4/tcp_timestamps"),
		.sack = sysctls_read_one("net/ipv4/tcp_sack"),
		.window_scaling = sysctls_read_one("net/ipv4/tcp_window_scaling"),
		.abort_on_overflow = sysctls_read_one("net/ipv4/tcp_abort_on_overflow"),
		.conntrack_loose = sysctls_read_one("net/netfilter/nf_conntrack_tcp_loose"),
		.conntrack_count = sysctls_read_one("net/netfilter/nf_conntrack_count"),
	};
}

static void judge_options(const struct sysctls *sysctls, const struct finding_listener *listener)
{
	const struct {
		const char *name;
		int value;
		const char *option;
	} options[] = {
		{ "tcp_timestamps", sysctls->timestamps, "timestamps" },
		{ "tcp_sack", sysctls->sack, "SACK" },
		{ "tcp_window_scaling", sysctls->window_scaling, "window scaling" },
	};
	char remedy[64];

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (options[i].value < 0)
			continue;
		snprintf(remedy, sizeof(remedy), "sysctl -w net.ipv4.%s=1", options[i].name);
		if (options[i].value == 0)
			finding_tell(listener, FINDING_NOTE, options[i].name, remedy,
				     "net.ipv4.%s is 0: connections go without %s", options[i].name, options[i].option);
		else
			finding_tell(listener, FINDING_OK, options[i].name, "", "connections have %s",
				     options[i].option);
	}
}

void sysctls_judge(const struct sysctls *sysctls, const struct finding_listener *listener)
{
	judge_options(sysctls, listener);
	if (sysctls->abort_on_overflow > 0)
		finding_tell(listener, FINDING_NOTE, "tcp_abort_on_overflow",
			     "sysctl -w net.ipv4.tcp_abort_on_overflow=0",
			     "net.ipv4.tcp_abort_on_overflow is %d: where an accept queue overflows, clients whose "
			     "handshake is complete are reset, and not only delayed",
			     sysctls->abort_on_overflow);
	else
		finding_tell(listener, FINDING_OK, "tcp_abort_on_overflow", "",
			     "a full accept queue delays clients, and resets none");
	if (sysctls->conntrack_loose == 0 && sysctls->conntrack_count > 0)
		finding_tell(listener, FINDING_NOTE, "nf_conntrack_tcp_loose",
			     "sysctl -w net.netfilter.nf_conntrack_tcp_loose=1",
			     "net.netfilter.nf_conntrack_tcp_loose is 0: connection tracking takes cookie ACKs for "
			     "invalid, and rules that drop what is invalid end every handover");
	else
		finding_tell(listener, FINDING_OK, "nf_conntrack_tcp_loose", "",
			     sysctls->conntrack_count > 0 ? "connection tracking takes connections up in their middle"
							  : "no connection is tracked by Netfilter");
}
