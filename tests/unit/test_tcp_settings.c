// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What an application can choose, before and on the way (RFC 9293, 3.9). */
#include "tcp_ladder.h"

/* MUST-49 */
static void test_settings_ttl_is_used(void **state)
{
	(void)state;
	l.settings.ttl = 7;
	tcb_in_listen();
	peer_sends(SYN, .mss = 1460);
	expect(SYN | ACK, .seq = 0, .ack = 1, .ttl = 7);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	expect(ACK, .seq = 1, .ack = 2, .ttl = 7);
}

static void test_settings_ttl_is_at_least_64_by_default(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .mss = 1460);
	assert_true(expect(SYN | ACK, .seq = 0, .ack = 1).ttl >= 64);
}

/* MUST-48, SHLD-22 */
static void test_settings_dscp_is_used(void **state)
{
	(void)state;
	l.settings.dscp = 46;
	tcb_in_syn_received();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	expect(ACK, .seq = 1, .ack = 2, .dscp = 46);
}

/* SHLD-21 */
static void test_settings_dscp_can_be_changed(void **state)
{
	struct tcp_settings settings;

	(void)state;
	tcb_established();
	settings = *tcp_settings(l.tcb);
	settings.dscp = 10;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	app_sends("x");
	expect(ACK, .seq = 1, .ack = 1, .text = "x", .dscp = 10);
}

/* It is off the wire already, and there only to be read. */
static void test_settings_of_a_finished_connection_can_be_changed_without_effect(void **state)
{
	struct tcp_settings settings;

	(void)state;
	tcb_in_time_wait();
	settings = *tcp_settings(l.tcb);
	settings.keepalive = true;
	settings.keepalive_idle_ms = 1000;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	app_reads_end();
	assert_closed(0);
	after_ms(5000);
	expect_nothing();
}

static void change_is_refused(const struct tcp_settings *settings)
{
	struct tcp_settings before = *tcp_settings(l.tcb);

	assert_int_equal(tcp_change(l.tcb, settings), -EINVAL);
	assert_memory_equal(tcp_settings(l.tcb), &before, sizeof(before));
}

/* MUST-40 among others: out of range. */
static void test_settings_out_of_range_are_refused(void **state)
{
	struct tcp_settings good, bad;

	(void)state;
	tcb_established();
	good = bad = *tcp_settings(l.tcb);
	bad.delayed_ack_ms = 500;
	change_is_refused(&bad);
	bad = good;
	bad.dscp = 64;
	change_is_refused(&bad);
	bad = good;
	bad.recv_buffer_bytes = (1U << 30) + 1;
	change_is_refused(&bad);
	bad = good;
	bad.ttl = 0;
	change_is_refused(&bad);
	bad = good;
	bad.msl_ms = 1U << 31;
	change_is_refused(&bad);
	assert_int_equal(tcp_change(l.tcb, &good), 0);
}

static void test_settings_out_of_range_are_no_listener_s(void **state)
{
	struct service_key key = l.service;
	struct tcp_settings bad;

	(void)state;
	tcb_established();
	key.port++;
	bad = l.settings;
	bad.keepalive = true;
	bad.keepalive_interval_ms = 0;
	assert_null(tcp_listen(l.tcp, &key, &ladder_application, NULL, &bad, &l.account));
	assert_non_null(tcp_listen(l.tcp, &key, &ladder_application, NULL, &l.settings, &l.account));
}

/* MUST-23, SHLD-11, MUST-28: what stands where nothing is said. */
static void test_settings_defaults_are_those_of_the_rfc(void **state)
{
	struct tcp_settings d = tcp_settings_default();

	(void)state;
	assert_true(d.user_timeout_ms >= 100000);
	assert_true(d.syn_timeout_ms >= 180000);
	assert_true(d.delayed_ack_ms < 500);
	assert_true(d.keepalive_idle_ms >= 7200000 && !d.keepalive);
	assert_true(d.nagle && d.window_scaling && d.timestamps && d.sack);
	assert_int_equal(d.linger_ms, -1);
	assert_true(d.ttl >= 64);
}

static void test_settings_context_is_the_listener_s_until_it_is_set(void **state)
{
	int other;

	(void)state;
	tcb_established();
	assert_null(tcp_context(l.tcb));
	tcp_set_context(l.tcb, &other);
	assert_ptr_equal(tcp_context(l.tcb), &other);
	assert_ptr_equal(tcp_of(l.tcb), l.tcp);
}

static void test_settings_every_verdict_has_a_name_and_a_sentence(void **state)
{
	(void)state;
	for (int v = 0; v < TCPV_COUNT; v++) {
		assert_true(strlen(tcp_verdict_name(v)) > 0);
		assert_true(strlen(tcp_verdict_sentence(v)) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_settings_ttl_is_used),
		ladder_test(test_settings_ttl_is_at_least_64_by_default),
		ladder_test(test_settings_dscp_is_used),
		ladder_test(test_settings_dscp_can_be_changed),
		ladder_test(test_settings_of_a_finished_connection_can_be_changed_without_effect),
		ladder_test(test_settings_out_of_range_are_refused),
		ladder_test(test_settings_out_of_range_are_no_listener_s),
		ladder_test(test_settings_defaults_are_those_of_the_rfc),
		ladder_test(test_settings_context_is_the_listener_s_until_it_is_set),
		ladder_test(test_settings_every_verdict_has_a_name_and_a_sentence),
	};

	return cmocka_run_group_tests_name("tcp_settings", tests, NULL, NULL);
}
