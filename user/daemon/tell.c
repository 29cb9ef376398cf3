/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting events, and giving them to the program. See tell.h.
 */
#include "daemon/tell.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "watch_lease.h"

struct tell {
	struct watch *watch;
	int program_fd;
	__u32 count;
	struct flow_event events[WATCH_CALL_MAX];
};

static int open_program(const struct device *device)
{
	char path[DEVICE_PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/watch_tell", device->pin_dir);
	return bpf_obj_get(path);
}

struct tell *tell_open(const struct device *device)
{
	struct tell *tell = calloc(1, sizeof(*tell));
	int err;

	if (!tell)
		return NULL;
	tell->watch = watch_lease_map(device);
	tell->program_fd = tell->watch ? open_program(device) : -1;
	if (tell->program_fd >= 0)
		return tell;
	err = errno;
	tell_close(tell);
	errno = err;
	return NULL;
}

void tell_close(struct tell *tell)
{
	if (!tell)
		return;
	watch_lease_unmap(tell->watch);
	if (tell->program_fd >= 0)
		close(tell->program_fd);
	free(tell);
}

void tell_put(struct tell *tell, const struct flow_event *event, __u64 now_ns)
{
	if (!watch_audience(tell->watch, now_ns))
		return;
	if (tell->count == WATCH_CALL_MAX)
		tell_flush(tell);
	tell->events[tell->count] = *event;
	tell->events[tell->count++].time_ns = now_ns;
}

/* What goes wrong is a watcher's loss, not the worker's. */
void tell_flush(struct tell *tell)
{
	struct watch_call call = { .events = (uintptr_t)tell->events, .count = tell->count };
	LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &call, .ctx_size_in = sizeof(call));

	if (tell->count)
		bpf_prog_test_run_opts(tell->program_fd, &options);
	tell->count = 0;
}
