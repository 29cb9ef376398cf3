/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How sizes are read. */
#include "unit.h"

#include "../../user/size.c"

static void test_every_unit_is_known(void **state)
{
	static const struct {
		const char *text;
		__u64 bytes;
	} sizes[] = {
		{ "0", 0 },
		{ "1500", 1500 },
		{ "256k", 256 << 10 },
		{ "4M", 4 << 20 },
		{ "2G", 2ULL << 30 },
		{ "18446744073709551615", UINT64_MAX },
		{ "17179869183G", 17179869183ULL << 30 }, /* the most with this unit */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		__u64 bytes = 1;

		assert_int_equal(size_parse(sizes[i].text, &bytes), 0);
		assert_true(bytes == sizes[i].bytes);
	}
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "k", "4 k", "4K", "4kB", "-4k", " 4", "1.5M", "+4", "17179869184G", "18446744073709551616"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		__u64 bytes;

		assert_int_equal(size_parse(texts[i], &bytes), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_unit_is_known),
		cmocka_unit_test(test_anything_else_is_refused),
	};

	return cmocka_run_group_tests_name("size", tests, NULL, NULL);
}
