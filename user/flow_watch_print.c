/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints what becomes of connections on stdout, a line an event. See flow_watch_print.h.
 */
#include "flow_watch_print.h"

#include <errno.h>
#include <stdio.h>

#include "format.h"
#include "json_write.h"
#include "service_spec.h"
#include "system.h"
#include "wall_time.h"

static void print_end(const struct flow_event *event)
{
	char packets[FORMAT_SIZE_BYTES], bytes[FORMAT_SIZE_BYTES];

	printf(" %s", flow_end_name(event->end));
	if (!event->rcv_packets && !event->snd_packets)
		return;
	printf(", rx %s/%s", format_count(packets, event->rcv_packets), format_bytes(bytes, event->rcv_bytes));
	printf(", tx %s/%s", format_count(packets, event->snd_packets), format_bytes(bytes, event->snd_bytes));
}

int flow_watch_print_text(const struct flow_event *event, const struct flow_view *view, const char *device)
{
	static const char *const kinds[] = {
		[FLOW_EVENT_NEW] = "[NEW]",
		[FLOW_EVENT_STATE] = "[UPDATE]",
		[FLOW_EVENT_END] = "[END]",
	};
	char time[WALL_TIME_BYTES], local[FORMAT_ENDPOINT_BYTES], remote[FORMAT_ENDPOINT_BYTES];

	printf("%s ", wall_time_of_day(time, event->time_ns, system_monotonic_ns()));
	if (device)
		printf("%-8s ", device);
	printf("%-8s %-12s %-3s %-21s %-21s %s", kinds[flow_event_kind(event)], tcp_state_name(view->state),
	       flow_view_direction(view->flags), format_endpoint(local, view->family, view->local, view->local_port),
	       format_endpoint(remote, view->family, view->remote, view->remote_port),
	       service_spec_owner_name(view->owner));
	if (event->end != FLOW_END_NONE)
		print_end(event);
	putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}

int flow_watch_print_json(const struct flow_event *event, const struct flow_view *view, const char *device)
{
	static const char *const kinds[] = {
		[FLOW_EVENT_NEW] = "new",
		[FLOW_EVENT_STATE] = "update",
		[FLOW_EVENT_END] = "end",
	};
	char address[FORMAT_ADDRESS_BYTES], time[WALL_TIME_BYTES];
	struct json_write line;

	json_write_begin(&line, stdout);
	json_write_text(&line, "time", wall_time_utc(time, event->time_ns, system_monotonic_ns()));
	json_write_text(&line, "device", device);
	json_write_text(&line, "event", kinds[flow_event_kind(event)]);
	json_write_text(&line, "state", tcp_state_name(view->state));
	if (event->before < TCPS_COUNT)
		json_write_text(&line, "before", tcp_state_name(event->before));
	json_write_text(&line, "direction", flow_view_direction(view->flags));
	json_write_text(&line, "local_address", format_address(address, view->family, view->local));
	json_write_number(&line, "local_port", view->local_port);
	json_write_text(&line, "remote_address", format_address(address, view->family, view->remote));
	json_write_number(&line, "remote_port", view->remote_port);
	json_write_text(&line, "owner", service_spec_owner_name(view->owner));
	json_write_bool(&line, "cookie", view->flags & FLOW_COOKIE);
	json_write_bool(&line, "adopted", view->flags & FLOW_ADOPTED);
	if (event->end != FLOW_END_NONE) {
		json_write_text(&line, "cause", flow_end_name(event->end));
		json_write_number(&line, "rx_packets", view->rcv_packets);
		json_write_number(&line, "rx_bytes", view->rcv_bytes);
		json_write_number(&line, "tx_packets", view->snd_packets);
		json_write_number(&line, "tx_bytes", view->snd_bytes);
	}
	json_write_end(&line);
	putchar('\n');
	return ferror(stdout) ? -EIO : 0;
}
