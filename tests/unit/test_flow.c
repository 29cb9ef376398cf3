// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* flow.h: a tuple becomes a map key and a tag, and back; an ended connection's times. */
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

static void test_keys_lead_back_to_their_tuple(void **state)
{
	const struct tuple four = unit_tuple(FAMILY_IPV4), six = unit_tuple(FAMILY_IPV6);
	struct tuple back4 = {}, back6 = {};
	struct flow4_key key4;
	struct flow6_key key6;

	(void)state;
	flow4_key_from_tuple(&key4, &four);
	flow4_key_to_tuple(&key4, &back4);
	assert_memory_equal(&back4, &four, sizeof(four));
	flow6_key_from_tuple(&key6, &six);
	flow6_key_to_tuple(&key6, &back6);
	assert_memory_equal(&back6, &six, sizeof(six));
}

/* --- ended connections, at times before, at and behind the wrap of the milliseconds ------------------------------- */

static const __u64 ended_at_ms[] = { 1000000, (1ULL << 32) - 1, 1ULL << 32, (1ULL << 32) + 5000, 1ULL << 31 };

static struct ended ended_until(__u64 deadline_ms, __u64 mark_ms)
{
	struct ended e = { .state = TCPS_TIME_WAIT };

	ended_set_times(&e, deadline_ms * NSEC_PER_MSEC, mark_ms * NSEC_PER_MSEC);
	return e;
}

static void assert_ended(const struct ended *e, __u64 at_ms, __u32 left_ms, __s32 late_ms, enum tcp_state state)
{
	__u64 now_ns = at_ms * NSEC_PER_MSEC;

	assert_int_equal(ended_left_ms(e, now_ns), left_ms);
	assert_int_equal(ended_late_ms(e, now_ns), late_ms);
	assert_int_equal(ended_over_in_ms(e, now_ns), late_ms < 0 ? -late_ms : 0);
	assert_int_equal(ended_is_over(e, now_ns), late_ms >= 0);
	assert_int_equal(ended_state(e, now_ns), state);
}

static void test_time_wait_no_mark_over_at_its_deadline(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ended_at_ms); i++) {
		__u64 at_ms = ended_at_ms[i];
		struct ended e = ended_until(at_ms, 0);

		assert_int_equal(e.mark_s, 0);
		assert_ended(&e, at_ms - 120000, 120000, -120000, TCPS_TIME_WAIT);
		assert_ended(&e, at_ms - 1, 1, -1, TCPS_TIME_WAIT);
		assert_ended(&e, at_ms, 0, 0, TCPS_CLOSED);
		assert_ended(&e, at_ms + 1, 0, 1, TCPS_CLOSED);
		assert_ended(&e, at_ms + 86400000, 0, 86400000, TCPS_CLOSED);
	}
}

static void test_time_wait_mark_closed_until_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ended_at_ms); i++) {
		__u64 at_ms = ended_at_ms[i];
		struct ended e = ended_until(at_ms, at_ms + 3000);

		assert_int_equal(e.mark_s, 3);
		assert_ended(&e, at_ms - 1, 1, -3001, TCPS_TIME_WAIT);
		assert_ended(&e, at_ms, 0, -3000, TCPS_CLOSED);
		assert_ended(&e, at_ms + 2999, 0, -1, TCPS_CLOSED);
		assert_ended(&e, at_ms + 3000, 0, 0, TCPS_CLOSED);
	}
}

/* Never too early: what is between two milliseconds, or two seconds of the mark, is rounded up. */
static void test_ended_times_rounded_up(void **state)
{
	struct ended e = {};

	(void)state;
	ended_set_times(&e, 1000 * NSEC_PER_MSEC + 1, 1000 * NSEC_PER_MSEC + 2);
	assert_int_equal(e.deadline_ms, 1001);
	assert_int_equal(e.mark_s, 1);
	ended_set_times(&e, 1000 * NSEC_PER_MSEC, 2000 * NSEC_PER_MSEC);
	assert_int_equal(e.deadline_ms, 1000);
	assert_int_equal(e.mark_s, 1);
}

static void test_ended_mark_longer_than_its_field_cut(void **state)
{
	struct ended e = ended_until(1000, 1000 + 255000);

	(void)state;
	assert_int_equal(e.mark_s, 255);
	e = ended_until(1000, 1000 + 256000);
	assert_int_equal(e.mark_s, 255);
	e = ended_until(1000, 1000 + 512000);
	assert_int_equal(e.mark_s, 255);
}

static void test_ended_answers_time_wait_of_daemons_only(void **state)
{
	struct ended e = { .state = TCPS_TIME_WAIT, .owner = FLOW_OWNER_DAEMON };

	(void)state;
	assert_true(ended_answers(&e));
	e.owner = FLOW_OWNER_KERNEL;
	assert_false(ended_answers(&e));
	e.owner = FLOW_OWNER_DAEMON;
	e.state = TCPS_CLOSED;
	assert_false(ended_answers(&e));
}

/* The handshake's ACK: SEQ is the peer's ISN + 1, ACK ours + 1. Who answers has another number in the place of irs. */
static void test_ended_shown_again_by_its_handshake_only(void **state)
{
	struct ended e = { .state = TCPS_CLOSED, .irs = 0xffffffff, .handshake = 5000U - 0xffffffff };

	(void)state;
	assert_true(ended_is_shown_again(&e, 0, 5001));
	assert_false(ended_is_shown_again(&e, 0, 5002));
	assert_false(ended_is_shown_again(&e, 1, 5002));
	e.state = TCPS_TIME_WAIT;
	e.owner = FLOW_OWNER_DAEMON;
	e.rcv_tsval = 77;
	assert_true(ended_is_shown_again(&e, 0, 5001));
	assert_false(ended_is_shown_again(&e, 0, 5002));
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
		cmocka_unit_test(test_keys_lead_back_to_their_tuple),
		cmocka_unit_test(test_time_wait_no_mark_over_at_its_deadline),
		cmocka_unit_test(test_time_wait_mark_closed_until_its_end),
		cmocka_unit_test(test_ended_times_rounded_up),
		cmocka_unit_test(test_ended_mark_longer_than_its_field_cut),
		cmocka_unit_test(test_ended_answers_time_wait_of_daemons_only),
		cmocka_unit_test(test_ended_shown_again_by_its_handshake_only),
	};

	return cmocka_run_group_tests_name("flow", tests, NULL, NULL);
}
