/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The time of a worker's TCP: CLOCK_MONOTONIC less the time in which the worker stood still, because it was stopped
 * (SIGSTOP), its machine was, or others had the CPU.
 *
 * What peers sent meanwhile was lost, or waits to be read: their silence says nothing. So connections must not be given
 * up for it, nor probed and retransmitted all at once. Whoever begins a turn by more than a second later than it meant
 * to has stood still, and what it is late by, in whole seconds, is taken off the time. TSval (RFC 7323) pauses with it
 * and never runs backwards. The time in which the machine sleeps is not in CLOCK_MONOTONIC at all.
 *
 * Records go on to expire: what was about to end when the worker stopped may be without one for a while, until its TCP
 * writes it again, at half of its lifetime.
 *
 * Outside the TCP times are CLOCK_MONOTONIC's: running_clock_mend() puts those of its records back. Of what is past it
 * does not know on which side of a pause it was: a connection's age and its idle time are without the pauses.
 *
 * Pure. Zeros are a clock that runs from the first turn on.
 */
#ifndef SYNKEEP_DAEMON_RUNNING_CLOCK_H
#define SYNKEEP_DAEMON_RUNNING_CLOCK_H

#include "tcp/tcp.h"

#define RUNNING_CLOCK_LATE_NS NSEC_PER_SEC /* no worker that runs is late by so much */

struct running_clock {
	__u64 due_ns;	   /* CLOCK_MONOTONIC: when the next turn is to begin at the latest; 0: there was none yet */
	__u64 lost_ns;	   /* in all, whole seconds */
	__u64 stood_still; /* how often */
};

/* A turn begins. Returns the TCP's time. */
__u64 running_clock_turn(struct running_clock *clock, __u64 now_ns);

/* The worker rests for so long at most; before the first turn it may take any time. */
void running_clock_rest(struct running_clock *clock, __u64 most_ns);

/* A time of the TCP's that is not past, as CLOCK_MONOTONIC; UINT64_MAX, never, stays so. */
__u64 running_clock_to_monotonic(const struct running_clock *clock, __u64 tcp_ns);

/* The times in a record of the TCP's become CLOCK_MONOTONIC's. */
void running_clock_mend(const struct running_clock *clock, struct tcp_record *record);

#endif /* SYNKEEP_DAEMON_RUNNING_CLOCK_H */
