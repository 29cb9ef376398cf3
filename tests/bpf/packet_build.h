/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames for the tests: Ethernet, IPv4 or IPv6, TCP, with correct checksums, and the way back: an answer is taken apart
 * and every length and checksum in it verified.
 *
 * Checksums are summed byte by byte here, so that no mistake of include/checksum.h can hide behind itself.
 */
#ifndef SYNKEEP_TEST_PACKET_BUILD_H
#define SYNKEEP_TEST_PACKET_BUILD_H

#include "judge.h"
#include "tcp_options.h"

#define FRAME_MAX_BYTES 9216
#define FRAME_ETH_BYTES 14
#define FRAME_IPV4_BYTES 20
#define FRAME_IPV6_BYTES 40
#define FRAME_TCP_BYTES 20
#define FRAME_PAYLOAD_BYTE 0xa5 /* what payloads are filled with, to be found again where it must not be */

struct frame {
	__u32 length;
	__u8 bytes[FRAME_MAX_BYTES];
};

/* A TCP packet as a test describes it. Members that are left out are 0. */
struct packet_spec {
	struct tuple tuple;
	enum direction direction; /* DIRECTION_RCV: from the tuple's remote end to its local one */
	__u32 seq;
	__u32 ack;
	__u16 window;
	__u8 flags;
	__u8 option_bytes; /* a multiple of 4 */
	__u8 options[TCP_OPTIONS_MAX_BYTES];
	__u32 payload_bytes;
};

/* How common stacks order the options of a SYN; TIGHT has no padding between them, and is the shortest of all. */
enum option_layout {
	LAYOUT_LINUX,
	LAYOUT_MACOS,
	LAYOUT_WINDOWS,
	LAYOUT_TIGHT,
	LAYOUT_COUNT,
};

/* Writes the options that wanted has, padded to a multiple of 4 bytes, into spec. */
void packet_build_options(struct packet_spec *spec, enum option_layout layout, const struct tcp_options *wanted);

/* NOP, NOP, TIMESTAMPS: the options of a segment. */
void packet_build_timestamps(struct packet_spec *spec, __u32 tsval, __u32 tsecr);

void packet_build(struct frame *out, const struct packet_spec *spec);

/* The two halves of a frame that is changed by hand: a big-endian store, and the sums afterwards. */
void packet_build_put16(struct frame *f, __u32 offset, __u16 value);
void packet_build_checksums(struct frame *f);

/*
 * An ICMP or ICMPv6 error of a router's about the segment that t's local end sent with sequence number
 * FRAME_QUOTED_SEQ; word is the second of the message. Of the segment there is no more than its first eight bytes.
 */
#define FRAME_QUOTED_SEQ 0x12345678U
void packet_build_icmp(struct frame *out, const struct tuple *t, __u8 type, __u8 code, __u32 word);

/* A VLAN tag before all that follows the Ethernet header; and the outermost one taken off, its type and TCI returned.
 */
void packet_build_put_tag(struct frame *f, __u16 type, __u16 tci);
__u32 packet_build_take_tag(struct frame *f);

/* Bytes between the IP header and what follows it, as if they had always been there; lengths and checksums are mended.
 */
void packet_build_put_ip_options(struct frame *f, const __u8 *options, __u32 bytes);
void packet_build_put_ipv6_extension(struct frame *f, __u8 kind, const __u8 header[8]);

/* The segment as the judge sees it. */
struct segment packet_build_segment(const struct packet_spec *spec);

/* A frame taken apart. */
struct packet_view {
	const __u8 *eth_destination;
	const __u8 *eth_source;
	struct tuple tuple; /* the sender is local, as in an answer */
	__u8 ttl;
	__u8 traffic_class;
	bool dont_fragment;
	__u32 seq;
	__u32 ack;
	__u16 window;
	__u8 flags;
	struct tcp_options options;
	__u32 option_bytes;
	__u32 payload_bytes;
	__u32 padding_bytes; /* behind the IP packet */
	const __u8 *padding;
};

/* NULL where the frame is a TCP packet whose lengths agree and whose checksums are right; else what is wrong. */
const char *packet_build_read(struct packet_view *view, const struct frame *f);

#endif /* SYNKEEP_TEST_PACKET_BUILD_H */
