/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The keepalive probe for a connection that the kernel owns: SEQ=SND.NXT-1 without text (RFC 9293, 3.8.4), as its owner
 * would send it, from what the record has of the owner's last segment.
 *
 * It is sent in the owner's name, so it says nothing that the owner has not said:
 *   ACK and window   those of the owner's last segment, which belong together. Linux's own probe has ACK=RCV.NXT, but
 *                    the record's rcv_nxt runs ahead of the socket where a segment was lost behind the program, and
 *                    must not be acknowledged for it; a window that was offered for one ACK would be another edge, or a
 *                    shrunk window, with the next
 *   TSval            the owner's clock, in milliseconds, as it must have run since: a peer ignores an older one than it
 *                    has seen (RFC 7323, 5.3), and one ahead of the clock would make the owner's next segment that
 *
 * Pure: the record and the time go in.
 */
#ifndef SYNKEEP_DAEMON_PROBE_H
#define SYNKEEP_DAEMON_PROBE_H

#include "flow.h"

#define PROBE_BYTES_MAX 90 /* Ethernet, a tag, IPv6, TCP with timestamps */

/*
 * Writes the frame from local_mac. Returns its length, or
 *   -EHOSTUNREACH   the record does not know where the owner sends to
 *   -EAGAIN         nor, with timestamps, what the owner's clock shows: it has sent nothing since the record was made
 *   -ENOBUFS        size is less than PROBE_BYTES_MAX
 */
int probe_make(const struct flow *flow, const struct tuple *tuple, const __u8 local_mac[6], __u64 now_ns, __u8 *frame,
	       size_t size);

#endif /* SYNKEEP_DAEMON_PROBE_H */
