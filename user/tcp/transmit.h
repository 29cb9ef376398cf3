/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One segment of a connection: its numbers, its window and its options, and what it changes that it was sent. When one
 * is sent is output.h's.
 */
#ifndef SYNKEEP_TCP_TRANSMIT_H
#define SYNKEEP_TCP_TRANSMIT_H

#include "tcp/tcb.h"

/*
 * Sends [seq, end) of the send sequence space: the SYN, text of the send buffer, the FIN. All of it carries our
 * acknowledgement and window, if there is anything to acknowledge. False: the rim had no room, nothing has changed.
 */
bool transmit(struct tcb *tcb, __u32 seq, __u32 end, bool again);

/* A segment that takes no sequence number, at seq: an acknowledgement, or a probe. */
bool transmit_empty(struct tcb *tcb, __u32 seq);

/* RST at SND.NXT. */
bool transmit_reset(struct tcb *tcb);

/* The window field that keeps what the peer was promised. */
__u16 transmit_window(const struct tcb *tcb);

/* Whether there are SACK blocks to be told, for which a full segment has no room. */
bool transmit_has_blocks(const struct tcb *tcb);

/* Whether the application has read so much that the peer should hear of it by itself (3.8.6.2.2, MUST-39). */
bool transmit_window_update_due(const struct tcb *tcb);

#endif /* SYNKEEP_TCP_TRANSMIT_H */
