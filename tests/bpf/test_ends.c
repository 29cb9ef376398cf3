// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is noted of a connection's end: its cause, and an older record that has to go for what stays of it.
 *
 * Not here: what stays (test_lives.c), and ends by time (test_attend.c, test_sweep.c).
 */
#include <bpf/bpf.h>

#include "talk.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST

static const enum verdict causes[] = { V_FLOW_CLOSED, V_FLOW_RESET, V_FLOW_PROBE_RESET };

static void assert_cause(const struct outcome *o, enum verdict cause)
{
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		assert_int_equal(o->noted[causes[i]], causes[i] == cause);
}

static struct talk established(__u8 family)
{
	static __u16 remote_port = REMOTE_PORT;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	t.tuple.remote_port = ++remote_port; /* another's cookie */
	talk_establish(&t);
	return t;
}

/* The owner closes, then the peer: the last segment of the two. */
static struct outcome close_both(struct talk *t)
{
	struct outcome o = talk_owner_sends(t, FIN | ACK, 0);

	assert_cause(&o, VERDICT_COUNT);
	return talk_peer_sends(t, FIN | ACK, 0);
}

static void test_fin_wait_1_fin_of_peer_noted_closed(void **state)
{
	struct talk t = established(FAMILY_IPV4);
	struct outcome o = close_both(&t);

	(void)state;
	talk_assert_ended(&t, TCPS_TIME_WAIT);
	assert_cause(&o, V_FLOW_CLOSED);
}

static void test_last_ack_ack_noted_closed(void **state)
{
	struct talk t = established(FAMILY_IPV6);
	struct outcome o;

	(void)state;
	talk_peer_sends(&t, FIN | ACK, 0);
	talk_owner_sends(&t, FIN | ACK, 0);
	o = talk_peer_sends(&t, ACK, 0);
	assert_cause(&o, V_FLOW_CLOSED);
}

static void test_established_rst_of_either_noted_reset(void **state)
{
	struct talk by_peer = established(FAMILY_IPV4), by_owner = established(FAMILY_IPV6);
	struct outcome o = talk_peer_sends(&by_peer, RST, 0);

	(void)state;
	assert_cause(&o, V_FLOW_RESET);
	o = talk_owner_sends(&by_owner, RST | ACK, 0);
	assert_cause(&o, V_FLOW_RESET);
}

/* A connection that was asked whether its peer is there. */
static struct talk probed(__u32 probes)
{
	struct talk t = established(FAMILY_IPV4);

	t.model.probes = probes;
	shield_put_flow(&t.tuple, &t.model);
	return t;
}

/* RFC 9293, 3.5.1: who knows nothing of the connection resets it. */
static void test_probed_rst_of_peer_noted_as_its_answer(void **state)
{
	struct talk awaited = probed(FLOW_PROBE_AWAITED | 1), heard;
	struct packet_spec rst = talk_peer_segment(&awaited, RST, 0);
	struct outcome o;

	(void)state;
	o = shield_receive_packet(&rst);
	assert_cause(&o, V_FLOW_PROBE_RESET);
	heard = probed(2); /* the owner has sent something since, which the reset may answer as well */
	rst = talk_peer_segment(&heard, RST, 0);
	o = shield_receive_packet(&rst);
	assert_cause(&o, V_FLOW_PROBE_RESET);
}

static void test_probed_rst_of_owner_noted_reset(void **state)
{
	struct talk t = probed(FLOW_PROBE_AWAITED | 1);
	struct packet_spec rst = talk_owner_segment(&t, RST | ACK, 0);
	struct outcome o;
	struct frame f;

	(void)state;
	packet_build(&f, &rst);
	o = shield_send(&f);
	assert_cause(&o, V_FLOW_RESET);
}

/* --- how long what stays does so ---------------------------------------------------------------------------------- */

/* Twice the service's own maximum segment lifetime, from the last FIN and from its repetition. */
static void test_time_wait_of_service_with_msl_lasts_2msl(void **state)
{
	struct talk t = established(FAMILY_IPV4);
	struct packet_spec fin;
	struct ended e;

	(void)state;
	shield_set_msl(FAMILY_IPV4, PORT_ALWAYS, 5000);
	close_both(&t);
	assert_true(shield_ended(&t.tuple, &e));
	assert_in_range(ended_left_ms(&e, shield_now_ns()), 9000, 10001);
	shield_advance(9 * NSEC_PER_SEC);
	fin = talk_peer_segment(&t, FIN | ACK, 0);
	fin.seq--;
	assert_verdict(shield_receive_packet(&fin), V_TIME_WAIT_SEGMENT);
	assert_true(shield_ended(&t.tuple, &e));
	assert_in_range(ended_left_ms(&e, shield_now_ns()), 9000, 10001);
	shield_set_msl(FAMILY_IPV4, PORT_ALWAYS, 0);
}

/* --- full tables of ended connections ----------------------------------------------------------------------------- */

static void fill_ended(__u8 family, int count)
{
	const struct ended e = { .state = TCPS_TIME_WAIT, .deadline_ms = shield_now_ms() + 60000 };
	struct tuple t = shield_tuple(family, PORT_OFF);

	for (t.remote_port = 1; t.remote_port <= count; t.remote_port++)
		shield_put_ended(&t, &e);
	shield_configure(); /* the programs look anew */
}

static int count_flows4(void)
{
	struct flow4_key key, *before = NULL;
	int count = 0;

	for (; !bpf_map_get_next_key(shield_map("flows4"), before, &key); before = &key)
		count++;
	return count;
}

static void test_ended_table_full_oldest_goes_and_is_noted(void **state)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t, other;

		shield_reset(state);
		t = established(families[i]);
		fill_ended(families[i], SHIELD_FLOWS);
		assert_true(close_both(&t).noted[V_ENDED_EVICTED]);
		talk_assert_ended(&t, TCPS_TIME_WAIT);
		other = established(families[!i]); /* its table has room */
		assert_false(close_both(&other).noted[V_ENDED_EVICTED]);
	}
}

static void test_ended_table_not_full_nothing_noted(void **state)
{
	struct talk t = established(FAMILY_IPV4);

	(void)state;
	fill_ended(FAMILY_IPV4, SHIELD_FLOWS / 4);
	assert_false(close_both(&t).noted[V_ENDED_EVICTED]);
}

/* The record takes the place of the tuple's own. */
static void test_ended_table_full_same_tuple_nothing_noted(void **state)
{
	struct talk t = established(FAMILY_IPV4);
	const struct ended e = { .state = TCPS_TIME_WAIT, .deadline_ms = shield_now_ms() };

	(void)state;
	fill_ended(FAMILY_IPV4, SHIELD_FLOWS);
	shield_put_ended(&t.tuple, &e);
	assert_false(close_both(&t).noted[V_ENDED_EVICTED]);
}

static void test_all_tables_full_no_established_flow_goes(void **state)
{
	struct talk t = established(FAMILY_IPV4);
	int flows = 1 + shield_fill_flows();

	(void)state;
	assert_int_equal(flows, SHIELD_FLOWS);
	fill_ended(FAMILY_IPV4, SHIELD_FLOWS);
	for (int closed = 1; closed <= 20; closed++) {
		close_both(&t);
		assert_int_equal(count_flows4(), flows - 1);
		t = established(FAMILY_IPV4);
		assert_int_equal(count_flows4(), flows);
	}
}

#define TEST(name) cmocka_unit_test_setup(name, shield_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fin_wait_1_fin_of_peer_noted_closed),
		TEST(test_last_ack_ack_noted_closed),
		TEST(test_established_rst_of_either_noted_reset),
		TEST(test_probed_rst_of_peer_noted_as_its_answer),
		TEST(test_probed_rst_of_owner_noted_reset),
		TEST(test_time_wait_of_service_with_msl_lasts_2msl),
		TEST(test_ended_table_full_oldest_goes_and_is_noted),
		TEST(test_ended_table_not_full_nothing_noted),
		TEST(test_ended_table_full_same_tuple_nothing_noted),
		TEST(test_all_tables_full_no_established_flow_goes),
	};

	return shield_run_tests("ends", tests, ARRAY_LEN(tests));
}
