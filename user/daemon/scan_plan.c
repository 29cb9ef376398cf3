/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reckoning a period. See scan_plan.h.
 */
#include "daemon/scan_plan.h"

#include "timeouts.h"

#define CPU_SHARE 125			/* one part of the time is spent on reading at most */
#define MARGIN_NS (500 * NSEC_PER_MSEC) /* by which the next scan may begin late */

static __u64 least(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

static __u64 most(__u64 a, __u64 b)
{
	return a > b ? a : b;
}

__u64 scan_plan_shortest_ns(__u64 msl_ns, const struct service_spec *services, int count)
{
	__u64 shortest_ns =
		least(tcp_state_timeout_ns(TCPS_SYN_SENT, msl_ns), tcp_state_timeout_ns(TCPS_TIME_WAIT, msl_ns));

	for (int i = 0; i < count; i++) {
		const struct service_spec *service = &services[i];

		if (service->msl_ms)
			shortest_ns = least(shortest_ns, 2 * service->msl_ms * NSEC_PER_MSEC);
		if (service->owner == FLOW_OWNER_KERNEL && service->keepalive.idle_ms) {
			shortest_ns = least(shortest_ns, service->keepalive.idle_ms * NSEC_PER_MSEC);
			shortest_ns = least(shortest_ns, service->keepalive.interval_ms * NSEC_PER_MSEC);
		}
	}
	return shortest_ns;
}

__u64 scan_plan_period_ns(__u64 shortest_ns, __u64 cpu_ns)
{
	__u64 wanted_ns = most(least(shortest_ns / 2, SCAN_PLAN_MOST_NS), SCAN_PLAN_LEAST_NS);

	return most(wanted_ns, least(CPU_SHARE * cpu_ns, SCAN_PLAN_COSTLY_NS));
}

__u64 scan_plan_until_ns(__u64 now_ns, __u64 period_ns, __u64 took_ns)
{
	return now_ns + period_ns + period_ns / 4 + 2 * took_ns + MARGIN_NS;
}
