/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What each worker of a daemon tells about itself: an element of the pinned map "workers", mapped into the daemon's
 * memory, which the commands read without asking the process. Written by its worker only, field by field: who reads
 * sees numbers of slightly different times.
 */
#ifndef SYNKEEP_DAEMON_WORKER_STATES_H
#define SYNKEEP_DAEMON_WORKER_STATES_H

#include "daemon/records.h"
#include "daemon/state_map.h"
#include "daemon/xsk.h"
#include "verdict.h"

/* A worker that has not said for so long that it is there is gone, or stuck. */
#define WORKER_SILENCE_NS (3 * NSEC_PER_SEC)

/* Frames that the rim itself loses. */
struct worker_losses {
	__u64 unmarked;	 /* frames without metadata of ours */
	__u64 no_way;	 /* frames whose sender can not be answered: group addresses */
	__u64 void_path; /* segments whose path was forgotten */
};

struct worker_state {
	__u64 alive_ns; /* CLOCK_MONOTONIC, renewed each second; 0: it has ended */
	__u32 pid;
	__u32 queue;
	__u32 zero_copy;
	__u32 reserved;
	__u64 memory_bytes; /* of connections and their buffers */
	__u64 frames_received;
	__u64 frames_sent;
	struct verdict_counter to_unverified; /* of them: SYN-ACKs before the handshake is complete, and resets */
	__u64 stood_still;		      /* how often it did not run for more than a second */
	struct worker_losses losses;
	struct xsk_statistics xsk;
	struct records_counters records;
	struct tcp_counters tcp;
};

struct worker_states {
	struct worker_state *list; /* NULL: not there */
	__u32 count;
	struct state_map map;
};

/* Makes and pins them anew, for so many workers. 0 or -errno. */
int worker_states_make(const char *pin_dir, __u32 count, struct worker_states *states);

/*
 * Maps those that a daemon has pinned, to be read. 0 or -errno; -ENOENT: no daemon was ever there; -EPROTO: it is of
 * another version.
 */
int worker_states_open(const char *pin_dir, struct worker_states *states);
void worker_states_close(struct worker_states *states);

bool worker_state_is_alive(const struct worker_state *state, __u64 now_ns);

#endif /* SYNKEEP_DAEMON_WORKER_STATES_H */
