// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Nothing that a program can say is without its word. */
#include "unit.h"

#include "../../user/explain_words.c"

enum listener_kind listener_kind(const struct listener_match *match)
{
	return match->tcp ? LISTENER_TCP : LISTENER_NONE;
}

static void test_every_budget_has_a_word(void **state)
{
	(void)state;
	for (__u32 i = 0; i < BUDGET_COUNT; i++) {
		if (!explain_words_budget(i))
			fail_msg("user/explain_words.c has no word for budget %u", i);
	}
}

static void test_every_cause_has_a_word(void **state)
{
	(void)state;
	for (int i = 0; i < SENTRY_CAUSE_COUNT; i++)
		assert_non_null(explain_words_cause(i));
	assert_string_equal(explain_words_cause(SENTRY_CAUSE_COUNT), "?");
}

static void test_every_kind_has_a_word(void **state)
{
	(void)state;
	for (int i = 0; i <= PACKET_MALFORMED; i++)
		assert_non_null(explain_words_kind(i));
}

static void test_actions(void **state)
{
	(void)state;
	assert_string_equal(explain_words_action(0), "XDP_ABORTED");
	assert_string_equal(explain_words_action(4), "XDP_REDIRECT");
	assert_string_equal(explain_words_action(5), "?");
}

static void test_table_of_each_family(void **state)
{
	const struct flow_view half = { .table = FLOW_TABLE_HALF, .family = FAMILY_IPV4 };
	const struct flow_view ended = { .table = FLOW_TABLE_ENDED, .family = FAMILY_IPV6 };

	(void)state;
	assert_string_equal(explain_words_table(&half), "half4");
	assert_string_equal(explain_words_table(&ended), "tw6");
}

static void test_every_action_of_the_list_has_a_word(void **state)
{
	(void)state;
	for (int i = SOURCE_UNLISTED; i <= SOURCE_DENY_MONITOR; i++)
		assert_non_null(explain_words_listed(i));
}

static const char *words_of_epoch(__u32 cookie_epoch)
{
	const struct explanation x = { .epoch = 100, .cookie_epoch = cookie_epoch };

	return explain_words_epoch(&x);
}

static void test_epochs(void **state)
{
	(void)state;
	assert_non_null(strstr(words_of_epoch(100), "now"));
	assert_non_null(strstr(words_of_epoch(99), "before"));
	assert_non_null(strstr(words_of_epoch(101), "next"));
	assert_non_null(strstr(words_of_epoch(98), "stale"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_budget_has_a_word),
		cmocka_unit_test(test_every_cause_has_a_word),
		cmocka_unit_test(test_every_kind_has_a_word),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_table_of_each_family),
		cmocka_unit_test(test_every_action_of_the_list_has_a_word),
		cmocka_unit_test(test_epochs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
