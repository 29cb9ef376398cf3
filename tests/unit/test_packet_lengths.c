// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * packet.h: every length that can lie, and what a super-packet weighs.
 */
#include "packet_fixture.h"

#define BIG_FRAME_BYTES 70000

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

/* IPv6's has a header of the kernel's own, which counts for nothing: neither once, nor once a segment. */
static void test_jumbo_header_of_a_packet_beyond_the_field_is_not_counted(void **state)
{
	(void)state;
	for (enum direction d = DIRECTION_RCV; d <= DIRECTION_SND; d++) {
		struct packet p;
		struct bytes b;

		put_ip(&b, FAMILY_IPV6, d, IPPROTO_HOPOPTS);
		put_extension(&b, IPPROTO_HOPOPTS, IPPROTO_TCP, 0);
		put_tcp(&b, d, 0);
		put16(&b, 18, 0);
		assert_int_equal(parse_linear(&b, b.length, BIG_FRAME_BYTES, d, &p), PACKET_TCP);
		assert_int_equal(p.segment.packet_bytes, BIG_FRAME_BYTES - 14 - 8);
		assert_int_equal(p.segment.payload_bytes, BIG_FRAME_BYTES - 14 - 68);
		packet_count_segments(&p, 50);
		assert_int_equal(p.segment.packet_bytes, BIG_FRAME_BYTES - 14 - 68 + 50 * 60);
	}
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
		cmocka_unit_test(test_payload_outside_linear_part),
		cmocka_unit_test(test_data_offset_against_length),
		cmocka_unit_test(test_ip_length_against_frame),
		cmocka_unit_test(test_ethernet_padding_is_no_payload),
		cmocka_unit_test(test_ip_length_of_zero_in_a_frame_beyond_the_field),
		cmocka_unit_test(test_jumbo_header_of_a_packet_beyond_the_field_is_not_counted),
		cmocka_unit_test(test_segments_of_a_super_packet_weigh_their_headers),
	};

	return cmocka_run_group_tests_name("packet, lengths", tests, NULL, NULL);
}
