/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs count of a service: records for its share, connections of its sources (bpf/source_limit.bpf.h).
 */
#ifndef SYNKEEP_SERVICE_COUNTS_H
#define SYNKEEP_SERVICE_COUNTS_H

#include "device.h"

/* The flow table's records that a share of so many percent is; at least 1. -errno. */
int service_counts_share(const struct device *device, __u8 percent, __u32 *flows_max);

/*
 * Counts from nothing: for a service to which connections that are there did not belong, or that counted others, or
 * otherwise. Connections from before do not count then, nor does their end. 0 or -errno.
 */
int service_counts_reset(const struct device *device, __u32 sentry);

/* Whether what was counted by the one would mislead the other. */
bool service_counts_differ(const struct service *before, const struct service *after);

#endif /* SYNKEEP_SERVICE_COUNTS_H */
