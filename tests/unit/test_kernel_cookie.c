/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which way of handover is taken, and what the kernel's own cookies keep. */
#include "unit.h"

#include "handover.h"
#include "kernel_cookie.h"

static const struct handover_facts all_well = { .has_kfunc = true, .syncookies = true };

static void test_handover_best_is_taken_that_works(void **state)
{
	struct handover_facts facts = all_well;

	(void)state;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_BEST);
	facts.mptcp = true;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_MPTCP);
	facts.has_kfunc = false;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_NO_KFUNC);
	facts.syncookies = false;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_NO_SYNCOOKIES);
}

static void test_handover_forced_is_at_most_that(void **state)
{
	struct handover_facts facts = all_well;

	(void)state;
	facts.best = HANDOVER_HELPER;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_FORCED_HELPER);
	facts.syncookies = false;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_NO_SYNCOOKIES);
	facts.best = HANDOVER_PASS;
	assert_int_equal(handover_reason(&facts), HANDOVER_BECAUSE_FORCED_PASS);
}

static void test_handover_each_reason_has_its_way(void **state)
{
	static const enum handover_way ways[] = {
		[HANDOVER_BECAUSE_BEST] = HANDOVER_KFUNC,	  [HANDOVER_BECAUSE_MPTCP] = HANDOVER_HELPER,
		[HANDOVER_BECAUSE_NO_KFUNC] = HANDOVER_HELPER,	  [HANDOVER_BECAUSE_FORCED_HELPER] = HANDOVER_HELPER,
		[HANDOVER_BECAUSE_NO_SYNCOOKIES] = HANDOVER_PASS, [HANDOVER_BECAUSE_FORCED_PASS] = HANDOVER_PASS,
	};

	(void)state;
	assert_int_equal(ARRAY_LEN(ways), HANDOVER_REASON_COUNT);
	for (enum handover_reason reason = 0; reason < HANDOVER_REASON_COUNT; reason++)
		assert_int_equal(handover_way(reason), ways[reason]);
}

static void test_terms_survive_without_offset_only(void **state)
{
	const struct cookie_terms asked = { .mss = 1400, .wscale = 7, .sack = true, .ecn = true, .timestamps = true };

	(void)state;
	for (__u8 sysctl = 0; sysctl <= 2; sysctl++) {
		struct cookie_terms terms = asked;

		kernel_cookie_limit(&terms, sysctl);
		assert_int_equal(terms.mss, 1400);
		assert_int_equal(terms.timestamps, sysctl == 2);
		assert_int_equal(terms.wscale, sysctl == 2 ? 7 : TCP_WSCALE_NONE);
		assert_int_equal(terms.sack, sysctl == 2);
		assert_int_equal(terms.ecn, sysctl == 2);
	}
}

static void test_terms_without_timestamps_are_none(void **state)
{
	struct cookie_terms terms = { .mss = 1400, .wscale = 7, .sack = true, .ecn = true };

	(void)state;
	kernel_cookie_limit(&terms, 2);
	assert_int_equal(terms.wscale, TCP_WSCALE_NONE);
	assert_false(terms.sack || terms.ecn);
}

/* The numbers are those of the kernel: its TS_OPT_* in net/ipv4/syncookies.c. */
static void test_tsval_is_the_kernels(void **state)
{
	const struct cookie_terms all = { .wscale = 7, .sack = true, .ecn = true, .timestamps = true };
	const struct cookie_terms none = { .wscale = TCP_WSCALE_NONE, .timestamps = true };

	(void)state;
	assert_int_equal(kernel_cookie_tsval(&all, 1000 * 64 + 63), 1000 * 64 + 0x37);
	assert_int_equal(kernel_cookie_tsval(&none, 1000 * 64 + 63), 1000 * 64 + 0x0f);
}

static void test_tsval_is_never_ahead_and_reads_back(void **state)
{
	(void)state;
	for (int i = 0; i < 16 * 2 * 2 * 64; i++) {
		const struct cookie_terms terms = {
			.wscale = i & 15, .sack = i >> 4 & 1, .ecn = i >> 5 & 1, .timestamps = true
		};
		__u64 clock_ms = (5ULL << 32) - 32 + (i >> 6); /* the low word wraps on the way */
		__u32 tsval = kernel_cookie_tsval(&terms, clock_ms);
		struct cookie_terms read = kernel_cookie_terms(2, true, tsval);

		assert_in_range((__u32)clock_ms - tsval, 0, 64);
		assert_memory_equal(&read, &terms, sizeof(read));
	}
}

static void test_terms_behind_an_offset_believe_the_peer(void **state)
{
	struct cookie_terms terms = kernel_cookie_terms(1, true, 0x37);

	(void)state;
	assert_true(terms.timestamps);
	assert_int_equal(terms.wscale, TCP_WSCALE_MAX);
	terms = kernel_cookie_terms(1, false, 0x37);
	assert_false(terms.timestamps);
	assert_int_equal(terms.wscale, TCP_WSCALE_NONE);
}

static void test_segment_of_the_ended_connection_is_a_replay(void **state)
{
	struct ended e = { .irs = 0xfffffff0, .handshake = 0x80000000, .rcv_nxt = 5000, .snd_nxt = 0x7ffffff2 };
	struct segment s = { .seq = e.irs + 1, .ack = 0x7ffffff1 };

	(void)state;
	assert_true(kernel_cookie_is_replayed(&s, &e));
	s = (struct segment){ .seq = e.rcv_nxt, .ack = e.snd_nxt };
	assert_true(kernel_cookie_is_replayed(&s, &e));
	s.seq++;
	assert_false(kernel_cookie_is_replayed(&s, &e));
	s = (struct segment){ .seq = e.rcv_nxt, .ack = e.snd_nxt + 1 };
	assert_false(kernel_cookie_is_replayed(&s, &e));
	s = (struct segment){ .seq = e.irs, .ack = 0x7ffffff1 };
	assert_false(kernel_cookie_is_replayed(&s, &e));
	s = (struct segment){ .seq = e.irs + 1, .ack = 0x7ffffff0 };
	assert_false(kernel_cookie_is_replayed(&s, &e));
}

/* Where the connection began is not known: nothing is said of it. */
static void test_adopted_connection_has_no_replay(void **state)
{
	const struct ended e = { .rcv_nxt = 5000, .snd_nxt = 6000, .flags = FLOW_ADOPTED };
	const struct segment s = { .seq = 5000, .ack = 6000 };

	(void)state;
	assert_false(kernel_cookie_is_replayed(&s, &e));
}

static void test_wscale_is_that_of_the_largest_buffer_within_the_clamp(void **state)
{
	(void)state;
	assert_int_equal(kernel_cookie_rcv_wscale(7, 65536, 0), 7);
	assert_int_equal(kernel_cookie_rcv_wscale(7, 65535, 65535), 0);
	assert_int_equal(kernel_cookie_rcv_wscale(7, 65536, 65536), 1);
	assert_int_equal(kernel_cookie_rcv_wscale(7, 1 << 26, 1 << 26), 11); /* SO_RCVBUFFORCE */
	assert_int_equal(kernel_cookie_rcv_wscale(7, 65536, 1 << 20), 5);
	assert_int_equal(kernel_cookie_rcv_wscale(14, ~0U, ~0U), 14);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handover_best_is_taken_that_works),
		cmocka_unit_test(test_handover_forced_is_at_most_that),
		cmocka_unit_test(test_handover_each_reason_has_its_way),
		cmocka_unit_test(test_terms_survive_without_offset_only),
		cmocka_unit_test(test_terms_without_timestamps_are_none),
		cmocka_unit_test(test_tsval_is_the_kernels),
		cmocka_unit_test(test_tsval_is_never_ahead_and_reads_back),
		cmocka_unit_test(test_terms_behind_an_offset_believe_the_peer),
		cmocka_unit_test(test_segment_of_the_ended_connection_is_a_replay),
		cmocka_unit_test(test_adopted_connection_has_no_replay),
		cmocka_unit_test(test_wscale_is_that_of_the_largest_buffer_within_the_clamp),
	};

	return cmocka_run_group_tests_name("kernel_cookie", tests, NULL, NULL);
}
