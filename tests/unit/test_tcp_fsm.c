// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tcp_fsm.h, cell by cell, against a list that was drawn up from the RFCs and not from the table: RFC 9293, figure 5
 * (3.3.2), the calls of 3.10.1 to 3.10.5, the arriving segments of 3.10.7 and the timeouts of 3.10.8; RFC 1337, 3.
 *
 * What the list does not name must change nothing.
 */
#include "unit.h"
#include "tcp_fsm.h"

struct transition {
	enum tcp_state from;
	enum tcp_event event;
	enum tcp_state to;
};

static const struct transition transitions[] = {
	/* 3.10.1 OPEN and 3.10.2 SEND: a passive open waits, an active one sends a SYN, from a listener too */
	{ TCPS_CLOSED, TCPE_OPEN_PASSIVE, TCPS_LISTEN },
	{ TCPS_CLOSED, TCPE_SND_SYN, TCPS_SYN_SENT },
	{ TCPS_LISTEN, TCPE_SND_SYN, TCPS_SYN_SENT },
	/* 3.10.7.2, third: LISTEN takes a SYN */
	{ TCPS_LISTEN, TCPE_RCV_SYN, TCPS_SYN_RECEIVED },
	/* 3.10.7.3, fourth: SYN-SENT takes a SYN with our acknowledgement, or without (simultaneous open) */
	{ TCPS_SYN_SENT, TCPE_RCV_SYN_ACK, TCPS_ESTABLISHED },
	{ TCPS_SYN_SENT, TCPE_RCV_SYN, TCPS_SYN_RECEIVED },
	/* 3.10.7.4, fifth: the ACK of our SYN; in a simultaneous open it may ride on the SYN again (figure 7) */
	{ TCPS_SYN_RECEIVED, TCPE_RCV_ACK_OF_SYN, TCPS_ESTABLISHED },
	{ TCPS_SYN_RECEIVED, TCPE_RCV_SYN_ACK, TCPS_ESTABLISHED },
	/* 3.10.4 CLOSE */
	{ TCPS_SYN_RECEIVED, TCPE_SND_FIN, TCPS_FIN_WAIT_1 },
	{ TCPS_ESTABLISHED, TCPE_SND_FIN, TCPS_FIN_WAIT_1 },
	{ TCPS_CLOSE_WAIT, TCPE_SND_FIN, TCPS_LAST_ACK },
	/* 3.10.7.4, eighth: the FIN bit */
	{ TCPS_SYN_RECEIVED, TCPE_RCV_FIN, TCPS_CLOSE_WAIT },
	{ TCPS_ESTABLISHED, TCPE_RCV_FIN, TCPS_CLOSE_WAIT },
	{ TCPS_FIN_WAIT_1, TCPE_RCV_FIN, TCPS_CLOSING },
	{ TCPS_FIN_WAIT_2, TCPE_RCV_FIN, TCPS_TIME_WAIT },
	/* 3.10.7.4, fifth: our FIN is acknowledged */
	{ TCPS_FIN_WAIT_1, TCPE_RCV_ACK_OF_FIN, TCPS_FIN_WAIT_2 },
	{ TCPS_CLOSING, TCPE_RCV_ACK_OF_FIN, TCPS_TIME_WAIT },
	{ TCPS_LAST_ACK, TCPE_RCV_ACK_OF_FIN, TCPS_CLOSED },
	/* 3.10.7.3 and 3.10.7.4, second: RST; not in TIME-WAIT (RFC 1337, 3, F1) */
	{ TCPS_SYN_SENT, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_SYN_RECEIVED, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_ESTABLISHED, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_1, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_2, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_CLOSE_WAIT, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_CLOSING, TCPE_RCV_RST, TCPS_CLOSED },
	{ TCPS_LAST_ACK, TCPE_RCV_RST, TCPS_CLOSED },
	/* 3.10.5 ABORT, and 3.10.7.4 for text after CLOSE: our RST */
	{ TCPS_SYN_RECEIVED, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_ESTABLISHED, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_1, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_2, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_CLOSE_WAIT, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_CLOSING, TCPE_SND_RST, TCPS_CLOSED },
	{ TCPS_LAST_ACK, TCPE_SND_RST, TCPS_CLOSED },
	/* 3.10.8: the user timeout, and the TIME-WAIT timeout */
	{ TCPS_SYN_SENT, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_SYN_RECEIVED, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_ESTABLISHED, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_1, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_FIN_WAIT_2, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_CLOSE_WAIT, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_CLOSING, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_LAST_ACK, TCPE_TIMEOUT, TCPS_CLOSED },
	{ TCPS_TIME_WAIT, TCPE_TIMEOUT, TCPS_CLOSED },
};

static enum tcp_state next_by_the_rfc(enum tcp_state from, enum tcp_event event)
{
	for (size_t i = 0; i < ARRAY_LEN(transitions); i++)
		if (transitions[i].from == from && transitions[i].event == event)
			return transitions[i].to;
	return from;
}

static void test_every_cell(void **state)
{
	(void)state;
	for (int from = 0; from < TCPS_COUNT; from++) {
		for (int event = 0; event < TCPE_COUNT; event++) {
			enum tcp_state got = tcp_fsm_next(from, event), want = next_by_the_rfc(from, event);

			if (from == TCPS_SYN_SENT && event == TCPE_SND_RST)
				continue; /* test_syn_sent_snd_rst_stays */
			if (got != want)
				fail_msg("%s, %s: %s, not %s", tcp_state_name(from), tcp_event_sentence(event),
					 tcp_state_name(got), tcp_state_name(want));
		}
	}
}

/*
 * The one RST that SYN-SENT sends answers a wrong ACK, and the connection goes on (3.10.7.3, first; 3.5.1, figure 9,
 * line 3 and 4): ABORT sends none there (3.10.5).
 */
static void test_syn_sent_snd_rst_stays(void **state)
{
	(void)state;
	assert_int_equal(tcp_fsm_next(TCPS_SYN_SENT, TCPE_SND_RST), TCPS_SYN_SENT);
}

static void test_every_state_is_reached_and_left(void **state)
{
	(void)state;
	for (int s = 0; s < TCPS_COUNT; s++) {
		bool reached = false, left = false;

		for (int from = 0; from < TCPS_COUNT; from++) {
			for (int event = 0; event < TCPE_COUNT; event++) {
				enum tcp_state to = tcp_fsm_next(from, event);

				reached |= from != s && (int)to == s;
				left |= from == s && (int)to != s;
			}
		}
		assert_true(reached);
		assert_true(left);
	}
}

static void test_out_of_range_stays(void **state)
{
	const int wild[] = { TCPS_COUNT, TCPS_COUNT + 1, 127, 128, 255 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wild); i++)
		for (int event = 0; event < TCPE_COUNT; event++)
			assert_int_equal(tcp_fsm_next((enum tcp_state)wild[i], event), wild[i]);
	for (int s = 0; s < TCPS_COUNT; s++) {
		assert_int_equal(tcp_fsm_next(s, TCPE_COUNT), s);
		assert_int_equal(tcp_fsm_next(s, (enum tcp_event)0x7fffffff), s);
		assert_int_equal(tcp_fsm_next(s, (enum tcp_event) - 1), s);
	}
}

static void test_state_names_are_those_of_rfc_9293(void **state)
{
	static const char *const names[TCPS_COUNT] = {
		[TCPS_CLOSED] = "CLOSED",	    [TCPS_LISTEN] = "LISTEN",
		[TCPS_SYN_SENT] = "SYN-SENT",	    [TCPS_SYN_RECEIVED] = "SYN-RECEIVED",
		[TCPS_ESTABLISHED] = "ESTABLISHED", [TCPS_FIN_WAIT_1] = "FIN-WAIT-1",
		[TCPS_FIN_WAIT_2] = "FIN-WAIT-2",   [TCPS_CLOSE_WAIT] = "CLOSE-WAIT",
		[TCPS_CLOSING] = "CLOSING",	    [TCPS_LAST_ACK] = "LAST-ACK",
		[TCPS_TIME_WAIT] = "TIME-WAIT",
	};

	(void)state;
	for (int s = 0; s < TCPS_COUNT; s++)
		assert_string_equal(tcp_state_name(s), names[s]);
	assert_string_equal(tcp_state_name(TCPS_COUNT), "?");
	assert_string_equal(tcp_state_name((enum tcp_state)255), "?");
}

static void test_event_sentences_differ(void **state)
{
	(void)state;
	for (int event = 0; event < TCPE_COUNT; event++) {
		assert_true(strlen(tcp_event_sentence(event)) > 1);
		for (int other = 0; other < event; other++)
			assert_string_not_equal(tcp_event_sentence(event), tcp_event_sentence(other));
	}
	assert_string_equal(tcp_event_sentence(TCPE_SND_FIN), "a FIN was sent");
	assert_string_equal(tcp_event_sentence(TCPE_COUNT), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell),
		cmocka_unit_test(test_syn_sent_snd_rst_stays),
		cmocka_unit_test(test_every_state_is_reached_and_left),
		cmocka_unit_test(test_out_of_range_stays),
		cmocka_unit_test(test_state_names_are_those_of_rfc_9293),
		cmocka_unit_test(test_event_sentences_differ),
	};

	return cmocka_run_group_tests_name("tcp_fsm", tests, NULL, NULL);
}
