/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Asking the pinned program of the same name. See daemon_queues.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon_queues.h"

static int run_program(const struct device *device, struct daemon_queues *queues)
{
	static const char any_frame[ETH_HLEN];
	struct __sk_buff skb = { .mark = queues->count };
	DECLARE_LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = any_frame, .data_size_in = sizeof(any_frame),
			    .ctx_in = &skb, .ctx_size_in = sizeof(skb));
	char path[DEVICE_PATH_MAX + 32];
	int program, err = 0;

	snprintf(path, sizeof(path), "%s/daemon_queues", device->pin_dir);
	program = bpf_obj_get(path);
	if (program < 0)
		return -errno;
	if (bpf_prog_test_run_opts(program, &options) < 0)
		err = -errno;
	queues->served = options.retval;
	close(program);
	return err;
}

int daemon_queues_read(const struct device *device, struct daemon_queues *queues)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);

	if (bpf_obj_get_info_by_fd(device->xsks_fd, &info, &length) < 0)
		return -errno;
	*queues = (struct daemon_queues){ .count = info.max_entries };
	return run_program(device, queues);
}
