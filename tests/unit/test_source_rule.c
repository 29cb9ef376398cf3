/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How prefixes of sources are read, written and compared, and which parts of the filter they touch. */
#include "unit.h"

#include "../../user/format.c"

#include "../../user/duration.c"
#include "../../user/source_rule.c"

static struct source_rule rule_of(const char *text)
{
	char error[SOURCE_RULE_ERROR_BYTES];
	struct source_rule rule = {};

	assert_int_equal(source_rule_parse_prefix(text, &rule, error), 0);
	return rule;
}

static void test_every_prefix_comes_back_as_it_was_read(void **state)
{
	static const struct {
		const char *text;
		__u32 prefixlen;
	} prefixes[] = {
		{ "0.0.0.0/0", 96 },
		{ "128.0.0.0/1", 97 },
		{ "10.0.0.0/8", 104 },
		{ "10.1.254.0/23", 119 },
		{ "192.0.2.254/31", 127 },
		{ "192.0.2.255", 128 },
		{ "::/0", 0 },
		{ "8000::/1", 1 },
		{ "2001:db8::/32", 32 },
		{ "2001:db8::/127", 127 },
		{ "2001:db8::1", 128 },
		{ "::fffe:0:0/95", 95 },
		{ "::", 128 },
		{ "::ffff:0:0:0/96", 96 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct source_rule rule = rule_of(prefixes[i].text);
		char text[SOURCE_RULE_PREFIX_BYTES];

		assert_int_equal(rule.key.prefixlen, prefixes[i].prefixlen);
		assert_int_equal(rule.entry.prefixlen, prefixes[i].prefixlen);
		assert_string_equal(source_rule_format_prefix(text, &rule.key), prefixes[i].text);
	}
}

static void test_prefix_of_full_length_is_an_address(void **state)
{
	struct source_rule with = rule_of("192.0.2.1/32"), without = rule_of("192.0.2.1");

	(void)state;
	assert_memory_equal(&with, &without, sizeof(with));
	assert_int_equal(source_rule_compare(&with, &without), 0);
}

static void test_what_is_no_prefix_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *text, *reason;
	} wrong[] = {
		{ "", "is no prefix" },
		{ "/8", "is no prefix" },
		{ "10.0.0/8", "is no prefix" },
		{ "10.0.0.0/", "is no prefix" },
		{ "10.0.0.0/-1", "is no prefix" },
		{ "10.0.0.0/+8", "is no prefix" },
		{ "10.0.0.0/08", "is no prefix" },
		{ "10.0.0.0/8x", "is no prefix" },
		{ "10.0.0.0/8/8", "is no prefix" },
		{ "10.0.0.0/1000", "is no prefix" },
		{ "010.0.0.0/8", "is no prefix" },
		{ "10.0.0.256", "is no prefix" },
		{ "10.0.0.0/255.0.0.0", "is no prefix" },
		{ "2001:db8:::/32", "is no prefix" },
		{ "fe80::1%eth0", "is no prefix" },
		{ "example.org", "is no prefix" },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa", "is no prefix" },
		{ "10.0.0.0/33", "an IPv4 prefix has 32 bits at most" },
		{ "2001:db8::/129", "an IPv6 prefix has 128 bits at most" },
		{ "10.0.0.1/8", "10.0.0.1/8 has bits behind the first 8: is it 10.0.0.0/8?" },
		{ "192.0.2.130/26", "is it 192.0.2.128/26?" },
		{ "1.0.0.0/0", "is it 0.0.0.0/0?" },
		{ "2001:db8::1/64", "is it 2001:db8::/64?" },
		{ "2001:dbf::/31", "is it 2001:dbe::/31?" },
		{ "::ffff:10.0.0.1", "to be written as IPv4" },
		{ "::ffff:0:0/96", "to be written as IPv4" },
		{ "\033[2J", "\"?[2J\" is no prefix" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char error[SOURCE_RULE_ERROR_BYTES] = "";
		struct source_rule rule = {};

		assert_int_equal(source_rule_parse_prefix(wrong[i].text, &rule, error), -EINVAL);
		if (!strstr(error, wrong[i].reason))
			fail_msg("\"%s\": \"%s\"", wrong[i].text, error);
	}
}

static void test_order_is_family_address_length(void **state)
{
	static const char *const sorted[] = { "0.0.0.0/0", "10.0.0.0/8", "10.0.0.0/9", "10.0.0.0",     "192.0.2.0/24",
					      "::/0",	   "::fffe:0:1", "2001::/16",  "2001:db8::/32" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		for (size_t j = 0; j < ARRAY_LEN(sorted); j++) {
			struct source_rule a = rule_of(sorted[i]), b = rule_of(sorted[j]);
			int order = source_rule_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void test_rules_are_sorted_and_each_prefix_is_there_once(void **state)
{
	static const char *const texts[] = { "10.0.0.0/8", "2001:db8::/32", "10.0.0.0/16", "10.0.0.0/8",
					     "2001:db8::/32" };
	static const char *const sorted[] = { "10.0.0.0/8", "10.0.0.0/16", "2001:db8::/32" };
	struct source_rule rules[ARRAY_LEN(texts)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		rules[i] = rule_of(texts[i]);
	assert_int_equal(source_rule_sort(rules, ARRAY_LEN(texts)), ARRAY_LEN(sorted));
	for (size_t i = 0; i < ARRAY_LEN(sorted); i++) {
		char prefix[SOURCE_RULE_PREFIX_BYTES];

		assert_string_equal(source_rule_format_prefix(prefix, &rules[i].key), sorted[i]);
	}
	assert_int_equal(source_rule_sort(NULL, 0), 0);
}

static void test_timeout_begins_when_it_is_told(void **state)
{
	struct source_rule rules[2] = {};
	char error[SOURCE_RULE_ERROR_BYTES];

	(void)state;
	assert_int_equal(source_rule_parse_timeout("90s", &rules[0], error), 0);
	source_rule_begin(rules, ARRAY_LEN(rules), 1000);
	assert_int_equal(rules[0].entry.expires_ns, 1000 + 90 * NSEC_PER_SEC);
	assert_int_equal(rules[1].entry.expires_ns, 0);
	assert_int_equal(source_rule_left_s(&rules[0], 1000), 90);
	assert_int_equal(source_rule_left_s(&rules[0], 1001), 90); /* begun seconds count */
	assert_int_equal(source_rule_left_s(&rules[0], 1000 + NSEC_PER_SEC), 89);
	assert_int_equal(source_rule_left_s(&rules[0], 1000 + 91 * NSEC_PER_SEC), 1);
	assert_int_equal(source_rule_left_s(&rules[1], 1000), 0);
}

static void test_entry_expires_when_its_time_has_come(void **state)
{
	const struct source_entry entry = { .expires_ns = 1000 }, lasting = {};

	(void)state;
	assert_true(source_entry_is_alive(&entry, 999));
	assert_false(source_entry_is_alive(&entry, 1000));
	assert_true(source_entry_is_alive(&lasting, ~0ULL));
}

static void test_timeout_out_of_bounds_is_refused(void **state)
{
	static const char *const texts[] = { "", "0s", "999ms", "3651d", "90", "soon" };
	struct source_rule rule = {};
	char error[SOURCE_RULE_ERROR_BYTES];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		assert_int_equal(source_rule_parse_timeout(texts[i], &rule, error), -EINVAL);
		assert_non_null(strstr(error, "from 1s to 3650d"));
	}
	assert_int_equal(source_rule_parse_timeout("3650d", &rule, error), 0);
	assert_int_equal(source_rule_parse_timeout("1s", &rule, error), 0);
}

static __u32 part_of(const char *address)
{
	struct source_rule rule = rule_of(address);
	bool is_ipv4 = source_key_is_ipv4(&rule.key);

	return source_filter_part(is_ipv4 ? FAMILY_IPV4 : FAMILY_IPV6,
				  (const __be32 *)(rule.key.address + (is_ipv4 ? 12 : 0)));
}

/* Its first and its last address are in the parts, and the neighbours of these are not. */
static void test_prefix_touches_the_parts_of_its_addresses(void **state)
{
	static const struct {
		const char *prefix, *first, *last, *before, *behind;
	} prefixes[] = {
		{ "10.1.2.3", "10.1.2.3", "10.1.2.3", "10.1.1.255", "10.1.3.0" },
		{ "10.1.2.0/24", "10.1.2.0", "10.1.2.255", "10.1.1.255", "10.1.3.0" },
		{ "10.1.2.0/23", "10.1.2.0", "10.1.3.255", "10.1.1.255", "10.1.4.0" },
		{ "10.1.64.0/18", "10.1.64.0", "10.1.127.255", "10.1.63.255", "10.1.128.0" },
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0" },
		{ "2001:db8:1::/48", "2001:db8:1::", "2001:db8:1::ffff", "2001:d9f:ffff::", "2001:dc0::" },
		{ "2001:da0::/27", "2001:da0::", "2001:dbf:ffff::", "2001:d9f:ffff::", "2001:dc0::" },
		{ "2001:d80::/25", "2001:d80::", "2001:dff:ffff::", "2001:d7f:ffff::", "2001:e00::" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct source_rule rule = rule_of(prefixes[i].prefix);
		__u32 first, count = source_rule_filter_parts(&rule.key, &first);

		assert_int_equal(part_of(prefixes[i].first), first);
		assert_int_equal(part_of(prefixes[i].last), first + count - 1);
		assert_int_equal(part_of(prefixes[i].before), first - 1);
		assert_int_equal(part_of(prefixes[i].behind), first + count);
	}
}

static void test_shortest_prefixes_touch_all_parts(void **state)
{
	static const char *const prefixes[] = { "0.0.0.0/0", "::/0", "8000::/1", "c000::/2", "2000::/3", "e000::/3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		struct source_rule rule = rule_of(prefixes[i]);
		__u32 first, count = source_rule_filter_parts(&rule.key, &first);

		assert_int_equal(first, 0);
		assert_int_equal(count, 1U << SOURCE_FILTER_BITS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_prefix_comes_back_as_it_was_read),
		cmocka_unit_test(test_prefix_of_full_length_is_an_address),
		cmocka_unit_test(test_what_is_no_prefix_is_refused_with_its_reason),
		cmocka_unit_test(test_order_is_family_address_length),
		cmocka_unit_test(test_rules_are_sorted_and_each_prefix_is_there_once),
		cmocka_unit_test(test_timeout_begins_when_it_is_told),
		cmocka_unit_test(test_entry_expires_when_its_time_has_come),
		cmocka_unit_test(test_timeout_out_of_bounds_is_refused),
		cmocka_unit_test(test_prefix_touches_the_parts_of_its_addresses),
		cmocka_unit_test(test_shortest_prefixes_touch_all_parts),
	};

	return cmocka_run_group_tests_name("source_rule", tests, NULL, NULL);
}
