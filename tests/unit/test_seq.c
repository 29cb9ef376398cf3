// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* seq.h: comparison modulo 2^32, at every place where a sign or a carry could go wrong. */
#include "unit.h"
#include "seq.h"

/* Where the space begins, ends, and where its numbers change their sign. */
static const __u32 starts[] = { 0, 1, 0x7ffffffe, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff };

/* Distances that windows reach, and the greatest that still has an order. */
static const __u32 distances[] = { 1, 2, 0xffff, 1 << 30, 0x7fffffff };

static void test_equal_is_neither_before_nor_after(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		assert_false(seq_before(starts[i], starts[i]));
		assert_false(seq_after(starts[i], starts[i]));
		assert_int_equal(seq_max(starts[i], starts[i]), starts[i]);
	}
}

static void test_order_holds_across_the_wrap(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(distances); j++) {
			__u32 a = starts[i], b = a + distances[j];

			assert_true(seq_before(a, b));
			assert_false(seq_before(b, a));
			assert_true(seq_after(b, a));
			assert_false(seq_after(a, b));
		}
	}
}

static void test_max_is_the_later_in_either_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		for (size_t j = 0; j < ARRAY_LEN(distances); j++) {
			__u32 a = starts[i], b = a + distances[j];

			assert_int_equal(seq_max(a, b), b);
			assert_int_equal(seq_max(b, a), b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_is_neither_before_nor_after),
		cmocka_unit_test(test_order_holds_across_the_wrap),
		cmocka_unit_test(test_max_is_the_later_in_either_place),
	};

	return cmocka_run_group_tests_name("seq", tests, NULL, NULL);
}
