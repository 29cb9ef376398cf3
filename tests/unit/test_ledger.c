// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Both sides of the ledger, and that no verdict is on the wrong one. */
#include "../../user/ledger.c"
#include "unit.h"

static const struct verdict_counter nothing;

static void test_sum_takes_each_verdict_to_its_side(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++) {
		bool in = verdict_ledger(v) == LEDGER_IN, out = verdict_ledger(v) == LEDGER_OUT;
		struct verdict_counter sums[VERDICT_COUNT] = {};
		struct ledger ledger;

		sums[v] = (struct verdict_counter){ 3, 200 };
		ledger = ledger_sum(sums, &nothing);
		assert_int_equal(ledger.in.packets, in ? 3 : 0);
		assert_int_equal(ledger.in.bytes, in ? 200 : 0);
		assert_int_equal(ledger.out.packets, out ? 3 : 0);
		assert_int_equal(ledger.out.bytes, out ? 200 : 0);
	}
}

static void test_sum_what_the_daemon_sent_is_out(void **state)
{
	const struct verdict_counter by_daemon = { 5, 300 };
	struct verdict_counter sums[VERDICT_COUNT] = { [V_OWN_SYN_ACK] = { 2, 148 } };
	struct ledger ledger = ledger_sum(sums, &by_daemon);

	(void)state;
	assert_int_equal(ledger.out.packets, 7);
	assert_int_equal(ledger.out.bytes, 448);
	assert_int_equal(ledger.in.packets, 0);
}

static void test_info_agrees_with_the_programs(void **state)
{
	(void)state;
	for (enum verdict v = 0; v < VERDICT_COUNT; v++)
		assert_int_equal(verdict_info(v)->ledger, verdict_ledger(v));
}

/* From xdp_ingress: what is dropped, answered or redirected is of a service, so it is of a verified peer or comes in.
 */
static void test_ingress_no_packet_of_a_service_is_left_out(void **state)
{
	(void)state;
	for (enum verdict v = V_OTHER; v < V_HANDOVER; v++) {
		bool leaves = verdict_ledger(v) == LEDGER_IN || verdict_ledger(v) == LEDGER_VERIFIED;

		if (verdict_action(v) == VERDICT_NOTE)
			assert_false(leaves);
		else if (v == V_OTHER || v == V_NO_SERVICE || v == V_TRANSIT || v == V_DAEMON_ICMP)
			assert_int_equal(verdict_ledger(v), LEDGER_NONE);
		else
			assert_true(leaves);
		/* An attack is nobody's who is verified, but of who wants too much. */
		if (v != V_SOURCE_RATE && v != V_SOURCE_OPEN && verdict_info(v)->severity == VERDICT_ATTACK &&
		    verdict_action(v) != VERDICT_NOTE)
			assert_int_equal(verdict_ledger(v), LEDGER_IN);
	}
}

/* What tc_ingress sees, xdp_ingress has counted; what leaves never comes in. */
static void test_tc_nothing_comes_in(void **state)
{
	(void)state;
	for (enum verdict v = V_HANDOVER; v < VERDICT_COUNT; v++)
		assert_int_not_equal(verdict_ledger(v), LEDGER_IN);
	for (enum verdict v = V_HANDOVER; v < V_OWN_SEGMENT; v++)
		assert_int_equal(verdict_ledger(v), LEDGER_NONE);
}

static void test_bytes_no_less_than_a_frame_on_the_wire(void **state)
{
	(void)state;
	assert_int_equal(verdict_bytes(54), 60);
	assert_int_equal(verdict_bytes(60), 60);
	assert_int_equal(verdict_bytes(74), 74);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum_takes_each_verdict_to_its_side),
		cmocka_unit_test(test_sum_what_the_daemon_sent_is_out),
		cmocka_unit_test(test_info_agrees_with_the_programs),
		cmocka_unit_test(test_ingress_no_packet_of_a_service_is_left_out),
		cmocka_unit_test(test_tc_nothing_comes_in),
		cmocka_unit_test(test_bytes_no_less_than_a_frame_on_the_wire),
	};

	return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
