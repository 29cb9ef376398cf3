// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tcp_options.h: every option alone, in any order and at any offset, and every way in which a length can lie. */
#include "unit.h"
#include "tcp_options.h"

/* The option bytes of a segment; what lies behind length is set to bytes that would parse as options. */
static bool parse(const __u8 *bytes, __u32 length, struct tcp_options *out)
{
	__u8 buffer[TCP_OPTIONS_BUFFER_BYTES];

	memset(buffer, TCP_OPTION_SACK_PERMITTED, sizeof(buffer));
	memcpy(buffer, bytes, length < sizeof(buffer) ? length : sizeof(buffer));
	memset(out, 0xa5, sizeof(*out));
	return tcp_options_parse(buffer, length, out);
}

static void assert_options_equal(const struct tcp_options *got, const struct tcp_options *want)
{
	assert_int_equal(got->mss, want->mss);
	assert_int_equal(got->wscale, want->wscale);
	assert_int_equal(got->sack_permitted, want->sack_permitted);
	assert_int_equal(got->has_timestamps, want->has_timestamps);
	assert_int_equal(got->has_signature, want->has_signature);
	assert_int_equal(got->has_mptcp, want->has_mptcp);
	assert_int_equal(got->has_fast_open, want->has_fast_open);
	assert_int_equal(got->tsval, want->tsval);
	assert_int_equal(got->tsecr, want->tsecr);
}

#define assert_parses(bytes, ...)                                                                                      \
	do {                                                                                                           \
		struct tcp_options got_, want_ = { __VA_ARGS__ };                                                      \
		assert_true(parse(bytes, sizeof(bytes), &got_));                                                       \
		assert_options_equal(&got_, &want_);                                                                   \
	} while (0)

#define assert_refused(bytes)                                                                                          \
	do {                                                                                                           \
		struct tcp_options got_;                                                                               \
		assert_false(parse(bytes, sizeof(bytes), &got_));                                                      \
	} while (0)

static void test_no_bytes_no_options(void **state)
{
	struct tcp_options got, none = TCP_OPTIONS_NONE;

	(void)state;
	assert_true(parse((const __u8 *)"", 0, &got));
	assert_options_equal(&got, &none);
}

static void test_each_option_alone(void **state)
{
	const __u8 mss[] = { 2, 4, 0x05, 0xb4 };
	const __u8 wscale[] = { 3, 3, 7 };
	const __u8 sack[] = { 4, 2 };
	const __u8 timestamps[] = { 8, 10, 0x01, 0x02, 0x03, 0x04, 0xf5, 0xf6, 0xf7, 0xf8 };
	const __u8 md5[18] = { 19, 18 };
	const __u8 ao[16] = { 29, 16 };
	const __u8 mptcp[4] = { 30, 4, 0x01 };
	const __u8 fast_open_wish[2] = { 34, 2 };
	const __u8 fast_open[10] = { 34, 10 };

	(void)state;
	assert_parses(mptcp, .wscale = TCP_WSCALE_NONE, .has_mptcp = true);
	assert_parses(fast_open_wish, .wscale = TCP_WSCALE_NONE, .has_fast_open = true);
	assert_parses(fast_open, .wscale = TCP_WSCALE_NONE, .has_fast_open = true);
	assert_parses(mss, .wscale = TCP_WSCALE_NONE, .mss = 1460);
	assert_parses(wscale, .wscale = 7);
	assert_parses(sack, .wscale = TCP_WSCALE_NONE, .sack_permitted = true);
	assert_parses(timestamps, .wscale = TCP_WSCALE_NONE, .has_timestamps = true, .tsval = 0x01020304,
		      .tsecr = 0xf5f6f7f8);
	assert_parses(md5, .wscale = TCP_WSCALE_NONE, .has_signature = true);
	assert_parses(ao, .wscale = TCP_WSCALE_NONE, .has_signature = true);
}

static void test_linux_syn(void **state)
{
	const __u8 syn[] = { 2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 0, 1, 3, 3, 10 };

	(void)state;
	assert_parses(syn, .mss = 1460, .sack_permitted = true, .has_timestamps = true, .tsval = 0xdeadbeef,
		      .wscale = 10);
}

static void test_forty_bytes_in_another_order(void **state)
{
	const __u8 full[40] = { 1, 3, 3, 0, 1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 254, 12, 0x99, 0x99,
				0, 0, 0, 0, 0, 0, 0, 0,	 1, 1, 1, 1, 4, 2, 1, 1, 2,   4,  0xff, 0xff };

	(void)state;
	assert_parses(full, .wscale = 0, .has_timestamps = true, .tsval = 1, .tsecr = 2, .sack_permitted = true,
		      .mss = 65535);
}

static void test_forty_nops(void **state)
{
	__u8 nops[TCP_OPTIONS_MAX_BYTES];

	(void)state;
	memset(nops, TCP_OPTION_NOP, sizeof(nops));
	assert_parses(nops, .wscale = TCP_WSCALE_NONE, .mss = 0);
}

static void test_every_offset(void **state)
{
	__u8 bytes[TCP_OPTIONS_MAX_BYTES];
	const struct tcp_options want = {
		.wscale = TCP_WSCALE_NONE, .has_timestamps = true, .tsval = 0x01020304, .tsecr = 0xf5f6f7f8
	};
	const __u8 timestamps[] = { 8, 10, 0x01, 0x02, 0x03, 0x04, 0xf5, 0xf6, 0xf7, 0xf8 };

	(void)state;
	for (__u32 at = 0; at + sizeof(timestamps) <= sizeof(bytes); at++) {
		struct tcp_options got;

		memset(bytes, TCP_OPTION_NOP, sizeof(bytes));
		memcpy(bytes + at, timestamps, sizeof(timestamps));
		assert_true(parse(bytes, sizeof(bytes), &got));
		assert_options_equal(&got, &want);
		assert_true(parse(bytes, at + sizeof(timestamps), &got));
		assert_options_equal(&got, &want);
		assert_false(parse(bytes, at + sizeof(timestamps) - 1, &got));
	}
}

static void test_end_of_list_ends_it(void **state)
{
	const __u8 bytes[] = { 3, 3, 5, 0, 2, 4, 0x05, 0xb4 };
	const __u8 rubbish_behind[] = { 3, 3, 5, 0, 2, 0, 0xff, 1 };

	(void)state;
	assert_parses(bytes, .wscale = 5);
	assert_parses(rubbish_behind, .wscale = 5);
}

static void test_unknown_options_are_skipped(void **state)
{
	const __u8 bytes[] = { 253, 2, 77, 6, 2, 4, 9, 9, 3, 3, 5, 254, 2 };

	(void)state;
	assert_parses(bytes, .wscale = 5);
}

static void test_wscale_above_14_is_14(void **state)
{
	(void)state;
	for (int shift = 0; shift <= 255; shift++) {
		const __u8 bytes[] = { 3, 3, shift };

		assert_parses(bytes, .wscale = shift > 14 ? 14 : shift);
	}
}

static void test_repeated_option_the_last_counts(void **state)
{
	const __u8 bytes[] = { 2, 4, 0x05, 0xb4, 2, 4, 0x02, 0x18 };

	(void)state;
	assert_parses(bytes, .wscale = TCP_WSCALE_NONE, .mss = 536);
}

static void test_length_below_two_is_refused(void **state)
{
	const __u8 kinds[] = { 2, 3, 4, 8, 19, 29, 5, 254 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const __u8 zero[] = { 1, kinds[i], 0, 1, 1, 1 }, one[] = { 1, kinds[i], 1, 1, 1, 1 };

		assert_refused(zero);
		assert_refused(one);
	}
}

/* Each kind with every length that fits: right for one only. */
static void test_known_kind_with_another_length_is_refused(void **state)
{
	const struct {
		__u8 kind, length;
	} legal[] = { { 2, 4 }, { 3, 3 }, { 4, 2 }, { 8, 10 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(legal); i++) {
		for (__u8 length = 2; length <= TCP_OPTIONS_MAX_BYTES; length++) {
			__u8 bytes[TCP_OPTIONS_MAX_BYTES] = { legal[i].kind, length };
			struct tcp_options got;

			assert_int_equal(parse(bytes, length, &got), length == legal[i].length);
		}
	}
}

/* RFC 2385, 3.0: 18 octets; RFC 5925, 2.2: a header of four and a MAC. */
static void test_signature_with_an_illegal_length_is_refused(void **state)
{
	const __u8 md5[] = { 19, 2 }, ao[] = { 29, 3, 0 };

	(void)state;
	assert_refused(md5);
	assert_refused(ao);
}

static void test_length_past_the_end_is_refused(void **state)
{
	const __u8 no_length[] = { 1, 1, 2 }, short_mss[] = { 2, 4, 5 }, long_unknown[] = { 1, 254, 4, 0 };
	const __u8 longest[] = { 254, 255, 0, 0 };

	(void)state;
	assert_refused(no_length);
	assert_refused(short_mss);
	assert_refused(long_unknown);
	assert_refused(longest);
}

static void test_refused_keeps_what_came_before(void **state)
{
	const __u8 bytes[] = { 2, 4, 0x05, 0xb4, 8, 9, 0, 0, 0, 0, 0, 0, 0 };
	const struct tcp_options want = { .wscale = TCP_WSCALE_NONE, .mss = 1460 };
	struct tcp_options got;

	(void)state;
	assert_false(parse(bytes, sizeof(bytes), &got));
	assert_options_equal(&got, &want);
}

static void test_more_than_forty_bytes_are_refused(void **state)
{
	__u8 bytes[TCP_OPTIONS_BUFFER_BYTES];
	struct tcp_options got;

	(void)state;
	memset(bytes, TCP_OPTION_NOP, sizeof(bytes));
	assert_true(parse(bytes, 40, &got));
	assert_false(parse(bytes, 41, &got));
	assert_false(parse(bytes, 0xffffffff, &got));
	bytes[0] = 254;
	bytes[1] = 41;
	assert_false(parse(bytes, 41, &got));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_bytes_no_options),
		cmocka_unit_test(test_each_option_alone),
		cmocka_unit_test(test_linux_syn),
		cmocka_unit_test(test_forty_bytes_in_another_order),
		cmocka_unit_test(test_forty_nops),
		cmocka_unit_test(test_every_offset),
		cmocka_unit_test(test_end_of_list_ends_it),
		cmocka_unit_test(test_unknown_options_are_skipped),
		cmocka_unit_test(test_wscale_above_14_is_14),
		cmocka_unit_test(test_repeated_option_the_last_counts),
		cmocka_unit_test(test_length_below_two_is_refused),
		cmocka_unit_test(test_known_kind_with_another_length_is_refused),
		cmocka_unit_test(test_signature_with_an_illegal_length_is_refused),
		cmocka_unit_test(test_length_past_the_end_is_refused),
		cmocka_unit_test(test_refused_keeps_what_came_before),
		cmocka_unit_test(test_more_than_forty_bytes_are_refused),
	};

	return cmocka_run_group_tests_name("tcp_options", tests, NULL, NULL);
}
