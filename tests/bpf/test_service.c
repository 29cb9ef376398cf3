// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which service a packet belongs to: the most specific that stands, one that was deleted only where none does, and a
 * wildcard only for addresses that are this host's.
 */
#include <linux/bpf.h>

#include "sockets.h"
#include "talk.h"

#define FORWARDED_IPV4 0xcb007105U /* 203.0.113.5, behind the wire */

static enum verdict verdict_of_syn(__u8 family, __u16 port)
{
	struct packet_spec syn;
	struct talk t;

	talk_init(&t, family, port);
	syn = talk_syn(&t);
	return shield_receive_packet(&syn).verdict;
}

static void test_wildcard_syn_to_own_address_answered(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_syn(FAMILY_IPV4, PORT_WILDCARD), V_SYN_COOKIE);
	assert_int_equal(verdict_of_syn(FAMILY_IPV6, PORT_WILDCARD), V_SYN_COOKIE);
}

/* The listener of every address would be found, though the packet is for a host behind this one. */
static void test_wildcard_packets_to_forwarded_address_passed(void **state)
{
	static const __u8 flags[] = { TCP_FLAG_SYN, TCP_FLAG_ACK, TCP_FLAG_RST, TCP_FLAG_FIN | TCP_FLAG_ACK };
	struct packet_spec spec;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_WILDCARD);
	t.tuple.local[0] = net32(FORWARDED_IPV4);
	spec = talk_syn(&t);
	shield_config.loaded_at_ns = 0; /* strangers are not welcome any more */
	shield_configure();
	sockets_sysctl("ip_forward", 1);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		spec.flags = flags[i];
		assert_verdict(shield_receive_packet(&spec), V_TRANSIT);
	}
	assert_int_equal(verdict_of_syn(FAMILY_IPV4, PORT_WILDCARD), V_SYN_COOKIE);
	sockets_sysctl("ip_forward", 0);
}

static void test_specific_service_before_wildcard(void **state)
{
	(void)state;
	shield_put_service(FAMILY_IPV4, PORT_WILDCARD, false, POLICY_OFF, 0);
	assert_int_equal(verdict_of_syn(FAMILY_IPV4, PORT_WILDCARD), V_SYN_OFF);
	shield_delete_service(FAMILY_IPV4, PORT_WILDCARD, false);
}

/* What is deleted must not leave the addresses that a wildcard still names without protection. */
static void test_retired_service_does_not_shadow_the_wildcard(void **state)
{
	(void)state;
	assert_int_equal(verdict_of_syn(FAMILY_IPV4, PORT_WILDCARD), V_SYN_COOKIE); /* the programs know the time now */
	shield_put_service(FAMILY_IPV4, PORT_WILDCARD, false, POLICY_OFF, shield_now_ns() + NSEC_PER_SEC);
	assert_int_equal(verdict_of_syn(FAMILY_IPV4, PORT_WILDCARD), V_SYN_COOKIE);
	shield_delete_service(FAMILY_IPV4, PORT_WILDCARD, false);
}

/* Deleted while a cookie is out: no SYN is answered any more, the cookie is still good, and then the service is gone.
 */
static void test_retired_service_takes_its_cookies_until_its_time(void **state)
{
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	shield_put_service(FAMILY_IPV6, PORT_ALWAYS, false, POLICY_OFF, shield_now_ns() + NSEC_PER_SEC);
	assert_int_equal(verdict_of_syn(FAMILY_IPV6, PORT_ALWAYS), V_SYN_OFF);
	assert_verdict(talk_peer_sends(&t, TCP_FLAG_ACK, 0), V_COOKIE_ACK);
	shield_advance(2 * NSEC_PER_SEC);
	assert_int_equal(verdict_of_syn(FAMILY_IPV6, PORT_ALWAYS), V_NO_SERVICE);
	shield_put_service(FAMILY_IPV6, PORT_ALWAYS, false, POLICY_ALWAYS, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_wildcard_syn_to_own_address_answered, shield_reset),
		cmocka_unit_test_setup(test_wildcard_packets_to_forwarded_address_passed, shield_reset),
		cmocka_unit_test_setup(test_specific_service_before_wildcard, shield_reset),
		cmocka_unit_test_setup(test_retired_service_does_not_shadow_the_wildcard, shield_reset),
		cmocka_unit_test_setup(test_retired_service_takes_its_cookies_until_its_time, shield_reset),
	};

	return shield_run_tests("service", tests, ARRAY_LEN(tests));
}
