/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A frame as a peer would send it: Ethernet, IP and TCP with right checksums, of a tuple and what the segment says. For
 * the question what would become of it; it never leaves this process. Pure.
 */
#ifndef SYNKEEP_PACKET_CRAFT_H
#define SYNKEEP_PACKET_CRAFT_H

#include "packet.h"
#include "tcp_options.h"

#define PACKET_CRAFT_PAYLOAD_MAX 9000
#define PACKET_CRAFT_BYTES_MAX (ETH_HEADER_BYTES + IPV6_HEADER_BYTES + TCP_HEADER_BYTES + 20 + PACKET_CRAFT_PAYLOAD_MAX)

/* What is left out of it is 0, but for options, which begin as TCP_OPTIONS_NONE. */
struct packet_craft {
	struct tuple tuple; /* from its remote end to its local one */
	__u8 local_mac[6];
	__u32 seq;
	__u32 ack;
	__u16 window;
	__u8 flags;
	struct tcp_options options; /* MSS, window scale, SACK permitted, timestamps; no others are written */
	__u32 payload_bytes;	    /* up to PACKET_CRAFT_PAYLOAD_MAX; zeros */
};

/* Flags by their letters, in any order: S A F R P U E, and C for CWR; "none". 0, or -EINVAL. */
int packet_craft_flags(const char *letters, __u8 *flags);

/* The letters of flags, in the order S F R P A U E C; "none". */
#define PACKET_CRAFT_FLAGS_BYTES 9
char *packet_craft_letters(char text[PACKET_CRAFT_FLAGS_BYTES], __u8 flags);

/* Returns the frame's length, at most PACKET_CRAFT_BYTES_MAX. */
__u32 packet_craft(const struct packet_craft *craft, __u8 frame[PACKET_CRAFT_BYTES_MAX]);

#endif /* SYNKEEP_PACKET_CRAFT_H */
