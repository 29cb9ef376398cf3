/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What `ethtool` shows of a network device: features (-k), rings (-g) and queues (-l). Reads only.
 */
#ifndef SYNKEEP_ETHTOOL_H
#define SYNKEEP_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which of count features, by the kernel's names, are on. One that the kernel does not know is off, and all are where
 * the device has no features to tell of. 0 or -errno.
 */
int ethtool_features(const char *device, const char *const *names, bool *on, size_t count);

/* 0 where the device does not say. */
struct ethtool_sizes {
	unsigned int rx_ring; /* frames */
	unsigned int rx_ring_max;
	unsigned int queues; /* combined ones, in use */
	unsigned int queues_max;
};

/* 0 or -errno. */
int ethtool_sizes(const char *device, struct ethtool_sizes *sizes);

#endif /* SYNKEEP_ETHTOOL_H */
