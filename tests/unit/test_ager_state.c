/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How late records were taken away, by classes. */
#include "unit.h"

#include "../../user/daemon/ager_state.c"

int state_map_make(const char *pin_dir, const char *name, __u32 element_bytes, __u32 count, struct state_map *map)
{
	(void)pin_dir;
	(void)name;
	(void)element_bytes;
	(void)count;
	(void)map;
	return -ENOSYS;
}

/* What the commands find pinned. */
static struct ager_state pinned;
static int pinned_error;

int state_map_open(const char *pin_dir, const char *name, __u32 element_bytes, struct state_map *map)
{
	(void)pin_dir;
	assert_string_equal(name, "ager");
	assert_int_equal(element_bytes, sizeof(pinned));
	*map = (struct state_map){ .elements = &pinned, .count = 1 };
	return pinned_error;
}

void state_map_close(struct state_map *map)
{
	*map = (struct state_map){};
}

static void test_nothing_expired_is_not_late(void **state)
{
	const struct ager_state empty = {};

	(void)state;
	assert_int_equal(ager_state_late_ms(&empty, 99), 0);
}

static void test_expired_counts_by_table_and_class(void **state)
{
	static const struct {
		__u32 late_ms;
		int class;
	} cases[] = {
		{ 0, 0 }, { 1, 1 }, { 2, 2 }, { 3, 2 }, { 4, 3 }, { 1023, 10 }, { 1024, 11 }, { UINT32_MAX, 23 }
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ager_state s = {};

		ager_state_expired(&s, AGE_ENDED, cases[i].late_ms);
		assert_int_equal(s.expired[AGE_ENDED], 1);
		assert_int_equal(s.expired[AGE_FLOWS], 0);
		assert_int_equal(s.late[cases[i].class], 1);
		assert_int_equal(s.late_max_ms, cases[i].late_ms);
	}
}

static void test_hundred_expired_lateness_is_told_by_share(void **state)
{
	struct ager_state s = {};

	(void)state;
	for (int i = 0; i < 98; i++)
		ager_state_expired(&s, AGE_FLOWS, 20);
	ager_state_expired(&s, AGE_FLOWS, 50);
	ager_state_expired(&s, AGE_FLOWS, 700);
	assert_int_equal(ager_state_late_ms(&s, 50), 31);
	assert_int_equal(ager_state_late_ms(&s, 98), 31);
	assert_int_equal(ager_state_late_ms(&s, 99), 63);
	assert_int_equal(ager_state_late_ms(&s, 100), 700);
	assert_int_equal(s.late_max_ms, 700);
}

static void test_alive_until_it_is_silent_or_ends(void **state)
{
	struct ager_state s = { .alive_ns = 1000 * NSEC_PER_SEC };

	(void)state;
	assert_true(ager_state_is_alive(&s, s.alive_ns + AGER_SILENCE_NS - 1));
	assert_false(ager_state_is_alive(&s, s.alive_ns + AGER_SILENCE_NS));
	s.alive_ns = 0;
	assert_false(ager_state_is_alive(&s, 1));
}

static void test_read_copies_and_finds_nothing_where_nobody_was(void **state)
{
	struct ager_state s;

	(void)state;
	pinned.scans = 7;
	pinned_error = 0;
	assert_int_equal(ager_state_read("", &s), 0);
	assert_int_equal(s.scans, 7);
	pinned_error = -ENOENT;
	assert_int_equal(ager_state_read("", &s), 0);
	assert_int_equal(s.scans, 0);
	pinned_error = -EPROTO;
	assert_int_equal(ager_state_read("", &s), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_expired_is_not_late),
		cmocka_unit_test(test_expired_counts_by_table_and_class),
		cmocka_unit_test(test_hundred_expired_lateness_is_told_by_share),
		cmocka_unit_test(test_alive_until_it_is_silent_or_ends),
		cmocka_unit_test(test_read_copies_and_finds_nothing_where_nobody_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
