/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map behind the workers' states. See worker_states.h.
 */
#include "daemon/worker_states.h"

#define PIN_NAME "workers"

_Static_assert(sizeof(struct worker_state) % sizeof(__u64) == 0, "worker_state: elements lie side by side");

int worker_states_make(const char *pin_dir, __u32 count, struct worker_states *states)
{
	int err = state_map_make(pin_dir, PIN_NAME, sizeof(struct worker_state), count, &states->map);

	states->list = states->map.elements;
	states->count = states->map.count;
	return err;
}

int worker_states_open(const char *pin_dir, struct worker_states *states)
{
	int err = state_map_open(pin_dir, PIN_NAME, sizeof(struct worker_state), &states->map);

	states->list = states->map.elements;
	states->count = states->map.count;
	return err;
}

void worker_states_close(struct worker_states *states)
{
	state_map_close(&states->map);
	*states = (struct worker_states){};
}

bool worker_state_is_alive(const struct worker_state *state, __u64 now_ns)
{
	return state->alive_ns + WORKER_SILENCE_NS > now_ns;
}
