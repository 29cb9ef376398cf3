// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ipv4_options.h: every kind and every length, and lists that end too early. */
#include "unit.h"
#include "ipv4_options.h"

static bool needs_owner(const __u8 *options, __u32 length)
{
	__u8 buffer[IPV4_OPTIONS_BUFFER_BYTES];

	memset(buffer, IPV4_OPTION_LSRR, sizeof(buffer)); /* what is beyond the options is not looked at */
	memcpy(buffer, options, length);
	return ipv4_options_need_owner(buffer, length);
}

static void test_kinds_that_a_cookie_may_answer(void **state)
{
	(void)state;
	for (int kind = 2; kind < 256; kind++) {
		const __u8 options[] = { kind, 4, 0, 0 };
		bool may = kind == IPV4_OPTION_RECORD_ROUTE || kind == IPV4_OPTION_TIMESTAMP ||
			   kind == IPV4_OPTION_ROUTER_ALERT;

		assert_int_equal(needs_owner(options, sizeof(options)), !may);
	}
}

static void test_every_length_of_a_known_kind(void **state)
{
	__u8 options[IPV4_OPTIONS_MAX_BYTES] = { IPV4_OPTION_RECORD_ROUTE };

	(void)state;
	for (__u32 bytes = 4; bytes <= sizeof(options); bytes += 4) {
		for (int length = 0; length < 256; length++) {
			bool legal = length >= 2 && (__u32)length <= bytes;

			options[1] = length;
			assert_int_equal(needs_owner(options, bytes), !legal);
		}
	}
}

static void test_kind_in_the_last_byte(void **state)
{
	__u8 options[IPV4_OPTIONS_MAX_BYTES];

	(void)state;
	memset(options, IPV4_OPTION_NOP, sizeof(options));
	assert_false(needs_owner(options, sizeof(options)));
	options[sizeof(options) - 1] = IPV4_OPTION_TIMESTAMP;
	assert_true(needs_owner(options, sizeof(options)));
	options[sizeof(options) - 1] = IPV4_OPTION_EOL;
	assert_false(needs_owner(options, sizeof(options)));
}

static void test_nothing_counts_behind_the_end(void **state)
{
	const __u8 options[] = { IPV4_OPTION_NOP, IPV4_OPTION_EOL, IPV4_OPTION_SSRR, 3 };

	(void)state;
	assert_false(needs_owner(options, sizeof(options)));
	assert_true(needs_owner(options + 2, 2));
	assert_false(needs_owner(options, 0));
}

static void test_longer_than_a_header_can_have(void **state)
{
	__u8 buffer[IPV4_OPTIONS_BUFFER_BYTES] = {};

	(void)state;
	assert_true(ipv4_options_need_owner(buffer, IPV4_OPTIONS_MAX_BYTES + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_that_a_cookie_may_answer),
		cmocka_unit_test(test_every_length_of_a_known_kind),
		cmocka_unit_test(test_kind_in_the_last_byte),
		cmocka_unit_test(test_nothing_counts_behind_the_end),
		cmocka_unit_test(test_longer_than_a_header_can_have),
	};

	return cmocka_run_group_tests_name("ipv4_options", tests, NULL, NULL);
}
