// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* TIME-WAIT (RFC 9293, 3.6 and 3.10.7.4; RFC 1337; RFC 6191). */
#include "cookie.h"
#include "tcp_ladder.h"

size_t __sanitizer_get_current_allocated_bytes(void); /* its header is not everywhere */

/* How long the TCP itself keeps a TIME-WAIT where its record outlives it. */
#define KEPT_MS 100

/* In TIME-WAIT, and the record is what others answer from. */
static void in_recorded_time_wait(void)
{
	l.config.time_wait_ns = KEPT_MS * NSEC_PER_MSEC;
	tcb_in_time_wait();
	app_reads_end();
	assert_closed(0);
	memset(&l.app, 0, sizeof(l.app));
}

/* Another connection of the listener's, from the next port, as far as FIN-WAIT-2. */
static void another_in_fin_wait_2(void)
{
	l.tuple.remote_port++;
	l.iss_known = false;
	memset(&l.app, 0, sizeof(l.app));
	peer_sends_syn(SYN);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1);
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 2);
}

static void assert_record_says_time_wait(__u32 left_ms)
{
	assert_true(l.has_record);
	assert_int_equal(l.record.kind, TCP_RECORD_ENDED);
	assert_int_equal(l.record.ended.state, TCPS_TIME_WAIT);
	assert_in_range(ended_left_ms(&l.record.ended, l.now_ns), left_ms, left_ms + 1); /* it is rounded up */
}

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

/* RFC 7323, 3.2 */
static void test_time_wait_segment_without_its_timestamp_is_dropped(void **state)
{
	(void)state;
	l.offer.timestamps = true;
	tcb_in_time_wait();
	peer_sends(FIN | ACK, .seq = 1, .ack = 2, .bare = true);
	expect_nothing();
	assert_verdict(TCPV_NO_TIMESTAMP);
}

/* As a service has it. */
static void test_time_wait_msl_of_its_own_counts(void **state)
{
	(void)state;
	l.settings.msl_ms = 500;
	tcb_in_time_wait();
	assert_record_says_time_wait(1000);
	after_ms(990);
	assert_state(TCPS_TIME_WAIT);
	after_ms(20);
	assert_state(TCPS_LISTEN);
}

/* --- the record outlives what is here ----------------------------------------------------------------------------- */

static void test_time_wait_recorded_is_over_here_and_goes_on_in_its_record(void **state)
{
	(void)state;
	in_recorded_time_wait();
	assert_record_says_time_wait(2 * LADDER_MSL_MS);
	after_ms(KEPT_MS - 10);
	assert_state(TCPS_TIME_WAIT);
	l.has_record = false;
	after_ms(20);
	assert_state(TCPS_LISTEN);
	after_ms(3 * LADDER_MSL_MS);
	assert_false(l.has_record);
	assert_int_equal(tcp_next_ns(l.tcp), UINT64_MAX);
}

/* Of a thousand there is nothing left but the records; exact, for the sanitizer counts every byte. */
static void test_time_wait_recorded_costs_no_memory(void **state)
{
	enum { CONNECTIONS = 1000 };
	size_t before;

	(void)state;
	l.config.time_wait_max = CONNECTIONS;
	in_recorded_time_wait();
	after_ms(KEPT_MS + 10);
	before = __sanitizer_get_current_allocated_bytes();
	for (int i = 0; i < CONNECTIONS; i++) {
		another_in_fin_wait_2();
		peer_sends(FIN | ACK, .seq = 1, .ack = 2);
		expect(ACK, .seq = 2, .ack = 2);
		app_reads_end();
		assert_closed(0);
	}
	assert_true(tcp_counters(l.tcp)->connections_time_wait > CONNECTIONS / 2);
	assert_true(__sanitizer_get_current_allocated_bytes() > before);
	after_ms(KEPT_MS + 10);
	assert_int_equal(tcp_counters(l.tcp)->connections_time_wait, 0);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	assert_int_equal(__sanitizer_get_current_allocated_bytes(), before);
}

/* Until others have the record, what comes is answered here; the record hears of what begins anew. */
static void test_time_wait_recorded_fin_again_is_acknowledged_and_reported_anew(void **state)
{
	(void)state;
	in_recorded_time_wait();
	after_ms(KEPT_MS / 2);
	l.has_record = false;
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_record_says_time_wait(2 * LADDER_MSL_MS);
	after_ms(KEPT_MS - 10);
	assert_state(TCPS_TIME_WAIT);
	after_ms(20);
	assert_state(TCPS_LISTEN);
}

static void test_time_wait_recorded_stays_when_the_tcp_ends(void **state)
{
	(void)state;
	in_recorded_time_wait();
	tcp_free(l.tcp);
	l.tcp = NULL;
	l.listener = NULL;
	assert_record_says_time_wait(2 * LADDER_MSL_MS);
}

/* What makes room is only the moment that it is kept here. */
static void test_time_wait_recorded_that_makes_room_stays_in_its_record(void **state)
{
	(void)state;
	l.config.time_wait_max = 1;
	in_recorded_time_wait();
	another_in_fin_wait_2();
	peer_sends_more(FIN | ACK, .seq = 1, .ack = 2);
	l.tuple.remote_port--; /* the first one's reports are looked at */
	l.has_record = false;
	ladder_work();
	expect_anything();
	assert_int_equal(tcp_counters(l.tcp)->time_wait_evicted, 1);
	assert_false(l.has_record);
	l.tuple.remote_port++;
}

/* Until a cookie that made it is stale, the record counts as CLOSED behind its TIME-WAIT. */
static void test_time_wait_of_a_cookie_is_marked_until_that_is_stale(void **state)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_COOKIE_ACK, .mss = 1460, .irs = l.irs };
	__u64 end_ns, stale_ns;

	(void)state;
	l.settings.msl_ms = 500;
	l.config.time_wait_ns = KEPT_MS * NSEC_PER_MSEC;
	tcb_in_listen();
	l.iss = 4711;
	l.iss_known = true;
	ladder_peer_sends_as(&hint, (struct wire_segment){ .flags = ACK, .seq = 1, .ack = 1 }, true);
	app_shuts_down();
	expect(FIN | ACK, .seq = 1, .ack = 1);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	expect(ACK, .seq = 2, .ack = 2);
	assert_record_says_time_wait(1000);
	end_ns = l.now_ns + 1000 * NSEC_PER_MSEC;
	stale_ns = cookie_stale_ns((__u32)(l.now_ns / NSEC_PER_SEC));
	assert_int_equal(l.record.ended.mark_s, (stale_ns - end_ns + NSEC_PER_SEC - 1) / NSEC_PER_SEC);
	assert_int_equal(ended_state(&l.record.ended, end_ns - NSEC_PER_MSEC), TCPS_TIME_WAIT);
	assert_int_equal(ended_state(&l.record.ended, end_ns + NSEC_PER_MSEC), TCPS_CLOSED);
	assert_false(ended_is_over(&l.record.ended, stale_ns - NSEC_PER_MSEC));
}

/* --- a SYN that XDP has found may begin anew -----------------------------------------------------------------------
 */

/* l.iss is where the answer begins. */
static void syn_again_comes(__u32 snd_nxt)
{
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_SYN_AGAIN, .snd_nxt = snd_nxt };

	l.iss_known = false;
	ladder_peer_sends_as(&hint, (struct wire_segment){ .flags = SYN, .mss = 1460 }, true);
}

/* MAY-2: behind the old numbers, where those of the clock (RFC 6528) are not. */
static void test_listen_syn_again_begins_behind_the_old_numbers(void **state)
{
	__u32 old = ladder_isn_now() + 1000;

	(void)state;
	tcb_in_listen();
	syn_again_comes(old);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_verdict(TCPV_TIME_WAIT_REUSED);
	assert_int_equal(l.iss, old + 0x10000);
	assert_int_equal(l.record.kind, TCP_RECORD_HALF_OPEN);
	assert_state(TCPS_SYN_RECEIVED);
}

static void test_listen_syn_again_begins_by_the_clock_where_that_is_ahead(void **state)
{
	__u32 by_the_clock = ladder_isn_now();

	(void)state;
	tcb_in_listen();
	syn_again_comes(by_the_clock - 0x10001);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_int_equal(l.iss, by_the_clock);
}

/* Where nothing new begins, TIME-WAIT goes on in its record. */
static void test_closed_syn_again_is_reset_and_the_record_stays(void **state)
{
	(void)state;
	tcb_in_listen();
	tcp_unlisten(l.tcp, l.listener);
	l.listener = NULL;
	syn_again_comes(1000);
	expect_anything();
	assert_verdict(TCPV_NO_LISTENER);
	assert_false(l.has_record);
}

/* While it is kept here too, it is the same. */
static void test_time_wait_recorded_syn_again_begins_anew(void **state)
{
	__u32 old;

	(void)state;
	in_recorded_time_wait();
	old = l.iss + 2;
	l.irs += 1000;
	syn_again_comes(old);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_verdict(TCPV_TIME_WAIT_REUSED);
	assert_int_equal(l.iss, old + 0x10000);
	assert_int_equal(l.record.kind, TCP_RECORD_HALF_OPEN);
	assert_int_equal(tcp_counters(l.tcp)->connections_time_wait, 0);
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
		ladder_test(test_time_wait_segment_without_its_timestamp_is_dropped),
		ladder_test(test_time_wait_msl_of_its_own_counts),
		ladder_test(test_time_wait_recorded_is_over_here_and_goes_on_in_its_record),
		ladder_test(test_time_wait_recorded_costs_no_memory),
		ladder_test(test_time_wait_recorded_fin_again_is_acknowledged_and_reported_anew),
		ladder_test(test_time_wait_recorded_stays_when_the_tcp_ends),
		ladder_test(test_time_wait_recorded_that_makes_room_stays_in_its_record),
		ladder_test(test_time_wait_of_a_cookie_is_marked_until_that_is_stale),
		ladder_test(test_listen_syn_again_begins_behind_the_old_numbers),
		ladder_test(test_listen_syn_again_begins_by_the_clock_where_that_is_ahead),
		ladder_test(test_closed_syn_again_is_reset_and_the_record_stays),
		ladder_test(test_time_wait_recorded_syn_again_begins_anew),
	};

	return cmocka_run_group_tests_name("tcp_time_wait", tests, NULL, NULL);
}
