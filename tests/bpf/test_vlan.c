// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * VLAN tags: a SYN behind one or two is answered behind the same, and its connection is the one of the same segments
 * without. The kernel takes the outermost tag off between XDP and tc ingress; the device takes one that it adds itself.
 */
#include <linux/bpf.h>
#include <string.h>

#include "talk.h"

/* From the innermost outwards; 0: none. */
static const struct tags {
	__u32 inner, outer;
} all_tags[] = {
	{ 0x81000005, 0 },					/* 802.1Q, VLAN 5 */
	{ 0x8100e000, 0 },					/* a priority tag */
	{ 0x88a80fff, 0 },	    { 0x81000005, 0x88a81123 }, /* 802.1ad around it: QinQ */
	{ 0x81000005, 0x81000006 },
};

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

static void put_tags(struct frame *f, const struct tags *tags)
{
	packet_build_put_tag(f, tags->inner >> 16, tags->inner);
	if (tags->outer)
		packet_build_put_tag(f, tags->outer >> 16, tags->outer);
}

static void take_tags(struct frame *f, const struct tags *tags)
{
	if (tags->outer)
		assert_int_equal(packet_build_take_tag(f), tags->outer);
	assert_int_equal(packet_build_take_tag(f), tags->inner);
}

static struct outcome receive_tagged(const struct packet_spec *spec, const struct tags *tags)
{
	struct frame f;

	packet_build(&f, spec);
	put_tags(&f, tags);
	return shield_receive(&f);
}

static void get_cookie_behind(struct talk *t, const struct tags *tags)
{
	struct packet_spec syn = talk_syn(t);
	struct packet_view view;
	struct outcome answer;

	answer = receive_tagged(&syn, tags);
	assert_verdict(answer, V_SYN_COOKIE);
	take_tags(&answer.frame, tags);
	assert_null(packet_build_read(&view, &answer.frame));
	assert_memory_equal(&view.tuple, &t->tuple, offsetof(struct tuple, family) + 1);
	t->iss = view.seq;
	t->own_nxt = view.seq + 1;
	t->own_tsval = view.options.tsval;
	t->peer_nxt++;
}

static void test_syn_behind_tags_answered_behind_them(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all_tags) * ARRAY_LEN(families); i++) {
		struct talk t;

		talk_init(&t, families[i % ARRAY_LEN(families)], PORT_ALWAYS);
		get_cookie_behind(&t, &all_tags[i / ARRAY_LEN(families)]);
	}
}

/* The shortest answer, where the SYN was padded to the shortest frame with the peer's bytes. */
static void test_syn_without_options_behind_tags_padding_is_zero(void **state)
{
	static const __u8 zeros[60];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all_tags); i++) {
		for (__u32 payload = 0; payload < 12; payload++) {
			struct packet_spec syn;
			struct packet_view view;
			struct outcome answer;
			struct talk t;

			talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
			t.offer = TCP_OPTIONS_NONE;
			syn = talk_syn(&t);
			syn.payload_bytes = payload;
			answer = receive_tagged(&syn, &all_tags[i]);
			assert_verdict(answer, V_SYN_COOKIE);
			take_tags(&answer.frame, &all_tags[i]);
			assert_null(packet_build_read(&view, &answer.frame));
			assert_true(view.padding_bytes <= 2);
			assert_memory_equal(view.padding, zeros, view.padding_bytes);
		}
	}
}

/* Two tags more than the answer needs, and data that is cut off with them. */
static void test_syn_with_data_behind_tags_answer_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all_tags) * ARRAY_LEN(families); i++) {
		const struct tags *tags = &all_tags[i / ARRAY_LEN(families)];
		struct packet_spec syn;
		struct packet_view view;
		struct outcome answer;
		struct talk t;

		talk_init(&t, families[i % ARRAY_LEN(families)], PORT_ALWAYS);
		syn = talk_syn(&t);
		syn.payload_bytes = 700;
		answer = receive_tagged(&syn, tags);
		assert_verdict(answer, V_SYN_COOKIE);
		take_tags(&answer.frame, tags);
		assert_null(packet_build_read(&view, &answer.frame));
		assert_int_equal(view.padding_bytes, 0);
	}
}

/* Options in an order that is read by the parser, not in place. */
static void test_syn_of_another_layout_behind_tags_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all_tags); i++) {
		struct packet_spec syn;
		struct packet_view view;
		struct outcome answer;
		struct talk t;

		talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
		syn = talk_syn(&t);
		packet_build_options(&syn, LAYOUT_MACOS, &t.offer);
		answer = receive_tagged(&syn, &all_tags[i]);
		assert_verdict(answer, V_SYN_COOKIE);
		take_tags(&answer.frame, &all_tags[i]);
		assert_null(packet_build_read(&view, &answer.frame));
		assert_int_equal(view.options.tsecr, t.offer.tsval);
	}
}

/* As packets pass by: XDP sees all tags, tc ingress all but the outermost, tc egress those within one or two others. */
/* To a peer behind two tags, or one of 802.1ad, the way is not known. */
static void model_learns_way(struct talk *t, const struct tags *tags)
{
	if (tags->outer || tags->inner >> 16 != 0x8100)
		memset(t->model.next_hop, 0, sizeof(t->model.next_hop));
	else
		t->model.vlan_tci = (__u16)tags->inner;
}

static void connection_behind(const struct tags *tags, __u8 family)
{
	struct packet_spec spec;
	struct outcome o;
	struct frame f;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	get_cookie_behind(&t, tags);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, 0);
	o = receive_tagged(&spec, tags);
	assert_verdict(o, V_COOKIE_ACK);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	t.model = talk_flow_from_cookie(&t, &spec);
	model_learns_way(&t, tags);
	talk_assert_state(&t, TCPS_ESTABLISHED);

	shield_set_metadata_missing(true);
	packet_build(&f, &spec);
	if (tags->outer)
		packet_build_put_tag(&f, tags->inner >> 16, tags->inner);
	assert_verdict(shield_hand_over(&f), V_HANDOVER_REFUSED); /* a test run can hand nothing over */

	talk_owner_sends(&t, TCP_FLAG_ACK, 0);
	spec = talk_peer_segment(&t, TCP_FLAG_ACK, 300);
	t.peer_nxt += 300;
	assert_verdict(receive_tagged(&spec, tags), V_SEGMENT);
	talk_model_takes(&t, &spec);
	spec = talk_owner_segment(&t, TCP_FLAG_ACK, 200);
	t.own_nxt += 200;
	packet_build(&f, &spec);
	put_tags(&f, tags);
	assert_verdict(shield_send(&f), V_OWN_SEGMENT);
	talk_model_takes(&t, &spec);
	model_learns_way(&t, tags);
	talk_assert_state(&t, TCPS_ESTABLISHED);
}

static void test_connection_behind_tags_is_the_same_without(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(all_tags) * ARRAY_LEN(families); i++) {
		shield_reset(state);
		connection_behind(&all_tags[i / ARRAY_LEN(families)], families[i % ARRAY_LEN(families)]);
	}
}

/* The kernel takes priority tags off one after another, however many there are. */
static void test_syn_behind_three_tags_passed_within_the_budget(void **state)
{
	struct packet_spec syn;
	struct frame f;
	struct talk t;
	int passed = 0;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	for (int tags = 0; tags < 3; tags++)
		packet_build_put_tag(&f, 0x8100, 0);
	assert_verdict(shield_receive(&f), V_NOT_UNDERSTOOD);
	shield_config.budget_per_second = 20;
	shield_configure();
	for (int i = 0; i < 50; i++)
		passed += shield_receive(&f).verdict == V_NOT_UNDERSTOOD;
	assert_in_range(passed, 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_behind_tags_answered_behind_them, shield_reset),
		cmocka_unit_test_setup(test_syn_without_options_behind_tags_padding_is_zero, shield_reset),
		cmocka_unit_test_setup(test_syn_with_data_behind_tags_answer_is_cut, shield_reset),
		cmocka_unit_test_setup(test_syn_of_another_layout_behind_tags_answered, shield_reset),
		cmocka_unit_test_setup(test_connection_behind_tags_is_the_same_without, shield_reset),
		cmocka_unit_test_setup(test_syn_behind_three_tags_passed_within_the_budget, shield_reset),
	};

	return shield_run_tests("vlan", tests, ARRAY_LEN(tests));
}
