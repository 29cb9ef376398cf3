// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program "attend": what is due for records now, and that expired ones go.
 *
 * Not here: what is due for a flow by its numbers (tests/unit/test_ageing.c).
 */
#include <string.h>
#include <unistd.h>

#include "agenda.h"

static void test_attend_each_table_each_record_judged(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (size_t i = 0; i < ARRAY_LEN(agenda_families) * ARRAY_LEN(agenda_owners); i++) {
			__u8 family = agenda_families[i / 2];
			struct tuple over = agenda_tuple(family, 1), stays = agenda_tuple(family, 2),
				     gone = agenda_tuple(family, 3);

			agenda_reset(state);
			agenda_put_record(table, &over, agenda_owners[i % 2], agenda_now_ns() - 500 * NSEC_PER_MSEC);
			agenda_put_record(table, &stays, agenda_owners[i % 2], agenda_now_ns() + 10 * NSEC_PER_SEC);
			agenda_ask(&over);
			agenda_ask(&stays);
			agenda_ask(&gone);
			agenda_attend(table, family);
			assert_int_equal(agenda.items[0].due, AGE_EXPIRED);
			assert_in_range(agenda.items[0].late_ms, 499, 1500);
			assert_int_equal(agenda.items[1].due, AGE_LATER);
			assert_int_equal(agenda.items[2].due, AGE_GONE);
			assert_false(agenda_has_record(table, &over));
			assert_true(agenda_has_record(table, &stays));
		}
	}
}

/* Hooks whose clock is a jiffy behind may still take it for alive. */
static void test_attend_deadline_just_passed_later(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	shield_advance(HOUR_NS);
	agenda_put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, agenda_now_ns());
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	usleep(30000);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_EXPIRED);
}

static void wait_until(__u64 ns)
{
	while (agenda_now_ns() < ns)
		usleep(500);
}

/* Who asks at the time that was told is not told "later": nobody would ask again soon. */
static void test_attend_at_the_time_told_is_due(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f;

	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (int i = 0; i < 20; i++) {
			agenda_put_record(table, &t, FLOW_OWNER_KERNEL, agenda_now_ns() + 3 * NSEC_PER_MSEC);
			wait_until(agenda_upcoming(table, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC)->of[0].due_ns);
			assert_int_equal(agenda_attend_one(table, &t)->due, AGE_EXPIRED);
		}
	}
	for (int i = 0; i < 20; i++) {
		f = agenda_silent_flow(&t, IDLE_MS - 3);
		shield_put_flow(&t, &f);
		wait_until(agenda_upcoming(AGE_FLOWS, FAMILY_IPV4, agenda_now_ns() + NSEC_PER_SEC)->of[0].due_ns);
		assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
	}
}

/* What was moved tells when it is to be looked at again; the sooner of a probe and the deadline. */
static void test_attend_later_tells_when(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	__u64 deadline_ns = agenda_now_ns() + HOUR_NS;
	struct flow f;

	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		agenda_put_record(table, &t, FLOW_OWNER_DAEMON, deadline_ns);
		assert_int_equal(agenda_attend_one(table, &t)->due, AGE_LATER);
		assert_in_range(agenda.items[0].due_ns, deadline_ns, deadline_ns + 30 * NSEC_PER_MSEC);
	}
	f = agenda_silent_flow(&t, IDLE_MS - 5000);
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	assert_in_range(agenda.items[0].due_ns, agenda_now_ns() + 4000 * NSEC_PER_MSEC,
			agenda_now_ns() + 5000 * NSEC_PER_MSEC);
}

static void test_attend_flow_expired_noted_and_remembered(void **state)
{
	__u64 noted = shield_count(V_FLOW_EXPIRED);
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	agenda_put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, agenda_now_ns() - NSEC_PER_SEC);
	agenda_attend_one(AGE_FLOWS, &t);
	assert_int_equal(shield_count(V_FLOW_EXPIRED), noted + 1);
}

static void test_attend_flow_locked_by_hook_left_alone(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 0);

	(void)state;
	f.deadline_ns = agenda_now_ns() - NSEC_PER_SEC;
	f.lock = FLOW_LOCK_HELD;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	assert_true(agenda_has_record(AGE_FLOWS, &t));
}

/* A hook is about to move it to the ended ones, and to delete it. */
static void test_attend_flow_retired_by_hook_left_alone(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 0);

	(void)state;
	f.lock = FLOW_LOCK_DEAD;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	assert_true(agenda_has_record(AGE_FLOWS, &t));
}

/* What was upcoming has gone, and the tuple has a new connection: that is judged by itself. */
static void test_attend_record_made_anew_not_taken(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

		agenda_put_record(table, &t, FLOW_OWNER_KERNEL, agenda_now_ns() - NSEC_PER_SEC);
		assert_int_equal(agenda_upcoming(table, FAMILY_IPV4, agenda_now_ns())->count, 1);
		agenda_put_record(table, &t, FLOW_OWNER_KERNEL, agenda_now_ns() + 10 * NSEC_PER_SEC);
		assert_int_equal(agenda_attend_one(table, &t)->due, AGE_LATER);
		assert_true(agenda_has_record(table, &t));
	}
}

static void test_attend_silent_flow_wants_probe_as_its_service_has_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
		struct tuple t = agenda_tuple(agenda_families[i], 1);
		struct flow f = agenda_silent_flow(&t, IDLE_MS);
		const struct agenda_item *item;

		shield_put_flow(&t, &f);
		item = agenda_attend_one(AGE_FLOWS, &t);
		assert_int_equal(item->due, AGE_PROBE);
		assert_memory_equal(&item->keepalive, &agenda_keepalive, sizeof(agenda_keepalive));
	}
}

static void test_attend_silent_flow_not_for_long_enough_later(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, IDLE_MS - 2000);

	(void)state;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

static void test_attend_keepalive_changed_counts_at_once(void **state)
{
	struct keepalive sooner = agenda_keepalive;
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, IDLE_MS / 2);

	(void)state;
	sooner.idle_ms = IDLE_MS / 2;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &sooner);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
}

static void test_attend_last_probe_unanswered_dead(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	agenda_put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS - 2000);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	agenda_put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_DEAD);
	assert_memory_equal(&agenda.items[0].keepalive, &agenda_keepalive, sizeof(agenda_keepalive));
	assert_true(agenda_has_record(AGE_FLOWS, &t));
}

static void test_attend_probes_from_before_a_gap_asked_again(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	agenda.resumed_ms = shield_now_ms() - 1000;
	agenda_put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
}

static void test_attend_probe_refused_told(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	agenda_put_probed(&t, FLOW_PROBE_REFUSED | 1, 0);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_REFUSED);
}

static void test_attend_silent_flow_of_daemons_later(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

static void test_attend_full_agenda_all_attended(void **state)
{
	(void)state;
	for (int i = 0; i < AGENDA_ITEMS; i++) {
		struct tuple t = agenda_tuple(FAMILY_IPV4, i);

		if (i < SHIELD_FLOWS)
			agenda_put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, agenda_now_ns() - NSEC_PER_SEC);
		agenda_ask(&t);
	}
	agenda.count = ~0U; /* there is no more */
	agenda_attend(AGE_FLOWS, FAMILY_IPV4);
	for (int i = 0; i < AGENDA_ITEMS; i++)
		assert_int_equal(agenda.items[i].due, i < SHIELD_FLOWS ? AGE_EXPIRED : AGE_GONE);
}

#define TEST(name) cmocka_unit_test_setup(name, agenda_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attend_each_table_each_record_judged),
		TEST(test_attend_deadline_just_passed_later),
		TEST(test_attend_at_the_time_told_is_due),
		TEST(test_attend_later_tells_when),
		TEST(test_attend_flow_expired_noted_and_remembered),
		TEST(test_attend_flow_locked_by_hook_left_alone),
		TEST(test_attend_flow_retired_by_hook_left_alone),
		TEST(test_attend_record_made_anew_not_taken),
		TEST(test_attend_silent_flow_wants_probe_as_its_service_has_it),
		TEST(test_attend_silent_flow_not_for_long_enough_later),
		TEST(test_attend_keepalive_changed_counts_at_once),
		TEST(test_attend_last_probe_unanswered_dead),
		TEST(test_attend_probes_from_before_a_gap_asked_again),
		TEST(test_attend_probe_refused_told),
		TEST(test_attend_silent_flow_of_daemons_later),
		TEST(test_attend_full_agenda_all_attended),
	};

	return shield_run_tests("attend", tests, ARRAY_LEN(tests));
}
