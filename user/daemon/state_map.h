/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A pinned array that a daemon has in its memory, and writes what the commands are to know of it, without being asked.
 * Whoever reads sees fields of slightly different times.
 */
#ifndef SYNKEEP_DAEMON_STATE_MAP_H
#define SYNKEEP_DAEMON_STATE_MAP_H

#include "base.h"

struct state_map {
	void *elements; /* side by side; NULL: not there */
	__u32 count;
	size_t mapped_bytes;
};

/* Makes and pins it anew; element_bytes: a multiple of 8. 0 or -errno. */
int state_map_make(const char *pin_dir, const char *name, __u32 element_bytes, __u32 count, struct state_map *map);

/*
 * Maps what a daemon has pinned, to be read. 0 or -errno; -ENOENT: no daemon was ever there; -EPROTO: it is of another
 * version.
 */
int state_map_open(const char *pin_dir, const char *name, __u32 element_bytes, struct state_map *map);
void state_map_close(struct state_map *map);

#endif /* SYNKEEP_DAEMON_STATE_MAP_H */
