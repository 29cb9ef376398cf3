// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The presence filter's hash: where tuples fall, and that only the key tells. */
#include <stdlib.h>

#include "presence.h"
#include "unit.h"

#define FLOWS 32768

static const struct presence_key key = {
	.words = { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0x082efa98, 0xec4e6c89,
		   0x452821e6, 0x38d01377 },
	.odd = 0x9e3779b97f4a7c15ULL,
};

static struct tuple tuple4(__u32 remote, __u16 remote_port)
{
	struct tuple t = { .remote_port = remote_port, .local_port = 443, .family = FAMILY_IPV4 };

	t.remote[0] = net32(remote);
	t.local[0] = net32(0xcb007105);
	return t;
}

static struct tuple tuple6(__u32 network, __u32 host)
{
	struct tuple t = { .remote_port = 40000, .local_port = 443, .family = FAMILY_IPV6 };

	t.remote[0] = net32(0x20010db8);
	t.remote[1] = net32(network);
	t.remote[3] = net32(host);
	t.local[0] = net32(0xfd090000);
	t.local[3] = net32(1);
	return t;
}

/* How many of the tuples make(FLOWS)... seem to be there, in a filter for FLOWS that has make(0)... */
static __u32 mistaken(struct tuple (*make)(__u32))
{
	__u32 words = presence_words(FLOWS), count = 0;
	__u64 *bitmap = calloc(words, sizeof(*bitmap));

	assert_non_null(bitmap);
	for (__u32 i = 0; i < 2 * FLOWS; i++) {
		struct tuple t = make(i);
		__u64 hash = presence_hash(&key, &t), bits = presence_bits(hash);
		__u32 index = presence_word_index(hash, words);

		assert_in_range(index, 0, words - 1);
		if (i < FLOWS)
			bitmap[index] |= bits;
		else
			count += (bitmap[index] & bits) == bits;
	}
	free(bitmap);
	return count;
}

static struct tuple consecutive_ports(__u32 i)
{
	return tuple4(0xc6336407, i);
}

static struct tuple consecutive_addresses(__u32 i)
{
	return tuple4(0x0a000000 + i, 40000);
}

static struct tuple consecutive_networks(__u32 i)
{
	return tuple6(i << 8, 7);
}

static struct tuple consecutive_hosts(__u32 i)
{
	return tuple6(0, i);
}

/* By chance it would be one in 26. */
static void test_neighbouring_tuples_fall_apart(void **state)
{
	(void)state;
	assert_in_range(mistaken(consecutive_ports), 0, FLOWS / 10);
	assert_in_range(mistaken(consecutive_addresses), 0, FLOWS / 10);
	assert_in_range(mistaken(consecutive_networks), 0, FLOWS / 10);
	assert_in_range(mistaken(consecutive_hosts), 0, FLOWS / 10);
}

static void test_every_part_of_the_tuple_counts(void **state)
{
	const struct tuple base = tuple6(1, 2);

	(void)state;
	for (int part = 0; part < 10; part++) {
		struct tuple t = base;

		if (part < 4)
			t.remote[part] ^= net32(1);
		else if (part < 8)
			t.local[part - 4] ^= net32(1);
		else if (part == 8)
			t.remote_port ^= 1;
		else
			t.local_port ^= 1;
		assert_int_not_equal(presence_hash(&key, &t), presence_hash(&key, &base));
	}
}

static void test_another_key_another_place(void **state)
{
	const struct tuple t = tuple4(0xc6336407, 40000);
	struct presence_key other = key;

	(void)state;
	other.words[2]++;
	assert_int_not_equal(presence_hash(&other, &t), presence_hash(&key, &t));
	other = key;
	other.odd += 2;
	assert_int_not_equal(presence_hash(&other, &t), presence_hash(&key, &t));
}

static void test_words_are_whole_blocks_with_room_for_the_flows(void **state)
{
	static const __u32 flows[] = { 1, 64, 255, 256, 262144, 1 << 20, (1 << 20) + 1, 1U << 27 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(flows); i++) {
		__u64 bits = 64ULL * presence_words(flows[i]), wanted = (__u64)flows[i] * PRESENCE_BITS_PER_FLOW;

		assert_int_equal(presence_words(flows[i]) % PRESENCE_BLOCK_WORDS, 0);
		assert_in_range(bits, wanted, wanted + 64 * PRESENCE_BLOCK_WORDS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_neighbouring_tuples_fall_apart),
		cmocka_unit_test(test_every_part_of_the_tuple_counts),
		cmocka_unit_test(test_another_key_another_place),
		cmocka_unit_test(test_words_are_whole_blocks_with_room_for_the_flows),
	};

	return cmocka_run_group_tests_name("presence", tests, NULL, NULL);
}
