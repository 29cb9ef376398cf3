/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* SPEC, as people write it: what is taken, what is refused, and with which words. */
#include "unit.h"

/* The source, not an object: a unit test is one file to the compiler, sanitizers and all. */
#include "../../user/duration.c"
#include "../../user/service_limits.c"
#include "../../user/service_spec.c"

static struct service_spec parsed(const char *text)
{
	char error[SERVICE_SPEC_ERROR_BYTES] = "";
	struct service_spec spec;

	if (service_spec_parse(text, &spec, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
	return spec;
}

static void assert_refused(const char *text, const char *reason)
{
	char error[SERVICE_SPEC_ERROR_BYTES] = "";
	struct service_spec spec;

	assert_int_equal(service_spec_parse(text, &spec, error, sizeof(error)), -EINVAL);
	if (!strstr(error, reason))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, error, reason);
}

static void assert_formats_as(const char *text, const char *expected)
{
	struct service_spec spec = parsed(text);
	char formatted[SERVICE_SPEC_BYTES];

	service_spec_format(&spec, formatted, sizeof(formatted));
	assert_string_equal(formatted, expected);
}

static void test_ipv4_address_and_port(void **state)
{
	struct service_spec spec = parsed("10.0.0.2:80");
	const ipv6_bytes address = { 10, 0, 0, 2 };

	(void)state;
	assert_int_equal(spec.family, FAMILY_IPV4);
	assert_memory_equal(spec.address, address, sizeof(address));
	assert_int_equal(spec.port, 80);
	assert_false(spec.has_policy);
	assert_int_equal(spec.owner, FLOW_OWNER_KERNEL);
}

static void test_ipv6_address_in_brackets(void **state)
{
	struct service_spec spec = parsed("[2001:db8::2]:443,policy=off");
	const ipv6_bytes address = { 0x20, 0x01, 0x0d, 0xb8, [15] = 2 };

	(void)state;
	assert_int_equal(spec.family, FAMILY_IPV6);
	assert_memory_equal(spec.address, address, sizeof(address));
	assert_int_equal(spec.port, 443);
	assert_true(spec.has_policy);
	assert_int_equal(spec.policy, POLICY_OFF);
}

static void test_wildcards(void **state)
{
	struct service_spec every_address = parsed("*:22"), every_port = parsed("10.0.0.2:*");
	struct service_spec every_ipv4 = parsed("0.0.0.0:22"), every_ipv6 = parsed("[::]:22");
	const ipv6_bytes any = {};

	(void)state;
	assert_int_equal(every_address.family, 0);
	assert_memory_equal(every_address.address, any, sizeof(any));
	assert_int_equal(every_address.port, 22);
	assert_int_equal(every_port.port, 0);
	assert_int_equal(every_ipv4.family, FAMILY_IPV4);
	assert_int_equal(every_ipv6.family, FAMILY_IPV6);
	assert_memory_equal(every_ipv6.address, any, sizeof(any));
}

static void test_keys_in_any_order(void **state)
{
	struct service_spec spec = parsed("10.0.0.2:80,md5=pass,owner=kernel,policy=always");

	(void)state;
	assert_true(spec.passes_signed);
	assert_true(spec.has_policy);
	assert_int_equal(spec.policy, POLICY_ALWAYS);
	assert_int_equal(spec.owner, FLOW_OWNER_KERNEL);
}

static void test_signed_syns_pass_only_if_asked_for(void **state)
{
	(void)state;
	assert_false(parsed("10.0.0.2:179").passes_signed);
	assert_false(parsed("10.0.0.2:179,md5=drop").passes_signed);
	assert_true(parsed("10.0.0.2:179,md5=pass").passes_signed);
	assert_refused("10.0.0.2:179,md5=yes", "pass or drop");
	assert_refused("10.0.0.2:179,md5=", "pass or drop");
	assert_string_equal(service_spec_signed_name(true), "pass");
	assert_string_equal(service_spec_signed_name(false), "drop");
}

static void test_service_of_the_daemon(void **state)
{
	struct service_spec spec = parsed("*:7,owner=daemon,app=echo"), off;

	(void)state;
	assert_int_equal(spec.owner, FLOW_OWNER_DAEMON);
	assert_string_equal(spec.app, "echo");
	assert_int_equal(spec.gone, GONE_DROP);
	off = parsed("*:7,gone=refuse,app=a234567890123456789012345678901,policy=off,owner=daemon");
	assert_int_equal(off.gone, GONE_REFUSE);
	assert_int_equal(off.policy, POLICY_OFF);
	assert_string_equal(off.app, "a234567890123456789012345678901");
	assert_int_equal(parsed("*:7,owner=daemon,app=echo,gone=drop").gone, GONE_DROP);
	assert_string_equal(service_spec_owner_name(FLOW_OWNER_DAEMON), "daemon");
	assert_string_equal(service_spec_gone_name(GONE_DROP), "drop");
	assert_string_equal(service_spec_gone_name(GONE_REFUSE), "refuse");
}

static void test_keys_of_the_daemon_go_with_it_only(void **state)
{
	(void)state;
	assert_refused("*:7,owner=daemon", "needs app=NAME");
	assert_refused("*:7,owner=daemon,app=", "1 to 31 characters");
	assert_refused("*:7,owner=daemon,app=a2345678901234567890123456789012", "1 to 31 characters");
	assert_refused("*:7,owner=daemon,app=echo,app=echo", "app is given twice");
	assert_refused("*:7,owner=daemon,app=echo,gone=pass", "drop or refuse");
	assert_refused("*:7,owner=daemon,app=echo,policy=monitor", "always or off");
	assert_refused("*:7,owner=daemon,app=echo,md5=pass", "checks none");
	assert_refused("*:7,app=echo", "for owner=daemon");
	assert_refused("*:7,gone=refuse", "for owner=daemon");
}

/* A policy that the spec does not name comes later. */
static void test_default_policy_is_checked_too(void **state)
{
	struct service_spec spec = parsed("*:7,owner=daemon,app=echo");
	char error[SERVICE_SPEC_ERROR_BYTES] = "";

	(void)state;
	assert_int_equal(service_spec_check(&spec, error, sizeof(error)), 0);
	spec.policy = POLICY_MONITOR;
	assert_int_equal(service_spec_check(&spec, error, sizeof(error)), -EINVAL);
	assert_non_null(strstr(error, "always or off"));
}

static void assert_keepalive(const char *text, __u32 idle_ms, __u32 interval_ms, __u8 probes)
{
	const struct keepalive keepalive = parsed(text).keepalive;

	assert_int_equal(keepalive.idle_ms, idle_ms);
	assert_int_equal(keepalive.interval_ms, interval_ms);
	assert_int_equal(keepalive.probes, probes);
}

/* MUST-25, MUST-28. */
static void test_keepalive_is_off_unless_asked_for(void **state)
{
	(void)state;
	assert_keepalive("*:22", 0, 0, 0);
	assert_keepalive("*:22,keepalive=off", 0, 0, 0);
	assert_keepalive("*:22,keepalive=on", 7200000, 75000, 10);
	assert_keepalive("*:22,keepalive=7200s/75s/10", 7200000, 75000, 10);
	assert_keepalive("*:7,owner=daemon,app=echo,keepalive=2h/1m/3", 7200000, 60000, 3);
	assert_int_equal(parsed("*:22,keepalive=on").keepalive.dead, DEAD_CLOSE);
}

static void test_keepalive_has_bounds(void **state)
{
	(void)state;
	assert_keepalive("*:22,keepalive=100ms/100ms/6", 100, 100, 6);
	assert_keepalive("*:22,keepalive=600ms/100ms/1", 600, 100, 1);
	assert_keepalive("*:22,keepalive=100ms/100ms/255", 100, 100, 255);
	assert_keepalive("*:22,keepalive=4d/86399999ms/1", 4 * 86400000, 86399999, 1);
	assert_refused("*:22,keepalive=99ms/100ms/1", "from 100ms to 5d");
	assert_refused("*:22,keepalive=100ms/99ms/1", "from 100ms to 5d");
	assert_refused("*:22,keepalive=100ms/100ms/5", "at least 600ms");
	assert_refused("*:22,keepalive=599ms/10s/1", "at least 600ms");
	assert_refused("*:22,keepalive=6d/1s/1", "from 100ms to 5d");
	assert_refused("*:22,keepalive=1s/1s/0", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=1s/1s/256", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=4d/1d/1", "together less than 5d");
	assert_refused("*:22,keepalive=1s/12h/10", "together less than 5d");
}

static void test_keepalive_that_means_nothing_is_refused(void **state)
{
	(void)state;
	assert_refused("*:22,keepalive=", "off, on or IDLE/INTERVAL/PROBES");
	assert_refused("*:22,keepalive=yes", "off, on or IDLE/INTERVAL/PROBES");
	assert_refused("*:22,keepalive=7200s", "off, on or IDLE/INTERVAL/PROBES");
	assert_refused("*:22,keepalive=7200/75/10", "from 100ms to 5d");
	assert_refused("*:22,keepalive=/75s/10", "from 100ms to 5d");
	assert_refused("*:22,keepalive=7200s/75s", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=7200s/75s/", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=7200s/75s/ten", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=7200s/75s/-1", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=7200s/75s/10/3", "from 1 to 255 probes");
	assert_refused("*:22,keepalive=on,keepalive=on", "keepalive is given twice");
}

static void test_dead_goes_with_keepalive_only(void **state)
{
	(void)state;
	assert_int_equal(parsed("*:22,keepalive=on,dead=close").keepalive.dead, DEAD_CLOSE);
	assert_int_equal(parsed("*:22,keepalive=on,dead=report").keepalive.dead, DEAD_REPORT);
	assert_int_equal(parsed("*:22,dead=report,keepalive=on").keepalive.dead, DEAD_REPORT);
	assert_int_equal(parsed("*:22,dead=report,keepalive=1s/1s/1").keepalive.dead, DEAD_REPORT);
	assert_refused("*:22,dead=close", "goes with keepalive");
	assert_refused("*:22,keepalive=off,dead=report", "goes with keepalive");
	assert_refused("*:22,keepalive=on,dead=bury", "close or report");
	assert_string_equal(service_spec_dead_name(DEAD_CLOSE), "close");
	assert_string_equal(service_spec_dead_name(DEAD_REPORT), "report");
}

static void test_daemon_closes_its_dead(void **state)
{
	(void)state;
	parsed("*:7,owner=daemon,app=echo,keepalive=on,dead=close");
	assert_refused("*:7,owner=daemon,app=echo,keepalive=on,dead=report", "for owner=kernel");
}

static void test_msl_of_a_service(void **state)
{
	(void)state;
	assert_int_equal(parsed("*:22").msl_ms, 0);
	assert_int_equal(parsed("*:22,msl=60s").msl_ms, 60000);
	assert_int_equal(parsed("*:7,owner=daemon,app=echo,msl=1ms").msl_ms, 1);
	assert_int_equal(parsed("*:22,msl=1h").msl_ms, 3600000);
	assert_refused("*:22,msl=0s", "from 1ms to 1h");
	assert_refused("*:22,msl=3601s", "from 1ms to 1h");
	assert_refused("*:22,msl=60", "from 1ms to 1h");
	assert_refused("*:22,msl=1s,msl=1s", "msl is given twice");
}

static void test_limits_of_sources(void **state)
{
	struct service_spec spec = parsed("*:80");

	(void)state;
	assert_false(service_limits_given(&spec));
	assert_int_equal(spec.limits.prefix_ipv4, 32);
	assert_int_equal(spec.limits.prefix_ipv6, 64);
	spec = parsed("*:80,new=10,open=500,source=/24/48,limits=monitor");
	assert_true(service_limits_given(&spec));
	assert_int_equal(spec.limits.new_per_second, 10);
	assert_int_equal(spec.limits.open, 500);
	assert_int_equal(spec.limits.prefix_ipv4, 24);
	assert_int_equal(spec.limits.prefix_ipv6, 48);
	assert_true(spec.limits.monitor);
	spec = parsed("*:80,new=1000000,source=/16,limits=enforce");
	assert_int_equal(spec.limits.new_per_second, 1000000);
	assert_int_equal(spec.limits.open, 0);
	assert_int_equal(spec.limits.prefix_ipv4, 16);
	assert_int_equal(spec.limits.prefix_ipv6, 64);
	assert_false(spec.limits.monitor);
	assert_int_equal(parsed("*:80,open=1,source=/1/128").limits.prefix_ipv6, 128);
}

static void test_limits_that_mean_nothing_are_refused(void **state)
{
	static const char *const numbers[] = { "", "0", "-1", "+1", "1.5", " 1", "x", "99999999999999999999999" };
	static const char *const prefixes[] = {
		"", "24", "/", "/0", "/33", "/24/", "/24/0", "/24/129", "/24/48/", "/24/48/8", "/00000000000000000024"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		char text[64];

		snprintf(text, sizeof(text), "*:80,new=%s", numbers[i]);
		assert_refused(text, "is not a number of connections a second from 1 to 1000000");
		snprintf(text, sizeof(text), "*:80,open=%s", numbers[i]);
		assert_refused(text, "is not a number of connections from 1 to 100000000");
	}
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		char text[64];

		snprintf(text, sizeof(text), "*:80,new=1,source=%s", prefixes[i]);
		assert_refused(text, "is not /BITS of IPv4");
	}
	assert_refused("*:80,new=1000001", "from 1 to 1000000");
	assert_refused("*:80,new=1,limits=off", "it is enforce or monitor");
	assert_refused("*:80,source=/24", "go with new=N or open=N");
	assert_refused("*:80,limits=monitor", "go with new=N or open=N");
	assert_refused("*:80,new=1,policy=off", "not for policy off");
	assert_refused("*:80,open=1,policy=off", "not for policy off");
}

static void test_share_in_records_or_percent(void **state)
{
	struct service_spec spec = parsed("*:80,share=5000,policy=off");

	(void)state;
	assert_int_equal(spec.flows_max, 5000);
	assert_int_equal(spec.share_percent, 0);
	spec = parsed("*:80,share=100%");
	assert_int_equal(spec.share_percent, 100);
	assert_int_equal(spec.flows_max, 0);
	assert_true(service_limits_count_flows(&spec));
	assert_refused("*:80,share=0", "neither 1% to 100%");
	assert_refused("*:80,share=0%", "neither 1% to 100%");
	assert_refused("*:80,share=101%", "neither 1% to 100%");
	assert_refused("*:80,share=%", "neither 1% to 100%");
	assert_refused("*:80,share=10%%", "neither 1% to 100%");
	assert_refused("*:80,share=1%0", "neither 1% to 100%");
	assert_refused("*:80,share=3000000000", "neither 1% to 100%");
	assert_refused("*:80,share=00000000000000000001", "neither 1% to 100%");
	assert_refused("*:80,share=1,policy=off,owner=daemon,app=echo", "not for policy off");
}

/* Whoever takes the text for a SPEC has the same service. */
static void assert_formats_in_full_as(const char *text, const char *expected)
{
	struct service_spec spec = parsed(text), again;
	char formatted[SERVICE_SPEC_FULL_BYTES];

	service_spec_format_full(&spec, formatted, sizeof(formatted));
	assert_string_equal(formatted, expected);
	again = parsed(formatted);
	spec.has_policy = true;
	assert_memory_equal(&again, &spec, sizeof(spec));
}

static void test_formats_back_with_its_keys(void **state)
{
	(void)state;
	assert_formats_in_full_as("10.0.0.2:80", "10.0.0.2:80,policy=auto");
	assert_formats_in_full_as("*:22,md5=drop,owner=kernel,keepalive=off", "*:22,policy=auto");
	assert_formats_in_full_as("*:179,policy=monitor,md5=pass", "*:179,policy=monitor,md5=pass");
	assert_formats_in_full_as("*:5432,keepalive=7200s/75s/10", "*:5432,policy=auto,keepalive=2h/75s/10");
	assert_formats_in_full_as("*:5432,msl=90s,dead=report,keepalive=150ms/1s/255",
				  "*:5432,policy=auto,keepalive=150ms/1s/255,dead=report,msl=90s");
	assert_formats_in_full_as("*:80,share=40%,open=9", "*:80,policy=auto,open=9,share=40%");
	assert_formats_in_full_as("*:80,new=5,source=/32", "*:80,policy=auto,new=5");
	assert_formats_in_full_as("*:80,new=5,source=/24", "*:80,policy=auto,new=5,source=/24/64");
	assert_formats_in_full_as("[1111:2222:3333:4444:5555:6666:7777:8888]:65535,policy=monitor,md5=pass,"
				  "keepalive=345599999ms/100ms/255,dead=report,msl=3599999ms,half-open=999999,"
				  "share=2147483647,source=/31/127,limits=monitor,open=99999999,new=999999",
				  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535,policy=monitor,md5=pass,"
				  "keepalive=345599999ms/100ms/255,dead=report,msl=3599999ms,half-open=999999,"
				  "new=999999,open=99999999,source=/31/127,limits=monitor,share=2147483647");
	assert_formats_in_full_as("[1111:2222:3333:4444:5555:6666:7777:8888]:65535,owner=daemon,gone=refuse,"
				  "app=a234567890123456789012345678901,keepalive=345599999ms/100ms/255,msl=3599999ms",
				  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535,policy=auto,owner=daemon,"
				  "keepalive=345599999ms/100ms/255,msl=3599999ms,"
				  "app=a234567890123456789012345678901,gone=refuse");
}

static void test_formats_back(void **state)
{
	(void)state;
	assert_formats_as("10.0.0.2:80,policy=off", "10.0.0.2:80");
	assert_formats_as("[2001:DB8:0::2]:443", "[2001:db8::2]:443");
	assert_formats_as("*:22", "*:22");
	assert_formats_as("10.0.0.2:*", "10.0.0.2:*");
	assert_formats_as("*:*", "*:*");
	assert_formats_as("[::]:65535", "[::]:65535");
	assert_formats_as("0.0.0.0:1", "0.0.0.0:1");
	assert_formats_as("[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
			  "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

static void test_bad_ports_are_refused(void **state)
{
	(void)state;
	assert_refused("10.0.0.2", "has no port");
	assert_refused("[2001:db8::2]", "has no port");
	assert_refused("10.0.0.2:", "not in 1..65535");
	assert_refused("10.0.0.2:0", "not in 1..65535");
	assert_refused("10.0.0.2:65536", "not in 1..65535");
	assert_refused("10.0.0.2:99999999999999999999", "not in 1..65535");
	assert_refused("10.0.0.2:http", "not a number");
	assert_refused("10.0.0.2:-1", "not a number");
	assert_refused("10.0.0.2: 80", "not a number");
}

static void test_bad_addresses_are_refused(void **state)
{
	(void)state;
	assert_refused("", "has no port");
	assert_refused(":80", "not an IP address");
	assert_refused("10.0.0:80", "not an IP address");
	assert_refused("example.org:80", "names are not looked up");
	assert_refused("2001:db8::2:443", "in brackets");
	assert_refused("[2001:db8::2]443", "has no port");
	assert_refused("[]:443", "not an IPv6 address");
	assert_refused("[:443", "not an IP address");
	assert_refused("[fe80::1%eth0]:443", "not an IPv6 address");
	assert_refused("[::ffff:10.0.0.2]:80", "write 10.0.0.2");
	assert_refused("224.0.0.1:80", "multicast");
	assert_refused("255.255.255.255:80", "broadcast");
	assert_refused("[ff02::1]:80", "multicast");
}

static void test_unknown_key_lists_the_known(void **state)
{
	(void)state;
	assert_refused("10.0.0.2:80,colour=red",
		       "\"colour\" is unknown; known keys: policy=auto|always|monitor|off, owner=kernel|daemon, md5=");
	/* The list is complete, also behind the longest key that is quoted. */
	assert_refused("10.0.0.2:80,a234567890123456789012345678901234567890123=red", "gone=drop|refuse");
	assert_refused("10.0.0.2:80,policy", "not key=value");
	assert_refused("10.0.0.2:80,", "not key=value");
	assert_refused("10.0.0.2:80,=off", "known keys");
}

static void test_key_given_twice_is_refused(void **state)
{
	(void)state;
	assert_refused("10.0.0.2:80,policy=off,policy=off", "twice");
	assert_refused("10.0.0.2:80,owner=kernel,owner=kernel", "twice");
	assert_refused("10.0.0.2:80,md5=drop,md5=drop", "twice");
}

static void test_what_comes_later_is_told_from_what_is_wrong(void **state)
{
	(void)state;
	assert_refused("10.0.0.2:80,policy=sometimes", "unknown");
	assert_refused("10.0.0.2:80,policy=", "unknown");
	assert_refused("10.0.0.2:80,owner=gateway", "not there yet");
	assert_refused("10.0.0.2:80,owner=me", "unknown");
}

static void test_overlong_text_is_refused(void **state)
{
	char text[2 * SERVICE_SPEC_FULL_BYTES];

	(void)state;
	memset(text, '1', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_refused(text, "longer than any service");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4_address_and_port),
		cmocka_unit_test(test_ipv6_address_in_brackets),
		cmocka_unit_test(test_wildcards),
		cmocka_unit_test(test_keys_in_any_order),
		cmocka_unit_test(test_signed_syns_pass_only_if_asked_for),
		cmocka_unit_test(test_service_of_the_daemon),
		cmocka_unit_test(test_keys_of_the_daemon_go_with_it_only),
		cmocka_unit_test(test_default_policy_is_checked_too),
		cmocka_unit_test(test_keepalive_is_off_unless_asked_for),
		cmocka_unit_test(test_keepalive_has_bounds),
		cmocka_unit_test(test_keepalive_that_means_nothing_is_refused),
		cmocka_unit_test(test_dead_goes_with_keepalive_only),
		cmocka_unit_test(test_daemon_closes_its_dead),
		cmocka_unit_test(test_msl_of_a_service),
		cmocka_unit_test(test_limits_of_sources),
		cmocka_unit_test(test_limits_that_mean_nothing_are_refused),
		cmocka_unit_test(test_share_in_records_or_percent),
		cmocka_unit_test(test_formats_back_with_its_keys),
		cmocka_unit_test(test_formats_back),
		cmocka_unit_test(test_bad_ports_are_refused),
		cmocka_unit_test(test_bad_addresses_are_refused),
		cmocka_unit_test(test_unknown_key_lists_the_known),
		cmocka_unit_test(test_key_given_twice_is_refused),
		cmocka_unit_test(test_what_comes_later_is_told_from_what_is_wrong),
		cmocka_unit_test(test_overlong_text_is_refused),
	};

	return cmocka_run_group_tests_name("service_spec", tests, NULL, NULL);
}
