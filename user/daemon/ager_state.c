/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ager's element, and the classes of lateness. See ager_state.h.
 */
#include "daemon/ager_state.h"

#include <errno.h>

#define PIN_NAME "ager"

void ager_state_expired(struct ager_state *state, enum age_table table, __u32 late_ms)
{
	__u32 class = late_ms ? 32 - __builtin_clz(late_ms) : 0;

	state->expired[table]++;
	state->late[class < AGER_LATE_CLASSES ? class : AGER_LATE_CLASSES - 1]++;
	if (late_ms > state->late_max_ms)
		state->late_max_ms = late_ms;
}

__u64 ager_state_late_ms(const struct ager_state *state, __u32 per_cent)
{
	__u64 all = 0, sum = 0, class_ms;
	int class = 0;

	for (int i = 0; i < AGER_LATE_CLASSES; i++)
		all += state->late[i];
	if (!all)
		return 0;
	while (class < AGER_LATE_CLASSES - 1 && 100 * (sum + state->late[class]) < per_cent * all)
		sum += state->late[class ++];
	class_ms = class ? (1ULL << class) - 1 : 1;
	return class_ms < state->late_max_ms ? class_ms : state->late_max_ms;
}

bool ager_state_is_alive(const struct ager_state *state, __u64 now_ns)
{
	return state->alive_ns && state->alive_ns + AGER_SILENCE_NS > now_ns;
}

int ager_state_make(const char *pin_dir, struct state_map *map)
{
	return state_map_make(pin_dir, PIN_NAME, sizeof(struct ager_state), 1, map);
}

int ager_state_read(const char *pin_dir, struct ager_state *state)
{
	struct state_map map;
	int err = state_map_open(pin_dir, PIN_NAME, sizeof(*state), &map);

	*state = (struct ager_state){};
	if (err)
		return err == -ENOENT ? 0 : err;
	*state = *(const struct ager_state *)map.elements;
	state_map_close(&map);
	return 0;
}
