/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints a listing of connections on stdout, as a table or as JSON, while it is being read.
 */
#include <errno.h>
#include <stdlib.h>

#include "flow_print.h"
#include "format.h"
#include "json_write.h"
#include "service_spec.h"

static const struct table_column columns[] = {
	{ "DEVICE", false }, { "STATE", false },   { "DIR", false },	{ "LOCAL", false },   { "REMOTE", false },
	{ "OWNER", false },  { "AGE", true },	   { "IDLE", true },	{ "PROBES", false },  { "LEFT", true },
	{ "RX-PKTS", true }, { "RX-BYTES", true }, { "TX-PKTS", true }, { "TX-BYTES", true }, { "OPTIONS", false },
};

int flow_print_begin(struct flow_print *print, bool json, bool shows_device)
{
	int skipped = shows_device ? 0 : 1;

	*print = (struct flow_print){ .shows_device = shows_device };
	print->block = calloc(FLOW_PRINT_BLOCK, sizeof(*print->block));
	if (!json)
		print->table = table_new(columns + skipped, (int)ARRAY_LEN(columns) - skipped);
	if (print->block && (json || print->table)) {
		if (json)
			putchar('[');
		return 0;
	}
	return flow_print_end(print, -ENOMEM);
}

/* "3", "1 refused", "10 dead"; "-" where none are out. */
static void add_probes(struct table *table, const struct flow_view *view)
{
	char text[FORMAT_SIZE_BYTES];

	if (!view->probes) { /* nothing is refused, nobody found dead without one */
		table_cell(table, "-");
		return;
	}
	snprintf(text, sizeof(text), "%u%s%s", view->probes, view->probe_refused ? " refused" : "",
		 view->peer_dead ? " dead" : "");
	table_cell(table, text);
}

static void add_history(struct table *table, const struct flow_view *view)
{
	char text[FORMAT_SIZE_BYTES];

	table_cell(table, format_count(text, view->rcv_packets));
	table_cell(table, format_bytes(text, view->rcv_bytes));
	table_cell(table, format_count(text, view->snd_packets));
	table_cell(table, format_bytes(text, view->snd_bytes));
}

static void add_row(const struct flow_print *print, const struct flow_view *view)
{
	bool live = view->table == FLOW_TABLE_LIVE;
	struct table *table = print->table;
	char endpoint[FORMAT_ENDPOINT_BYTES], duration[FORMAT_DURATION_BYTES], terms[FORMAT_OPTIONS_BYTES];

	if (print->shows_device)
		table_cell(table, print->device);
	table_cell(table, tcp_state_name(view->state));
	table_cell(table, flow_view_direction(view->flags));
	table_cell(table, format_endpoint(endpoint, view->family, view->local, view->local_port));
	table_cell(table, format_endpoint(endpoint, view->family, view->remote, view->remote_port));
	table_cell(table, service_spec_owner_name(view->owner));
	table_cell(table, live ? format_duration(duration, view->age_ns) : "-");
	table_cell(table, live ? format_duration(duration, view->idle_ns) : "-");
	add_probes(table, view);
	table_cell(table, format_duration(duration, view->left_ns));
	if (live) {
		add_history(table, view);
	} else {
		for (int i = 0; i < 4; i++)
			table_cell(table, "-");
	}
	table_cell(table, format_options(terms, view->flags, view->snd_wscale, view->rcv_wscale, view->mss));
}

static void print_element(struct flow_print *print, const struct flow_view *view)
{
	struct json_write object;
	char address[FORMAT_ADDRESS_BYTES];

	puts(print->separates ? "," : "");
	print->separates = true;
	json_write_begin(&object, stdout);
	json_write_text(&object, "device", print->device);
	json_write_text(&object, "state", tcp_state_name(view->state));
	json_write_text(&object, "direction", flow_view_direction(view->flags));
	json_write_text(&object, "local_address", format_address(address, view->family, view->local));
	json_write_number(&object, "local_port", view->local_port);
	json_write_text(&object, "remote_address", format_address(address, view->family, view->remote));
	json_write_number(&object, "remote_port", view->remote_port);
	json_write_text(&object, "owner", service_spec_owner_name(view->owner));
	json_write_number(&object, "left_ms", view->left_ns / NSEC_PER_MSEC);
	if (view->table == FLOW_TABLE_LIVE) {
		json_write_number(&object, "age_ms", view->age_ns / NSEC_PER_MSEC);
		json_write_number(&object, "idle_ms", view->idle_ns / NSEC_PER_MSEC);
		json_write_number(&object, "probes", view->probes);
		json_write_bool(&object, "probe_refused", view->probe_refused);
		json_write_bool(&object, "peer_dead", view->peer_dead);
		json_write_number(&object, "rx_packets", view->rcv_packets);
		json_write_number(&object, "rx_bytes", view->rcv_bytes);
		json_write_number(&object, "tx_packets", view->snd_packets);
		json_write_number(&object, "tx_bytes", view->snd_bytes);
	}
	json_write_bool(&object, "timestamps", view->flags & FLOW_TIMESTAMPS);
	json_write_bool(&object, "sack", view->flags & FLOW_SACK);
	json_write_bool(&object, "ecn", view->flags & FLOW_ECN);
	if (view->flags & FLOW_WSCALE) {
		json_write_number(&object, "snd_wscale", view->snd_wscale);
		json_write_number(&object, "rcv_wscale", view->rcv_wscale);
	}
	if (view->mss)
		json_write_number(&object, "mss", view->mss);
	json_write_bool(&object, "cookie", view->flags & FLOW_COOKIE);
	json_write_bool(&object, "handover", view->flags & FLOW_HANDOVER);
	json_write_bool(&object, "adopted", view->flags & FLOW_ADOPTED);
	json_write_number(&object, "irs", view->irs);
	json_write_number(&object, "iss", view->iss);
	json_write_number(&object, "rcv_nxt", view->rcv_nxt);
	json_write_number(&object, "snd_nxt", view->snd_nxt);
	json_write_end(&object);
}

static int compare(const void *a, const void *b)
{
	return flow_view_compare(a, b);
}

static int print_block(struct flow_print *print)
{
	if (!print->is_long)
		qsort(print->block, (size_t)print->block_count, sizeof(*print->block), compare);
	for (int i = 0; i < print->block_count; i++) {
		if (print->table)
			add_row(print, &print->block[i]);
		else
			print_element(print, &print->block[i]);
	}
	print->block_count = 0;
	if (print->table && table_rows(print->table) >= FLOW_PRINT_BLOCK)
		return table_flush(print->table, stdout);
	return ferror(stdout) ? -EIO : 0;
}

int flow_print_device(struct flow_print *print, const char *name)
{
	int err = print_block(print);

	print->device = name;
	print->is_long = false;
	return err;
}

int flow_print_add(struct flow_print *print, const struct flow_view *view)
{
	int err = 0;

	if (print->block_count == FLOW_PRINT_BLOCK) {
		print->is_long = true;
		err = print_block(print);
	}
	print->block[print->block_count++] = *view;
	return err;
}

int flow_print_end(struct flow_print *print, int err)
{
	if (!err)
		err = print_block(print);
	if (!err && print->table)
		err = table_flush(print->table, stdout);
	else if (!err)
		puts(print->separates ? "\n]" : "]");
	table_free(print->table);
	free(print->block);
	if (fflush(stdout) && !err)
		err = -EIO;
	return err;
}
