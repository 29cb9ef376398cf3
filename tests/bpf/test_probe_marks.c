// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The programs "probe_flow" and "probe_over": what Synkeep writes of its probes into a record. */
#include <bpf/bpf.h>

#include "agenda.h"

static struct age_call call_with(const char *name, const struct tuple *t, struct age_call call)
{
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &call, .ctx_size_in = sizeof(call));

	call.family = t->family;
	call.found = 0xa5;
	agenda_key_of(t, &call.key);
	assert_int_equal(bpf_prog_test_run_opts(shield_program(name), &run), 0);
	assert_int_equal(run.retval, 0);
	return call;
}

static struct age_call call_program(const char *name, const struct tuple *t, __u32 resumed_ms)
{
	return call_with(name, t, (struct age_call){ .resumed_ms = resumed_ms });
}

static struct age_call call_over_gone(const struct tuple *t)
{
	return call_with("probe_over", t, (struct age_call){ .gone = true });
}

static void test_probe_flow_silent_counted_and_copied(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
		struct tuple t = agenda_tuple(agenda_families[i], 1);
		struct flow f = agenda_silent_flow(&t, IDLE_MS), after;
		struct age_call call;

		f.iss = 0x12345678;
		f.ip_first = 0x9abcdef0;
		shield_put_flow(&t, &f);
		call = call_program("probe_flow", &t, 0);
		assert_true(call.found);
		assert_true(shield_flow(&t, &after));
		assert_int_equal(after.probes, FLOW_PROBE_AWAITED | 1);
		assert_in_range(shield_now_ms() - after.probed_ms, 0, 1000);
		assert_memory_equal(&call.flow, &after, sizeof(after));
		f.probes = after.probes;
		f.probed_ms = after.probed_ms;
		assert_memory_equal(&after, &f, sizeof(f));
	}
}

static void test_probe_flow_probes_out_counted_on(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	agenda_put_probed(&t, 2, INTERVAL_MS);
	assert_true(call_program("probe_flow", &t, shield_now_ms() - IDLE_MS).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, FLOW_PROBE_AWAITED | 3);
}

static void test_probe_flow_probes_from_before_a_gap_counted_from_one(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	agenda_put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_true(call_program("probe_flow", &t, shield_now_ms()).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, FLOW_PROBE_AWAITED | 1);
}

static void assert_not_probed(const struct tuple *t)
{
	struct flow before, after;
	bool has = shield_flow(t, &before);

	assert_false(call_program("probe_flow", t, 0).found);
	assert_int_equal(shield_flow(t, &after), has);
	if (has)
		assert_memory_equal(&after, &before, sizeof(after));
}

/* What the pacer has kept waiting may have spoken since. */
static void test_probe_flow_not_due_nothing_done(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, IDLE_MS - 2000);

	(void)state;
	assert_not_probed(&t);
	shield_put_flow(&t, &f);
	assert_not_probed(&t);
	agenda_put_probed(&t, 1, INTERVAL_MS - 2000);
	assert_not_probed(&t);
	agenda_put_probed(&t, PROBES, INTERVAL_MS);
	assert_not_probed(&t);
}

static void test_probe_flow_dead_or_expired_or_anothers_nothing_done(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f = agenda_silent_flow(&t, 2 * IDLE_MS), dead = f, expired = f, daemons = f, anothers = f, held = f;

	(void)state;
	dead.lock = FLOW_LOCK_DEAD;
	shield_put_flow(&t, &dead);
	assert_not_probed(&t);
	expired.deadline_ns = agenda_now_ns() - NSEC_PER_MSEC;
	shield_put_flow(&t, &expired);
	assert_not_probed(&t);
	daemons.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &daemons);
	assert_not_probed(&t);
	anothers.tag++;
	shield_put_flow(&t, &anothers);
	assert_not_probed(&t);
	held.lock = FLOW_LOCK_HELD; /* a hook has it in hand: what would be copied may be half written */
	shield_put_flow(&t, &held);
	assert_false(call_program("probe_flow", &t, 0).found);
}

static void test_probe_over_probes_out_not_asked_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
		struct tuple t = agenda_tuple(agenda_families[i], 1);
		struct flow after;

		agenda_put_probed(&t, PROBES, INTERVAL_MS);
		assert_true(call_program("probe_over", &t, 0).found);
		assert_true(shield_flow(&t, &after));
		assert_int_equal(after.probes, PROBES | FLOW_PROBES_OVER);
		assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	}
}

static void test_probe_over_probe_refused_not_asked_again(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);

	(void)state;
	agenda_put_probed(&t, FLOW_PROBE_REFUSED, 0);
	assert_true(call_program("probe_over", &t, 0).found);
	assert_int_equal(agenda_attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

/* The peer has spoken since it was found dead: it is alive, and its silence is measured anew. */
static void test_probe_over_peer_has_spoken_nothing_done(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	assert_false(call_program("probe_over", &t, 0).found);
	agenda_put_probed(&t, 0, 0);
	assert_false(call_program("probe_over", &t, 0).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, 0);
}

static void test_probe_over_of_daemons_nothing_done(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f;

	(void)state;
	agenda_put_probed(&t, PROBES, INTERVAL_MS);
	assert_true(shield_flow(&t, &f));
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_false(call_program("probe_over", &t, 0).found);
}

/* What the kernel sent to end it may not have come by: the record is not to wait for its deadline. */
static void test_probe_over_socket_gone_retired(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(agenda_families); i++) {
		struct tuple t = agenda_tuple(agenda_families[i], 1);
		struct flow before, after;
		struct ended e;

		agenda_put_probed(&t, PROBES, INTERVAL_MS);
		assert_true(shield_flow(&t, &before));
		assert_true(call_over_gone(&t).found);
		assert_false(shield_flow(&t, &after));
		assert_true(shield_ended(&t, &e));
		assert_int_equal(e.state, TCPS_CLOSED);
		assert_true(e.flags & FLOW_SND_RST);
		assert_int_equal(e.rcv_nxt, before.rcv_nxt);
		assert_int_equal(e.snd_nxt, before.snd_nxt);
	}
}

/* It is another connection's by now, or a hook has it in its hands. */
static void test_probe_over_socket_gone_but_spoken_or_held_stays(void **state)
{
	struct tuple t = agenda_tuple(FAMILY_IPV4, 1);
	struct flow f, after;

	(void)state;
	agenda_put_probed(&t, 0, 0);
	assert_false(call_over_gone(&t).found);
	assert_true(shield_flow(&t, &f));
	assert_int_equal(f.lock, FLOW_LOCK_FREE);
	f.probes = PROBES;
	f.lock = FLOW_LOCK_HELD;
	shield_put_flow(&t, &f);
	assert_true(call_over_gone(&t).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, PROBES | FLOW_PROBES_OVER);
}

#define TEST(name) cmocka_unit_test_setup(name, agenda_reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_probe_flow_silent_counted_and_copied),
		TEST(test_probe_flow_probes_out_counted_on),
		TEST(test_probe_flow_probes_from_before_a_gap_counted_from_one),
		TEST(test_probe_flow_not_due_nothing_done),
		TEST(test_probe_flow_dead_or_expired_or_anothers_nothing_done),
		TEST(test_probe_over_probes_out_not_asked_again),
		TEST(test_probe_over_probe_refused_not_asked_again),
		TEST(test_probe_over_peer_has_spoken_nothing_done),
		TEST(test_probe_over_of_daemons_nothing_done),
		TEST(test_probe_over_socket_gone_retired),
		TEST(test_probe_over_socket_gone_but_spoken_or_held_stays),
	};

	return shield_run_tests("probe_marks", tests, ARRAY_LEN(tests));
}
