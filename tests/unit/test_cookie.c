// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * cookie.h: what a SYN asked for comes back from the ACK, and nothing but the very handshake is believed.
 *
 * Epochs, keys and the TSval clock are in test_cookie_clock.c.
 */
#include "cookie_fixture.h"

/* --- what survives ------------------------------------------------------------------------------------------------ */

/* The MSS that docs and header promise, without and with timestamps; 0 ends a row. What we offer ourselves comes on
 * top. */
static const __u16 kept_mss[2][2][8] = {
	{ { 536, 1300, 1440 }, { 1220, 1280, 1420 } },
	{ { 536, 1300, 1360, 1400, 1440, 1452, 1460 }, { 1220, 1280, 1340, 1380, 1420, 1432, 1440 } },
};

/* The greatest kept MSS that does not exceed what was asked. */
static __u16 expected_mss(const struct handshake *h)
{
	__u16 asked = h->terms.mss, own = h->site.mss, best = 0;
	bool six = h->tuple.family == FAMILY_IPV6;
	const __u16 *row = kept_mss[h->terms.timestamps][six];

	if (asked >= own)
		return own;
	for (int i = 0; row[i]; i++) {
		/* room for jumbo frames: without timestamps the third entry is then Ethernet's own */
		__u16 kept = i == 2 && !h->terms.timestamps && own > (six ? 1440 : 1460) ? row[i] + 20 : row[i];

		if (kept <= asked && kept > best)
			best = kept;
	}
	return best;
}

static void assert_survives(const struct handshake *h)
{
	__u16 minimum = h->tuple.family == FAMILY_IPV4 ? 536 : 1220;
	struct cookie c = make(h);
	struct cookie_terms got;

	memset(&got, 0xa5, sizeof(got));
	assert_true(check_terms(h, &c, &got));
	assert_int_equal(got.wscale, h->terms.wscale);
	assert_int_equal(got.sack, h->terms.sack);
	assert_int_equal(got.ecn, h->terms.ecn);
	assert_int_equal(got.timestamps, h->terms.timestamps);
	assert_int_equal(got.mss, expected_mss(h));
	assert_in_range(got.mss, minimum, h->terms.mss);
}

static void test_every_option_combination_survives(void **state)
{
	static const __u16 asked[] = { 536,  1220, 1279, 1280, 1299, 1300, 1339, 1340, 1359, 1360, 1379,
				       1380, 1399, 1400, 1419, 1420, 1431, 1432, 1439, 1440, 1451, 1452,
				       1459, 1460, 1461, 4000, 8939, 8940, 8959, 8960, 65535 };
	static const __u16 own[] = { 1220, 1400, 1440, 1452, 1460, 1461, 8940, 8960 };

	(void)state;
	for_each_handshake (h) {
		for (unsigned int i = 0; i < ARRAY_LEN(asked) * ARRAY_LEN(own); i++) {
			h.terms.mss = asked[i % ARRAY_LEN(asked)];
			h.site.mss = own[i / ARRAY_LEN(asked)];
			if (h.tuple.family == FAMILY_IPV6 && h.terms.mss < 1220)
				continue;
			for (unsigned int bits = 0; bits < 16 * 4; bits++) {
				h.terms.wscale = bits >> 2; /* 0 to 14, and 15: none */
				h.terms.sack = bits & 2;
				h.terms.ecn = bits & 1;
				assert_survives(&h);
			}
		}
	}
}

static void test_every_mss_is_rounded_down_to_one_that_is_kept(void **state)
{
	(void)state;
	for_each_handshake (h) {
		for (int mss = h.tuple.family == FAMILY_IPV4 ? 536 : 1220; mss <= 65535; mss += mss < 1500 ? 1 : 61) {
			h.terms.mss = mss;
			assert_survives(&h);
		}
	}
}

static void test_handshakes_of_many_peers_survive(void **state)
{
	__u64 series = 3;

	(void)state;
	for_each_handshake (h) {
		for (int i = 0; i < 2000; i++) {
			h.client_isn = unit_random(&series);
			h.tuple.remote[0] = unit_random(&series);
			h.tuple.remote_port = unit_random(&series);
			h.clock = clock_at(((__u64)unit_random(&series) << 32 | unit_random(&series)) >> 1);
			assert_survives(&h);
		}
	}
}

/* --- what is refused ---------------------------------------------------------------------------------------------- */

static void test_wrong_address_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		const struct tuple right = h.tuple;
		struct cookie c = make(&h);

		for (int bit = 0; bit < (right.family == FAMILY_IPV4 ? 32 : 128); bit++) {
			h.tuple = right;
			h.tuple.remote[bit / 32] ^= 1U << bit % 32;
			assert_false(check(&h, &c));
			h.tuple = right;
			h.tuple.local[bit / 32] ^= 1U << bit % 32;
			assert_false(check(&h, &c));
		}
		h.tuple = right;
		assert_true(check(&h, &c));
	}
}

static void test_addresses_swapped_are_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct tuple swapped = h.tuple;
		struct cookie c = make(&h);

		memcpy(swapped.remote, h.tuple.local, sizeof(swapped.remote));
		memcpy(swapped.local, h.tuple.remote, sizeof(swapped.local));
		h.tuple = swapped;
		assert_false(check(&h, &c));
	}
}

static void test_wrong_port_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		const struct tuple right = h.tuple;
		struct cookie c = make(&h);

		for (int bit = 0; bit < 16; bit++) {
			h.tuple = right;
			h.tuple.remote_port ^= 1 << bit;
			assert_false(check(&h, &c));
			h.tuple = right;
			h.tuple.local_port ^= 1 << bit;
			assert_false(check(&h, &c));
		}
		h.tuple = right;
		h.tuple.remote_port = right.local_port;
		h.tuple.local_port = right.remote_port;
		assert_false(check(&h, &c));
	}
}

static void test_wrong_client_isn_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie c = make(&h);

		for (int bit = 0; bit < 32; bit++) {
			h.client_isn ^= 1U << bit;
			assert_false(check(&h, &c));
			h.client_isn ^= 1U << bit;
		}
	}
}

static void test_wrong_key_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie c = make(&h);

		for (int bit = 0; bit < 64; bit++) {
			struct cookie_keys low = first_keys, high = first_keys;

			low.master.k0 ^= 1ULL << bit;
			high.master.k1 ^= 1ULL << bit;
			h.clock = (struct cookie_clock){ 0 };
			cookie_clock_set(&h.clock, &low, mid_epoch_ns(1000));
			assert_false(check(&h, &c));
			h.clock = (struct cookie_clock){ 0 };
			cookie_clock_set(&h.clock, &high, mid_epoch_ns(1000));
			assert_false(check(&h, &c));
		}
	}
}

/* A cookie of a machine whose SYN-ACKs offer something else means something else. */
static void test_wrong_site_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		const struct cookie_site right = h.site;
		struct cookie c = make(&h);

		for (int bit = 0; bit < 16; bit++) {
			h.site.mss = right.mss ^ 1 << bit;
			assert_false(check(&h, &c));
		}
		h.site = right;
		for (int bit = 0; bit < 4; bit++) {
			h.site.rcv_wscale = right.rcv_wscale ^ 1 << bit;
			assert_false(check(&h, &c));
		}
	}
}

static void test_each_bit_flip_of_isn_is_refused(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie c = make(&h);

		for (int bit = 0; bit < 32; bit++) {
			struct cookie flipped = { c.isn ^ 1U << bit, c.tsval };

			assert_false(check(&h, &flipped));
		}
	}
}

/* The data bits are under the MAC; the clock above them is not, and need not be: the owner's socket checks it. */
static void test_each_bit_flip_of_tsval_data_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct handshake h = handshake_at(mid_epoch_ns(1000), families[i], true);
		struct cookie c = make(&h);

		for (int bit = 0; bit < 32; bit++) {
			struct cookie flipped = { c.isn, c.tsval ^ 1U << bit };

			assert_int_equal(check(&h, &flipped), bit >= 5);
		}
	}
}

/* Both forms have their option bits in the isn: the MAC tells them apart. */
static void test_with_and_without_timestamps_are_not_interchangeable(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct handshake with = handshake_at(mid_epoch_ns(1000), families[i], true);
		struct handshake without = handshake_at(mid_epoch_ns(1000), families[i], false);
		struct cookie stamped = make(&with), plain = make(&without);

		assert_false(check(&without, &stamped));
		for (int data = 0; data < 32; data++) {
			plain.tsval = data;
			assert_false(check(&with, &plain));
		}
	}
}

static void test_ipv4_and_ipv6_are_not_interchangeable(void **state)
{
	(void)state;
	for (int timestamps = 0; timestamps < 2; timestamps++) {
		struct handshake four = handshake_at(mid_epoch_ns(1000), FAMILY_IPV4, timestamps), six = four;
		struct cookie c = make(&four);

		six.tuple.family = FAMILY_IPV6;
		assert_false(check(&six, &c));
	}
}

/* 24 bits of the isn are MAC, and four of TSval: each is now 0 and now 1, whatever the options. */
static void test_every_mac_bit_is_used(void **state)
{
	(void)state;
	for_each_handshake (h) {
		struct cookie all = { 0xffffffff, 0xffffffff }, any = { 0, 0 };

		for (h.client_isn = 0; h.client_isn < 100; h.client_isn++) {
			struct cookie c = make(&h);

			all.isn &= c.isn;
			all.tsval &= c.tsval;
			any.isn |= c.isn;
			any.tsval |= c.tsval;
		}
		assert_int_equal((any.isn & ~all.isn) >> 8, 0xffffff);
		assert_int_equal(any.tsval & ~all.tsval & 15, 15);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option_combination_survives),
		cmocka_unit_test(test_every_mss_is_rounded_down_to_one_that_is_kept),
		cmocka_unit_test(test_handshakes_of_many_peers_survive),
		cmocka_unit_test(test_wrong_address_is_refused),
		cmocka_unit_test(test_addresses_swapped_are_refused),
		cmocka_unit_test(test_wrong_port_is_refused),
		cmocka_unit_test(test_wrong_client_isn_is_refused),
		cmocka_unit_test(test_wrong_key_is_refused),
		cmocka_unit_test(test_wrong_site_is_refused),
		cmocka_unit_test(test_each_bit_flip_of_isn_is_refused),
		cmocka_unit_test(test_each_bit_flip_of_tsval_data_is_refused),
		cmocka_unit_test(test_with_and_without_timestamps_are_not_interchangeable),
		cmocka_unit_test(test_ipv4_and_ipv6_are_not_interchangeable),
		cmocka_unit_test(test_every_mac_bit_is_used),
	};

	return cmocka_run_group_tests_name("cookie", tests, NULL, NULL);
}
