// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Packets that are none of Synkeep's business, and those that are no packets at all: passed byte for byte (shield.c
 * compares whatever is passed), counted once, and never a crash.
 *
 * Frames of fewer than 14 bytes are missing, and at TC those without a whole IP header: the kernel takes none of them
 * for a test run.
 */
#include <linux/bpf.h>
#include <string.h>

#include "talk.h"

#define FRAME_MIN_BYTES 14
#define GARBAGE_SEED 20240229ULL
#define GARBAGE_FRAMES 3000

#define IP_AT FRAME_ETH_BYTES
#define IPV4_PROTOCOL (IP_AT + 9)
#define IPV6_NEXT_HEADER (IP_AT + 6)

static struct frame frame_to(__u8 family, __u16 port, __u8 flags, __u32 payload_bytes)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	talk_init(&t, family, port);
	spec = talk_syn(&t);
	spec.flags = flags;
	spec.payload_bytes = payload_bytes;
	packet_build(&f, &spec);
	return f;
}

/* Through all three programs: XDP gives the verdict, TC takes no notice. */
static void assert_ignored(const struct frame *f, enum verdict verdict)
{
	struct outcome o = shield_receive(f);

	assert_verdict(o, verdict);
	assert_int_equal(o.action, XDP_PASS);
	assert_int_equal(o.hint, SHIELD_HINT_NONE);
	assert_verdict(shield_send(f), VERDICT_COUNT);
	assert_verdict(shield_hand_over(f), VERDICT_COUNT);
}

static void test_tcp_to_other_port_ignored(void **state)
{
	static const __u8 flags[] = { TCP_FLAG_SYN, TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_FIN | TCP_FLAG_SYN, 0, 0xff };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(flags); i++) {
		struct frame f = frame_to(i % 2 ? FAMILY_IPV4 : FAMILY_IPV6, PORT_NO_SERVICE, flags[i / 2], 20);

		assert_ignored(&f, V_NO_SERVICE);
	}
}

static void test_tcp_to_other_address_ignored(void **state)
{
	struct talk t;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct packet_spec syn;
		struct frame f;

		talk_init(&t, i ? FAMILY_IPV4 : FAMILY_IPV6, PORT_ALWAYS);
		t.tuple.local[0] ^= net32(1 << 16);
		syn = talk_syn(&t);
		packet_build(&f, &syn);
		assert_ignored(&f, V_NO_SERVICE);
	}
}

static void test_other_protocols_ignored(void **state)
{
	static const __u8 protocols[] = { 17, 1, 58, 132, 47, 41, 0, 44, 60, 255 }; /* UDP, ICMP, SCTP, tunnels, ... */

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++) {
		struct frame ipv4 = frame_to(FAMILY_IPV4, PORT_ALWAYS, TCP_FLAG_SYN, 0);
		struct frame ipv6 = frame_to(FAMILY_IPV6, PORT_ALWAYS, TCP_FLAG_ACK, 0);

		ipv4.bytes[IPV4_PROTOCOL] = protocols[i];
		assert_ignored(&ipv4, V_OTHER);
		ipv6.bytes[IPV6_NEXT_HEADER] = protocols[i];
		assert_ignored(&ipv6, V_OTHER);
	}
}

static void test_other_ethertypes_ignored(void **state)
{
	static const __u16 types[] = { 0x0806, 0x8100, 0x88a8, 0x8847, 0x8863, 0x88cc, 0x0026, 0x0000, 0xffff };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		struct frame f = frame_to(FAMILY_IPV4, PORT_ALWAYS, TCP_FLAG_SYN, 0);

		packet_build_put16(&f, 12, types[i]);
		assert_ignored(&f, V_OTHER);
	}
}

static void test_other_than_ip_behind_tags_ignored(void **state)
{
	struct frame f = frame_to(FAMILY_IPV4, PORT_ALWAYS, TCP_FLAG_SYN, 0);

	(void)state;
	packet_build_put16(&f, 12, 0x0806);
	packet_build_put_tag(&f, 0x8100, 7);
	assert_ignored(&f, V_OTHER);
	packet_build_put_tag(&f, 0x9100, 7); /* an old type of outer tags, which the kernel does not know */
	assert_ignored(&f, V_OTHER);
}

static void test_version_that_is_not_the_ethertypes_ignored(void **state)
{
	struct frame ipv4 = frame_to(FAMILY_IPV4, PORT_ALWAYS, TCP_FLAG_SYN, 0);
	struct frame ipv6 = frame_to(FAMILY_IPV6, PORT_ALWAYS, TCP_FLAG_SYN, 0);

	(void)state;
	ipv4.bytes[IP_AT] = 0x65;
	assert_ignored(&ipv4, V_OTHER);
	ipv4.bytes[IP_AT] = 0x44; /* a header of 16 bytes */
	assert_ignored(&ipv4, V_OTHER);
	ipv6.bytes[IP_AT] = 0x40;
	assert_ignored(&ipv6, V_OTHER);
}

/* Cut anywhere: for no service it is passed; for a service it is passed or dropped as malformed, and never answered. */
static void test_truncated_at_every_length_never_answered(void **state)
{
	static const __u16 ports[] = { PORT_ALWAYS, PORT_OFF, PORT_NO_SERVICE };

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(ports); i++) {
		struct frame f = frame_to(i % 2 ? FAMILY_IPV4 : FAMILY_IPV6, ports[i / 2], TCP_FLAG_SYN, 40);
		__u32 whole = f.length;

		for (f.length = FRAME_MIN_BYTES; f.length < whole; f.length++) {
			struct outcome o = shield_receive(&f);

			if (o.verdict != V_MALFORMED || ports[i / 2] == PORT_NO_SERVICE)
				assert_int_equal(o.action, XDP_PASS);
			assert_int_not_equal(o.action, XDP_TX);
			if (f.length < FRAME_ETH_BYTES + FRAME_IPV6_BYTES)
				continue;
			shield_send(&f);
			shield_hand_over(&f);
		}
	}
}

static __u32 random_next(__u64 *series)
{
	*series = *series * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(*series >> 32);
}

static void test_random_bytes_passed_unchanged(void **state)
{
	__u64 series = GARBAGE_SEED;

	(void)state;
	print_message("seed %llu\n", series);
	for (int i = 0; i < GARBAGE_FRAMES; i++) {
		struct frame f = { .length = FRAME_MIN_BYTES + random_next(&series) % 200 };

		for (__u32 at = 0; at < f.length; at++)
			f.bytes[at] = random_next(&series);
		assert_ignored(&f, V_OTHER);
	}
}

/* Valid segments of a service with a few bytes changed: any verdict is right that leaves the frame whole. */
static void test_random_damage_never_crashes(void **state)
{
	static const __u8 flags[] = { TCP_FLAG_SYN, TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_FIN | TCP_FLAG_ACK };
	__u64 series = GARBAGE_SEED;

	(void)state;
	print_message("seed %llu\n", series);
	for (int i = 0; i < GARBAGE_FRAMES; i++) {
		struct frame f = frame_to(i % 2 ? FAMILY_IPV4 : FAMILY_IPV6, i % 4 < 2 ? PORT_ALWAYS : PORT_OFF,
					  flags[random_next(&series) % ARRAY_LEN(flags)], random_next(&series) % 30);
		struct packet_view view;
		struct outcome o;

		for (int damage = random_next(&series) % 4; damage >= 0; damage--)
			f.bytes[FRAME_ETH_BYTES + random_next(&series) % (f.length - FRAME_ETH_BYTES)] =
				random_next(&series);
		o = shield_receive(&f);
		if (o.action == XDP_TX) {
			assert_null(packet_build_read(&view, &o.frame));
			assert_true(o.frame.length <= f.length);
		}
		shield_send(&f);
		shield_hand_over(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tcp_to_other_port_ignored, shield_reset),
		cmocka_unit_test_setup(test_tcp_to_other_address_ignored, shield_reset),
		cmocka_unit_test_setup(test_other_protocols_ignored, shield_reset),
		cmocka_unit_test_setup(test_other_ethertypes_ignored, shield_reset),
		cmocka_unit_test_setup(test_other_than_ip_behind_tags_ignored, shield_reset),
		cmocka_unit_test_setup(test_version_that_is_not_the_ethertypes_ignored, shield_reset),
		cmocka_unit_test_setup(test_truncated_at_every_length_never_answered, shield_reset),
		cmocka_unit_test_setup(test_random_bytes_passed_unchanged, shield_reset),
		cmocka_unit_test_setup(test_random_damage_never_crashes, shield_reset),
	};

	return shield_run_tests("foreign", tests, ARRAY_LEN(tests));
}
