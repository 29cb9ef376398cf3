// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "unit.h"

#include "../../user/watch_lease.c"

#define NOW_NS (1000 * NSEC_PER_SEC)

static void test_free_slots_taken_until_all_are(void **state)
{
	struct watch watch = {};
	__u64 lease_ns = 0;

	(void)state;
	for (int i = 0; i < WATCHERS_MAX; i++) {
		assert_int_equal(watch_audience(&watch, NOW_NS), (1 << i) - 1);
		assert_int_equal(watch_lease_take(&watch, NOW_NS, &lease_ns), i);
		assert_int_equal(lease_ns, NOW_NS + WATCH_LEASE_NS);
		assert_int_equal(watch.slots[i].lease_ns, lease_ns);
	}
	assert_int_equal(watch_lease_take(&watch, NOW_NS, &lease_ns), -EUSERS);
	assert_int_equal(watch_lease_take(&watch, NOW_NS + WATCH_LEASE_NS - 1, &lease_ns), -EUSERS);
}

static void test_lease_run_out_slot_is_free(void **state)
{
	struct watch watch = {};
	__u64 lease_ns, other_ns;

	(void)state;
	for (int i = 0; i < WATCHERS_MAX; i++)
		watch_lease_take(&watch, NOW_NS + (i == 2 ? 0 : NSEC_PER_SEC), &lease_ns);
	assert_int_equal(watch_audience(&watch, NOW_NS + WATCH_LEASE_NS - 1), 15);
	assert_int_equal(watch_audience(&watch, NOW_NS + WATCH_LEASE_NS), 11);
	assert_int_equal(watch_lease_take(&watch, NOW_NS + WATCH_LEASE_NS, &other_ns), 2);
}

static void test_lease_renewed_stays(void **state)
{
	struct watch watch = {};
	__u64 lease_ns;

	(void)state;
	assert_int_equal(watch_lease_take(&watch, NOW_NS, &lease_ns), 0);
	assert_int_equal(watch_lease_renew(&watch, 0, NOW_NS + NSEC_PER_SEC, &lease_ns), 0);
	assert_int_equal(lease_ns, NOW_NS + NSEC_PER_SEC + WATCH_LEASE_NS);
	assert_int_equal(watch.slots[0].lease_ns, lease_ns);
	/* late, but nobody has come */
	assert_int_equal(watch_lease_renew(&watch, 0, NOW_NS + 100 * NSEC_PER_SEC, &lease_ns), 0);
}

static void test_slot_taken_by_another_first_owner_changes_nothing(void **state)
{
	__u64 first_ns, second_ns, stale_ns;
	struct watch watch = {};

	(void)state;
	watch_lease_take(&watch, NOW_NS, &first_ns);
	stale_ns = first_ns;
	assert_int_equal(watch_lease_take(&watch, NOW_NS + WATCH_LEASE_NS, &second_ns), 0);
	assert_int_equal(watch_lease_renew(&watch, 0, NOW_NS + WATCH_LEASE_NS + 1, &first_ns), -ESTALE);
	assert_int_equal(first_ns, stale_ns);
	watch_lease_end(&watch, 0, first_ns);
	assert_int_equal(watch.slots[0].lease_ns, second_ns);
	watch_lease_end(&watch, 0, second_ns);
	assert_int_equal(watch.slots[0].lease_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_free_slots_taken_until_all_are),
		cmocka_unit_test(test_lease_run_out_slot_is_free),
		cmocka_unit_test(test_lease_renewed_stays),
		cmocka_unit_test(test_slot_taken_by_another_first_owner_changes_nothing),
	};

	return cmocka_run_group_tests_name("watch_lease", tests, NULL, NULL);
}
