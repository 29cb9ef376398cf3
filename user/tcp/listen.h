/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who listens. A listener lives on as long as one of its connections does: they use its settings. */
#ifndef SYNKEEP_TCP_LISTEN_H
#define SYNKEEP_TCP_LISTEN_H

#include "tcp/tcb.h"

/* The listener of a tuple's local end, the most exact there is; NULL: none. */
struct tcp_listener *listen_find(struct tcp *tcp, const struct tuple *tuple);

void listen_hold(struct tcp_listener *listener);
void listen_release(struct tcp_listener *listener);

#endif /* SYNKEEP_TCP_LISTEN_H */
