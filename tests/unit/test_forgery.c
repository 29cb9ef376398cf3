/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How often a guess is taken for a cookie: counted over random acknowledgements, beside what docs/cookie.md claims.
 *
 * Guesses are made in the last seconds of an epoch, when cookies of three are good. A number that is counted must be
 * within SIGMAS standard deviations of what is expected (Poisson: its square root). The series of guesses is fixed, so
 * it is the same number in each run.
 *
 * Fully random guesses hit so seldom that one bit of the MAC more or less would show only in hundreds of millions. So
 * in a second kind the forger is told all but a few bits, which are moved along the MAC: then each bit counts in full.
 */
#include <math.h>

#include "cookie_fixture.h"

#define SIGMAS 4
#define GUESSES (1U << 27)
#define GUESSES_WITH_TIMESTAMPS (1U << 25)
#define TOLD_GUESSES (1U << 18)
#define EPOCHS_GOOD 3

static const __u64 late_ns = 1001 * COOKIE_EPOCH_NS - COOKIE_SKEW_NS;

/* splitmix64 (Vigna): quicker than the cookie, and any half of it will do. */
static inline __u64 next_random(__u64 *series)
{
	__u64 z = *series += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

static void assert_as_often(__u64 hits, double expected)
{
	double off = SIGMAS * sqrt(expected);

	print_message("%llu hits, %.1f expected\n", hits, expected);
	if (hits < expected - off || hits > expected + off)
		fail_msg("%llu hits, %.1f expected, %.1f more or less", hits, expected, off);
}

/* How many of so many acknowledgements of random handshakes, all numbers random, are taken. */
static __u64 count_hits(__u8 family, bool timestamps, __u64 guesses)
{
	struct handshake h = handshake_at(late_ns, family, timestamps);
	__u64 series = family + 2 * timestamps, hits = 0;

	for (__u64 i = 0; i < guesses; i++) {
		__u64 numbers = next_random(&series);
		__u32 tsecr = timestamps ? (__u32)next_random(&series) : 0;
		struct cookie_terms terms;

		hits += cookie_check(&h.clock, &h.site, &h.tuple, (__u32)numbers, numbers >> 32, timestamps, tsecr,
				     &terms);
	}
	return hits;
}

/* What the forger does not know of a cookie. */
struct unknown {
	struct cookie mask;
	int bits;
};

/* How many of so many random handshakes' cookies are taken, their unknown bits drawn by lot. */
static __u64 count_told_hits(__u8 family, bool timestamps, const struct unknown *unknown)
{
	struct handshake h = handshake_at(late_ns, family, timestamps);
	__u64 series = unknown->mask.isn + unknown->mask.tsval + family, hits = 0;

	for (__u32 i = 0; i < TOLD_GUESSES; i++) {
		__u64 lot = next_random(&series);
		struct cookie c;

		h.client_isn = (__u32)next_random(&series);
		c = make(&h);
		c.isn = (c.isn & ~unknown->mask.isn) | ((__u32)lot & unknown->mask.isn);
		c.tsval = (c.tsval & ~unknown->mask.tsval) | (lot >> 32 & unknown->mask.tsval);
		hits += check(&h, &c);
	}
	return hits;
}

static void test_random_guess_hits_once_in_24_bits_for_each_epoch(void **state)
{
	(void)state;
	assert_as_often(count_hits(FAMILY_IPV4, false, GUESSES), EPOCHS_GOOD * ldexp(GUESSES, -24));
}

static void test_random_guess_with_timestamps_hits_once_in_28_bits(void **state)
{
	(void)state;
	assert_as_often(count_hits(FAMILY_IPV4, true, GUESSES_WITH_TIMESTAMPS),
			EPOCHS_GOOD * ldexp(GUESSES_WITH_TIMESTAMPS, -28));
}

static void test_guess_of_some_mac_bits_hits_once_in_as_many(void **state)
{
	static const struct unknown unknown[] = {
		{ { .isn = 0x0000ff00 }, 8 }, { { .isn = 0x00ff0000 }, 8 }, { { .isn = 0xff000000 }, 8 },
		{ { .isn = 0x80000100 }, 2 }, { { .tsval = 0xf }, 4 },	    { { .isn = 0x01010100, .tsval = 0xf }, 7 },
	};

	(void)state;
	for (int family = 0; family < 2; family++) {
		for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
			double expected = ldexp(TOLD_GUESSES, -unknown[i].bits);

			assert_as_often(count_told_hits(families[family], true, &unknown[i]), expected);
			if (!unknown[i].mask.tsval)
				assert_as_often(count_told_hits(families[family], false, &unknown[i]), expected);
		}
	}
}

/* The clock's bits of TSval are the peer's to choose: they are no part of the cookie. */
static void test_clock_bits_of_tsval_are_not_guessed(void **state)
{
	static const struct unknown unknown = { { .tsval = 0xffffffe0 }, 0 };

	(void)state;
	assert_int_equal(count_told_hits(FAMILY_IPV4, true, &unknown), TOLD_GUESSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_guess_hits_once_in_24_bits_for_each_epoch),
		cmocka_unit_test(test_random_guess_with_timestamps_hits_once_in_28_bits),
		cmocka_unit_test(test_guess_of_some_mac_bits_hits_once_in_as_many),
		cmocka_unit_test(test_clock_bits_of_tsval_are_not_guessed),
	};

	return cmocka_run_group_tests_name("forgery", tests, NULL, NULL);
}
