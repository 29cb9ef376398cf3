// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* LISTEN (RFC 9293, 3.10.7.2), and the connection that a cookie makes in its place. */
#include "tcp_ladder.h"

static void test_listen_rst_is_ignored(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(RST, .seq = 5);
	peer_sends(RST | ACK, .seq = 5, .ack = 7);
	expect_nothing();
	assert_state(TCPS_LISTEN);
}

static void test_listen_ack_is_reset(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(ACK, .seq = 5, .ack = 7);
	expect(RST, .seq = 7);
	peer_sends(SYN | ACK, .seq = 5, .ack = 7);
	expect(RST, .seq = 7);
	assert_state(TCPS_LISTEN);
}

static void test_listen_syn_is_answered_and_not_yet_accepted(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .mss = 1460);
	expect(SYN | ACK, .seq = 0, .ack = 1, .mss = l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	assert_verdict(TCPV_SYN_RECEIVED);
	assert_state(TCPS_SYN_RECEIVED);
	assert_int_equal(l.app.accepted, 0);
	assert_int_equal(tcp_counters(l.tcp)->connections_half_open, 1);
}

/* Each option only where the SYN carried it (RFC 7323, 2.2 and 3.2; RFC 2018, 2). */
static void test_listen_syn_is_answered_with_the_options_that_it_had(void **state)
{
	struct wire_segment answer;

	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .has_wscale = true, .wscale = 3);
	answer = expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_true(answer.has_wscale && !answer.timestamps && !answer.sack_permitted);
	l.tuple.remote_port++;
	l.iss_known = false;
	peer_sends(SYN, .timestamps = true, .tsval = 77);
	answer = expect(SYN | ACK, .seq = 0, .ack = 1, .timestamps = true, .tsecr = 77);
	assert_true(!answer.has_wscale && !answer.sack_permitted);
	l.tuple.remote_port++;
	l.iss_known = false;
	peer_sends(SYN, .sack_permitted = true);
	answer = expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_true(!answer.has_wscale && !answer.timestamps && answer.sack_permitted);
}

static void test_listen_syn_is_answered_without_what_the_settings_forbid(void **state)
{
	struct wire_segment answer;

	(void)state;
	l.settings.window_scaling = l.settings.timestamps = l.settings.sack = false;
	tcb_in_listen();
	peer_sends(SYN, .has_wscale = true, .wscale = 3, .timestamps = true, .tsval = 7, .sack_permitted = true);
	answer = expect(SYN | ACK, .seq = 0, .ack = 1);
	assert_false(answer.has_wscale || answer.timestamps || answer.sack_permitted);
}

/* RFC 7323, 2.2: the window of a SYN is never scaled. */
static void test_listen_syn_is_answered_with_an_unscaled_window(void **state)
{
	(void)state;
	l.settings.recv_buffer_bytes = 1 << 20;
	tcb_in_listen();
	peer_sends(SYN, .has_wscale = true, .wscale = 3);
	expect(SYN | ACK, .seq = 0, .ack = 1, .window = 65535);
}

/* MUST-6, MUST-64, RFC 5482, RFC 7413: what is not known is skipped, at any alignment. */
static void test_listen_syn_with_strange_options_is_answered(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN,
		   .raw = "\x01\xfd\x05"
			  "abc\x02\x04\x02\x18\x1c\x04\x00\x05\x22\x02",
		   .raw_bytes = 16);
	expect(SYN | ACK, .seq = 0, .ack = 1);
}

/* MUST-50: and the checksum is that of the addresses and the segment alone. */
static void test_listen_syn_with_unknown_ip_options_is_answered(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .mss = 1460, .ip_options = true);
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x", .ip_options = true);
	expect(ACK, .seq = 1, .ack = 2);
	app_reads("x");
}

/* MUST-7. */
static void test_listen_syn_with_an_option_of_illegal_length_is_dropped(void **state)
{
	static const char *const bad[] = { "\x02\x00\x05\xb4", "\x02\x01\x05\xb4", "\x02\x0c\x05\xb4",
					   "\x01\x01\x01\x02" };

	(void)state;
	tcb_in_listen();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		peer_sends(SYN, .raw = bad[i], .raw_bytes = 4);
		assert_verdict(TCPV_BAD_OPTIONS);
	}
	expect_nothing();
	peer_sends(SYN, .mss = 1000);
	expect(SYN | ACK, .seq = 0, .ack = 1);
}

/* RSVD. */
static void test_listen_syn_with_reserved_bits_is_answered_without(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .reserved = 15);
	expect(SYN | ACK, .seq = 0, .ack = 1);
}

static void test_listen_syn_with_text_takes_the_text_when_it_comes_again(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .text = "early");
	expect(SYN | ACK, .seq = 0, .ack = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "early");
	expect(ACK, .seq = 1, .ack = 6);
	app_reads("early");
}

static void test_listen_segment_without_syn_rst_or_ack_is_dropped(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(FIN, .seq = 5);
	peer_sends(0, .seq = 5, .text = "x");
	expect_nothing();
	assert_state(TCPS_LISTEN);
}

static void test_listen_wrong_checksum_is_dropped(void **state)
{
	(void)state;
	tcb_in_listen();
	peer_sends(SYN, .wrong_checksum = true);
	expect_nothing();
	assert_verdict(TCPV_BAD_CHECKSUM);
}

static void source_is_refused(__u32 first_word, __u32 last_word)
{
	memset(l.tuple.remote, 0, sizeof(l.tuple.remote));
	l.tuple.remote[0] = net32(first_word);
	if (l.tuple.family == FAMILY_IPV6)
		l.tuple.remote[3] = net32(last_word);
	peer_sends(SYN, .mss = 1460);
	assert_verdict(TCPV_BAD_ADDRESS);
	expect_nothing();
}

/* MUST-63. */
static void test_listen_syn_from_no_host_is_dropped(void **state)
{
	(void)state;
	tcb_in_listen();
	source_is_refused(0, 0);
	if (l.tuple.family == FAMILY_IPV4) {
		source_is_refused(0xffffffff, 0);
		source_is_refused(0xe0000001, 0);
		source_is_refused(0x7f000001, 0);
		source_is_refused(host32(l.tuple.local[0]), 0); /* LAND */
	} else {
		source_is_refused(0xff020000, 1);
		source_is_refused(0, 1);
	}
}

/* MUST-57. */
static void test_listen_syn_to_a_group_is_dropped(void **state)
{
	(void)state;
	tcb_in_listen();
	l.tuple.local[0] = net32(l.tuple.family == FAMILY_IPV4 ? 0xe0000001 : 0xff020000);
	peer_sends(SYN, .mss = 1460);
	assert_verdict(TCPV_BAD_ADDRESS);
	expect_nothing();
}

/* RFC 4987: what is half open is bounded, and what is there stays. */
static void test_listen_syn_beyond_the_backlog_is_dropped(void **state)
{
	(void)state;
	l.config.syn_received_max = 1;
	tcb_in_syn_received();
	assert_true(tcp_is_pressed(l.tcp));
	l.tuple.remote_port++;
	peer_sends(SYN, .mss = 1460);
	assert_verdict(TCPV_SYN_BACKLOG_FULL);
	expect_nothing();
	l.tuple.remote_port--;
	peer_sends(ACK, .seq = 1, .ack = 1);
	assert_state(TCPS_ESTABLISHED);
	assert_false(tcp_is_pressed(l.tcp));
}

static void test_listen_syn_beyond_the_connections_is_refused(void **state)
{
	(void)state;
	l.config.connections_max = 1;
	tcb_established();
	l.tuple.remote_port++;
	peer_sends(SYN, .mss = 1460);
	assert_verdict(TCPV_NO_ROOM);
	expect_anything();
	l.tuple.remote_port--;
	assert_state(TCPS_ESTABLISHED);
}

static void test_listen_unlisten_lets_syns_be_reset_and_connections_stay(void **state)
{
	(void)state;
	tcb_established();
	tcp_unlisten(l.tcp, l.listener);
	l.tuple.remote_port++;
	peer_sends(SYN);
	assert_verdict(TCPV_NO_LISTENER);
	expect_anything();
	l.tuple.remote_port--;
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "x");
	expect(ACK, .seq = 1, .ack = 2);
}

/* The more exact listener counts (3.9.1.1, MUST-42). */
static void test_listen_syn_goes_to_the_more_exact_listener(void **state)
{
	struct service_key exact = l.service;
	struct tcp_settings settings = l.settings;

	(void)state;
	memcpy(exact.address, l.tuple.local, sizeof(exact.address));
	settings.recv_buffer_bytes = 4096;
	tcb_in_listen();
	assert_non_null(tcp_listen(l.tcp, &exact, &ladder_application, NULL, &settings, &l.account));
	peer_sends(SYN);
	expect(SYN | ACK, .seq = 0, .ack = 1, .window = 4096);
}

static const struct daemon_hint cookie = {
	.mark = DAEMON_MARK,
	.kind = DAEMON_COOKIE_ACK,
	.snd_wscale = 2,
	.rcv_wscale = 7,
	.flags = FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS,
	.mss = 1000,
	.irs = 0xfffffff0, /* l.irs */
};

static void cookie_ack_comes(struct wire_segment ack)
{
	l.iss = 4711; /* XDP's SYN-ACK */
	l.iss_known = true;
	ack.timestamps = true;
	ack.tsval = ladder_peer_tsval();
	ack.tsecr = 100;
	ladder_peer_sends_as(&cookie, ack, true);
	l.timestamps = true;
}

static void test_listen_cookie_ack_is_accepted_on_its_terms(void **state)
{
	(void)state;
	tcb_in_listen();
	cookie_ack_comes((struct wire_segment){ .flags = ACK, .seq = 1, .ack = 1 });
	assert_verdict(TCPV_ACCEPTED);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.accepted, 1);
	expect_nothing();
	/* The peer's MSS less timestamps; the TSval goes on where XDP's clock was. */
	after_ms(7);
	assert_int_equal(app_sends_bytes(1500), 1500);
	expect(ACK, .seq = 1, .ack = 1, .length = 988, .tsval = 107);
}

static void test_listen_cookie_ack_with_text_and_fin_is_taken_whole(void **state)
{
	(void)state;
	tcb_in_listen();
	cookie_ack_comes((struct wire_segment){ .flags = FIN | ACK, .seq = 1, .ack = 1, .text = "all" });
	assert_state(TCPS_CLOSE_WAIT);
	expect(ACK, .seq = 1, .ack = 5);
	app_reads("all");
	app_reads_end();
}

/* Its ACK, and the first of its text, were lost between XDP and here. */
static void test_listen_text_behind_a_cookie_ack_that_was_lost_is_accepted(void **state)
{
	(void)state;
	tcb_in_listen();
	cookie_ack_comes((struct wire_segment){ .flags = ACK, .seq = 5, .ack = 1, .text = "last" });
	assert_verdict(TCPV_ACCEPTED);
	assert_state(TCPS_ESTABLISHED);
	expect(ACK, .seq = 1, .ack = 1, .blocks = { { 5, 9 } }, .block_count = 1);
	peer_sends(ACK, .seq = 1, .ack = 1, .text = "1st ");
	expect(ACK, .seq = 1, .ack = 9);
	app_reads("1st last");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_listen_rst_is_ignored),
		ladder_test(test_listen_ack_is_reset),
		ladder_test(test_listen_syn_is_answered_and_not_yet_accepted),
		ladder_test(test_listen_syn_is_answered_with_the_options_that_it_had),
		ladder_test(test_listen_syn_is_answered_without_what_the_settings_forbid),
		ladder_test(test_listen_syn_is_answered_with_an_unscaled_window),
		ladder_test(test_listen_syn_with_strange_options_is_answered),
		ladder_test(test_listen_syn_with_unknown_ip_options_is_answered),
		ladder_test(test_listen_syn_with_an_option_of_illegal_length_is_dropped),
		ladder_test(test_listen_syn_with_reserved_bits_is_answered_without),
		ladder_test(test_listen_syn_with_text_takes_the_text_when_it_comes_again),
		ladder_test(test_listen_segment_without_syn_rst_or_ack_is_dropped),
		ladder_test(test_listen_wrong_checksum_is_dropped),
		ladder_test(test_listen_syn_from_no_host_is_dropped),
		ladder_test(test_listen_syn_to_a_group_is_dropped),
		ladder_test(test_listen_syn_beyond_the_backlog_is_dropped),
		ladder_test(test_listen_syn_beyond_the_connections_is_refused),
		ladder_test(test_listen_unlisten_lets_syns_be_reset_and_connections_stay),
		ladder_test(test_listen_syn_goes_to_the_more_exact_listener),
		ladder_test(test_listen_cookie_ack_is_accepted_on_its_terms),
		ladder_test(test_listen_cookie_ack_with_text_and_fin_is_taken_whole),
		ladder_test(test_listen_text_behind_a_cookie_ack_that_was_lost_is_accepted),
	};

	return cmocka_run_group_tests_name("tcp_listen", tests, NULL, NULL);
}
