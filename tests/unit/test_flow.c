// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flow.h: a tuple becomes a map key and a tag. */
#include "unit.h"

static void test_ipv4_key_has_the_octets_as_people_write_them(void **state)
{
	const struct tuple t = unit_tuple(FAMILY_IPV4);
	const struct flow4_key want = { { 198, 51, 100, 7 }, { 203, 0, 113, 5 }, 40000, 443 };
	struct flow4_key key;

	(void)state;
	memset(&key, 0xa5, sizeof(key));
	flow4_key_from_tuple(&key, &t);
	assert_memory_equal(&key, &want, sizeof(key));
}

static void test_ipv6_key_has_the_octets_as_people_write_them(void **state)
{
	const struct tuple t = unit_tuple(FAMILY_IPV6);
	const struct flow6_key want = {
		{ 0x20, 0x01, 0x0d, 0xb8, 0, 0x0a, 0, 0x0b, 0, 0, 0, 0, 0, 0, 0, 7 },
		{ 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0x0c, 0, 0x0d, 0, 0, 0, 5 },
		40000,
		443,
	};
	struct flow6_key key;

	(void)state;
	memset(&key, 0xa5, sizeof(key));
	flow6_key_from_tuple(&key, &t);
	assert_memory_equal(&key, &want, sizeof(key));
}

/* Keys are hashed as bytes: a hole would make two keys of one connection. */
static void test_keys_have_no_holes(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct flow4_key), 4 + 4 + 2 + 2);
	assert_int_equal(sizeof(struct flow6_key), 16 + 16 + 2 + 2);
}

static void test_tag_is_the_tuples_alone(void **state)
{
	const struct tuple t = unit_tuple(FAMILY_IPV6), same = unit_tuple(FAMILY_IPV6);

	(void)state;
	assert_int_equal(flow_tag(&t), flow_tag(&same));
}

/* What tells the connections of one service apart: the remote end, each bit of it, and the ports. */
static void test_tag_changes_with_every_bit_of_the_remote_end(void **state)
{
	const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct tuple t = unit_tuple(families[i]);

		for (int bit = 0; bit < (families[i] == FAMILY_IPV4 ? 32 : 128); bit++) {
			struct tuple other = t;

			other.remote[bit / 32] ^= 1U << bit % 32;
			assert_int_not_equal(flow_tag(&other), flow_tag(&t));
		}
		for (int bit = 0; bit < 16; bit++) {
			struct tuple remote = t, local = t;

			remote.remote_port ^= 1 << bit;
			local.local_port ^= 1 << bit;
			assert_int_not_equal(flow_tag(&remote), flow_tag(&t));
			assert_int_not_equal(flow_tag(&local), flow_tag(&t));
		}
	}
}

static void test_tag_changes_with_the_local_address(void **state)
{
	const struct tuple four = unit_tuple(FAMILY_IPV4), six = unit_tuple(FAMILY_IPV6);
	struct tuple other_four = four, other_six = six;

	(void)state;
	other_four.local[0] ^= net32(1);
	other_six.local[3] ^= net32(1);
	assert_int_not_equal(flow_tag(&other_four), flow_tag(&four));
	assert_int_not_equal(flow_tag(&other_six), flow_tag(&six));
}

/* Neighbours by the thousand, as one client or one flood makes them: hardly two share a tag. */
static void test_tag_spreads_neighbours(void **state)
{
	enum { PORTS = 2048 };
	struct tuple t = unit_tuple(FAMILY_IPV4);
	static __u32 tags[PORTS];
	int shared = 0;

	(void)state;
	for (int i = 0; i < PORTS; i++) {
		t.remote_port = 32768 + i;
		tags[i] = flow_tag(&t);
		for (int j = 0; j < i; j++)
			shared += tags[j] == tags[i];
	}
	assert_in_range(shared, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_key_has_the_octets_as_people_write_them),
		cmocka_unit_test(test_ipv6_key_has_the_octets_as_people_write_them),
		cmocka_unit_test(test_keys_have_no_holes),
		cmocka_unit_test(test_tag_is_the_tuples_alone),
		cmocka_unit_test(test_tag_changes_with_every_bit_of_the_remote_end),
		cmocka_unit_test(test_tag_changes_with_the_local_address),
		cmocka_unit_test(test_tag_spreads_neighbours),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
