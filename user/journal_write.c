/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing into the journal, as bpf/journal.bpf.h does. See journal_write.h.
 */
#include <errno.h>
#include <sys/mman.h>

#include "clocks.h"
#include "journal_write.h"

int journal_write(const struct device *device, const struct journal_event *event)
{
	struct journal *journal;
	struct journal_event *place;
	__u64 number;

	journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, device->journal_fd, 0);
	if (journal == MAP_FAILED)
		return -errno;
	number = __atomic_add_fetch(&journal->last, 1, __ATOMIC_SEQ_CST);
	place = &journal->events[number % JOURNAL_EVENTS];
	__atomic_store_n(&place->number, 0, __ATOMIC_SEQ_CST);
	place->time_ns = clocks_now_ns(device);
	place->value = event->value;
	place->kind = event->kind;
	place->cause = event->cause;
	place->table = event->table;
	place->service = event->service;
	/* Last: it says that the rest is there. */
	__atomic_store_n(&place->number, number, __ATOMIC_SEQ_CST);
	munmap(journal, sizeof(*journal));
	return 0;
}
