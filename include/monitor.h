/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is found out about a service whose policy is monitor: what always would have done with each packet that no flow
 * claims, and what its SYNs would have lost by that.
 */
#ifndef SYNKEEP_MONITOR_H
#define SYNKEEP_MONITOR_H

#include "verdict.h"

/* X(identifier, name, sentence). A SYN may lose several things at once. */
#define MONITOR_LOSSES(X)                                                                                              \
	X(FAST_OPEN, "fast-open", "SYN with TCP Fast Open: the client would do without it")                            \
	X(SYN_DATA, "syn-data", "SYN with data: the client would send the data again, a round trip later")             \
	X(OPTIONS, "options", "SYN without timestamps for a cookie of the kernel's own: no window scale, no SACK")     \
	X(MPTCP, "mptcp", "SYN for MPTCP to an MPTCP listener: no such connection by a cookie")                        \
	X(SIGNED, "signed", "SYN signed with MD5 or AO: dropped, or passed within the budget with md5=pass")           \
	X(SMALL_MSS, "small-mss", "SYN with an MSS below 536 (IPv6: 1220): it would be sent segments of that size")    \
	X(HANDOVER, "handover", "SYN for a listener that takes no handover: it would be passed, flood or not")

enum monitor_loss {
#define X(id, name, sentence) LOSS_##id,
	MONITOR_LOSSES(X)
#undef X
		LOSS_COUNT
};

/* Map "monitored", of each service and CPU: packets. */
struct monitored {
	__u64 verdicts[VERDICT_COUNT];
	__u64 losses[LOSS_COUNT];
};

#ifndef __bpf__
struct monitor_loss_info {
	const char *name;
	const char *sentence;
};

static inline const struct monitor_loss_info *monitor_loss_info(enum monitor_loss loss)
{
	static const struct monitor_loss_info infos[] = {
#define X(id, name, sentence) { name, sentence },
		MONITOR_LOSSES(X)
#undef X
	};
	return loss < LOSS_COUNT ? &infos[loss] : NULL;
}

/* How many packets would have met the action. */
static inline __u64 monitor_sum(const struct monitored *monitored, enum verdict_action action)
{
	__u64 sum = 0;

	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++)
		sum += verdict_action(verdict) == action ? monitored->verdicts[verdict] : 0;
	return sum;
}
#endif

#endif /* SYNKEEP_MONITOR_H */
