// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is the same in all synchronized states but TIME-WAIT (RFC 9293, 3.10.7.4, first to fifth; RFC 5961; RFC 7323):
 * whether a segment is acceptable, RST, SYN, and an ACK of what was never sent. Each test goes through the states.
 */
#include "tcp_ladder.h"

struct synchronized {
	const char *name;
	void (*make)(void);
	enum tcp_state state;
	__u32 rcv_nxt, snd_nxt;
};

static const struct synchronized states[] = {
	{ "ESTABLISHED", tcb_established, TCPS_ESTABLISHED, 1, 1 },
	{ "ESTABLISHED by us", tcb_established_actively, TCPS_ESTABLISHED, 1, 1 },
	{ "FIN-WAIT-1", tcb_in_fin_wait_1, TCPS_FIN_WAIT_1, 1, 2 },
	{ "FIN-WAIT-2", tcb_in_fin_wait_2, TCPS_FIN_WAIT_2, 1, 2 },
	{ "CLOSE-WAIT", tcb_in_close_wait, TCPS_CLOSE_WAIT, 2, 1 },
	{ "CLOSING", tcb_in_closing, TCPS_CLOSING, 2, 2 },
	{ "LAST-ACK", tcb_in_last_ack, TCPS_LAST_ACK, 2, 2 },
};

/* Runs the body in each state, each time with a TCP of its own. The last one is taken down by the test's teardown. */
static void each(void **state, const struct wire_segment *offer, void (*body)(const struct synchronized *s))
{
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		if (i)
			assert_int_equal(ladder_teardown(state), 0);
		ladder_setup(state);
		if (offer)
			l.offer = *offer;
		states[i].make();
		print_message("  %s\n", states[i].name);
		body(&states[i]);
	}
}

static void stays(const struct synchronized *s)
{
	assert_state(s->state);
	assert_int_equal(l.app.closed, 0);
}

static void left_of_the_window(const struct synchronized *s)
{
	peer_sends(ACK, .seq = s->rcv_nxt - 1, .ack = s->snd_nxt, .text = "x");
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_OUT_OF_WINDOW);
	stays(s);
}

static void test_synchronized_segment_left_of_the_window_is_acknowledged(void **state)
{
	each(state, NULL, left_of_the_window);
}

static void right_of_the_window(const struct synchronized *s)
{
	peer_sends(ACK, .seq = s->rcv_nxt + (1 << 24), .ack = s->snd_nxt, .text = "x");
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_OUT_OF_WINDOW);
	peer_sends(FIN | ACK, .seq = s->rcv_nxt + (1 << 24), .ack = s->snd_nxt);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	stays(s);
}

static void test_synchronized_segment_right_of_the_window_is_acknowledged(void **state)
{
	each(state, NULL, right_of_the_window);
}

/* KA-ANSWER. */
static void keepalive(const struct synchronized *s)
{
	peer_sends(ACK, .seq = s->rcv_nxt - 1, .ack = s->snd_nxt);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	stays(s);
}

static void test_synchronized_keepalive_is_answered(void **state)
{
	each(state, NULL, keepalive);
}

/* 5961-3.2a */
static void exact_rst(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt);
	expect_nothing();
	assert_verdict(TCPV_RESET);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	assert_closed(-ECONNRESET);
}

static void test_synchronized_exact_rst_resets(void **state)
{
	each(state, NULL, exact_rst);
}

/* SHLD-2 */
static void rst_with_text(const struct synchronized *s)
{
	peer_sends(RST | ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt, .text = "bad day");
	expect_nothing();
	assert_closed(-ECONNRESET);
}

static void test_synchronized_exact_rst_with_text_resets(void **state)
{
	each(state, NULL, rst_with_text);
}

/* 5961-3.2b */
static void inexact_rst(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt + 1);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_CHALLENGED);
	stays(s);
}

static void test_synchronized_inexact_rst_is_challenged(void **state)
{
	each(state, NULL, inexact_rst);
}

/* 5961-3.2c */
static void outer_rst(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt - 1);
	peer_sends(RST, .seq = s->rcv_nxt + (1 << 24));
	expect_nothing();
	assert_verdict(TCPV_RESET_IGNORED);
	stays(s);
}

static void test_synchronized_rst_outside_the_window_is_ignored(void **state)
{
	each(state, NULL, outer_rst);
}

/* 5961-4.2: whatever its number. */
static void syn(const struct synchronized *s)
{
	peer_sends(SYN, .seq = s->rcv_nxt, .mss = 1460);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_CHALLENGED);
	peer_sends(SYN, .seq = 1 << 30, .mss = 1460);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	peer_sends(SYN | ACK, .seq = 0, .ack = s->snd_nxt, .mss = 1460);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	stays(s);
}

static void test_synchronized_syn_is_challenged(void **state)
{
	each(state, NULL, syn);
}

/* 5961-7: a flood of them is answered by few; and each connection has its own count. */
static void many_syns(const struct synchronized *s)
{
	unsigned int answers;

	for (int i = 0; i < 1000; i++)
		peer_sends(SYN, .seq = (__u32)i * 1000003U, .mss = 1460);
	answers = expect_anything();
	assert_in_range(answers, 1, 100);
	assert_verdict(TCPV_UNCHALLENGED);
	after_ms(1100);
	expect_anything();
	peer_sends(SYN, .seq = 77, .mss = 1460);
	assert_int_equal(expect_anything(), 1);
	stays(s);
}

static void test_synchronized_challenges_are_limited(void **state)
{
	each(state, NULL, many_syns);
}

/* EP-NOACK */
static void no_ack(const struct synchronized *s)
{
	peer_sends(0, .seq = s->rcv_nxt, .text = "x");
	peer_sends(FIN, .seq = s->rcv_nxt);
	expect_nothing();
	assert_verdict(TCPV_NO_ACK);
	stays(s);
}

static void test_synchronized_segment_without_ack_is_dropped(void **state)
{
	each(state, NULL, no_ack);
}

/* EP-ACKNEW, 5961-5.2: its text is not taken. */
static void early_ack(const struct synchronized *s)
{
	peer_sends(FIN | ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt + 1, .text = "x");
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_BAD_ACK);
	stays(s);
}

static void test_synchronized_ack_of_what_was_not_sent_is_answered_and_dropped(void **state)
{
	each(state, NULL, early_ack);
}

/* 5961-5.2 */
static void ancient_ack(const struct synchronized *s)
{
	peer_sends(FIN | ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt - 70000, .text = "x");
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	assert_verdict(TCPV_BAD_ACK);
	stays(s);
}

static void test_synchronized_ack_of_long_ago_is_answered_and_dropped(void **state)
{
	each(state, NULL, ancient_ack);
}

/* EP-DUPACK */
static void old_ack(const struct synchronized *s)
{
	peer_sends(ACK, .seq = s->rcv_nxt, .ack = 1);
	expect_nothing();
	stays(s);
}

static void test_synchronized_old_ack_is_ignored(void **state)
{
	each(state, NULL, old_ack);
}

/* MUST-3 */
static void wrong_checksum(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt, .wrong_checksum = true);
	peer_sends(ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt, .text = "x", .wrong_checksum = true);
	expect_nothing();
	assert_verdict(TCPV_BAD_CHECKSUM);
	stays(s);
}

static void test_synchronized_wrong_checksum_is_dropped(void **state)
{
	each(state, NULL, wrong_checksum);
}

/* MUST-7 */
static void bad_options(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt, .raw = "\x05\x01\x01\x01", .raw_bytes = 4);
	peer_sends(ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt, .raw = "\xfd\x00\x01\x01", .raw_bytes = 4);
	expect_nothing();
	assert_verdict(TCPV_BAD_OPTIONS);
	stays(s);
}

static void test_synchronized_option_of_illegal_length_is_dropped(void **state)
{
	each(state, NULL, bad_options);
}

static const struct wire_segment with_timestamps = { .mss = 1460, .timestamps = true };

/* 7323-5.3 */
static void old_timestamp(const struct synchronized *s)
{
	peer_sends(FIN | ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt, .text = "x", .timestamps = true,
		   .tsval = ladder_peer_tsval() - 1);
	expect(ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt, .timestamps = true, .tsecr = ladder_peer_tsval());
	assert_verdict(TCPV_OLD_TIMESTAMP);
	stays(s);
}

static void test_synchronized_old_timestamp_is_acknowledged_and_dropped(void **state)
{
	each(state, &with_timestamps, old_timestamp);
}

static void old_rst(const struct synchronized *s)
{
	peer_sends(RST, .seq = s->rcv_nxt, .timestamps = true, .tsval = ladder_peer_tsval() - 1000);
	expect_nothing();
	assert_closed(-ECONNRESET);
}

static void test_synchronized_rst_with_an_old_timestamp_resets(void **state)
{
	each(state, &with_timestamps, old_rst);
}

/* 7323-3.2 */
static void no_timestamp(const struct synchronized *s)
{
	peer_sends(FIN | ACK, .seq = s->rcv_nxt, .ack = s->snd_nxt, .text = "x", .bare = true);
	expect_nothing();
	assert_verdict(TCPV_NO_TIMESTAMP);
	stays(s);
	peer_sends(RST, .seq = s->rcv_nxt, .bare = true);
	assert_closed(-ECONNRESET);
}

static void test_synchronized_segment_without_the_agreed_timestamp_is_dropped(void **state)
{
	each(state, &with_timestamps, no_timestamp);
}

/* 3.10.5 */
static void aborts(const struct synchronized *s)
{
	app_aborts();
	if (s->state == TCPS_CLOSING || s->state == TCPS_LAST_ACK)
		expect_anything(); /* there is no reset asked for, nor forbidden */
	else
		expect(RST | ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	expect_nothing();
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	assert_int_equal(l.app.closed, 0);
}

static void test_synchronized_abort_resets(void **state)
{
	each(state, NULL, aborts);
}

/* A TCP that goes away resets what it has. */
static void freed(const struct synchronized *s)
{
	tcp_free(l.tcp);
	l.tcp = NULL;
	if (s->state == TCPS_CLOSING || s->state == TCPS_LAST_ACK)
		expect_anything();
	else
		expect(RST | ACK, .seq = s->snd_nxt, .ack = s->rcv_nxt);
	expect_nothing();
}

static void test_synchronized_free_resets(void **state)
{
	each(state, NULL, freed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_synchronized_segment_left_of_the_window_is_acknowledged),
		ladder_test(test_synchronized_segment_right_of_the_window_is_acknowledged),
		ladder_test(test_synchronized_keepalive_is_answered),
		ladder_test(test_synchronized_exact_rst_resets),
		ladder_test(test_synchronized_exact_rst_with_text_resets),
		ladder_test(test_synchronized_inexact_rst_is_challenged),
		ladder_test(test_synchronized_rst_outside_the_window_is_ignored),
		ladder_test(test_synchronized_syn_is_challenged),
		ladder_test(test_synchronized_challenges_are_limited),
		ladder_test(test_synchronized_segment_without_ack_is_dropped),
		ladder_test(test_synchronized_ack_of_what_was_not_sent_is_answered_and_dropped),
		ladder_test(test_synchronized_ack_of_long_ago_is_answered_and_dropped),
		ladder_test(test_synchronized_old_ack_is_ignored),
		ladder_test(test_synchronized_wrong_checksum_is_dropped),
		ladder_test(test_synchronized_option_of_illegal_length_is_dropped),
		ladder_test(test_synchronized_old_timestamp_is_acknowledged_and_dropped),
		ladder_test(test_synchronized_rst_with_an_old_timestamp_resets),
		ladder_test(test_synchronized_segment_without_the_agreed_timestamp_is_dropped),
		ladder_test(test_synchronized_abort_resets),
		ladder_test(test_synchronized_free_resets),
	};

	return cmocka_run_group_tests_name("tcp_synchronized", tests, NULL, NULL);
}
