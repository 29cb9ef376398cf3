/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* JSON objects written member by member. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../user/json_write.c"

/* What has been written since begin(). */
static char *written;
static size_t length;

static struct json_write begin(void)
{
	struct json_write w;

	json_write_begin(&w, open_memstream(&written, &length));
	assert_non_null(w.out);
	return w;
}

static void assert_written(struct json_write *w, const char *wanted)
{
	json_write_end(w);
	assert_int_equal(fclose(w->out), 0);
	assert_string_equal(written, wanted);
	free(written);
}

static void test_object_without_members(void **state)
{
	struct json_write w = begin();

	(void)state;
	assert_written(&w, "{}");
}

static void test_object_members_are_separated(void **state)
{
	struct json_write w = begin();

	(void)state;
	json_write_text(&w, "device", "eth0");
	json_write_number(&w, "port", 443);
	json_write_bool(&w, "sack", true);
	json_write_bool(&w, "ecn", false);
	assert_written(&w, "{\"device\":\"eth0\",\"port\":443,\"sack\":true,\"ecn\":false}");
}

static void test_number_least_and_greatest(void **state)
{
	struct json_write w = begin();

	(void)state;
	json_write_number(&w, "least", 0);
	json_write_number(&w, "greatest", UINT64_MAX);
	assert_written(&w, "{\"least\":0,\"greatest\":18446744073709551615}");
}

/* A device's name may hold anything but white space and a slash. */
static void test_text_is_escaped(void **state)
{
	struct json_write w = begin();

	(void)state;
	json_write_text(&w, "a", "\"\\/");
	json_write_text(&w, "b", "\x01\x1f\x7f");
	json_write_text(&w, "c", "\xc3\xa9");
	json_write_text(&w, "d", "");
	assert_written(&w, "{\"a\":\"\\\"\\\\/\",\"b\":\"\\u0001\\u001f\x7f\",\"c\":\"\xc3\xa9\",\"d\":\"\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object_without_members),
		cmocka_unit_test(test_object_members_are_separated),
		cmocka_unit_test(test_number_least_and_greatest),
		cmocka_unit_test(test_text_is_escaped),
	};

	return cmocka_run_group_tests_name("json_write", tests, NULL, NULL);
}
