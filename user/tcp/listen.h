/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Who listens. */
#ifndef SYNKEEP_TCP_LISTEN_H
#define SYNKEEP_TCP_LISTEN_H

#include "tcp/tcb.h"

/* The listener of a tuple's local end, the most exact there is; NULL: none. */
struct tcp_listener *listen_find(struct tcp *tcp, const struct tuple *tuple);

#endif /* SYNKEEP_TCP_LISTEN_H */
