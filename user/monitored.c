/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Elements of a map that has a value for each CPU. See monitored.h.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "monitored.h"

/* A zeroed value for each CPU; their number, or -errno and NULL. */
static int allocate(struct monitored **of_cpus)
{
	int cpus = libbpf_num_possible_cpus();

	*of_cpus = cpus > 0 ? calloc((size_t)cpus, sizeof(**of_cpus)) : NULL;
	if (cpus > 0 && !*of_cpus)
		return -ENOMEM;
	return cpus;
}

int monitored_begin(const struct device *device, const struct service_key *key)
{
	struct monitored *of_cpus;
	int cpus = allocate(&of_cpus), err = 0;

	if (cpus < 0)
		return cpus;
	if (bpf_map_update_elem(device->monitored_fd, key, of_cpus, BPF_ANY) < 0)
		err = -errno;
	free(of_cpus);
	return err;
}

int monitored_end(const struct device *device, const struct service_key *key)
{
	return bpf_map_delete_elem(device->monitored_fd, key) < 0 && errno != ENOENT ? -errno : 0;
}

static void add(struct monitored *sum, const struct monitored *more)
{
	for (int i = 0; i < VERDICT_COUNT; i++)
		sum->verdicts[i] += more->verdicts[i];
	for (int i = 0; i < LOSS_COUNT; i++)
		sum->losses[i] += more->losses[i];
}

int monitored_add(const struct device *device, const struct service_key *key, struct monitored *sum)
{
	struct monitored *of_cpus;
	int cpus = allocate(&of_cpus), err = 0;

	if (cpus < 0)
		return cpus;
	if (bpf_map_lookup_elem(device->monitored_fd, key, of_cpus) < 0)
		err = errno == ENOENT ? 0 : -errno;
	else
		for (int cpu = 0; cpu < cpus; cpu++)
			add(sum, &of_cpus[cpu]);
	free(of_cpus);
	return err;
}
