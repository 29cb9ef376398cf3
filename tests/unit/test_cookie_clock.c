// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* cookie.h: how long a cookie is good, the keys of the epochs, and the clock that TSval shows. */
#include "cookie_fixture.h"

/* --- epochs ------------------------------------------------------------------------------------------------------- */

/* Whether a cookie made at one time is good at another. */
static bool good_at(struct handshake *h, __u64 made_ns, __u64 checked_ns)
{
	struct cookie c;

	h->clock = clock_at(made_ns);
	c = make(h);
	h->clock = clock_at(checked_ns);
	return check(h, &c);
}

static void test_this_epoch_and_the_one_before_are_good(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS, end = 1001 * COOKIE_EPOCH_NS - 1;

	(void)state;
	for_each_handshake (h) {
		assert_true(good_at(&h, begin, begin));
		assert_true(good_at(&h, begin, end));
		assert_true(good_at(&h, end, begin));
		assert_true(good_at(&h, begin, end + COOKIE_EPOCH_NS));
		assert_true(good_at(&h, end, end + 1));
		assert_true(good_at(&h, end, end + COOKIE_EPOCH_NS));
	}
}

static void test_older_epochs_are_refused(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS, end = 1001 * COOKIE_EPOCH_NS - 1;

	(void)state;
	for_each_handshake (h) {
		assert_false(good_at(&h, begin, end + COOKIE_EPOCH_NS + 1));
		assert_false(good_at(&h, end, end + COOKIE_EPOCH_NS + 1));
		for (__u64 epoch = 1002; epoch < 1020; epoch++)
			assert_false(good_at(&h, end, mid_epoch_ns(epoch)));
	}
}

static void test_next_epoch_is_good_near_the_boundary_only(void **state)
{
	const __u64 boundary = 1000 * COOKIE_EPOCH_NS, skew = 5 * NSEC_PER_SEC;

	(void)state;
	for_each_handshake (h) {
		assert_true(good_at(&h, boundary, boundary - 1));
		assert_true(good_at(&h, boundary, boundary - skew));
		assert_false(good_at(&h, boundary, boundary - skew - 1));
		assert_false(good_at(&h, boundary, mid_epoch_ns(999)));
		assert_false(good_at(&h, boundary, boundary - COOKIE_EPOCH_NS));
	}
}

static void test_newer_epochs_are_refused(void **state)
{
	const __u64 before_boundary = 1000 * COOKIE_EPOCH_NS - 1;

	(void)state;
	for_each_handshake (h)
		for (__u64 epoch = 1001; epoch < 1020; epoch++)
			assert_false(good_at(&h, epoch * COOKIE_EPOCH_NS, before_boundary));
}

/* An epoch's number given as such: no 64-bit time reaches the last ones. */
static struct cookie_clock clock_in_epoch(__u32 epoch, bool next_is_good)
{
	struct cookie_clock clock = { .epoch = epoch, .next_is_good = next_is_good, .has_keys = true };

	for (int i = 0; i < 3; i++)
		cookie_key_derive(&first_keys.master, epoch - 1 + i, &clock.keys[i]);
	return clock;
}

static void test_epoch_wraps(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie c;

		h.clock = clock_in_epoch(0xffffffff, false);
		c = make(&h);
		assert_true(check(&h, &c));
		h.clock = clock_in_epoch(0, false);
		assert_true(check(&h, &c));
		h.clock = clock_in_epoch(1, false);
		assert_false(check(&h, &c));
		h.clock = clock_in_epoch(0, false);
		c = make(&h);
		h.clock = clock_in_epoch(0xffffffff, true);
		assert_true(check(&h, &c));
		h.clock = clock_in_epoch(0xffffffff, false);
		assert_false(check(&h, &c));
	}
}

/* The whole number is in the MAC: the same keys under another number give another cookie. */
static void test_epoch_number_is_in_the_mac(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie c = make(&h);

		for (int bit = 0; bit < 32; bit++) {
			h.clock.epoch ^= 1U << bit;
			assert_false(check(&h, &c));
			h.clock.epoch ^= 1U << bit;
		}
		assert_true(check(&h, &c));
	}
}

/* --- keys and clock ----------------------------------------------------------------------------------------------- */

static bool keys_differ(const struct siphash_key *a, const struct siphash_key *b)
{
	return a->k0 != b->k0 && a->k1 != b->k1 && a->k0 != b->k1 && a->k1 != b->k0;
}

static void test_each_epoch_has_a_key_of_its_own(void **state)
{
	enum { EPOCHS = 200 };
	struct siphash_key keys[EPOCHS];

	(void)state;
	for (int i = 0; i < EPOCHS; i++) {
		cookie_key_derive(&first_keys.master, (__u32)i - EPOCHS / 2, &keys[i]);
		assert_true(keys[i].k0 != keys[i].k1);
		assert_true(keys_differ(&keys[i], &first_keys.master));
		for (int j = 0; j < i; j++)
			assert_true(keys_differ(&keys[i], &keys[j]));
	}
}

static void test_clock_has_the_keys_of_three_epochs(void **state)
{
	const __u64 times[] = { 0, mid_epoch_ns(0), COOKIE_EPOCH_NS, mid_epoch_ns(26000000), ~0ULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		struct cookie_clock clock = clock_at(times[i]);

		assert_int_equal(clock.epoch, times[i] / 64000000000ULL);
		assert_int_equal(clock.tsval_ms, (__u32)(times[i] / 1000000));
		assert_true(clock.has_keys);
		for (int k = 0; k < 3; k++) {
			struct siphash_key want;

			cookie_key_derive(&first_keys.master, clock.epoch - 1 + k, &want);
			assert_memory_equal(&clock.keys[k], &want, sizeof(want));
		}
	}
}

static void test_clock_moves_on_and_back_as_a_fresh_one(void **state)
{
	const __u64 steps[] = { mid_epoch_ns(5),  mid_epoch_ns(5) + 1, 6 * COOKIE_EPOCH_NS - 1, 6 * COOKIE_EPOCH_NS,
				mid_epoch_ns(90), mid_epoch_ns(89),    mid_epoch_ns(5),		0 };
	struct cookie_clock clock = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct cookie_clock fresh = clock_at(steps[i]);

		cookie_clock_set(&clock, &first_keys, steps[i]);
		assert_int_equal(clock.epoch, fresh.epoch);
		assert_int_equal(clock.tsval_ms, fresh.tsval_ms);
		assert_int_equal(clock.next_is_good, fresh.next_is_good);
		assert_memory_equal(clock.keys, fresh.keys, sizeof(fresh.keys));
	}
}

static void test_clock_derives_keys_only_in_a_new_epoch(void **state)
{
	struct cookie_clock clock = clock_at(mid_epoch_ns(7));
	const struct siphash_key mark = { 1, 2 };

	(void)state;
	clock.keys[1] = mark;
	cookie_clock_set(&clock, &first_keys, 8 * COOKIE_EPOCH_NS - 1);
	assert_memory_equal(&clock.keys[1], &mark, sizeof(mark));
	cookie_clock_set(&clock, &first_keys, 8 * COOKIE_EPOCH_NS);
	assert_memory_not_equal(&clock.keys[0], &mark, sizeof(mark));
	assert_memory_not_equal(&clock.keys[1], &mark, sizeof(mark));
}

static void test_tsval_is_never_ahead_and_at_most_31_ms_behind(void **state)
{
	const __u32 clocks[] = { 0,   1,	  15,	      31,	  32,	      33,	511,
				 512, 0x7fffffff, 0x80000000, 0xffffffe0, 0xffffffff, 123456789 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
		for (__u32 data = 0; data < 32; data++) {
			__u32 tsval = cookie_tsval(clocks[i], data);

			assert_int_equal(tsval & 31, data);
			assert_in_range(clocks[i] - tsval, 0, 31);
		}
	}
}

static void test_tsval_of_the_cookie_follows_the_clock(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		for (__u64 ms = 0; ms < 300; ms++) {
			struct handshake h = handshake_at(mid_epoch_ns(1000) + ms * NSEC_PER_MSEC, families[i], true);
			struct cookie c = make(&h);

			assert_in_range((__u32)(mid_epoch_ns(1000) / NSEC_PER_MSEC + ms) - c.tsval, 0, 31);
		}
	}
}

static void test_same_syn_gets_the_same_cookie_within_an_epoch(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie first = make(&h), again;

		h.clock = clock_at(mid_epoch_ns(1000) + NSEC_PER_SEC);
		again = make(&h);
		assert_int_equal(first.isn, again.isn);
		h.clock = clock_at(mid_epoch_ns(1001));
		again = make(&h);
		assert_int_not_equal(first.isn, again.isn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_this_epoch_and_the_one_before_are_good),
		cmocka_unit_test(test_older_epochs_are_refused),
		cmocka_unit_test(test_next_epoch_is_good_near_the_boundary_only),
		cmocka_unit_test(test_newer_epochs_are_refused),
		cmocka_unit_test(test_epoch_wraps),
		cmocka_unit_test(test_epoch_number_is_in_the_mac),
		cmocka_unit_test(test_each_epoch_has_a_key_of_its_own),
		cmocka_unit_test(test_clock_has_the_keys_of_three_epochs),
		cmocka_unit_test(test_clock_moves_on_and_back_as_a_fresh_one),
		cmocka_unit_test(test_clock_derives_keys_only_in_a_new_epoch),
		cmocka_unit_test(test_tsval_is_never_ahead_and_at_most_31_ms_behind),
		cmocka_unit_test(test_tsval_of_the_cookie_follows_the_clock),
		cmocka_unit_test(test_same_syn_gets_the_same_cookie_within_an_epoch),
	};

	return cmocka_run_group_tests_name("cookie clock", tests, NULL, NULL);
}
