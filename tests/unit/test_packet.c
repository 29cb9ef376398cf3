// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: headers in both directions, every way to hide TCP behind them, and frames that end too early.
 */
#include "packet_fixture.h"

#define IPV6_PROTOCOL_UDP 17

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
	b.length = 14 + 20 + 1; /* no ports are asked for */
	put16(&b, 20, 0x2001);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_LATER_FRAGMENT);
	assert_addresses(&p, FAMILY_IPV4);
	put16(&b, 20, 0x1fff);
	assert_int_equal(kind_of(&b), PACKET_LATER_FRAGMENT);
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
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_LATER_FRAGMENT);
		assert_addresses(&p, FAMILY_IPV6);
		put_ipv6_fragment(&b, 0xfff9, options_first);
		assert_int_equal(kind_of(&b), PACKET_LATER_FRAGMENT);
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

static int icmp_of(__u8 family)
{
	return family == FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
}

static void test_icmp_found_behind_options(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		bool ipv4 = FAMILIES[i] == FAMILY_IPV4;

		put_ip(&b, FAMILIES[i], DIRECTION_RCV, ipv4 ? IPPROTO_ICMP : IPPROTO_DSTOPTS);
		if (ipv4)
			put_ip_options(&b, 2);
		else
			put_extension(&b, IPPROTO_DSTOPTS, IPPROTO_ICMPV6, 0);
		put_tcp(&b, DIRECTION_RCV, 0); /* no byte of it is read */
		assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_ICMP);
		assert_int_equal(p.tuple.family, FAMILIES[i]);
		assert_int_equal(p.ip_offset, 14);
		assert_int_equal(p.tcp_offset, ipv4 ? 14 + 28 : 14 + 48);
		assert_int_equal(p.segment.packet_bytes, b.length - 14);
		assert_int_equal(parse_linear(&b, p.tcp_offset, b.length, DIRECTION_RCV, &p), PACKET_ICMP);
	}
}

static void test_icmp_in_fragments_other(void **state)
{
	struct bytes b;

	(void)state;
	for (__u16 fragment = 1; fragment; fragment <<= 1) {
		put_ip(&b, FAMILY_IPV4, DIRECTION_RCV, IPPROTO_ICMP);
		put_tcp(&b, DIRECTION_RCV, 0);
		put16(&b, 20, fragment);
		assert_int_equal(kind_of(&b), fragment < 0x4000 ? PACKET_OTHER : PACKET_ICMP);
		put_ip(&b, FAMILY_IPV6, DIRECTION_RCV, IPPROTO_FRAGMENT);
		put_extension(&b, IPPROTO_FRAGMENT, IPPROTO_ICMPV6, 0);
		put_tcp(&b, DIRECTION_RCV, 0);
		put16(&b, 56, fragment);
		assert_int_equal(kind_of(&b), (fragment & ~6) ? PACKET_OTHER : PACKET_ICMP);
	}
}

static void test_other_ethertypes_and_protocols_other(void **state)
{
	static const __u16 types[] = { 0x0806, 0x9100, 0x8847, 0x8864, 0x0028, 0x0000, 0x0008, 0xffff };

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

			if (protocol == IPPROTO_TCP || protocol == icmp_of(FAMILIES[i]) || extension)
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
		cmocka_unit_test(test_icmp_found_behind_options),
		cmocka_unit_test(test_icmp_in_fragments_other),
		cmocka_unit_test(test_other_ethertypes_and_protocols_other),
		cmocka_unit_test(test_timestamps_behind_two_nops),
		cmocka_unit_test(test_impossible_flags),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
