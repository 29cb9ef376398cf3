/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment that arrives, cut out of its frame, its checksum verified (MUST-3) and its options read. Pure.
 */
#ifndef SYNKEEP_TCP_ARRIVAL_H
#define SYNKEEP_TCP_ARRIVAL_H

#include "packet.h"
#include "tcp/sent.h"
#include "tcp/tcp.h"
#include "tcp_options.h"

struct arrival {
	struct packet packet;
	struct tcp_options options; /* of segments without SYN only timestamps are read */
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX];
	__u8 block_count;
	bool congestion_experienced; /* RFC 3168, 5 */
	__u32 urgent_end;	     /* SEG.SEQ + SEG.UP, if the URG bit is set */
	const __u8 *text;
	__u32 path;
	const struct daemon_hint *hint;
};

/* TCPV_TAKEN, or why not: MALFORMED, BAD_CHECKSUM, BAD_OPTIONS. text points into the frame. */
enum tcp_verdict arrival_parse(struct arrival *a, const void *frame, __u32 bytes);

static inline bool arrival_has(const struct arrival *a, __u8 flags)
{
	return a->packet.segment.flags & flags;
}

/* SEG.LEN: text, and one each for SYN and FIN. */
static inline __u32 arrival_length(const struct arrival *a)
{
	const struct segment *s = &a->packet.segment;

	return s->payload_bytes + !!(s->flags & TCP_FLAG_SYN) + !!(s->flags & TCP_FLAG_FIN);
}

#endif /* SYNKEEP_TCP_ARRIVAL_H */
