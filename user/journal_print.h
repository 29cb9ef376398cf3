/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Printing what happened to a device on stdout, a line an event. */
#ifndef SYNKEEP_JOURNAL_PRINT_H
#define SYNKEEP_JOURNAL_PRINT_H

#include "journal.h"

/* now_ns: the programs' time now. device: NULL, where there is only one; in JSON it always is there. 0 or -EIO. */
int journal_print_text(const struct journal_event *event, const char *device, __u64 now_ns);
int journal_print_json(const struct journal_event *event, const char *device, __u64 now_ns);

#endif /* SYNKEEP_JOURNAL_PRINT_H */
