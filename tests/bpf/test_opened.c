// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Connections that this host opens, to a port that no service names: their handshakes packet by packet, and what is not
 * tracked. How they go on is in test_lives.c, what real sockets say in test_adoption.c.
 */
#include "ladder.h"

/* A tuple that this host is about to open, on which nothing has happened, in either family. */
static struct ladder begin(int family)
{
	shield_reset(NULL);
	shield_track_outgoing(true);
	return ladder_begin(ladder_families[family], PORT_EPHEMERAL);
}

/* clang-format off */

static void test_syn_sent_syn_ack_established(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
/*	  who    flags        seq  ack bytes  verdict             state             rcv_nxt  wup snd_nxt una */
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK,           1,   1,    0, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK,           1,   1,  100, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,   101,   1 },
	{ PEER,  ACK,           1, 101, 1000, V_SEGMENT,          TCPS_ESTABLISHED,    1001,   1,   101, 101 });
	}
}

/* Nobody answers for a minute; each SYN gives the record its time anew. */
static void test_syn_sent_syn_again_goes_on(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0, .later_s = 63 },
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0, .later_s = 63 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1, .later_s = 63 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_CHALLENGED,       TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK,           1,   1,    0, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,     1,   1 });
	}
}

static void test_syn_sent_deadline_passed_syn_ack_is_nobodys(void **state)
{
	struct half_open h;

	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 });
		assert_true(shield_half_open(&l.tuple, &h));
		assert_int_equal(h.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_SYN_SENT, 0));
		shield_advance(129 * NSEC_PER_SEC);
		assert_verdict(shield_receive_packet(&(struct packet_spec){ .tuple = l.tuple, .seq = l.irs,
			.ack = l.iss + 1, .flags = SYN | ACK }), V_NO_SERVICE);
	}
}

static void test_syn_sent_refused_by_exact_rst_only(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  RST,           0,   0,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ PEER,  RST,           1,   0,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ PEER,  RST | ACK,     0,   0,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ PEER,  RST | ACK,     0,   2,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ PEER,  RST | ACK,   555,   1,    0, V_HALF_OPEN_SEGMENT, NO_RECORD,             0,   0,     0,   0 },
	{ PEER,  RST | ACK,   555,   1,    0, V_NO_SERVICE,        NO_RECORD,             0,   0,     0,   0 });
	}
}

/* RFC 9293, 3.5.2: an old SYN-ACK is reset by the owner, and its SYN goes on. */
static void test_syn_sent_wrong_syn_ack_changes_nothing(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,   700, 777,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ OWNER, RST,         777,   0,    0, V_OWN_UNTRACKED,    TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   0,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 });
	}
}

/* The application gave up; the answer that comes all the same is reset. */
static void test_syn_sent_owner_resets_the_syn_ack_closed(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, RST,           1,   0,    0, V_OWN_SEGMENT,      TCPS_CLOSED,            1,   1,     1,   1 });
	}
}

/* RFC 9293, figure 7: SYNs cross, then SYN-ACKs. */
static void test_syn_sent_simultaneous_open_established(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN,           0,   0,    0, V_NO_SERVICE,       TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_SYN_ACK,      TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ PEER,  SYN,           0,   0,    0, V_NO_SERVICE,       TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ PEER,  RST,           5,   0,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_RECEIVED,     1,   1,     1,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_SYN_ACK,      TCPS_SYN_RECEIVED,      1,   1,     1,   0, .later_s = 1 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK,           1,   1,    0, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ PEER,  ACK,           1,   1,   10, V_SEGMENT,          TCPS_ESTABLISHED,      11,   1,     1,   1 });
	}
}

/* The peer's SYN-ACK is lost; the ACK that it sends next, having ours, completes the handshake as well. */
static void test_syn_received_after_crossing_ack_established(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN,           0,   0,    0, V_NO_SERVICE,       TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_SYN_ACK,      TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ PEER,  ACK,           1,   2,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_RECEIVED,     1,   1,     1,   0 },
	{ PEER,  ACK,           1,   1,    9, V_HALF_OPEN_ACK,    TCPS_ESTABLISHED,      10,   1,     1,   1 });
	}
}

static void test_syn_received_after_crossing_rst_exact_ended(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN,           0,   0,    0, V_NO_SERVICE,       TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ PEER,  RST,           1,   0,    0, V_HALF_OPEN_SEGMENT, NO_RECORD,             0,   0,     0,   0 });
	}
}

/* The same on a service's tuple: the SYN passes to its owner, and the last ACK counts as well. */
static void test_syn_sent_simultaneous_open_from_a_services_port(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = ladder_begin(ladder_families[family], PORT_OFF);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN,           0,   0,    0, V_SYN_OFF,          TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_SYN_ACK,      TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ PEER,  ACK,           1,   1,    0, V_HALF_OPEN_ACK,    TCPS_ESTABLISHED,       1,   1,     1,   1 });
	}
}

/* Linux takes neither text nor FIN with a SYN-ACK, and acknowledges the SYN alone: the peer sends them again. */
static void test_syn_sent_syn_ack_with_text_is_taken_without(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,   80, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK,           1,   1,    0, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ PEER,  ACK,           1,   1,   80, V_SEGMENT,          TCPS_ESTABLISHED,      81,   1,     1,   1 });
	}
}

/* RFC 7413: the SYN carries text, of which the peer takes all, or none, and that is sent again. */
static void test_syn_sent_fast_open_acknowledged_or_not(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,  120, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,   121,   0 },
	{ PEER,  SYN | ACK,     0, 121,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,   121, 121 },
	{ OWNER, ACK,         121,   1,   10, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,   131, 121 });
	}
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,  120, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,   121,   0 },
	{ PEER,  SYN | ACK,     0, 122,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_SENT,         0,   0,   121,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,   121,   1 },
	{ OWNER, ACK,           1,   1,  120, V_OWN_SEGMENT,      TCPS_ESTABLISHED,       1,   1,   121,   1 },
	{ PEER,  ACK,           1, 121,    0, V_SEGMENT,          TCPS_ESTABLISHED,       1,   1,   121, 121 });
	}
}

/* A server with TCP Fast Open sends before the handshake is complete; its segment has no socket here. */
static void test_syn_received_own_text_before_the_ack_is_acknowledged_with_it(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = ladder_begin(ladder_families[family], PORT_OFF);

		l.by_cookie = true; /* not ours, that is */
		ladder(&l,
	{ PEER,  SYN,           0,   0,    0, V_SYN_OFF,          NO_RECORD,              0,   0,     0,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_SYN_ACK,      TCPS_SYN_RECEIVED,      1,   1,     1,   0 },
	{ OWNER, ACK,           1,   1,  500, V_OWN_ANSWER,       TCPS_SYN_RECEIVED,      1,   1,   501,   0 },
	{ PEER,  ACK,           1, 502,    0, V_HALF_OPEN_SEGMENT, TCPS_SYN_RECEIVED,     1,   1,   501,   0 },
	{ PEER,  ACK,           1, 501,    0, V_HALF_OPEN_ACK,    TCPS_ESTABLISHED,       1,   1,   501, 501 });
	}
}

static void test_time_wait_own_syn_begins_anew(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 },
	{ OWNER, ACK | FIN,     1,   1,    0, V_OWN_SEGMENT,      TCPS_FIN_WAIT_1,        1,   1,     2,   1 },
	{ PEER,  ACK | FIN,     1,   2,    0, V_SEGMENT,          TCPS_TIME_WAIT,         2,   1,     2,   2 },
	{ PEER,  SYN,    10000000,   0,    0, V_NO_SERVICE,       TCPS_TIME_WAIT,         2,   1,     2,   2 },
	{ PEER,  RST,           2,   0,    0, V_TIME_WAIT_SEGMENT, TCPS_TIME_WAIT,        2,   1,     2,   2 });
		l.iss += 0x1000000;
		l.irs += 0x2000000;
		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 });
	}
}

/* The program saw no end of it; the owner, which opens it again, knows better. */
static void test_established_own_syn_with_another_number_begins_anew(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 });
		l.iss += 99;
		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 });
	}
}

/* What a SYN-ACK may agree on, as the record has it. */
static void test_syn_sent_syn_ack_agrees_on_terms(void **state)
{
	struct half_open h;
	struct flow f;

	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, V_OWN_SYN,          TCPS_SYN_SENT,          0,   0,     1,   0 });
		assert_true(shield_half_open(&l.tuple, &h));
		assert_int_equal(h.snd_tsval, l.own_tsval);
		ladder(&l,
	{ PEER,  SYN | ACK,     0,   1,    0, V_SYN_ACK,          TCPS_ESTABLISHED,       1,   1,     1,   1 });
		assert_true(shield_flow(&l.tuple, &f));
		assert_int_equal(f.flags, FLOW_OUTGOING | FLOW_WSCALE | FLOW_SACK | FLOW_TIMESTAMPS);
		assert_int_equal(f.mss, LADDER_MSS);
		assert_int_equal(f.snd_wscale, LADDER_WSCALE);
		assert_int_equal(f.rcv_wscale, LADDER_WSCALE);
		assert_int_equal(f.rcv_tsval, l.peer_tsval);
		assert_int_equal(f.irs, l.irs);
		assert_int_equal(f.iss, l.iss);
		assert_int_equal(f.rcv_edge, l.irs + 1 + (LADDER_WINDOW << LADDER_WSCALE >> 1));
		assert_int_equal(f.born_s, shield_now_ns() / NSEC_PER_SEC);
	}
}

/* --- what is not tracked --- */

/* The same packets where nobody asked for it: not one is looked at. */
static void test_not_asked_for_nothing_is_looked_at(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		shield_track_outgoing(false);
		ladder(&l,
	{ OWNER, SYN,           0,   0,    0, VERDICT_COUNT,      NO_RECORD,              0,   0,     0,   0 },
	{ PEER,  SYN | ACK,     0,   1,    0, V_NO_SERVICE,       NO_RECORD,              0,   0,     0,   0 },
	{ OWNER, ACK,           1,   1,    0, VERDICT_COUNT,      NO_RECORD,              0,   0,     0,   0 });
	}
}

/* Connections that come in on a port that no service names stay untracked. */
static void test_accepted_without_a_service_is_not_tracked(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l = begin(family);

		l.tuple.local_port = PORT_NO_SERVICE;
		ladder(&l,
	{ PEER,  SYN,           0,   0,    0, V_NO_SERVICE,       NO_RECORD,              0,   0,     0,   0 },
	{ OWNER, SYN | ACK,     0,   1,    0, V_OWN_UNTRACKED,    NO_RECORD,              0,   0,     0,   0 },
	{ PEER,  ACK,           1,   1,   10, V_NO_SERVICE,       NO_RECORD,              0,   0,     0,   0 },
	{ OWNER, ACK,           1,  11,   10, V_OWN_UNTRACKED,    NO_RECORD,              0,   0,     0,   0 },
	{ PEER,  ACK | FIN,    11,  11,    0, V_NO_SERVICE,       NO_RECORD,              0,   0,     0,   0 });
	}
}

/* clang-format on */

/* A driver without metadata has tc_ingress look closer, at services' packets only. */
static void test_without_metadata_other_ports_are_not_handed_over(void **state)
{
	struct packet_spec ack = {
		.tuple = shield_tuple(FAMILY_IPV4, PORT_NO_SERVICE), .seq = 1, .ack = 1, .flags = ACK
	};
	struct frame f;

	(void)state;
	shield_track_outgoing(true);
	shield_set_metadata_missing(true);
	packet_build(&f, &ack);
	assert_verdict(shield_hand_over(&f), VERDICT_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_sent_syn_ack_established, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_syn_again_goes_on, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_deadline_passed_syn_ack_is_nobodys, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_refused_by_exact_rst_only, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_wrong_syn_ack_changes_nothing, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_owner_resets_the_syn_ack_closed, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_simultaneous_open_established, shield_reset),
		cmocka_unit_test_setup(test_syn_received_after_crossing_ack_established, shield_reset),
		cmocka_unit_test_setup(test_syn_received_after_crossing_rst_exact_ended, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_simultaneous_open_from_a_services_port, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_syn_ack_with_text_is_taken_without, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_fast_open_acknowledged_or_not, shield_reset),
		cmocka_unit_test_setup(test_syn_received_own_text_before_the_ack_is_acknowledged_with_it, shield_reset),
		cmocka_unit_test_setup(test_time_wait_own_syn_begins_anew, shield_reset),
		cmocka_unit_test_setup(test_established_own_syn_with_another_number_begins_anew, shield_reset),
		cmocka_unit_test_setup(test_syn_sent_syn_ack_agrees_on_terms, shield_reset),
		cmocka_unit_test_setup(test_not_asked_for_nothing_is_looked_at, shield_reset),
		cmocka_unit_test_setup(test_accepted_without_a_service_is_not_tracked, shield_reset),
		cmocka_unit_test_setup(test_without_metadata_other_ports_are_not_handed_over, shield_reset),
	};

	return shield_run_tests("opened", tests, ARRAY_LEN(tests));
}
