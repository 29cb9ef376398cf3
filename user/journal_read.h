/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading what happened to a device (include/journal.h), while its programs go on writing.
 */
#ifndef SYNKEEP_JOURNAL_READ_H
#define SYNKEEP_JOURNAL_READ_H

#include "device.h"

struct journal_reader {
	const struct journal *journal; /* mapped */
	__u64 next;		       /* the number of the event to be read */
	__u64 missed;		       /* that were gone before they were read */
};

/* From the oldest event on. 0 or -errno. */
int journal_reader_open(const struct device *device, struct journal_reader *reader);
void journal_reader_close(struct journal_reader *reader);

/* The next event; false: there is none yet. */
bool journal_reader_next(struct journal_reader *reader, struct journal_event *event);

#endif /* SYNKEEP_JOURNAL_READ_H */
