/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map behind the workers' states. See worker_states.h.
 */
#include "daemon/worker_states.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "device.h"

#define PIN_NAME "workers"

_Static_assert(sizeof(struct worker_state) % sizeof(__u64) == 0, "worker_state: elements lie side by side");

static void pin_path(const char *pin_dir, char path[DEVICE_PATH_MAX + 16])
{
	snprintf(path, DEVICE_PATH_MAX + 16, "%s/%s", pin_dir, PIN_NAME);
}

static int map_elements(int fd, __u32 count, int protection, struct worker_states *states)
{
	size_t page = sysconf(_SC_PAGESIZE), bytes = (count * sizeof(struct worker_state) + page - 1) & ~(page - 1);
	void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);

	if (mapped == MAP_FAILED)
		return -errno;
	*states = (struct worker_states){ .list = mapped, .count = count, .mapped_bytes = bytes };
	return 0;
}

int worker_states_make(const char *pin_dir, __u32 count, struct worker_states *states)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = BPF_F_MMAPABLE);
	char path[DEVICE_PATH_MAX + 16];
	int fd, err;

	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, PIN_NAME, sizeof(__u32), sizeof(struct worker_state), count, &options);
	if (fd < 0)
		return -errno;
	pin_path(pin_dir, path);
	if ((unlink(path) < 0 && errno != ENOENT) || bpf_obj_pin(fd, path) < 0)
		err = -errno;
	else
		err = map_elements(fd, count, PROT_READ | PROT_WRITE, states);
	close(fd);
	return err;
}

int worker_states_open(const char *pin_dir, struct worker_states *states)
{
	struct bpf_map_info info = {};
	__u32 length = sizeof(info);
	char path[DEVICE_PATH_MAX + 16];
	int fd, err;

	*states = (struct worker_states){};
	pin_path(pin_dir, path);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &length) < 0)
		err = -errno;
	else if (info.value_size != sizeof(struct worker_state) || !(info.map_flags & BPF_F_MMAPABLE))
		err = -EPROTO;
	else
		err = map_elements(fd, info.max_entries, PROT_READ, states);
	close(fd);
	return err;
}

void worker_states_close(struct worker_states *states)
{
	if (states->list)
		munmap(states->list, states->mapped_bytes);
	*states = (struct worker_states){};
}

bool worker_state_is_alive(const struct worker_state *state, __u64 now_ns)
{
	return state->alive_ns + WORKER_SILENCE_NS > now_ns;
}
