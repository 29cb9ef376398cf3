// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SYNs behind IPv4 options and IPv6 extension headers: answered like any others, without them, but for those that only
 * the owner can answer, which it gets within the budget; and packets that hide whether they are SYNs.
 */
#include <linux/bpf.h>
#include <string.h>

#include "sockets.h"
#include "talk.h"

#define BURST 50

static struct frame syn_frame(__u8 family)
{
	struct packet_spec syn;
	struct frame f;
	struct talk t;

	talk_init(&t, family, PORT_ALWAYS);
	syn = talk_syn(&t);
	packet_build(&f, &syn);
	return f;
}

static void assert_answered(const struct frame *f, __u8 family)
{
	struct outcome answer = shield_receive(f);
	struct frame plain = syn_frame(family);
	struct tuple t = shield_tuple(family, PORT_ALWAYS);
	struct packet_view view;

	assert_verdict(answer, V_SYN_COOKIE);
	assert_int_equal(answer.frame.length, plain.length); /* cut by what was before TCP */
	assert_null(packet_build_read(&view, &answer.frame));
	assert_memory_equal(&view.tuple, &t, offsetof(struct tuple, family) + 1);
	assert_int_equal(view.padding_bytes, 0);
	assert_true(view.options.has_timestamps);
}

static void assert_burst_is_stopped(const struct frame *f)
{
	int passed = 0;

	assert_verdict(shield_receive(f), V_NOT_UNDERSTOOD);
	shield_config.budget_per_second = 20;
	shield_configure();
	for (int i = 0; i < BURST; i++) {
		enum verdict verdict = shield_receive(f).verdict;

		assert_true(verdict == V_NOT_UNDERSTOOD || verdict == V_UNVERIFIED_OVER_BUDGET);
		passed += verdict == V_NOT_UNDERSTOOD;
	}
	assert_in_range(passed, 0, BURST / 5);
	shield_reset(NULL);
}

struct options {
	__u32 bytes;
	__u8 at[40];
};

static struct frame syn_behind_options(const struct options *options)
{
	struct frame f = syn_frame(FAMILY_IPV4);

	packet_build_put_ip_options(&f, options->at, options->bytes);
	return f;
}

static void test_syn_behind_ipv4_options_answered(void **state)
{
	static const struct options all[] = {
		{ 4, { 1, 1, 1, 1 } },
		{ 4, { 0 } },
		{ 4, { 148, 4 } },		       /* router alert */
		{ 40, { 7, 39, 4 } },		       /* record route */
		{ 40, { 68, 40, 5 } },		       /* timestamps */
		{ 8, { 1, 148, 4, 0, 0, 0, 131, 3 } }, /* behind the end of the list there is nothing */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct frame f = syn_behind_options(&all[i]);

		assert_answered(&f, FAMILY_IPV4);
	}
}

static void test_syn_behind_ipv4_options_that_need_the_owner_burst_stopped(void **state)
{
	static const struct options all[] = {
		{ 4, { 131, 3, 4 } },			     /* loose source route, at its end */
		{ 12, { 137, 11, 4, 203, 0, 113, 5 } },	     /* strict, with hops to come */
		{ 12, { 1, 148, 4, 0, 0, 131, 3, 4 } },	     /* behind others */
		{ 12, { 134, 10, 0, 0, 0, 3, 1, 4, 0, 0 } }, /* a security label: CIPSO */
		{ 4, { 25, 4 } },			     /* nobody's */
		{ 4, { 148, 1 } },			     /* illegal lengths */
		{ 4, { 148, 0 } },
		{ 4, { 148, 5 } },
		{ 4, { 1, 1, 1, 148 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		struct frame f = syn_behind_options(&all[i]);

		assert_burst_is_stopped(&f);
	}
}

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AH = 51, DESTINATION = 60 };

static struct frame syn_behind_headers(const __u8 *kinds, __u32 count, __u8 segments_left)
{
	struct frame f = syn_frame(FAMILY_IPV6);

	while (count--) {
		__u8 header[8] = { 0 };

		header[3] = kinds[count] == ROUTING ? segments_left : 0;
		packet_build_put_ipv6_extension(&f, kinds[count], header);
	}
	return f;
}

static void test_syn_behind_ipv6_headers_answered(void **state)
{
	static const __u8 kinds[] = { HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT };

	(void)state;
	for (__u32 i = 0; i < ARRAY_LEN(kinds); i++) {
		struct frame one = syn_behind_headers(kinds + i, 1, 0), several = syn_behind_headers(kinds, i + 1, 0);

		assert_answered(&one, FAMILY_IPV6);
		assert_answered(&several, FAMILY_IPV6);
	}
}

static void test_syn_behind_ah_burst_stopped(void **state)
{
	static const __u8 kinds[] = { DESTINATION, AH };
	struct frame f = syn_behind_headers(kinds, 2, 0);

	(void)state;
	f.bytes[FRAME_ETH_BYTES + FRAME_IPV6_BYTES + 8 + 1] = 0; /* (0 + 2) * 4 bytes */
	assert_burst_is_stopped(&f);
}

static void test_syn_behind_route_with_segments_left_burst_stopped(void **state)
{
	static const __u8 kinds[] = { HOP_BY_HOP, ROUTING, DESTINATION };
	struct frame f = syn_behind_headers(kinds, 3, 1);

	(void)state;
	assert_burst_is_stopped(&f);
}

static struct frame obscure_frame(void)
{
	static const __u8 kinds[] = { DESTINATION, DESTINATION, DESTINATION, DESTINATION, DESTINATION };

	return syn_behind_headers(kinds, ARRAY_LEN(kinds), 0);
}

static void test_obscure_packet_burst_stopped(void **state)
{
	struct frame f = obscure_frame();

	(void)state;
	assert_burst_is_stopped(&f);
}

/* What can be for no protected service is nobody's business: other families, routed packets, an unload under way. */
static void test_obscure_packet_for_no_service_ignored(void **state)
{
	struct frame f = obscure_frame();

	(void)state;
	shield_config.protected_families = PROTECTED_IPV4;
	shield_configure();
	assert_verdict(shield_receive(&f), V_OTHER);
	shield_reset(NULL);
	shield_config.phase = DEVICE_DRAINING;
	shield_configure();
	assert_verdict(shield_receive(&f), V_OTHER);
	shield_reset(NULL);
	assert_verdict(shield_receive(&f), V_NOT_UNDERSTOOD);
}

static void test_obscure_packet_that_is_forwarded_ignored(void **state)
{
	struct frame here = obscure_frame(), transit = here;
	int before = sockets_sysctl("../ipv6/conf/all/forwarding", 1);

	(void)state;
	transit.bytes[FRAME_ETH_BYTES + 24 + 1] = 0x77; /* its destination is not this host's */
	assert_verdict(shield_receive(&transit), V_OTHER);
	assert_verdict(shield_receive(&here), V_NOT_UNDERSTOOD);
	sockets_sysctl("../ipv6/conf/all/forwarding", before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_syn_behind_ipv4_options_answered, shield_reset),
		cmocka_unit_test_setup(test_syn_behind_ipv4_options_that_need_the_owner_burst_stopped, shield_reset),
		cmocka_unit_test_setup(test_syn_behind_ipv6_headers_answered, shield_reset),
		cmocka_unit_test_setup(test_syn_behind_ah_burst_stopped, shield_reset),
		cmocka_unit_test_setup(test_syn_behind_route_with_segments_left_burst_stopped, shield_reset),
		cmocka_unit_test_setup(test_obscure_packet_burst_stopped, shield_reset),
		cmocka_unit_test_setup(test_obscure_packet_for_no_service_ignored, shield_reset),
		cmocka_unit_test_setup(test_obscure_packet_that_is_forwarded_ignored, shield_reset),
	};

	return shield_run_tests("ip_options", tests, ARRAY_LEN(tests));
}
