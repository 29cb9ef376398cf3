/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Making, pinning and mapping an array. See state_map.h.
 */
#include "daemon/state_map.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "device.h"

#define PATH_BYTES (DEVICE_PATH_MAX + BPF_OBJ_NAME_LEN)

static int map_elements(int fd, __u32 element_bytes, __u32 count, int protection, struct state_map *map)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes = ((size_t)count * element_bytes + page - 1) & ~(page - 1);
	void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	if (mapped == MAP_FAILED)
		return -errno;
	*map = (struct state_map){ .elements = mapped, .count = count, .mapped_bytes = bytes };
	return 0;
}

int state_map_make(const char *pin_dir, const char *name, __u32 element_bytes, __u32 count, struct state_map *map)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	char path[PATH_BYTES];
	int fd, err;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, name, sizeof(__u32), element_bytes, count, &options);
	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	if ((unlink(path) < 0 && errno != ENOENT) || bpf_obj_pin(fd, path) < 0)
		err = -errno;
	else
		err = map_elements(fd, element_bytes, count, PROT_READ | PROT_WRITE, map);
	close(fd);
	return err;
}

int state_map_open(const char *pin_dir, const char *name, __u32 element_bytes, struct state_map *map)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	char path[PATH_BYTES];
	int fd, err;

	*map = (struct state_map){};
	snprintf(path, sizeof(path), "%s/%s", pin_dir, name);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		err = -errno;
	else if (info.value_size != element_bytes || !(info.map_flags & BPF_F_MMAPABLE))
		err = -EPROTO;
	else
		err = map_elements(fd, element_bytes, info.max_entries, PROT_READ, map);
	close(fd);
	return err;
}

void state_map_close(struct state_map *map)
{
	if (map->elements)
		munmap(map->elements, map->mapped_bytes);
	*map = (struct state_map){};
}
