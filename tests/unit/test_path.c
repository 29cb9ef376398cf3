/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where answers go: what is learned from frames, what follows a change of MAC addresses, what is forgotten. */
#include <stdlib.h>

#include "unit.h"

#include "../../user/daemon/path.c"

#define FRAME_BYTES 64

static const __u8 ours[MAC_BYTES] = { 2, 0, 0, 0, 0, 1 };
static const __u8 gateway[MAC_BYTES] = { 2, 0, 0, 0, 0, 2 };
static const __u8 successor[MAC_BYTES] = { 2, 0, 0, 0, 0, 3 };

static const __u8 *frame_from(const __u8 *from, __u16 type)
{
	static __u8 frame[FRAME_BYTES];

	memset(frame, 0xee, sizeof(frame));
	memcpy(frame, ours, MAC_BYTES);
	memcpy(frame + 6, from, MAC_BYTES);
	frame[12] = type >> 8;
	frame[13] = type & 0xff;
	return frame;
}

/* Of the station with this number. */
static const __u8 *frame_of(__u32 station)
{
	const __u8 mac[MAC_BYTES] = { 4, 0, station >> 24, station >> 16, station >> 8, station };

	return frame_from(mac, ETH_P_IP);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct paths));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void assert_header(struct paths *paths, __u32 number, const __u8 *expected, __u32 length)
{
	const struct path_header *header = path_header(paths, number);

	assert_non_null(header);
	assert_int_equal(header->length, length);
	assert_memory_equal(header->bytes, expected, length);
}

static void test_frame_is_answered_where_it_came_from(void **state)
{
	static const __u8 expected[] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00 };
	__u32 number = path_learn(*state, frame_from(gateway, ETH_P_IP));

	assert_header(*state, number, expected, sizeof(expected));
	assert_int_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)), number);
}

static void test_tags_go_back_too(void **state)
{
	static const __u8 expected[] = { 2, 0,	  0,	100,  0,    7,	  2,	0,    0,    0,	  0,
					 1, 0x88, 0xa8, 0x20, 0x05, 0x81, 0x00, 0x00, 0x09, 0x86, 0xdd };
	static const __u8 frame[] = { 2,    0,	  0,	0,    0,    1,	  2,	0,    0,    100,  0,	7,
				      0x88, 0xa8, 0x20, 0x05, 0x81, 0x00, 0x00, 0x09, 0x86, 0xdd, 0x60, 0 };

	assert_header(*state, path_learn(*state, frame), expected, sizeof(expected));
}

static void test_families_have_paths_of_their_own(void **state)
{
	assert_int_not_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)),
			     path_learn(*state, frame_from(gateway, ETH_P_IPV6)));
}

static void test_what_nobody_can_answer_has_no_path(void **state)
{
	static const __u8 group[MAC_BYTES] = { 1, 0, 0x5e, 0, 0, 1 };
	__u8 to_all[FRAME_BYTES];

	assert_int_equal(path_learn(*state, frame_from(group, ETH_P_IP)), PATH_NONE);
	assert_int_equal(path_learn(*state, frame_from(gateway, ETH_P_ARP)), PATH_NONE);
	memcpy(to_all, frame_from(gateway, ETH_P_IP), sizeof(to_all));
	memset(to_all, 0xff, MAC_BYTES);
	assert_int_equal(path_learn(*state, to_all), PATH_NONE);
	assert_null(path_header(*state, PATH_NONE));
}

static void test_own_finding_and_learning_are_one(void **state)
{
	struct path_header header = path_make_header(gateway, ours, FAMILY_IPV6);

	assert_int_equal(path_add(*state, &header), path_learn(*state, frame_from(gateway, ETH_P_IPV6)));
}

static void test_next_hop_with_another_mac_takes_its_paths_along(void **state)
{
	static const __u8 expected[] = { 2, 0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 1, 0x08, 0x00 };
	__u32 number = path_learn(*state, frame_from(gateway, ETH_P_IP));
	__u32 other = path_learn(*state, frame_of(1));

	path_move(*state, gateway, successor, FAMILY_IPV4);
	assert_header(*state, number, expected, sizeof(expected));
	assert_int_equal(path_header(*state, other)->bytes[0], 4);
	/* Who comes from the old address now is someone else; who comes from the new one is known. */
	assert_int_not_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)), number);
	assert_int_equal(path_learn(*state, frame_from(successor, ETH_P_IP)), number);
}

static void test_move_of_one_family_leaves_the_other(void **state)
{
	__u32 number = path_learn(*state, frame_from(gateway, ETH_P_IPV6));

	path_move(*state, gateway, successor, FAMILY_IPV4);
	assert_int_equal(path_header(*state, number)->bytes[5], 2);
}

static void test_own_mac_changes_everywhere(void **state)
{
	__u32 first = path_learn(*state, frame_from(gateway, ETH_P_IP)), second = path_learn(*state, frame_of(1));

	path_move_source(*state, ours, successor);
	assert_int_equal(path_header(*state, first)->bytes[11], 3);
	assert_int_equal(path_header(*state, second)->bytes[11], 3);
}

static void test_full_table_forgets_what_is_not_used(void **state)
{
	__u32 sends = path_learn(*state, frame_from(gateway, ETH_P_IP)), forgotten = path_learn(*state, frame_of(0));
	__u32 receives = path_learn(*state, frame_from(successor, ETH_P_IP));

	for (__u32 i = 1; i < 3 * PATHS_MAX; i++) {
		assert_int_not_equal(path_learn(*state, frame_of(i)), PATH_NONE);
		assert_non_null(path_header(*state, sends));
		assert_int_equal(path_learn(*state, frame_from(successor, ETH_P_IP)), receives);
	}
	assert_int_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)), sends);
	/* Its place has been given anew; its number has not. */
	assert_null(path_header(*state, forgotten));
	assert_int_not_equal(path_learn(*state, frame_of(0)), forgotten);
	assert_null(path_header(*state, forgotten));
}

static void test_path_met_twice_outlives_those_met_once(void **state)
{
	__u32 number = path_learn(*state, frame_from(gateway, ETH_P_IP));

	assert_int_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)), number);
	for (__u32 i = 0; i < PATHS_MAX; i++)
		path_learn(*state, frame_of(i));
	assert_int_equal(path_learn(*state, frame_from(gateway, ETH_P_IP)), number);
}

static void test_full_table_of_paths_in_use_makes_room_all_the_same(void **state)
{
	for (__u32 i = 0; i < PATHS_MAX; i++)
		assert_non_null(path_header(*state, path_learn(*state, frame_of(i))));
	assert_non_null(path_header(*state, path_learn(*state, frame_from(gateway, ETH_P_IP))));
}

static void test_every_path_of_a_full_table_is_found(void **state)
{
	static __u32 numbers[PATHS_MAX];

	for (__u32 i = 0; i < PATHS_MAX; i++)
		numbers[i] = path_learn(*state, frame_of(i));
	for (__u32 i = 0; i < PATHS_MAX; i++)
		assert_int_equal(path_learn(*state, frame_of(i)), numbers[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_frame_is_answered_where_it_came_from, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tags_go_back_too, setup, teardown),
		cmocka_unit_test_setup_teardown(test_families_have_paths_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_nobody_can_answer_has_no_path, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_finding_and_learning_are_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next_hop_with_another_mac_takes_its_paths_along, setup, teardown),
		cmocka_unit_test_setup_teardown(test_move_of_one_family_leaves_the_other, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own_mac_changes_everywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_table_forgets_what_is_not_used, setup, teardown),
		cmocka_unit_test_setup_teardown(test_path_met_twice_outlives_those_met_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_table_of_paths_in_use_makes_room_all_the_same, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_every_path_of_a_full_table_is_found, setup, teardown),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
