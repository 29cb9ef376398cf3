/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Discard (RFC 863): what comes is thrown away.
 */
#include "apps/apps.h"

void discard_text(struct tcb *tcb)
{
	const __u8 *bytes;
	ssize_t length;

	while ((length = tcp_peek(tcb, &bytes)) > 0)
		tcp_skip(tcb, length);
	if (length == 0)
		tcp_close(tcb);
}

const struct tcp_app app_discard = {
	.name = "discard",
	.readable = discard_text,
	.closed = apps_closed,
};
