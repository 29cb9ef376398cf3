/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* TIMEOUTS (RFC 9293, 3.10.8): what each of a connection's timers does when it fires. */
#ifndef SYNKEEP_TCP_TIMEOUTS_H
#define SYNKEEP_TCP_TIMEOUTS_H

#include "tcp/tcb.h"

/* The connection's timer in the wheel has fired: those of its deadlines that have come are served, the next is armed.
 */
void timeouts_fire(struct tcb *tcb);

#endif /* SYNKEEP_TCP_TIMEOUTS_H */
