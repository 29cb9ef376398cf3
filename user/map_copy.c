/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A map's elements into another map. See map_copy.h.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "map_copy.h"

#define BATCH 1024
#define KEY_MAX_BYTES 64

int map_copy_info(int fd, struct bpf_map_info *info)
{
	__u32 length = sizeof(*info);

	*info = (struct bpf_map_info){};
	return bpf_obj_get_info_by_fd(fd, info, &length) < 0 ? -errno : 0;
}

/* A walk over a map's elements in batches. */
struct batches {
	int fd;
	__u32 key_bytes;
	size_t value_bytes; /* of all CPUs */
	__u8 *keys;
	__u8 *values;
	__u32 count; /* of the last batch */
	bool begun;
	bool ended;
	__u8 place[KEY_MAX_BYTES];
};

static bool is_percpu(const struct bpf_map_info *info)
{
	return info->type == BPF_MAP_TYPE_PERCPU_ARRAY || info->type == BPF_MAP_TYPE_PERCPU_HASH;
}

static int batches_begin(struct batches *b, int fd, int cpus)
{
	struct bpf_map_info info;
	int err = map_copy_info(fd, &info);

	*b = (struct batches){ .fd = fd, .key_bytes = info.key_size, .value_bytes = info.value_size };
	if (err)
		return err;
	if (is_percpu(&info))
		b->value_bytes = (size_t)cpus * ((info.value_size + 7) & ~7U);
	b->keys = calloc(BATCH, b->key_bytes);
	b->values = calloc(BATCH, b->value_bytes);
	return b->keys && b->values ? 0 : -ENOMEM;
}

static int batches_next(struct batches *b)
{
	int err;

	b->count = BATCH;
	err = bpf_map_lookup_batch(b->fd, b->begun ? b->place : NULL, b->place, b->keys, b->values, &b->count, NULL);
	if (err < 0 && errno != ENOENT)
		return -errno;
	b->begun = true;
	b->ended = err < 0;
	return 0;
}

static void batches_end(struct batches *b)
{
	free(b->keys);
	free(b->values);
}

int map_copy_elements(int from, int to, int cpus, bool zeroed)
{
	struct batches b;
	int err = batches_begin(&b, from, cpus);

	while (!err && !b.ended) {
		err = batches_next(&b);
		if (!err && zeroed)
			memset(b.values, 0, b.count * b.value_bytes);
		if (!err && b.count && bpf_map_update_batch(to, b.keys, b.values, &b.count, NULL) < 0)
			err = -errno;
	}
	batches_end(&b);
	return err;
}

int map_copy_is_full(int fd, int cpus)
{
	struct bpf_map_info info;
	struct batches b = {};
	__u32 count = 0;
	int err = map_copy_info(fd, &info);

	if (!err)
		err = batches_begin(&b, fd, cpus);
	while (!err && !b.ended) {
		err = batches_next(&b);
		count += err ? 0 : b.count;
	}
	batches_end(&b);
	return err ? err : count >= info.max_entries;
}
