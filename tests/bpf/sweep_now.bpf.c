// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The sweep's walk, to be run at any time instead of every five seconds. Its maps are those of the programs. */
#include "sweep.bpf.h"

SEC("syscall")
int sweep_now(void *ctx)
{
	return sweep_all(NULL, NULL, NULL);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
