/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a service says of time and limits, wherever services are listed. See service_print.h.
 */
#include "service_print.h"

#include <stdio.h>

#include "duration.h"
#include "service_limits.h"

#define LIMITS_BYTES 96

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

/* "new=10,open=100 per /24/48, monitor" */
static void format_limits(char text[LIMITS_BYTES], const struct service_spec *spec)
{
	const struct source_limits *l = &spec->limits;
	char source[SERVICE_NUMBER_BYTES];
	int used = 0;

	if (l->new_per_second)
		used = snprintf(text, LIMITS_BYTES, "new=%u%s", l->new_per_second, l->open ? "," : "");
	if (l->open)
		used += snprintf(text + used, LIMITS_BYTES - used, "open=%u", l->open);
	snprintf(text + used, LIMITS_BYTES - used, " per %s%s", service_limits_format_source(l, source),
		 l->monitor ? ", monitor" : "");
}

void service_print_limits(struct table *table, const struct service_spec *spec)
{
	char limits[LIMITS_BYTES], share[SERVICE_NUMBER_BYTES];

	format_limits(limits, spec);
	table_cell(table, service_limits_given(spec) ? limits : "-");
	service_limits_format_share(spec, share);
	table_cell(table, *share ? share : "-");
}

void service_print_limits_json(struct json_object *object, const struct service_spec *spec)
{
	struct json_object *limits = service_limits_given(spec) ? json_object_new_object() : NULL;
	char share[SERVICE_NUMBER_BYTES];

	json_out_member(object, "limits", limits);
	if (limits) {
		json_out_number(limits, "new_per_second", spec->limits.new_per_second);
		json_out_number(limits, "open", spec->limits.open);
		json_out_number(limits, "prefix_ipv4", spec->limits.prefix_ipv4);
		json_out_number(limits, "prefix_ipv6", spec->limits.prefix_ipv6);
		json_out_bool(limits, "monitor", spec->limits.monitor);
	}
	service_limits_format_share(spec, share);
	json_out_text(object, "share", *share ? share : NULL);
}
