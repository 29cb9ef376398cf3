/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Printing calm and flood. See sentry_print.h.
 */
#include <errno.h>
#include <stdio.h>

#include "format.h"
#include "json_out.h"
#include "sentry_print.h"
#include "table.h"

const struct sentry_cause_info *sentry_print_cause(enum sentry_cause cause)
{
	static const struct sentry_cause_info infos[] = {
#define X(id, name, sentence) { name, sentence },
		SENTRY_CAUSES(X)
#undef X
	};
	static const struct sentry_cause_info unknown = { "unknown", "for a reason that this version does not know" };

	return cause < ARRAY_LEN(infos) ? &infos[cause] : &unknown;
}

/* Where a flood's hold time has passed, nobody need have noted it yet. */
static __u64 state_for_ns(const struct sentry *s, __u64 now_ns)
{
	if (sentry_is_flooded(s, now_ns))
		return now_ns - s->flood_since_ns;
	if (s->flood_since_ns)
		return now_ns - sentry_flood_until_ns(s);
	return s->calm_since_ns ? now_ns - s->calm_since_ns : 0;
}

static __u64 last_lasted_ns(const struct sentry *s, __u64 now_ns)
{
	if (s->flood_since_ns && !sentry_is_flooded(s, now_ns))
		return sentry_flood_until_ns(s) - s->flood_since_ns;
	return s->lasted_ns;
}

static void cell_duration(struct table *table, __u64 ns)
{
	char text[FORMAT_DURATION_BYTES];

	table_cell(table, ns ? format_duration(text, ns) : "-");
}

static void cell_number(struct table *table, __u64 number)
{
	char text[FORMAT_SIZE_BYTES];

	snprintf(text, sizeof(text), "%llu", number);
	table_cell(table, text);
}

static void add_row(struct table *table, const struct status_service *service, __u64 now_ns)
{
	const struct sentry *s = &service->sentry;
	char text[SERVICE_SPEC_BYTES];

	service_spec_format(&service->spec, text, sizeof(text));
	table_cell(table, "");
	table_cell(table, text);
	table_cell(table, sentry_is_flooded(s, now_ns) ? "flood" : "calm");
	cell_duration(table, state_for_ns(s, now_ns));
	cell_number(table, sentry_pressure(s, service->spec.half_open, now_ns));
	cell_number(table, service->spec.half_open);
	cell_number(table, s->floods);
	table_cell(table, s->floods ? sentry_print_cause(s->cause)->name : "-");
	cell_duration(table, last_lasted_ns(s, now_ns));
}

int sentry_print_text(const struct status *status)
{
	static const struct table_column columns[] = {
		{ "", false },	    { "AUTO", false },	   { "STATE", false },
		{ "FOR", true },    { "UNDER-WAY", true }, { "HALF-OPEN", true },
		{ "FLOODS", true }, { "CAUSE", false },	   { "LAST-FOR", true },
	};
	struct table *table = table_new(columns, ARRAY_LEN(columns));
	int err = 0;

	if (!table)
		return -ENOMEM;
	for (int i = 0; i < status->service_count; i++) {
		if (status->services[i].spec.policy == POLICY_AUTO)
			add_row(table, &status->services[i], status->now_ns);
	}
	if (table_rows(table))
		err = table_flush(table, stdout);
	table_free(table);
	return err;
}

struct json_object *sentry_print_json(const struct status_service *service, __u64 now_ns)
{
	const struct sentry *s = &service->sentry;
	struct json_object *object;

	if (service->spec.policy != POLICY_AUTO)
		return NULL;
	object = json_object_new_object();
	json_out_text(object, "state", sentry_is_flooded(s, now_ns) ? "flood" : "calm");
	json_out_number(object, "for_ms", state_for_ns(s, now_ns) / NSEC_PER_MSEC);
	json_out_number(object, "under_way", sentry_pressure(s, service->spec.half_open, now_ns));
	json_out_number(object, "half_open", service->spec.half_open);
	json_out_number(object, "hold_ms", s->hold_s * 1000ULL);
	json_out_number(object, "floods", s->floods);
	json_out_text(object, "cause", s->floods ? sentry_print_cause(s->cause)->name : NULL);
	json_out_number(object, "last_lasted_ms", last_lasted_ns(s, now_ns) / NSEC_PER_MSEC);
	json_out_number(object, "syns", s->syns);
	return object;
}
