/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The counters of a loaded device's verdicts. See counters.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "counters.h"

int counters_read(const struct device *device, struct verdict_counter sums[VERDICT_COUNT])
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct verdict_counter *of_cpus;

	if (cpus < 0)
		return cpus;
	of_cpus = calloc((size_t)cpus, sizeof(*of_cpus));
	if (!of_cpus)
		return -ENOMEM;
	for (__u32 verdict = 0; verdict < VERDICT_COUNT && !err; verdict++) {
		sums[verdict] = (struct verdict_counter){ 0 };
		err = bpf_map_lookup_elem(device->counters_fd, &verdict, of_cpus);
		for (int cpu = 0; cpu < cpus && !err; cpu++) {
			sums[verdict].packets += of_cpus[cpu].packets;
			sums[verdict].bytes += of_cpus[cpu].bytes;
		}
	}
	free(of_cpus);
	return err;
}
