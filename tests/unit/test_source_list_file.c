/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The file of a list of sources: every line that is right, and every kind that is wrong, by its number. */
#include "unit.h"

#include "../../user/format.c"

#include "../../user/duration.c"
#include "../../user/source_list_file.c"
#include "../../user/source_rule.c"

static struct source_rule *rules;
static size_t count;
static char error[SOURCE_LIST_FILE_ERROR_BYTES];

static int read_bytes(enum source_action action, const char *bytes, size_t length)
{
	FILE *in = length ? fmemopen((void *)bytes, length, "r") : fopen("/dev/null", "r");
	int err;

	assert_non_null(in);
	free(rules);
	err = source_list_file_read(in, "FILE", action, &rules, &count, error);
	fclose(in);
	return err;
}

static int read_text(enum source_action action, const char *text)
{
	return read_bytes(action, text, strlen(text));
}

static int forget(void **state)
{
	(void)state;
	free(rules);
	rules = NULL;
	return 0;
}

static void assert_rule(size_t i, const char *prefix, enum source_action action, __u64 timeout_s)
{
	char text[SOURCE_RULE_PREFIX_BYTES];

	assert_in_range(i, 0, count - 1);
	assert_string_equal(source_rule_format_prefix(text, &rules[i].key), prefix);
	assert_int_equal(rules[i].entry.action, action);
	assert_int_equal(rules[i].entry.expires_ns, timeout_s * NSEC_PER_SEC);
	assert_int_equal(rules[i].entry.prefixlen, rules[i].key.prefixlen);
}

static void test_deny_list_all_kinds_of_lines_taken(void **state)
{
	(void)state;
	assert_int_equal(read_text(SOURCE_DENY, "# a comment\n"
						"\n"
						"   \t\r\n"
						"2001:db8::/32 timeout 1h   # an hour\n"
						"\t192.0.2.0/24\r\n"
						"198.51.100.7 monitor\n"
						"203.0.113.0/24 monitor timeout 90s#x\n"
						"10.0.0.0/8 timeout 1d monitor"),
			 0);
	assert_int_equal(count, 5);
	assert_rule(0, "10.0.0.0/8", SOURCE_DENY_MONITOR, 86400);
	assert_rule(1, "192.0.2.0/24", SOURCE_DENY, 0);
	assert_rule(2, "198.51.100.7", SOURCE_DENY_MONITOR, 0);
	assert_rule(3, "203.0.113.0/24", SOURCE_DENY_MONITOR, 90);
	assert_rule(4, "2001:db8::/32", SOURCE_DENY, 3600);
}

static void test_allow_list_taken(void **state)
{
	(void)state;
	assert_int_equal(read_text(SOURCE_ALLOW, "192.0.2.0/24 timeout 5m\n"), 0);
	assert_int_equal(count, 1);
	assert_rule(0, "192.0.2.0/24", SOURCE_ALLOW, 300);
}

static void test_file_without_a_prefix_is_an_empty_list(void **state)
{
	(void)state;
	assert_int_equal(read_text(SOURCE_DENY, "# nobody\n"), 0);
	assert_int_equal(count, 0);
	assert_int_equal(read_text(SOURCE_DENY, ""), 0);
	assert_int_equal(count, 0);
}

static void test_wrong_line_named_with_its_reason(void **state)
{
	static const struct {
		enum source_action action;
		const char *line, *reason;
	} wrong[] = {
		{ SOURCE_DENY, "192.0.2.0/33", "192.0.2.0/33: an IPv4 prefix has 32 bits at most" },
		{ SOURCE_DENY, "192.0.2.1/24", "is it 192.0.2.0/24?" },
		{ SOURCE_DENY, "server", "\"server\" is no prefix" },
		{ SOURCE_DENY, "192.0.2.0 /24", "behind the prefix there may be \"timeout TIME\" and \"monitor\"" },
		{ SOURCE_DENY, "192.0.2.0/24,", "is no prefix" },
		{ SOURCE_DENY, "192.0.2.0/24 timeout", "\"\" is no time-out" },
		{ SOURCE_DENY, "192.0.2.0/24 timeout soon", "\"soon\" is no time-out" },
		{ SOURCE_DENY, "192.0.2.0/24 timeout monitor", "\"monitor\" is no time-out" },
		{ SOURCE_DENY, "192.0.2.0/24 timeout 1h timeout 2h", "\"timeout\" is said twice" },
		{ SOURCE_DENY, "192.0.2.0/24 monitor monitor", "\"monitor\" is said twice" },
		{ SOURCE_DENY, "192.0.2.0/24 deny", "behind the prefix" },
		{ SOURCE_ALLOW, "192.0.2.0/24 monitor", "only what is denied can be monitored" },
		{ SOURCE_ALLOW, "192.0.2.0/24 deny", "there may be \"timeout TIME\", nothing else" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[256];

		snprintf(text, sizeof(text), "10.0.0.0/8\n# a comment\n%s\n10.0.0.0/9\n", wrong[i].line);
		assert_int_equal(read_text(wrong[i].action, text), -EINVAL);
		assert_null(rules);
		assert_int_equal(count, 0);
		assert_memory_equal(error, "FILE:3: ", strlen("FILE:3: "));
		if (!strstr(error, wrong[i].reason))
			fail_msg("\"%s\": \"%s\"", wrong[i].line, error);
	}
}

static void test_prefix_repeated_both_lines_named(void **state)
{
	(void)state;
	assert_int_equal(read_text(SOURCE_DENY, "10.0.0.0/8\n"
						"192.0.2.0/24\n"
						"2001:db8::1\n"
						"192.0.2.0/24 monitor\n"
						"10.0.0.0/8 timeout 1h\n"),
			 -EINVAL);
	assert_string_equal(error, "FILE:4: 192.0.2.0/24 is in line 2 already");
	assert_int_equal(read_text(SOURCE_DENY, "192.0.2.1\n192.0.2.1/32\n"), -EINVAL);
	assert_string_equal(error, "FILE:2: 192.0.2.1 is in line 1 already");
	assert_int_equal(read_text(SOURCE_DENY, "10.0.0.0/8\n10.0.0.0/9\n"), 0);
}

static void test_byte_of_zero_refused(void **state)
{
	static const char text[] = "10.0.0.0/8\n192.0.2.0/24\0 10.0.0.0/9\n";

	(void)state;
	assert_int_equal(read_bytes(SOURCE_DENY, text, sizeof(text) - 1), -EINVAL);
	assert_string_equal(error, "FILE:2: a byte of value 0: this is no list");
}

static void test_file_that_can_not_be_read_named(void **state)
{
	FILE *in = fopen("/proc/self/mem", "r"); /* at its start nothing is mapped */

	(void)state;
	assert_non_null(in);
	forget(NULL);
	assert_int_equal(source_list_file_read(in, "FILE", SOURCE_DENY, &rules, &count, error), -EIO);
	assert_string_equal(error, "FILE: Input/output error");
	fclose(in);
}

/* As many as there is room for are taken; one more is refused. */
static void test_more_prefixes_than_there_is_room_for_refused(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	for (__u32 i = 0; i < SOURCE_LIST_MAX; i++)
		fprintf(out, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
	fflush(out);
	assert_int_equal(read_bytes(SOURCE_DENY, text, size), 0);
	assert_int_equal(count, SOURCE_LIST_MAX);
	fputs("192.0.2.1\n", out);
	fflush(out);
	assert_int_equal(read_bytes(SOURCE_DENY, text, size), -E2BIG);
	assert_string_equal(error, "FILE:2000001: a list has room for 2000000 prefixes");
	fclose(out);
	free(text);
}

static void test_written_list_is_read_back_with_what_is_left_of_its_time(void **state)
{
	struct source_rule *written;
	size_t written_count;
	char text[512] = "";
	FILE *out;

	(void)state;
	assert_int_equal(read_text(SOURCE_DENY, "10.0.0.0/8\n192.0.2.1 timeout 1h\n2001:db8::/32 timeout 2h monitor\n"),
			 0);
	source_rule_begin(rules, count, NSEC_PER_SEC);
	written = rules;
	written_count = count;
	rules = NULL;
	out = fmemopen(text, sizeof(text), "w");
	assert_int_equal(source_list_file_write(out, written, written_count, 601 * NSEC_PER_SEC), 0);
	fclose(out);
	free(written);
	assert_string_equal(text, "10.0.0.0/8\n192.0.2.1 timeout 3000s\n2001:db8::/32 timeout 6600s monitor\n");
	assert_int_equal(read_text(SOURCE_DENY, text), 0);
	assert_int_equal(count, 3);
	assert_rule(1, "192.0.2.1", SOURCE_DENY, 3000);
	assert_rule(2, "2001:db8::/32", SOURCE_DENY_MONITOR, 6600);
}

static void test_list_to_a_full_disk_told(void **state)
{
	FILE *full = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(full);
	assert_int_equal(read_text(SOURCE_DENY, "10.0.0.0/8\n"), 0);
	assert_int_equal(source_list_file_write(full, rules, count, 0), -ENOSPC);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_deny_list_all_kinds_of_lines_taken, forget),
		cmocka_unit_test_teardown(test_allow_list_taken, forget),
		cmocka_unit_test_teardown(test_file_without_a_prefix_is_an_empty_list, forget),
		cmocka_unit_test_teardown(test_wrong_line_named_with_its_reason, forget),
		cmocka_unit_test_teardown(test_prefix_repeated_both_lines_named, forget),
		cmocka_unit_test_teardown(test_byte_of_zero_refused, forget),
		cmocka_unit_test_teardown(test_file_that_can_not_be_read_named, forget),
		cmocka_unit_test_teardown(test_more_prefixes_than_there_is_room_for_refused, forget),
		cmocka_unit_test_teardown(test_written_list_is_read_back_with_what_is_left_of_its_time, forget),
		cmocka_unit_test_teardown(test_list_to_a_full_disk_told, forget),
	};

	return cmocka_run_group_tests_name("source_list_file", tests, NULL, NULL);
}
