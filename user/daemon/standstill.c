/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Noticing a standstill. See standstill.h.
 */
#include "daemon/standstill.h"

#define RESUMED_MAX_MS (1U << 30) /* behind now */

void standstill_begin(struct standstill *standstill, __u64 boottime_ns, __u64 monotonic_ns)
{
	*standstill = (struct standstill){
		.meant_ns = monotonic_ns,
		.asleep_ns = (__s64)(boottime_ns - monotonic_ns),
	};
}

bool standstill_look(struct standstill *standstill, __u64 boottime_ns, __u64 monotonic_ns)
{
	__s64 asleep_ns = (__s64)(boottime_ns - monotonic_ns);
	bool was_late = monotonic_ns > standstill->meant_ns + STANDSTILL_NS;
	bool was_suspended = asleep_ns > standstill->asleep_ns + (__s64)STANDSTILL_SUSPENDED_NS;

	standstill->meant_ns = monotonic_ns;
	if (asleep_ns > standstill->asleep_ns)
		standstill->asleep_ns = asleep_ns;
	return was_late || was_suspended;
}

void standstill_sleep(struct standstill *standstill, __u64 until_ns)
{
	standstill->meant_ns = until_ns;
}

__u32 standstill_resumed_ms(__u32 resumed_ms, bool stood_still, __u64 now_ns)
{
	__u32 now_ms = (__u32)(now_ns / NSEC_PER_MSEC);

	if (stood_still)
		return now_ms;
	return now_ms - resumed_ms > RESUMED_MAX_MS ? now_ms - RESUMED_MAX_MS : resumed_ms;
}
