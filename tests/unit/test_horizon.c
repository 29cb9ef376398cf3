/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The calendar of keys, beside a plain list of the same keys with their times. */
#include "unit.h"

#include "../../user/daemon/horizon.c"

#define SLOT_NS (1ULL << HORIZON_SLOT_SHIFT)
#define START (1000 * NSEC_PER_SEC + 12345)
#define MODEL_MAX 4096
#define STEPS 200000

static struct horizon *horizon;

static int setup(void **state)
{
	(void)state;
	horizon = horizon_new(sizeof(__u32), START);
	return horizon ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	horizon_free(horizon);
	return 0;
}

static __u32 take_one(__u64 now_ns)
{
	__u32 key;

	return horizon_take(horizon, &key, 1, now_ns) ? key : 0;
}

static void add(__u32 key, __u64 due_ns, __u64 now_ns)
{
	assert_int_equal(horizon_add(horizon, &key, due_ns, now_ns), 0);
}

static void test_empty_take_gives_nothing(void **state)
{
	(void)state;
	assert_int_equal(take_one(START), 0);
	assert_int_equal(horizon_next_ns(horizon), UINT64_MAX);
	assert_int_equal(horizon_count(horizon), 0);
}

static void test_key_due_later_take_gives_it_then_and_not_before(void **state)
{
	static const __u64 delays_ns[] = {
		1, SLOT_NS - 1, SLOT_NS, SLOT_NS + 1, NSEC_PER_SEC, 30 * NSEC_PER_SEC, HORIZON_NS,
	};
	__u64 now_ns = START;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(delays_ns); i++) {
		__u64 due_ns = now_ns + delays_ns[i], next_ns;

		add(7, due_ns, now_ns);
		next_ns = horizon_next_ns(horizon);
		assert_in_range(next_ns, due_ns, due_ns + SLOT_NS);
		assert_int_equal(take_one(due_ns - 1), 0);
		assert_int_equal(take_one(next_ns - 1), 0);
		assert_int_equal(take_one(next_ns), 7);
		assert_int_equal(horizon_next_ns(horizon), UINT64_MAX);
		now_ns = next_ns;
	}
}

static void test_key_due_already_take_gives_it_at_once(void **state)
{
	(void)state;
	add(1, START, START);
	assert_int_equal(take_one(START), 1);
	add(2, 5, START);
	assert_int_equal(take_one(START), 2);
	add(3, START - 1, START + 5 * SLOT_NS);
	assert_int_equal(take_one(START + 5 * SLOT_NS), 3);
}

static void test_add_beyond_the_horizon_is_refused(void **state)
{
	__u64 end_ns = ((START >> HORIZON_SLOT_SHIFT) + HORIZON_SLOTS - 1) << HORIZON_SLOT_SHIFT;
	__u32 key = 1;

	(void)state;
	assert_int_equal(horizon_add(horizon, &key, end_ns + 1, START), -ERANGE);
	assert_int_equal(horizon_add(horizon, &key, UINT64_MAX, START), -ERANGE);
	assert_int_equal(horizon_count(horizon), 0);
	assert_int_equal(horizon_add(horizon, &key, end_ns, START), 0);
}

/* What waits far ahead does not hold the horizon back. */
static void test_time_passes_horizon_moves_with_it(void **state)
{
	__u64 later_ns = START + 60 * NSEC_PER_SEC;

	(void)state;
	add(1, later_ns + NSEC_PER_SEC, START);
	add(2, later_ns + HORIZON_NS, later_ns);
	assert_int_equal(take_one(later_ns + 2 * NSEC_PER_SEC), 1);
	assert_int_equal(take_one(later_ns + HORIZON_NS - NSEC_PER_SEC), 0);
	assert_int_equal(take_one(later_ns + HORIZON_NS + SLOT_NS), 2);
}

static void test_gap_longer_than_the_horizon_take_gives_all_older_first(void **state)
{
	__u64 late_ns = START + 1000 * NSEC_PER_SEC;

	(void)state;
	add(3, START + 3 * NSEC_PER_SEC, START);
	add(1, START + NSEC_PER_SEC, START);
	add(2, START + 2 * NSEC_PER_SEC, START);
	assert_int_equal(take_one(late_ns), 1);
	assert_int_equal(take_one(late_ns), 2);
	assert_int_equal(take_one(late_ns), 3);
	assert_int_equal(take_one(late_ns), 0);
	add(4, late_ns + HORIZON_NS, late_ns);
}

/* A key of IPv4 costs a few per cent beyond its bytes, and what is given back is bounded. */
static void test_million_keys_memory_is_that_of_the_keys(void **state)
{
	const __u32 keys = 1000000, chunk_keys = 42;
	struct horizon *of_ipv4 = horizon_new(sizeof(struct flow4_key), START);
	struct flow4_key taken[100], key = { .remote_port = 1 };
	__u32 chunks = 0;

	(void)state;
	for (__u32 i = 0; i < keys; i++)
		assert_int_equal(horizon_add(of_ipv4, &key, START + 7 * SLOT_NS, START), 0);
	for (const struct chunk *chunk = of_ipv4->slots[((START >> HORIZON_SLOT_SHIFT) + 8) % HORIZON_SLOTS].first;
	     chunk; chunk = chunk->next)
		chunks++;
	assert_int_equal(chunks, (keys + chunk_keys - 1) / chunk_keys);
	while (horizon_take(of_ipv4, taken, ARRAY_LEN(taken), START + NSEC_PER_SEC))
		assert_memory_equal(&taken[0], &key, sizeof(key));
	assert_int_equal(horizon_count(of_ipv4), 0);
	assert_int_equal(of_ipv4->spare_count, SPARE_MAX);
	horizon_free(of_ipv4);
}

/* --- beside the model --------------------------------------------------------------------------------------------- */

struct entry {
	__u32 key;
	bool was_ahead; /* when it was added: among these the older slots come first */
	__u64 due_ns;
};

static struct entry model[MODEL_MAX];
static __u32 model_count;

static struct entry model_take(__u32 key)
{
	for (__u32 i = 0; i < model_count; i++) {
		if (model[i].key == key) {
			struct entry entry = model[i];

			model[i] = model[--model_count];
			return entry;
		}
	}
	fail_msg("key %u was never added, or given before", key);
	return (struct entry){};
}

static __u64 oldest_ahead_ns(void)
{
	__u64 oldest_ns = UINT64_MAX - SLOT_NS;

	for (__u32 i = 0; i < model_count; i++) {
		if (model[i].was_ahead && model[i].due_ns < oldest_ns)
			oldest_ns = model[i].due_ns;
	}
	return oldest_ns;
}

static void add_random(__u32 key, __u64 now_ns, __u64 *series)
{
	static const __u64 ranges_ns[] = { SLOT_NS, NSEC_PER_SEC, HORIZON_NS, 2 * HORIZON_NS };
	__u64 range_ns = ranges_ns[unit_random(series) % ARRAY_LEN(ranges_ns)];
	__u64 ahead_ns = ((__u64)unit_random(series) << 32 | unit_random(series)) % range_ns;
	__u64 due_ns = unit_random(series) % 8 ? now_ns + ahead_ns : now_ns - ahead_ns;
	int err = horizon_add(horizon, &key, due_ns, now_ns);

	if (!err)
		model[model_count++] = (struct entry){ key, due_ns > now_ns, due_ns };
	if (due_ns <= now_ns + HORIZON_NS)
		assert_int_equal(err, 0);
	if (due_ns > now_ns + HORIZON_NS + 2 * SLOT_NS)
		assert_int_equal(err, -ERANGE);
}

static void take_random(__u64 now_ns, __u64 *series)
{
	__u32 keys[64], most = 1 + unit_random(series) % ARRAY_LEN(keys), count;

	do {
		count = horizon_take(horizon, keys, most, now_ns);
		for (__u32 i = 0; i < count; i++) {
			struct entry entry = model_take(keys[i]);

			assert_true(entry.due_ns <= now_ns);
			if (entry.was_ahead)
				assert_true(entry.due_ns < oldest_ahead_ns() + SLOT_NS);
		}
	} while (count == most);
	for (__u32 i = 0; i < model_count; i++)
		assert_true(model[i].due_ns + SLOT_NS > now_ns);
}

static void test_random_operations_agree_with_the_model(void **state)
{
	__u64 now_ns = START, series = 42, taken = 0;

	(void)state;
	for (__u32 step = 1; step <= STEPS; step++) {
		__u32 chance = unit_random(&series) % 64;

		if (model_count < MODEL_MAX - 1 && chance < 60) {
			add_random(step, now_ns, &series);
		} else {
			taken += model_count;
			now_ns += chance == 63 && unit_random(&series) % 32 == 0 ? 3 * HORIZON_NS
										 : unit_random(&series) % (4 * SLOT_NS);
			take_random(now_ns, &series);
			taken -= model_count;
		}
		assert_int_equal(horizon_count(horizon), model_count);
		if (model_count)
			assert_true(horizon_next_ns(horizon) != UINT64_MAX);
	}
	assert_true(taken > STEPS / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_take_gives_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_due_later_take_gives_it_then_and_not_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_key_due_already_take_gives_it_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_beyond_the_horizon_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_passes_horizon_moves_with_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gap_longer_than_the_horizon_take_gives_all_older_first, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_million_keys_memory_is_that_of_the_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_operations_agree_with_the_model, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
