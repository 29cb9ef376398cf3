/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The counters of a loaded device's verdicts, over all CPUs. Reads only.
 */
#ifndef SYNKEEP_COUNTERS_H
#define SYNKEEP_COUNTERS_H

#include "device.h"
#include "verdict.h"

/* 0 or -errno. */
int counters_read(const struct device *device, struct verdict_counter sums[VERDICT_COUNT]);

#endif /* SYNKEEP_COUNTERS_H */
