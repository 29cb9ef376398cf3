/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Character generator (RFC 864): lines of 72 of the 95 printing characters, each line one character further, for as
 * long as the peer takes them. What the peer sends is thrown away.
 */
#include <stdint.h>

#include "apps/apps.h"

#define PRINTING_FIRST ' '
#define PRINTING_COUNT 95
#define LINE_CHARACTERS 72
#define LINE_BYTES (LINE_CHARACTERS + 2) /* with CR and LF */
#define ROUND_LINES PRINTING_COUNT	 /* then it begins anew */
#define ROUND_BYTES (ROUND_LINES * LINE_BYTES)

/* The text is the same for all: a connection has only its place in it, as its context. */
static const char *round_of_lines(void)
{
	static _Thread_local char text[ROUND_BYTES];
	char *at = text;

	if (*text)
		return text;
	for (int line = 0; line < ROUND_LINES; line++) {
		for (int i = 0; i < LINE_CHARACTERS; i++)
			*at++ = PRINTING_FIRST + (line + i) % PRINTING_COUNT;
		*at++ = '\r';
		*at++ = '\n';
	}
	return text;
}

static void generate(struct tcb *tcb)
{
	uintptr_t place = (uintptr_t)tcp_context(tcb);
	ssize_t taken;

	while ((taken = tcp_send(tcb, round_of_lines() + place, ROUND_BYTES - place, 0)) > 0)
		place = (place + taken) % ROUND_BYTES;
	tcp_set_context(tcb, (void *)place);
}

static void accept(struct tcb *tcb)
{
	tcp_set_context(tcb, NULL);
	generate(tcb);
}

const struct tcp_app app_chargen = {
	.name = "chargen",
	.accept = accept,
	.readable = discard_text,
	.writable = generate,
	.closed = apps_closed,
};
