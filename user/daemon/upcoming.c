/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Iterators, linked to their tables once, and a file of each for every reading. See upcoming.h.
 */
#include "daemon/upcoming.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define READ_BYTES 32768 /* as much as the kernel collects at a time */

static const char *const names[AGE_TABLES] = {
	[AGE_HALF] = "half",
	[AGE_FLOWS] = "flows",
	[AGE_ENDED] = "tw",
};

static int table_fd(const struct device *device, enum age_table table, int is_ipv6)
{
	const int *const pairs[] = {
		[AGE_HALF] = device->half_fd,
		[AGE_FLOWS] = device->flows_fd,
		[AGE_ENDED] = device->tw_fd,
	};

	return pairs[table][is_ipv6];
}

static int open_link(const struct device *device, enum age_table table, int is_ipv6)
{
	union bpf_iter_link_info info = { .map.map_fd = table_fd(device, table, is_ipv6) };
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
	char path[DEVICE_PATH_MAX + 32];
	int program, link;

	snprintf(path, sizeof(path), "%s/upcoming_%s%c", device->pin_dir, names[table], is_ipv6 ? '6' : '4');
	program = bpf_obj_get(path);
	if (program < 0)
		return -errno;
	link = bpf_link_create(program, 0, BPF_TRACE_ITER, &options);
	if (link < 0)
		link = -errno;
	close(program);
	return link;
}

int upcoming_open(struct upcoming *upcoming, const struct device *device)
{
	int err = 0;

	for (__u32 i = 0; i < ARRAY_LEN(upcoming->links); i++)
		upcoming->links[i] = -1;
	for (__u32 i = 0; i < ARRAY_LEN(upcoming->links) && !err; i++) {
		int link = open_link(device, i / 2, i % 2);

		if (link < 0)
			err = link;
		else
			upcoming->links[i] = link;
	}
	return err;
}

void upcoming_close(struct upcoming *upcoming)
{
	for (__u32 i = 0; i < ARRAY_LEN(upcoming->links); i++) {
		if (upcoming->links[i] >= 0)
			close(upcoming->links[i]);
		upcoming->links[i] = -1;
	}
}

/* A part of an entry that a read ends with stays in the buffer for the next. */
static int read_file(int fd, enum age_table table, __u8 family, upcoming_take take, void *context)
{
	const size_t entry_bytes = family == FAMILY_IPV4 ? sizeof(struct upcoming4) : sizeof(struct upcoming6);
	_Alignas(__u64) __u8 buffer[READ_BYTES];
	size_t held = 0;

	for (;;) {
		ssize_t got = read(fd, buffer + held, sizeof(buffer) - held);
		__u32 count;

		if (got < 0 && (errno == EAGAIN || errno == EINTR)) /* nothing was due among so many */
			continue;
		if (got <= 0)
			return got < 0 ? -errno : 0;
		held += got;
		count = held / entry_bytes;
		if (!take(context, table, family, buffer, count))
			return 0;
		held -= count * entry_bytes;
		memmove(buffer, buffer + count * entry_bytes, held);
	}
}

int upcoming_read(const struct upcoming *upcoming, upcoming_take take, void *context)
{
	int err = 0;

	for (__u32 i = 0; i < ARRAY_LEN(upcoming->links) && !err; i++) {
		int fd = bpf_iter_create(upcoming->links[i]);

		if (fd < 0)
			return -errno;
		err = read_file(fd, i / 2, i % 2 ? FAMILY_IPV6 : FAMILY_IPV4, take, context);
		close(fd);
	}
	return err;
}
