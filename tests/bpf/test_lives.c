// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Whole lives of connections, accepted by a cookie and opened by this host, the peer's segments through XDP and the
 * owner's through tc_egress. State and numbers are looked at after each packet.
 *
 * Not here: how a connection opens (test_cookie_ack.c, test_half_open.c, test_opened.c), what a real socket says
 * (test_adoption.c), and every field of the record after any segment (test_agreement.c).
 */
#include "ladder.h"
#include "talk.h"

#define FIN_ACK (FIN | ACK)

/* Climbs the table with a connection of each kind. */
#define assert_life(...)                                                                                               \
	for (int i_ = 0; i_ < LADDER_CONNECTIONS; i_++) {                                                              \
		struct ladder l_ = ladder_connection(i_);                                                              \
                                                                                                                       \
		ladder(&l_, __VA_ARGS__);                                                                              \
	}

/* clang-format off */

static void test_established_data_both_ways_numbers_go_on(void **state)
{
	(void)state;
	assert_life(
/*	  who    flags        seq   ack bytes  verdict          state             rcv_nxt  wup snd_nxt  una */
	{ PEER,  ACK,           1,    1,  100, V_SEGMENT,       TCPS_ESTABLISHED,     101,   1,     1,    1 },
	{ OWNER, ACK,           1,  101,  700, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     101, 101,   701,    1 },
	{ PEER,  ACK,         101,  701,    0, V_SEGMENT,       TCPS_ESTABLISHED,     101, 101,   701,  701 },
	{ OWNER, ACK,         701,  101, 1400, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     101, 101,  2101,  701 },
	{ OWNER, ACK,        2101,  101,  400, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     101, 101,  2501,  701 },
	{ PEER,  ACK,         101, 2101, 1400, V_SEGMENT,       TCPS_ESTABLISHED,    1501, 101,  2501, 2101 });
}

static void test_established_sent_again_changes_no_number(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  ACK,           1,    1,  200, V_SEGMENT,       TCPS_ESTABLISHED,     201,   1,     1,    1 },
	{ PEER,  ACK,           1,    1,  200, V_SEGMENT,       TCPS_ESTABLISHED,     201,   1,     1,    1 },
	{ OWNER, ACK,           1,  201,  300, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     201, 201,   301,    1 },
	{ OWNER, ACK,           1,  201,  300, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     201, 201,   301,    1, .later_s = 1 },
	{ PEER,  ACK,           1,    1,  199, V_OUT_OF_WINDOW, TCPS_ESTABLISHED,     201, 201,   301,    1 },
	{ PEER,  ACK,           1,    1,  200, V_SEGMENT,       TCPS_ESTABLISHED,     201, 201,   301,    1 },
	{ PEER,  ACK,           1,  301,  250, V_SEGMENT,       TCPS_ESTABLISHED,     251, 201,   301,  301 });
}

/* Three segments, of which the first comes last; acknowledgements that overtake one another. */
static void test_established_out_of_order_numbers_wait_for_the_hole(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, ACK,           1,    1, 1000, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,  1001,    1 },
	{ PEER,  ACK,         101, 1001,  100, V_SEGMENT,       TCPS_ESTABLISHED,       1,   1,  1001, 1001 },
	{ OWNER, ACK,        1001,    1,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,  1001, 1001 },
	{ PEER,  ACK,         201,  501,  100, V_SEGMENT,       TCPS_ESTABLISHED,       1,   1,  1001, 1001 },
	{ PEER,  ACK,           1,    1,  100, V_SEGMENT,       TCPS_ESTABLISHED,     101,   1,  1001, 1001 },
	{ OWNER, ACK,        1001,  301,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,     301, 301,  1001, 1001 });
}

static void test_established_fin_before_missing_data_waits_for_it(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  FIN_ACK,     101,    1,    0, V_SEGMENT,       TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, ACK,           1,    1,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  ACK,           1,    1,  100, V_SEGMENT,       TCPS_CLOSE_WAIT,      102,   1,     1,    1 });
}

static void test_established_owner_closes_first_time_wait(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,   10, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,    12,    1 },
	{ PEER,  ACK,           1,   11,    0, V_SEGMENT,       TCPS_FIN_WAIT_1,        1,   1,    12,   11 },
	{ PEER,  ACK,           1,   12,    0, V_SEGMENT,       TCPS_FIN_WAIT_2,        1,   1,    12,   12 },
	{ PEER,  FIN_ACK,       1,   12,    0, V_SEGMENT,       TCPS_TIME_WAIT,         2,   1,    12,   12 },
	{ OWNER, ACK,          12,    2,    0, V_OWN_UNTRACKED, TCPS_TIME_WAIT,         2,   2,    12,   12 },
	{ PEER,  FIN_ACK,       1,   12,    0, V_TIME_WAIT_SEGMENT, TCPS_TIME_WAIT,     2,   2,    12,   12 },
	{ PEER,  ACK,           2,   12,    9, V_TIME_WAIT_SEGMENT, TCPS_TIME_WAIT,     2,   2,    12,   12 },
	{ PEER,  RST,           2,    0,    0, V_TIME_WAIT_SEGMENT, TCPS_TIME_WAIT,     2,   2,    12,   12 });
}

static void test_fin_wait_1_fin_with_ack_of_fin_time_wait(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  FIN_ACK,       1,    2,   20, V_SEGMENT,       TCPS_TIME_WAIT,        22,   1,     2,    2 });
}

static void test_established_peer_closes_first_closed(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  FIN_ACK,       1,    1,    5, V_SEGMENT,       TCPS_CLOSE_WAIT,        7,   1,     1,    1 },
	{ OWNER, ACK,           1,    7,  300, V_OWN_SEGMENT,   TCPS_CLOSE_WAIT,        7,   7,   301,    1 },
	{ OWNER, FIN_ACK,     301,    7,    0, V_OWN_SEGMENT,   TCPS_LAST_ACK,          7,   7,   302,    1 },
	{ PEER,  ACK,           7,  301,    0, V_SEGMENT,       TCPS_LAST_ACK,          7,   7,   302,  301 },
	{ PEER,  ACK,           7,  302,    0, V_SEGMENT,       TCPS_CLOSED,            7,   7,   302,  302 });
}

/* RFC 9293, figure 13: the FINs cross, and neither acknowledges the other. */
static void test_fin_wait_1_fin_without_ack_of_fin_closing(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  FIN_ACK,       1,    1,    0, V_SEGMENT,       TCPS_CLOSING,           2,   1,     2,    1 },
	{ OWNER, ACK,           2,    2,    0, V_OWN_SEGMENT,   TCPS_CLOSING,           2,   2,     2,    1 },
	{ PEER,  FIN_ACK,       1,    1,    0, V_SEGMENT,       TCPS_CLOSING,           2,   2,     2,    1 },
	{ PEER,  ACK,           2,    2,    0, V_SEGMENT,       TCPS_TIME_WAIT,         2,   2,     2,    2 });
}

/* The owner has said all that it has, and listens for eight hours. */
static void test_fin_wait_2_data_goes_on_for_hours(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  ACK,           1,    2,    0, V_SEGMENT,       TCPS_FIN_WAIT_2,        1,   1,     2,    2 },
	{ PEER,  ACK,           1,    2,  500, V_SEGMENT,       TCPS_FIN_WAIT_2,      501,   1,     2,    2, .later_s = 4 * 3600 },
	{ OWNER, ACK,           2,  501,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_2,      501, 501,     2,    2 },
	{ PEER,  ACK,         501,    2,  500, V_SEGMENT,       TCPS_FIN_WAIT_2,     1001, 501,     2,    2, .later_s = 4 * 3600 },
	{ OWNER, ACK,           2, 1001,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_2,     1001, 1001,    2,    2 },
	{ PEER,  FIN_ACK,    1001,    2,    0, V_SEGMENT,       TCPS_TIME_WAIT,      1002, 1001,    2,    2 });
}

/* The peer has said all that it has, and the owner answers for eight hours. Then no cookie is to be replayed any more. */
static void test_close_wait_data_goes_on_for_hours(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  FIN_ACK,       1,    1,    0, V_SEGMENT,       TCPS_CLOSE_WAIT,        2,   1,     1,    1 },
	{ OWNER, ACK,           1,    2,  500, V_OWN_SEGMENT,   TCPS_CLOSE_WAIT,        2,   2,   501,    1, .later_s = 4 * 3600 },
	{ PEER,  ACK,           2,  501,    0, V_SEGMENT,       TCPS_CLOSE_WAIT,        2,   2,   501,  501 },
	{ OWNER, ACK,         501,    2,  500, V_OWN_SEGMENT,   TCPS_CLOSE_WAIT,        2,   2,  1001,  501, .later_s = 4 * 3600 },
	{ PEER,  ACK,           2, 1001,    0, V_SEGMENT,       TCPS_CLOSE_WAIT,        2,   2,  1001, 1001 },
	{ OWNER, FIN_ACK,    1001,    2,    0, V_OWN_SEGMENT,   TCPS_LAST_ACK,          2,   2,  1002, 1001 },
	{ PEER,  ACK,           2, 1002,    0, V_SEGMENT,       NO_RECORD,              0,   0,     0,    0 });
}

static void test_fin_wait_1_own_fin_lost_and_sent_again(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  ACK,           1,    1,   50, V_SEGMENT,       TCPS_FIN_WAIT_1,       51,   1,     2,    1 },
	{ OWNER, FIN_ACK,       1,   51,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,       51,  51,     2,    1, .later_s = 1 },
	{ OWNER, FIN_ACK,       1,   51,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,       51,  51,     2,    1, .later_s = 60 },
	{ PEER,  ACK,          51,    2,    0, V_SEGMENT,       TCPS_FIN_WAIT_2,       51,  51,     2,    2 });
}

static void test_close_wait_peers_fin_again_and_own_fin_again(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  FIN_ACK,       1,    1,    9, V_SEGMENT,       TCPS_CLOSE_WAIT,       11,   1,     1,    1 },
	{ PEER,  FIN_ACK,       1,    1,    9, V_SEGMENT,       TCPS_CLOSE_WAIT,       11,   1,     1,    1 },
	{ OWNER, ACK,           1,   11,    0, V_OWN_SEGMENT,   TCPS_CLOSE_WAIT,       11,  11,     1,    1 },
	{ PEER,  FIN_ACK,       1,    1,    9, V_SEGMENT,       TCPS_CLOSE_WAIT,       11,  11,     1,    1, .later_s = 1 },
	{ OWNER, FIN_ACK,       1,   11,    0, V_OWN_SEGMENT,   TCPS_LAST_ACK,         11,  11,     2,    1 },
	{ OWNER, FIN_ACK,       1,   11,    0, V_OWN_SEGMENT,   TCPS_LAST_ACK,         11,  11,     2,    1, .later_s = 1 },
	{ PEER,  ACK,          11,    2,    0, V_SEGMENT,       TCPS_CLOSED,           11,  11,     2,    2 });
}

/* Both ends ask whether the other lives: one octet before what is next, with garbage or without. */
static void test_established_probes_both_ways_change_no_number(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  ACK,           1,    1,   10, V_SEGMENT,       TCPS_ESTABLISHED,      11,   1,     1,    1 },
	{ OWNER, ACK,           1,   11,   10, V_OWN_SEGMENT,   TCPS_ESTABLISHED,      11,  11,    11,    1 },
	{ PEER,  ACK,          11,   11,    0, V_SEGMENT,       TCPS_ESTABLISHED,      11,  11,    11,   11 },
	{ PEER,  ACK,          10,   11,    0, V_SEGMENT,       TCPS_ESTABLISHED,      11,  11,    11,   11, .later_s = 7200 },
	{ OWNER, ACK,          11,   11,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,      11,  11,    11,   11 },
	{ PEER,  ACK,          10,   11,    1, V_SEGMENT,       TCPS_ESTABLISHED,      11,  11,    11,   11, .later_s = 7200 },
	{ OWNER, ACK,          10,   11,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,      11,  11,    11,   11, .later_s = 7200 },
	{ PEER,  ACK,          11,   11,    0, V_SEGMENT,       TCPS_ESTABLISHED,      11,  11,    11,   11 },
	{ OWNER, ACK,          10,   11,    1, V_OWN_SEGMENT,   TCPS_ESTABLISHED,      11,  11,    11,   11, .later_s = 7200 });
}

/* RFC 5961: what does not fit passes, steps nothing, and the owner challenges it. */
static void test_established_blind_segments_change_nothing(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  RST,   0x1000000,    0,    0, V_OUT_OF_WINDOW, TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  RST,        1000,    0,    0, V_CHALLENGED,    TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, ACK,           1,    1,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  SYN | ACK,     0,    1,    0, V_CHALLENGED,    TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  SYN | ACK, 0x1000000, 1,   0, V_CHALLENGED,    TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, ACK,           1,    1,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  FIN_ACK, 0x1000000,  1,   10, V_OUT_OF_WINDOW, TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  FIN_ACK,       1,    2,   10, V_BAD_ACK,       TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  FIN,           1,    0,   10, V_NO_ACK_BIT,    TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, RST,   0x1000000,    0,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  ACK,           1,    1,   10, V_SEGMENT,       TCPS_ESTABLISHED,      11,   1,     1,    1 },
	{ PEER,  RST,          11,    0,    0, V_SEGMENT,       TCPS_CLOSED,           11,   1,     1,    1 });
}

/* The same while it closes. */
static void test_closing_states_blind_segments_change_nothing(void **state)
{
	(void)state;
	assert_life(
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  RST,         100,    0,    0, V_CHALLENGED,    TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  SYN | ACK,     1,    2,    0, V_CHALLENGED,    TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  FIN_ACK, 0x1000000,  2,    0, V_OUT_OF_WINDOW, TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  ACK,           1,    3,    0, V_BAD_ACK,       TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  ACK,           1,    2,    0, V_SEGMENT,       TCPS_FIN_WAIT_2,        1,   1,     2,    2 },
	{ PEER,  RST,         100,    0,    0, V_CHALLENGED,    TCPS_FIN_WAIT_2,        1,   1,     2,    2 },
	{ PEER,  FIN_ACK, 0x1000000,  2,    0, V_OUT_OF_WINDOW, TCPS_FIN_WAIT_2,        1,   1,     2,    2 },
	{ PEER,  RST,           1,    0,    0, V_SEGMENT,       TCPS_CLOSED,            1,   1,     2,    2 });
}

/* A peer that closes and then aborts sends the RST where its FIN stood, or behind it. */
static void test_close_wait_rst_at_the_fin_closed(void **state)
{
	(void)state;
	for (int behind = 0; behind < 2; behind++) {
		assert_life(
	{ PEER,  FIN_ACK,       1,    1,    0, V_SEGMENT,       TCPS_CLOSE_WAIT,        2,   1,     1,    1 },
	{ OWNER, ACK,           1,    2,    0, V_OWN_SEGMENT,   TCPS_CLOSE_WAIT,        2,   2,     1,    1 },
	{ PEER,  RST,           9,    0,    0, V_CHALLENGED,    TCPS_CLOSE_WAIT,        2,   2,     1,    1 },
	{ PEER,  RST,  1 + behind,    0,    0, V_SEGMENT,       TCPS_CLOSED,            2,   2,     1,    1 });
	}
}

/* Linux takes an abort that stands behind the last SACK block. */
static void test_established_rst_behind_a_hole_closed(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  ACK,         101,    1,  100, V_SEGMENT,       TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, ACK,           1,    1,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  RST,         200,    0,    0, V_CHALLENGED,    TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ PEER,  RST,         201,    0,    0, V_SEGMENT,       TCPS_CLOSED,            1,   1,     1,    1 });
}

static void test_established_rst_from_owner_closed(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  ACK,           1,    1,   50, V_SEGMENT,       TCPS_ESTABLISHED,      51,   1,     1,    1 },
	{ OWNER, RST | ACK,     1,   51,    0, V_OWN_SEGMENT,   TCPS_CLOSED,           51,   1,     1,    1 });
}

/* RFC 7323, 5: segments of long ago whose numbers happen to fit. */
static void test_established_old_segments_change_nothing(void **state)
{
	(void)state;
	assert_life(
	{ PEER,  ACK,           1,    1,   10, V_SEGMENT,       TCPS_ESTABLISHED,      11,   1,     1,    1, .later_s = 60 },
	{ PEER,  ACK,          11,    1,   10, V_OUT_OF_WINDOW, TCPS_ESTABLISHED,      11,   1,     1,    1, .older = 30000 },
	{ PEER,  FIN_ACK,      11,    1,    0, V_OUT_OF_WINDOW, TCPS_ESTABLISHED,      11,   1,     1,    1, .older = 30000 },
	{ OWNER, ACK,           1,   11,    0, V_OWN_SEGMENT,   TCPS_ESTABLISHED,      11,  11,     1,    1 },
	{ PEER,  FIN_ACK,      11,    1,    0, V_SEGMENT,       TCPS_CLOSE_WAIT,       12,  11,     1,    1 });
}

/* From TIME-WAIT the owner takes a new SYN (RFC 9293, 3.10.7.4); while it has not answered, the old one stands. */
static void test_time_wait_owner_accepts_a_new_connection(void **state)
{
	(void)state;
	for (int family = 0; family < 2; family++) {
		struct ladder l;

		shield_reset(NULL);
		l = ladder_begin(ladder_families[family], PORT_OFF);
		l.by_cookie = true; /* not opened by this host, that is */
		for (int turn = 0; turn < 2; turn++) {
			enum tcp_state before = turn ? TCPS_TIME_WAIT : NO_RECORD;

			ladder(&l,
	{ PEER,  SYN,           0,    0,    0, V_SYN_OFF,       before,          2 - 0x1000000, 0, 2 - 0x2000000, 0 },
	{ OWNER, SYN | ACK,     0,    1,    0, V_OWN_SYN_ACK,   TCPS_SYN_RECEIVED,      1,   1,     1,    0 },
	{ PEER,  ACK,           1,    1,    0, V_HALF_OPEN_ACK, TCPS_ESTABLISHED,       1,   1,     1,    1 },
	{ OWNER, FIN_ACK,       1,    1,    0, V_OWN_SEGMENT,   TCPS_FIN_WAIT_1,        1,   1,     2,    1 },
	{ PEER,  FIN_ACK,       1,    2,    0, V_SEGMENT,       TCPS_TIME_WAIT,         2,   1,     2,    2 });
			l.irs += 0x1000000;
			l.iss += 0x2000000;
		}
	}
}

/* clang-format on */

/* --- what a table has no column for --- */

/* Runs body for both address families, from a clean state each time. */
#define EACH_FAMILY(body)                                                                                              \
	do {                                                                                                           \
		body(FAMILY_IPV4);                                                                                     \
		shield_reset(NULL);                                                                                    \
		body(FAMILY_IPV6);                                                                                     \
	} while (0)

static void test_established_keepalive_probe_moves_deadline_only(void **state)
{
	struct packet_spec probe;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	talk_peer_sends(&t, ACK, 10);
	talk_owner_sends(&t, ACK, 0);
	shield_advance(3600 * NSEC_PER_SEC);
	probe = talk_peer_segment(&t, ACK, 0);
	probe.seq--;
	assert_verdict(talk_passes(&t, &probe), V_SEGMENT);
	talk_assert_state(&t, TCPS_ESTABLISHED);
	assert_int_equal(t.model.deadline_ns, shield_now_ns() + tcp_state_timeout_ns(TCPS_ESTABLISHED, 0));
}

static void test_established_gso_super_packet_counts_its_segments(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	spec = talk_owner_segment(&t, ACK, 1500);
	packet_build(&f, &spec);
	assert_verdict(shield_send_gso(&f, 35), V_OWN_SEGMENT);
	assert_true(shield_flow(&t.tuple, &t.model));
	assert_int_equal(t.model.snd_packets, 36);
	assert_int_equal(t.model.snd_nxt, t.own_nxt + 1500);
}

/* To TIME-WAIT, by the owner's close, after a while: its 2MSL end later than the cookie's life. */
static void close_to_time_wait(struct talk *t, __u8 family)
{
	talk_init(t, family, PORT_ALWAYS);
	talk_establish(t);
	shield_advance(30 * NSEC_PER_SEC);
	talk_owner_sends(t, FIN_ACK, 0);
	talk_peer_sends(t, FIN_ACK, 0);
	talk_assert_ended(t, TCPS_TIME_WAIT);
}

static void time_wait_fin_again(__u8 family)
{
	struct packet_spec fin, ack;
	struct ended e;
	struct talk t;

	close_to_time_wait(&t, family);
	shield_advance(50 * NSEC_PER_SEC);
	ack = talk_peer_segment(&t, ACK, 0);
	assert_verdict(shield_receive_packet(&ack), V_TIME_WAIT_SEGMENT);
	assert_true(shield_ended(&t.tuple, &e));
	assert_int_equal(e.deadline_ms, (t.model.deadline_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
	fin = talk_peer_segment(&t, FIN_ACK, 0);
	fin.seq--;
	assert_verdict(shield_receive_packet(&fin), V_TIME_WAIT_SEGMENT);
	assert_true(shield_ended(&t.tuple, &e));
	assert_int_equal(e.deadline_ms, (shield_now_ns() + 2 * SHIELD_MSL_NS + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void test_time_wait_fin_again_restarts_deadline(void **state)
{
	(void)state;
	EACH_FAMILY(time_wait_fin_again);
}

static void time_wait_is_over(__u8 family)
{
	struct packet_spec ack;
	struct talk t;

	close_to_time_wait(&t, family);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_advance(2 * SHIELD_MSL_NS - NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&ack), V_TIME_WAIT_SEGMENT);
	shield_advance(2 * NSEC_PER_SEC);
	assert_verdict(shield_receive_packet(&ack), V_NO_FLOW);
}

static void test_time_wait_deadline_passed_counts_as_absent(void **state)
{
	(void)state;
	EACH_FAMILY(time_wait_is_over);
}

static void test_established_deadline_passed_counts_as_absent(void **state)
{
	struct packet_spec spec;
	struct frame f;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_establish(&t);
	shield_advance(tcp_state_timeout_ns(TCPS_ESTABLISHED, 0) + NSEC_PER_SEC);
	spec = talk_peer_segment(&t, ACK, 1);
	assert_verdict(shield_receive_packet(&spec), V_NO_FLOW);
	spec = talk_owner_segment(&t, ACK, 1);
	packet_build(&f, &spec);
	assert_verdict(shield_send(&f), V_OWN_ANSWER);
	assert_true(shield_flow(&t.tuple, &t.model)); /* its slot waits for the sweep */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_established_data_both_ways_numbers_go_on, shield_reset),
		cmocka_unit_test_setup(test_established_sent_again_changes_no_number, shield_reset),
		cmocka_unit_test_setup(test_established_out_of_order_numbers_wait_for_the_hole, shield_reset),
		cmocka_unit_test_setup(test_established_fin_before_missing_data_waits_for_it, shield_reset),
		cmocka_unit_test_setup(test_established_owner_closes_first_time_wait, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_1_fin_with_ack_of_fin_time_wait, shield_reset),
		cmocka_unit_test_setup(test_established_peer_closes_first_closed, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_1_fin_without_ack_of_fin_closing, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_2_data_goes_on_for_hours, shield_reset),
		cmocka_unit_test_setup(test_close_wait_data_goes_on_for_hours, shield_reset),
		cmocka_unit_test_setup(test_fin_wait_1_own_fin_lost_and_sent_again, shield_reset),
		cmocka_unit_test_setup(test_close_wait_peers_fin_again_and_own_fin_again, shield_reset),
		cmocka_unit_test_setup(test_established_probes_both_ways_change_no_number, shield_reset),
		cmocka_unit_test_setup(test_established_blind_segments_change_nothing, shield_reset),
		cmocka_unit_test_setup(test_closing_states_blind_segments_change_nothing, shield_reset),
		cmocka_unit_test_setup(test_close_wait_rst_at_the_fin_closed, shield_reset),
		cmocka_unit_test_setup(test_established_rst_behind_a_hole_closed, shield_reset),
		cmocka_unit_test_setup(test_established_rst_from_owner_closed, shield_reset),
		cmocka_unit_test_setup(test_established_old_segments_change_nothing, shield_reset),
		cmocka_unit_test_setup(test_time_wait_owner_accepts_a_new_connection, shield_reset),
		cmocka_unit_test_setup(test_established_keepalive_probe_moves_deadline_only, shield_reset),
		cmocka_unit_test_setup(test_established_gso_super_packet_counts_its_segments, shield_reset),
		cmocka_unit_test_setup(test_time_wait_fin_again_restarts_deadline, shield_reset),
		cmocka_unit_test_setup(test_time_wait_deadline_passed_counts_as_absent, shield_reset),
		cmocka_unit_test_setup(test_established_deadline_passed_counts_as_absent, shield_reset),
	};

	return shield_run_tests("lives", tests, ARRAY_LEN(tests));
}
