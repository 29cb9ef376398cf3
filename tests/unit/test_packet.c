// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: frames built byte by byte, in both directions; every way to hide TCP, and every length that can lie.
 *
 * Each frame is parsed on the heap in a buffer that ends where the frame ends, so that the sanitizer sees a byte read
 * beyond it.
 */
#include <stdlib.h>

#include "unit.h"
#include "packet.h"

#define FRAME_MAX_BYTES 20000
#define IPV6_PROTOCOL_UDP 17
#define PAYLOAD_BYTES 11
#define BIG_FRAME_BYTES 70000

struct bytes {
	__u8 at[FRAME_MAX_BYTES];
	__u32 length;
};

static void put16(struct bytes *b, __u32 at, __u16 value)
{
	b->at[at] = value >> 8;
	b->at[at + 1] = value;
}

static void put32(struct bytes *b, __u32 at, __u32 value)
{
	put16(b, at, value >> 16);
	put16(b, at + 2, value);
}

/* Ethernet, and the IP header of unit_tuple()'s peer, for what follows at b->length. */
static void put_ip(struct bytes *b, __u8 family, enum direction direction, __u8 next)
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
static void put_tcp(struct bytes *b, enum direction direction, __u32 option_bytes)
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

static void put_segment(struct bytes *b, __u8 family, enum direction direction)
{
	put_ip(b, family, direction, IPPROTO_TCP);
	put_tcp(b, direction, 0);
}

/* The IPv4 header grows by words of NOPs; to be called before put_tcp(). */
static void put_ip_options(struct bytes *b, __u32 words)
{
	b->at[14] += words;
	memset(b->at + 34, 1, words * 4);
	b->length += words * 4;
}

/* Appends an extension header of units beyond the least, with the next one's kind in it. */
static void put_extension(struct bytes *b, __u8 kind, __u8 next, __u8 units)
{
	b->at[b->length] = next;
	b->at[b->length + 1] = units;
	b->length += kind == IPPROTO_FRAGMENT ? 8 : kind == IPPROTO_AH ? (units + 2) * 4U : (units + 1) * 8U;
}

/*
 * Parses the first linear bytes of a frame of frame_bytes. The two bytes in front align the IP header, as the kernel
 * does it.
 */
static enum packet_kind parse_linear(const struct bytes *b, __u32 linear, __u32 frame_bytes, enum direction direction,
				     struct packet *p)
{
	__u8 *buffer = malloc(linear + 2);
	struct frame f = { buffer + 2, buffer + 2 + linear, frame_bytes, direction };
	enum packet_kind kind;

	assert_non_null(buffer);
	memcpy(f.data, b->at, linear);
	memset(p, 0, sizeof(*p));
	kind = packet_parse(p, &f);
	free(buffer);
	return kind;
}

static enum packet_kind parse(const struct bytes *b, enum direction direction, struct packet *p)
{
	return parse_linear(b, b->length, b->length, direction, p);
}

static enum packet_kind kind_of(const struct bytes *b)
{
	struct packet p;

	return parse(b, DIRECTION_RCV, &p);
}

static void assert_tuple(const struct packet *p, __u8 family)
{
	struct tuple want = unit_tuple(family);

	assert_memory_equal(p->tuple.remote, want.remote, sizeof(want.remote));
	assert_memory_equal(p->tuple.local, want.local, sizeof(want.local));
	assert_int_equal(p->tuple.remote_port, want.remote_port);
	assert_int_equal(p->tuple.local_port, want.local_port);
	assert_int_equal(p->tuple.family, family);
}

/* The segment that put_tcp() wrote behind headers_bytes of IP. */
static void assert_segment(const struct packet *p, __u32 headers_bytes, __u32 option_bytes)
{
	assert_int_equal(p->tcp_offset, 14 + headers_bytes);
	assert_int_equal(p->tcp_options_bytes, option_bytes);
	assert_int_equal(p->segment.seq, 0x01020304);
	assert_int_equal(p->segment.ack, 0xf5f6f7f8);
	assert_int_equal(p->segment.window, 0xabcd);
	assert_int_equal(p->segment.flags, TCP_FLAG_ACK | TCP_FLAG_PSH);
	assert_int_equal(p->segment.packets, 1);
	assert_int_equal(p->segment.payload_bytes, PAYLOAD_BYTES);
	assert_int_equal(p->segment.packet_bytes, headers_bytes + 20 + option_bytes + PAYLOAD_BYTES);
}

static const __u8 FAMILIES[] = { FAMILY_IPV4, FAMILY_IPV6 };

static void test_segment_both_families_both_directions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		for (enum direction d = DIRECTION_RCV; d <= DIRECTION_SND; d++) {
			struct packet p;
			struct bytes b;

			put_segment(&b, FAMILIES[i], d);
			assert_int_equal(parse(&b, d, &p), PACKET_TCP);
			assert_tuple(&p, FAMILIES[i]);
			assert_segment(&p, FAMILIES[i] == FAMILY_IPV4 ? 20 : 40, 0);
			assert_false(p.has_ip_options);
			assert_false(p.segment.has_timestamps);
		}
	}
}

static void test_ipv4_options_of_every_length(void **state)
{
	(void)state;
	for (__u32 words = 1; words <= 10; words++) {
		struct packet p;
		struct bytes b;

		put_ip(&b, FAMILY_IPV4, DIRECTION_RCV, IPPROTO_TCP);
		put_ip_options(&b, words);
		put_tcp(&b, DIRECTION_RCV, 0);
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
		assert_tuple(&p, FAMILY_IPV4);
		assert_segment(&p, 20 + words * 4, 0);
		assert_true(p.has_ip_options);
	}
}

static void test_ipv4_header_shorter_than_five_words_other(void **state)
{
	struct bytes b;

	(void)state;
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	for (__u8 words = 0; words < 5; words++) {
		b.at[14] = 0x40 | words;
		assert_int_equal(kind_of(&b), PACKET_OTHER);
	}
}

static const __u8 EXTENSIONS[] = { IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_FRAGMENT, IPPROTO_AH, IPPROTO_DSTOPTS };

static void test_ipv6_extension_of_each_kind_and_length(void **state)
{
	static const __u8 units[] = { 0, 1, 7, 127, 128, 255 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(EXTENSIONS) * ARRAY_LEN(units); i++) {
		__u8 kind = EXTENSIONS[i / ARRAY_LEN(units)];
		struct packet p;
		struct bytes b;
		__u32 tcp;

		put_ip(&b, FAMILY_IPV6, DIRECTION_RCV, kind);
		put_extension(&b, kind, IPPROTO_TCP, units[i % ARRAY_LEN(units)]);
		tcp = b.length;
		put_tcp(&b, DIRECTION_RCV, 0);
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
		assert_tuple(&p, FAMILY_IPV6);
		assert_segment(&p, tcp - 14, 0);
		assert_true(p.has_ip_options);
	}
}

/* So many extension headers, of all kinds in turn, before last. */
static void put_chain(struct bytes *b, __u32 count, __u8 units, __u8 last)
{
	put_ip(b, FAMILY_IPV6, DIRECTION_RCV, count ? EXTENSIONS[0] : last);
	for (__u32 i = 0; i < count; i++)
		put_extension(b, EXTENSIONS[i % ARRAY_LEN(EXTENSIONS)],
			      i + 1 < count ? EXTENSIONS[(i + 1) % ARRAY_LEN(EXTENSIONS)] : last, units);
	put_tcp(b, DIRECTION_RCV, 0);
}

static void test_ipv6_chain_up_to_the_limit_and_beyond(void **state)
{
	(void)state;
	for (__u32 count = 0; count <= IPV6_EXTENSIONS_MAX + 3; count++) {
		bool within = count <= IPV6_EXTENSIONS_MAX;
		struct bytes b;

		put_chain(&b, count, 1, IPPROTO_TCP);
		assert_int_equal(kind_of(&b), within ? PACKET_TCP : PACKET_OBSCURE);
		put_chain(&b, count, 1, IPV6_PROTOCOL_UDP);
		assert_int_equal(kind_of(&b), within ? PACKET_OTHER : PACKET_OBSCURE);
	}
}

static void test_ipv6_longest_chain(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_ip(&b, FAMILY_IPV6, DIRECTION_RCV, IPPROTO_DSTOPTS);
	for (int i = 0; i < IPV6_EXTENSIONS_MAX; i++)
		put_extension(&b, IPPROTO_DSTOPTS, i + 1 < IPV6_EXTENSIONS_MAX ? IPPROTO_DSTOPTS : IPPROTO_TCP, 255);
	put_tcp(&b, DIRECTION_RCV, 0);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_segment(&p, 40 + IPV6_EXTENSIONS_MAX * 2048, 0);
}

static void test_ipv4_fragments(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	put16(&b, 20, 0x2000);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_FRAGMENT);
	assert_tuple(&p, FAMILY_IPV4);
	b.length = 14 + 20 + 8; /* tiny: the flags are in the next one */
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_FRAGMENT);
	assert_tuple(&p, FAMILY_IPV4);
	put16(&b, 20, 0x2001);
	assert_int_equal(kind_of(&b), PACKET_OTHER);
	put16(&b, 20, 0x1fff);
	assert_int_equal(kind_of(&b), PACKET_OTHER);
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	put16(&b, 20, 0xc000); /* "don't fragment" and the reserved bit are none */
	assert_int_equal(kind_of(&b), PACKET_TCP);
}

/* IPv6, TCP behind a fragment header and after it, or before it, another extension header. */
static void put_ipv6_fragment(struct bytes *b, __u16 offset_and_more, bool options_first)
{
	__u8 first = options_first ? IPPROTO_DSTOPTS : IPPROTO_FRAGMENT;
	__u8 second = options_first ? IPPROTO_FRAGMENT : IPPROTO_DSTOPTS;

	put_ip(b, FAMILY_IPV6, DIRECTION_RCV, first);
	put_extension(b, first, second, 0);
	put_extension(b, second, IPPROTO_TCP, 0);
	put16(b, options_first ? 64 : 56, offset_and_more);
	put_tcp(b, DIRECTION_RCV, 0);
}

static void test_ipv6_fragments(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	for (int options_first = 0; options_first < 2; options_first++) {
		put_ipv6_fragment(&b, 0x0001, options_first);
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_FRAGMENT);
		assert_tuple(&p, FAMILY_IPV6);
		b.length = 70 + 8; /* tiny */
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_FRAGMENT);
		assert_tuple(&p, FAMILY_IPV6);
		b.length = 70 + 3; /* no ports */
		assert_int_equal(kind_of(&b), PACKET_OBSCURE);
		put_ipv6_fragment(&b, 0x0008, options_first); /* the last */
		assert_int_equal(kind_of(&b), PACKET_OTHER);
		put_ipv6_fragment(&b, 0xfff9, options_first);
		assert_int_equal(kind_of(&b), PACKET_OTHER);
		put_ipv6_fragment(&b, 0x0006, options_first); /* atomic (RFC 6946), reserved bits set */
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
		assert_segment(&p, 56, 0);
	}
}

static void test_truncated_at_every_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(FAMILIES); i++) {
		enum direction direction = i % 2 ? DIRECTION_SND : DIRECTION_RCV;
		__u8 family = FAMILIES[i / 2];
		__u32 ip = family == FAMILY_IPV4 ? 34 : 54;
		struct packet p;
		struct bytes b;

		put_segment(&b, family, direction);
		for (__u32 length = 0; length < b.length; length++) {
			enum packet_kind cut = direction == DIRECTION_RCV ? PACKET_MALFORMED : PACKET_TCP;
			enum packet_kind hidden = family == FAMILY_IPV4 ? PACKET_OTHER : PACKET_OBSCURE;
			enum packet_kind want = length < ip	   ? PACKET_OTHER
						: length < ip + 4  ? hidden
						: length < ip + 20 ? PACKET_MALFORMED
								   : cut;

			assert_int_equal(parse_linear(&b, length, length, direction, &p), want);
			if (length >= ip + 4)
				assert_tuple(&p, family);
		}
	}
}

static void test_ipv6_extensions_truncated_at_every_length(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_chain(&b, IPV6_EXTENSIONS_MAX, 3, IPPROTO_TCP);
	for (__u32 length = 54; length < b.length - PAYLOAD_BYTES - 16; length++)
		assert_int_equal(parse_linear(&b, length, length, DIRECTION_RCV, &p), PACKET_OBSCURE);
}

/* What is sent may lie outside the linear part of the socket buffer; its length is the buffer's. */
static void test_payload_outside_linear_part(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(FAMILIES); i++) {
		enum direction direction = i % 2 ? DIRECTION_SND : DIRECTION_RCV;
		struct packet p;
		struct bytes b;

		put_segment(&b, FAMILIES[i / 2], direction);
		assert_int_equal(parse_linear(&b, b.length - PAYLOAD_BYTES, b.length, direction, &p), PACKET_TCP);
		assert_int_equal(p.segment.payload_bytes, PAYLOAD_BYTES);
	}
}

static void test_data_offset_against_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		__u32 ip = FAMILIES[i] == FAMILY_IPV4 ? 34 : 54;

		for (__u32 tcp_bytes = 20; tcp_bytes <= 64; tcp_bytes++) {
			for (__u8 words = 0; words < 16; words++) {
				bool good = words >= 5 && words * 4U <= tcp_bytes;
				struct packet p;
				struct bytes b;

				put_segment(&b, FAMILIES[i], DIRECTION_RCV);
				b.at[ip + 12] = words << 4 | 0xf;
				b.length = ip + tcp_bytes;
				put16(&b, FAMILIES[i] == FAMILY_IPV4 ? 16 : 18, tcp_bytes + (ip == 34 ? 20 : 0));
				assert_int_equal(parse(&b, DIRECTION_RCV, &p), good ? PACKET_TCP : PACKET_MALFORMED);
				if (!good)
					continue;
				assert_int_equal(p.tcp_options_bytes, words * 4 - 20);
				assert_int_equal(p.segment.payload_bytes, tcp_bytes - words * 4);
			}
		}
	}
}

/* Every length that the IP header can give, in a frame of a segment and 30 bytes of padding. */
static void test_ip_length_against_frame(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		bool ipv4 = FAMILIES[i] == FAMILY_IPV4;
		__u32 least = ipv4 ? 40 : 20;
		struct bytes b;

		put_segment(&b, FAMILIES[i], DIRECTION_RCV);
		b.length += 30;
		for (__u32 length = 0; length <= 0xffff; length++) {
			bool good = length >= least && length <= b.length - (ipv4 ? 14 : 54);
			struct packet p;

			put16(&b, ipv4 ? 16 : 18, length);
			assert_int_equal(parse(&b, DIRECTION_RCV, &p), good ? PACKET_TCP : PACKET_MALFORMED);
			if (good)
				assert_int_equal(p.segment.payload_bytes, length - least);
		}
	}
}

static void test_ethernet_padding_is_no_payload(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	put16(&b, 16, 40);
	b.length = 60;
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_int_equal(p.segment.payload_bytes, 0);
	assert_int_equal(p.segment.packet_bytes, 40);
}

/* BIG TCP: a length of 0 is the frame's where the field could not have said it, and nowhere else. */
static void test_ip_length_of_zero_in_a_frame_beyond_the_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		__u32 headers = FAMILIES[i] == FAMILY_IPV4 ? 20 : 40;
		__u32 sayable = 14 + 65535 + (FAMILIES[i] == FAMILY_IPV4 ? 0 : 40);
		__u32 length_at = FAMILIES[i] == FAMILY_IPV4 ? 16 : 18;
		struct packet p;
		struct bytes b;

		put_segment(&b, FAMILIES[i], DIRECTION_RCV);
		put16(&b, length_at, 0);
		assert_int_equal(parse_linear(&b, b.length, sayable, DIRECTION_RCV, &p), PACKET_MALFORMED);
		assert_int_equal(parse_linear(&b, b.length, sayable + 1, DIRECTION_RCV, &p), PACKET_TCP);
		assert_int_equal(p.segment.packet_bytes, sayable + 1 - 14);
		assert_int_equal(parse_linear(&b, b.length, BIG_FRAME_BYTES, DIRECTION_RCV, &p), PACKET_TCP);
		assert_int_equal(p.segment.packet_bytes, BIG_FRAME_BYTES - 14);
		assert_int_equal(p.segment.payload_bytes, BIG_FRAME_BYTES - 14 - headers - 20);
		put16(&b, length_at, 19); /* anything but 0 is believed */
		assert_int_equal(parse_linear(&b, b.length, BIG_FRAME_BYTES, DIRECTION_RCV, &p), PACKET_MALFORMED);
	}
}

static void test_other_ethertypes_and_protocols_other(void **state)
{
	static const __u16 types[] = { 0x0806, 0x8100, 0x88a8, 0x8847, 0x8864, 0x0028, 0x0000, 0x0008, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		struct bytes b;

		for (size_t type = 0; type < ARRAY_LEN(types); type++) {
			put_segment(&b, FAMILIES[i], DIRECTION_RCV);
			put16(&b, 12, types[type]);
			assert_int_equal(kind_of(&b), PACKET_OTHER);
		}
		for (int protocol = 0; protocol < 256; protocol++) {
			bool extension = FAMILIES[i] == FAMILY_IPV6 && memchr(EXTENSIONS, protocol, sizeof(EXTENSIONS));

			if (protocol == IPPROTO_TCP || extension)
				continue;
			put_ip(&b, FAMILIES[i], DIRECTION_RCV, protocol);
			put_tcp(&b, DIRECTION_RCV, 0);
			assert_int_equal(kind_of(&b), PACKET_OTHER);
		}
		put_segment(&b, FAMILIES[i], DIRECTION_RCV);
		b.at[14] ^= 0x20; /* 4 is 6, and 6 is 4 */
		assert_int_equal(kind_of(&b), PACKET_OTHER);
	}
}

static void test_timestamps_behind_two_nops(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_ip(&b, FAMILY_IPV4, DIRECTION_RCV, IPPROTO_TCP);
	put_tcp(&b, DIRECTION_RCV, 12);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_false(p.segment.has_timestamps);
	put32(&b, 54, 0x0101080a);
	put32(&b, 58, 0xdeadbeef);
	put32(&b, 62, 0x01020304);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_segment(&p, 20, 12);
	assert_true(p.segment.has_timestamps);
	assert_int_equal(p.segment.tsval, 0xdeadbeef);
	assert_int_equal(p.segment.tsecr, 0x01020304);
	assert_int_equal(parse_linear(&b, 65, b.length, DIRECTION_RCV, &p), PACKET_TCP); /* out of sight */
	assert_false(p.segment.has_timestamps);
	b.at[46] = 7 << 4; /* the same bytes, but payload begins in their midst */
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_false(p.segment.has_timestamps);
}

/* Without PSH, URG, ECE and CWR, which say nothing here: SYN, SYN-ACK, RST, RST-ACK, ACK, FIN-ACK, FIN. */
static void test_impossible_flags(void **state)
{
	static const __u8 possible[] = { 0x02, 0x12, 0x04, 0x14, 0x10, 0x11, 0x01 };

	(void)state;
	for (int flags = 0; flags < 256; flags++)
		assert_int_equal(packet_flags_impossible(flags), !memchr(possible, flags & 0x17, sizeof(possible)));
}

static void test_segments_of_a_super_packet_weigh_their_headers(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_ip(&b, FAMILY_IPV6, DIRECTION_SND, IPPROTO_TCP);
	put_tcp(&b, DIRECTION_SND, 12);
	assert_int_equal(parse_linear(&b, b.length, 14 + 40 + 32 + 3000, DIRECTION_SND, &p), PACKET_TCP);
	assert_int_equal(p.segment.payload_bytes, 3000);
	packet_count_segments(&p, 1);
	assert_int_equal(p.segment.packets, 1);
	assert_int_equal(p.segment.packet_bytes, 3000 + 72);
	packet_count_segments(&p, 3);
	assert_int_equal(p.segment.packets, 3);
	assert_int_equal(p.segment.packet_bytes, 3000 + 3 * 72);
	assert_int_equal(p.segment.payload_bytes, 3000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segment_both_families_both_directions),
		cmocka_unit_test(test_ipv4_options_of_every_length),
		cmocka_unit_test(test_ipv4_header_shorter_than_five_words_other),
		cmocka_unit_test(test_ipv6_extension_of_each_kind_and_length),
		cmocka_unit_test(test_ipv6_chain_up_to_the_limit_and_beyond),
		cmocka_unit_test(test_ipv6_longest_chain),
		cmocka_unit_test(test_ipv4_fragments),
		cmocka_unit_test(test_ipv6_fragments),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_ipv6_extensions_truncated_at_every_length),
		cmocka_unit_test(test_payload_outside_linear_part),
		cmocka_unit_test(test_data_offset_against_length),
		cmocka_unit_test(test_ip_length_against_frame),
		cmocka_unit_test(test_ethernet_padding_is_no_payload),
		cmocka_unit_test(test_ip_length_of_zero_in_a_frame_beyond_the_field),
		cmocka_unit_test(test_other_ethertypes_and_protocols_other),
		cmocka_unit_test(test_timestamps_behind_two_nops),
		cmocka_unit_test(test_impossible_flags),
		cmocka_unit_test(test_segments_of_a_super_packet_weigh_their_headers),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
