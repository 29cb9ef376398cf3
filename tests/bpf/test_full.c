// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The flow table is full: what comes in one batch with a handshake's ACK has no record to wait by, and waits all the
 * same. */
#include <string.h>

#include "talk.h"

#define ACK TCP_FLAG_ACK
#define FIN TCP_FLAG_FIN
#define RST TCP_FLAG_RST

/* A peer whose cookie ACK has found the table full. */
static void open_without_record(struct talk *t, __u8 family)
{
	struct tuple other = shield_tuple(FAMILY_IPV6, PORT_ALWAYS);
	const struct flow f = { .state = TCPS_ESTABLISHED, .deadline_ns = ~0ULL };
	struct packet_spec ack;

	shield_fill_flows();
	for (int i = 0; i < SHIELD_FLOWS && family == FAMILY_IPV6; i++) {
		other.remote_port = 1 + i;
		shield_put_flow(&other, &f);
	}
	talk_init(t, family, PORT_ALWAYS);
	talk_get_cookie(t);
	ack = talk_peer_segment(t, ACK, 0);
	assert_noted(shield_receive_packet(&ack), V_FLOWS_FULL);
}

static struct outcome send_behind(struct talk *t, __u8 flags)
{
	struct packet_spec spec;

	t->peer_nxt += 100; /* not the cookie's own segment */
	spec = talk_peer_segment(t, flags, 100);
	return shield_receive_packet(&spec);
}

static void test_full_data_behind_the_ack_waits(void **state)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };
	struct outcome o;
	struct talk t;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		shield_reset(NULL);
		open_without_record(&t, families[i]);
		o = send_behind(&t, ACK);
		assert_verdict(o, V_STRANGER);
		assert_int_equal(o.hint, SHIELD_HINT_WAIT);
		o = send_behind(&t, ACK | FIN);
		assert_verdict(o, V_STRANGER);
		assert_int_equal(o.hint, SHIELD_HINT_WAIT);
	}
}

static void test_full_data_a_second_later_dropped(void **state)
{
	struct talk t;

	(void)state;
	open_without_record(&t, FAMILY_IPV4);
	shield_advance(NSEC_PER_SEC + NSEC_PER_SEC / 100);
	assert_verdict(send_behind(&t, ACK), V_NO_FLOW);
}

static void test_full_what_carries_no_data_dropped(void **state)
{
	struct talk t;

	(void)state;
	open_without_record(&t, FAMILY_IPV4);
	assert_verdict(send_behind(&t, RST), V_NO_FLOW);
	assert_verdict(send_behind(&t, FIN | RST), V_BAD_FLAGS);
	assert_verdict(send_behind(&t, FIN), V_NO_FLOW);
}

static void test_full_data_over_the_budget_dropped(void **state)
{
	struct talk t;

	(void)state;
	shield_config.budget_per_second = 1;
	shield_configure();
	open_without_record(&t, FAMILY_IPV4);
	assert_verdict(send_behind(&t, ACK), V_STRANGER);
	assert_verdict(send_behind(&t, ACK), V_UNVERIFIED_OVER_BUDGET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_full_data_behind_the_ack_waits, shield_reset),
		cmocka_unit_test_setup(test_full_data_a_second_later_dropped, shield_reset),
		cmocka_unit_test_setup(test_full_what_carries_no_data_dropped, shield_reset),
		cmocka_unit_test_setup(test_full_data_over_the_budget_dropped, shield_reset),
	};

	return shield_run_tests("full", tests, ARRAY_LEN(tests));
}
