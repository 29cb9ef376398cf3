/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Writing down what happens to the device (include/journal.h). */
#ifndef SYNKEEP_JOURNAL_BPF_H
#define SYNKEEP_JOURNAL_BPF_H

#include "maps.bpf.h"

/* What an event is, in one word, for the stack's sake: its kind, cause and table. */
static __always_inline __u32 journal_what(enum journal_kind kind, enum sentry_cause cause, __u8 table)
{
	return (__u32)kind << 16 | (__u32)cause << 8 | table;
}

#define JOURNAL_BOTH_FAMILIES (1U << 24) /* with it: the service is a "*:PORT" */

/* The number is written last, and says that the rest is. service: NULL where the event is of none. */
__noinline int journal_note(const struct service_key *service, __u32 what, __u64 value, __u64 now_ns)
{
	__u32 zero = 0;
	struct journal *j = bpf_map_lookup_elem(&journal, &zero);
	struct journal_event *event;
	__u64 number;

	if (!j)
		return -1;
	number = __sync_fetch_and_add(&j->last, 1) + 1;
	event = &j->events[number % JOURNAL_EVENTS];
	__sync_lock_test_and_set(&event->number, 0);
	event->time_ns = now_ns;
	event->value = value;
	event->kind = (__u8)(what >> 16);
	event->cause = (__u8)(what >> 8);
	event->table = (__u8)what;
	__builtin_memset(&event->service, 0, sizeof(event->service));
	if (service)
		event->service = *service;
	if (what & JOURNAL_BOTH_FAMILIES)
		event->service.family = 0;
	__sync_lock_test_and_set(&event->number, number);
	return 0;
}

#endif /* SYNKEEP_JOURNAL_BPF_H */
