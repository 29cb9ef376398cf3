/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What was counted of the services whose policy is monitor, in words: for people, and for programs.
 */
#ifndef SYNKEEP_MONITORED_PRINT_H
#define SYNKEEP_MONITORED_PRINT_H

#include "device.h"
#include "json_out.h"

/*
 * A table on stdout, of these devices, which are named where there are several; nothing where none has a service that
 * is monitored. 0 or -errno.
 */
int monitored_print_text(const struct device *devices, int count);

/* *list: an array of a device's monitored services, for the caller to put. 0 or -errno. */
int monitored_print_json(const struct device *device, struct json_object **list);

#endif /* SYNKEEP_MONITORED_PRINT_H */
