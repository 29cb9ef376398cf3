// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* ICMP errors about our segments: which are understood, as what, and that nothing is read beyond the frame. */
#include "packet_fixture.h"
#include "icmp.h"

#define SEQ 0x01020304U /* of put_tcp() */

static __u32 ip_bytes_of(__u8 family)
{
	return family == FAMILY_IPV4 ? 20 : 40;
}

/* A router's message, which comes to our end of unit_tuple(), about a segment that we sent. */
static void put_error(struct bytes *b, __u8 family, __u8 type, __u8 code, __u32 word)
{
	__u32 ip_bytes = ip_bytes_of(family), icmp;
	struct bytes segment;

	put_ip(&segment, family, DIRECTION_SND, IPPROTO_TCP);
	put_tcp(&segment, DIRECTION_SND, 0);
	put_ip(b, family, DIRECTION_RCV, family == FAMILY_IPV4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	icmp = b->length;
	b->at[icmp] = type;
	b->at[icmp + 1] = code;
	put32(b, icmp + 4, word);
	memcpy(b->at + icmp + 8, segment.at + 14, ip_bytes + 8);
	b->length += 8 + ip_bytes + 8;
	put16(b, family == FAMILY_IPV4 ? 16 : 18, 8 + ip_bytes + 8 + (family == FAMILY_IPV4 ? 20 : 0));
}

static __u32 quote_of(__u8 family)
{
	return 14 + ip_bytes_of(family) + 8;
}

/* Of the first linear bytes of the frame, which are all that there are. */
static bool read_linear(const struct bytes *b, __u32 linear, struct icmp_error *error)
{
	__u8 *buffer = malloc(linear + 2);
	struct frame f = { buffer + 2, buffer + 2 + linear, DIRECTION_RCV };
	struct packet p = {};
	bool found;

	assert_non_null(buffer);
	memcpy(f.data, b->at, linear);
	found = packet_parse(&p, &f) == PACKET_ICMP && icmp_parse(&p, &f, error);
	free(buffer);
	return found;
}

static bool read_all(const struct bytes *b, struct icmp_error *error)
{
	return read_linear(b, b->length, error);
}

static void assert_error(const struct icmp_error *error, __u8 family, enum icmp_error_kind kind, __u32 mtu)
{
	struct tuple want = unit_tuple(family);

	assert_memory_equal(error->tuple.remote, want.remote, sizeof(want.remote));
	assert_memory_equal(error->tuple.local, want.local, sizeof(want.local));
	assert_int_equal(error->tuple.remote_port, want.remote_port);
	assert_int_equal(error->tuple.local_port, want.local_port);
	assert_int_equal(error->tuple.family, family);
	assert_int_equal(error->seq, SEQ);
	assert_int_equal(error->kind, kind);
	assert_int_equal(error->mtu, mtu);
}

/* -1: no error. */
static int kind_expected_ipv4(__u8 type, __u8 code)
{
	switch (type) {
	case 3:
		return code == 2 || code == 3 ? ICMP_ERROR_HARD : code == 4 ? ICMP_ERROR_TOO_BIG : ICMP_ERROR_SOFT;
	case 4:
		return ICMP_ERROR_QUENCH;
	case 11:
	case 12:
		return ICMP_ERROR_SOFT;
	default:
		return -1;
	}
}

static int kind_expected_ipv6(__u8 type, __u8 code)
{
	switch (type) {
	case 1:
		return code == 1 || code == 4 || code == 5 || code == 6 ? ICMP_ERROR_HARD : ICMP_ERROR_SOFT;
	case 2:
		return ICMP_ERROR_TOO_BIG;
	case 3:
	case 4:
		return ICMP_ERROR_SOFT;
	default:
		return -1;
	}
}

static void test_every_type_and_code_has_its_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		for (int both = 0; both < 0x10000; both++) {
			__u8 type = both >> 8, code = both & 0xff;
			int kind = FAMILIES[i] == FAMILY_IPV4 ? kind_expected_ipv4(type, code)
							      : kind_expected_ipv6(type, code);
			struct icmp_error error;
			struct bytes b;

			if (type > 16 && code > 8)
				continue;
			put_error(&b, FAMILIES[i], type, code, 1400);
			assert_int_equal(read_all(&b, &error), kind >= 0);
			assert_int_equal(error.is_refusal, FAMILIES[i] == FAMILY_IPV4
								   ? type == 3 && (code == 2 || code == 3)
								   : type == 1 && code == 4);
			if (kind >= 0)
				assert_error(&error, FAMILIES[i], kind, kind == ICMP_ERROR_TOO_BIG ? 1400 : 0);
		}
	}
}

/* RFC 1191, 4: the upper half of the word is unused; RFC 4443, 3.2: it is all MTU. */
static void test_mtu_is_as_wide_as_its_field(void **state)
{
	struct icmp_error error;
	struct bytes b;

	(void)state;
	put_error(&b, FAMILY_IPV4, 3, 4, 0x00110224);
	assert_true(read_all(&b, &error));
	assert_int_equal(error.mtu, 0x0224);
	put_error(&b, FAMILY_IPV6, 2, 0, 0x00110224);
	assert_true(read_all(&b, &error));
	assert_int_equal(error.mtu, 0x00110224);
}

static void test_cut_anywhere_is_not_read(void **state)
{
	struct icmp_error error;
	struct bytes b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		put_error(&b, FAMILIES[i], 3, 1, 0);
		for (__u32 linear = 0; linear < b.length; linear++)
			assert_false(read_linear(&b, linear, &error));
	}
}

/* A frame is longer than its packet by padding, which says nothing of ours. */
static void test_quote_that_padding_completes_is_not_read(void **state)
{
	struct icmp_error error;
	struct bytes b;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(FAMILIES); i++) {
		__u32 length = FAMILIES[i] == FAMILY_IPV4 ? 16 : 18;

		put_error(&b, FAMILIES[i], 3, 1, 0);
		put16(&b, length, get_be16(b.at + length) - 1);
		assert_false(read_all(&b, &error));
	}
}

static void test_quoted_options_are_skipped(void **state)
{
	__u32 tcp = quote_of(FAMILY_IPV4) + 20;
	struct icmp_error error;
	struct bytes b;

	(void)state;
	put_error(&b, FAMILY_IPV4, 11, 0, 0);
	memmove(b.at + tcp + 40, b.at + tcp, 8);
	memset(b.at + tcp, 1, 40);
	b.at[quote_of(FAMILY_IPV4)] = 0x4f;
	b.length += 40;
	put16(&b, 16, b.length - 14);
	assert_true(read_all(&b, &error));
	assert_error(&error, FAMILY_IPV4, ICMP_ERROR_SOFT, 0);
	b.length--;
	assert_false(read_all(&b, &error));
}

static void test_quote_of_anything_else_is_not_ours(void **state)
{
	__u32 ipv4 = quote_of(FAMILY_IPV4), ipv6 = quote_of(FAMILY_IPV6);
	const struct {
		__u8 family;
		__u32 at;
		__u8 value;
	} changes[] = {
		{ FAMILY_IPV4, ipv4, 0x65 },   { FAMILY_IPV4, ipv4, 0x44 },	{ FAMILY_IPV4, ipv4 + 9, 17 },
		{ FAMILY_IPV4, ipv4 + 7, 1 },  { FAMILY_IPV4, ipv4 + 6, 0x10 }, { FAMILY_IPV6, ipv6, 0x40 },
		{ FAMILY_IPV6, ipv6 + 6, 17 }, { FAMILY_IPV6, ipv6 + 6, 44 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct icmp_error error;
		struct bytes b;

		put_error(&b, changes[i].family, 3, 1, 0);
		assert_true(read_all(&b, &error));
		b.at[changes[i].at] = changes[i].value;
		assert_false(read_all(&b, &error));
	}
}

/* A router may have cut the segment: its first part is as good. */
static void test_quoted_first_fragment_is_read(void **state)
{
	struct icmp_error error;
	struct bytes b;

	(void)state;
	put_error(&b, FAMILY_IPV4, 3, 1, 0);
	b.at[quote_of(FAMILY_IPV4) + 6] = 0x20;
	assert_true(read_all(&b, &error));
	assert_error(&error, FAMILY_IPV4, ICMP_ERROR_SOFT, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_type_and_code_has_its_kind),
		cmocka_unit_test(test_mtu_is_as_wide_as_its_field),
		cmocka_unit_test(test_cut_anywhere_is_not_read),
		cmocka_unit_test(test_quote_that_padding_completes_is_not_read),
		cmocka_unit_test(test_quoted_options_are_skipped),
		cmocka_unit_test(test_quote_of_anything_else_is_not_ours),
		cmocka_unit_test(test_quoted_first_fragment_is_read),
	};

	return cmocka_run_group_tests_name("icmp", tests, NULL, NULL);
}
