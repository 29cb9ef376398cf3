/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How times, sizes and addresses are printed for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../user/format.c"

static void test_duration_uses_the_two_largest_units(void **state)
{
	static const struct {
		__u64 ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 999999, "0s" },
		{ 20 * NSEC_PER_MSEC, "20ms" },
		{ NSEC_PER_SEC - 1, "999ms" },
		{ 3 * NSEC_PER_SEC, "3s" },
		{ 60 * NSEC_PER_SEC - 1, "59s" },
		{ 125 * NSEC_PER_SEC, "2m05s" },
		{ (4 * 60 + 12) * 60 * NSEC_PER_SEC, "4h12m" },
		{ 3600 * NSEC_PER_SEC, "1h00m" },
		{ 27 * 3600 * NSEC_PER_SEC, "1d3h" },
		{ UINT64_MAX, "213503d23h" },
	};
	char text[FORMAT_DURATION_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(format_duration(text, cases[i].ns), cases[i].text);
}

static void test_count_is_cut_to_its_largest_unit(void **state)
{
	char text[FORMAT_SIZE_BYTES];

	(void)state;
	assert_string_equal(format_count(text, 0), "0");
	assert_string_equal(format_count(text, 999), "999");
	assert_string_equal(format_count(text, 1000), "1.0k");
	assert_string_equal(format_count(text, 1299), "1.2k");
	assert_string_equal(format_count(text, 9999), "9.9k");
	assert_string_equal(format_count(text, 34567), "34k");
	assert_string_equal(format_count(text, UINT64_MAX), "18E");
}

static void test_bytes_are_cut_to_their_largest_unit(void **state)
{
	char text[FORMAT_SIZE_BYTES];

	(void)state;
	assert_string_equal(format_bytes(text, 0), "0B");
	assert_string_equal(format_bytes(text, 1023), "1023B");
	assert_string_equal(format_bytes(text, 1024), "1.0KiB");
	assert_string_equal(format_bytes(text, 10 * 1024 - 1), "9.9KiB");
	assert_string_equal(format_bytes(text, 34 * 1024), "34KiB");
	assert_string_equal(format_bytes(text, 6000000), "5.7MiB");
	assert_string_equal(format_bytes(text, UINT64_MAX), "15EiB");
}

static void test_endpoint_ipv4_is_dotted(void **state)
{
	const __u8 address[4] = { 10, 0, 200, 255 };
	char text[FORMAT_ENDPOINT_BYTES];

	(void)state;
	assert_string_equal(format_endpoint(text, FAMILY_IPV4, address, 65535), "10.0.200.255:65535");
}

static void test_endpoint_ipv6_is_bracketed(void **state)
{
	const __u8 address[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 };
	char text[FORMAT_ENDPOINT_BYTES];

	(void)state;
	assert_string_equal(format_endpoint(text, FAMILY_IPV6, address, 443), "[2001:db8::2]:443");
}

static void test_endpoint_longest_fits(void **state)
{
	char text[FORMAT_ENDPOINT_BYTES];
	__u8 address[16];

	(void)state;
	memset(address, 0xff, sizeof(address));
	assert_string_equal(format_endpoint(text, FAMILY_IPV6, address, 65535),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_options_name_what_was_agreed(void **state)
{
	char text[FORMAT_OPTIONS_BYTES];

	(void)state;
	assert_string_equal(format_options(text, 0, 7, 7, 0), "");
	assert_string_equal(format_options(text, FLOW_COOKIE, 7, 7, 536), "mss:536 cookie");
	assert_string_equal(format_options(text, FLOW_WSCALE, 14, 0, 0), "wscale:14,0");
	assert_string_equal(format_options(text, 0xffff, 255, 255, 65535),
			    "ts sack ecn wscale:255,255 mss:65535 cookie handover adopted");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration_uses_the_two_largest_units),
		cmocka_unit_test(test_count_is_cut_to_its_largest_unit),
		cmocka_unit_test(test_bytes_are_cut_to_their_largest_unit),
		cmocka_unit_test(test_endpoint_ipv4_is_dotted),
		cmocka_unit_test(test_endpoint_ipv6_is_bracketed),
		cmocka_unit_test(test_endpoint_longest_fits),
		cmocka_unit_test(test_options_name_what_was_agreed),
	};

	return cmocka_run_group_tests_name("format", tests, NULL, NULL);
}
