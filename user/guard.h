/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The guard of a trial: a process that unloads a device when its trial is over, unless someone has kept it.
 *
 * It is the second of two layers. The first is the data path itself, which drains from config.try_until_ns on, whatever
 * becomes of processes; the guard then takes away what is left.
 */
#ifndef SYNKEEP_GUARD_H
#define SYNKEEP_GUARD_H

#include "device.h"

/*
 * Starts the guard of the load that was made at loaded_at_ns (config.loaded_at_ns). It belongs to no terminal and ends
 * with the trial: kept, unloaded by someone else, or unloaded by it. 0 or -errno.
 */
int guard_start(const char *pin_root, const char *name, __u64 loaded_at_ns);

#endif /* SYNKEEP_GUARD_H */
