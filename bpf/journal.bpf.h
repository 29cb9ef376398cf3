/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Writing down what happens to the device (include/journal.h). */
#ifndef SYNKEEP_JOURNAL_BPF_H
#define SYNKEEP_JOURNAL_BPF_H

#include "maps.bpf.h"

/* An event of which a program knows all but number and time. The number is written last, and says that the rest is. */
__noinline int journal_note(const struct journal_event *what, __u64 now_ns)
{
	__u32 zero = 0;
	struct journal *j = bpf_map_lookup_elem(&journal, &zero);
	struct journal_event *event;
	__u64 number;

	if (!j || !what)
		return -1;
	number = __sync_fetch_and_add(&j->last, 1) + 1;
	event = &j->events[number % JOURNAL_EVENTS];
	__sync_lock_test_and_set(&event->number, 0);
	event->time_ns = now_ns;
	event->value = what->value;
	event->kind = what->kind;
	event->cause = what->cause;
	event->table = what->table;
	event->service = what->service;
	__sync_lock_test_and_set(&event->number, number);
	return 0;
}

#endif /* SYNKEEP_JOURNAL_BPF_H */
