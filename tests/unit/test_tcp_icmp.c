// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors (RFC 9293, 3.9.2.2; RFC 5461; RFC 5927), and what they do to the size of segments (RFC 1191, RFC 8201).
 */
#include "tcp_ladder.h"

/* Type and code of each family; type 0: the family has no such error. */
struct error {
	__u8 type4, code4, type6, code6;
};

static const struct error net_unreachable = { 3, 0, 1, 0 };
static const struct error host_unreachable = { 3, 1, 1, 3 };
static const struct error protocol_unreachable = { 3, 2, 4, 1 };
static const struct error port_unreachable = { 3, 3, 1, 4 };
static const struct error too_big = { 3, 4, 2, 0 };
static const struct error route_failed = { 3, 5, 1, 5 };
static const struct error time_exceeded = { 11, 0, 3, 0 };
static const struct error parameter_problem = { 12, 0, 4, 0 };
static const struct error quench = { 4, 0, 0, 0 };

/* An error that quotes the first bytes of a segment that we sent at seq; the TCP goes to work with what comes next. */
static void router_says_more(const struct error *e, __u32 mtu, __u32 seq)
{
	static __u8 frame[256];
	struct wire_segment quoted = { .flags = ACK, .seq = l.iss + seq, .ack = l.irs + 1 };
	bool v4 = l.tuple.family == FAMILY_IPV4;
	__u8 *ip = frame + WIRE_ETH_BYTES, *icmp = ip + wire_ip_bytes(&l.tuple);
	__u32 bytes = 8 + wire_ip_bytes(&l.tuple) + 8;
	static __u8 segment[WIRE_FRAME_MAX];
	const struct daemon_hint hint = { .mark = DAEMON_MARK, .kind = DAEMON_ICMP };
	__u32 sum = v4 ? 0 : IPPROTO_ICMPV6 + bytes;

	wire_put_ethernet(frame, &l.tuple);
	memset(icmp, 0, 8);
	icmp[0] = v4 ? e->type4 : e->type6;
	icmp[1] = v4 ? e->code4 : e->code6;
	wire_put32(icmp + 4, mtu);
	wire_write(segment, &l.tuple, false, &quoted);
	memcpy(icmp + 8, segment + WIRE_ETH_BYTES, bytes - 8);
	wire_put_ip(ip, &l.tuple, true, &(struct wire_segment){}, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6, bytes);
	sum = wire_sum(sum, icmp, bytes);
	wire_put16(icmp + 2, (__u16) ~(v4 ? sum : wire_sum(sum, ip + 8, 32)));
	ladder_input(&hint, frame, (__u32)(icmp - frame) + bytes);
}

static void router_says(const struct error *e, __u32 mtu, __u32 seq)
{
	router_says_more(e, mtu, seq);
	ladder_work();
}

static void text_is_in_flight(void)
{
	l.offer.mss = 1460;
	tcb_established();
	app_sends_bytes(1400);
	expect(ACK, .seq = 1, .ack = 1, .length = 1400);
}

/* MUST-54, 5927: only of what is in flight. */
static void test_icmp_of_another_sequence_number_is_ignored(void **state)
{
	(void)state;
	text_is_in_flight();
	router_says(&too_big, 1300, 0);
	assert_verdict(TCPV_ICMP_IGNORED);
	router_says(&too_big, 1300, 1401);
	assert_verdict(TCPV_ICMP_IGNORED);
	router_says(&host_unreachable, 0, 1 << 20);
	assert_verdict(TCPV_ICMP_IGNORED);
	assert_int_equal(l.app.advised, 0);
	expect_nothing();
}

static void test_icmp_of_another_connection_is_ignored(void **state)
{
	(void)state;
	text_is_in_flight();
	l.tuple.remote_port++;
	router_says(&too_big, 1300, 1);
	l.tuple.remote_port--;
	assert_verdict(TCPV_ICMP_IGNORED);
	expect_nothing();
}

/* MUST-56, MUST-47, SHLD-25 */
static void test_icmp_soft_errors_are_told_and_end_nothing(void **state)
{
	static const struct error *const soft[] = { &net_unreachable, &host_unreachable, &route_failed, &time_exceeded,
						    &parameter_problem };

	(void)state;
	l.settings.soft_errors = true;
	text_is_in_flight();
	for (size_t i = 0; i < ARRAY_LEN(soft); i++) {
		router_says(soft[i], 0, 1);
		assert_verdict(TCPV_ICMP_TAKEN);
		assert_int_equal(l.app.advised, i + 1);
		assert_true(l.app.advice < 0);
	}
	assert_state(TCPS_ESTABLISHED);
	peer_sends(ACK, .seq = 1, .ack = 1401, .text = "x");
	expect(ACK, .seq = 1401, .ack = 2);
}

/* SHLD-20 */
static void test_icmp_soft_errors_are_not_told_unless_asked_for(void **state)
{
	(void)state;
	l.settings.soft_errors = false;
	text_is_in_flight();
	router_says(&host_unreachable, 0, 1);
	assert_int_equal(l.app.advised, 0);
	assert_state(TCPS_ESTABLISHED);
}

static void test_icmp_soft_error_is_not_told_of_what_has_ended(void **state)
{
	(void)state;
	l.settings.soft_errors = true;
	tcb_in_fin_wait_1();
	router_says_more(&host_unreachable, 0, 1);
	assert_verdict(TCPV_ICMP_TAKEN);
	peer_sends(FIN | ACK, .seq = 1, .ack = 2);
	assert_state(TCPS_TIME_WAIT);
	assert_int_equal(l.app.advised, 0);
	expect_anything();
}

/* SHLD-26, as RFC 5461 has it: a connection that stands does not fall by what anybody could have sent. */
static void test_icmp_hard_errors_end_no_connection_that_stands(void **state)
{
	(void)state;
	l.settings.soft_errors = true;
	text_is_in_flight();
	router_says(&protocol_unreachable, 0, 1);
	router_says(&port_unreachable, 0, 1);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.closed, 0);
}

static void test_icmp_hard_error_ends_an_open(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	router_says(&port_unreachable, 0, 0);
	assert_state(TCPS_CLOSED);
	assert_closed(-ECONNREFUSED);
}

static void test_icmp_soft_error_does_not_end_an_open(void **state)
{
	(void)state;
	tcb_in_syn_sent();
	router_says(&host_unreachable, 0, 0);
	assert_state(TCPS_SYN_SENT);
	assert_int_equal(l.app.closed, 0);
}

/* A keepalive probe is out, at number 0. */
static void keepalive_probe_is_out(void)
{
	l.settings.soft_errors = true;
	l.settings.keepalive = true;
	l.settings.keepalive_idle_ms = 10000;
	l.settings.keepalive_interval_ms = 2000;
	l.settings.keepalive_probes = 3;
	tcb_established();
	after_ms(10010);
	expect(ACK, .seq = 0, .ack = 1);
}

/* 3.9.2.2, SHLD-26: nothing that a guess could have met is in flight, and the peer itself says that it knows nothing.
 */
static void test_icmp_refusal_of_a_keepalive_probe_ends_the_connection(void **state)
{
	(void)state;
	keepalive_probe_is_out();
	router_says(&port_unreachable, 0, 0);
	assert_verdict(TCPV_ICMP_TAKEN);
	assert_closed(-ECONNREFUSED);
	assert_int_equal(tcp_counters(l.tcp)->keepalives_refused, 1);
	assert_int_equal(tcp_counters(l.tcp)->connections, 0);
	expect_nothing();
}

static void test_icmp_other_errors_about_a_keepalive_probe_are_soft(void **state)
{
	static const struct error prohibited = { 3, 13, 1, 1 };

	(void)state;
	keepalive_probe_is_out();
	router_says(&host_unreachable, 0, 0);
	assert_verdict(TCPV_ICMP_TAKEN);
	assert_int_equal(l.app.advised, 1);
	router_says(&prohibited, 0, 0);
	assert_verdict(TCPV_ICMP_TAKEN);
	assert_int_equal(l.app.advised, 2);
	router_says(&too_big, 1300, 0);
	assert_verdict(TCPV_ICMP_IGNORED);
	assert_int_equal(ladder_status().mss_bytes, l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(tcp_counters(l.tcp)->keepalives_refused, 0);
}

static void test_icmp_refusal_of_what_is_no_keepalive_probe_is_ignored(void **state)
{
	(void)state;
	keepalive_probe_is_out();
	router_says(&port_unreachable, 0, 1);
	assert_verdict(TCPV_ICMP_IGNORED);
	router_says(&port_unreachable, 0, (__u32)-1);
	assert_verdict(TCPV_ICMP_IGNORED);
	peer_sends(ACK, .seq = 1, .ack = 1); /* it is answered */
	router_says(&port_unreachable, 0, 0);
	assert_verdict(TCPV_ICMP_IGNORED);
	assert_state(TCPS_ESTABLISHED);
}

static void test_icmp_refusal_of_a_keepalive_probe_before_what_is_in_flight_is_ignored(void **state)
{
	(void)state;
	keepalive_probe_is_out();
	app_sends("xyz");
	expect(PSH | ACK, .seq = 1, .ack = 1, .text = "xyz");
	router_says(&port_unreachable, 0, 0);
	assert_verdict(TCPV_ICMP_IGNORED);
	router_says(&port_unreachable, 0, 3); /* SND.NXT-1, but it is text */
	assert_verdict(TCPV_ICMP_TAKEN);
	assert_state(TCPS_ESTABLISHED);
	assert_int_equal(l.app.closed, 0);
}

/* MUST-55; IPv6 has none. */
static void test_icmp_source_quench_is_ignored(void **state)
{
	__u32 before;

	(void)state;
	text_is_in_flight();
	if (l.tuple.family == FAMILY_IPV6)
		return;
	before = ladder_status().cwnd_bytes;
	router_says(&quench, 0, 1);
	assert_int_equal(ladder_status().cwnd_bytes, before);
	assert_int_equal(l.app.advised, 0);
	expect_nothing();
}

/* PMTU */
static void test_icmp_too_big_sends_again_in_smaller_pieces(void **state)
{
	__u32 headers = wire_ip_bytes(&l.tuple) + 20;

	(void)state;
	text_is_in_flight();
	router_says(&too_big, 1300, 1);
	assert_verdict(TCPV_ICMP_TAKEN);
	expect(ACK, .seq = 1, .ack = 1, .length = 1300 - headers);
	assert_int_equal(ladder_status().mss_bytes, 1300 - headers);
	peer_sends(ACK, .seq = 1, .ack = 1 + 1300 - headers);
	expect(ACK, .seq = 1 + 1300 - headers, .ack = 1, .length = 1400 - 1300 + headers);
}

/* RFC 5927, 7.3: it never makes segments tiny; larger than what is there it says nothing. */
static void test_icmp_too_big_is_believed_within_reason(void **state)
{
	(void)state;
	text_is_in_flight();
	router_says(&too_big, 9000, 1);
	assert_int_equal(ladder_status().mss_bytes, l.tuple.family == FAMILY_IPV4 ? 1460 : 1440);
	router_says(&too_big, 70, 1);
	assert_true(ladder_status().mss_bytes >= (l.tuple.family == FAMILY_IPV4 ? 500 : 1220));
	expect_anything();
}

/* RFC 1191, 5: an old router does not say how much it takes. */
static void test_icmp_too_big_without_a_size_takes_the_next_plateau(void **state)
{
	(void)state;
	text_is_in_flight();
	if (l.tuple.family == FAMILY_IPV6)
		return; /* RFC 4443, 3.2: it always says */
	router_says(&too_big, 0, 1);
	assert_in_range(ladder_status().mss_bytes, 500, 1452);
	expect_anything();
}

/* RFC 4821, RFC 2923: no ICMP comes at all; smaller segments are tried. */
static void test_icmp_missing_black_hole_is_found_by_time_outs(void **state)
{
	bool small = false;

	(void)state;
	l.settings.user_timeout_ms = 600000;
	text_is_in_flight();
	for (int s = 0; s < 120 && !small; s++) {
		after_ms(1000);
		while (l.count) {
			struct wire_segment segment = ladder_take(__FILE__, __LINE__);

			ladder_free_taken();
			small |= segment.length && segment.length <= 1230;
		}
	}
	assert_true(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ladder_test(test_icmp_of_another_sequence_number_is_ignored),
		ladder_test(test_icmp_of_another_connection_is_ignored),
		ladder_test(test_icmp_soft_errors_are_told_and_end_nothing),
		ladder_test(test_icmp_soft_errors_are_not_told_unless_asked_for),
		ladder_test(test_icmp_soft_error_is_not_told_of_what_has_ended),
		ladder_test(test_icmp_hard_errors_end_no_connection_that_stands),
		ladder_test(test_icmp_hard_error_ends_an_open),
		ladder_test(test_icmp_soft_error_does_not_end_an_open),
		ladder_test(test_icmp_refusal_of_a_keepalive_probe_ends_the_connection),
		ladder_test(test_icmp_other_errors_about_a_keepalive_probe_are_soft),
		ladder_test(test_icmp_refusal_of_what_is_no_keepalive_probe_is_ignored),
		ladder_test(test_icmp_refusal_of_a_keepalive_probe_before_what_is_in_flight_is_ignored),
		ladder_test(test_icmp_source_quench_is_ignored),
		ladder_test(test_icmp_too_big_sends_again_in_smaller_pieces),
		ladder_test(test_icmp_too_big_is_believed_within_reason),
		ladder_test(test_icmp_too_big_without_a_size_takes_the_next_plateau),
		ladder_test(test_icmp_missing_black_hole_is_found_by_time_outs),
	};

	return cmocka_run_group_tests_name("tcp_icmp", tests, NULL, NULL);
}
