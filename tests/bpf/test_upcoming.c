// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The iterators "upcoming_*": what is due in a table before a time, and nothing else. */

#include "agenda.h"

static void assert_only_upcoming(const struct upcoming *found, const struct tuple *t, __u64 due_ns)
{
	struct flow6_key key;

	assert_int_equal(found->count, 1);
	agenda_key_of(t, &key);
	assert_memory_equal(&found->of[0].key, &key, t->family == FAMILY_IPV4 ? sizeof(struct flow4_key) : sizeof(key));
	/* the hooks are given the time to see it, and clocks in milliseconds are rounded */
	assert_in_range(found->of[0].due_ns, due_ns, due_ns + 30 * NSEC_PER_MSEC);
}

static void assert_nothing_upcoming(const struct upcoming *found)
{
	assert_int_equal(found->count, 0);
}

static void test_upcoming_records_of_both_owners_those_before_their_deadline(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (size_t i = 0; i < ARRAY_LEN(agenda_families) * ARRAY_LEN(agenda_owners); i++) {
			struct tuple soon = agenda_tuple(agenda_families[i / 2], 1),
				     late = agenda_tuple(agenda_families[i / 2], 2);
			__u64 soon_ns = agenda_now_ns() + 20 * NSEC_PER_SEC;

			agenda_reset(state);
			agenda_put_record(table, &soon, agenda_owners[i % 2], soon_ns);
			agenda_put_record(table, &late, agenda_owners[i % 2], soon_ns + 20 * NSEC_PER_SEC);
			assert_nothing_upcoming(agenda_upcoming(table, agenda_families[i / 2], soon_ns - NSEC_PER_SEC));
			assert_only_upcoming(agenda_upcoming(table, agenda_families[i / 2], soon_ns + NSEC_PER_SEC),
					     &soon, soon_ns);
		}
	}
}

static void test_upcoming_deadline_passed_told_all_the_same(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
			struct tuple t = agenda_tuple(agenda_families[i], 1);
			__u64 deadline_ns = agenda_now_ns() - 20 * NSEC_PER_SEC;

			agenda_put_record(table, &t, FLOW_OWNER_KERNEL, deadline_ns);
			assert_only_upcoming(agenda_upcoming(table, agenda_families[i], agenda_now_ns()), &t,
					     deadline_ns);
		}
	}
}

/* An ended record is absent when no cookie could make its connection again, not when its TIME-WAIT is over. */
static void test_upcoming_ended_with_cookie_due_when_that_is_stale(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	__u64 begin_ns = agenda_now_ns(), stale_ns = begin_ns + 60 * NSEC_PER_SEC;
	struct ended e = { .state = TCPS_TIME_WAIT };

	(void)state;
	ended_set_times(&e, begin_ns + 10 * NSEC_PER_SEC, stale_ns);
	shield_put_ended(&t, &e);
	assert_nothing_upcoming(agenda_upcoming(AGE_ENDED, FAMILY_IPV4, begin_ns + 50 * NSEC_PER_SEC));
	assert_only_upcoming(agenda_upcoming(AGE_ENDED, FAMILY_IPV4, begin_ns + 70 * NSEC_PER_SEC), &t, stale_ns);
}

static void test_upcoming_silent_flow_due_for_its_probe(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
		struct tuple t = agenda_tuple(agenda_families[i], 1);
		struct flow f = agenda_silent_flow(&t, 60000);
		__u64 begin_ns = agenda_now_ns();

		shield_put_flow(&t, &f);
		assert_nothing_upcoming(agenda_upcoming(AGE_FLOWS, agenda_families[i], begin_ns + 39 * NSEC_PER_SEC));
		assert_only_upcoming(agenda_upcoming(AGE_FLOWS, agenda_families[i], begin_ns + 41 * NSEC_PER_SEC), &t,
				     begin_ns + 40 * NSEC_PER_SEC - NSEC_PER_MSEC);
	}
}

/* A service's keepalive counts from the moment at which it is changed. */
static void test_upcoming_keepalive_off_no_probe(void **state)
{
	const struct keepalive off = {};
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC)->count, 1);
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &off);
	assert_nothing_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_keepalive_off_due_at_the_deadline(void **state)
{
	const struct keepalive off = {};
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 0);

	(void)state;
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &off);
	f.deadline_ns = agenda_now_ns() + 10 * NSEC_PER_SEC;
	shield_put_flow(&t, &f);
	assert_only_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + HOUR_NS), &t, f.deadline_ns);
}

static void test_upcoming_flow_of_no_service_no_probe(void **state)
{
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_NO_SERVICE);
	struct flow f = agenda_silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	shield_put_flow(&t, &f);
	assert_nothing_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_silent_flow_of_daemons_no_probe(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_nothing_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_probe_refused_due_now(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, IDLE_MS + 1000);
	__u64 begin_ns = agenda_now_ns();

	(void)state;
	f.probes = FLOW_PROBE_REFUSED | 1;
	f.probed_ms = shield_now_ms();
	shield_put_flow(&t, &f);
	assert_only_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, begin_ns + NSEC_PER_SEC), &t, begin_ns);
}

static void test_upcoming_deadline_before_probe_due_at_the_deadline(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 0);

	(void)state;
	f.deadline_ns = agenda_now_ns() + 10 * NSEC_PER_SEC;
	shield_put_flow(&t, &f);
	assert_only_upcoming(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + HOUR_NS), &t, f.deadline_ns);
}

/* More than the kernel's buffer holds at once: none is lost, none comes twice. */
static void test_upcoming_full_table_each_record_once(void **state)
{
	static bool seen[SHIELD_FLOWS];
	const struct upcoming *found;

	(void)state;
	for (int i = 0; i < SHIELD_FLOWS; i++) {
		struct tuple t = agenda_tuple(FAMILY_IPV6, i);

		agenda_put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, agenda_now_ns());
	}
	found = agenda_upcoming(AGE_FLOWS, FAMILY_IPV6, agenda_now_ns() + NSEC_PER_SEC);
	assert_int_equal(found->count, SHIELD_FLOWS);
	for (int i = 0; i < SHIELD_FLOWS; i++) {
		assert_false(seen[found->of[i].key.remote_port]);
		seen[found->of[i].key.remote_port] = true;
	}
}

#define TEST(name) cmocka_unit_test_setup(name, agenda_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_upcoming_records_of_both_owners_those_before_their_deadline),
		TEST(test_upcoming_deadline_passed_told_all_the_same),
		TEST(test_upcoming_ended_with_cookie_due_when_that_is_stale),
		TEST(test_upcoming_silent_flow_due_for_its_probe),
		TEST(test_upcoming_keepalive_off_no_probe),
		TEST(test_upcoming_keepalive_off_due_at_the_deadline),
		TEST(test_upcoming_flow_of_no_service_no_probe),
		TEST(test_upcoming_silent_flow_of_daemons_no_probe),
		TEST(test_upcoming_probe_refused_due_now),
		TEST(test_upcoming_deadline_before_probe_due_at_the_deadline),
		TEST(test_upcoming_full_table_each_record_once),
	};

	return shield_run_tests("upcoming", tests, ARRAY_LEN(tests));
}
