/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What can be said of a device's daemon from outside: the sums of what its workers tell, and its ager. Reads only.
 */
#ifndef SYNKEEP_DAEMON_VIEW_H
#define SYNKEEP_DAEMON_VIEW_H

#include "daemon/ager_state.h"
#include "daemon/worker_states.h"
#include "device.h"

struct daemon_view {
	__u32 workers; /* that are alive; 0: there is no daemon */
	__u32 zero_copy;
	__u32 pid;
	struct worker_state sum; /* of those that have ended, too: what a daemon counted outlives it until the next */
	bool ages;		 /* the ager is alive */
	struct ager_state ager;
};

/* 0 or -errno; zeros where there never was a daemon. */
int daemon_view_read(const struct device *device, __u64 now_ns, struct daemon_view *view);

/* Calls visit for each counter: its name, what it has counted, and what that means. */
typedef void (*daemon_view_visit)(const char *name, __u64 count, const char *sentence, void *context);
void daemon_view_counters(const struct daemon_view *view, daemon_view_visit visit, void *context);

/* The same of what its ager has counted. */
void daemon_view_ager_counters(const struct daemon_view *view, daemon_view_visit visit, void *context);

#endif /* SYNKEEP_DAEMON_VIEW_H */
