/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames built byte by byte, in both directions, and what the parser must make of them.
 *
 * Each frame is parsed on the heap in a buffer that ends where the frame ends, so that the sanitizer sees a byte read
 * beyond it.
 */
#ifndef SYNKEEP_PACKET_FIXTURE_H
#define SYNKEEP_PACKET_FIXTURE_H

#include <stdlib.h>

#include "unit.h"
#include "packet.h"

#define FRAME_MAX_BYTES 20000
#define PAYLOAD_BYTES 11

static const __u8 FAMILIES[] = { FAMILY_IPV4, FAMILY_IPV6 };

struct bytes {
	__u8 at[FRAME_MAX_BYTES];
	__u32 length;
};

static inline void put16(struct bytes *b, __u32 at, __u16 value)
{
	b->at[at] = value >> 8;
	b->at[at + 1] = value;
}

static inline void put32(struct bytes *b, __u32 at, __u32 value)
{
	put16(b, at, value >> 16);
	put16(b, at + 2, value);
}

/* Ethernet, and the IP header of unit_tuple()'s peer, for what follows at b->length. */
static inline void put_ip(struct bytes *b, __u8 family, enum direction direction, __u8 next)
{
	struct tuple t = unit_tuple(family);
	const void *source = direction == DIRECTION_RCV ? t.remote : t.local;
	const void *destination = direction == DIRECTION_RCV ? t.local : t.remote;

	memset(b, 0, sizeof(*b));
	if (family == FAMILY_IPV4) {
		put16(b, 12, 0x0800);
		b->at[14] = 0x45;
		b->at[23] = next;
		memcpy(b->at + 26, source, 4);
		memcpy(b->at + 30, destination, 4);
		b->length = 34;
		return;
	}
	put16(b, 12, 0x86dd);
	b->at[14] = 0x60;
	b->at[20] = next;
	memcpy(b->at + 22, source, 16);
	memcpy(b->at + 38, destination, 16);
	b->length = 54;
}

/* Appends TCP with option_bytes of NOPs and PAYLOAD_BYTES, and sets the IP header's length. */
static inline void put_tcp(struct bytes *b, enum direction direction, __u32 option_bytes)
{
	struct tuple t = unit_tuple(FAMILY_IPV4);
	__u32 tcp = b->length;

	put16(b, tcp, direction == DIRECTION_RCV ? t.remote_port : t.local_port);
	put16(b, tcp + 2, direction == DIRECTION_RCV ? t.local_port : t.remote_port);
	put32(b, tcp + 4, 0x01020304);
	put32(b, tcp + 8, 0xf5f6f7f8);
	b->at[tcp + 12] = (20 + option_bytes) / 4 << 4;
	b->at[tcp + 13] = TCP_FLAG_ACK | TCP_FLAG_PSH;
	put16(b, tcp + 14, 0xabcd);
	memset(b->at + tcp + 20, 1, option_bytes);
	b->length += 20 + option_bytes + PAYLOAD_BYTES;
	if (b->at[14] >> 4 == 4)
		put16(b, 16, b->length - 14);
	else
		put16(b, 18, b->length - 54);
}

static inline void put_segment(struct bytes *b, __u8 family, enum direction direction)
{
	put_ip(b, family, direction, IPPROTO_TCP);
	put_tcp(b, direction, 0);
}

/* The IPv4 header grows by words of NOPs; to be called before put_tcp(). */
static inline void put_ip_options(struct bytes *b, __u32 words)
{
	b->at[14] += words;
	memset(b->at + 34, 1, words * 4);
	b->length += words * 4;
}

/* Appends an extension header of units beyond the least, with the next one's kind in it. */
static inline void put_extension(struct bytes *b, __u8 kind, __u8 next, __u8 units)
{
	b->at[b->length] = next;
	b->at[b->length + 1] = units;
	b->length += kind == IPPROTO_FRAGMENT ? 8 : kind == IPPROTO_AH ? (units + 2) * 4U : (units + 1) * 8U;
}

/*
 * Parses the first linear bytes of a frame of frame_bytes, and weighs it. The two bytes in front align the IP header,
 * as the kernel does it.
 */
static inline enum packet_kind parse_linear(const struct bytes *b, __u32 linear, __u32 frame_bytes,
					    enum direction direction, struct packet *p)
{
	__u8 *buffer = malloc(linear + 2);
	struct frame f = { buffer + 2, buffer + 2 + linear, direction };
	enum packet_kind kind;

	assert_non_null(buffer);
	memcpy(f.data, b->at, linear);
	memset(p, 0, sizeof(*p));
	kind = packet_parse(p, &f);
	free(buffer);
	return kind == PACKET_TCP ? packet_weigh(p, frame_bytes, direction) : kind;
}

static inline enum packet_kind parse(const struct bytes *b, enum direction direction, struct packet *p)
{
	return parse_linear(b, b->length, b->length, direction, p);
}

static inline enum packet_kind kind_of(const struct bytes *b)
{
	struct packet p;

	return parse(b, DIRECTION_RCV, &p);
}

static inline void assert_addresses(const struct packet *p, __u8 family)
{
	struct tuple want = unit_tuple(family);

	assert_memory_equal(p->tuple.remote, want.remote, sizeof(want.remote));
	assert_memory_equal(p->tuple.local, want.local, sizeof(want.local));
	assert_int_equal(p->tuple.family, family);
}

static inline void assert_tuple(const struct packet *p, __u8 family)
{
	struct tuple want = unit_tuple(family);

	assert_addresses(p, family);
	assert_int_equal(p->tuple.remote_port, want.remote_port);
	assert_int_equal(p->tuple.local_port, want.local_port);
}

/* The segment that put_tcp() wrote behind headers_bytes of IP. */
static inline void assert_segment(const struct packet *p, __u32 headers_bytes, __u32 option_bytes)
{
	assert_int_equal(p->tcp_offset, p->ip_offset + headers_bytes);
	assert_int_equal(p->tcp_options_bytes, option_bytes);
	assert_int_equal(p->segment.seq, 0x01020304);
	assert_int_equal(p->segment.ack, 0xf5f6f7f8);
	assert_int_equal(p->segment.window, 0xabcd);
	assert_int_equal(p->segment.flags, TCP_FLAG_ACK | TCP_FLAG_PSH);
	assert_int_equal(p->segment.packets, 1);
	assert_int_equal(p->segment.payload_bytes, PAYLOAD_BYTES);
	assert_int_equal(p->segment.packet_bytes, headers_bytes + 20 + option_bytes + PAYLOAD_BYTES);
}

#endif /* SYNKEEP_PACKET_FIXTURE_H */
