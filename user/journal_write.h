/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a command did to a device, put into the journal that its programs write (include/journal.h).
 */
#ifndef SYNKEEP_JOURNAL_WRITE_H
#define SYNKEEP_JOURNAL_WRITE_H

#include "device.h"

/* Of the event, number and time are not looked at. 0 or -errno. */
int journal_write(const struct device *device, const struct journal_event *event);

#endif /* SYNKEEP_JOURNAL_WRITE_H */
