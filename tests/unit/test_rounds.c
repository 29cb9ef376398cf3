/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the ager does with each judgement, on a clock and a rim of the test's own. */
#include "unit.h"

#include "../../user/daemon/horizon.c"
#include "../../user/daemon/pacer.c"
#include "../../user/daemon/rounds.c"

#define SLOT_NS (1ULL << HORIZON_SLOT_SHIFT)
#define START (60000ULL << HORIZON_SLOT_SHIFT)
#define RECORDS 40000
#define INTERVAL_MS 2000

/* A record as the rim has it, by its number, and what was done about it. */
struct fake {
	enum age_due due;
	__u32 late_ms;
	__u64 due_ns; /* 0: not before the next scan */
	enum service_dead dead;
	enum rounds_probe probe;
	__u32 out;
	enum sock_diag_answer close;
	__u32 attended, probed, closed, over, gone;
};

static struct fake fakes[RECORDS];
static enum age_table last_table;
static int attend_error;
static __u32 interval_ms;
static __u64 now_ns;
static struct agenda agenda;
static struct ager_state state;
static struct pacer *pacer;
static struct rounds *rounds;

/* ager_state.c has a test of its own. */
void ager_state_expired(struct ager_state *s, enum age_table table, __u32 late_ms)
{
	s->expired[table]++;
	s->late_max_ms = late_ms;
}

/* The number is in the remote address; each has a prefix of its own. */
static struct tuple tuple_of(__u8 family, __u32 number)
{
	struct tuple t = unit_tuple(family);

	if (family == FAMILY_IPV4)
		t.remote[0] = net32(0x0a000000 + (number << 8));
	else
		t.remote[1] = net32(number << 16);
	return t;
}

static __u32 number_of_tuple(const struct tuple *t)
{
	return t->family == FAMILY_IPV4 ? (host32(t->remote[0]) & 0xffffff) >> 8 : host32(t->remote[1]) >> 16;
}

static int fake_attend(void *context, struct agenda *asked)
{
	assert_ptr_equal(context, fakes);
	assert_in_range(asked->count, 1, AGENDA_ITEMS);
	last_table = asked->table;
	for (__u32 i = 0; i < asked->count && !attend_error; i++) {
		struct agenda_item *item = &asked->items[i];
		struct tuple t = {};
		struct fake *fake;

		if (asked->family == FAMILY_IPV4)
			flow4_key_to_tuple((const struct flow4_key *)&item->key, &t);
		else
			flow6_key_to_tuple(&item->key, &t);
		fake = &fakes[number_of_tuple(&t)];
		fake->attended++;
		item->due = fake->due;
		item->late_ms = fake->late_ms;
		item->due_ns = fake->due_ns ? fake->due_ns : agenda.until_ns;
		item->keepalive = (struct keepalive){ 10000, interval_ms, 3, fake->dead, {} };
	}
	return attend_error;
}

static enum rounds_probe fake_probe(void *context, const struct tuple *tuple, __u32 *out)
{
	struct fake *fake = &((struct fake *)context)[number_of_tuple(tuple)];

	fake->probed++;
	*out = fake->out;
	return fake->probe;
}

static enum sock_diag_answer fake_close(void *context, const struct tuple *tuple)
{
	struct fake *fake = &((struct fake *)context)[number_of_tuple(tuple)];

	fake->closed++;
	return fake->close;
}

static void fake_over(void *context, const struct tuple *tuple, bool gone)
{
	struct fake *fake = &((struct fake *)context)[number_of_tuple(tuple)];

	fake->over++;
	fake->gone += gone;
}

static int setup(void **unused)
{
	const struct rounds_rim rim = { fakes, fake_attend, fake_probe, fake_close, fake_over };
	const struct siphash_key key = { 8, 9 };

	(void)unused;
	memset(fakes, 0, sizeof(fakes));
	memset(&agenda, 0, sizeof(agenda));
	agenda.until_ns = START + 10 * NSEC_PER_SEC;
	memset(&state, 0, sizeof(state));
	attend_error = 0;
	interval_ms = INTERVAL_MS;
	now_ns = START;
	pacer = pacer_new(1000, 10, &key, now_ns);
	rounds = rounds_new(&rim, &agenda, pacer, &state, now_ns);
	return pacer && rounds ? 0 : -1;
}

static int teardown(void **unused)
{
	(void)unused;
	rounds_free(rounds);
	pacer_free(pacer);
	return 0;
}

/* What the scanner tells of a record. */
static __u64 tell_of(enum age_table table, __u8 family, __u32 number, __u64 due_ns)
{
	struct tuple t = tuple_of(family, number);
	struct upcoming4 of_ipv4 = { .due_ns = due_ns };
	struct upcoming6 of_ipv6 = { .due_ns = due_ns };

	flow4_key_from_tuple(&of_ipv4.key, &t);
	flow6_key_from_tuple(&of_ipv6.key, &t);
	return rounds_add(rounds, table, family, family == FAMILY_IPV4 ? (void *)&of_ipv4 : (void *)&of_ipv6, 1,
			  now_ns);
}

static void go_until(__u64 until_ns)
{
	for (; now_ns < until_ns; now_ns += SLOT_NS) {
		while (rounds_batch(rounds, now_ns))
			;
	}
}

/* A flow that is due now, with this judgement. */
static struct fake *due_flow(enum age_due due)
{
	fakes[1] = (struct fake){ .due = due };
	tell_of(AGE_FLOWS, FAMILY_IPV4, 1, now_ns);
	return &fakes[1];
}

static void test_empty_batch_is_nothing(void **unused)
{
	(void)unused;
	assert_false(rounds_batch(rounds, now_ns));
	assert_int_equal(rounds_next_ns(rounds), UINT64_MAX);
}

static void test_upcoming_is_attended_at_its_time(void **unused)
{
	__u64 due_ns = now_ns + 3 * NSEC_PER_SEC;

	(void)unused;
	fakes[1] = (struct fake){ .due = AGE_EXPIRED, .late_ms = 23 };
	assert_int_equal(tell_of(AGE_HALF, FAMILY_IPV6, 1, due_ns), due_ns);
	assert_int_equal(rounds_waiting(rounds), 1);
	assert_in_range(rounds_next_ns(rounds), due_ns, due_ns + SLOT_NS);
	go_until(due_ns - SLOT_NS);
	assert_int_equal(fakes[1].attended, 0);
	go_until(due_ns + 2 * SLOT_NS);
	assert_int_equal(fakes[1].attended, 1);
	assert_int_equal(state.expired[AGE_HALF], 1);
	assert_int_equal(state.late_max_ms, 23);
	assert_int_equal(rounds_waiting(rounds), 0);
}

static void test_upcoming_beyond_the_horizon_is_left(void **unused)
{
	(void)unused;
	assert_int_equal(tell_of(AGE_FLOWS, FAMILY_IPV4, 1, now_ns + 2 * HORIZON_NS), UINT64_MAX);
	assert_int_equal(rounds_waiting(rounds), 0);
}

/* The ager is woken for it. */
static void test_several_upcoming_the_first_due_is_told(void **unused)
{
	struct upcoming4 list[3] = { { .due_ns = now_ns + 5 }, { .due_ns = now_ns + 3 }, { .due_ns = now_ns + 4 } };

	(void)unused;
	for (__u32 i = 0; i < ARRAY_LEN(list); i++) {
		struct tuple t = tuple_of(FAMILY_IPV4, i);

		flow4_key_from_tuple(&list[i].key, &t);
	}
	assert_int_equal(rounds_add(rounds, AGE_FLOWS, FAMILY_IPV4, list, ARRAY_LEN(list), now_ns), now_ns + 3);
	go_until(now_ns + 2 * SLOT_NS);
	for (__u32 i = 0; i < ARRAY_LEN(list); i++)
		assert_int_equal(fakes[i].attended, 1);
}

static void test_each_table_is_asked_about_as_itself(void **unused)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)unused;
	fakes[9].due = AGE_EXPIRED;
	for (enum age_table table = 0; table < AGE_TABLES; table++) {
		for (size_t f = 0; f < ARRAY_LEN(families); f++) {
			tell_of(table, families[f], 9, now_ns);
			assert_true(rounds_batch(rounds, now_ns));
			assert_int_equal(agenda.table, table);
			assert_int_equal(agenda.family, families[f]);
			assert_int_equal(state.expired[table], f + 1);
		}
	}
	assert_int_equal(fakes[9].attended, 6);
}

static void test_full_table_does_not_keep_others_waiting(void **unused)
{
	(void)unused;
	for (__u32 i = 0; i < 3 * AGENDA_ITEMS; i++)
		tell_of(AGE_HALF, FAMILY_IPV4, i, now_ns);
	tell_of(AGE_ENDED, FAMILY_IPV4, 1, now_ns);
	assert_true(rounds_batch(rounds, now_ns));
	assert_int_equal(last_table, AGE_HALF);
	assert_true(rounds_batch(rounds, now_ns));
	assert_int_equal(last_table, AGE_ENDED);
	go_until(now_ns + SLOT_NS);
	for (__u32 i = 2; i < 3 * AGENDA_ITEMS; i++)
		assert_int_equal(fakes[i].attended, 1);
}

static void test_told_of_twice_is_attended_once(void **unused)
{
	static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };

	(void)unused;
	for (size_t f = 0; f < ARRAY_LEN(families); f++) {
		memset(fakes, 0, sizeof(fakes));
		for (__u32 i = 0; i < AGENDA_ITEMS; i++)
			tell_of(AGE_FLOWS, families[f], i % 300, now_ns);
		assert_true(rounds_batch(rounds, now_ns));
		assert_false(rounds_batch(rounds, now_ns));
		for (__u32 i = 0; i < 301; i++)
			assert_int_equal(fakes[i].attended, i < 300);
	}
}

/* The next scan tells of it again, if it is there. */
static void test_moved_far_or_gone_is_forgotten(void **unused)
{
	static const enum age_due answers[] = { AGE_LATER, AGE_GONE };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		struct fake *fake = due_flow(answers[i]);

		go_until(now_ns + NSEC_PER_SEC);
		assert_int_equal(fake->attended, 1);
		assert_int_equal(fake->probed + fake->closed + fake->over, 0);
		assert_int_equal(rounds_waiting(rounds), 0);
	}
}

/* It is not in the horizon with its new time, and the next scan may come too late. */
static void test_moved_within_the_scans_reach_is_attended_then(void **unused)
{
	struct fake *fake = due_flow(AGE_LATER);

	(void)unused;
	fake->due_ns = now_ns + 2 * NSEC_PER_SEC;
	go_until(fake->due_ns);
	assert_int_equal(fake->attended, 1);
	fake->due = AGE_EXPIRED;
	go_until(now_ns + 2 * SLOT_NS);
	assert_int_equal(fake->attended, 2);
	assert_int_equal(state.expired[AGE_FLOWS], 1);
	assert_int_equal(rounds_waiting(rounds), 0);
}

static void test_in_a_hooks_hands_is_attended_a_little_later(void **unused)
{
	struct fake *fake = due_flow(AGE_LATER);

	(void)unused;
	fake->due_ns = now_ns - NSEC_PER_SEC;
	go_until(now_ns + SLOT_NS);
	assert_int_equal(fake->attended, 1);
	go_until(now_ns + ROUNDS_HANDS_NS + SLOT_NS);
	assert_int_equal(fake->attended, 2);
}

static void test_silent_is_probed_and_again_behind_the_interval(void **unused)
{
	struct fake *fake = due_flow(AGE_PROBE);

	(void)unused;
	fake->out = 1;
	go_until(now_ns + SLOT_NS);
	assert_int_equal(fake->probed, 1);
	assert_int_equal(state.probes_unanswered, 0);
	fake->out = 2;
	go_until(START + INTERVAL_MS * NSEC_PER_MSEC);
	assert_int_equal(fake->probed, 1);
	go_until(now_ns + 2 * SLOT_NS);
	assert_int_equal(fake->probed, 2);
	assert_int_equal(state.probes_sent, 2);
	assert_int_equal(state.probes_unanswered, 1);
}

/* The next scan that it is within reach of meets it. */
static void test_interval_beyond_the_horizon_is_left_to_the_scan(void **unused)
{
	(void)unused;
	interval_ms = 75000;
	due_flow(AGE_PROBE);
	go_until(now_ns + SLOT_NS);
	assert_int_equal(state.probes_sent, 1);
	assert_int_equal(rounds_waiting(rounds), 0);
}

static void test_no_room_is_tried_again_soon(void **unused)
{
	struct fake *fake = due_flow(AGE_PROBE);

	(void)unused;
	fake->probe = ROUNDS_PROBE_NO_ROOM;
	go_until(START + SLOT_NS);
	assert_int_equal(state.probes_put_off, 1);
	assert_int_equal(state.probes_sent, 0);
	fake->probe = ROUNDS_PROBE_SENT;
	/* Its prefix has had its share of the next tenth of a second. */
	go_until(START + NSEC_PER_SEC / 10 + ROUNDS_ROOM_NS + 3 * SLOT_NS);
	assert_int_equal(state.probes_sent, 1);
}

static void test_probe_that_can_not_be_made_is_left_to_the_scan(void **unused)
{
	struct fake *fake = due_flow(AGE_PROBE);

	(void)unused;
	fake->probe = ROUNDS_PROBE_NO_PATH;
	go_until(now_ns + SLOT_NS);
	assert_int_equal(state.no_path, 1);
	fake = due_flow(AGE_PROBE);
	fake->probe = ROUNDS_PROBE_GONE;
	go_until(now_ns + NSEC_PER_SEC);
	assert_int_equal(fake->probed, 1);
	assert_int_equal(state.probes_sent, 0);
	assert_int_equal(rounds_waiting(rounds), 0);
}

static void test_dead_is_closed_and_over_and_may_leave_no_socket(void **unused)
{
	static const struct {
		enum sock_diag_answer answer;
		const __u64 *count;
		__u32 gone;
	} cases[] = {
		{ SOCK_DIAG_DESTROYED, &state.dead_closed, 1 },
		{ SOCK_DIAG_HEARD, &state.dead_heard, 0 },
		{ SOCK_DIAG_NONE, &state.dead_no_socket, 1 },
		{ SOCK_DIAG_FAILED, &state.destroy_failed, 0 },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fake *fake = due_flow(AGE_DEAD);

		fake->close = cases[i].answer;
		assert_int_equal(*cases[i].count, 0);
		go_until(now_ns + NSEC_PER_SEC);
		assert_int_equal(fake->closed, 1);
		assert_int_equal(fake->over, 1);
		assert_int_equal(fake->gone, cases[i].gone);
		assert_int_equal(*cases[i].count, 1);
	}
	assert_int_equal(state.probes_unanswered, ARRAY_LEN(cases));
	assert_int_equal(state.dead_reported, 0);
}

static void test_dead_that_is_to_be_reported_is_not_closed(void **unused)
{
	struct fake *fake = due_flow(AGE_DEAD);

	(void)unused;
	fake->dead = DEAD_REPORT;
	go_until(now_ns + NSEC_PER_SEC);
	assert_int_equal(fake->closed, 0);
	assert_int_equal(fake->over, 1);
	assert_int_equal(fake->gone, 0);
	assert_int_equal(state.dead_reported, 1);
}

static void test_refused_is_closed_and_was_answered(void **unused)
{
	struct fake *fake = due_flow(AGE_REFUSED);

	(void)unused;
	fake->close = SOCK_DIAG_DESTROYED;
	go_until(now_ns + NSEC_PER_SEC);
	assert_int_equal(fake->closed, 1);
	assert_int_equal(state.refused, 1);
	assert_int_equal(state.dead_closed, 1);
	assert_int_equal(state.probes_unanswered, 0);
}

static void test_program_that_fails_nothing_is_done(void **unused)
{
	struct fake *fake = due_flow(AGE_DEAD);

	(void)unused;
	attend_error = -1;
	agenda.items[0].due = AGE_DEAD; /* what the last batch has left */
	assert_true(rounds_batch(rounds, now_ns));
	assert_int_equal(state.failures, 1);
	assert_int_equal(fake->closed, 0);
}

/* Told of again by every scan until it was probed, none is probed twice, and no second has more than the rate. */
static void test_thousands_silent_at_once_are_probed_in_turn(void **unused)
{
	const __u32 records = 30000;
	__u64 before = 0;

	(void)unused;
	interval_ms = 75000;
	for (__u32 i = 0; i < records; i++)
		fakes[i].due = AGE_PROBE;
	for (__u32 second = 0; second < 35; second++) {
		for (__u32 i = 0; i < records && second % 5 == 0; i++) {
			if (fakes[i].probed)
				fakes[i].due = AGE_LATER;
			else
				tell_of(AGE_FLOWS, FAMILY_IPV4, i, now_ns);
		}
		go_until(START + (second + 1) * NSEC_PER_SEC);
		assert_in_range(state.probes_sent - before, second < 29 ? 950 : 0, 1000 + 17);
		before = state.probes_sent;
	}
	for (__u32 i = 0; i < records; i++)
		assert_int_equal(fakes[i].probed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_batch_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upcoming_is_attended_at_its_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upcoming_beyond_the_horizon_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(test_several_upcoming_the_first_due_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_table_is_asked_about_as_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_table_does_not_keep_others_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told_of_twice_is_attended_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_far_or_gone_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_within_the_scans_reach_is_attended_then, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_a_hooks_hands_is_attended_a_little_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_silent_is_probed_and_again_behind_the_interval, setup, teardown),
		cmocka_unit_test_setup_teardown(test_interval_beyond_the_horizon_is_left_to_the_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room_is_tried_again_soon, setup, teardown),
		cmocka_unit_test_setup_teardown(test_probe_that_can_not_be_made_is_left_to_the_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_is_closed_and_over_and_may_leave_no_socket, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_that_is_to_be_reported_is_not_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_is_closed_and_was_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_program_that_fails_nothing_is_done, setup, teardown),
		cmocka_unit_test_setup_teardown(test_thousands_silent_at_once_are_probed_in_turn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
