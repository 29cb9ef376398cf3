/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Deletes records of the daemon's that count for a service's share or a source's limit: the program "release" counts
 * them down (bpf/source_limit.bpf.h).
 */
#ifndef SYNKEEP_DAEMON_RELEASE_H
#define SYNKEEP_DAEMON_RELEASE_H

#include "device.h"

/* A descriptor of the program, or -errno. */
int release_open(const struct device *device);

/* keys: count of struct flow4_key or flow6_key. 0 or -errno. A record that is not there is none to delete. */
int release_records(int program_fd, __u8 family, const void *keys, __u32 count);

#endif /* SYNKEEP_DAEMON_RELEASE_H */
