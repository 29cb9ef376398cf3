/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading the journal. See journal_read.h.
 */
#include <errno.h>
#include <sys/mman.h>

#include "journal_read.h"

int journal_reader_open(const struct device *device, struct journal_reader *reader)
{
	void *map = mmap(NULL, sizeof(struct journal), PROT_READ, MAP_SHARED, device->journal_fd, 0);

	*reader = (struct journal_reader){ .next = 1 };
	if (map == MAP_FAILED)
		return -errno;
	reader->journal = map;
	return 0;
}

void journal_reader_close(struct journal_reader *reader)
{
	if (reader->journal)
		munmap((void *)reader->journal, sizeof(struct journal));
	reader->journal = NULL;
}

/* Places are written over in turn: what is older than all places are is gone. */
static void skip_what_is_gone(struct journal_reader *reader, __u64 last)
{
	if (last < reader->next + JOURNAL_EVENTS)
		return;
	reader->missed += last - JOURNAL_EVENTS + 1 - reader->next;
	reader->next = last - JOURNAL_EVENTS + 1;
}

/* An event that has another number behind its copy than before was written over meanwhile. */
bool journal_reader_next(struct journal_reader *reader, struct journal_event *event)
{
	const struct journal *journal = reader->journal;

	for (;;) {
		__u64 last = __atomic_load_n(&journal->last, __ATOMIC_ACQUIRE);
		const struct journal_event *place;

		skip_what_is_gone(reader, last);
		place = &journal->events[reader->next % JOURNAL_EVENTS];
		if (reader->next > last || __atomic_load_n(&place->number, __ATOMIC_ACQUIRE) < reader->next)
			return false; /* it is being written */
		*event = *place;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&place->number, __ATOMIC_RELAXED) == reader->next && event->number == reader->next)
			break;
	}
	reader->next++;
	return true;
}
