// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Keepalives (RFC 9293, 3.8.4): off unless asked for. */
#include "tcp_ladder.h"

#define IDLE_MS 10000
#define INTERVAL_MS 2000
#define PROBES 3

static void established_with_keepalive(void)
{
	l.settings.keepalive = true;
	l.settings.keepalive_idle_ms = IDLE_MS;
	l.settings.keepalive_interval_ms = INTERVAL_MS;
	l.settings.keepalive_probes = PROBES;
	tcb_established();
}

/* MUST-25, MUST-28 */
static void test_keepalive_is_off_by_default(void **state)
{
	(void)state;
	assert_false(l.settings.keepalive);
	assert_true(l.settings.keepalive_idle_ms >= 7200000);
	tcb_established();
	after_ms(3 * 86400000);
	expect_nothing();
	assert_state(TCPS_ESTABLISHED);
}

/* MUST-26, SHLD-12 */
static void test_keepalive_probe_comes_after_the_idle_time(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS - 10);
	expect_nothing();
	after_ms(20);
	expect(ACK, .seq = 0, .ack = 1);
	expect_nothing();
}

static void test_keepalive_answer_begins_the_idle_time_anew(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS + 10);
	expect(ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	after_ms(IDLE_MS - 20);
	expect_nothing();
	after_ms(40);
	expect(ACK, .seq = 0, .ack = 1);
}

/* MUST-26 */
static void test_keepalive_traffic_begins_the_idle_time_anew(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS - 1000);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	expect(ACK, .seq = 1, .ack = 2);
	after_ms(IDLE_MS - 1000);
	expect_nothing();
	after_ms(1100);
	expect(ACK, .seq = 0, .ack = 2);
}

/* MUST-29 */
static void test_keepalive_second_probe_answered_keeps_it(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS + 10);
	expect(ACK, .seq = 0, .ack = 1);
	after_ms(INTERVAL_MS);
	expect(ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	after_ms(INTERVAL_MS * 3);
	expect_nothing();
	assert_state(TCPS_ESTABLISHED);
}

static void test_keepalive_all_probes_unanswered_end_it(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS + INTERVAL_MS * (PROBES - 1) + 10);
	for (int i = 0; i < PROBES; i++)
		expect(ACK, .seq = 0, .ack = 1);
	assert_int_equal(l.app.closed, 0);
	after_ms(INTERVAL_MS + 10);
	assert_closed(-ETIMEDOUT);
	expect_anything();
	assert_state(TCPS_LISTEN);
}

static void test_keepalive_probes_are_in_the_record_until_one_is_answered(void **state)
{
	(void)state;
	established_with_keepalive();
	after_ms(IDLE_MS + INTERVAL_MS + 1000);
	assert_int_equal(l.record.flow.probes, 2);
	expect_anything();
	peer_sends(ACK, .seq = 1, .ack = 1);
	after_ms(1000);
	assert_int_equal(l.record.flow.probes, 0);
}

/* MUST-24, MUST-27 */
static void test_keepalive_can_be_switched_on_and_off(void **state)
{
	struct tcp_settings settings;

	(void)state;
	tcb_established();
	settings = *tcp_settings(l.tcb);
	settings.keepalive = true;
	settings.keepalive_idle_ms = IDLE_MS;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	after_ms(IDLE_MS + 10);
	expect(ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	settings.keepalive = false;
	assert_int_equal(tcp_change(l.tcb, &settings), 0);
	after_ms(86400000);
	expect_nothing();
}

/* The probe's TSval must not be behind (a Linux peer would ignore it). */
static void test_keepalive_probe_has_a_timestamp_of_now(void **state)
{
	__u32 before;

	(void)state;
	l.offer.timestamps = true;
	established_with_keepalive();
	before = l.ts_recent;
	after_ms(IDLE_MS + 10);
	assert_true(seq_after(expect(ACK, .seq = 0, .ack = 1, .timestamps = true).tsval, before));
}

static void test_keepalive_probes_are_for_half_closed_ones_too(void **state)
{
	(void)state;
	established_with_keepalive();
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 2);
	after_ms(IDLE_MS + 10);
	expect(ACK, .seq = 1, .ack = 1);
	after_ms(INTERVAL_MS * PROBES + 10);
	expect_anything();
	assert_closed(-ETIMEDOUT);
}

static void assert_counted(__u64 sent, __u64 answered, __u64 in_vain)
{
	const struct tcp_counters *counters = tcp_counters(l.tcp);

	assert_int_equal(counters->keepalives_sent, sent);
	assert_int_equal(counters->keepalives_answered, answered);
	assert_int_equal(counters->keepalives_in_vain, in_vain);
}

static void test_keepalive_probes_and_what_comes_of_them_are_counted(void **state)
{
	(void)state;
	established_with_keepalive();
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	expect(ACK, .seq = 1, .ack = 2);
	assert_counted(0, 0, 0);
	after_ms(IDLE_MS + INTERVAL_MS + 10);
	expect_anything();
	assert_counted(2, 0, 0);
	peer_sends(ACK, .seq = 2, .ack = 1);
	assert_counted(2, 1, 0);
	after_ms(IDLE_MS + INTERVAL_MS * PROBES + 10);
	expect_anything();
	assert_counted(2 + PROBES, 1, 1);
	assert_closed(-ETIMEDOUT);
}

static void test_keepalive_probe_without_room_is_not_counted(void **state)
{
	(void)state;
	established_with_keepalive();
	l.no_room = true;
	after_ms(IDLE_MS + INTERVAL_MS + 10);
	assert_counted(0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_keepalive_is_off_by_default),
		ladder_test(test_keepalive_probe_comes_after_the_idle_time),
		ladder_test(test_keepalive_answer_begins_the_idle_time_anew),
		ladder_test(test_keepalive_traffic_begins_the_idle_time_anew),
		ladder_test(test_keepalive_second_probe_answered_keeps_it),
		ladder_test(test_keepalive_all_probes_unanswered_end_it),
		ladder_test(test_keepalive_probes_are_in_the_record_until_one_is_answered),
		ladder_test(test_keepalive_can_be_switched_on_and_off),
		ladder_test(test_keepalive_probe_has_a_timestamp_of_now),
		ladder_test(test_keepalive_probes_are_for_half_closed_ones_too),
		ladder_test(test_keepalive_probes_and_what_comes_of_them_are_counted),
		ladder_test(test_keepalive_probe_without_room_is_not_counted),
	};

	return cmocka_run_group_tests_name("tcp_keepalive", tests, NULL, NULL);
}
