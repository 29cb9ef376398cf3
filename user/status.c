/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Gathering the condition of a loaded device. See status.h.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clocks.h"
#include "counters.h"
#include "drain.h"
#include "flow_walk.h"
#include "map_memory.h"
#include "service_table.h"
#include "status.h"
#include "system.h"

static __u64 pinned_memory_bytes(const char *pin_dir)
{
	struct dirent *entry;
	__u64 sum = 0;
	DIR *dir;

	dir = opendir(pin_dir);
	while (dir && (entry = readdir(dir))) {
		char path[DEVICE_PATH_MAX + 256];
		int fd;

		snprintf(path, sizeof(path), "%s/%s", pin_dir, entry->d_name);
		fd = bpf_obj_get(path);
		if (fd < 0)
			continue;
		sum += map_memory_bytes(fd);
		close(fd);
	}
	if (dir)
		closedir(dir);
	return sum;
}

static int read_table(struct status_table *table, int fd)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		return -errno;
	table->max_records = info.max_entries;
	table->memory_bytes = map_memory_bytes(fd);
	return 0;
}

static int count_record(const struct flow_view *view, void *context)
{
	struct status *status = context;

	status->tables[2 * view->table + (view->family == FAMILY_IPV6)].records++;
	return 0;
}

static int read_tables(const struct device *device, struct status *status)
{
	const struct {
		const char *name;
		enum flow_table kind;
		int fd;
	} tables[STATUS_TABLES] = {
		{ "half4", FLOW_TABLE_HALF, device->half_fd[0] },   { "half6", FLOW_TABLE_HALF, device->half_fd[1] },
		{ "flows4", FLOW_TABLE_LIVE, device->flows_fd[0] }, { "flows6", FLOW_TABLE_LIVE, device->flows_fd[1] },
		{ "tw4", FLOW_TABLE_ENDED, device->tw_fd[0] },	    { "tw6", FLOW_TABLE_ENDED, device->tw_fd[1] },
	};
	int err;

	for (int i = 0; i < STATUS_TABLES; i++) {
		struct status_table *table = &status->tables[i];

		table->name = tables[i].name;
		table->kind = tables[i].kind;
		err = read_table(table, tables[i].fd);
		if (err)
			return err;
	}
	err = source_table_count(device, &status->sources);
	if (err)
		return err;
	status->memory_bytes = pinned_memory_bytes(device->pin_dir) + status->sources.memory_bytes;
	return flow_walk(device, count_record, status);
}

static int read_services(const struct device *device, struct status *status)
{
	struct service_spec *specs = NULL;
	int count = service_table_list(device, &specs), err = 0;

	if (count < 0)
		return count;
	status->services = calloc((size_t)count + 1, sizeof(*status->services));
	if (!status->services)
		err = -ENOMEM;
	for (int i = 0; i < count && !err; i++) {
		status->services[i].spec = specs[i];
		err = service_table_monitored(device, &specs[i], &status->services[i].monitored);
		if (!err && bpf_map_lookup_elem(device->sentries_fd, &specs[i].sentry, &status->services[i].sentry) < 0)
			err = -errno;
	}
	free(specs);
	status->service_count = err ? 0 : count;
	return err;
}

static int read_listeners(struct status *status)
{
	struct listener_view *listeners;
	int count = listener_list(&listeners);

	if (count < 0)
		return count;
	for (int i = 0; i < status->service_count; i++)
		status->services[i].listeners =
			listener_match(listeners, count, &status->services[i].spec, status->config->ifindex);
	free(listeners);
	return 0;
}

static int read_namespace(const struct device *device, struct status *status)
{
	int err;

	status->exists = system_device_exists((int)device->config.ifindex) != 0;
	if_indextoname(device->config.ifindex, status->current_name);
	status->attach_error = attach_query(device, &status->attach);
	status->sysctls = sysctls_read();
	status->has_handover_kfunc = system_has_handover_kfunc();
	err = vlan_read_loss((int)device->config.ifindex, status->attach.xdp_mode, &status->vlan_loss);
	return err ? err : read_listeners(status);
}

int status_read_services(const struct device *device, struct status *status)
{
	int err;

	*status = (struct status){
		.name = device->name,
		.argument = device->argument,
		.config = &device->config,
		.here = device->config.netns_inode == system_netns_inode(),
	};
	if (!status->here)
		status->exists = system_netns_is_alive(device->config.netns_inode) != 0;
	err = read_services(device, status);
	if (!err)
		err = daemon_queues_read(device, &status->queues);
	if (!err && status->here)
		err = read_namespace(device, status);
	return err;
}

int status_read(const struct device *device, struct status *status)
{
	int err = status_read_services(device, status);

	status->now_ns = clocks_now_ns(device);
	status->cookie_time_ns = clocks_cookie_time_ns(device);
	if (!err)
		err = clocks_cookie_sent(device, &status->cookie_sent_ns);
	if (!err)
		err = drain_remaining_ns(device, &status->cookie_left_ns);
	if (!err)
		err = counters_read(device, status->counters);
	if (!err)
		err = daemon_view_read(device, system_monotonic_ns(), &status->daemon);
	if (!err)
		err = read_tables(device, status);
	return err;
}

void status_free(struct status *status)
{
	free(status->services);
	status->services = NULL;
}
