/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which connections a listing shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/flow_filter.c"

/* A connection of 192.0.2.77:40000 to 10.0.0.2:80. */
static struct flow_view view_ipv4(enum tcp_state state)
{
	return (struct flow_view){
		.family = FAMILY_IPV4,
		.state = state,
		.remote = { 192, 0, 2, 77 },
		.local = { 10, 0, 0, 2 },
		.remote_port = 40000,
		.local_port = 80,
	};
}

/* A connection of [2001:db8::7]:40000 to [2001:db8::2]:443. */
static struct flow_view view_ipv6(void)
{
	return (struct flow_view){
		.family = FAMILY_IPV6,
		.state = TCPS_ESTABLISHED,
		.remote = { 0x20, 0x01, 0x0d, 0xb8, [15] = 7 },
		.local = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 },
		.remote_port = 40000,
		.local_port = 443,
	};
}

static __u32 states_of(const char *name)
{
	struct flow_filter filter = { 0 };

	assert_int_equal(flow_filter_add_state(&filter, name), 0);
	return filter.states;
}

static bool source_matches(const char *prefix, const struct flow_view *view)
{
	struct flow_filter filter = { 0 };

	assert_int_equal(flow_filter_set_source(&filter, prefix), 0);
	return flow_filter_matches(&filter, view);
}

static bool service_matches(const struct service_spec *service, const struct flow_view *view)
{
	const struct flow_filter filter = { .has_service = true, .service = *service };

	return flow_filter_matches(&filter, view);
}

static void test_empty_filter_matches_everything(void **state)
{
	struct flow_view ipv4 = view_ipv4(TCPS_CLOSED), ipv6 = view_ipv6();

	(void)state;
	assert_true(flow_filter_matches(&(struct flow_filter){ 0 }, &ipv4));
	assert_true(flow_filter_matches(&(struct flow_filter){ 0 }, &ipv6));
}

static void test_state_is_known_by_every_spelling(void **state)
{
	static const char *const spellings[] = { "FIN-WAIT-1", "TCPS_FIN_WAIT_1", "fin-wait-1", "FIN_WAIT1",
						 "tcps_finwait1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spellings); i++)
		assert_int_equal(states_of(spellings[i]), BIT(FIN_WAIT_1));
	assert_int_equal(states_of("estab"), BIT(ESTABLISHED));
	assert_int_equal(states_of("syn-recv"), BIT(SYN_RECEIVED));
	assert_int_equal(states_of("Time-Wait"), BIT(TIME_WAIT));
}

static void test_every_state_is_known_by_its_rfc_name(void **state)
{
	(void)state;
	for (enum tcp_state s = 0; s < TCPS_COUNT; s++)
		assert_int_equal(states_of(tcp_state_name(s)), 1U << s);
}

static void test_unknown_state_is_refused(void **state)
{
	static const char *const unknown[] = { "", "TCPS_", "established!", "fin-wait-3",
					       "ESTABLISHEDESTABLISHEDESTABLISHED" };
	struct flow_filter filter = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
		assert_int_equal(flow_filter_add_state(&filter, unknown[i]), -EINVAL);
	assert_int_equal(filter.states, 0);
}

static void test_states_are_joined_by_or(void **state)
{
	struct flow_view established = view_ipv4(TCPS_ESTABLISHED), waiting = view_ipv4(TCPS_TIME_WAIT);
	struct flow_view closing = view_ipv4(TCPS_CLOSING);
	struct flow_filter filter = { 0 };

	(void)state;
	flow_filter_add_state(&filter, "estab");
	flow_filter_add_state(&filter, "time-wait");
	assert_true(flow_filter_matches(&filter, &established));
	assert_true(flow_filter_matches(&filter, &waiting));
	assert_false(flow_filter_matches(&filter, &closing));
}

static void test_source_prefix_covers_its_addresses(void **state)
{
	struct flow_view ipv4 = view_ipv4(TCPS_ESTABLISHED), ipv6 = view_ipv6();

	(void)state;
	assert_true(source_matches("192.0.2.77", &ipv4));
	assert_false(source_matches("192.0.2.76", &ipv4));
	assert_true(source_matches("192.0.2.64/27", &ipv4));
	assert_false(source_matches("192.0.2.96/27", &ipv4));
	assert_true(source_matches("192.0.2.76/31", &ipv4));
	assert_true(source_matches("0.0.0.0/0", &ipv4));
	assert_true(source_matches("2001:db8::/32", &ipv6));
	assert_true(source_matches("2001:db8::7", &ipv6));
	assert_false(source_matches("2001:db9::/32", &ipv6));
	assert_true(source_matches("::/0", &ipv6));
}

static void test_source_prefix_is_of_one_family(void **state)
{
	struct flow_view ipv4 = view_ipv4(TCPS_ESTABLISHED), ipv6 = view_ipv6();

	(void)state;
	assert_false(source_matches("::/0", &ipv4));
	assert_false(source_matches("0.0.0.0/0", &ipv6));
}

static void test_malformed_source_is_refused(void **state)
{
	static const char *const malformed[] = { "",
						 "10.0.0",
						 "10.0.0.0/33",
						 "10.0.0.0/",
						 "10.0.0.0/-1",
						 "10.0.0.0/8x",
						 "2001:db8::/129",
						 "example.org",
						 "10.0.0.0/ 8",
						 "/8" };
	struct flow_filter filter = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++)
		assert_int_equal(flow_filter_set_source(&filter, malformed[i]), -EINVAL);
}

static void test_service_matches_its_wildcards(void **state)
{
	const struct service_spec exact = { .address = { 10, 0, 0, 2 }, .port = 80, .family = FAMILY_IPV4 };
	const struct service_spec any_port = { .address = { 10, 0, 0, 2 }, .family = FAMILY_IPV4 };
	const struct service_spec any_address = { .port = 80, .family = FAMILY_IPV4 };
	const struct service_spec other_port = { .port = 81, .family = FAMILY_IPV4 };
	const struct service_spec other_address = { .address = { 10, 0, 0, 3 }, .port = 80, .family = FAMILY_IPV4 };
	const struct service_spec other_family = { .port = 80, .family = FAMILY_IPV6 };
	struct flow_view view = view_ipv4(TCPS_ESTABLISHED);

	(void)state;
	assert_true(service_matches(&exact, &view));
	assert_true(service_matches(&any_port, &view));
	assert_true(service_matches(&any_address, &view));
	assert_false(service_matches(&other_port, &view));
	assert_false(service_matches(&other_address, &view));
	assert_false(service_matches(&other_family, &view));
}

static void test_service_of_both_families_matches_either(void **state)
{
	const struct service_spec both = { .port = 443 }, everything = { .family = 0 };
	struct flow_view ipv4 = view_ipv4(TCPS_ESTABLISHED), ipv6 = view_ipv6();

	(void)state;
	assert_true(service_matches(&both, &ipv6));
	assert_false(service_matches(&both, &ipv4));
	assert_true(service_matches(&everything, &ipv4));
	assert_true(service_matches(&everything, &ipv6));
}

static void test_direction_matches_who_opened(void **state)
{
	struct flow_view in = view_ipv4(TCPS_ESTABLISHED), out = in;
	struct flow_filter filter = { 0 };

	(void)state;
	out.flags = FLOW_OUTGOING;
	assert_int_equal(flow_filter_set_direction(&filter, "out"), 0);
	assert_true(flow_filter_matches(&filter, &out));
	assert_false(flow_filter_matches(&filter, &in));
	assert_int_equal(flow_filter_set_direction(&filter, "in"), 0);
	assert_false(flow_filter_matches(&filter, &out));
	assert_true(flow_filter_matches(&filter, &in));
}

static void test_unknown_direction_is_refused(void **state)
{
	struct flow_filter filter = { 0 };

	(void)state;
	assert_int_equal(flow_filter_set_direction(&filter, "up"), -EINVAL);
	assert_int_equal(flow_filter_set_direction(&filter, ""), -EINVAL);
	assert_false(filter.has_direction);
}

static void test_kinds_are_joined_by_and(void **state)
{
	struct flow_view view = view_ipv4(TCPS_ESTABLISHED);
	struct flow_filter filter = { .has_service = true, .service = { .port = 80 } };

	(void)state;
	flow_filter_set_source(&filter, "192.0.2.0/24");
	assert_true(flow_filter_matches(&filter, &view));
	flow_filter_add_state(&filter, "time-wait");
	assert_false(flow_filter_matches(&filter, &view));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_filter_matches_everything),
		cmocka_unit_test(test_state_is_known_by_every_spelling),
		cmocka_unit_test(test_every_state_is_known_by_its_rfc_name),
		cmocka_unit_test(test_unknown_state_is_refused),
		cmocka_unit_test(test_states_are_joined_by_or),
		cmocka_unit_test(test_source_prefix_covers_its_addresses),
		cmocka_unit_test(test_source_prefix_is_of_one_family),
		cmocka_unit_test(test_malformed_source_is_refused),
		cmocka_unit_test(test_service_matches_its_wildcards),
		cmocka_unit_test(test_service_of_both_families_matches_either),
		cmocka_unit_test(test_direction_matches_who_opened),
		cmocka_unit_test(test_unknown_direction_is_refused),
		cmocka_unit_test(test_kinds_are_joined_by_and),
	};

	return cmocka_run_group_tests_name("flow_filter", tests, NULL, NULL);
}
