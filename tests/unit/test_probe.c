// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keepalive probes for the kernel's connections: every byte, and what a record must know. Checksums are scapy's. */
#include "unit.h"

#include "../../user/daemon/probe.c"

#define SEEN_MS 1000000
#define NOW_NS ((SEEN_MS + 5000) * NSEC_PER_MSEC + 999999) /* 5 s later: the owner's clock has gone on by 4989 ms */

static const __u8 local_mac[MAC_BYTES] = { 2, 0, 0, 0, 0, 1 };

/* rcv_nxt is ahead of what the owner has acknowledged; its last segment was ECN-capable. */
static struct flow silent_flow(__u8 family)
{
	return (struct flow){
		.state = TCPS_ESTABLISHED,
		.rcv_wscale = 7,
		.rcv_nxt = 0xa1a2a3ff,
		.rcv_wup = 0xa1a2a3a4,
		.rcv_edge = 0xa1a2a3ff + 0x91a00,
		.snd_nxt = 0x01020304,
		.snd_una = 0x01020304,
		.rcv_wnd = 0x1234,
		.snd_wnd = 0x4321,
		.rcv_tsval = 0x55667788,
		.snd_tsval = 0x11223344,
		.rcv_seen_ms = SEEN_MS - 100,
		.snd_seen_ms = SEEN_MS,
		.next_hop = { 2, 0, 0, 0, 0, 2 },
		.ip_first = net32(family == FAMILY_IPV4 ? 0x46bb05dc : 0x6bbabcde),
	};
}

static int make(const struct flow *f, __u8 family, __u64 now_ns, __u8 *frame)
{
	struct tuple tuple = unit_tuple(family);

	return probe_make(f, &tuple, local_mac, now_ns, frame, PROBE_BYTES_MAX);
}

static void assert_probe(const struct flow *f, __u8 family, const __u8 *want, int want_bytes)
{
	__u8 frame[PROBE_BYTES_MAX];

	memset(frame, 0xee, sizeof(frame));
	assert_int_equal(make(f, family, NOW_NS, frame), want_bytes);
	assert_memory_equal(frame, want, want_bytes);
	for (size_t i = want_bytes; i < sizeof(frame); i++)
		assert_int_equal(frame[i], 0xee);
}

static void test_ipv4_probe(void **state)
{
	static const __u8 want[] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x08, 0x00, /* link */
		0x45, 0xb8, 0x00, 0x28, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0xd3, 0xd7,		    /* IPv4 */
		0xcb, 0x00, 0x71, 0x05, 0xc6, 0x33, 0x64, 0x07,					    /* addresses */
		0x01, 0xbb, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x03, 0xa1, 0xa2, 0xa3, 0xa4, /* ports, SEQ, ACK */
		0x50, 0x10, 0x12, 0x34, 0x50, 0x18, 0x00, 0x00,
	};
	struct flow f = silent_flow(FAMILY_IPV4);

	(void)state;
	assert_probe(&f, FAMILY_IPV4, want, sizeof(want));
}

static void test_ipv4_probe_with_timestamps_and_tag(void **state)
{
	static const __u8 want[] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, /* link */
		0x81, 0x00, 0xa1, 0x23, 0x08, 0x00,					/* priority 5, VLAN 291 */
		0x45, 0xb8, 0x00, 0x34, 0x00, 0x00, 0x40, 0x00, 0x40, 0x06, 0xd3, 0xcb, /* IPv4 */
		0xcb, 0x00, 0x71, 0x05, 0xc6, 0x33, 0x64, 0x07,				/* addresses */
		0x01, 0xbb, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x03, 0xa1, 0xa2, 0xa3, 0xa4, /* ports, SEQ, ACK */
		0x80, 0x10, 0x12, 0x34, 0xf2, 0x2e, 0x00, 0x00, 0x01, 0x01, 0x08, 0x0a,
		0x11, 0x22, 0x46, 0xc1, 0x55, 0x66, 0x77, 0x88, /* TSval, TSecr */
	};
	struct flow f = silent_flow(FAMILY_IPV4);

	(void)state;
	f.flags = FLOW_TIMESTAMPS;
	f.vlan_tci = 0xa123;
	assert_probe(&f, FAMILY_IPV4, want, sizeof(want));
}

static void test_ipv6_probe(void **state)
{
	static const __u8 want[] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86, 0xdd, /* link */
		0x6b, 0x8a, 0xbc, 0xde, 0x00, 0x14, 0x06, 0x40,					    /* IPv6 */
		0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x0d, 0x00, 0x00, 0x00,
		0x05, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x0a, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x07, 0x01, 0xbb, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x03, 0xa1, 0xa2, 0xa3, 0xa4, /* ports, SEQ, ACK
												     */
		0x50, 0x10, 0x12, 0x34, 0x5a, 0xad, 0x00, 0x00,
	};
	struct flow f = silent_flow(FAMILY_IPV6);

	(void)state;
	assert_probe(&f, FAMILY_IPV6, want, sizeof(want));
}

static void test_ipv6_probe_with_timestamps(void **state)
{
	static const __u8 want[] = {
		0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x02, 0x00, 0x00, 0x00, 0x00, 0x01, 0x86, 0xdd, /* link */
		0x6b, 0x8a, 0xbc, 0xde, 0x00, 0x20, 0x06, 0x40,					    /* IPv6 */
		0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0c, 0x00, 0x0d, 0x00, 0x00, 0x00,
		0x05, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x0a, 0x00, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
		0x00, 0x07, 0x01, 0xbb, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x03, 0xa1, 0xa2, 0xa3, 0xa4, /* ports, SEQ, ACK
												     */
		0x80, 0x10, 0x12, 0x34, 0xfc, 0xc3, 0x00, 0x00, 0x01, 0x01, 0x08, 0x0a, 0x11, 0x22, 0x46,
		0xc1, 0x55, 0x66, 0x77, 0x88, /* TSval, TSecr */
	};
	struct flow f = silent_flow(FAMILY_IPV6);

	(void)state;
	f.flags = FLOW_TIMESTAMPS;
	assert_probe(&f, FAMILY_IPV6, want, sizeof(want));
}

static void test_longest_probe_fits(void **state)
{
	__u8 frame[PROBE_BYTES_MAX];
	struct flow f = silent_flow(FAMILY_IPV6);

	(void)state;
	f.flags = FLOW_TIMESTAMPS;
	f.vlan_tci = 1;
	assert_int_equal(make(&f, FAMILY_IPV6, NOW_NS, frame), PROBE_BYTES_MAX);
}

static void test_sequence_number_wraps(void **state)
{
	__u8 frame[PROBE_BYTES_MAX];
	struct flow f = silent_flow(FAMILY_IPV4);

	(void)state;
	f.snd_nxt = f.snd_una = 0;
	assert_int_equal(make(&f, FAMILY_IPV4, NOW_NS, frame), 54);
	assert_int_equal(get_be32(frame + 38), 0xffffffff);
}

static __u32 tsval_of(__u32 snd_tsval, __u32 snd_seen_ms, __u64 now_ms)
{
	__u8 frame[PROBE_BYTES_MAX];
	struct flow f = silent_flow(FAMILY_IPV4);

	f.flags = FLOW_TIMESTAMPS;
	f.snd_tsval = snd_tsval;
	f.snd_seen_ms = snd_seen_ms;
	assert_int_equal(make(&f, FAMILY_IPV4, now_ms * NSEC_PER_MSEC, frame), 66);
	return get_be32(frame + 58);
}

/* It has sent nothing yet: what its SYN-ACK offered. */
static void test_owner_that_has_not_spoken_offers_what_its_cookie_could(void **state)
{
	struct flow f = silent_flow(FAMILY_IPV4);
	__u8 frame[PROBE_BYTES_MAX];

	(void)state;
	f.flags |= FLOW_HANDOVER;
	f.rcv_wup = 1000;
	f.rcv_edge = 1000 + 0xffff;
	f.rcv_wscale = 7;
	f.rcv_wnd = 0;
	assert_true(make(&f, FAMILY_IPV4, NOW_NS, frame) > 0);
	assert_int_equal(get_be16(frame + 48), 0xffff >> 7);
}

/* The record's time may be late by a jiffy. */
static void test_tsval_is_not_ahead_of_the_owners_clock(void **state)
{
	(void)state;
	assert_int_equal(tsval_of(100, 5000, 5000), 100);
	assert_int_equal(tsval_of(100, 5000, 5011), 100);
	assert_int_equal(tsval_of(100, 5000, 5012), 101);
}

static void test_tsval_is_not_behind_the_last_one(void **state)
{
	(void)state;
	assert_int_equal(tsval_of(100, 5000, 4990), 100);		  /* sent while the probe was made */
	assert_int_equal(tsval_of(100, 5000, 5000 + 0x90000000ULL), 100); /* more than half of the clock's circle */
}

static void test_tsval_and_clock_wrap(void **state)
{
	(void)state;
	assert_int_equal(tsval_of(0xfffffff0, 5000, 6011), 1000 - 16);
	assert_int_equal(tsval_of(100, 0xffffff00, 0x100000000ULL + 11), 100 + 256);
}

static void test_owner_whose_next_hop_is_not_known_is_not_spoken_for(void **state)
{
	__u8 frame[PROBE_BYTES_MAX];
	struct flow f = silent_flow(FAMILY_IPV4);

	(void)state;
	memset(f.next_hop, 0, sizeof(f.next_hop));
	assert_int_equal(make(&f, FAMILY_IPV4, NOW_NS, frame), -EHOSTUNREACH);
}

static void test_owner_whose_clock_is_not_known_is_not_spoken_for(void **state)
{
	__u8 frame[PROBE_BYTES_MAX];
	struct flow f = silent_flow(FAMILY_IPV4);

	(void)state;
	f.snd_tsval = 0;
	assert_int_equal(make(&f, FAMILY_IPV4, NOW_NS, frame), 54);
	f.flags = FLOW_TIMESTAMPS;
	assert_int_equal(make(&f, FAMILY_IPV4, NOW_NS, frame), -EAGAIN);
}

static void test_frame_that_is_too_small_is_left_alone(void **state)
{
	__u8 frame[PROBE_BYTES_MAX] = {}, untouched[PROBE_BYTES_MAX] = {};
	struct flow f = silent_flow(FAMILY_IPV4);
	struct tuple tuple = unit_tuple(FAMILY_IPV4);

	(void)state;
	assert_int_equal(probe_make(&f, &tuple, local_mac, NOW_NS, frame, PROBE_BYTES_MAX - 1), -ENOBUFS);
	assert_memory_equal(frame, untouched, sizeof(frame));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_probe),
		cmocka_unit_test(test_ipv4_probe_with_timestamps_and_tag),
		cmocka_unit_test(test_ipv6_probe),
		cmocka_unit_test(test_ipv6_probe_with_timestamps),
		cmocka_unit_test(test_longest_probe_fits),
		cmocka_unit_test(test_sequence_number_wraps),
		cmocka_unit_test(test_owner_that_has_not_spoken_offers_what_its_cookie_could),
		cmocka_unit_test(test_tsval_is_not_ahead_of_the_owners_clock),
		cmocka_unit_test(test_tsval_is_not_behind_the_last_one),
		cmocka_unit_test(test_tsval_and_clock_wrap),
		cmocka_unit_test(test_owner_whose_next_hop_is_not_known_is_not_spoken_for),
		cmocka_unit_test(test_owner_whose_clock_is_not_known_is_not_spoken_for),
		cmocka_unit_test(test_frame_that_is_too_small_is_left_alone),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
