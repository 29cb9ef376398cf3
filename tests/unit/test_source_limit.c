/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What a source may have: its prefix, the rate, the counts. */
#include "unit.h"

#include "source_limit.h"

#define NOW_NS (1000 * NSEC_PER_SEC)

static struct source_account_key key_of(struct tuple *t, __u8 ipv4_bits, __u8 ipv6_bits)
{
	const struct source_limits limits = { .prefix_ipv4 = ipv4_bits, .prefix_ipv6 = ipv6_bits };
	struct source_account_key key;

	source_account_key_set(&key, t, 7, &limits);
	return key;
}

/* --- prefixes ----------------------------------------------------------------------------------------------------- */

static void test_key_has_service_family_and_first_bits(void **state)
{
	static const ipv6_bytes ipv4 = { 198, 51, 100, 0 };
	static const ipv6_bytes ipv6 = { 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x0a, 0x00, 0x0b };
	struct tuple t4 = unit_tuple(FAMILY_IPV4), t6 = unit_tuple(FAMILY_IPV6);
	struct source_account_key key4 = key_of(&t4, 24, 64), key6 = key_of(&t6, 24, 64);

	(void)state;
	assert_int_equal(key4.service, 7);
	assert_int_equal(key4.family, FAMILY_IPV4);
	assert_int_equal(key6.family, FAMILY_IPV6);
	assert_memory_equal(key4.prefix, ipv4, sizeof(ipv4));
	assert_memory_equal(key6.prefix, ipv6, sizeof(ipv6));
}

/* Each bit up to the prefix's end tells sources apart, and none behind it. */
static void test_prefix_of_any_length_ends_at_its_bit(void **state)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)state;
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		int longest = families[f] == FAMILY_IPV4 ? 32 : 128;

		for (int bits = 1; bits <= longest; bits++) {
			for (int flipped = 0; flipped < longest; flipped++) {
				struct tuple t = unit_tuple(families[f]), other = t;
				struct source_account_key a, b;

				((__u8 *)other.remote)[flipped / 8] ^= 0x80 >> flipped % 8;
				a = key_of(&t, bits, bits);
				b = key_of(&other, bits, bits);
				assert_int_equal(!memcmp(&a, &b, sizeof(a)), flipped >= bits);
			}
		}
	}
}

/* --- the rate ----------------------------------------------------------------------------------------------------- */

/* How many of so many connections at once an account gives. */
static int take_at(struct source_account *a, __u32 new_per_second, __u64 now_ns, int tries)
{
	const struct source_limits limits = { .new_per_second = new_per_second };
	int taken = 0;

	for (int i = 0; i < tries; i++)
		taken += source_limit_take_rate(a, &limits, now_ns);
	return taken;
}

static void test_idle_source_has_a_second_worth_at_once(void **state)
{
	static const __u32 rates[] = { 1, 2, 3, 7, 100, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct source_account a = {};

		assert_int_equal(take_at(&a, rates[i], NOW_NS, 5000), rates[i]);
		assert_int_equal(take_at(&a, rates[i], NOW_NS + 100 * NSEC_PER_SEC, 5000), rates[i]);
	}
}

static void test_busy_source_has_the_limit_each_second(void **state)
{
	static const __u32 rates[] = { 1, 2, 3, 7, 100, 1000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct source_account a = {};
		__u32 taken = 0;

		take_at(&a, rates[i], NOW_NS, 5000);
		for (int ms = 1; ms <= 10000; ms++)
			taken += take_at(&a, rates[i], NOW_NS + ms * NSEC_PER_MSEC, 3);
		assert_in_range(taken, 10 * rates[i] - 1, 10 * rates[i] + 1);
	}
}

static void test_refused_costs_nothing(void **state)
{
	struct source_account a = {}, before;

	(void)state;
	take_at(&a, 5, NOW_NS, 5);
	before = a;
	assert_int_equal(take_at(&a, 5, NOW_NS, 100), 0);
	assert_memory_equal(&a, &before, sizeof(a));
	assert_int_equal(take_at(&a, 5, NOW_NS + NSEC_PER_SEC / 5, 100), 1);
}

static void test_looking_takes_nothing_and_agrees(void **state)
{
	const struct source_limits limits = { .new_per_second = 3 };
	struct source_account a = {};

	(void)state;
	for (int i = 0; i < 6; i++) {
		bool has = source_limit_has_rate(&a, &limits, NOW_NS);

		assert_int_equal(has, i < 3);
		assert_int_equal(source_limit_take_rate(&a, &limits, NOW_NS), has);
	}
}

static void test_no_limit_takes_nothing(void **state)
{
	const struct source_limits none = {};
	struct source_account a = { .open = 1000000 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(source_limit_take_rate(&a, &none, NOW_NS));
	assert_int_equal(a.rate_ns, 0);
	assert_true(source_limit_has_rate(&a, &none, NOW_NS));
	assert_true(source_limit_has_open(&a, &none));
}

/* --- the counts --------------------------------------------------------------------------------------------------- */

static void test_count_up_to_the_limit_and_down_to_nothing(void **state)
{
	const struct source_limits limits = { .open = 3 };
	struct source_account a = {};

	(void)state;
	for (int i = 0; i < 5; i++) {
		bool has = source_limit_has_open(&a, &limits);

		assert_int_equal(has, i < 3);
		assert_int_equal(source_limit_count_up(&a.open, limits.open), has);
	}
	assert_int_equal(a.open, 3);
	for (int i = 3; i > 0; i--) {
		assert_int_equal(a.open, i);
		source_limit_count_down(&a.open);
	}
	source_limit_count_down(&a.open);
	assert_int_equal(a.open, 0);
}

static void test_count_without_limit_goes_on(void **state)
{
	__s32 count = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(source_limit_count_up(&count, 0));
	assert_int_equal(count, 1000);
}

/* Records' clocks may be behind for a moment, no more. */
static void test_records_from_before_do_not_count(void **state)
{
	(void)state;
	assert_true(source_limit_was_counted(100, 0));
	assert_true(source_limit_was_counted(100, 100));
	assert_true(source_limit_was_counted(100, 100 + SOURCE_LIMIT_CLOCK_SLACK_S));
	assert_false(source_limit_was_counted(100, 101 + SOURCE_LIMIT_CLOCK_SLACK_S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_has_service_family_and_first_bits),
		cmocka_unit_test(test_prefix_of_any_length_ends_at_its_bit),
		cmocka_unit_test(test_idle_source_has_a_second_worth_at_once),
		cmocka_unit_test(test_busy_source_has_the_limit_each_second),
		cmocka_unit_test(test_refused_costs_nothing),
		cmocka_unit_test(test_looking_takes_nothing_and_agrees),
		cmocka_unit_test(test_no_limit_takes_nothing),
		cmocka_unit_test(test_count_up_to_the_limit_and_down_to_nothing),
		cmocka_unit_test(test_count_without_limit_goes_on),
		cmocka_unit_test(test_records_from_before_do_not_count),
	};

	return cmocka_run_group_tests_name("source_limit", tests, NULL, NULL);
}
