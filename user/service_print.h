/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a service says of time, wherever services are listed: keepalive, what becomes of the dead, its MSL; and what it
 * limits.
 */
#ifndef SYNKEEP_SERVICE_PRINT_H
#define SYNKEEP_SERVICE_PRINT_H

#include "json_out.h"
#include "service_spec.h"
#include "table.h"

/* The columns, in a list of struct table_column, and their cells: values as in a SPEC. */
#define SERVICE_PRINT_TIMES                                                                                            \
	{ "KEEPALIVE", false }, { "DEAD", false },                                                                     \
	{                                                                                                              \
		"MSL", false                                                                                           \
	}
void service_print_times(struct table *table, const struct service_spec *spec);

/* Members "keepalive" and "msl_ms"; null: off, and as the device has it. */
void service_print_times_json(struct json_object *object, const struct service_spec *spec);

/* Two columns more, and members "limits", null where it has none, and "share", as the key has it, or null. */
#define SERVICE_PRINT_LIMITS                                                                                           \
	{ "LIMITS", false },                                                                                           \
	{                                                                                                              \
		"SHARE", false                                                                                         \
	}
void service_print_limits(struct table *table, const struct service_spec *spec);
void service_print_limits_json(struct json_object *object, const struct service_spec *spec);

#endif /* SYNKEEP_SERVICE_PRINT_H */
