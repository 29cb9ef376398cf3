/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Lines, rows and objects about a daemon. See daemon_print.h.
 */
#include "daemon_print.h"

#include <errno.h>
#include <stdio.h>

#include "format.h"
#include "system.h"
#include "table.h"

static const char *way_name(const struct daemon_view *view)
{
	if (!view->zero_copy)
		return "copy";
	return view->zero_copy == view->workers ? "zero-copy" : "zero-copy in part";
}

void daemon_print_line(const struct daemon_view *view)
{
	const struct tcp_counters *tcp = &view->sum.tcp;
	char memory[FORMAT_SIZE_BYTES];

	if (view->workers)
		printf("  daemon   process %u, %u worker%s, AF_XDP %s; %u connections, %u half-open, %s\n", view->pid,
		       view->workers, view->workers == 1 ? "" : "s", way_name(view), tcp->connections,
		       tcp->connections_half_open, format_bytes(memory, view->sum.memory_bytes));
	else if (view->sum.frames_received)
		puts("  daemon   gone");
}

void daemon_print_ager_line(const struct daemon_view *view)
{
	const struct ager_state *ager = &view->ager;

	if (view->ages)
		printf("  ager     reads the tables every %llu ms, knows of %llu records that fall due; at most %llu "
		       "ms late, "
		       "99 of 100 within %llu\n",
		       ager->period_ms, ager->waiting, ager->late_max_ms, ager_state_late_ms(ager, 99));
	else if (ager->scans)
		puts("  ager     gone");
}

struct json_object *daemon_print_ager_json(const struct daemon_view *view)
{
	const struct ager_state *ager = &view->ager;
	struct json_object *object;

	if (!view->ages)
		return NULL;
	object = json_object_new_object();
	json_out_number(object, "period_ms", ager->period_ms);
	json_out_number(object, "scans", ager->scans);
	json_out_number(object, "scan_cpu_ns", ager->scan_cpu_ns);
	json_out_number(object, "waiting", ager->waiting);
	json_out_number(object, "late_p99_ms", ager_state_late_ms(ager, 99));
	json_out_number(object, "late_max_ms", ager->late_max_ms);
	return object;
}

struct json_object *daemon_print_json(const struct daemon_view *view)
{
	struct json_object *object;

	if (!view->workers)
		return NULL;
	object = json_object_new_object();
	json_out_number(object, "pid", view->pid);
	json_out_number(object, "workers", view->workers);
	json_out_number(object, "zero_copy_workers", view->zero_copy);
	json_out_number(object, "connections", view->sum.tcp.connections);
	json_out_number(object, "half_open", view->sum.tcp.connections_half_open);
	json_out_number(object, "memory_bytes", view->sum.memory_bytes);
	return object;
}

/* --- counters ----------------------------------------------------------------------------------------------------- */

struct output {
	struct table *table;
	struct json_object *list;
	const char *device; /* NULL: not named */
	bool all;
};

static void add_row(const char *name, __u64 count, const char *sentence, void *context)
{
	const struct output *output = context;
	char number[24];

	if (!count && !output->all)
		return;
	if (output->device)
		table_cell(output->table, output->device);
	table_cell(output->table, name);
	snprintf(number, sizeof(number), "%llu", count);
	table_cell(output->table, number);
	table_cell(output->table, sentence);
}

static void add_object(const char *name, __u64 count, const char *sentence, void *context)
{
	const struct output *output = context;
	struct json_object *object;

	if (!count && !output->all)
		return;
	object = json_object_new_object();
	json_out_text(object, "name", name);
	json_out_number(object, "count", count);
	json_out_text(object, "sentence", sentence);
	json_object_array_add(output->list, object);
}

/* One of the sections that there are about a daemon. */
struct section {
	const char *title;
	bool (*is_there)(const struct daemon_view *view);
	void (*counters)(const struct daemon_view *view, daemon_view_visit visit, void *context);
};

static bool has_workers(const struct daemon_view *view)
{
	return view->workers || view->sum.frames_received;
}

static bool has_ager(const struct daemon_view *view)
{
	return view->ages || view->ager.scans;
}

static const struct section section_daemon = { "DAEMON", has_workers, daemon_view_counters };
static const struct section section_ager = { "AGER", has_ager, daemon_view_ager_counters };

static int print_section(const struct section *section, const struct device *devices, int count, bool all)
{
	const struct table_column columns[] = {
		{ "DEVICE", false },
		{ section->title, false },
		{ "COUNT", true },
		{ "MEANING", false },
	};
	const bool several = count > 1;
	struct output output = {
		.table = table_new(several ? columns : columns + 1, (int)ARRAY_LEN(columns) - !several),
		.all = all,
	};
	int err = output.table ? 0 : -ENOMEM;

	for (int i = 0; i < count && !err; i++) {
		struct daemon_view view;

		output.device = several ? devices[i].name : NULL;
		err = daemon_view_read(&devices[i], system_monotonic_ns(), &view);
		if (!err && section->is_there(&view))
			section->counters(&view, add_row, &output);
	}
	if (!err && table_rows(output.table))
		err = table_flush(output.table, stdout);
	table_free(output.table);
	return err;
}

int daemon_print_counters(const struct device *devices, int count, bool all)
{
	int err = print_section(&section_daemon, devices, count, all);

	return err ? err : print_section(&section_ager, devices, count, all);
}

int daemon_print_counters_json(const struct device *device, bool all, struct json_object **workers,
			       struct json_object **ager)
{
	struct output of_workers = { .list = json_object_new_array(), .all = all };
	struct output of_ager = { .list = json_object_new_array(), .all = all };
	struct daemon_view view;
	int err = daemon_view_read(device, system_monotonic_ns(), &view);

	if (!err) {
		daemon_view_counters(&view, add_object, &of_workers);
		daemon_view_ager_counters(&view, add_object, &of_ager);
	}
	*workers = of_workers.list;
	*ager = of_ager.list;
	return err;
}
