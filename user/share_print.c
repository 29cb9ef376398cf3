/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Printing shares. See share_print.h.
 */
#include "share_print.h"

#include <errno.h>
#include <stdio.h>

#include "format.h"
#include "service_limits.h"
#include "table.h"

static __u32 records(const struct status_service *service)
{
	return service->sentry.flows > 0 ? service->sentry.flows : 0;
}

static void cell_number(struct table *table, __u32 number)
{
	char text[FORMAT_SIZE_BYTES];

	snprintf(text, sizeof(text), "%u", number);
	table_cell(table, text);
}

static void add_row(struct table *table, const struct status_service *service)
{
	__u32 most = service->spec.flows_max;
	char text[SERVICE_SPEC_BYTES], used[FORMAT_SIZE_BYTES];

	service_spec_format(&service->spec, text, sizeof(text));
	table_cell(table, "");
	table_cell(table, text);
	cell_number(table, records(service));
	if (!most) {
		table_cell(table, "-");
		table_cell(table, "-");
		table_cell(table, "-");
		return;
	}
	cell_number(table, most);
	snprintf(used, sizeof(used), "%llu%%", records(service) * 100ULL / most);
	table_cell(table, used);
	cell_number(table, service->sentry.flows_full);
}

int share_print_text(const struct status *status)
{
	static const struct table_column columns[] = {
		{ "", false },	{ "SHARE", false }, { "RECORDS", true },
		{ "OF", true }, { "USED", true },   { "FOUND-FULL", true },
	};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	int err = 0;

	if (!table)
		return -ENOMEM;
	for (int i = 0; i < status->service_count; i++) {
		if (service_limits_count_flows(&status->services[i].spec))
			add_row(table, &status->services[i]);
	}
	if (table_rows(table))
		err = table_flush(table, stdout);
	table_free(table);
	return err;
}

struct json_object *share_print_json(const struct status_service *service)
{
	struct json_object *object;

	if (!service_limits_count_flows(&service->spec))
		return NULL;
	object = json_object_new_object();
	json_out_number(object, "records", records(service));
	if (service->spec.flows_max)
		json_out_number(object, "max_records", service->spec.flows_max);
	else
		json_out_text(object, "max_records", NULL);
	json_out_number(object, "found_full", service->sentry.flows_full);
	return object;
}
