/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The services of a loaded device, in its maps "services" and "ports".
 *
 * "*:PORT" is two entries, one a family; entries that say the same for all addresses of both families are listed as
 * one. Whoever changes the table holds the lock of the device's pins (pins_lock()).
 */
#ifndef SYNKEEP_SERVICE_TABLE_H
#define SYNKEEP_SERVICE_TABLE_H

#include "device.h"
#include "monitor.h"
#include "service_spec.h"

/* The table of a device that has no services yet: what concerns every port all the same. 0 or -errno. */
int service_table_begin(const struct device *device);

/* Adds a service, or changes the one with the same address and port. 0 or -errno; -ENOSPC: the table is full. */
int service_table_add(struct device *device, const struct service_spec *spec);

/*
 * Connections whose handshake is under way complete all the same.
 *
 * 0 or -errno; -ENOENT: there is no such service. Only the spec's address and port matter.
 */
int service_table_delete(struct device *device, const struct service_spec *spec);

/* Notes that the presence filter has every socket of the services that there are. 0 or -errno. */
int service_table_sockets_known(struct device *device);

/*
 * The services, those of both families first, then by family, address and port. Returns their number, *specs for the
 * caller to free, or -errno.
 */
int service_table_list(const struct device *device, struct service_spec **specs);

/* What is counted of a service, since it got policy monitor; zeros where it has another. 0 or -errno. */
int service_table_monitored(const struct device *device, const struct service_spec *spec, struct monitored *sum);

#endif /* SYNKEEP_SERVICE_TABLE_H */
