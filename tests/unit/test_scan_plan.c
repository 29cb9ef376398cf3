/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How often the tables are read, by what times are in use and by what reading costs. */
#include "unit.h"

#include "../../user/daemon/horizon.h"
#include "../../user/daemon/scan_plan.c"

#define MSL_NS (60 * NSEC_PER_SEC)

static void test_no_services_shortest_is_of_the_states(void **state)
{
	(void)state;
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, NULL, 0), 120 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_shortest_ns(NSEC_PER_SEC, NULL, 0), 2 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_shortest_ns(3600 * NSEC_PER_SEC, NULL, 0), 128 * NSEC_PER_SEC);
}

static void test_services_shortest_is_that_of_any(void **state)
{
	struct service_spec services[] = {
		{ .port = 80 },
		{ .port = 81, .msl_ms = 10000 },
		{ .port = 82, .keepalive = { .idle_ms = 9000, .interval_ms = 12000, .probes = 3 } },
		{ .port = 83, .keepalive = { .idle_ms = 7200000, .interval_ms = 3000, .probes = 3 } },
	};

	(void)state;
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, services, 1), 120 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, services, 2), 20 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, services, 3), 9 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, services, 4), 3 * NSEC_PER_SEC);
	/* For connections of the daemon's its TCP probes; without idle_ms nobody does. */
	services[3].owner = FLOW_OWNER_DAEMON;
	services[2].keepalive.idle_ms = 0;
	assert_int_equal(scan_plan_shortest_ns(MSL_NS, services, 4), 20 * NSEC_PER_SEC);
}

static void test_period_is_half_of_the_shortest_within_bounds(void **state)
{
	(void)state;
	assert_int_equal(scan_plan_period_ns(128 * NSEC_PER_SEC, 0), 30 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_period_ns(10 * NSEC_PER_SEC, 0), 5 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_period_ns(NSEC_PER_MSEC, 0), 250 * NSEC_PER_MSEC);
}

static void test_costly_scan_period_makes_it_less_than_a_hundredth(void **state)
{
	(void)state;
	assert_int_equal(scan_plan_period_ns(2 * NSEC_PER_SEC, 160 * NSEC_PER_MSEC), 20 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_period_ns(128 * NSEC_PER_SEC, 150 * NSEC_PER_MSEC), 30 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_period_ns(128 * NSEC_PER_SEC, 320 * NSEC_PER_MSEC), 40 * NSEC_PER_SEC);
	assert_int_equal(scan_plan_period_ns(128 * NSEC_PER_SEC, 5 * NSEC_PER_SEC), 50 * NSEC_PER_SEC);
}

/* What the next scan comes too late for is told by this one, and the horizon has it. */
static void test_window_reaches_beyond_the_next_scan_and_not_beyond_the_horizon(void **state)
{
	const __u64 took_ns = 2 * NSEC_PER_SEC;

	(void)state;
	assert_true(scan_plan_until_ns(1000, 30 * NSEC_PER_SEC, took_ns) > 1000 + 37 * NSEC_PER_SEC + took_ns);
	assert_true(scan_plan_until_ns(0, SCAN_PLAN_COSTLY_NS, took_ns) < HORIZON_NS);
	assert_true(scan_plan_until_ns(0, 250 * NSEC_PER_MSEC, 0) < NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_services_shortest_is_of_the_states),
		cmocka_unit_test(test_services_shortest_is_that_of_any),
		cmocka_unit_test(test_period_is_half_of_the_shortest_within_bounds),
		cmocka_unit_test(test_costly_scan_period_makes_it_less_than_a_hundredth),
		cmocka_unit_test(test_window_reaches_beyond_the_next_scan_and_not_beyond_the_horizon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
