/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The list of sources of a loaded device, read and changed. Who changes it has locked the device (cmd_devices_lock()).
 *
 * A prefix is denied or allowed, not both: what is said last holds. What has expired counts as absent; its entry goes
 * when the list is replaced, or when its place is needed.
 */
#ifndef SYNKEEP_SOURCE_TABLE_H
#define SYNKEEP_SOURCE_TABLE_H

#include "device.h"
#include "source_rule.h"

struct source_table_counts {
	__u64 of[SOURCE_DENY_MONITOR + 1]; /* by enum source_action */
	__u64 memory_bytes;		   /* by the kernel's account */
};

/* All of it, in the order of source_rule_compare(), for the caller to free. 0 or -errno. */
int source_table_read(const struct device *device, struct source_rule **rules, size_t *count);
int source_table_count(const struct device *device, struct source_table_counts *counts);

/* Adds rules, or changes those that are there. All or none: 0 or -errno; -ENOSPC: there are SOURCE_LIST_MAX. */
int source_table_add(const struct device *device, const struct source_rule *rules, size_t count);

/*
 * Deletes the rules of these prefixes, of the deny list or of the other. All or none: 0 or -errno; -ENOENT: *missing is
 * the first that is not in that list.
 */
int source_table_delete(const struct device *device, bool denied, const struct source_rule *rules, size_t count,
			const struct source_rule **missing);

/*
 * Puts the rules in place of the whole deny list or of the other; the rules of the other one stay, but for those of the
 * same prefixes. A packet sees the list before or the list after. 0 or -errno, as above, and nothing has changed.
 */
int source_table_replace(const struct device *device, bool denied, const struct source_rule *rules, size_t count);

#endif /* SYNKEEP_SOURCE_TABLE_H */
