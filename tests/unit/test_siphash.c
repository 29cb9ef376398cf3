// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* siphash.h against the reference vectors of SipHash-2-4 for every length that is a whole number of words. */
#include "unit.h"
#include "siphash.h"

#define WORDS_MAX 7

static const struct siphash_key key = { 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL };

/* The messages are the octets 0, 1, 2, ... as little-endian words. */
static const __u64 message[WORDS_MAX] = {
	0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL, 0x1716151413121110ULL, 0x1f1e1d1c1b1a1918ULL,
	0x2726252423222120ULL, 0x2f2e2d2c2b2a2928ULL, 0x3736353433323130ULL,
};

/* tags[n] is that of the first n words: of 0, 8, 16, ... 56 octets. */
static const __u64 tags[WORDS_MAX + 1] = {
	0x726fdb47dd0e0e31ULL, 0x93f5f5799a932462ULL, 0x3f2acc7f57c29bdbULL, 0xb8ad50c6f649af94ULL,
	0x7127512f72f27cceULL, 0x0e3ea96b5304a7d0ULL, 0xe612a3cb9ecba951ULL, 0xb78dbfaf3a8d83bdULL,
};

static void test_reference_vectors(void **state)
{
	(void)state;
	assert_true(siphash24(&key, message, 0) == tags[0]);
	assert_true(siphash24(&key, message, 1) == tags[1]);
	assert_true(siphash24(&key, message, 2) == tags[2]);
	assert_true(siphash24(&key, message, 3) == tags[3]);
	assert_true(siphash24(&key, message, 4) == tags[4]);
	assert_true(siphash24(&key, message, 5) == tags[5]);
	assert_true(siphash24(&key, message, 6) == tags[6]);
	assert_true(siphash24(&key, message, 7) == tags[7]);
}

static void test_every_bit_of_message_and_key_counts(void **state)
{
	(void)state;
	for (int bit = 0; bit < 64; bit++) {
		struct siphash_key low = key, high = key;

		low.k0 ^= 1ULL << bit;
		high.k1 ^= 1ULL << bit;
		assert_true(siphash24(&low, message, 3) != tags[3]);
		assert_true(siphash24(&high, message, 3) != tags[3]);
		for (int word = 0; word < 3; word++) {
			__u64 changed[3] = { message[0], message[1], message[2] };

			changed[word] ^= 1ULL << bit;
			assert_true(siphash24(&key, changed, 3) != tags[3]);
		}
	}
}

static void test_length_counts_though_the_words_are_zero(void **state)
{
	const __u64 zeros[2] = { 0, 0 };

	(void)state;
	assert_true(siphash24(&key, zeros, 1) != siphash24(&key, zeros, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reference_vectors),
		cmocka_unit_test(test_every_bit_of_message_and_key_counts),
		cmocka_unit_test(test_length_counts_though_the_words_are_zero),
	};

	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}
