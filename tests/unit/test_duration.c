/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How spans of time are read. */
#include "unit.h"

#include "../../user/duration.c"

static void test_every_unit_is_known(void **state)
{
	static const struct {
		const char *text;
		__u64 ns;
	} durations[] = {
		{ "500ms", 500 * NSEC_PER_MSEC },
		{ "60s", 60 * NSEC_PER_SEC },
		{ "5m", 300 * NSEC_PER_SEC },
		{ "2h", 7200 * NSEC_PER_SEC },
		{ "1d", 86400 * NSEC_PER_SEC },
		{ "0s", 0 },
		{ "18446744073s", 18446744073 * NSEC_PER_SEC }, /* the longest */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		__u64 ns = 1;

		assert_int_equal(duration_parse(durations[i].text, &ns), 0);
		assert_int_equal(ns, durations[i].ns);
	}
}

static void test_anything_else_is_refused(void **state)
{
	static const char *const texts[] = { "",     "60",  "s",    "60 s",	    "60x",  "-60s",
					     " 60s", "+1s", "1m5s", "18446744074s", "1.5s", "99999999999999999999s" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		__u64 ns;

		assert_int_equal(duration_parse(texts[i], &ns), -EINVAL);
	}
}

static void test_bounds_are_within(void **state)
{
	__u64 ns;

	(void)state;
	assert_int_equal(duration_parse_within("1s", NSEC_PER_SEC, 2 * NSEC_PER_SEC, &ns), 0);
	assert_int_equal(ns, NSEC_PER_SEC);
	assert_int_equal(duration_parse_within("2s", NSEC_PER_SEC, 2 * NSEC_PER_SEC, &ns), 0);
	assert_int_equal(duration_parse_within("999ms", NSEC_PER_SEC, 2 * NSEC_PER_SEC, &ns), -EINVAL);
	assert_int_equal(duration_parse_within("2001ms", NSEC_PER_SEC, 2 * NSEC_PER_SEC, &ns), -EINVAL);
	assert_int_equal(duration_parse_within("soon", NSEC_PER_SEC, 2 * NSEC_PER_SEC, &ns), -EINVAL);
}

static void test_formats_in_the_largest_unit_that_is_exact(void **state)
{
	static const struct {
		const char *text, *formatted;
	} durations[] = {
		{ "7200s", "2h" },
		{ "75s", "75s" },
		{ "90s", "90s" },
		{ "120s", "2m" },
		{ "1500ms", "1500ms" },
		{ "24h", "1d" },
		{ "18446744073s", "18446744073s" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		char text[DURATION_BYTES];
		__u64 ns = 0, again = 1;

		duration_parse(durations[i].text, &ns);
		assert_string_equal(duration_format(text, ns), durations[i].formatted);
		assert_int_equal(duration_parse(text, &again), 0);
		assert_int_equal(again, ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_unit_is_known),
		cmocka_unit_test(test_anything_else_is_refused),
		cmocka_unit_test(test_bounds_are_within),
		cmocka_unit_test(test_formats_in_the_largest_unit_that_is_exact),
	};

	return cmocka_run_group_tests_name("duration", tests, NULL, NULL);
}
