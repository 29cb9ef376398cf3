/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling the rim what becomes of connections, for who watches them (include/watch.h): each state at once, where a
 * record (record.h) says the last one, a little later.
 *
 * A connection that a cookie made is known as ESTABLISHED before its TCB is: XDP has told that.
 */
#ifndef SYNKEEP_TCP_CHANGE_H
#define SYNKEEP_TCP_CHANGE_H

#include "tcp/tcb.h"

/* The TCB has come from another state by this event. */
void change_state(struct tcb *tcb, enum tcp_state before, enum tcp_event event);

/* It is over. error: what its application is told, 0 or -errno. */
void change_end(struct tcb *tcb, int error);

/* A connection that a cookie made gets no TCB. */
void change_refused(struct tcp *tcp, const struct tuple *tuple);

#endif /* SYNKEEP_TCP_CHANGE_H */
