// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: what is behind VLAN tags is what it would be without them, but for its place.
 */
#include "packet_fixture.h"

static const __u16 TYPES[] = { 0x8100, 0x88a8 };

/* Puts a tag before all that the Ethernet header is followed by. */
static void insert_tag(struct bytes *b, __u16 type, __u16 tci)
{
	memmove(b->at + 16, b->at + 12, b->length - 12);
	put16(b, 12, type);
	put16(b, 14, tci);
	b->length += 4;
}

static void assert_tagged_segment(const struct bytes *b, __u8 family, enum direction direction, __u32 tags)
{
	struct packet p;

	assert_int_equal(parse(b, direction, &p), PACKET_TCP);
	assert_int_equal(p.ip_offset, 14 + 4 * tags);
	assert_tuple(&p, family);
	assert_segment(&p, family == FAMILY_IPV4 ? 20 : 40, 0);
}

static void test_one_tag_and_two_of_either_type(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(FAMILIES); i++) {
		enum direction direction = i % 2 ? DIRECTION_SND : DIRECTION_RCV;
		__u8 family = FAMILIES[i / 2];

		for (size_t inner = 0; inner < ARRAY_LEN(TYPES); inner++) {
			for (size_t outer = 0; outer < ARRAY_LEN(TYPES); outer++) {
				struct bytes b;

				put_segment(&b, family, direction);
				insert_tag(&b, TYPES[inner], 5);
				assert_tagged_segment(&b, family, direction, 1);
				insert_tag(&b, TYPES[outer], 4094);
				assert_tagged_segment(&b, family, direction, 2);
			}
		}
	}
}

/* Priority tags are of VLAN 0; priority and drop eligibility say nothing here. */
static void test_tag_of_any_content(void **state)
{
	static const __u16 tcis[] = { 0x0000, 0xe000, 0x1000, 0x0fff, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(tcis); i++) {
		struct bytes b;

		put_segment(&b, FAMILY_IPV6, DIRECTION_RCV);
		insert_tag(&b, 0x8100, tcis[i]);
		assert_tagged_segment(&b, FAMILY_IPV6, DIRECTION_RCV, 1);
	}
}

static void test_three_tags_obscure(void **state)
{
	struct bytes b;

	(void)state;
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	for (int tags = 1; tags <= 5; tags++) {
		insert_tag(&b, TYPES[tags % 2], 0);
		assert_int_equal(kind_of(&b), tags <= VLAN_TAGS_MAX ? PACKET_TCP : PACKET_OBSCURE);
	}
}

static void test_other_types_behind_a_tag_other(void **state)
{
	static const __u16 types[] = { 0x0806, 0x9100, 0x8847, 0x0000, 0x0081, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct bytes b;

		put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
		put16(&b, 12, types[i]);
		insert_tag(&b, 0x8100, 5);
		assert_int_equal(kind_of(&b), PACKET_OTHER);
		insert_tag(&b, 0x88a8, 5);
		assert_int_equal(kind_of(&b), PACKET_OTHER);
	}
}

static void test_tags_truncated_at_every_length(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_segment(&b, FAMILY_IPV4, DIRECTION_RCV);
	insert_tag(&b, 0x8100, 5);
	insert_tag(&b, 0x88a8, 5);
	for (__u32 length = 0; length < 22 + 20 + 4; length++)
		assert_int_equal(parse_linear(&b, length, length, DIRECTION_RCV, &p), PACKET_OTHER);
	assert_int_equal(parse_linear(&b, 22 + 40, b.length, DIRECTION_RCV, &p), PACKET_TCP);
}

static void test_ip_options_and_extensions_behind_tags(void **state)
{
	struct packet p;
	struct bytes b;

	(void)state;
	put_ip(&b, FAMILY_IPV4, DIRECTION_RCV, IPPROTO_TCP);
	put_ip_options(&b, 3);
	put_tcp(&b, DIRECTION_RCV, 12);
	insert_tag(&b, 0x8100, 5);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_segment(&p, 32, 12);
	assert_true(p.has_ip_options);
	put_ip(&b, FAMILY_IPV6, DIRECTION_RCV, IPPROTO_DSTOPTS);
	put_extension(&b, IPPROTO_DSTOPTS, IPPROTO_TCP, 2);
	put_tcp(&b, DIRECTION_RCV, 12);
	insert_tag(&b, 0x8100, 5);
	insert_tag(&b, 0x8100, 5);
	assert_int_equal(parse(&b, DIRECTION_RCV, &p), PACKET_TCP);
	assert_segment(&p, 64, 12);
	assert_true(p.has_ip_options);
}

/* The tags are no part of the packet: neither do they make room for a longer one, nor are they padding. */
static void test_ip_length_against_tagged_frame(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		struct packet p;
		struct bytes b;

		put_segment(&b, FAMILIES[i], DIRECTION_RCV);
		insert_tag(&b, 0x8100, 5);
		insert_tag(&b, 0x88a8, 5);
		assert_int_equal(parse_linear(&b, b.length, b.length - 1, DIRECTION_RCV, &p), PACKET_MALFORMED);
		assert_int_equal(parse_linear(&b, b.length, b.length + 9, DIRECTION_RCV, &p), PACKET_TCP);
		assert_int_equal(p.segment.payload_bytes, PAYLOAD_BYTES);
		assert_int_equal(parse_linear(&b, b.length, b.length + 9, DIRECTION_SND, &p), PACKET_TCP);
		assert_int_equal(p.segment.payload_bytes, PAYLOAD_BYTES + 9);
		packet_count_segments(&p, 2);
		assert_int_equal(p.segment.packet_bytes, b.length + 9 - 22 + (FAMILIES[i] == FAMILY_IPV4 ? 40 : 60));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_tag_and_two_of_either_type),
		cmocka_unit_test(test_tag_of_any_content),
		cmocka_unit_test(test_three_tags_obscure),
		cmocka_unit_test(test_other_types_behind_a_tag_other),
		cmocka_unit_test(test_tags_truncated_at_every_length),
		cmocka_unit_test(test_ip_options_and_extensions_behind_tags),
		cmocka_unit_test(test_ip_length_against_tagged_frame),
	};

	return cmocka_run_group_tests_name("packet, tags", tests, NULL, NULL);
}
