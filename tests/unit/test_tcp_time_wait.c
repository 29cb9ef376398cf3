// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4; RFC 1337; RFC 6191). */
#include "tcp_ladder.h"

/* MUST-13 */
static void test_time_wait_lasts_two_msl(void **state)
{
	(void)state;
	tcb_in_time_wait();
	after_ms(2 * LADDER_MSL_MS - 10);
	assert_state(TCPS_TIME_WAIT);
	after_ms(20);
	assert_state(TCPS_LISTEN);
	expect_nothing();
}

/* EP-TW */
static void test_time_wait_fin_again_is_acknowledged_and_starts_anew(void **state)
{
	(void)state;
	tcb_in_time_wait();
	after_ms(LADDER_MSL_MS);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_verdict(TCPV_TIME_WAIT);
	after_ms(2 * LADDER_MSL_MS - 10);
	assert_state(TCPS_TIME_WAIT);
	after_ms(20);
	assert_state(TCPS_LISTEN);
}

/* 1337: fix F1 */
static void test_time_wait_rst_is_ignored(void **state)
{
	(void)state;
	tcb_in_time_wait();
	peer_sends(RST, .seq = 2);
	peer_sends(RST | ACK, .seq = 2, .ack = 2);
	expect_nothing();
	assert_verdict(TCPV_RESET_IGNORED);
	assert_state(TCPS_TIME_WAIT);
}

/* 1337b */
static void test_time_wait_old_text_is_acknowledged_and_ends_nothing(void **state)
{
	(void)state;
	tcb_in_time_wait();
	after_ms(LADDER_MSL_MS);
	peer_sends(ACK, .seq = 0, .ack = 1, .text = "x");
	expect(ACK, .seq = 2, .ack = 2);
	peer_sends(ACK, .seq = 0, .ack = 1);
	expect(ACK, .seq = 2, .ack = 2);
	after_ms(LADDER_MSL_MS + 10);
	assert_state(TCPS_LISTEN);
}

static void test_time_wait_old_syn_is_acknowledged(void **state)
{
	(void)state;
	tcb_in_time_wait();
	peer_sends(SYN, .seq = 0, .mss = 1460);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
}

/* MAY-2: numbers beyond those of the old connection; ours go beyond as well. */
static void test_time_wait_new_syn_begins_anew(void **state)
{
	__u32 old_end;

	(void)state;
	tcb_in_time_wait();
	old_end = l.iss + 2;
	app_reads_end();
	assert_closed(0);
	memset(&l.app, 0, sizeof(l.app));
	l.iss_known = false;
	l.irs += 1000;
	peer_sends(SYN, .mss = 1460);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_verdict(TCPV_TIME_WAIT_REUSED);
	assert_true(seq_after(l.iss, old_end));
	assert_state(TCPS_SYN_RECEIVED);
	peer_sends(ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(tcp_counters(l.tcp)->connections_time_wait, 0);
}

/* RFC 6191, SHLD-4: a later timestamp does, whatever the number; an earlier one does not. */
static void test_time_wait_syn_with_a_later_timestamp_begins_anew(void **state)
{
	(void)state;
	l.offer.timestamps = true;
	tcb_in_time_wait();
	app_reads_end();
	memset(&l.app, 0, sizeof(l.app));
	peer_sends(SYN, .seq = 1 << 20, .mss = 1460, .timestamps = true, .tsval = ladder_peer_tsval() - 10);
	expect(ACK, .seq = 2, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
	l.iss_known = false;
	l.irs -= 1000;
	peer_sends(SYN, .mss = 1460, .timestamps = true, .tsval = ladder_peer_tsval() + 10);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_verdict(TCPV_TIME_WAIT_REUSED);
}

static void test_time_wait_acknowledgement_has_timestamps(void **state)
{
	(void)state;
	l.offer.timestamps = true;
	tcb_in_time_wait();
	after_ms(10);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2, .timestamps = true);
}

static void test_time_wait_wrong_checksum_is_dropped(void **state)
{
	(void)state;
	tcb_in_time_wait();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2, .wrong_checksum = true);
	expect_nothing();
}

/* The oldest goes where there is no room. */
static void test_time_wait_oldest_makes_room(void **state)
{
	(void)state;
	l.config.time_wait_max = 1;
	tcb_in_time_wait();
	app_reads_end();
	memset(&l.app, 0, sizeof(l.app));
	l.tuple.remote_port++;
	l.iss_known = false;
	peer_sends_syn(SYN);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_int_equal(tcp_counters(l.tcp)->connections_time_wait, 1);
	assert_int_equal(tcp_counters(l.tcp)->time_wait_evicted, 1);
}

/* The record says so, until the end. */
static void test_time_wait_is_reported_with_its_end(void **state)
{
	(void)state;
	tcb_in_time_wait();
	after_ms(20);
	assert_true(l.has_record && l.record.kind == TCP_RECORD_ENDED);
	assert_int_equal(l.record.ended.state, TCPS_TIME_WAIT);
	assert_in_range(ended_left_ms(&l.record.ended, l.now_ns), 2 * LADDER_MSL_MS - 30, 2 * LADDER_MSL_MS);
	after_ms(2 * LADDER_MSL_MS + 20);
	assert_int_equal(l.record.kind, TCP_RECORD_NONE);
}

/* Nor does it stay where the SYN that ended it began nothing. */
static void test_time_wait_syn_that_nobody_takes_leaves_no_record(void **state)
{
	(void)state;
	tcb_in_time_wait();
	tcp_unlisten(l.tcp, l.listener);
	l.listener = NULL;
	l.irs += 1000;
	peer_sends(SYN, .mss = 1460);
	expect_anything();
	assert_verdict(TCPV_NO_LISTENER);
	assert_state(TCPS_CLOSED);
	assert_int_equal(l.record.kind, TCP_RECORD_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_time_wait_lasts_two_msl),
		ladder_test(test_time_wait_fin_again_is_acknowledged_and_starts_anew),
		ladder_test(test_time_wait_rst_is_ignored),
		ladder_test(test_time_wait_old_text_is_acknowledged_and_ends_nothing),
		ladder_test(test_time_wait_old_syn_is_acknowledged),
		ladder_test(test_time_wait_new_syn_begins_anew),
		ladder_test(test_time_wait_syn_with_a_later_timestamp_begins_anew),
		ladder_test(test_time_wait_acknowledgement_has_timestamps),
		ladder_test(test_time_wait_wrong_checksum_is_dropped),
		ladder_test(test_time_wait_oldest_makes_room),
		ladder_test(test_time_wait_is_reported_with_its_end),
		ladder_test(test_time_wait_syn_that_nobody_takes_leaves_no_record),
	};

	return cmocka_run_group_tests_name("tcp_time_wait", tests, NULL, NULL);
}
