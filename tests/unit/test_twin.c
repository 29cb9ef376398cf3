// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Which maps a twin knows how to get: all that the programs have, and no others. */
#include "unit.h"

#include "../../user/map_copy.c"
#include "../../user/twin.c"

/* What making a twin asks, which nothing here does. */
const char *bpf_log_last_lines(int count)
{
	(void)count;
	return "";
}

__u64 system_netns_inode(void)
{
	return 0;
}

int system_device_exists(int ifindex)
{
	(void)ifindex;
	return 0;
}

static void test_every_map_of_the_programs_has_its_way(void **state)
{
	struct synkeep *skeleton = synkeep__open();
	struct bpf_map *map;

	(void)state;
	assert_non_null(skeleton);
	bpf_object__for_each_map (map, skeleton->obj) {
		if (bpf_map__is_internal(map))
			continue;
		if (find_way(bpf_map__name(map)) < 0)
			fail_msg("user/twin.c does not say how a twin gets the map \"%s\"", bpf_map__name(map));
	}
	synkeep__destroy(skeleton);
}

static void test_every_way_is_of_a_map(void **state)
{
	struct synkeep *skeleton = synkeep__open();

	(void)state;
	assert_non_null(skeleton);
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		assert_int_equal(find_way(ways[i].name), i);
		if (!bpf_object__find_map_by_name(skeleton->obj, ways[i].name))
			fail_msg("there is no map \"%s\"", ways[i].name);
	}
	synkeep__destroy(skeleton);
}

static void test_unknown_map_has_none(void **state)
{
	(void)state;
	assert_int_equal(find_way("flows"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_map_of_the_programs_has_its_way),
		cmocka_unit_test(test_every_way_is_of_a_map),
		cmocka_unit_test(test_unknown_map_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
