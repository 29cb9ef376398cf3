// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Handshakes that the owner answers itself (policy off, or draining): nothing is answered, the owner's SYN-ACK begins a
 * half-open record, the peer's ACK makes the flow of it; and what the budget lets through to the owner besides.
 */
#include <linux/bpf.h>

#include <string.h>

#include "talk.h"

#define ACK TCP_FLAG_ACK
#define OWNER_ISN 0xfffffff0U

static void talk_init_off(struct talk *t, __u8 family)
{
	talk_init(t, family, PORT_OFF);
	t->own_tsval = 777;
}

static struct packet_spec owner_syn_ack(const struct talk *t)
{
	struct packet_spec spec = {
		.tuple = t->tuple,
		.direction = DIRECTION_SND,
		.seq = OWNER_ISN,
		.ack = t->peer_nxt,
		.window = 60000,
		.flags = TCP_FLAG_SYN | ACK,
	};
	const struct tcp_options o = { .mss = 1460,
				       .wscale = 9,
				       .sack_permitted = true,
				       .has_timestamps = true,
				       .tsval = t->own_tsval,
				       .tsecr = t->offer.tsval };

	packet_build_options(&spec, LAYOUT_LINUX, &o);
	return spec;
}

static struct outcome owner_sends(const struct packet_spec *spec)
{
	struct frame f;

	packet_build(&f, spec);
	return shield_send(&f);
}

/* SYN from the peer, SYN-ACK from the owner: the record is half open. */
static void half_open(struct talk *t, __u8 family)
{
	struct packet_spec syn, syn_ack;

	talk_init_off(t, family);
	syn = talk_syn(t);
	assert_verdict(shield_receive_packet(&syn), V_SYN_OFF);
	t->peer_nxt++;
	syn_ack = owner_syn_ack(t);
	assert_verdict(owner_sends(&syn_ack), V_OWN_SYN_ACK);
	t->iss = OWNER_ISN;
	t->own_nxt = OWNER_ISN + 1;
}

static void record_is_read_from_syn_ack(__u8 family)
{
	struct half_open h;
	struct flow f;
	struct talk t;

	half_open(&t, family);
	assert_true(shield_half_open(&t.tuple, &h));
	assert_false(shield_flow(&t.tuple, &f));
	assert_state(h.state, TCPS_SYN_RECEIVED);
	assert_int_equal(h.owner, FLOW_OWNER_KERNEL);
	assert_int_equal(h.irs, TALK_PEER_ISN);
	assert_int_equal(h.iss, OWNER_ISN);
	assert_int_equal(h.snd_tsval, t.own_tsval);
	assert_int_equal(h.rcv_wnd, 60000);
	assert_int_equal(h.flags, FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
	assert_int_equal(h.rcv_wscale, 9);
	assert_int_equal(h.syns, 1);
	assert_int_equal(h.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_SYN_RECEIVED, 0));
}

static void test_off_own_syn_ack_makes_half_open_record(void **state)
{
	(void)state;
	record_is_read_from_syn_ack(FAMILY_IPV4);
	record_is_read_from_syn_ack(FAMILY_IPV6);
}

static void test_half_open_own_syn_ack_again_moves_deadline(void **state)
{
	struct packet_spec syn_ack;
	struct half_open h;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	shield_advance(3 * NSEC_PER_SEC);
	syn_ack = owner_syn_ack(&t);
	assert_verdict(owner_sends(&syn_ack), V_OWN_SYN_ACK);
	assert_true(shield_half_open(&t.tuple, &h));
	assert_int_equal(h.syns, 2);
	assert_int_equal(h.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_SYN_RECEIVED, 0));
}

static void ack_makes_flow(__u8 family, __u32 payload_bytes)
{
	struct packet_spec ack;
	struct half_open h;
	struct frame f;
	struct talk t;

	half_open(&t, family);
	ack = talk_peer_segment(&t, ACK, payload_bytes);
	assert_verdict(shield_receive_packet(&ack), V_HALF_OPEN_ACK);
	assert_false(shield_half_open(&t.tuple, &h));
	assert_true(shield_flow(&t.tuple, &t.model));
	t.peer_nxt += payload_bytes;
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_int_equal(t.model.flags, FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
	assert_int_equal(t.model.irs, TALK_PEER_ISN);
	assert_int_equal(t.model.iss, OWNER_ISN);
	assert_int_equal(t.model.snd_una, OWNER_ISN + 1);
	assert_int_equal(t.model.rcv_edge, TALK_PEER_ISN + 1 + 60000);
	packet_build(&f, &ack);
	assert_memory_equal(t.model.next_hop, f.bytes + sizeof(t.model.next_hop), sizeof(t.model.next_hop));
	assert_int_equal(t.model.snd_seen_ms, (__u32)(shield_now_ns() / NSEC_PER_MSEC));
	talk_owner_sends(&t, ACK, 100);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	talk_peer_sends(&t, TCP_FLAG_RST, 0);
	talk_assert_ended(&t, TCPS_COUNT); /* no cookie made it: there is nothing to replay */
	shield_reset(NULL);
}

static void test_half_open_ack_makes_established_flow(void **state)
{
	(void)state;
	ack_makes_flow(FAMILY_IPV4, 0);
	ack_makes_flow(FAMILY_IPV4, 500);
	ack_makes_flow(FAMILY_IPV6, 0);
	ack_makes_flow(FAMILY_IPV6, 500);
}

/* Where segments may be signed nobody else's are believed: its peer is not to be asked. */
static void test_half_open_ack_with_another_option_tells_no_way(void **state)
{
	static const __u8 none[6];
	struct packet_spec ack;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	ack = talk_peer_segment(&t, ACK, 0);
	memset(ack.options + ack.option_bytes, 1, 4);
	ack.option_bytes += 4;
	assert_verdict(shield_receive_packet(&ack), V_HALF_OPEN_ACK);
	assert_true(shield_flow(&t.tuple, &t.model));
	assert_memory_equal(t.model.next_hop, none, sizeof(none));
}

static void test_half_open_wrong_ack_passed_and_stays_half_open(void **state)
{
	struct packet_spec wrong;
	struct half_open h;
	struct flow f;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	wrong = talk_peer_segment(&t, ACK, 0);
	wrong.ack++;
	assert_verdict(shield_receive_packet(&wrong), V_HALF_OPEN_SEGMENT);
	wrong = talk_peer_segment(&t, ACK, 0);
	wrong.seq--;
	assert_verdict(shield_receive_packet(&wrong), V_HALF_OPEN_SEGMENT);
	wrong = talk_peer_segment(&t, ACK, 0);
	wrong.seq += 60001;
	assert_verdict(shield_receive_packet(&wrong), V_HALF_OPEN_SEGMENT);
	assert_true(shield_half_open(&t.tuple, &h));
	assert_false(shield_flow(&t.tuple, &f));
}

static void test_half_open_rst_ends_it_if_exact(void **state)
{
	struct packet_spec rst;
	struct half_open h;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV6);
	rst = talk_peer_segment(&t, TCP_FLAG_RST, 0);
	rst.seq++;
	assert_verdict(shield_receive_packet(&rst), V_HALF_OPEN_SEGMENT);
	assert_true(shield_half_open(&t.tuple, &h));
	rst.seq--;
	assert_verdict(shield_receive_packet(&rst), V_HALF_OPEN_SEGMENT);
	assert_false(shield_half_open(&t.tuple, &h));
}

static void test_half_open_rst_from_owner_ends_it(void **state)
{
	struct packet_spec rst;
	struct half_open h;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	rst = talk_owner_segment(&t, TCP_FLAG_RST, 0);
	assert_verdict(owner_sends(&rst), V_OWN_ANSWER);
	assert_false(shield_half_open(&t.tuple, &h));
}

static void test_half_open_deadline_passed_counts_as_absent(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_advance(tcp_state_timeout_ns(TCPS_SYN_RECEIVED, 0) + NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&ack), V_STRANGER);
}

/* The owner has a new connection on the tuple: the flow that we still had is another one's. */
static void test_established_own_syn_ack_with_other_isn_begins_anew(void **state)
{
	struct packet_spec ack, syn_ack;
	struct half_open h;
	struct outcome o;
	struct flow f;
	struct talk t;

	(void)state;
	half_open(&t, FAMILY_IPV4);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_HALF_OPEN_ACK);
	syn_ack = owner_syn_ack(&t);
	syn_ack.seq += 0x1000000;
	o = owner_sends(&syn_ack);
	assert_verdict(o, V_OWN_SYN_ACK);
	assert_noted(o, V_FLOW_REPLACED);
	assert_false(shield_flow(&t.tuple, &f));
	assert_true(shield_half_open(&t.tuple, &h));
	assert_int_equal(h.iss, OWNER_ISN + 0x1000000);
	assert_int_equal(h.syns, 1);
}

/* A flood on a service without protection fills the half-open table, and nothing else. */
static void test_half_open_table_full_oldest_goes_and_flows_stay(void **state)
{
	struct talk verified, t;
	int kept = 0;

	(void)state;
	talk_init(&verified, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&verified);
	for (int i = 0; i < 4 * SHIELD_FLOWS; i++) {
		struct packet_spec syn_ack;

		talk_init_off(&t, FAMILY_IPV4);
		t.tuple.remote[0] = net32(0x0a800000 + i);
		syn_ack = owner_syn_ack(&t);
		assert_verdict(owner_sends(&syn_ack), V_OWN_SYN_ACK);
	}
	for (int i = 0; i < 4 * SHIELD_FLOWS; i++) {
		struct half_open h;

		t.tuple.remote[0] = net32(0x0a800000 + i);
		kept += shield_half_open(&t.tuple, &h);
	}
	assert_in_range(kept, SHIELD_FLOWS / 2, SHIELD_FLOWS);
	talk_peer_sends(&verified, ACK, 1);
	talk_assert_state(&verified, TCPS_ESTABLISHED);
}

/* --- strangers, and what they may cost --- */

static struct packet_spec stranger(__u16 port)
{
	return (struct packet_spec){ .tuple = shield_tuple(FAMILY_IPV4, port),
				     .direction = DIRECTION_RCV,
				     .seq = 4711,
				     .ack = 815,
				     .window = 100,
				     .flags = ACK };
}

/* How many of a burst of strangers pass before one does not. */
static int strangers_passed(__u16 port)
{
	struct packet_spec spec = stranger(port);
	int passed = 0;

	while (passed < 1000) {
		struct outcome o = shield_receive_packet(&spec);

		if (o.verdict == V_UNVERIFIED_OVER_BUDGET)
			return passed;
		assert_verdict(o, V_STRANGER);
		passed++;
	}
	return passed;
}

static int setup_small_budget_after_load(void **state)
{
	shield_reset(state);
	shield_config.budget_per_second = 20;			     /* a burst of a tenth of a second: two packets */
	shield_config.loaded_at_ns += shield_config.test_advance_ns; /* just now */
	shield_configure();
	return 0;
}

static void test_always_strangers_pass_until_budget_is_spent(void **state)
{
	int again;

	(void)state;
	assert_in_range(strangers_passed(PORT_ALWAYS), 2, 10); /* real time may add to it on a slow machine */
	assert_in_range(strangers_passed(PORT_ALWAYS), 0, 10);
	shield_advance(10 * NSEC_PER_SEC); /* what is not spent is not saved beyond a burst */
	again = strangers_passed(PORT_ALWAYS);
	assert_in_range(again, 2, 10);
}

static void test_always_budget_spent_on_strangers_leaves_other_reasons_theirs(void **state)
{
	struct packet_spec spec;
	struct frame f;

	(void)state;
	strangers_passed(PORT_ALWAYS);
	spec = stranger(PORT_ALWAYS);
	packet_build(&f, &spec);
	packet_build_put16(&f, FRAME_ETH_BYTES + 6, 0x2000); /* more fragments */
	packet_build_checksums(&f);
	assert_verdict(shield_receive(&f), V_FRAGMENT);
}

/* Connections behind DNAT have no socket here: with policy off they are nobody's to slow down. */
static void test_off_strangers_pass_without_a_budget(void **state)
{
	(void)state;
	assert_int_equal(strangers_passed(PORT_OFF), 1000);
}

static void test_always_strangers_welcome_for_two_minutes_after_load(void **state)
{
	struct packet_spec spec = stranger(PORT_ALWAYS);

	(void)state;
	assert_verdict(shield_receive_packet(&spec), V_NO_FLOW);
	shield_config.loaded_at_ns += shield_config.test_advance_ns; /* just now */
	shield_configure();
	assert_verdict(shield_receive_packet(&spec), V_STRANGER);
	shield_advance(COOKIE_LIFETIME_NS - 5 * NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&spec), V_STRANGER);
	shield_advance(6 * NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&spec), V_NO_FLOW);
}

static void test_draining_syn_passed_and_cookie_still_taken(void **state)
{
	struct packet_spec syn, ack, unknown = stranger(PORT_ALWAYS);
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	syn = talk_syn(&t);
	talk_get_cookie(&t);
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	assert_verdict(shield_receive_packet(&syn), V_SYN_DRAINING);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
	unknown.tuple.remote_port++;
	assert_verdict(shield_receive_packet(&unknown), V_STRANGER);
}

/* The owner has long given up its handshake when a SYN is answered by a cookie: the old record is not in its way. */
static void test_half_open_right_cookie_makes_flow(void **state)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_spec syn_ack;
		struct half_open h;
		struct talk t;

		talk_init(&t, families[i], PORT_ALWAYS);
		t.peer_nxt -= 77777; /* of an earlier SYN */
		syn_ack = owner_syn_ack(&t);
		assert_verdict(owner_sends(&syn_ack), V_OWN_SYN_ACK);
		assert_true(shield_half_open(&t.tuple, &h));
		talk_init(&t, families[i], PORT_ALWAYS);
		talk_open(&t);
		assert_false(shield_half_open(&t.tuple, &h));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_off_own_syn_ack_makes_half_open_record, shield_reset),
		cmocka_unit_test_setup(test_half_open_own_syn_ack_again_moves_deadline, shield_reset),
		cmocka_unit_test_setup(test_half_open_ack_makes_established_flow, shield_reset),
		cmocka_unit_test_setup(test_half_open_right_cookie_makes_flow, shield_reset),
		cmocka_unit_test_setup(test_half_open_ack_with_another_option_tells_no_way, shield_reset),
		cmocka_unit_test_setup(test_half_open_wrong_ack_passed_and_stays_half_open, shield_reset),
		cmocka_unit_test_setup(test_half_open_rst_ends_it_if_exact, shield_reset),
		cmocka_unit_test_setup(test_half_open_rst_from_owner_ends_it, shield_reset),
		cmocka_unit_test_setup(test_half_open_deadline_passed_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_established_own_syn_ack_with_other_isn_begins_anew, shield_reset),
		cmocka_unit_test_setup(test_half_open_table_full_oldest_goes_and_flows_stay, shield_reset),
		cmocka_unit_test_setup(test_always_strangers_pass_until_budget_is_spent, setup_small_budget_after_load),
		cmocka_unit_test_setup(test_off_strangers_pass_without_a_budget, setup_small_budget_after_load),
		cmocka_unit_test_setup(test_always_budget_spent_on_strangers_leaves_other_reasons_theirs,
				       setup_small_budget_after_load),
		cmocka_unit_test_setup(test_always_strangers_welcome_for_two_minutes_after_load, shield_reset),
		cmocka_unit_test_setup(test_draining_syn_passed_and_cookie_still_taken, shield_reset),
	};

	return shield_run_tests("half_open", tests, ARRAY_LEN(tests));
}
