/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments that leave: header, options, text and checksum, written into a frame of the rim's. It decides nothing.
 */
#ifndef SYNKEEP_TCP_EMIT_H
#define SYNKEEP_TCP_EMIT_H

#include "tcp/arrival.h"
#include "tcp/tcb.h"

struct outgoing {
	const struct tuple *tuple;
	__u32 path;
	__u32 seq;
	__u32 ack; /* if TCP_FLAG_ACK */
	__u32 tsval;
	__u32 tsecr;
	__u16 window; /* as it stands in the header */
	__u16 urgent; /* if TCP_FLAG_URG */
	__u8 flags;   /* enum tcp_flag */
	__u8 ttl;
	__u8 traffic_class; /* DSCP and ECN */
	bool has_timestamps;
	bool to_unverified;
	/* Of a SYN. */
	__u16 mss;   /* 0: no option */
	__u8 wscale; /* TCP_WSCALE_NONE: no option */
	bool sack_permitted;
	/* Of others. */
	__u8 block_count;
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX];
	const struct byte_ring *text; /* text_bytes of it, from text_offset on */
	__u32 text_offset;
	__u32 text_bytes;
};

/* How long the options will be: a multiple of four; and the IP packet. */
__u32 emit_option_bytes(const struct outgoing *o);
__u32 emit_packet_bytes(const struct outgoing *o);

/* False: the rim has no room for it now. */
bool emit(struct tcp *tcp, const struct outgoing *o);

/* The reset that answers a segment of no connection (3.5.2, group 1; 3.10.7.1). None answers a reset. */
void emit_reset(struct tcp *tcp, const struct arrival *a);

#endif /* SYNKEEP_TCP_EMIT_H */
