// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How often the loaded program takes a guess for a cookie, and that no wrong one is answered. tests/unit/test_forgery.c
 * counts the same of cookie_check() alone, which is quick enough for hundreds of millions.
 */
#include <bpf/bpf.h>

#include "shield.h"

#define GUESSES (1U << 20)
#define TOLD_GUESSES (1U << 15)
#define EPOCHS_GOOD 2
#define SIGMAS 4

static __u64 next_random(__u64 *series)
{
	__u64 z = *series += 0x9e3779b97f4a7c15ULL; /* splitmix64 (Vigna) */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* No stranger may pass, and cookies are looked at though this machine has sent none. */
static int setup(void **state)
{
	shield_reset(state);
	shield_config.key_is_shared = true;
	shield_advance(COOKIE_LIFETIME_NS + NSEC_PER_SEC);
	shield_set_cookie_time(SHIELD_EPOCH * COOKIE_EPOCH_NS + SHIELD_EPOCH_AGE_NS);
	return 0;
}

/* An acknowledgement from any address: a flow that an earlier hit has made is met once in 2^48. */
static struct packet_spec ack_from_anywhere(__u64 *series, bool timestamps)
{
	__u64 lot = next_random(series), numbers = next_random(series);
	struct packet_spec spec = {
		.tuple = shield_tuple(FAMILY_IPV4, PORT_ALWAYS),
		.direction = DIRECTION_RCV,
		.flags = TCP_FLAG_ACK,
		.window = 512,
		.seq = (__u32)numbers,
		.ack = numbers >> 32,
	};

	spec.tuple.remote[0] = net32(0x0b000000 | (lot & 0xffffff));
	spec.tuple.remote_port = 1024 + (lot >> 32) % 60000;
	if (timestamps)
		packet_build_timestamps(&spec, lot >> 40, (__u32)next_random(series));
	return spec;
}

static void receive(const struct packet_spec *spec)
{
	static struct frame f;

	packet_build(&f, spec);
	LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = f.bytes, .data_size_in = f.length);
	assert_int_equal(bpf_prog_test_run_opts(shield_program("xdp_ingress"), &run), 0);
	assert_true(run.retval == XDP_PASS || run.retval == XDP_DROP); /* nobody is answered */
}

/* What the forger does not know of a cookie of this kind, if it was made for him. */
struct unknown {
	bool timestamps;
	struct cookie mask;
};

typedef struct packet_spec (*draw)(__u64 *series, const struct unknown *unknown);

/* How many of so many guesses are taken; the others are dropped by the one verdict. */
static __u64 count_hits(__u32 guesses, draw draw_guess, const struct unknown *unknown)
{
	__u64 right = shield_count(V_COOKIE_ACK), wrong = shield_count(V_NO_FLOW), series = guesses;

	for (__u32 i = 0; i < guesses; i++) {
		const struct packet_spec spec = draw_guess(&series, unknown);

		receive(&spec);
	}
	right = shield_count(V_COOKIE_ACK) - right;
	wrong = shield_count(V_NO_FLOW) - wrong;
	assert_int_equal(right + wrong, guesses);
	return right;
}

/* Squared, as the square of the standard deviation is what is expected (Poisson). */
static void assert_as_often(__u64 hits, double expected)
{
	double off = hits - expected;

	print_message("%llu hits, %.3f expected\n", hits, expected);
	assert_true(off * off <= SIGMAS * SIGMAS * expected);
}

static struct packet_spec draw_random(__u64 *series, const struct unknown *unknown)
{
	return ack_from_anywhere(series, unknown->timestamps);
}

static void test_forgery_random_guesses_hit_as_often_as_reckoned(void **state)
{
	const struct unknown plain = { .timestamps = false }, with_timestamps = { .timestamps = true };

	(void)state;
	assert_as_often(count_hits(GUESSES, draw_random, &plain), (double)EPOCHS_GOOD * GUESSES / (1 << 24));
	assert_as_often(count_hits(GUESSES / 4, draw_random, &with_timestamps),
			(double)EPOCHS_GOOD * GUESSES / 4 / (1 << 28));
}

/* A cookie made for the address, whose unknown bits are drawn by lot. */
static struct packet_spec draw_told(__u64 *series, const struct unknown *unknown)
{
	const struct cookie_terms terms = { .mss = 1400, .wscale = 7, .timestamps = unknown->timestamps };
	const struct cookie_site site = shield_cookie_site(FAMILY_IPV4);
	const struct cookie_clock clock = shield_cookie_clock();
	struct packet_spec spec = ack_from_anywhere(series, false);
	struct cookie c = cookie_make(&clock, &site, &spec.tuple, spec.seq - 1, &terms);
	__u64 lot = next_random(series);

	spec.ack = ((c.isn & ~unknown->mask.isn) | ((__u32)lot & unknown->mask.isn)) + 1;
	c.tsval = (c.tsval & ~unknown->mask.tsval) | (lot >> 32 & unknown->mask.tsval);
	if (unknown->timestamps)
		packet_build_timestamps(&spec, 1, c.tsval);
	return spec;
}

/* All of the MAC, eight bits at a time: were one of them not compared, twice as many would be taken. */
static void test_forgery_guesses_of_eight_mac_bits_hit_once_in_256(void **state)
{
	static const struct unknown unknown[] = {
		{ false, { .isn = 0x0000ff00 } },
		{ false, { .isn = 0x00ff0000 } },
		{ false, { .isn = 0xff000000 } },
		{ true, { .isn = 0x0000ff00 } },
		{ true, { .isn = 0x00ff0000 } },
		{ true, { .isn = 0xff000000 } },
		{ true, { .isn = 0x81810000, .tsval = 0xf } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++) {
		setup(NULL);
		assert_as_often(count_hits(TOLD_GUESSES, draw_told, &unknown[i]), TOLD_GUESSES / 256.0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_forgery_random_guesses_hit_as_often_as_reckoned, setup),
		cmocka_unit_test_setup(test_forgery_guesses_of_eight_mac_bits_hit_once_in_256, setup),
	};

	return shield_run_tests("forgery", tests, ARRAY_LEN(tests));
}
