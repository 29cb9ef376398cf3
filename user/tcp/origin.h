/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What connections of one listener, or of one active OPEN, have in common, kept once: struct tcp_origin in tcb.h. */
#ifndef SYNKEEP_TCP_ORIGIN_H
#define SYNKEEP_TCP_ORIGIN_H

#include "tcp/tcb.h"

/* One with a single reference; settings are copied. NULL: no memory. */
struct tcp_origin *origin_make(struct tcp *tcp, const struct tcp_app *app, const struct tcp_settings *settings,
			       struct memory_account *account);

void origin_hold(struct tcp_origin *origin);
void origin_release(struct tcp_origin *origin);

#endif /* SYNKEEP_TCP_ORIGIN_H */
