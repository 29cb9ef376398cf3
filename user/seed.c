/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Running the iterator "seed" once. See seed.h.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "seed.h"
#include "service_table.h"
#include "system.h"

/* An iterator has run when its file has been read to the end; this one has nothing to print. */
static int read_to_end(int fd)
{
	ssize_t got;
	char none;

	do
		got = read(fd, &none, sizeof(none));
	while (got > 0 || (got < 0 && errno == EAGAIN));
	return got < 0 ? -errno : 0;
}

static int run_iterator(int program_fd)
{
	int link_fd, fd, err;

	link_fd = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, NULL);
	if (link_fd < 0)
		return -errno;
	fd = bpf_iter_create(link_fd);
	err = fd < 0 ? -errno : read_to_end(fd);
	if (fd >= 0)
		close(fd);
	close(link_fd);
	return err;
}

int seed_sockets(struct device *device)
{
	char path[DEVICE_PATH_MAX + 8];
	int program_fd, err;

	if (device->config.netns_inode != system_netns_inode())
		return -EXDEV;
	snprintf(path, sizeof(path), "%s/seed", device->pin_dir);
	program_fd = bpf_obj_get(path);
	if (program_fd < 0)
		return -errno;
	err = run_iterator(program_fd);
	close(program_fd);
	return err ? err : service_table_sockets_known(device);
}
