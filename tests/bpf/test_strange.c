// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Segments of tuples that the presence filter does not know: under policy always nothing is looked up for them beyond
 * the budget, and only such cookies are looked for as may be out. Here the budget is nothing, if not said otherwise,
 * and connections that the filter does not know show whether they were looked up.
 */
#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "kernel_cookie.h"
#include "sockets.h"
#include "steered.h"

#define ACK TCP_FLAG_ACK

static const __u16 ports[] = { PORT_ALWAYS, PORT_OFF, PORT_MONITOR };

static void know_sockets(bool known)
{
	for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
		shield_know_sockets(FAMILY_IPV4, ports[i], known);
		shield_know_sockets(FAMILY_IPV6, ports[i], known);
	}
}

static void set_budget(__u32 per_second)
{
	shield_config.budget_per_second = per_second;
	shield_configure();
}

static int setup(void **state)
{
	shield_reset(state);
	know_sockets(true);
	set_budget(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	know_sockets(false);
	sockets_sysctl("tcp_syncookies", 1);
	return 0;
}

/* A connection that no program has seen, and the peer's end of it. */
static struct connection connect_unseen(struct talk *t, __u16 port)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, port), FAMILY_IPV4, port);

	talk_init(t, FAMILY_IPV4, port);
	t->offer.has_timestamps = false;
	t->tuple = c.tuple;
	sockets_numbers(c.local, &t->own_nxt, &t->peer_nxt);
	return c;
}

/* --- who is looked up --- */

static void test_unknown_tuple_over_the_budget_is_nobodys(void **state)
{
	struct talk t;
	struct connection c = connect_unseen(&t, PORT_ALWAYS);

	(void)state;
	assert_verdict(steered_segment(&t, ACK, 10), V_NO_FLOW);
	assert_verdict(steered_segment(&t, TCP_FLAG_RST, 0), V_NO_FLOW);
	sockets_close(&c);
}

/* What the filter has forgotten is found again as soon as there are few such segments. */
static void test_unknown_tuple_within_the_budget_is_looked_up(void **state)
{
	struct talk t;
	struct connection c = connect_unseen(&t, PORT_ALWAYS);

	(void)state;
	set_budget(SYNKEEP_BUDGET_DEFAULT);
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	set_budget(0);
	assert_verdict(steered_segment(&t, ACK, 10), V_SEGMENT);
	sockets_close(&c);
}

static void test_known_tuple_is_looked_up(void **state)
{
	struct talk t;
	struct connection c = connect_unseen(&t, PORT_ALWAYS);

	(void)state;
	shield_fill_presence();
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	sockets_close(&c);
}

static void test_service_whose_sockets_are_not_known_is_looked_up(void **state)
{
	struct talk t;
	struct connection c = connect_unseen(&t, PORT_ALWAYS);

	(void)state;
	know_sockets(false);
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	sockets_close(&c);
}

/* Their owners have seen SYNs, and made connections that may be known to nobody else. */
static void test_service_whose_owner_sees_all_is_looked_up(void **state)
{
	static const __u16 seen[] = { PORT_OFF, PORT_MONITOR };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
		struct talk t;
		struct connection c = connect_unseen(&t, seen[i]);

		assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
		sockets_close(&c);
	}
}

static void test_draining_is_looked_up(void **state)
{
	struct talk t;
	struct connection c = connect_unseen(&t, PORT_ALWAYS);

	(void)state;
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	sockets_close(&c);
}

/* --- flows, in a jiffy with more strangers than are looked up --- */

static void stranger_comes(void)
{
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.tuple.remote_port ^= 1;
	assert_verdict(steered_segment(&t, ACK, 0), V_NO_FLOW);
}

static void test_flood_of_strangers_flow_is_found(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	for (int i = 0; i < 5; i++) {
		stranger_comes();
		assert_verdict(talk_peer_sends(&t, ACK, 10), V_SEGMENT);
	}
}

/* A record whose tuple the filter does not know, which does not happen, shows that it is not looked for. */
static struct talk put_flow_without_bits(void)
{
	struct flow f;
	struct talk t;

	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.offer.has_timestamps = false;
	t.peer_nxt++;
	t.own_nxt = 5000;
	f = steered_flow(&t);
	f.owner = FLOW_OWNER_KERNEL;
	shield_put_flow(&t.tuple, &f);
	return t;
}

static void test_flood_of_strangers_no_flow_is_looked_for(void **state)
{
	struct talk t = put_flow_without_bits();
	enum verdict verdict = V_SEGMENT;

	(void)state;
	assert_verdict(steered_segment(&t, ACK, 0), V_SEGMENT);
	for (int tries = 0; tries < 5 && verdict == V_SEGMENT; tries++) { /* a jiffy may end between the two */
		stranger_comes();
		verdict = steered_segment(&t, ACK, 0).verdict;
	}
	assert_int_equal(verdict, V_NO_FLOW);
}

static void test_impossible_flags_no_flow_is_looked_for(void **state)
{
	struct talk t = put_flow_without_bits();

	(void)state;
	assert_verdict(steered_segment(&t, TCP_FLAG_FIN | TCP_FLAG_RST, 0), V_BAD_FLAGS);
	shield_fill_presence();
	assert_true(steered_segment(&t, TCP_FLAG_FIN | TCP_FLAG_RST, 0).verdict != V_BAD_FLAGS);
}

/* --- cookies of ours --- */

static void test_right_cookie_over_the_budget_makes_the_flow(void **state)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t;

		talk_init(&t, families[i], PORT_ALWAYS);
		talk_open(&t);
	}
}

/* As if no service had sent one. */
static void forget_cookies(__u16 port)
{
	static const struct sentry none;

	assert_int_not_equal(shield_sentry(FAMILY_IPV4, port).cookie_sent_ns, 0);
	for (__u32 i = 0; i < SYNKEEP_SERVICES_MAX; i++)
		assert_int_equal(bpf_map_update_elem(shield_map("sentries"), &i, &none, BPF_ANY), 0);
}

/* The cookie is right: were it looked at, it would make a flow. */
static void test_cookie_for_a_service_that_sent_none_is_not_looked_at(void **state)
{
	static const __u16 owners[] = { PORT_ALWAYS, PORT_DAEMON_ALWAYS };

	for (size_t i = 0; i < ARRAY_LEN(owners); i++) {
		struct outcome o;
		struct talk t;

		setup(state);
		talk_init(&t, FAMILY_IPV4, owners[i]);
		talk_get_cookie(&t);
		forget_cookies(owners[i]);
		assert_verdict(steered_segment(&t, ACK, 0), V_NO_FLOW);
		shield_config.key_is_shared = true; /* another machine may have sent it */
		shield_configure();
		o = steered_segment(&t, ACK, 0);
		assert_verdict(o, i ? V_DAEMON_COOKIE_ACK : V_COOKIE_ACK);
	}
}

/* The service that sent it was another, whose place this one has taken. */
static void test_cookie_of_another_service_taken_while_the_services_have_changed_lately(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	forget_cookies(PORT_ALWAYS);
	shield_config.services_changed_ns = shield_now_ns();
	shield_configure();
	assert_verdict(steered_segment(&t, ACK, 0), V_COOKIE_ACK);
}

static void test_closed_cookie_shown_again_over_the_budget_is_a_replay(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
	steered_segment(&t, TCP_FLAG_RST, 0);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_REPLAY);
}

/* --- the kernel's own --- */

static struct talk send_kernel_cookie(void)
{
	struct talk t;

	sockets_sysctl("tcp_syncookies", 2);
	shield_config.best_handover = HANDOVER_HELPER;
	shield_configure();
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_kernel_cookie(&t);
	return t;
}

static void test_kernel_cookie_over_the_budget_is_taken(void **state)
{
	struct talk t = send_kernel_cookie();

	(void)state;
	assert_verdict(steered_segment(&t, ACK, 0), V_KERNEL_COOKIE_ACK);
}

/* Meanwhile all are looked up: who acknowledges one has no socket yet, and may have a record. */
static void test_kernel_cookies_are_stale_nobody_is_looked_up(void **state)
{
	struct connection c;
	struct talk t;

	(void)state;
	send_kernel_cookie();
	shield_advance(2 * KERNEL_COOKIE_LIFETIME_NS - NSEC_PER_SEC);
	c = connect_unseen(&t, PORT_ALWAYS);
	assert_verdict(steered_segment(&t, ACK, 10), V_ADOPTED);
	sockets_close(&c);
	c = connect_unseen(&t, PORT_ALWAYS);
	shield_advance(2 * NSEC_PER_SEC);
	assert_verdict(steered_segment(&t, ACK, 10), V_NO_FLOW);
	sockets_close(&c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_unknown_tuple_over_the_budget_is_nobodys),
		TEST(test_unknown_tuple_within_the_budget_is_looked_up),
		TEST(test_known_tuple_is_looked_up),
		TEST(test_service_whose_sockets_are_not_known_is_looked_up),
		TEST(test_service_whose_owner_sees_all_is_looked_up),
		TEST(test_draining_is_looked_up),
		TEST(test_flood_of_strangers_flow_is_found),
		TEST(test_flood_of_strangers_no_flow_is_looked_for),
		TEST(test_impossible_flags_no_flow_is_looked_for),
		TEST(test_right_cookie_over_the_budget_makes_the_flow),
		TEST(test_cookie_for_a_service_that_sent_none_is_not_looked_at),
		TEST(test_cookie_of_another_service_taken_while_the_services_have_changed_lately),
		TEST(test_closed_cookie_shown_again_over_the_budget_is_a_replay),
		TEST(test_kernel_cookie_over_the_budget_is_taken),
		TEST(test_kernel_cookies_are_stale_nobody_is_looked_up),
	};

	return shield_run_tests("strange", tests, ARRAY_LEN(tests));
}
