// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Steers all connections of a SO_REUSEPORT group to one of its sockets: that at index 0 of the map. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define SK_PASS 1

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} chosen SEC(".maps");

SEC("sk_reuseport")
int steer(void *ctx)
{
	__u32 zero = 0;

	bpf_sk_select_reuseport(ctx, &chosen, &zero, 0);
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
