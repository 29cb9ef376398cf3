/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which of a loaded device's receive queues a daemon serves, as XDP sees it. Reads only.
 */
#ifndef SYNKEEP_DAEMON_QUEUES_H
#define SYNKEEP_DAEMON_QUEUES_H

#include "device.h"

struct daemon_queues {
	__u32 count;  /* receive queues that there is room for in xsks, from 0 on */
	__u32 served; /* those that have a socket there */
};

/* 0 or -errno. */
int daemon_queues_read(const struct device *device, struct daemon_queues *queues);

#endif /* SYNKEEP_DAEMON_QUEUES_H */
