// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sources that are denied or allowed: what the list decides, of which packets, and what it leaves alone.
 */
#include <linux/bpf.h>

#include "listed.h"
#include "sockets.h"
#include "steered.h"

#define ACK TCP_FLAG_ACK
#define NEVER 0

static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

/* Of the network that the peer is in, and of itself alone. */
static __u8 network_bits(__u8 family)
{
	return family == FAMILY_IPV4 ? 24 : 32;
}

static __u8 host_bits(__u8 family)
{
	return family == FAMILY_IPV4 ? 32 : 128;
}

/* A prefix of the tests' usual peer. */
static void list(__u8 family, __u8 prefix_bits, enum source_action action, __u64 expires_ns)
{
	struct tuple t = shield_tuple(family, PORT_ALWAYS);

	listed_put(&t, prefix_bits, action, expires_ns);
}

static struct frame syn_frame(__u8 family, __u16 port)
{
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	talk_init(&t, family, port);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	return f;
}

static enum verdict verdict_of_syn(__u8 family, __u16 port)
{
	struct frame f = syn_frame(family, port);

	return shield_receive(&f).verdict;
}

#define assert_syn(family, port, expected)                                                                             \
	assert_string_equal(shield_verdict_name(verdict_of_syn(family, port)), shield_verdict_name(expected))

/* --- what the list decides --------------------------------------------------------------------------------------- */

static void test_denied_syn_to_any_protected_service_dropped(void **state)
{
	static const __u16 ports[] = { PORT_ALWAYS,	     PORT_UNHEARD,	 PORT_MPTCP,
				       PORT_WILDCARD,	     PORT_DAEMON_ALWAYS, PORT_DAEMON_REFUSE,
				       PORT_DAEMON_WILDCARD, PORT_AUTO,		 PORT_DAEMON_AUTO };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		list(families[i], network_bits(families[i]), SOURCE_DENY, NEVER);
		for (size_t j = 0; j < ARRAY_LEN(ports); j++)
			assert_syn(families[i], ports[j], V_DENIED);
	}
}

static void test_denied_syn_to_service_off_or_none_passes(void **state)
{
	(void)state;
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	assert_syn(FAMILY_IPV4, PORT_OFF, V_SYN_OFF);
	assert_syn(FAMILY_IPV4, PORT_DAEMON_OFF, V_DAEMON_SYN);
	assert_syn(FAMILY_IPV4, PORT_NO_SERVICE, V_NO_SERVICE);
}

static void test_denied_syn_to_monitored_service_counted_and_passes(void **state)
{
	(void)state;
	shield_monitor(FAMILY_IPV4, PORT_ALWAYS, false);
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_MONITORED);
	assert_int_equal(shield_monitored(FAMILY_IPV4, PORT_ALWAYS, false).verdicts[V_DENIED], 1);
	shield_put_service(FAMILY_IPV4, PORT_ALWAYS, false, POLICY_ALWAYS, 0);
}

static void test_longest_prefix_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		__u8 family = families[i];

		list(family, network_bits(family), SOURCE_DENY, NEVER);
		list(family, host_bits(family), SOURCE_ALLOW, NEVER);
		assert_syn(family, PORT_ALWAYS, V_SYN_COOKIE);
		list(family, network_bits(family), SOURCE_ALLOW, NEVER);
		list(family, host_bits(family), SOURCE_DENY, NEVER);
		assert_syn(family, PORT_ALWAYS, V_DENIED);
	}
}

/* IPv4 stands within ::/0 in the list, and is not of it. */
static void test_whole_family_denied_other_family_answered(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		shield_reset(state);
		list(families[i], 0, SOURCE_DENY, NEVER);
		list(families[!i], host_bits(families[!i]), SOURCE_DENY, 1); /* expired: the filter knows both peers */
		assert_syn(families[i], PORT_ALWAYS, V_DENIED);
		assert_syn(families[!i], PORT_ALWAYS, V_SYN_COOKIE);
	}
}

static void test_expired_entry_counts_as_absent(void **state)
{
	__u64 expires_ns;

	(void)state;
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_SYN_COOKIE); /* so that shield_now_ns() has an answer */
	expires_ns = shield_now_ns() + 60 * NSEC_PER_SEC;
	list(FAMILY_IPV4, 32, SOURCE_DENY, expires_ns);
	list(FAMILY_IPV4, 24, SOURCE_ALLOW, NEVER);
	list(FAMILY_IPV4, 0, SOURCE_DENY, NEVER);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_DENIED);
	shield_advance(60 * NSEC_PER_SEC);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_SYN_COOKIE);
	list(FAMILY_IPV4, 24, SOURCE_ALLOW, expires_ns);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_DENIED);
	list(FAMILY_IPV4, 0, SOURCE_DENY, expires_ns);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_SYN_COOKIE);
}

/* The look-ups are bounded: at the eighth expired entry they end. */
static void test_expired_entries_within_each_other_looked_through_to_the_seventh(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		__u8 family = families[i];

		list(family, 8, SOURCE_DENY, NEVER);
		for (int expired = 0; expired < 7; expired++)
			list(family, host_bits(family) - expired, SOURCE_ALLOW, 1);
		assert_syn(family, PORT_ALWAYS, V_DENIED);
		list(family, host_bits(family) - 7, SOURCE_ALLOW, 1);
		assert_syn(family, PORT_ALWAYS, V_SYN_COOKIE);
	}
}

static void test_monitored_denial_noted_and_syn_answered(void **state)
{
	struct frame f = syn_frame(FAMILY_IPV6, PORT_ALWAYS);
	struct outcome o;

	(void)state;
	list(FAMILY_IPV6, 48, SOURCE_DENY_MONITOR, NEVER);
	o = shield_receive(&f);
	assert_verdict(o, V_SYN_COOKIE);
	assert_noted(o, V_DENY_MONITORED);
}

/* A look-up is spared where the filter has no bit: an entry that was not announced to it is not found. */
static void test_entry_without_its_filter_bit_not_looked_up(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple t = shield_tuple(families[i], PORT_ALWAYS);

		list(families[i], host_bits(families[i]), SOURCE_DENY, NEVER);
		listed_set_filter(&t, false);
		assert_syn(families[i], PORT_ALWAYS, V_SYN_COOKIE);
		listed_set_filter(&t, true);
		assert_syn(families[i], PORT_ALWAYS, V_DENIED);
	}
}

/* Whoever locked himself out gets in again. */
static void test_unload_or_trial_over_nothing_denied(void **state)
{
	struct frame stray;
	struct packet_spec ack;
	struct talk t;

	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	ack = talk_peer_segment(&t, ACK, 0);
	packet_build(&stray, &ack);
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_DENIED);
	assert_verdict(shield_receive(&stray), V_DENIED);
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_SYN_DRAINING);
	assert_verdict(shield_receive(&stray), V_STRANGER);
	shield_reset(state);
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	shield_config.try_until_ns = 1;
	shield_configure();
	assert_syn(FAMILY_IPV4, PORT_ALWAYS, V_SYN_DRAINING);
}

/* --- what it leaves alone: connections that are there ------------------------------------------------------------ */

static void test_established_source_denied_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct talk t;

		talk_init(&t, families[i], PORT_ALWAYS);
		talk_establish(&t);
		list(families[i], network_bits(families[i]), SOURCE_DENY, NEVER);
		assert_verdict(talk_peer_sends(&t, ACK, 100), V_SEGMENT);
		assert_verdict(talk_owner_sends(&t, ACK, 100), V_OWN_SEGMENT);
		assert_verdict(talk_peer_sends(&t, TCP_FLAG_FIN | ACK, 0), V_SEGMENT);
	}
}

static struct talk talk_of_connection(const struct connection *c)
{
	struct talk t;

	talk_init(&t, c->tuple.family, PORT_ALWAYS);
	t.tuple = c->tuple;
	sockets_numbers(c->local, &t.own_nxt, &t.peer_nxt);
	return t;
}

static struct outcome segment(const struct talk *t)
{
	struct packet_spec spec = talk_peer_segment(t, ACK, 0);

	return shield_receive_packet(&spec);
}

/* Its record was lost, or found no room. Whether the filter has heard of every socket or not, it is found. */
static void test_connection_without_record_source_denied_adopted(void **state)
{
	for (int known = 0; known <= 1; known++) {
		struct connection c;
		struct talk t;

		shield_reset(state);
		c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
		t = talk_of_connection(&c);
		listed_put(&c.tuple, 24, SOURCE_DENY, NEVER);
		shield_know_sockets(FAMILY_IPV4, PORT_ALWAYS, known);
		if (known)
			shield_fill_presence();
		assert_verdict(segment(&t), V_ADOPTED);
		sockets_close(&c);
	}
	shield_know_sockets(FAMILY_IPV4, PORT_ALWAYS, false);
}

static void test_time_wait_socket_source_denied_spared(void **state)
{
	struct connection c = sockets_connect(shield_listener(FAMILY_IPV4, PORT_ALWAYS), FAMILY_IPV4, PORT_ALWAYS);
	struct talk t;

	(void)state;
	sockets_close_to_time_wait(&c);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.tuple = c.tuple;
	listed_put(&c.tuple, 24, SOURCE_DENY, NEVER);
	assert_verdict(segment(&t), V_SOCKET);
}

static void test_daemon_records_source_denied_go_on(void **state)
{
	static const enum verdict of_record[] = { V_DAEMON_SEGMENT, V_DAEMON_UNVERIFIED, V_TIME_WAIT_SILENT };

	for (enum steered_record record = STEERED_FLOW; record < STEERED_RECORDS; record++) {
		struct outcome o;
		struct talk t;

		shield_reset(state);
		steered_put_record(&t, FAMILY_IPV6, PORT_DAEMON_ALWAYS, record);
		list(FAMILY_IPV6, 32, SOURCE_DENY, NEVER);
		o = steered_segment(&t, ACK, 0);
		assert_verdict(o, of_record[record]);
	}
}

/* --- what it does not: everything else --------------------------------------------------------------------------- */

/* A cookie that was sent before its source was denied, and segments of nobody; whatever the filter of tuples says. */
static void test_denied_segment_without_connection_dropped(void **state)
{
	static const __u16 ports[] = { PORT_ALWAYS, PORT_DAEMON_ALWAYS };

	for (int presence_full = 0; presence_full <= 1; presence_full++) {
		for (size_t i = 0; i < ARRAY_LEN(ports); i++) {
			struct flow f;
			struct talk t;

			shield_reset(state);
			talk_init(&t, FAMILY_IPV6, ports[i]);
			talk_get_cookie(&t);
			list(FAMILY_IPV6, 32, SOURCE_DENY, NEVER);
			if (presence_full)
				shield_fill_presence();
			assert_verdict(segment(&t), V_DENIED);
			assert_false(shield_flow(&t.tuple, &f));
		}
	}
}

static void test_denied_segment_to_monitored_service_counted_and_passes(void **state)
{
	struct talk t;

	(void)state;
	shield_monitor(FAMILY_IPV4, PORT_ALWAYS, false);
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	assert_verdict(segment(&t), V_MONITORED);
	assert_int_equal(shield_monitored(FAMILY_IPV4, PORT_ALWAYS, false).verdicts[V_DENIED], 1);
	shield_put_service(FAMILY_IPV4, PORT_ALWAYS, false, POLICY_ALWAYS, 0);
}

static void test_denied_segment_to_service_off_or_forwarded_passes(void **state)
{
	int before = sockets_sysctl("ip_forward", 1);
	struct talk t;

	(void)state;
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	talk_init(&t, FAMILY_IPV4, PORT_OFF);
	assert_verdict(segment(&t), V_STRANGER);
	talk_init(&t, FAMILY_IPV4, PORT_WILDCARD);
	t.tuple.local[0] = net32(0xcb007105); /* 203.0.113.5, behind the wire */
	assert_verdict(segment(&t), V_TRANSIT);
	sockets_sysctl("ip_forward", before);
}

static void test_denied_fragment_dropped_before_the_budget(void **state)
{
	struct frame f = syn_frame(FAMILY_IPV4, PORT_ALWAYS);

	(void)state;
	packet_build_put16(&f, FRAME_ETH_BYTES + 6, 0x2000);
	list(FAMILY_IPV4, 24, SOURCE_DENY, NEVER);
	assert_verdict(shield_receive(&f), V_DENIED);
}

/* More extension headers than are looked through. */
static void test_denied_obscure_packet_dropped(void **state)
{
	struct frame f = syn_frame(FAMILY_IPV6, PORT_ALWAYS);

	(void)state;
	for (int i = 0; i < 5; i++)
		packet_build_put_ipv6_extension(&f, 60, (const __u8[8]){ 0 });
	assert_verdict(shield_receive(&f), V_NOT_UNDERSTOOD);
	list(FAMILY_IPV6, 32, SOURCE_DENY, NEVER);
	assert_verdict(shield_receive(&f), V_DENIED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_denied_syn_to_any_protected_service_dropped, shield_reset),
		cmocka_unit_test_setup(test_denied_syn_to_service_off_or_none_passes, shield_reset),
		cmocka_unit_test_setup(test_denied_syn_to_monitored_service_counted_and_passes, shield_reset),
		cmocka_unit_test_setup(test_longest_prefix_decides, shield_reset),
		cmocka_unit_test_setup(test_whole_family_denied_other_family_answered, shield_reset),
		cmocka_unit_test_setup(test_expired_entry_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_expired_entries_within_each_other_looked_through_to_the_seventh,
				       shield_reset),
		cmocka_unit_test_setup(test_monitored_denial_noted_and_syn_answered, shield_reset),
		cmocka_unit_test_setup(test_entry_without_its_filter_bit_not_looked_up, shield_reset),
		cmocka_unit_test_setup(test_unload_or_trial_over_nothing_denied, shield_reset),
		cmocka_unit_test_setup(test_established_source_denied_goes_on, shield_reset),
		cmocka_unit_test_setup(test_connection_without_record_source_denied_adopted, shield_reset),
		cmocka_unit_test_setup(test_time_wait_socket_source_denied_spared, shield_reset),
		cmocka_unit_test_setup(test_daemon_records_source_denied_go_on, shield_reset),
		cmocka_unit_test_setup(test_denied_segment_without_connection_dropped, shield_reset),
		cmocka_unit_test_setup(test_denied_segment_to_monitored_service_counted_and_passes, shield_reset),
		cmocka_unit_test_setup(test_denied_segment_to_service_off_or_forwarded_passes, shield_reset),
		cmocka_unit_test_setup(test_denied_fragment_dropped_before_the_budget, shield_reset),
		cmocka_unit_test_setup(test_denied_obscure_packet_dropped, shield_reset),
	};

	return shield_run_tests("source_list", tests, ARRAY_LEN(tests));
}
