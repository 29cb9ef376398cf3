// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From a right cookie to the listener's socket. Where the kernel must take the connection, the programs are attached to
 * this host's end of the wire and the peer's segments come from its other end: only there is a packet at TC ingress.
 *
 * Not here: real clients (tests/net).
 */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define WIRE_PATIENCE_MS 1000

static struct frame frame_of(const struct packet_spec *spec)
{
	struct frame f;

	packet_build(&f, spec);
	return f;
}

static void inject(const struct packet_spec *spec)
{
	struct frame f = frame_of(spec);

	sockets_inject(&f);
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

/* The tuple is free at once for the next test. */
static void close_by_reset(int fd)
{
	const struct linger reset = { .l_onoff = 1 };

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(fd);
}

/* --- on the wire --- */

static int attach(void **state)
{
	shield_reset(state);
	shield_attach(WIRE_HERE);
	return 0;
}

static int detach(void **state)
{
	(void)state;
	shield_detach();
	return 0;
}

static void assert_options_are_offered(int fd, const struct talk *t)
{
	struct tcp_info info;
	socklen_t length = sizeof(info);
	int options = (t->offer.has_timestamps ? TCPI_OPT_TIMESTAMPS : 0) |
		      (t->offer.sack_permitted ? TCPI_OPT_SACK : 0) |
		      (t->offer.wscale == TCP_WSCALE_NONE ? 0 : TCPI_OPT_WSCALE) | (t->ecn ? TCPI_OPT_ECN : 0);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
	assert_int_equal(info.tcpi_state, TCP_ESTABLISHED);
	assert_int_equal(info.tcpi_options & (TCPI_OPT_TIMESTAMPS | TCPI_OPT_SACK | TCPI_OPT_WSCALE | TCPI_OPT_ECN),
			 options);
	if (t->offer.wscale == TCP_WSCALE_NONE)
		return;
	assert_int_equal(info.tcpi_snd_wscale, t->offer.wscale);
	assert_int_equal(info.tcpi_rcv_wscale, SHIELD_RCV_WSCALE);
}

/* The first segment arrives, with data: a connection stands at the listener, and its answer takes the mark off. */
static void handover_makes_connection(const struct talk *offer)
{
	int listener = shield_listener(offer->tuple.family, PORT_ALWAYS), fd;
	__u64 handed_over = shield_count(V_HANDOVER);
	struct packet_spec first;
	struct talk t = *offer;
	char data[16];
	struct flow f;

	talk_get_cookie(&t);
	first = talk_peer_segment(&t, ACK | TCP_FLAG_PSH, 10);
	inject(&first);
	assert_true(is_readable(listener, WIRE_PATIENCE_MS));
	assert_true(shield_counts_to(V_HANDOVER, handed_over + 1));
	fd = accept(listener, NULL, NULL);
	assert_options_are_offered(fd, &t);
	assert_int_equal(recv(fd, data, sizeof(data), 0), 10);
	assert_int_equal(send(fd, data, 10, 0), 10);
	assert_true(shield_flow(&t.tuple, &f));
	assert_state(f.state, TCPS_ESTABLISHED);
	assert_int_equal(f.rcv_nxt, t.peer_nxt + 10);
	assert_int_equal(f.flags & (FLOW_COOKIE | FLOW_HANDOVER), FLOW_COOKIE);
	close_by_reset(fd);
	assert_false(shield_flow(&t.tuple, &f));
}

static void test_listener_cookie_ack_every_option_becomes_connection(void **state)
{
	(void)state;
	for (int bits = 0; bits < 32; bits++) {
		struct talk t;

		shield_reset(NULL);
		talk_init(&t, bits & 1 ? FAMILY_IPV6 : FAMILY_IPV4, PORT_ALWAYS);
		t.ecn = bits & 2;
		t.offer.sack_permitted = bits & 4;
		t.offer.has_timestamps = bits & 8;
		t.offer.wscale = bits & 16 ? 9 : TCP_WSCALE_NONE;
		handover_makes_connection(&t);
	}
}

static void test_listener_segment_before_cookie_ack_dropped_early(void **state)
{
	int listener = shield_listener(FAMILY_IPV4, PORT_ALWAYS);
	__u64 early = shield_count(V_HANDOVER_EARLY), handed_over = shield_count(V_HANDOVER);
	struct packet_spec first, second;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t); /* XDP has seen the ACK; it was lost before TC */
	first = talk_peer_segment(&t, ACK, 10);
	t.peer_nxt += 10;
	second = talk_peer_segment(&t, ACK, 20);
	inject(&second);
	assert_true(shield_counts_to(V_HANDOVER_EARLY, early + 1));
	assert_false(is_readable(listener, 0));
	inject(&first);
	assert_true(shield_counts_to(V_HANDOVER, handed_over + 1));
	assert_true(is_readable(listener, WIRE_PATIENCE_MS));
	close_by_reset(accept(listener, NULL, NULL));
}

/* Data close behind the handshake's ACK finds the listener still; it is not lost. */
static void test_listener_data_close_behind_cookie_ack_is_received(void **state)
{
	int listener = shield_listener(FAMILY_IPV4, PORT_ALWAYS), fd;
	struct packet_spec ack, data;
	char bytes[200];
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	data = talk_peer_segment(&t, ACK, sizeof(bytes));
	inject(&ack);
	inject(&data);
	assert_true(is_readable(listener, WIRE_PATIENCE_MS));
	fd = accept(listener, NULL, NULL);
	assert_true(is_readable(fd, WIRE_PATIENCE_MS));
	assert_int_equal(recv(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	close_by_reset(fd);
}

/* A cookie ACK whose connection is there: to its socket, and no second one. */
static void test_connection_cookie_ack_again_goes_to_its_socket(void **state)
{
	int listener = shield_listener(FAMILY_IPV6, PORT_ALWAYS);
	__u64 handed_over = shield_count(V_HANDOVER);
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	__u64 segments = shield_count(V_SEGMENT);

	inject(&ack);
	assert_true(shield_counts_to(V_HANDOVER, handed_over + 1));
	inject(&ack);
	assert_true(shield_counts_to(V_SEGMENT, segments + 1));
	assert_true(shield_counts_to(V_HANDOVER, handed_over + 1));
	assert_true(is_readable(listener, WIRE_PATIENCE_MS));
	close_by_reset(accept(listener, NULL, NULL));
	assert_false(is_readable(listener, 0));
}

/* --- by test run, without metadata: the record tells --- */

static int no_metadata(void **state)
{
	shield_reset(state);
	shield_set_metadata_missing(true);
	return 0;
}

static void test_no_metadata_record_waiting_segment_judged_like_hinted(void **state)
{
	struct packet_spec first, second;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	first = talk_peer_segment(&t, ACK, 0);
	f = frame_of(&first);
	assert_verdict(shield_hand_over(&f),
		       V_HANDOVER_REFUSED); /* a test run is not TC ingress, so the kernel refuses */
	second = talk_peer_segment(&t, ACK, 5);
	second.seq++;
	f = frame_of(&second);
	o = shield_hand_over(&f);
	assert_noted(o, V_HANDOVER_AGAIN);
	assert_int_equal(o.action, TC_ACT_REDIRECT);
	assert_verdict(shield_hand_over_again(&f), V_HANDOVER_EARLY);
}

static void test_no_metadata_established_segment_untouched(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_peer_segment(&t, ACK, 7);
	f = frame_of(&spec);
	assert_verdict(shield_hand_over(&f), VERDICT_COUNT);
}

static void test_no_metadata_flow_table_full_cookie_ack_verified(void **state)
{
	struct packet_spec ack;
	struct outcome o;
	struct frame f;
	struct talk t;

	(void)state;
	assert_int_equal(shield_fill_flows(), SHIELD_FLOWS);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	o = shield_receive_packet(&ack);
	assert_verdict(o, V_COOKIE_ACK);
	assert_noted(o, V_FLOWS_FULL);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	f = frame_of(&ack);
	assert_verdict(shield_hand_over(&f), V_HANDOVER_REFUSED); /* as far as a test run goes */
}

static void test_waiting_cookie_gone_stale_passed(void **state)
{
	struct packet_spec ack;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_open(&t);
	shield_advance(100 * NSEC_PER_SEC);
	talk_peer_sends(&t, ACK, 0); /* keeps the record, not the cookie */
	shield_advance(100 * NSEC_PER_SEC);
	ack = talk_peer_segment(&t, ACK, 0);
	f = frame_of(&ack);
	assert_verdict(shield_hand_over(&f), V_HANDOVER_STALE);
}

static void test_waiting_listener_gone_passed(void **state)
{
	int fd = sockets_listen(FAMILY_IPV6, PORT_UNHEARD);
	struct packet_spec ack;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_UNHEARD);
	talk_open(&t);
	close(fd);
	ack = talk_peer_segment(&t, ACK, 0);
	f = frame_of(&ack);
	assert_verdict(shield_hand_over(&f), V_HANDOVER_NO_LISTENER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listener_cookie_ack_every_option_becomes_connection, attach,
						detach),
		cmocka_unit_test_setup_teardown(test_listener_segment_before_cookie_ack_dropped_early, attach, detach),
		cmocka_unit_test_setup_teardown(test_listener_data_close_behind_cookie_ack_is_received, attach, detach),
		cmocka_unit_test_setup_teardown(test_connection_cookie_ack_again_goes_to_its_socket, attach, detach),
		cmocka_unit_test_setup(test_no_metadata_record_waiting_segment_judged_like_hinted, no_metadata),
		cmocka_unit_test_setup(test_no_metadata_established_segment_untouched, no_metadata),
		cmocka_unit_test_setup(test_no_metadata_flow_table_full_cookie_ack_verified, no_metadata),
		cmocka_unit_test_setup(test_waiting_cookie_gone_stale_passed, no_metadata),
		cmocka_unit_test_setup(test_waiting_listener_gone_passed, no_metadata),
	};

	return shield_run_tests("handover", tests, ARRAY_LEN(tests));
}
