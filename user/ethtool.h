/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The features of a network device that `ethtool -k` shows. Reads only.
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

#endif /* SYNKEEP_ETHTOOL_H */
