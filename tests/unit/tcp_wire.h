/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Frames as the tests of the TCP write and read them: by themselves, so that nothing of the TCP's own is believed.
 *
 * What is read must be right in every frame that a TCP sends: lengths, both checksums, zeros where zeros are asked for,
 * options in their places.
 */
#ifndef SYNKEEP_TCP_WIRE_H
#define SYNKEEP_TCP_WIRE_H

#include <errno.h>
#include <netinet/in.h>

#include "unit.h"
#include "tcp/tcp.h"

#define WIRE_FRAME_MAX 65600
#define WIRE_ETH_BYTES 14
#define ZERO_WINDOW (-1)

enum wire_flag {
	FIN = 0x01,
	SYN = 0x02,
	RST = 0x04,
	PSH = 0x08,
	ACK = 0x10,
	URG = 0x20,
	ECE = 0x40,
	CWR = 0x80,
};

enum wire_ecn {
	NOT_ECT = 0,
	ECT_1 = 1,
	ECT_0 = 2,
	CE = 3,
};

struct wire_block {
	__u32 start, end;
};

struct wire_segment {
	__u8 flags;    /* enum wire_flag */
	__u8 reserved; /* four bits that must be ignored (RSVD) */
	__u32 seq, ack;
	__s32 window; /* the field; ZERO_WINDOW says zero where 0 means what is usual */
	__u16 urgent;
	/* options, in this order */
	__u16 mss; /* 0: none */
	bool has_wscale, sack_permitted, timestamps;
	__u8 wscale;
	__u32 tsval, tsecr;
	__u8 block_count;
	struct wire_block blocks[4];
	const char *raw; /* bytes of options behind them */
	__u8 raw_bytes;
	/* text; without length that of the string */
	const char *text;
	__u32 length;
	/* IP */
	__u8 dscp, ecn, ttl;
	bool ip_options; /* of kinds that nobody knows: IPv4's, or a header of IPv6's for the destination */
	bool wrong_checksum;
	bool bare; /* no timestamps, although they were agreed on */
};

static inline void wire_put16(__u8 *at, __u32 value)
{
	at[0] = (__u8)(value >> 8);
	at[1] = (__u8)value;
}

static inline void wire_put32(__u8 *at, __u32 value)
{
	wire_put16(at, value >> 16);
	wire_put16(at + 2, value);
}

/* The sum of RFC 1071, any length. */
static inline __u32 wire_sum(__u32 sum, const __u8 *bytes, __u32 length)
{
	for (__u32 i = 0; i < length; i++) {
		sum += i & 1 ? bytes[i] : (__u32)bytes[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The checksum of a segment of TCP, in a packet of its addresses; 0 where the one in it is right. */
static inline __u16 wire_tcp_checksum(const __u8 *ip, const __u8 *tcp, __u32 bytes)
{
	__u32 sum = wire_sum(IPPROTO_TCP + (bytes & 0xffff) + (bytes >> 16), tcp, bytes);

	return (__u16) ~(ip[0] >> 4 == 4 ? wire_sum(sum, ip + 12, 8) : wire_sum(sum, ip + 8, 32));
}

static inline __u32 wire_put_options(__u8 *at, const struct wire_segment *s)
{
	__u8 *start = at;

	if (s->mss) {
		wire_put32(at, 0x02040000 | s->mss);
		at += 4;
	}
	if (s->has_wscale) {
		wire_put32(at, 0x01030300 | s->wscale);
		at += 4;
	}
	if (s->sack_permitted) {
		wire_put32(at, 0x01010402);
		at += 4;
	}
	if (s->timestamps) {
		wire_put32(at, 0x0101080a);
		wire_put32(at + 4, s->tsval);
		wire_put32(at + 8, s->tsecr);
		at += 12;
	}
	if (s->block_count) {
		wire_put32(at, 0x01010500 | (2 + 8U * s->block_count));
		at += 4;
	}
	for (int i = 0; i < s->block_count; i++, at += 8) {
		wire_put32(at, s->blocks[i].start);
		wire_put32(at + 4, s->blocks[i].end);
	}
	for (int i = 0; i < s->raw_bytes; i++)
		*at++ = (__u8)s->raw[i];
	while ((at - start) & 3)
		*at++ = 0;
	return (__u32)(at - start);
}

static inline __u32 wire_length(const struct wire_segment *s)
{
	return s->length || !s->text ? s->length : (__u32)strlen(s->text);
}

/* IP in front of bytes of TCP. from_remote: the tuple's remote end sends it. Returns its length. */
static inline __u32 wire_ip_bytes(const struct tuple *t)
{
	return t->family == FAMILY_IPV4 ? 20 : 40;
}

static inline void wire_put_ip(__u8 *ip, const struct tuple *t, bool from_remote, const struct wire_segment *s,
			       __u8 protocol, __u32 bytes)
{
	const void *source = from_remote ? t->remote : t->local, *destination = from_remote ? t->local : t->remote;
	__u8 tos = (__u8)(s->dscp << 2 | s->ecn), ttl = s->ttl ? s->ttl : 64;

	memset(ip, 0, wire_ip_bytes(t));
	if (t->family == FAMILY_IPV6) {
		wire_put32(ip, 6U << 28 | (__u32)tos << 20);
		wire_put16(ip + 4, bytes);
		ip[6] = protocol;
		ip[7] = ttl;
		memcpy(ip + 8, source, 16);
		memcpy(ip + 24, destination, 16);
		return;
	}
	ip[0] = 0x45;
	ip[1] = tos;
	wire_put16(ip + 2, 20 + bytes);
	wire_put16(ip + 6, 0x4000);
	ip[8] = ttl;
	ip[9] = protocol;
	memcpy(ip + 12, source, 4);
	memcpy(ip + 16, destination, 4);
	wire_put16(ip + 10, (__u16)~wire_sum(0, ip, 20));
}

static inline void wire_put_ethernet(__u8 *frame, const struct tuple *t)
{
	memset(frame, 2, 12);
	wire_put16(frame + 12, t->family == FAMILY_IPV4 ? 0x0800 : 0x86dd);
}

/* Behind a header without: bytes is the length of what follows them. */
static inline void wire_add_ip_options(__u8 *ip, const struct tuple *t, __u32 bytes)
{
	if (t->family == FAMILY_IPV6) {
		ip[6] = IPPROTO_DSTOPTS;
		memcpy(ip + 40, "\x06\x00\x3e\x04zzzz", 8);
		wire_put16(ip + 4, 8 + bytes);
		return;
	}
	ip[0]++;
	memcpy(ip + 20, "\x9e\x04zz", 4);
	wire_put16(ip + 2, 24 + bytes);
	wire_put16(ip + 10, 0);
	wire_put16(ip + 10, (__u16)~wire_sum(0, ip, 24));
}

/* The segment as a frame; returns its length. */
static inline __u32 wire_write(__u8 *frame, const struct tuple *t, bool from_remote, const struct wire_segment *s)
{
	__u32 ip_options = !s->ip_options ? 0 : t->family == FAMILY_IPV4 ? 4 : 8;
	__u8 *ip = frame + WIRE_ETH_BYTES, *tcp = ip + wire_ip_bytes(t) + ip_options;
	__u32 length = wire_length(s), header = 20 + wire_put_options(tcp + 20, s);

	wire_put_ethernet(frame, t);
	wire_put_ip(ip, t, from_remote, s, IPPROTO_TCP, header + length);
	if (ip_options)
		wire_add_ip_options(ip, t, header + length);
	wire_put16(tcp, from_remote ? t->remote_port : t->local_port);
	wire_put16(tcp + 2, from_remote ? t->local_port : t->remote_port);
	wire_put32(tcp + 4, s->seq);
	wire_put32(tcp + 8, s->ack);
	tcp[12] = (__u8)(header / 4 << 4 | s->reserved);
	tcp[13] = s->flags;
	wire_put16(tcp + 14, s->window > 0 ? (__u32)s->window : 0);
	wire_put16(tcp + 16, 0);
	wire_put16(tcp + 18, s->urgent);
	for (__u32 i = 0; i < length; i++)
		tcp[header + i] = s->text ? (__u8)s->text[i] : (__u8)('a' + i % 26);
	wire_put16(tcp + 16, wire_tcp_checksum(ip, tcp, header + length) ^ (s->wrong_checksum ? 0x5555 : 0));
	return (__u32)(tcp - frame) + header + length;
}

/* One option of a segment that a TCP sent, which is length bytes long. */
static inline void wire_read_option(struct wire_segment *s, const __u8 *at, __u8 length)
{
	switch (at[0]) {
	case 2:
		assert_int_equal(length, 4);
		s->mss = get_be16(at + 2);
		break;
	case 3:
		assert_int_equal(length, 3);
		s->has_wscale = true;
		s->wscale = at[2];
		break;
	case 4:
		assert_int_equal(length, 2);
		s->sack_permitted = true;
		break;
	case 5:
		s->block_count = (length - 2) / 8;
		assert_int_equal(length, 2 + 8 * s->block_count);
		assert_in_range(s->block_count, 1, 4);
		for (int i = 0; i < s->block_count; i++)
			s->blocks[i] = (struct wire_block){ get_be32(at + 2 + 8 * i), get_be32(at + 6 + 8 * i) };
		break;
	case 8:
		assert_int_equal(length, 10);
		s->timestamps = true;
		s->tsval = get_be32(at + 2);
		s->tsecr = get_be32(at + 6);
		break;
	default:
		fail_msg("a TCP sent option %d", at[0]);
	}
}

/* MUST-68, MUST-69, MUST-65, RFC 7323, 2.2, RFC 2018, 2. */
static inline void wire_read_options(struct wire_segment *s, const __u8 *at, const __u8 *end)
{
	while (at < end && at[0] != 0) {
		if (at[0] == 1) {
			at++;
			continue;
		}
		assert_true(at + 2 <= end && at[1] >= 2 && at + at[1] <= end);
		wire_read_option(s, at, at[1]);
		at += at[1];
	}
	while (at < end)
		assert_int_equal(*at++, 0);
	if (!(s->flags & SYN))
		assert_false(s->mss || s->has_wscale || s->sack_permitted);
}

/* The bytes of IP's payload, of a packet of bytes. The family is the tuple's. */
static inline __u32 wire_read_ip(const __u8 *ip, __u32 bytes, const struct tuple *t, bool from_remote,
				 struct wire_segment *s)
{
	const void *source = from_remote ? t->remote : t->local, *destination = from_remote ? t->local : t->remote;
	__u8 tos;

	if (t->family == FAMILY_IPV6) {
		assert_true(bytes >= 60 && ip[0] >> 4 == 6 && ip[6] == IPPROTO_TCP);
		assert_int_equal(get_be16(ip + 4), bytes - 40);
		assert_memory_equal(ip + 8, source, 16);
		assert_memory_equal(ip + 24, destination, 16);
		tos = (__u8)(get_be16(ip) >> 4);
		s->ttl = ip[7];
	} else {
		assert_true(bytes >= 40 && ip[0] == 0x45 && ip[9] == IPPROTO_TCP);
		assert_int_equal(get_be16(ip + 2), bytes);
		assert_int_equal(wire_sum(0, ip, 20), 0xffff);
		assert_int_equal(get_be16(ip + 6), 0x4000); /* DF (RFC 6864, RFC 1191), no fragment */
		assert_memory_equal(ip + 12, source, 4);
		assert_memory_equal(ip + 16, destination, 4);
		tos = ip[1];
		s->ttl = ip[8];
	}
	s->dscp = tos >> 2;
	s->ecn = tos & 3;
	return bytes - wire_ip_bytes(t);
}

/* Reads an IP packet that a TCP sent. text points into it. */
static inline struct wire_segment wire_read(const __u8 *ip, __u32 bytes, const struct tuple *t, bool from_remote)
{
	struct wire_segment s = {};
	__u32 left = wire_read_ip(ip, bytes, t, from_remote, &s), header;
	const __u8 *tcp = ip + wire_ip_bytes(t);

	assert_int_equal(wire_tcp_checksum(ip, tcp, left), 0); /* MUST-2 */
	assert_int_equal(get_be16(tcp), from_remote ? t->remote_port : t->local_port);
	assert_int_equal(get_be16(tcp + 2), from_remote ? t->local_port : t->remote_port);
	header = tcp[12] >> 4 << 2;
	assert_in_range(header, 20, left);
	assert_int_equal(tcp[12] & 15, 0); /* RSVD */
	s.seq = get_be32(tcp + 4);
	s.ack = get_be32(tcp + 8);
	s.flags = tcp[13];
	s.window = get_be16(tcp + 14);
	s.urgent = get_be16(tcp + 18);
	wire_read_options(&s, tcp + 20, tcp + header);
	s.text = (const char *)tcp + header;
	s.length = left - header;
	if (!(s.flags & ACK))
		assert_true(s.ack == 0 && (s.flags & (SYN | RST)));
	if (s.flags & SYN)
		assert_true(!(s.flags & (FIN | RST)) && s.length == 0);
	return s;
}

#endif /* SYNKEEP_TCP_WIRE_H */
