/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a service says of time, wherever services are listed. See service_print.h.
 */
#include "service_print.h"

#include "duration.h"

void service_print_times(struct table *table, const struct service_spec *spec)
{
	char keepalive[SERVICE_KEEPALIVE_BYTES], msl[DURATION_BYTES];
	bool is_on = spec->keepalive.idle_ms;

	table_cell(table, service_spec_format_keepalive(&spec->keepalive, keepalive));
	table_cell(table, is_on ? service_spec_dead_name(spec->keepalive.dead) : "-");
	table_cell(table, spec->msl_ms ? duration_format(msl, spec->msl_ms * NSEC_PER_MSEC) : "-");
}

void service_print_times_json(struct json_object *object, const struct service_spec *spec)
{
	struct json_object *keepalive = spec->keepalive.idle_ms ? json_object_new_object() : NULL;

	json_out_member(object, "keepalive", keepalive);
	if (keepalive) {
		json_out_number(keepalive, "idle_ms", spec->keepalive.idle_ms);
		json_out_number(keepalive, "interval_ms", spec->keepalive.interval_ms);
		json_out_number(keepalive, "probes", spec->keepalive.probes);
		json_out_text(keepalive, "dead", service_spec_dead_name(spec->keepalive.dead));
	}
	if (spec->msl_ms)
		json_out_number(object, "msl_ms", spec->msl_ms);
	else
		json_out_text(object, "msl_ms", NULL);
}
