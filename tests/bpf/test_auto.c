// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Policy auto, packet by packet: calm, the switch, flood, and calm again (include/sentry.h). SHIELD_HALF_OPEN
 * handshakes are calm.
 *
 * Not here: the listener's queue, which takes real handshakes (tests/net/test_auto.py).
 */
#include <linux/bpf.h>
#include <string.h>

#include "sockets.h"
#include "steered.h"

#define ACK TCP_FLAG_ACK
#define OWNER_ISN 0x1000U
#define HOLD_NS (SENTRY_HOLD_S * NSEC_PER_SEC)
#define WELCOME_OVER_NS (2 * COOKIE_LIFETIME_NS) /* by then no stranger passes because the load was lately */

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* A SYN from another port each time. */
static struct outcome next_syn(__u8 family, __u16 port, struct talk *t)
{
	static __u16 remote_port;
	struct packet_spec syn;

	talk_init(t, family, port);
	t->tuple.remote_port = 1024 + ++remote_port % 60000;
	syn = talk_syn(t);
	return shield_receive_packet(&syn);
}

/* As many SYNs as are calm, and one more, which begins the flood and is answered. */
static void flood(__u8 family, __u16 port, enum verdict calm)
{
	struct talk t;

	for (int i = 0; i < SHIELD_HALF_OPEN; i++)
		assert_verdict(next_syn(family, port, &t), calm);
	assert_verdict(next_syn(family, port, &t), V_SYN_COOKIE);
}

static void assert_flood_noted(__u8 family, __u16 port, enum sentry_cause cause)
{
	struct journal_event event = shield_last_event();
	struct tuple t = shield_tuple(family, port);
	struct sentry s = shield_sentry(family, port);

	assert_true(sentry_is_flooded(&s, shield_now_ns()));
	assert_int_equal(s.cause, cause);
	assert_int_equal(event.kind, JOURNAL_FLOOD_BEGAN);
	assert_int_equal(event.cause, cause);
	assert_int_equal(event.service.family, family);
	assert_int_equal(event.service.port, port);
	assert_memory_equal(event.service.address, t.local, family == FAMILY_IPV4 ? 4 : 16);
}

static void test_calm_syn_passes_as_it_came(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct packet_spec syn;
		struct outcome o;
		struct frame f;
		struct talk t;

		talk_init(&t, families[i], PORT_AUTO);
		syn = talk_syn(&t);
		packet_build(&f, &syn);
		o = shield_receive(&f);
		assert_verdict(o, V_SYN_CALM);
		assert_int_equal(o.action, XDP_PASS);
		assert_int_equal(o.hint, SHIELD_HINT_NONE);
		assert_int_equal(o.frame.length, f.length);
		assert_memory_equal(o.frame.bytes, f.bytes, f.length);
		assert_int_equal(shield_last_event().kind, JOURNAL_NONE);
	}
}

static void test_calm_one_handshake_too_many_begins_the_flood(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t;

		flood(families[i], PORT_AUTO, V_SYN_CALM);
		assert_flood_noted(families[i], PORT_AUTO, SENTRY_HALF_OPEN);
		assert_verdict(next_syn(families[i], PORT_AUTO, &t), V_SYN_COOKIE);
		assert_int_equal(shield_sentry(families[i], PORT_AUTO).floods, 1);
		assert_int_equal(shield_sentry(families[i], PORT_AUTO).cookie_sent_ns, shield_now_ns());
	}
}

static void test_flood_of_one_service_leaves_others_calm(void **state)
{
	struct talk t;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	assert_verdict(next_syn(FAMILY_IPV6, PORT_AUTO, &t), V_SYN_CALM);
	assert_verdict(next_syn(FAMILY_IPV4, PORT_DAEMON_AUTO, &t), V_DAEMON_SYN);
}

/* The owner's SYN-ACK, and the ACK behind it. */
static void complete(struct talk *t)
{
	struct packet_spec syn_ack = {
		.tuple = t->tuple,
		.direction = DIRECTION_SND,
		.seq = OWNER_ISN,
		.ack = t->peer_nxt + 1,
		.window = 60000,
		.flags = TCP_FLAG_SYN | ACK,
	};
	struct packet_spec ack;
	struct frame f;

	packet_build(&f, &syn_ack);
	assert_verdict(shield_send(&f), V_OWN_SYN_ACK);
	t->peer_nxt++;
	t->own_nxt = OWNER_ISN + 1;
	t->offer.has_timestamps = false;
	ack = talk_peer_segment(t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_HALF_OPEN_ACK);
}

static void test_calm_completed_handshakes_do_not_press(void **state)
{
	(void)state;
	for (int i = 0; i < 10 * SHIELD_HALF_OPEN; i++) {
		struct talk t;

		assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_CALM);
		complete(&t);
	}
}

static void test_flood_handshake_under_way_completes(void **state)
{
	struct talk early, t;

	(void)state;
	assert_verdict(next_syn(FAMILY_IPV6, PORT_AUTO, &early), V_SYN_CALM);
	for (int i = 0; i < SHIELD_HALF_OPEN; i++)
		next_syn(FAMILY_IPV6, PORT_AUTO, &t);
	assert_flood_noted(FAMILY_IPV6, PORT_AUTO, SENTRY_HALF_OPEN);
	complete(&early);
}

static void test_flood_ends_after_the_hold_time(void **state)
{
	struct journal_event event;
	struct talk t;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	shield_advance(HOLD_NS - NSEC_PER_SEC);
	assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_COOKIE);
	shield_advance(2 * NSEC_PER_SEC); /* that one did not press */
	assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_CALM);
	event = shield_last_event();
	assert_int_equal(event.kind, JOURNAL_FLOOD_ENDED);
	assert_int_equal(event.value, HOLD_NS / NSEC_PER_MSEC);
	assert_int_equal(event.service.port, PORT_AUTO);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_AUTO).flood_since_ns, 0);
}

/* SYNs under flood are told to the sentry with the first of the next jiffy: a clock that moves on is one. */
static void test_flood_that_goes_on_is_not_over(void **state)
{
	struct talk t;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	for (int second = 0; second < 3 * SENTRY_HOLD_S; second++) {
		for (int i = 0; i < SHIELD_HALF_OPEN; i++)
			assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_COOKIE);
		shield_advance(NSEC_PER_SEC);
	}
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_AUTO).floods, 1);
}

/* What was told late pressed when it came: who comes long after the flood meets calm. */
static void test_flood_is_not_felt_by_the_first_who_comes_long_after(void **state)
{
	struct talk t;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	for (int i = 0; i < 10 * SHIELD_HALF_OPEN; i++)
		assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_COOKIE);
	shield_advance(10 * HOLD_NS);
	assert_verdict(next_syn(FAMILY_IPV4, PORT_AUTO, &t), V_SYN_CALM);
	assert_int_equal(shield_last_event().kind, JOURNAL_FLOOD_ENDED);
}

static void test_calm_again_cookies_that_are_out_are_taken(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	talk_init(&t, FAMILY_IPV4, PORT_AUTO);
	talk_get_cookie(&t);
	shield_advance(HOLD_NS + NSEC_PER_SEC);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
}

static void test_flood_verified_peers_relieve(void **state)
{
	struct packet_spec ack;
	struct talk t;
	__u64 before;

	(void)state;
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	talk_init(&t, FAMILY_IPV4, PORT_AUTO);
	talk_get_cookie(&t);
	before = shield_sentry(FAMILY_IPV4, PORT_AUTO).pressure_ns;
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_AUTO).pressure_ns, before - sentry_cost_ns(SHIELD_HALF_OPEN));
}

static struct outcome stranger(__u16 port, __u8 flags)
{
	struct packet_spec segment;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, port);
	t.tuple.remote_port = 999;
	segment = talk_peer_segment(&t, flags, 0);
	return shield_receive_packet(&segment);
}

static void test_strangers_and_odd_flags_pass_in_calm_alone(void **state)
{
	(void)state;
	shield_advance(WELCOME_OVER_NS);
	assert_verdict(stranger(PORT_AUTO, ACK), V_STRANGER);
	assert_verdict(stranger(PORT_AUTO, TCP_FLAG_FIN | TCP_FLAG_RST), V_STRANGER);
	flood(FAMILY_IPV4, PORT_AUTO, V_SYN_CALM);
	assert_verdict(stranger(PORT_AUTO, ACK), V_NO_FLOW);
	assert_verdict(stranger(PORT_AUTO, TCP_FLAG_FIN | TCP_FLAG_RST), V_BAD_FLAGS);
	shield_advance(HOLD_NS + NSEC_PER_SEC);
	assert_verdict(stranger(PORT_AUTO, ACK), V_STRANGER);
}

static void test_daemons_syns_are_given_in_calm_alone(void **state)
{
	struct outcome o;
	struct talk t;

	(void)state;
	o = next_syn(FAMILY_IPV6, PORT_DAEMON_AUTO, &t);
	steered_assert(&o, DAEMON_SYN);
	for (int i = 1; i < SHIELD_HALF_OPEN; i++)
		assert_verdict(next_syn(FAMILY_IPV6, PORT_DAEMON_AUTO, &t), V_DAEMON_SYN);
	assert_verdict(next_syn(FAMILY_IPV6, PORT_DAEMON_AUTO, &t), V_SYN_COOKIE);
	assert_flood_noted(FAMILY_IPV6, PORT_DAEMON_AUTO, SENTRY_HALF_OPEN);
	assert_verdict(stranger(PORT_DAEMON_AUTO, ACK), V_DAEMON_STRANGER); /* of the other family: it is calm */
}

/* The SYN-ACK that it got was lost: a cookie would be a second one, with other numbers. */
static void test_daemons_handshake_under_way_syn_again_given_under_flood(void **state)
{
	struct half_open h = steered_half_open(TCPS_SYN_RECEIVED);
	struct packet_spec syn;
	struct talk early, t;

	(void)state;
	shield_know_sockets(FAMILY_IPV4, PORT_DAEMON_AUTO, true);
	assert_verdict(next_syn(FAMILY_IPV4, PORT_DAEMON_AUTO, &early), V_DAEMON_SYN);
	shield_put_half_open(&early.tuple, &h);
	for (int i = 0; i < SHIELD_HALF_OPEN; i++)
		next_syn(FAMILY_IPV4, PORT_DAEMON_AUTO, &t);
	assert_flood_noted(FAMILY_IPV4, PORT_DAEMON_AUTO, SENTRY_HALF_OPEN);
	syn = talk_syn(&early);
	assert_verdict(shield_receive_packet(&syn), V_DAEMON_SYN);
}

/* A burst of the budget is a tenth of a second's. */
/* Strangers come until there is a flood. Returns how many passed by this verdict. */
static int strangers_flood(__u16 port, enum verdict passes)
{
	int passed = 0;
	struct sentry s;

	do {
		passed += stranger(port, ACK).verdict == passes;
		s = shield_sentry(FAMILY_IPV4, port);
	} while (!sentry_is_flooded(&s, shield_now_ns()));
	return passed;
}

static void test_daemons_strangers_beyond_the_budget_are_a_flood(void **state)
{
	(void)state;
	shield_config.budget_per_second = 100;
	shield_configure();
	assert_in_range(strangers_flood(PORT_DAEMON_AUTO, V_DAEMON_STRANGER), 10, 99);
	assert_flood_noted(FAMILY_IPV4, PORT_DAEMON_AUTO, SENTRY_STRANGERS);
	assert_verdict(stranger(PORT_DAEMON_AUTO, ACK), V_NO_FLOW);
}

static void test_kernels_strangers_beyond_the_budget_are_a_flood(void **state)
{
	(void)state;
	shield_advance(WELCOME_OVER_NS);
	shield_config.budget_per_second = 100;
	shield_configure();
	assert_in_range(strangers_flood(PORT_AUTO, V_STRANGER), 10, 99);
	assert_flood_noted(FAMILY_IPV4, PORT_AUTO, SENTRY_STRANGERS);
	assert_verdict(stranger(PORT_AUTO, ACK), V_NO_FLOW);
}

/* One that strays to a service while others have spent the budget is no flood there. */
static void test_strangers_of_one_service_leave_others_calm(void **state)
{
	(void)state;
	shield_config.budget_per_second = 1;
	shield_configure();
	strangers_flood(PORT_DAEMON_AUTO, V_DAEMON_STRANGER);
	assert_verdict(stranger(PORT_AUTO, ACK), V_UNVERIFIED_OVER_BUDGET);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_AUTO).floods, 0);
}

/* Strangers are welcome behind a load: to tell the sentry of each one too many would cost more than the rest. */
static void test_flood_strangers_beyond_the_budget_alarm_nobody_again(void **state)
{
	__u64 pressed_ns;

	(void)state;
	shield_config.budget_per_second = 1;
	shield_config.loaded_at_ns += shield_config.test_advance_ns; /* the load was just now */
	shield_configure();
	strangers_flood(PORT_AUTO, V_STRANGER);
	assert_flood_noted(FAMILY_IPV4, PORT_AUTO, SENTRY_STRANGERS);
	pressed_ns = shield_sentry(FAMILY_IPV4, PORT_AUTO).pressed_ns;
	shield_advance(5 * NSEC_PER_SEC);
	assert_verdict(stranger(PORT_AUTO, ACK), V_STRANGER);
	assert_verdict(stranger(PORT_AUTO, ACK), V_UNVERIFIED_OVER_BUDGET);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_AUTO).pressed_ns, pressed_ns);
}

/* Under policy always the budget is all that there is. */
static void test_strangers_of_other_policies_alarm_nobody(void **state)
{
	struct outcome o;

	(void)state;
	shield_config.budget_per_second = 1;
	shield_config.loaded_at_ns += shield_config.test_advance_ns; /* the load was just now */
	shield_configure();
	assert_verdict(stranger(PORT_ALWAYS, ACK), V_STRANGER);
	o = stranger(PORT_ALWAYS, ACK);
	assert_verdict(o, V_UNVERIFIED_OVER_BUDGET);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_ALWAYS).floods, 0);
}

/* No SYN comes that would end the first one, nor has the sweep looked. */
static void test_daemons_strangers_that_come_again_are_a_flood_that_is_held_longer(void **state)
{
	(void)state;
	shield_config.budget_per_second = 100;
	shield_configure();
	for (__u32 floods = 1; floods <= 2; floods++) {
		strangers_flood(PORT_DAEMON_AUTO, V_DAEMON_STRANGER);
		assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_DAEMON_AUTO).floods, floods);
		assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_DAEMON_AUTO).hold_s, floods * SENTRY_HOLD_S);
		shield_advance(HOLD_NS + NSEC_PER_SEC);
	}
}

/* Its SYN-ACK went another way, or its half-open record had to go for others: its handshake is over all the same. */
static void test_calm_adopted_connection_relieves(void **state)
{
	struct connection c;
	struct talk t;
	__u64 before;

	(void)state;
	shield_put_service(FAMILY_IPV4, PORT_ALWAYS, false, POLICY_AUTO, 0);
	assert_verdict(next_syn(FAMILY_IPV4, PORT_ALWAYS, &t), V_SYN_CALM);
	c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	before = shield_sentry(FAMILY_IPV4, PORT_ALWAYS).pressure_ns;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.offer.has_timestamps = false;
	t.tuple = c.tuple;
	sockets_numbers(c.local, &t.own_nxt, &t.peer_nxt);
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	assert_int_equal(shield_sentry(FAMILY_IPV4, PORT_ALWAYS).pressure_ns,
			 before - sentry_cost_ns(SHIELD_HALF_OPEN));
	sockets_close(&c);
}

static void test_table_that_fills_is_told_once_and_again_when_it_eases(void **state)
{
	struct journal_event event;
	struct talk t;

	(void)state;
	shield_fill_flows();
	shield_advance(NSEC_PER_SEC);
	next_syn(FAMILY_IPV4, PORT_AUTO, &t);
	event = shield_last_event();
	assert_int_equal(event.kind, JOURNAL_TABLE_FILLS);
	assert_int_equal(event.table, JOURNAL_FLOWS4);
	assert_int_equal(event.value, SHIELD_FLOWS);
	assert_int_equal(event.number, 1);
	shield_advance(NSEC_PER_SEC);
	next_syn(FAMILY_IPV4, PORT_AUTO, &t);
	assert_int_equal(shield_last_event().number, 1);
	shield_clear_flows();
	shield_advance(NSEC_PER_SEC);
	next_syn(FAMILY_IPV4, PORT_AUTO, &t);
	event = shield_last_event();
	assert_int_equal(event.kind, JOURNAL_TABLE_EASES);
	assert_int_equal(event.number, 2);
}

#define TEST(name) cmocka_unit_test_setup(name, shield_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_calm_syn_passes_as_it_came),
		TEST(test_calm_one_handshake_too_many_begins_the_flood),
		TEST(test_flood_of_one_service_leaves_others_calm),
		TEST(test_calm_completed_handshakes_do_not_press),
		TEST(test_flood_handshake_under_way_completes),
		TEST(test_flood_ends_after_the_hold_time),
		TEST(test_flood_that_goes_on_is_not_over),
		TEST(test_flood_is_not_felt_by_the_first_who_comes_long_after),
		TEST(test_calm_again_cookies_that_are_out_are_taken),
		TEST(test_flood_verified_peers_relieve),
		TEST(test_strangers_and_odd_flags_pass_in_calm_alone),
		TEST(test_daemons_syns_are_given_in_calm_alone),
		TEST(test_daemons_handshake_under_way_syn_again_given_under_flood),
		TEST(test_daemons_strangers_beyond_the_budget_are_a_flood),
		TEST(test_kernels_strangers_beyond_the_budget_are_a_flood),
		TEST(test_strangers_of_one_service_leave_others_calm),
		TEST(test_flood_strangers_beyond_the_budget_alarm_nobody_again),
		TEST(test_strangers_of_other_policies_alarm_nobody),
		TEST(test_daemons_strangers_that_come_again_are_a_flood_that_is_held_longer),
		TEST(test_calm_adopted_connection_relieves),
		TEST(test_table_that_fills_is_told_once_and_again_when_it_eases),
	};

	return shield_run_tests("auto", tests, ARRAY_LEN(tests));
}
