/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Giving keys to the program. See release.h.
 */
#include "daemon/release.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include <bpf/bpf.h>

#include "daemon.h"

int release_open(const struct device *device)
{
	char path[DEVICE_PATH_MAX + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/release", device->pin_dir);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

int release_records(int program_fd, __u8 family, const void *keys, __u32 count)
{
	const size_t key_bytes = family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(struct flow6_key);

	for (__u32 at = 0; at < count; at += RELEASE_CALL_MAX) {
		struct release_call call = {
			.keys = (uintptr_t)keys + at * key_bytes,
			.count = count - at < RELEASE_CALL_MAX ? count - at : RELEASE_CALL_MAX,
			.family = family,
		};
		LIBBPF_OPTS(bpf_test_run_opts, options, .ctx_in = &call, .ctx_size_in = sizeof(call));

		if (bpf_prog_test_run_opts(program_fd, &options) < 0)
			return -errno;
	}
	return 0;
}
