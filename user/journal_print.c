/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Printing events of the journal. See journal_print.h.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "format.h"
#include "journal_print.h"
#include "json_write.h"
#include "sentry_print.h"
#include "service_spec.h"
#include "wall_time.h"

static const char *const kind_names[] = {
#define X(id, name) name,
	JOURNAL_KINDS(X)
#undef X
};
static const char *const table_names[] = {
	[JOURNAL_HALF4] = "half4",   [JOURNAL_HALF6] = "half6", [JOURNAL_FLOWS4] = "flows4",
	[JOURNAL_FLOWS6] = "flows6", [JOURNAL_TW4] = "tw4",	[JOURNAL_TW6] = "tw6",
};

/* A number from the map may be any. */
static const char *name_of(const char *const *names, size_t count, unsigned int place)
{
	return place < count ? names[place] : "unknown";
}

static bool is_of_service(const struct journal_event *event)
{
	return event->kind == JOURNAL_FLOOD_BEGAN || event->kind == JOURNAL_FLOOD_ENDED ||
	       event->kind == JOURNAL_SHARE_FULL;
}

static bool is_of_table(const struct journal_event *event)
{
	return event->kind == JOURNAL_TABLE_FILLS || event->kind == JOURNAL_TABLE_EASES;
}

static const char *service_name(const struct journal_event *event, char text[SERVICE_SPEC_BYTES])
{
	struct service_spec spec = { .family = event->service.family, .port = event->service.port };

	memcpy(spec.address, event->service.address, sizeof(spec.address));
	service_spec_format(&spec, text, SERVICE_SPEC_BYTES);
	return text;
}

static void print_sentence(const struct journal_event *event)
{
	char service[SERVICE_SPEC_BYTES], duration[FORMAT_DURATION_BYTES];
	const char *table = name_of(table_names, ARRAY_LEN(table_names), event->table);

	switch (event->kind) {
	case JOURNAL_FLOOD_BEGAN:
		printf("flood at %s: %s; %llu handshakes were under way", service_name(event, service),
		       sentry_print_cause(event->cause)->sentence, event->value);
		break;
	case JOURNAL_FLOOD_ENDED:
		printf("calm at %s, after %s of flood", service_name(event, service),
		       format_duration(duration, event->value * NSEC_PER_MSEC));
		break;
	case JOURNAL_TABLE_FILLS:
		printf("table %s fills: %llu records; a larger --flows has more room", table, event->value);
		break;
	case JOURNAL_TABLE_EASES:
		printf("table %s has room again: %llu records", table, event->value);
		break;
	case JOURNAL_SHARE_FULL:
		printf("share of %s used up: %llu records", service_name(event, service), event->value);
		break;
	case JOURNAL_KEY_CHANGED:
		printf("cookies have another key from epoch %llu on", event->value);
		break;
	default:
		printf("unknown event %u", event->kind);
	}
}

int journal_print_text(const struct journal_event *event, const char *device, __u64 now_ns)
{
	char time[WALL_TIME_BYTES];

	printf("%s ", wall_time_local(time, event->time_ns, now_ns));
	if (device)
		printf("%-8s ", device);
	print_sentence(event);
	putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}

int journal_print_json(const struct journal_event *event, const char *device, __u64 now_ns)
{
	char time[WALL_TIME_BYTES], service[SERVICE_SPEC_BYTES];
	struct json_write line;

	json_write_begin(&line, stdout);
	json_write_number(&line, "number", event->number);
	json_write_text(&line, "time", wall_time_utc(time, event->time_ns, now_ns));
	json_write_text(&line, "device", device);
	json_write_text(&line, "event", name_of(kind_names, ARRAY_LEN(kind_names), event->kind));
	if (is_of_service(event))
		json_write_text(&line, "service", service_name(event, service));
	if (event->kind == JOURNAL_FLOOD_BEGAN || event->kind == JOURNAL_FLOOD_ENDED)
		json_write_text(&line, "cause", sentry_print_cause(event->cause)->name);
	if (is_of_table(event))
		json_write_text(&line, "table", name_of(table_names, ARRAY_LEN(table_names), event->table));
	json_write_number(&line, event->kind == JOURNAL_FLOOD_ENDED ? "lasted_ms" : "value", event->value);
	json_write_end(&line);
	putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}
