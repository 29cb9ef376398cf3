/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time as a loaded device's programs see it. See clocks.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clocks.h"
#include "system.h"

__u64 clocks_now_ns(const struct device *device)
{
	return system_monotonic_ns() + device->config.test_advance_ns;
}

__u64 clocks_cookie_time_ns(const struct device *device)
{
	const struct config *config = &device->config;
	struct timespec tai;
	__u64 tai_ns;

	clock_gettime(CLOCK_TAI, &tai);
	tai_ns = (__u64)tai.tv_sec * NSEC_PER_SEC + (__u64)tai.tv_nsec;
	return tai_ns - config->cookie_time_offset_ns + config->test_advance_ns;
}

int clocks_cookie_sent(const struct device *device, __u64 *sent_ns)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct cpu_clock *of_cpus;
	__u32 zero = 0;

	*sent_ns = 0;
	if (cpus < 0)
		return cpus;
	of_cpus = calloc(cpus, sizeof(*of_cpus));
	if (!of_cpus)
		return -ENOMEM;
	err = bpf_map_lookup_elem(device->clocks_fd, &zero, of_cpus);
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		if (of_cpus[cpu].cookie_sent_ns > *sent_ns)
			*sent_ns = of_cpus[cpu].cookie_sent_ns;
	}
	explicit_bzero(of_cpus, cpus * sizeof(*of_cpus)); /* it holds the epochs' keys */
	free(of_cpus);
	return err;
}
