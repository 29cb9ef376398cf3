/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reads every tracked connection of a device by bpf_map_lookup_batch(): whole hash buckets at a time, thousands of
 * records a system call. The kernel's cursor is a bucket, so records that come and go meanwhile do not lose its place,
 * as they would with bpf_map_get_next_key().
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "clocks.h"
#include "flow_walk.h"

#define CHUNK_RECORDS 4096

/* What to know about a table to read it. */
struct source {
	int fd;
	enum flow_table table;
	__u8 family;
};

struct chunk {
	char *keys;
	char *values;
	__u32 capacity; /* records */
	__u32 count;
};

static size_t key_bytes(const struct source *source)
{
	return source->family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(struct flow6_key);
}

static size_t value_bytes(const struct source *source)
{
	switch (source->table) {
	case FLOW_TABLE_HALF:
		return sizeof(struct half_open);
	case FLOW_TABLE_ENDED:
		return sizeof(struct ended);
	default:
		return sizeof(struct flow);
	}
}

static void chunk_free(struct chunk *chunk)
{
	free(chunk->keys);
	free(chunk->values);
}

static int chunk_allocate(struct chunk *chunk, const struct source *source, __u32 capacity)
{
	chunk->keys = calloc(capacity, key_bytes(source));
	chunk->values = calloc(capacity, value_bytes(source));
	chunk->capacity = capacity;
	chunk->count = 0;
	return chunk->keys && chunk->values ? 0 : -ENOMEM;
}

/*
 * Reads the records after *cursor, the first if resumes is false, and moves the cursor on. 0: there may be more;
 * -ENOENT: these were the last.
 */
static int chunk_read(struct chunk *chunk, const struct source *source, __u32 *cursor, bool resumes)
{
	for (;;) {
		__u32 capacity = chunk->capacity;
		int err;

		chunk->count = capacity;
		err = bpf_map_lookup_batch(source->fd, resumes ? cursor : NULL, cursor, chunk->keys, chunk->values,
					   &chunk->count, NULL);
		if (err != -ENOSPC)
			return err;
		/* One bucket holds more records than the chunk takes: someone has aimed at it. */
		chunk_free(chunk);
		err = chunk_allocate(chunk, source, capacity * 2);
		if (err)
			return err;
	}
}

static int visit_chunk(const struct chunk *chunk, const struct source *source, __u64 now_ns, flow_walk_visit visit,
		       void *context)
{
	struct flow_view view;

	for (__u32 i = 0; i < chunk->count; i++) {
		const void *value = chunk->values + i * value_bytes(source);
		bool present = source->table == FLOW_TABLE_HALF	   ? flow_view_set_half_open(&view, value, now_ns)
			       : source->table == FLOW_TABLE_ENDED ? flow_view_set_ended(&view, value, now_ns)
								   : flow_view_set_live(&view, value, now_ns);
		int stop;

		if (!present)
			continue;
		flow_view_set_key(&view, source->family, chunk->keys + i * key_bytes(source));
		stop = visit(&view, context);
		if (stop)
			return stop;
	}
	return 0;
}

static int walk_table(const struct device *device, const struct source *source, flow_walk_visit visit, void *context)
{
	struct chunk chunk;
	__u32 cursor = 0;
	bool resumes = false, more = true;
	int err = chunk_allocate(&chunk, source, CHUNK_RECORDS);

	while (!err && more) {
		err = chunk_read(&chunk, source, &cursor, resumes);
		more = err != -ENOENT;
		if (!err || !more)
			err = visit_chunk(&chunk, source, clocks_now_ns(device), visit, context);
		resumes = true;
	}
	chunk_free(&chunk);
	return err;
}

int flow_walk(const struct device *device, flow_walk_visit visit, void *context)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };
	const int *const fds[] = {
		[FLOW_TABLE_HALF] = device->half_fd,
		[FLOW_TABLE_LIVE] = device->flows_fd,
		[FLOW_TABLE_ENDED] = device->tw_fd,
	};

	for (enum flow_table table = 0; table < FLOW_TABLE_COUNT; table++) {
		for (size_t i = 0; i < ARRAY_LEN(families); i++) {
			struct source source = { .fd = fds[table][i], .table = table, .family = families[i] };
			int err = walk_table(device, &source, visit, context);

			if (err)
				return err;
		}
	}
	return 0;
}
