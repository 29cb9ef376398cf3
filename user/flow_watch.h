/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Watching the connections of loaded devices while they change (include/watch.h).
 *
 *   flow_watch_open()     takes a slot of each device
 *   flow_watch_fd()       can be read when there are events, which flow_watch_read() gives
 *   flow_watch_renew()    each FLOW_WATCH_RENEW_MS: says that the watcher is there
 *   flow_watch_close()    gives the slots back
 */
#ifndef SYNKEEP_FLOW_WATCH_H
#define SYNKEEP_FLOW_WATCH_H

#include "device.h"

#define FLOW_WATCH_RENEW_MS 1000
#define FLOW_WATCH_ERROR_BYTES 512

struct flow_watch;

/* Other than 0 ends the reading, and is what flow_watch_read() returns. */
typedef int (*flow_watch_visit)(const struct device *device, const struct flow_event *event, void *context);

/* What a watcher has missed since it last asked. */
struct flow_watch_missed {
	__u64 events; /* for which a ring had no room */
	__u64 ns;     /* in which it stood still for so long that its leases ran out */
};

/*
 * The devices stay open for as long as the watch. 0, or -errno with a sentence in error: -EUSERS, four watchers are
 * there already.
 */
int flow_watch_open(const struct device *devices, int count, flow_watch_visit visit, void *context,
		    struct flow_watch **out, char error[FLOW_WATCH_ERROR_BYTES]);

int flow_watch_fd(const struct flow_watch *watch);

/* Visits what has come, up to some thousand events. Does not wait. */
int flow_watch_read(struct flow_watch *watch);

/* -ESTALE, with a sentence: a device was unloaded. */
int flow_watch_renew(struct flow_watch *watch, struct flow_watch_missed *missed, char error[FLOW_WATCH_ERROR_BYTES]);

void flow_watch_close(struct flow_watch *watch); /* takes NULL */

#endif /* SYNKEEP_FLOW_WATCH_H */
