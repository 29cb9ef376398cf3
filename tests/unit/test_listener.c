/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which listening sockets a service means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/listener.c"
#include "../../user/netlink.c"

#define DEVICE 3

static const struct service_spec web_ipv4 = { .family = FAMILY_IPV4, .address = { 10, 0, 0, 2 }, .port = 80 };
static const struct service_spec web_ipv6 = { .family = FAMILY_IPV6, .address = { 0x20, 1 }, .port = 80 };
static const struct service_spec web_anywhere = { .port = 80 };
static const struct service_spec any_port = { .family = FAMILY_IPV4, .address = { 10, 0, 0, 2 } };

static const struct listener_view on_ipv4 = { .family = FAMILY_IPV4, .address = { 10, 0, 0, 2 }, .port = 80 };
static const struct listener_view on_any_ipv4 = { .family = FAMILY_IPV4, .port = 80 };
static const struct listener_view on_any = { .family = FAMILY_IPV6, .port = 80 };
static const struct listener_view on_any_ipv6_only = { .family = FAMILY_IPV6, .port = 80, .ipv6_only = true };

static enum listener_kind kind_of(const struct service_spec *service, const struct listener_view *listener)
{
	struct listener_match match = listener_match(listener, 1, service, DEVICE);

	return listener_kind(&match);
}

static struct listener_view as_mptcp(const struct listener_view *listener)
{
	struct listener_view mptcp = *listener;

	mptcp.mptcp = true;
	return mptcp;
}

static void test_no_listener_matches_nothing(void **state)
{
	struct listener_match match = listener_match(NULL, 0, &web_ipv4, DEVICE);

	(void)state;
	assert_int_equal(listener_kind(&match), LISTENER_NONE);
}

static void test_address_takes_its_own_and_wildcard_listeners(void **state)
{
	const struct listener_view other = { .family = FAMILY_IPV4, .address = { 10, 0, 0, 3 }, .port = 80 };

	(void)state;
	assert_int_equal(kind_of(&web_ipv4, &on_ipv4), LISTENER_TCP);
	assert_int_equal(kind_of(&web_ipv4, &on_any_ipv4), LISTENER_TCP);
	assert_int_equal(kind_of(&web_ipv4, &other), LISTENER_NONE);
	assert_int_equal(kind_of(&web_ipv6, &on_any_ipv4), LISTENER_NONE);
}

static void test_dual_stack_listener_takes_ipv4(void **state)
{
	(void)state;
	assert_int_equal(kind_of(&web_ipv4, &on_any), LISTENER_TCP);
	assert_int_equal(kind_of(&web_ipv6, &on_any), LISTENER_TCP);
	assert_int_equal(kind_of(&web_ipv4, &on_any_ipv6_only), LISTENER_NONE);
	assert_int_equal(kind_of(&web_ipv6, &on_any_ipv6_only), LISTENER_TCP);
}

static void test_other_port_and_other_device_do_not_match(void **state)
{
	const struct listener_view other_port = { .family = FAMILY_IPV4, .port = 81 };
	const struct listener_view other_device = { .family = FAMILY_IPV4, .port = 80, .ifindex = DEVICE + 1 };
	const struct listener_view this_device = { .family = FAMILY_IPV4, .port = 80, .ifindex = DEVICE };

	(void)state;
	assert_int_equal(kind_of(&web_ipv4, &other_port), LISTENER_NONE);
	assert_int_equal(kind_of(&web_ipv4, &other_device), LISTENER_NONE);
	assert_int_equal(kind_of(&web_ipv4, &this_device), LISTENER_TCP);
}

static void test_mptcp_listener_is_told(void **state)
{
	const struct listener_view mptcp = as_mptcp(&on_ipv4);

	(void)state;
	assert_int_equal(kind_of(&web_ipv4, &mptcp), LISTENER_MPTCP);
}

static void test_listener_on_the_address_hides_the_wildcard(void **state)
{
	const struct listener_view listeners[] = { on_any_ipv4, as_mptcp(&on_ipv4) };
	struct listener_match match = listener_match(listeners, 2, &web_ipv4, DEVICE);

	(void)state;
	assert_int_equal(match.tcp, 0);
	assert_int_equal(match.mptcp, 1);
}

static void test_wildcard_service_counts_all_listeners(void **state)
{
	const struct listener_view listeners[] = { on_any_ipv4, as_mptcp(&on_ipv4), on_any_ipv6_only };
	struct listener_match match = listener_match(listeners, 3, &web_anywhere, DEVICE);

	(void)state;
	assert_int_equal(match.tcp, 2);
	assert_int_equal(match.mptcp, 1);
	assert_int_equal(listener_kind(&match), LISTENER_TCP);
}

static void test_service_of_any_port_counts_all_ports(void **state)
{
	const struct listener_view listeners[] = { on_ipv4, { .family = FAMILY_IPV4, .port = 22 } };
	struct listener_match match = listener_match(listeners, 2, &any_port, DEVICE);

	(void)state;
	assert_int_equal(match.tcp, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_listener_matches_nothing),
		cmocka_unit_test(test_address_takes_its_own_and_wildcard_listeners),
		cmocka_unit_test(test_dual_stack_listener_takes_ipv4),
		cmocka_unit_test(test_other_port_and_other_device_do_not_match),
		cmocka_unit_test(test_mptcp_listener_is_told),
		cmocka_unit_test(test_listener_on_the_address_hides_the_wildcard),
		cmocka_unit_test(test_wildcard_service_counts_all_listeners),
		cmocka_unit_test(test_service_of_any_port_counts_all_ports),
	};

	return cmocka_run_group_tests_name("listener", tests, NULL, NULL);
}
