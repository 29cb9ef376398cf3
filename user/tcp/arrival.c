// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcp/arrival.h"

#include <string.h>

#include "tcp/inet_checksum.h"

#define OPTION_SACK 5
#define ECN_MASK 3 /* the two bits, all set: congestion experienced */

static bool checksums_are_right(const struct arrival *a, const __u8 *frame)
{
	const struct packet *p = &a->packet;
	const __u8 *ip = frame + p->ip_offset;
	const __u8 *tcp = frame + p->tcp_offset;
	__u32 tcp_bytes = p->segment.packet_bytes - (p->tcp_offset - p->ip_offset);

	if (p->tuple.family == FAMILY_IPV4 && inet_checksum(ip, p->tcp_offset - p->ip_offset, 0))
		return false;
	return inet_checksum(tcp, tcp_bytes, inet_checksum_pseudo(&p->tuple, tcp_bytes, IPPROTO_TCP)) == 0;
}

static void read_congestion_mark(struct arrival *a, const __u8 *ip)
{
	__u8 traffic_class = a->packet.tuple.family == FAMILY_IPV4 ? ip[1] : (__u8)(ip[0] << 4 | ip[1] >> 4);

	a->congestion_experienced = (traffic_class & ECN_MASK) == ECN_MASK;
}

/* RFC 2018, 3. Lengths have been checked by tcp_options_parse(). */
static void read_blocks(struct arrival *a, const __u8 *options, __u32 length)
{
	for (__u32 at = 0; at < length && options[at] != TCP_OPTION_EOL;
	     at += options[at] == TCP_OPTION_NOP ? 1 : options[at + 1]) {
		const __u8 *block = options + at + 2;

		if (options[at] != OPTION_SACK)
			continue;
		for (__u32 i = 2; i + 8 <= options[at + 1] && a->block_count < SENT_SACK_BLOCKS_MAX; i += 8, block += 8)
			a->blocks[a->block_count++] =
				(struct sack_block){ .start = get_be32(block), .end = get_be32(block + 4) };
	}
}

/* Timestamps alone, as in nearly every segment, have been read by packet_parse(). */
static bool read_options(struct arrival *a, const __u8 *options)
{
	struct segment *s = &a->packet.segment;
	__u32 length = a->packet.tcp_options_bytes;
	__u8 copy[TCP_OPTIONS_BUFFER_BYTES] = { 0 };

	if (!length || (length == 12 && s->has_timestamps && !(s->flags & TCP_FLAG_SYN)))
		return true;
	memcpy(copy, options, length);
	if (!tcp_options_parse(copy, length, &a->options))
		return false;
	s->has_timestamps = a->options.has_timestamps;
	s->tsval = a->options.tsval;
	s->tsecr = a->options.tsecr;
	read_blocks(a, options, length);
	return true;
}

enum tcp_verdict arrival_parse(struct arrival *a, const void *frame, __u32 bytes)
{
	const struct frame f = {
		.data = (void *)(uintptr_t)frame,
		.end = (__u8 *)(uintptr_t)frame + bytes,
		.direction = DIRECTION_RCV,
	};
	const __u8 *tcp;

	memset(&a->packet.tuple, 0, sizeof(a->packet.tuple));
	a->options = TCP_OPTIONS_NONE;
	a->block_count = 0;
	if (packet_parse(&a->packet, &f) != PACKET_TCP || packet_weigh(&a->packet, bytes, DIRECTION_RCV) != PACKET_TCP)
		return TCPV_MALFORMED;
	if (!checksums_are_right(a, frame))
		return TCPV_BAD_CHECKSUM;
	tcp = (const __u8 *)frame + a->packet.tcp_offset;
	if (!read_options(a, tcp + TCP_HEADER_BYTES))
		return TCPV_BAD_OPTIONS;
	read_congestion_mark(a, (const __u8 *)frame + a->packet.ip_offset);
	a->urgent_end = a->packet.segment.seq + get_be16(tcp + 18);
	a->text = tcp + TCP_HEADER_BYTES + a->packet.tcp_options_bytes;
	return TCPV_TAKEN;
}
