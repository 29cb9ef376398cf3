/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Telling the programs what is connected already: by the pinned program "seed", an iterator over the TCP sockets of
 * this network namespace, which makes records and fills the presence filter.
 */
#ifndef SYNKEEP_SEED_H
#define SYNKEEP_SEED_H

#include "device.h"

/*
 * Runs the program, after which SYNs for the device's services are answered by the presence filter. Whoever calls it
 * holds the lock of the device's pins. 0 or -errno; -EXDEV: the device is in another network namespace, whose sockets
 * can not be seen from here. Until it has run, each SYN's tuple is looked up among the sockets, which costs more.
 */
int seed_sockets(struct device *device);

#endif /* SYNKEEP_SEED_H */
