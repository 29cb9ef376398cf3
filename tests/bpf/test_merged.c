// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A packet that is still to be cut into several is one for generic XDP: tc ingress tells the record how many they are.
 * Native XDP has counted each, whatever GRO has made of them.
 */
#include <linux/bpf.h>

#include "talk.h"

#define PAYLOAD_BYTES 1500
#define SEGMENT_BYTES 301 /* the last of the segments is shorter */
#define SEGMENTS 5

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* Shows a merged packet to both ingress programs; returns the record after it. */
static struct flow receive_merged(__u8 family, enum device_xdp_mode mode, bool tagged, __u32 *headers_bytes)
{
	struct packet_spec spec;
	struct frame f;
	struct flow flow;
	struct talk t;

	shield_reset(NULL);
	shield_config.xdp_mode = mode;
	shield_configure();
	talk_init(&t, family, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, PAYLOAD_BYTES);
	packet_build(&f, &spec);
	*headers_bytes = f.length - FRAME_ETH_BYTES - PAYLOAD_BYTES;
	if (tagged)
		packet_build_put_tag(&f, 0x8100, 5);
	assert_verdict(shield_receive(&f), V_SEGMENT);
	assert_verdict(shield_hand_over_merged(&f, SEGMENT_BYTES), VERDICT_COUNT);
	assert_true(shield_flow(&t.tuple, &flow));
	return flow;
}

static void test_generic_merged_segment_counts_as_on_the_wire(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(families); i++) {
		__u32 headers_bytes;
		struct flow f = receive_merged(families[i / 2], DEVICE_XDP_GENERIC, i % 2, &headers_bytes);

		assert_int_equal(f.rcv_packets, 1 + SEGMENTS); /* the handshake's ACK before them */
		assert_int_equal(f.rcv_bytes, (1 + SEGMENTS) * headers_bytes + PAYLOAD_BYTES);
	}
}

static void test_native_merged_segment_was_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		__u32 headers_bytes;
		struct flow f = receive_merged(families[i], DEVICE_XDP_NATIVE, false, &headers_bytes);

		assert_int_equal(f.rcv_packets, 2);
		assert_int_equal(f.rcv_bytes, 2 * headers_bytes + PAYLOAD_BYTES);
	}
}

/* The packet comes round once more, and is counted then. */
static void test_generic_merged_segment_sent_again_counts_nothing_yet(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct flow flow;
	struct talk t;

	(void)state;
	shield_config.xdp_mode = DEVICE_XDP_GENERIC;
	shield_configure();
	shield_set_metadata_missing(true);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, PAYLOAD_BYTES);
	packet_build(&f, &spec);
	assert_verdict(shield_receive(&f), V_SEGMENT);
	assert_noted(shield_hand_over_merged(&f, SEGMENT_BYTES), V_HANDOVER_AGAIN);
	assert_true(shield_flow(&t.tuple, &flow));
	assert_int_equal(flow.rcv_packets, t.model.rcv_packets);
	assert_int_equal(flow.rcv_bytes, t.model.rcv_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_generic_merged_segment_counts_as_on_the_wire, shield_reset),
		cmocka_unit_test_setup(test_native_merged_segment_was_counted, shield_reset),
		cmocka_unit_test_setup(test_generic_merged_segment_sent_again_counts_nothing_yet, shield_reset),
	};

	return shield_run_tests("merged", tests, ARRAY_LEN(tests));
}
