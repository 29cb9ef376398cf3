/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How often the tables are read for what is upcoming, and how far ahead.
 *
 * A record that is moved while it is not in the horizon gets at least the shortest time that is in use; so it is met in
 * time if it is looked for twice within that. Reading costs CPU time, and is to leave a part of a hundredth of it for
 * what is due: where a table is so large that it would, what has a short time is taken away a little late.
 */
#ifndef SYNKEEP_DAEMON_SCAN_PLAN_H
#define SYNKEEP_DAEMON_SCAN_PLAN_H

#include "service_spec.h"

#define SCAN_PLAN_MOST_NS (30 * NSEC_PER_SEC)
#define SCAN_PLAN_LEAST_NS (250 * NSEC_PER_MSEC)
#define SCAN_PLAN_COSTLY_NS (50 * NSEC_PER_SEC) /* however much it costs: less than the horizon */

/* The shortest time that a record may get: of the states, of TIME-WAIT, of keepalive. */
__u64 scan_plan_shortest_ns(__u64 msl_ns, const struct service_spec *services, int count);

/* From one beginning to the next; cpu_ns: what the last cost. */
__u64 scan_plan_period_ns(__u64 shortest_ns, __u64 cpu_ns);

/*
 * What is due before this is to be told, by a scan that begins now; took_ns: how long the last lasted. A quarter of the
 * period more than it takes to the next scan, which may last, and in which what is due first may be read last.
 */
__u64 scan_plan_until_ns(__u64 now_ns, __u64 period_ns, __u64 took_ns);

#endif /* SYNKEEP_DAEMON_SCAN_PLAN_H */
