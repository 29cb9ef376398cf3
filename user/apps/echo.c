/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Echo (RFC 862): what comes goes back. What can not go back yet is not read either: then the peer's window closes, and
 * nothing is kept for a peer that sends without reading.
 */
#include "apps/apps.h"

/* Text moves from one buffer into the other; at its end we close, too. */
static void move(struct tcb *tcb)
{
	const __u8 *bytes;
	ssize_t length;

	while ((length = tcp_peek(tcb, &bytes)) > 0) {
		ssize_t taken = tcp_send(tcb, bytes, length, 0);

		if (taken <= 0)
			return; /* writable() comes, or closed() */
		tcp_skip(tcb, taken);
	}
	if (length == 0)
		tcp_close(tcb);
}

const struct tcp_app app_echo = {
	.name = "echo",
	.readable = move,
	.writable = move,
	.closed = apps_closed,
};
