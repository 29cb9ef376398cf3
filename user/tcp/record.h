/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the maps say of a connection: a TCB's state, soon, and its numbers, now and then, so that bpftool and `synkeep
 * flows` show the daemon's connections like all others.
 *
 * A new state is reported within RECORD_CHANGED_NS, new numbers within RECORD_MOVED_NS. A connection that is over by
 * then is reported once only.
 */
#ifndef SYNKEEP_TCP_RECORD_H
#define SYNKEEP_TCP_RECORD_H

#include "tcp/tcb.h"

#define RECORD_CHANGED_NS (4 * NSEC_PER_MSEC)
#define RECORD_MOVED_NS (500 * NSEC_PER_MSEC)

struct time_wait;

/* enum flow_flag, as records and events have them. */
__u16 record_flags(const struct tcb *tcb);

/* To be reported with the others. */
void record_changed(struct tcb *tcb);
void record_moved(struct tcb *tcb);

/* At once: a SYN of ours must find its record when the answer comes. */
void record_now(struct tcb *tcb);

/* At once: the TCB is about to leave the wire, or its tuple has no connection here. */
void record_gone(struct tcb *tcb);
void record_none(struct tcp *tcp, const struct tuple *tuple);

/* At once: the tuple has a record, but its TCB was an earlier daemon's. The mark of a spent cookie stays. */
void record_lost(struct tcp *tcp, const struct tuple *tuple);

/* At once: TIME-WAIT began, or begins anew. */
void record_time_wait(struct tcp *tcp, const struct time_wait *tw);

/* Reports what is due; record_next_ns() is when that will be. */
void record_work(struct tcp *tcp);
__u64 record_next_ns(const struct tcp *tcp);

#endif /* SYNKEEP_TCP_RECORD_H */
