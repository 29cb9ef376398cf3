/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A daemon, and what it has counted, in words: for people, and for programs.
 */
#ifndef SYNKEEP_DAEMON_PRINT_H
#define SYNKEEP_DAEMON_PRINT_H

#include "daemon_view.h"
#include "json_out.h"

/* A line of `synkeep status`, on stdout; nothing where there never was a daemon. */
void daemon_print_line(const struct daemon_view *view);

/* The same as an object; null where there is no daemon now. */
struct json_object *daemon_print_json(const struct daemon_view *view);

/* The same two of its ager. */
void daemon_print_ager_line(const struct daemon_view *view);
struct json_object *daemon_print_ager_json(const struct daemon_view *view);

/*
 * The counters of these devices' daemons and agers as tables on stdout, with those that are zero if all; devices are
 * named where there are several. 0 or -errno.
 */
int daemon_print_counters(const struct device *devices, int count, bool all);

/* Arrays of a device's counters, for the caller to put, whatever is returned. 0 or -errno. */
int daemon_print_counters_json(const struct device *device, bool all, struct json_object **workers,
			       struct json_object **ager);

#endif /* SYNKEEP_DAEMON_PRINT_H */
