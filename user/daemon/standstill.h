/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Times in which the process or the machine stood still: SIGSTOP, a virtual machine that was stopped, suspend.
 *
 * The rule: who looked away can not say that nobody answered. Keepalive probes that were sent before the end of such a
 * time count for nothing; a peer is dead only after all of its probes were sent, and left unanswered, while the daemon
 * was at work. So after an hour of standstill nobody is closed who would not have been without it, and what fell due
 * meanwhile is probed at the pacer's rate. Records expire all the same: their deadlines are times, and nothing is lost
 * with them that the next segment does not bring back.
 *
 * It stood still
 *   where it comes to look more than a second later than it meant to: CLOCK_MONOTONIC went on, the process did not
 *   where CLOCK_BOOTTIME gained on CLOCK_MONOTONIC: the machine was suspended
 */
#ifndef SYNKEEP_DAEMON_STANDSTILL_H
#define SYNKEEP_DAEMON_STANDSTILL_H

#include "base.h"

#define STANDSTILL_NS NSEC_PER_SEC
#define STANDSTILL_SUSPENDED_NS (100 * NSEC_PER_MSEC)

struct standstill {
	__u64 meant_ns;	 /* when it would look again, CLOCK_MONOTONIC */
	__s64 asleep_ns; /* CLOCK_BOOTTIME less CLOCK_MONOTONIC, at least */
};

/*
 * Boottime is to be read before monotonic, which lowers the difference, never raises it, by the time between: a wait
 * for the CPU there is no suspend.
 */
void standstill_begin(struct standstill *standstill, __u64 boottime_ns, __u64 monotonic_ns);

/* Whether it stood still since the last look. */
bool standstill_look(struct standstill *standstill, __u64 boottime_ns, __u64 monotonic_ns);

/* It sleeps now, and means to look again at this time. */
void standstill_sleep(struct standstill *standstill, __u64 until_ns);

/*
 * agenda.resumed_ms, kept where it compares: milliseconds modulo 2^32 that lie too far back would seem to lie ahead.
 * stood_still: as standstill_look() said.
 */
__u32 standstill_resumed_ms(__u32 resumed_ms, bool stood_still, __u64 now_ns);

#endif /* SYNKEEP_DAEMON_STANDSTILL_H */
