// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Frames in several buffers, as drivers give them to XDP where the MTU is greater than a page: the first buffer has the
 * headers, all of them together are the frame.
 */
#include <linux/bpf.h>
#include <string.h>

#include "talk.h"

#define JUMBO_PAYLOAD_BYTES 8900

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static __u32 headers_bytes(const struct packet_spec *spec)
{
	return FRAME_ETH_BYTES + (spec->tuple.family == FAMILY_IPV4 ? FRAME_IPV4_BYTES : FRAME_IPV6_BYTES) +
	       FRAME_TCP_BYTES + spec->option_bytes;
}

/*
 * Shows the peer's next segment, with its headers and cut bytes more in the first buffer, to the flow and the model.
 * The record counts the whole packet, as the model does, and the verdict the whole frame.
 */
static void receive_jumbo(struct talk *t, __u32 cut)
{
	struct packet_spec spec;
	struct outcome o;
	struct frame f;

	t->offer.tsval++;
	spec = talk_peer_segment(t, TCP_FLAG_ACK, JUMBO_PAYLOAD_BYTES);
	t->peer_nxt += JUMBO_PAYLOAD_BYTES;
	packet_build(&f, &spec);
	o = shield_receive_in_buffers(&f, headers_bytes(&spec) + cut);
	talk_model_takes(t, &spec);
	assert_verdict(o, V_SEGMENT);
	talk_assert_state(t, TCPS_ESTABLISHED);
}

static void test_flow_segment_in_buffers_counts_whole(void **state)
{
	static const __u32 cuts[] = { 0, 1, 100, 3000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (size_t c = 0; c < ARRAY_LEN(cuts); c++) {
			struct talk t;

			shield_reset(NULL);
			talk_init(&t, families[i], PORT_ALWAYS);
			talk_establish(&t);
			receive_jumbo(&t, cuts[c]);
		}
	}
}

static void test_no_flow_frame_shorter_than_its_headers_say_malformed(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, JUMBO_PAYLOAD_BYTES);
	packet_build(&f, &spec);
	f.length--;
	assert_verdict(shield_receive_in_buffers(&f, 100), V_MALFORMED);
}

/* The SYN's data, wherever it lies, is no part of the answer. */
static void test_syn_with_data_in_buffers_answer_is_cut(void **state)
{
	static const __u32 cuts[] = { 0, 1, 100, 3000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families) * ARRAY_LEN(cuts); i++) {
		struct packet_spec syn;
		struct packet_view view;
		struct outcome answer;
		struct frame f;
		struct talk t;

		talk_init(&t, families[i % ARRAY_LEN(families)], PORT_ALWAYS);
		syn = talk_syn(&t);
		syn.payload_bytes = JUMBO_PAYLOAD_BYTES;
		packet_build(&f, &syn);
		answer = shield_receive_in_buffers(&f, headers_bytes(&syn) + cuts[i / ARRAY_LEN(families)]);
		assert_verdict(answer, V_SYN_COOKIE);
		assert_int_equal(answer.frame.length, headers_bytes(&syn));
		assert_null(packet_build_read(&view, &answer.frame));
		assert_int_equal(view.ack, syn.seq + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_flow_segment_in_buffers_counts_whole, shield_reset),
		cmocka_unit_test_setup(test_no_flow_frame_shorter_than_its_headers_say_malformed, shield_reset),
		cmocka_unit_test_setup(test_syn_with_data_in_buffers_answer_is_cut, shield_reset),
	};

	shield_takes_frags = true;
	return shield_run_tests("frags", tests, ARRAY_LEN(tests));
}
