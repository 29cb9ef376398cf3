/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rows and objects of what policy always would have done. See monitored_print.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "monitored_print.h"
#include "service_table.h"
#include "table.h"

/* A thing that would have happened, verdict or loss, to so many packets. */
struct finding {
	const char *would;
	const char *name;
	__u64 packets;
	const char *sentence;
};

typedef void (*visit_finding)(const char *service, const struct finding *finding, void *context);

static const char *would_name(enum verdict_action action)
{
	return action == VERDICT_TX ? "answer" : action == VERDICT_DROP ? "drop" : "pass";
}

static void visit_service(const char *service, const struct monitored *monitored, visit_finding visit, void *context)
{
	for (enum verdict verdict = 0; verdict < VERDICT_COUNT; verdict++) {
		const struct verdict_info *info = verdict_info(verdict);
		const struct finding finding = { would_name(info->action), info->name, monitored->verdicts[verdict],
						 info->sentence };

		if (finding.packets)
			visit(service, &finding, context);
	}
	for (enum monitor_loss loss = 0; loss < LOSS_COUNT; loss++) {
		const struct monitor_loss_info *info = monitor_loss_info(loss);
		const struct finding finding = { "lose", info->name, monitored->losses[loss], info->sentence };

		if (finding.packets)
			visit(service, &finding, context);
	}
}

typedef void (*begin_service)(const char *service, void *context);

/* begin: called for each monitored service before its findings; may be NULL. */
static int visit_device(const struct device *device, begin_service begin, visit_finding visit, void *context)
{
	struct service_spec *specs = NULL;
	int count = service_table_list(device, &specs), err = 0;

	if (count < 0)
		return count;
	for (int i = 0; i < count && !err; i++) {
		struct monitored monitored;
		char service[SERVICE_SPEC_BYTES];

		if (specs[i].policy != POLICY_MONITOR)
			continue;
		err = service_table_monitored(device, &specs[i], &monitored);
		service_spec_format(&specs[i], service, sizeof(service));
		if (!err && begin)
			begin(service, context);
		if (!err)
			visit_service(service, &monitored, visit, context);
	}
	free(specs);
	return err;
}

/* --- for people -------------------------------------------------------------------------------------------------- */

struct rows {
	struct table *table;
	const char *device; /* NULL: not named */
};

static void add_row(const char *service, const struct finding *finding, void *context)
{
	const struct rows *rows = context;
	char number[24];

	if (rows->device)
		table_cell(rows->table, rows->device);
	table_cell(rows->table, service);
	table_cell(rows->table, finding->would);
	table_cell(rows->table, finding->name);
	snprintf(number, sizeof(number), "%llu", finding->packets);
	table_cell(rows->table, number);
	table_cell(rows->table, finding->sentence);
}

int monitored_print_text(const struct device *devices, int count)
{
	static const struct table_column columns[] = {
		{ "DEVICE", false }, { "MONITORED", false }, { "WOULD", false },
		{ "WHAT", false },   { "PACKETS", true },    { "MEANING", false },
	};
	int several = count > 1, err = 0;
	struct rows rows = { .table = table_new(several ? columns : columns + 1, ARRAY_LEN(columns) - !several) };

	if (!rows.table)
		return -ENOMEM;
	for (int i = 0; i < count && !err; i++) {
		rows.device = several ? devices[i].name : NULL;
		err = visit_device(&devices[i], NULL, add_row, &rows);
	}
	if (!err && table_rows(rows.table)) {
		putchar('\n');
		err = table_flush(rows.table, stdout);
	}
	table_free(rows.table);
	return err;
}

/* --- for programs ------------------------------------------------------------------------------------------------ */

struct objects {
	struct json_object *list;
	struct json_object *findings; /* of the service that is being visited */
};

static void begin_object(const char *service, void *context)
{
	struct objects *objects = context;
	struct json_object *object = json_object_new_object();

	json_out_text(object, "service", service);
	objects->findings = json_out_member(object, "findings", json_object_new_array());
	json_object_array_add(objects->list, object);
}

static void add_object(const char *service, const struct finding *finding, void *context)
{
	struct objects *objects = context;
	struct json_object *object = json_object_new_object();

	(void)service;
	json_out_text(object, "would", finding->would);
	json_out_text(object, "name", finding->name);
	json_out_number(object, "packets", finding->packets);
	json_out_text(object, "sentence", finding->sentence);
	json_object_array_add(objects->findings, object);
}

int monitored_print_json(const struct device *device, struct json_object **list)
{
	struct objects objects = { .list = json_object_new_array() };

	*list = objects.list;
	return visit_device(device, begin_object, add_object, &objects);
}
