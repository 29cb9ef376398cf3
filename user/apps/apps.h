/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The applications that the daemon has: each in a file of its own, and in the list of apps.c. docs/applications.md says
 * how to add one.
 */
#ifndef SYNKEEP_APPS_H
#define SYNKEEP_APPS_H

#include "tcp/tcp.h"

extern const struct tcp_app app_echo;
extern const struct tcp_app app_discard;
extern const struct tcp_app app_daytime;
extern const struct tcp_app app_chargen;

/* NULL: there is none of this name. */
const struct tcp_app *apps_find(const char *name);

/* The names, "echo, discard, ...", cut to size. Returns text. */
char *apps_names(char *text, size_t size);

/* For applications that keep nothing: their closed(). */
void apps_closed(struct tcb *tcb, int error);

/* For those that the peer has nothing to tell: their readable(). Its end is ours. */
void discard_text(struct tcb *tcb);

#endif /* SYNKEEP_APPS_H */
