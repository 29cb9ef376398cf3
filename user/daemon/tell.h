/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A worker tells watchers what becomes of its connections (include/watch.h): collected in a turn, then given to the
 * program "watch_tell" at once. While nobody watches, it costs a look into mapped memory.
 */
#ifndef SYNKEEP_DAEMON_TELL_H
#define SYNKEEP_DAEMON_TELL_H

#include "device.h"

struct tell;

/* NULL with errno. */
struct tell *tell_open(const struct device *device);
void tell_close(struct tell *tell); /* takes NULL */

/* now_ns: CLOCK_MONOTONIC, the time of the event, too. */
void tell_put(struct tell *tell, const struct flow_event *event, __u64 now_ns);

void tell_flush(struct tell *tell);

#endif /* SYNKEEP_DAEMON_TELL_H */
