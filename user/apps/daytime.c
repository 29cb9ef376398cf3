/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Daytime (RFC 867): a line with the date and the time, and our FIN with it in one segment. What the peer sends is
 * thrown away.
 */
#include <stdio.h>
#include <time.h>

#include "apps/apps.h"

#define LINE_BYTES 64

/* "Weekday, Month Day, Year Time-Zone", as the RFC proposes it. */
static void accept(struct tcb *tcb)
{
	time_t now = time(NULL);
	char line[LINE_BYTES];
	struct tm broken;
	size_t length;

	gmtime_r(&now, &broken);
	length = strftime(line, sizeof(line), "%A, %B %d, %Y %H:%M:%S-UTC\r\n", &broken);
	tcp_send(tcb, line, length, TCP_SEND_MORE);
	tcp_shutdown(tcb);
}

const struct tcp_app app_daytime = {
	.name = "daytime",
	.accept = accept,
	.readable = discard_text,
	.closed = apps_closed,
};
