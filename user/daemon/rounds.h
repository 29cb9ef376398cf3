/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ager's rounds: what is due is looked at, and what its judgement asks for is done.
 *
 *   rounds_add()    what the iterators told, into the horizon of its table
 *   rounds_batch()  up to AGENDA_ITEMS keys whose time has come: the program "attend" judges them, and then
 *                     expired          is counted: attend has taken it away
 *                     to be probed     now, or when the pacer says; and again behind the interval
 *                     dead, refused    closed or counted, as the service says, once
 *                     later            looked at again, if that is before the next scan tells of it
 *                     gone             forgotten
 *
 * What is done is done through functions, so this is pure but for memory. One thread adds, another takes.
 */
#ifndef SYNKEEP_DAEMON_ROUNDS_H
#define SYNKEEP_DAEMON_ROUNDS_H

#include "daemon/ager_state.h"
#include "daemon/pacer.h"
#include "sock_diag.h"

#define ROUNDS_HANDS_NS (20 * NSEC_PER_MSEC) /* until what a hook had in its hands is looked at again */
#define ROUNDS_ROOM_NS (50 * NSEC_PER_MSEC)  /* until a probe is tried again for which there was no room */

enum rounds_probe {
	ROUNDS_PROBE_SENT,
	ROUNDS_PROBE_NO_ROOM,
	ROUNDS_PROBE_NO_PATH, /* it can not be made yet */
	ROUNDS_PROBE_GONE,    /* it is not due any more */
};

struct rounds_rim {
	void *context;
	/* Answers agenda->items. 0 or -errno. */
	int (*attend)(void *context, struct agenda *agenda);
	/* Sends a probe. *out: how many are out with this one, unanswered. */
	enum rounds_probe (*probe)(void *context, const struct tuple *tuple, __u32 *out);
	/* Closes the socket, if it has been silent for as long as the record. */
	enum sock_diag_answer (*close)(void *context, const struct tuple *tuple);
	/* Notes that what was to be done about a dead peer has been done; gone: no socket is left. */
	void (*over)(void *context, const struct tuple *tuple, bool gone);
};

struct rounds;

/* agenda, pacer and state must outlive the rounds. NULL: no memory. */
struct rounds *rounds_new(const struct rounds_rim *rim, struct agenda *agenda, struct pacer *pacer,
			  struct ager_state *state, __u64 now_ns);
void rounds_free(struct rounds *rounds); /* takes NULL */

/*
 * From another thread: count of struct upcoming4 or upcoming6, by the family. Returns when the first of those that were
 * taken is due; what lies beyond the horizon is left to the next scan.
 */
__u64 rounds_add(struct rounds *rounds, enum age_table table, __u8 family, const void *upcoming, __u32 count,
		 __u64 now_ns);

/* One batch. Whether there was anything. */
bool rounds_batch(struct rounds *rounds, __u64 now_ns);

/* When the next batch is due; UINT64_MAX: nothing waits. */
__u64 rounds_next_ns(struct rounds *rounds);

/* How many keys wait. */
__u64 rounds_waiting(struct rounds *rounds);

#endif /* SYNKEEP_DAEMON_ROUNDS_H */
