/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Turns to probe: bounded in all and to a prefix, spread, given once. */
#include "unit.h"

#include "../../user/daemon/pacer.c"

#define SLOT_NS (1ULL << HORIZON_SLOT_SHIFT)
#define START ((60000ULL << HORIZON_SLOT_SHIFT)) /* where a slot begins */
#define PER_SECOND 1000
#define PER_PREFIX 10

static struct pacer *pacer;

static int setup(void **state)
{
	const struct siphash_key key = { 1, 2 };

	(void)state;
	pacer = pacer_new(PER_SECOND, PER_PREFIX, &key, START);
	return pacer ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	pacer_free(pacer);
	return 0;
}

/* The nth connection of the nth prefix. */
static struct tuple of_prefix(__u32 prefix, __u32 connection)
{
	struct tuple t = unit_tuple(FAMILY_IPV4);

	t.remote[0] = net32(0x0a000000 + (prefix << 8) + (connection >> 16));
	t.remote_port = (__u16)connection;
	return t;
}

static enum pacer_answer ask(__u32 prefix, __u32 connection, __u64 now_ns, __u64 *turn_ns)
{
	struct tuple t = of_prefix(prefix, connection);

	*turn_ns = 0;
	return pacer_ask(pacer, &t, now_ns, turn_ns);
}

static void test_nothing_asked_before_first_goes_at_once(void **state)
{
	__u64 turn_ns;

	(void)state;
	assert_int_equal(ask(1, 1, START, &turn_ns), PACER_NOW);
}

/* Each slot has its share, 16 or 17, and no second more than the rate; what is behind the horizon is refused. */
static void test_hundred_thousand_due_at_once_are_spread(void **state)
{
	static __u32 in_slot[HORIZON_SLOTS];
	__u32 now = 0, full = 0, turns = 0;

	(void)state;
	memset(in_slot, 0, sizeof(in_slot));
	for (__u32 i = 0; i < 100000; i++) {
		__u64 turn_ns;
		enum pacer_answer answer = ask(i, 1, START, &turn_ns);

		now += answer == PACER_NOW;
		full += answer == PACER_FULL;
		if (answer != PACER_LATER)
			continue;
		turns++;
		assert_in_range(turn_ns, START + 1, START + HORIZON_NS + SLOT_NS);
		in_slot[(turn_ns - START) / SLOT_NS]++;
	}
	assert_in_range(now, 16, 17);
	assert_int_equal(now + turns + full, 100000);
	assert_in_range(turns, PER_SECOND * 60, PER_SECOND * 69);
	for (__u32 first = 1; in_slot[first + 59]; first++) {
		__u32 sum = 0;

		for (__u32 slot = first; slot < first + 59; slot++) /* 0.99 s */
			sum += in_slot[slot];
		assert_in_range(in_slot[first], 0, 17);
		assert_in_range(sum, 0, PER_SECOND);
	}
	assert_in_range(in_slot[1000], 16, 17);
}

static void test_same_prefix_is_asked_at_its_own_rate(void **state)
{
	__u64 turn_ns, before_ns = START;

	(void)state;
	assert_int_equal(ask(1, 0, START, &turn_ns), PACER_NOW);
	for (__u32 i = 1; i < 100; i++) {
		assert_int_equal(ask(1, i, START, &turn_ns), PACER_LATER);
		assert_in_range(turn_ns - before_ns, NSEC_PER_SEC / PER_PREFIX - SLOT_NS,
				NSEC_PER_SEC / PER_PREFIX + SLOT_NS);
		before_ns = turn_ns;
	}
	assert_in_range(before_ns - START, 9800 * NSEC_PER_MSEC, 11600 * NSEC_PER_MSEC);
	/* And others are not held back by it. */
	assert_int_equal(ask(2, 0, START, &turn_ns), PACER_NOW);
}

static void test_prefixes_are_24_and_48_bits(void **state)
{
	struct tuple t = unit_tuple(FAMILY_IPV4);
	__u64 turn_ns;

	(void)state;
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_NOW);
	t.remote[0] ^= net32(0x000000ff);
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_LATER);
	t.remote[0] ^= net32(0x00000100);
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_NOW);
	t = unit_tuple(FAMILY_IPV6);
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_NOW);
	t.remote[3] ^= net32(1);
	t.remote[2] ^= net32(1);
	t.remote[1] ^= net32(0x0000ffff);
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_LATER);
	t.remote[1] ^= net32(0x00010000);
	assert_int_equal(pacer_ask(pacer, &t, START, &turn_ns), PACER_NOW);
}

static void test_turn_given_asked_again_it_waits_and_then_goes_once(void **state)
{
	__u64 turn_ns, none;

	(void)state;
	assert_int_equal(ask(1, 0, START, &turn_ns), PACER_NOW);
	assert_int_equal(ask(1, 1, START, &turn_ns), PACER_LATER);
	assert_int_equal(ask(1, 1, START, &none), PACER_WAITS);
	assert_int_equal(ask(1, 1, turn_ns - 1, &none), PACER_WAITS);
	assert_int_equal(ask(1, 1, turn_ns, &none), PACER_NOW);
	assert_int_equal(ask(1, 1, turn_ns, &none), PACER_LATER);
}

/* A process that was stopped finds the turns of the meantime void, or it would take them all at once. */
static void test_turns_missed_for_long_are_void(void **state)
{
	const __u64 later_ns = START + 40 * NSEC_PER_SEC;
	__u64 turn_ns;
	__u32 now = 0;

	(void)state;
	for (__u32 i = 0; i < 30000; i++)
		ask(i, 1, START, &turn_ns);
	for (__u32 i = 0; i < 30000; i++)
		now += ask(i, 1, later_ns, &turn_ns) == PACER_NOW;
	assert_in_range(now, 16, 17);
}

/* Whatever is asked when: no second has more than the rate and what was held for an instant, in all or to a prefix. */
static void test_random_asks_keep_to_both_rates(void **state)
{
	static __u32 of_prefixes[64];
	__u64 now_ns = START, series = 7, second_ns = START, turn_ns;
	__u32 all = 0;

	(void)state;
	memset(of_prefixes, 0, sizeof(of_prefixes));
	for (__u32 i = 0; i < 500000; i++) {
		__u32 prefix = unit_random(&series) % 64, connection = unit_random(&series) % 10;

		now_ns += unit_random(&series) % NSEC_PER_MSEC;
		if (now_ns - second_ns >= NSEC_PER_SEC) {
			second_ns += NSEC_PER_SEC;
			assert_in_range(all, 64 * PER_PREFIX / 3, PER_SECOND);
			for (__u32 p = 0; p < 64; p++)
				assert_in_range(of_prefixes[p], 0, 2 * PER_PREFIX + 1);
			memset(of_prefixes, 0, sizeof(of_prefixes));
			all = 0;
		}
		if (ask(prefix, connection, now_ns, &turn_ns) == PACER_NOW) {
			all++;
			of_prefixes[prefix]++;
		}
	}
	assert_true(now_ns > START + 3 * HORIZON_NS);
}

static void test_rate_below_one_a_slot_is_kept(void **state)
{
	const struct siphash_key key = { 3, 4 };
	struct pacer *slow = pacer_new(2, 1, &key, START);
	__u64 turn_ns, before_ns = 0;

	(void)state;
	for (__u32 i = 0; i < 100; i++) {
		struct tuple t = of_prefix(i, 1);

		turn_ns = START;
		assert_in_range(pacer_ask(slow, &t, START, &turn_ns), PACER_NOW, PACER_LATER);
		if (before_ns)
			assert_in_range(turn_ns - before_ns, NSEC_PER_SEC / 2 - SLOT_NS, NSEC_PER_SEC / 2 + SLOT_NS);
		before_ns = turn_ns;
	}
	pacer_free(slow);
}

/* Where memory for prefixes is used up, nobody is probed faster for it; when time has passed it is free again. */
static void test_more_prefixes_than_places_are_refused_and_forgotten_in_time(void **state)
{
	const struct siphash_key key = { 5, 6 };
	struct pacer *small = pacer_new(10, 1, &key, START);
	__u64 now_ns = START, turn_ns;

	(void)state;
	for (__u32 round = 0; round < 10; round++) {
		__u32 given = 0;

		for (__u32 i = 0; i < 20000; i++) {
			struct tuple t = of_prefix(20000 * round + i, 1);

			given += pacer_ask(small, &t, now_ns, &turn_ns) <= PACER_LATER;
		}
		assert_in_range(given, 10 * 60, 10 * 69);
		now_ns += 100 * NSEC_PER_SEC;
	}
	pacer_free(small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_asked_before_first_goes_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hundred_thousand_due_at_once_are_spread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_prefix_is_asked_at_its_own_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefixes_are_24_and_48_bits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turn_given_asked_again_it_waits_and_then_goes_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_turns_missed_for_long_are_void, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_asks_keep_to_both_rates, setup, teardown),
		cmocka_unit_test(test_rate_below_one_a_slot_is_kept),
		cmocka_unit_test(test_more_prefixes_than_places_are_refused_and_forgotten_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
