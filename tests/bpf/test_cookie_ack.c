// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What a cookie's ACK makes, and when it is good.
 *
 * Not here: the cookie's arithmetic (unit tests), a cookie that is shown again (test_cookie_replay.c), the handover to
 * the socket (test_handover.c).
 */
#include "talk.h"

#define ACK TCP_FLAG_ACK
#define RST TCP_FLAG_RST

static void record_is_made(__u8 family, bool timestamps, __u8 wscale)
{
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	t.offer.has_timestamps = timestamps;
	t.offer.wscale = wscale;
	t.ecn = true;
	if (!timestamps)
		t.offer.mss = SHIELD_MSS_IPV6; /* one that two bits can say in both families */
	talk_open(&t);			       /* compares the whole record */
}

static void test_cookie_ack_right_makes_established_flow(void **state)
{
	(void)state;
	for (int bits = 0; bits < 8; bits++) {
		shield_reset(NULL);
		record_is_made(bits & 1 ? FAMILY_IPV6 : FAMILY_IPV4, bits & 2, bits & 4 ? 7 : TCP_WSCALE_NONE);
	}
}

/* The first segment after the handshake may carry more than the acknowledgement. */
static void first_segment_carries(__u8 family, __u8 flags, __u32 payload_bytes, enum tcp_state state)
{
	struct packet_spec first;
	struct outcome o;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	talk_get_cookie(&t);
	first = talk_peer_segment(&t, flags, payload_bytes);
	o = shield_receive_packet(&first);
	assert_verdict(o, V_COOKIE_ACK);
	assert_int_equal(o.hint, SHIELD_HINT_VERIFY);
	t.model = talk_flow_from_cookie(&t, &first);
	t.peer_nxt += payload_bytes + !!(flags & TCP_FLAG_FIN);
	talk_assert_state(&t, state);
	shield_reset(NULL);
}

static void test_cookie_ack_with_data_makes_established_flow(void **state)
{
	(void)state;
	first_segment_carries(FAMILY_IPV4, ACK | TCP_FLAG_PSH, 1200, TCPS_ESTABLISHED);
	first_segment_carries(FAMILY_IPV6, ACK | TCP_FLAG_PSH, 1200, TCPS_ESTABLISHED);
}

static void test_cookie_ack_with_fin_makes_flow_in_close_wait(void **state)
{
	(void)state;
	first_segment_carries(FAMILY_IPV4, ACK | TCP_FLAG_FIN, 0, TCPS_CLOSE_WAIT);
	first_segment_carries(FAMILY_IPV6, ACK | TCP_FLAG_FIN, 33, TCPS_CLOSE_WAIT);
}

/* A peer costs a slot for two minutes at most until the owner has shown that it has the connection, FIN or not. */
static void test_cookie_ack_record_is_short_lived_until_owner_answers(void **state)
{
	static const __u8 flags[] = { ACK, ACK | TCP_FLAG_FIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct packet_spec first;
		struct flow f;
		struct talk t;

		shield_reset(NULL);
		talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
		talk_get_cookie(&t);
		first = talk_peer_segment(&t, flags[i], 0);
		assert_verdict(shield_receive_packet(&first), V_COOKIE_ACK);
		assert_true(shield_flow(&t.tuple, &f));
		assert_true(f.deadline_ns <= shield_now_ns() + tcp_state_timeout_ns(TCPS_SYN_RECEIVED, 0));
	}
}

/* A peer that had sent timestamps and puts them anywhere among the options. */
static void test_cookie_ack_timestamps_in_odd_place_is_right(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	packet_build_options(&ack, LAYOUT_TIGHT,
			     &(struct tcp_options){ .tsval = t.offer.tsval,
						    .tsecr = t.own_tsval,
						    .wscale = TCP_WSCALE_NONE,
						    .has_timestamps = true });
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
}

static void assert_refused(const struct packet_spec *spec)
{
	struct outcome o = shield_receive_packet(spec);
	struct flow f;

	assert_verdict(o, V_NO_FLOW);
	assert_int_equal(o.hint, SHIELD_HINT_NONE);
	assert_false(shield_flow(&spec->tuple, &f));
}

static void anything_wrong_is_refused(__u8 family, bool timestamps)
{
	struct packet_spec ack, wrong;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	t.offer.has_timestamps = timestamps;
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	for (int by = -1; by <= 1; by += 2) {
		wrong = ack;
		wrong.seq += by;
		assert_refused(&wrong);
		wrong = ack;
		wrong.ack += by;
		assert_refused(&wrong);
		wrong = ack;
		wrong.tuple.remote_port += by;
		assert_refused(&wrong);
	}
	for (int bit = 0; bit < 32; bit++) {
		wrong = ack;
		wrong.ack ^= 1U << bit;
		assert_refused(&wrong);
	}
	for (int bit = 0; timestamps && bit < COOKIE_TSVAL_BITS; bit++) {
		wrong = ack;
		packet_build_timestamps(&wrong, t.offer.tsval, t.own_tsval ^ 1U << bit);
		assert_refused(&wrong);
	}
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK); /* and the right one is right after all that */
	shield_reset(NULL);
}

static void test_cookie_ack_anything_wrong_refused(void **state)
{
	(void)state;
	anything_wrong_is_refused(FAMILY_IPV4, false);
	anything_wrong_is_refused(FAMILY_IPV4, true);
	anything_wrong_is_refused(FAMILY_IPV6, false);
	anything_wrong_is_refused(FAMILY_IPV6, true);
}

static void test_cookie_ack_without_its_timestamps_refused(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	ack.option_bytes = 0;
	assert_refused(&ack);
}

static void test_cookie_ack_other_flags_refused(void **state)
{
	static const __u8 flags[] = { RST, RST | ACK, TCP_FLAG_SYN | ACK };
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct packet_spec spec = talk_peer_segment(&t, ACK, 0);

		spec.flags = flags[i];
		assert_refused(&spec);
	}
}

/* --- epochs: the verdict on a cookie made at one time of the cookies' clock and shown at another --- */

#define AT(epoch, seconds) ((epoch)*COOKIE_EPOCH_NS + (seconds)*NSEC_PER_SEC)

static enum verdict cookie_made_and_shown(__u64 made_ns, __u64 shown_ns, bool timestamps)
{
	struct packet_spec ack;
	struct talk t;

	shield_reset(NULL);
	shield_set_cookie_time(made_ns);
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	t.offer.has_timestamps = timestamps;
	talk_get_cookie(&t);
	shield_set_cookie_time(shown_ns);
	ack = talk_peer_segment(&t, ACK, 0);
	return shield_receive_packet(&ack).verdict;
}

static void test_cookie_ack_by_age_good_for_two_epochs_and_skew(void **state)
{
	static const struct {
		__u64 made_ns, shown_ns;
		enum verdict verdict;
	} cases[] = {
		{ AT(1000, 1), AT(1000, 1), V_COOKIE_ACK },
		{ AT(1000, 1), AT(1000, 63), V_COOKIE_ACK },
		{ AT(1000, 63), AT(1001, 1), V_COOKIE_ACK },
		{ AT(1000, 1), AT(1001, 63), V_COOKIE_ACK }, /* the epoch before, to its very end */
		{ AT(1000, 63), AT(1002, 1), V_NO_FLOW },    /* older, though young in seconds */
		{ AT(1000, 1), AT(1100, 1), V_NO_FLOW },
		{ AT(1001, 1), AT(1000, 60), V_COOKIE_ACK }, /* by a machine that is ahead: less than 5 s to go */
		{ AT(1001, 1), AT(1000, 58), V_NO_FLOW },    /* more than 5 s */
		{ AT(1002, 1), AT(1000, 60), V_NO_FLOW },
		{ AT(1000, 30), AT(1000, 20), V_COOKIE_ACK }, /* the clock stepped back within the epoch */
		{ AT(1000, 2), AT(999, 62), V_COOKIE_ACK },   /* and over its boundary */
		{ AT(1000, 30), AT(1001, 37), V_COOKIE_ACK }, /* TAI takes its 37 s */
		{ AT(1000, 30), AT(1004, 30), V_NO_FLOW },    /* the epoch's two bits say 0 again */
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		bool timestamps = i % 2;
		enum verdict verdict = cookie_made_and_shown(cases[i / 2].made_ns, cases[i / 2].shown_ns, timestamps);

		if (verdict != cases[i / 2].verdict)
			print_message("case %zu, %s timestamps\n", i / 2, timestamps ? "with" : "without");
		assert_string_equal(shield_verdict_name(verdict), shield_verdict_name(cases[i / 2].verdict));
	}
}

static void test_cookie_ack_clock_stepped_forth_and_back_is_right(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV6, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_set_cookie_time(AT(SHIELD_EPOCH + 10, 0));
	assert_refused(&ack);
	shield_set_cookie_time(AT(SHIELD_EPOCH, 0) + SHIELD_EPOCH_AGE_NS);
	assert_verdict(shield_receive_packet(&ack), V_COOKIE_ACK);
}

static void test_cookie_ack_time_travel_of_all_clocks_goes_stale(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_advance(COOKIE_LIFETIME_NS);
	assert_refused(&ack);
}

static void test_cookie_ack_under_another_key_refused(void **state)
{
	struct packet_spec ack;
	struct talk t;

	(void)state;
	talk_init(&t, FAMILY_IPV4, PORT_ALWAYS);
	talk_get_cookie(&t);
	ack = talk_peer_segment(&t, ACK, 0);
	shield_config.keys.master.k1 ^= 1;
	shield_configure();
	assert_refused(&ack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cookie_ack_right_makes_established_flow, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_with_data_makes_established_flow, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_with_fin_makes_flow_in_close_wait, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_record_is_short_lived_until_owner_answers, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_timestamps_in_odd_place_is_right, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_anything_wrong_refused, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_without_its_timestamps_refused, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_other_flags_refused, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_by_age_good_for_two_epochs_and_skew, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_clock_stepped_forth_and_back_is_right, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_time_travel_of_all_clocks_goes_stale, shield_reset),
		cmocka_unit_test_setup(test_cookie_ack_under_another_key_refused, shield_reset),
	};

	return shield_run_tests("cookie_ack", tests, ARRAY_LEN(tests));
}
