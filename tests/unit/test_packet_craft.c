// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Frames that are made to be asked about: the parser reads them back, and their checksums are right. */
#include "unit.h"

#include "../../user/packet_craft.c"
#include "../../user/tcp/inet_checksum.c"

static const __u8 local_mac[6] = { 2, 0, 0, 0, 0, 9 };

static struct packet_craft craft_of(__u8 family)
{
	struct packet_craft craft = {
		.tuple = unit_tuple(family),
		.seq = 0x01020304,
		.ack = 0xa1a2a3a4,
		.window = 1234,
		.flags = TCP_FLAG_ACK,
		.options = TCP_OPTIONS_NONE,
	};

	memcpy(craft.local_mac, local_mac, sizeof(local_mac));
	return craft;
}

/* Makes the frame, and asserts that it says what was wanted. */
static void assert_frame(const struct packet_craft *craft, struct tcp_options *options)
{
	static __u8 buffer[2 + PACKET_CRAFT_BYTES_MAX] __attribute__((aligned(4)));
	__u8 *frame = buffer + 2; /* the parser expects its words aligned */
	__u32 bytes = packet_craft(craft, frame), tcp_bytes;
	const struct frame f = { frame, frame + bytes, DIRECTION_RCV };
	__u8 option_bytes[TCP_OPTIONS_BUFFER_BYTES] = {};
	struct packet p = {};

	assert_memory_equal(frame, local_mac, sizeof(local_mac));
	assert_int_equal(frame[6] & 1, 0);
	assert_int_equal(packet_parse(&p, &f), PACKET_TCP);
	assert_int_equal(packet_weigh(&p, bytes, DIRECTION_RCV), PACKET_TCP);
	assert_memory_equal(&p.tuple, &craft->tuple, sizeof(p.tuple));
	assert_int_equal(p.segment.seq, craft->seq);
	assert_int_equal(p.segment.ack, craft->ack);
	assert_int_equal(p.segment.window, craft->window);
	assert_int_equal(p.segment.flags, craft->flags);
	assert_int_equal(p.segment.payload_bytes, craft->payload_bytes);
	assert_int_equal(p.ip_offset + p.segment.packet_bytes, bytes);
	tcp_bytes = bytes - p.tcp_offset;
	assert_int_equal(inet_checksum(frame + p.tcp_offset, tcp_bytes,
				       inet_checksum_pseudo(&craft->tuple, tcp_bytes, IPPROTO_TCP)),
			 0);
	if (craft->tuple.family == FAMILY_IPV4)
		assert_int_equal(inet_checksum(frame + p.ip_offset, IPV4_HEADER_BYTES, 0), 0);
	memcpy(option_bytes, frame + p.tcp_offset + TCP_HEADER_BYTES, p.tcp_options_bytes);
	assert_true(tcp_options_parse(option_bytes, p.tcp_options_bytes, options));
}

static void assert_same_options(const struct tcp_options *a, const struct tcp_options *b)
{
	assert_int_equal(a->mss, b->mss);
	assert_int_equal(a->wscale, b->wscale);
	assert_int_equal(a->sack_permitted, b->sack_permitted);
	assert_int_equal(a->has_timestamps, b->has_timestamps);
	assert_int_equal(a->tsval, b->tsval);
	assert_int_equal(a->tsecr, b->tsecr);
}

static void test_bare_segment_of_each_family(void **state)
{
	struct packet_craft ipv4 = craft_of(FAMILY_IPV4), ipv6 = craft_of(FAMILY_IPV6);
	struct tcp_options read;

	(void)state;
	assert_frame(&ipv4, &read);
	assert_same_options(&read, &ipv4.options);
	assert_frame(&ipv6, &read);
	assert_same_options(&read, &ipv6.options);
}

static void test_every_combination_of_options(void **state)
{
	(void)state;
	for (int bits = 0; bits < 16; bits++) {
		struct packet_craft craft = craft_of(bits & 1 ? FAMILY_IPV6 : FAMILY_IPV4);
		struct tcp_options read;

		craft.flags = TCP_FLAG_SYN;
		craft.options.mss = bits & 1 ? 1400 : 0;
		craft.options.wscale = bits & 2 ? 0 : TCP_WSCALE_NONE;
		craft.options.sack_permitted = bits & 4;
		craft.options.has_timestamps = bits & 8;
		craft.options.tsval = bits & 8 ? 0x11223344 : 0;
		craft.options.tsecr = bits & 8 ? 0x55667788 : 0;
		assert_frame(&craft, &read);
		assert_same_options(&read, &craft.options);
	}
}

/* The program reads timestamps in their usual place only. */
static void test_segment_with_timestamps_has_them_in_the_usual_place(void **state)
{
	static __u8 frame[PACKET_CRAFT_BYTES_MAX];
	struct packet_craft craft = craft_of(FAMILY_IPV4);
	const __be32 usual = net32(0x0101080a);

	(void)state;
	craft.options.has_timestamps = true;
	packet_craft(&craft, frame);
	assert_memory_equal(frame + ETH_HEADER_BYTES + IPV4_HEADER_BYTES + TCP_HEADER_BYTES, &usual, sizeof(usual));
}

static void test_longest_segment_fits(void **state)
{
	struct packet_craft craft = craft_of(FAMILY_IPV6);
	struct tcp_options read;

	(void)state;
	craft.options = (struct tcp_options){ .mss = 1, .wscale = 14, .sack_permitted = true, .has_timestamps = true };
	craft.payload_bytes = PACKET_CRAFT_PAYLOAD_MAX;
	assert_frame(&craft, &read);
}

static void assert_flags(const char *letters, __u8 want, const char *again)
{
	char text[PACKET_CRAFT_FLAGS_BYTES];
	__u8 flags;

	assert_int_equal(packet_craft_flags(letters, &flags), 0);
	assert_int_equal(flags, want);
	assert_string_equal(packet_craft_letters(text, flags), again);
}

static void test_flags_by_letters(void **state)
{
	(void)state;
	assert_flags("S", TCP_FLAG_SYN, "S");
	assert_flags("AS", TCP_FLAG_SYN | TCP_FLAG_ACK, "SA");
	assert_flags("PA", TCP_FLAG_PSH | TCP_FLAG_ACK, "PA");
	assert_flags("SFRPAUEC", 0xff, "SFRPAUEC");
	assert_flags("none", 0, "none");
}

static void test_other_letters_are_refused(void **state)
{
	__u8 flags;

	(void)state;
	assert_int_equal(packet_craft_flags("", &flags), -EINVAL);
	assert_int_equal(packet_craft_flags("s", &flags), -EINVAL);
	assert_int_equal(packet_craft_flags("SX", &flags), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bare_segment_of_each_family),
		cmocka_unit_test(test_every_combination_of_options),
		cmocka_unit_test(test_segment_with_timestamps_has_them_in_the_usual_place),
		cmocka_unit_test(test_longest_segment_fits),
		cmocka_unit_test(test_flags_by_letters),
		cmocka_unit_test(test_other_letters_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
