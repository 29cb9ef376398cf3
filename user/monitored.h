/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The map "monitored" of a loaded device: an element for each service whose policy is monitor.
 */
#ifndef SYNKEEP_MONITORED_H
#define SYNKEEP_MONITORED_H

#include "device.h"
#include "monitor.h"

/* Makes a service's element, or sets what it has counted to 0. 0 or -errno. */
int monitored_begin(const struct device *device, const struct service_key *key);

/* Deletes it, if it is there. 0 or -errno. */
int monitored_end(const struct device *device, const struct service_key *key);

/* Adds what all CPUs have counted to *sum; nothing where the service is not monitored. 0 or -errno. */
int monitored_add(const struct device *device, const struct service_key *key, struct monitored *sum);

#endif /* SYNKEEP_MONITORED_H */
