// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* CLOSED: what comes for no connection and no listener (RFC 9293, 3.10.7.1), and the calls that begin one. */
#include "tcp_ladder.h"

static void test_closed_rst_is_ignored(void **state)
{
	(void)state;
	tcp_alone();
	peer_sends(RST, .seq = 5);
	peer_sends(RST | ACK, .seq = 5, .ack = 9);
	expect_nothing();
}

static void test_closed_ack_is_reset_at_its_acknowledgement(void **state)
{
	(void)state;
	tcp_alone();
	peer_sends(ACK, .seq = 5, .ack = 9);
	expect(RST, .seq = 9);
	assert_verdict(TCPV_NO_CONNECTION);
	peer_sends(ACK | FIN, .seq = 5, .ack = 9, .text = "x");
	expect(RST, .seq = 9);
	peer_sends(SYN | ACK, .seq = 5, .ack = 9);
	expect(RST, .seq = 9);
	assert_int_equal(l.to_unverified, 3);
}

static void test_closed_syn_is_reset_behind_itself(void **state)
{
	(void)state;
	tcp_alone();
	peer_sends(SYN, .seq = 5);
	expect(RST | ACK, .seq = 0, .ack = 6);
	assert_verdict(TCPV_NO_LISTENER);
}

static void test_closed_text_without_ack_is_reset_behind_itself(void **state)
{
	(void)state;
	tcp_alone();
	peer_sends(PSH, .seq = 5, .text = "four");
	expect(RST | ACK, .seq = 0, .ack = 9);
	peer_sends(FIN, .seq = 5);
	expect(RST | ACK, .seq = 0, .ack = 6);
}

static void test_closed_wrong_checksum_is_dropped(void **state)
{
	(void)state;
	tcp_alone();
	peer_sends(ACK, .seq = 5, .ack = 9, .wrong_checksum = true);
	expect_nothing();
	assert_verdict(TCPV_BAD_CHECKSUM);
}

static void test_closed_connect_sends_a_syn_with_what_is_offered(void **state)
{
	struct wire_segment syn;

	(void)state;
	tcp_alone();
	ladder_connect();
	syn = expect(SYN, .seq = 0, .mss = l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	assert_true(syn.has_wscale && syn.sack_permitted && syn.timestamps);
	assert_in_range(syn.wscale, 0, 14);
	assert_state(TCPS_SYN_SENT);
}

static void test_closed_connect_offers_what_the_settings_allow(void **state)
{
	struct wire_segment syn;

	(void)state;
	l.settings.window_scaling = l.settings.sack = l.settings.timestamps = l.settings.ecn = false;
	tcp_alone();
	ladder_connect();
	syn = expect(SYN, .seq = 0);
	assert_false(syn.has_wscale || syn.sack_permitted || syn.timestamps);
}

/* MUST-67: the largest packet that the link takes, less headers. */
static void test_closed_connect_derives_its_mss_from_the_mtu(void **state)
{
	(void)state;
	l.mtu = 1400;
	tcp_alone();
	ladder_connect();
	expect(SYN, .seq = 0, .mss = l.tuple.family == FAMILY_IPV4 ? 1360 : 1340);
}

static int connect_to(__be32 first_word)
{
	struct tuple t = l.tuple;
	struct tcb *tcb;

	memset(t.remote, 0, sizeof(t.remote));
	t.remote[0] = first_word;
	return tcp_connect(l.tcp, &t, LADDER_PATH, &ladder_application, NULL, &l.settings, &l.account, l.now_ns, &tcb);
}

/* MUST-46. */
static void test_closed_connect_to_no_host_is_refused(void **state)
{
	(void)state;
	tcp_alone();
	if (l.tuple.family == FAMILY_IPV4) {
		assert_int_equal(connect_to(net32(0xffffffff)), -EADDRNOTAVAIL);
		assert_int_equal(connect_to(net32(0xe0000001)), -EADDRNOTAVAIL);
	} else {
		assert_int_equal(connect_to(net32(0xff020000)), -EADDRNOTAVAIL);
	}
	assert_int_equal(connect_to(0), -EADDRNOTAVAIL);
	ladder_work();
	expect_nothing();
}

static void test_closed_connect_on_a_tuple_in_use_is_refused(void **state)
{
	struct tcb *tcb;

	(void)state;
	tcb_established();
	assert_int_equal(tcp_connect(l.tcp, &l.tuple, LADDER_PATH, &ladder_application, NULL, &l.settings, &l.account,
				     l.now_ns, &tcb),
			 -EADDRINUSE);
	assert_state(TCPS_ESTABLISHED);
}

static void test_closed_connect_without_memory_is_refused(void **state)
{
	struct memory_account nothing = { .parent = &l.account };
	struct tcb *tcb;

	(void)state;
	tcp_alone();
	assert_int_equal(tcp_connect(l.tcp, &l.tuple, LADDER_PATH, &ladder_application, NULL, &l.settings, &nothing,
				     l.now_ns, &tcb),
			 -ENOMEM);
}

/* MUST-42. */
static void test_closed_listen_twice_on_the_same_is_refused(void **state)
{
	struct service_key other = l.service;

	(void)state;
	tcb_in_listen();
	assert_null(tcp_listen(l.tcp, &l.service, &ladder_application, NULL, &l.settings, &l.account));
	other.port++;
	assert_non_null(tcp_listen(l.tcp, &other, &ladder_application, NULL, &l.settings, &l.account));
}

/* MUST-8, SHLD-1: with time by 4 microseconds a number; a tuple's own. */
static void test_closed_connect_begins_at_a_number_of_clock_and_tuple(void **state)
{
	__u32 first, other;

	(void)state;
	tcp_alone();
	ladder_connect();
	expect(SYN, .seq = 0);
	first = l.iss;
	app_aborts();
	expect_anything();
	l.iss_known = false;
	l.now_ns += 40 * NSEC_PER_MSEC;
	ladder_connect();
	assert_int_equal(l.iss - first, 10000);
	app_aborts();
	expect_anything();
	l.iss_known = false;
	l.tuple.remote_port++;
	ladder_connect();
	other = l.iss - first;
	assert_true(other > 1 << 20 && other < -(1U << 20));
	expect_anything();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_closed_rst_is_ignored),
		ladder_test(test_closed_ack_is_reset_at_its_acknowledgement),
		ladder_test(test_closed_syn_is_reset_behind_itself),
		ladder_test(test_closed_text_without_ack_is_reset_behind_itself),
		ladder_test(test_closed_wrong_checksum_is_dropped),
		ladder_test(test_closed_connect_sends_a_syn_with_what_is_offered),
		ladder_test(test_closed_connect_offers_what_the_settings_allow),
		ladder_test(test_closed_connect_derives_its_mss_from_the_mtu),
		ladder_test(test_closed_connect_to_no_host_is_refused),
		ladder_test(test_closed_connect_on_a_tuple_in_use_is_refused),
		ladder_test(test_closed_connect_without_memory_is_refused),
		ladder_test(test_closed_listen_twice_on_the_same_is_refused),
		ladder_test(test_closed_connect_begins_at_a_number_of_clock_and_tuple),
	};

	return cmocka_run_group_tests_name("tcp_closed", tests, NULL, NULL);
}
