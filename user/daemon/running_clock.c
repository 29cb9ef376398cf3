/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Time without pauses. See running_clock.h.
 */
#include "daemon/running_clock.h"

#include <stdint.h>

__u64 running_clock_turn(struct running_clock *clock, __u64 now_ns)
{
	if (clock->due_ns && now_ns > clock->due_ns + RUNNING_CLOCK_LATE_NS) {
		clock->lost_ns += (now_ns - clock->due_ns) / NSEC_PER_SEC * NSEC_PER_SEC;
		clock->stood_still++;
	}
	clock->due_ns = now_ns;
	return now_ns - clock->lost_ns;
}

void running_clock_rest(struct running_clock *clock, __u64 most_ns)
{
	if (clock->due_ns)
		clock->due_ns += most_ns;
}

__u64 running_clock_to_monotonic(const struct running_clock *clock, __u64 tcp_ns)
{
	return tcp_ns == UINT64_MAX ? tcp_ns : tcp_ns + clock->lost_ns;
}

void running_clock_mend(const struct running_clock *clock, struct tcp_record *record)
{
	__u32 lost_ms = (__u32)(clock->lost_ns / NSEC_PER_MSEC);

	switch (record->kind) {
	case TCP_RECORD_HALF_OPEN:
		record->half_open.deadline_ns += clock->lost_ns;
		break;
	case TCP_RECORD_FLOW:
		record->flow.deadline_ns += clock->lost_ns;
		record->flow.born_s += (__u32)(clock->lost_ns / NSEC_PER_SEC);
		record->flow.rcv_seen_ms += lost_ms;
		break;
	case TCP_RECORD_ENDED:
		record->ended.deadline_ms += lost_ms; /* its mark is counted from there */
		break;
	case TCP_RECORD_LOST:
	case TCP_RECORD_NONE:
		break;
	}
}
