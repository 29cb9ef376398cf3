// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* checksum.h against worked examples and against RFC 1071's sum, done the slow way. */
#include "unit.h"
#include "checksum.h"

/* RFC 1071, 3: 16-bit words with end-around carry, as the RFC writes it; in host order of the octets' values. */
static __u16 slow_checksum(const __u8 *octets, int count)
{
	__u32 sum = 0;

	for (int i = 0; i < count; i += 2) {
		sum += get_be16(octets + i);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (__u16)~sum;
}

static __u16 checksum_of(const __u32 *words, int count)
{
	return host16((__be16)checksum_fold(checksum_add_words(0, words, count)));
}

static void test_rfc_1071_example(void **state)
{
	const __u32 words[2] = { net32(0x0001f203), net32(0xf4f5f6f7) };

	(void)state;
	assert_int_equal(checksum_of(words, 2), (__u16)~0xddf2);
}

static void test_ip_header(void **state)
{
	__u32 words[5] = { net32(0x45000073), net32(0x00004000), net32(0x40110000), net32(0xc0a80001),
			   net32(0xc0a800c7) };

	(void)state;
	assert_int_equal(checksum_of(words, 5), 0xb861);
	words[2] = net32(0x4011b861);
	assert_int_equal(checksum_of(words, 5), 0);
}

static void test_fold_of_extreme_sums(void **state)
{
	(void)state;
	assert_int_equal(checksum_fold(0), 0xffff);
	assert_int_equal(checksum_fold(1), 0xfffe);
	assert_int_equal(checksum_fold(0xffff), 0);
	assert_int_equal(checksum_fold(0x10000), 0xfffe);
	assert_int_equal(checksum_fold(0x1fffe), 0);
	assert_int_equal(checksum_fold(0xffffffff), 0);
	assert_int_equal(checksum_fold(0x100000000ULL), 0xfffe);
	assert_int_equal(checksum_fold(0xffff0001ffffULL), 0xfffe);
	assert_int_equal(checksum_fold(0x10000ffffffffULL), 0xfffe); /* carries four times */
	assert_int_equal(checksum_fold(~0ULL), 0);
}

/* A one's-complement sum is its number modulo 0xffff, where a sum that is not 0 never becomes 0. */
static void test_fold_is_the_residue(void **state)
{
	__u64 series = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		__u64 sum = ((__u64)unit_random(&series) << 32 | unit_random(&series)) >> (i % 64);
		__u16 residue = sum % 0xffff;

		if (residue == 0 && sum != 0)
			residue = 0xffff;
		assert_int_equal(checksum_fold(sum), (__u16)~residue);
	}
}

static void test_random_headers_as_the_slow_sum(void **state)
{
	__u64 series = 2;
	__u32 words[15];

	(void)state;
	for (int round = 0; round < 10000; round++) {
		int count = 1 + round % (int)ARRAY_LEN(words);

		for (int i = 0; i < count; i++)
			words[i] = round % 7 == 0 ? 0xffffffff : unit_random(&series);
		assert_int_equal(checksum_of(words, count), slow_checksum((const __u8 *)words, count * 4));
	}
}

static void test_parts_add_up(void **state)
{
	const __u32 words[4] = { 0xffffffff, 0x12345678, 0xffffffff, 0x9abcdef0 };

	(void)state;
	assert_true(checksum_add_words(7, words, 0) == 7);
	assert_true(checksum_add_words(checksum_add_words(7, words, 3), words + 3, 1) ==
		    checksum_add_words(7, words, 4));
	assert_true(checksum_add_words(0, words, 4) == 2 * 0xffffffffULL + 0x12345678 + 0x9abcdef0);
}

/* An IP header behind an Ethernet header lies two octets off a word's boundary. */
static void test_any_alignment(void **state)
{
	__u32 buffer[3] = { 0 };
	__u8 *octets = (__u8 *)buffer;

	(void)state;
	octets[2] = 0x12;
	octets[7] = 0x34;
	assert_true(checksum_add_words(0, octets + 2, 2) == (__u64)net32(0x12000000) + net32(0x00340000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc_1071_example),
		cmocka_unit_test(test_ip_header),
		cmocka_unit_test(test_fold_of_extreme_sums),
		cmocka_unit_test(test_fold_is_the_residue),
		cmocka_unit_test(test_random_headers_as_the_slow_sum),
		cmocka_unit_test(test_parts_add_up),
		cmocka_unit_test(test_any_alignment),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
