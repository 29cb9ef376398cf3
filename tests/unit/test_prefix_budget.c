// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* How many answers a prefix gets, and with whom it shares them. */
#include "prefix_budget.h"
#include "unit.h"

#define NOW_NS (1000 * NSEC_PER_SEC)
#define COST_NS (NSEC_PER_SEC / 1000)
#define BURST (PREFIX_BUDGET_BURST_NS / COST_NS)

static const struct presence_key key = { .words = { 0x2b7e1516, 0x28aed2a6 }, .odd = 0x9e3779b97f4a7c15ULL };

static struct tuple ipv4(__u32 remote)
{
	return (struct tuple){ .family = FAMILY_IPV4, .remote = { net32(remote) } };
}

static struct tuple ipv6(__u32 first, __u32 second, __u32 last)
{
	return (struct tuple){ .family = FAMILY_IPV6, .remote = { net32(first), net32(second), 0, net32(last) } };
}

static __u32 index_of(struct tuple t)
{
	return prefix_budget_index(&key, &t);
}

static __u32 take_all(__u64 *full_ns, __u32 cost_ns, __u64 now_ns)
{
	__u32 taken = 0;

	while (taken < 100000 && prefix_budget_take(full_ns, cost_ns, now_ns))
		taken++;
	return taken;
}

static void test_full_burst_is_a_tenth_of_a_second(void **state)
{
	__u64 full_ns = 0;

	(void)state;
	assert_int_equal(take_all(&full_ns, COST_NS, NOW_NS), BURST);
}

static void test_empty_refills_with_time(void **state)
{
	__u64 full_ns = 0;

	(void)state;
	take_all(&full_ns, COST_NS, NOW_NS);
	assert_int_equal(take_all(&full_ns, COST_NS, NOW_NS + COST_NS - 1), 0);
	assert_int_equal(take_all(&full_ns, COST_NS, NOW_NS + 7 * COST_NS), 7);
	assert_int_equal(take_all(&full_ns, COST_NS, NOW_NS + 100 * NSEC_PER_SEC), BURST);
}

/* One answer in two seconds is less than a burst holds, and is given all the same. */
static void test_full_rate_below_a_burst_gives_one(void **state)
{
	__u64 full_ns = 0;

	(void)state;
	assert_int_equal(take_all(&full_ns, 2 * NSEC_PER_SEC, NOW_NS), 1);
	assert_int_equal(take_all(&full_ns, 2 * NSEC_PER_SEC, NOW_NS + NSEC_PER_SEC), 0);
	assert_int_equal(take_all(&full_ns, 2 * NSEC_PER_SEC, NOW_NS + 2 * NSEC_PER_SEC), 1);
}

static void test_prefix_shares_one_budget(void **state)
{
	(void)state;
	assert_int_equal(index_of(ipv4(0xc0000201)), index_of(ipv4(0xc00002fe)));
	assert_int_equal(index_of(ipv6(0x20010db8, 0x00010000, 1)), index_of(ipv6(0x20010db8, 0x0001ffff, 2)));
}

/* The odds of a /24 or /48 that is attacked are those of one in PREFIX_BUDGETS for any other. */
static void test_other_prefixes_are_spread(void **state)
{
	__u32 met = 0, ipv4_index = index_of(ipv4(0xc0000200)), ipv6_index = index_of(ipv6(0x20010db8, 0, 0));

	(void)state;
	for (__u32 i = 1; i <= 8 * PREFIX_BUDGETS; i++) {
		met += index_of(ipv4(0xc0000200 + (i << 8))) == ipv4_index;
		met += index_of(ipv6(0x20010db8, i << 16, 0)) == ipv6_index;
		met += index_of(ipv6(0x20010db8 + i, 0, 0)) == ipv6_index;
	}
	assert_in_range(met, 1, 72);
}

static void test_another_key_spreads_otherwise(void **state)
{
	struct presence_key other = key;
	struct tuple t;
	int same = 0;

	(void)state;
	other.words[0]++;
	other.words[1] += 0x10001;
	for (__u32 i = 0; i < 1000; i++) {
		t = ipv4(i << 8);
		same += prefix_budget_index(&key, &t) == prefix_budget_index(&other, &t);
	}
	assert_in_range(same, 0, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_burst_is_a_tenth_of_a_second),
		cmocka_unit_test(test_empty_refills_with_time),
		cmocka_unit_test(test_full_rate_below_a_burst_gives_one),
		cmocka_unit_test(test_prefix_shares_one_budget),
		cmocka_unit_test(test_other_prefixes_are_spread),
		cmocka_unit_test(test_another_key_spreads_otherwise),
	};

	return cmocka_run_group_tests_name("prefix_budget", tests, NULL, NULL);
}
