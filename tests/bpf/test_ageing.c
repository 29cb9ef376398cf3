// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the daemon asks the programs about time: the iterators "upcoming_*", "attend", and a probe's mark in a record.
 *
 * Not here: what is due for a flow by its numbers (tests/unit/test_ageing.c), and the daemon that asks.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ageing.h"
#include "talk.h"

#define HOUR_NS (3600 * NSEC_PER_SEC)
#define IDLE_MS 100000
#define INTERVAL_MS 10000
#define PROBES 3

static const struct keepalive keepalive = { .idle_ms = IDLE_MS, .interval_ms = INTERVAL_MS, .probes = PROBES };
static const __u8 families[] = { FAMILY_IPV4, FAMILY_IPV6 };
static const enum flow_owner owners[] = { FLOW_OWNER_KERNEL, FLOW_OWNER_DAEMON };
static const char *const table_names[] = { [AGE_HALF] = "half", [AGE_FLOWS] = "flows", [AGE_ENDED] = "tw" };

static struct agenda agenda;

static int set_up(void **state)
{
	shield_reset(state);
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		shield_set_keepalive(families[i], PORT_ALWAYS, &keepalive);
	memset(&agenda, 0, sizeof(agenda));
	return 0;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec + shield_config.test_advance_ns;
}

static struct tuple tuple_of(__u8 family, __u16 remote_port)
{
	struct tuple t = shield_tuple(family, PORT_ALWAYS);

	t.remote_port = remote_port;
	return t;
}

/* Silent for so long, with nothing in flight: the deadline is far. */
static struct flow silent_flow(const struct tuple *t, __u32 silent_ms)
{
	return (struct flow){
		.tag = flow_tag(t),
		.state = TCPS_ESTABLISHED,
		.snd_wnd = 1000,
		.deadline_ns = now_ns() + HOUR_NS,
		.rcv_seen_ms = shield_now_ms() - silent_ms,
	};
}

static void put_record(enum age_table table, const struct tuple *t, enum flow_owner owner, __u64 deadline_ns)
{
	const struct half_open h = { .state = TCPS_SYN_RECEIVED, .owner = owner, .deadline_ns = deadline_ns };
	struct ended e = { .state = TCPS_TIME_WAIT, .owner = owner };
	struct flow f = silent_flow(t, 0);

	f.owner = owner;
	f.deadline_ns = deadline_ns;
	ended_set_times(&e, deadline_ns, 0);
	if (table == AGE_HALF)
		shield_put_half_open(t, &h);
	else if (table == AGE_FLOWS)
		shield_put_flow(t, &f);
	else
		shield_put_ended(t, &e);
}

static bool has_record(enum age_table table, const struct tuple *t)
{
	struct half_open h;
	struct ended e;
	struct flow f;

	if (table == AGE_HALF)
		return shield_half_open(t, &h);
	return table == AGE_FLOWS ? shield_flow(t, &f) : shield_ended(t, &e);
}

/* A key of IPv4 is in the place of one of IPv6. */
static void key_of(const struct tuple *t, struct flow6_key *key)
{
	memset(key, 0, sizeof(*key));
	if (t->family == FAMILY_IPV4)
		flow4_key_from_tuple((struct flow4_key *)key, t);
	else
		flow6_key_from_tuple(key, t);
}

/* --- upcoming ----------------------------------------------------------------------------------------------------- */

#define UPCOMING_MAX SHIELD_FLOWS

struct upcoming {
	int count;
	struct upcoming6 of[UPCOMING_MAX];
};

static void agenda_write(void)
{
	__u32 zero = 0;

	assert_int_equal(bpf_map_update_elem(shield_map("agenda"), &zero, &agenda, BPF_ANY), 0);
}

static void read_upcoming(int fd, __u8 family, struct upcoming *upcoming)
{
	static char buffer[UPCOMING_MAX * sizeof(struct upcoming6)];
	size_t size = family == FAMILY_IPV4 ? sizeof(struct upcoming4) : sizeof(struct upcoming6), got = 0;
	ssize_t n;

	do {
		n = read(fd, buffer + got, sizeof(buffer) - got);
		got += n > 0 ? n : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	assert_int_equal(n, 0);
	assert_int_equal(got % size, 0);
	upcoming->count = got / size;
	for (int i = 0; i < upcoming->count; i++) {
		memset(&upcoming->of[i], 0, sizeof(upcoming->of[i]));
		memcpy(&upcoming->of[i], buffer + i * size, size);
		if (family == FAMILY_IPV4)
			assert_int_equal(((struct upcoming4 *)&upcoming->of[i])->zero, 0);
	}
}

/* What the table's iterator gives for the time before until_ns. */
static const struct upcoming *upcoming(enum age_table table, __u8 family, __u64 until_ns)
{
	static struct upcoming found;
	union bpf_iter_link_info info = {};
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
	char map[16], program[32];
	int link, fd;

	agenda.until_ns = until_ns;
	agenda_write();
	snprintf(map, sizeof(map), "%s%c", table_names[table], family == FAMILY_IPV4 ? '4' : '6');
	snprintf(program, sizeof(program), "upcoming_%s", map);
	info.map.map_fd = shield_map(map);
	link = bpf_link_create(shield_program(program), 0, BPF_TRACE_ITER, &options);
	assert_true(link >= 0);
	fd = bpf_iter_create(link);
	assert_true(fd >= 0);
	read_upcoming(fd, family, &found);
	close(fd);
	close(link);
	return &found;
}

static void assert_only_upcoming(const struct upcoming *found, const struct tuple *t, __u64 due_ns)
{
	struct flow6_key key;

	assert_int_equal(found->count, 1);
	key_of(t, &key);
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
		for (size_t i = 0; i < ARRAY_LEN(families) * ARRAY_LEN(owners); i++) {
			struct tuple soon = tuple_of(families[i / 2], 1), late = tuple_of(families[i / 2], 2);
			__u64 soon_ns = now_ns() + 20 * NSEC_PER_SEC;

			set_up(state);
			put_record(table, &soon, owners[i % 2], soon_ns);
			put_record(table, &late, owners[i % 2], soon_ns + 20 * NSEC_PER_SEC);
			assert_nothing_upcoming(upcoming(table, families[i / 2], soon_ns - NSEC_PER_SEC));
			assert_only_upcoming(upcoming(table, families[i / 2], soon_ns + NSEC_PER_SEC), &soon, soon_ns);
		}
	}
}

static void test_upcoming_deadline_passed_told_all_the_same(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (size_t i = 0; i < ARRAY_LEN(families); i++) {
			struct tuple t = tuple_of(families[i], 1);
			__u64 deadline_ns = now_ns() - 20 * NSEC_PER_SEC;

			put_record(table, &t, FLOW_OWNER_KERNEL, deadline_ns);
			assert_only_upcoming(upcoming(table, families[i], now_ns()), &t, deadline_ns);
		}
	}
}

/* An ended record is absent when no cookie could make its connection again, not when its TIME-WAIT is over. */
static void test_upcoming_ended_with_cookie_due_when_that_is_stale(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	__u64 begin_ns = now_ns(), stale_ns = begin_ns + 60 * NSEC_PER_SEC;
	struct ended e = { .state = TCPS_TIME_WAIT };

	(void)state;
	ended_set_times(&e, begin_ns + 10 * NSEC_PER_SEC, stale_ns);
	shield_put_ended(&t, &e);
	assert_nothing_upcoming(upcoming(AGE_ENDED, FAMILY_IPV4, begin_ns + 50 * NSEC_PER_SEC));
	assert_only_upcoming(upcoming(AGE_ENDED, FAMILY_IPV4, begin_ns + 70 * NSEC_PER_SEC), &t, stale_ns);
}

static void test_upcoming_silent_flow_due_for_its_probe(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple t = tuple_of(families[i], 1);
		struct flow f = silent_flow(&t, 60000);
		__u64 begin_ns = now_ns();

		shield_put_flow(&t, &f);
		assert_nothing_upcoming(upcoming(AGE_FLOWS, families[i], begin_ns + 39 * NSEC_PER_SEC));
		assert_only_upcoming(upcoming(AGE_FLOWS, families[i], begin_ns + 41 * NSEC_PER_SEC), &t,
				     begin_ns + 40 * NSEC_PER_SEC - NSEC_PER_MSEC);
	}
}

/* A service's keepalive counts from the moment at which it is changed. */
static void test_upcoming_keepalive_off_no_probe(void **state)
{
	const struct keepalive off = {};
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	shield_put_flow(&t, &f);
	assert_int_equal(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + NSEC_PER_SEC)->count, 1);
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &off);
	assert_nothing_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_keepalive_off_due_at_the_deadline(void **state)
{
	const struct keepalive off = {};
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 0);

	(void)state;
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &off);
	f.deadline_ns = now_ns() + 10 * NSEC_PER_SEC;
	shield_put_flow(&t, &f);
	assert_only_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + HOUR_NS), &t, f.deadline_ns);
}

static void test_upcoming_flow_of_no_service_no_probe(void **state)
{
	struct tuple t = shield_tuple(FAMILY_IPV4, PORT_NO_SERVICE);
	struct flow f = silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	shield_put_flow(&t, &f);
	assert_nothing_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_silent_flow_of_daemons_no_probe(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_nothing_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + NSEC_PER_SEC));
}

static void test_upcoming_probe_refused_due_now(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, IDLE_MS + 1000);
	__u64 begin_ns = now_ns();

	(void)state;
	f.probes = FLOW_PROBE_REFUSED | 1;
	f.probed_ms = shield_now_ms();
	shield_put_flow(&t, &f);
	assert_only_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, begin_ns + NSEC_PER_SEC), &t, begin_ns);
}

static void test_upcoming_deadline_before_probe_due_at_the_deadline(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 0);

	(void)state;
	f.deadline_ns = now_ns() + 10 * NSEC_PER_SEC;
	shield_put_flow(&t, &f);
	assert_only_upcoming(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + HOUR_NS), &t, f.deadline_ns);
}

/* More than the kernel's buffer holds at once: none is lost, none comes twice. */
static void test_upcoming_full_table_each_record_once(void **state)
{
	static bool seen[SHIELD_FLOWS];
	const struct upcoming *found;

	(void)state;
	for (int i = 0; i < SHIELD_FLOWS; i++) {
		struct tuple t = tuple_of(FAMILY_IPV6, i);

		put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, now_ns());
	}
	found = upcoming(AGE_FLOWS, FAMILY_IPV6, now_ns() + NSEC_PER_SEC);
	assert_int_equal(found->count, SHIELD_FLOWS);
	for (int i = 0; i < SHIELD_FLOWS; i++) {
		assert_false(seen[found->of[i].key.remote_port]);
		seen[found->of[i].key.remote_port] = true;
	}
}

/* --- attend ------------------------------------------------------------------------------------------------------- */

static void ask(const struct tuple *t)
{
	struct agenda_item *item = &agenda.items[agenda.count++];

	memset(item, 0xa5, sizeof(*item));
	key_of(t, &item->key);
}

static void attend(enum age_table table, __u8 family)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	__u32 zero = 0;

	agenda.table = table;
	agenda.family = family;
	agenda_write();
	assert_int_equal(bpf_prog_test_run_opts(shield_program("attend"), &run), 0);
	assert_int_equal(run.retval, 0);
	assert_int_equal(bpf_map_lookup_elem(shield_map("agenda"), &zero, &agenda), 0);
}

static const struct agenda_item *attend_one(enum age_table table, const struct tuple *t)
{
	agenda.count = 0;
	ask(t);
	attend(table, t->family);
	return &agenda.items[0];
}

static void test_attend_each_table_each_record_judged(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (size_t i = 0; i < ARRAY_LEN(families) * ARRAY_LEN(owners); i++) {
			__u8 family = families[i / 2];
			struct tuple over = tuple_of(family, 1), stays = tuple_of(family, 2),
				     gone = tuple_of(family, 3);

			set_up(state);
			put_record(table, &over, owners[i % 2], now_ns() - 500 * NSEC_PER_MSEC);
			put_record(table, &stays, owners[i % 2], now_ns() + 10 * NSEC_PER_SEC);
			ask(&over);
			ask(&stays);
			ask(&gone);
			attend(table, family);
			assert_int_equal(agenda.items[0].due, AGE_EXPIRED);
			assert_in_range(agenda.items[0].late_ms, 499, 1500);
			assert_int_equal(agenda.items[1].due, AGE_LATER);
			assert_int_equal(agenda.items[2].due, AGE_GONE);
			assert_false(has_record(table, &over));
			assert_true(has_record(table, &stays));
		}
	}
}

/* Hooks whose clock is a jiffy behind may still take it for alive. */
static void test_attend_deadline_just_passed_later(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	shield_advance(HOUR_NS);
	put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, now_ns());
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	usleep(30000);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_EXPIRED);
}

static void wait_until(__u64 ns)
{
	while (now_ns() < ns)
		usleep(500);
}

/* Who asks at the time that was told is not told "later": nobody would ask again soon. */
static void test_attend_at_the_time_told_is_due(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f;

	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		for (int i = 0; i < 20; i++) {
			put_record(table, &t, FLOW_OWNER_KERNEL, now_ns() + 3 * NSEC_PER_MSEC);
			wait_until(upcoming(table, FAMILY_IPV4, now_ns() + NSEC_PER_SEC)->of[0].due_ns);
			assert_int_equal(attend_one(table, &t)->due, AGE_EXPIRED);
		}
	}
	for (int i = 0; i < 20; i++) {
		f = silent_flow(&t, IDLE_MS - 3);
		shield_put_flow(&t, &f);
		wait_until(upcoming(AGE_FLOWS, FAMILY_IPV4, now_ns() + NSEC_PER_SEC)->of[0].due_ns);
		assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
	}
}

static void test_attend_flow_expired_noted_and_remembered(void **state)
{
	__u64 noted = shield_count(V_FLOW_EXPIRED);
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, now_ns() - NSEC_PER_SEC);
	attend_one(AGE_FLOWS, &t);
	assert_int_equal(shield_count(V_FLOW_EXPIRED), noted + 1);
}

static void test_attend_flow_locked_by_hook_left_alone(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 0);

	(void)state;
	f.deadline_ns = now_ns() - NSEC_PER_SEC;
	f.lock = FLOW_LOCK_HELD;
	shield_put_flow(&t, &f);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	assert_true(has_record(AGE_FLOWS, &t));
}

/* A hook is about to move it to the ended ones, and to delete it. */
static void test_attend_flow_retired_by_hook_left_alone(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 0);

	(void)state;
	f.lock = FLOW_LOCK_DEAD;
	shield_put_flow(&t, &f);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	assert_true(has_record(AGE_FLOWS, &t));
}

/* What was upcoming has gone, and the tuple has a new connection: that is judged by itself. */
static void test_attend_record_made_anew_not_taken(void **state)
{
	(void)state;
	for (int table = 0; table < AGE_TABLES; table++) {
		struct tuple t = tuple_of(FAMILY_IPV4, 1);

		put_record(table, &t, FLOW_OWNER_KERNEL, now_ns() - NSEC_PER_SEC);
		assert_int_equal(upcoming(table, FAMILY_IPV4, now_ns())->count, 1);
		put_record(table, &t, FLOW_OWNER_KERNEL, now_ns() + 10 * NSEC_PER_SEC);
		assert_int_equal(attend_one(table, &t)->due, AGE_LATER);
		assert_true(has_record(table, &t));
	}
}

static void test_attend_silent_flow_wants_probe_as_its_service_has_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple t = tuple_of(families[i], 1);
		struct flow f = silent_flow(&t, IDLE_MS);
		const struct agenda_item *item;

		shield_put_flow(&t, &f);
		item = attend_one(AGE_FLOWS, &t);
		assert_int_equal(item->due, AGE_PROBE);
		assert_memory_equal(&item->keepalive, &keepalive, sizeof(keepalive));
	}
}

static void test_attend_silent_flow_not_for_long_enough_later(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, IDLE_MS - 2000);

	(void)state;
	shield_put_flow(&t, &f);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

static void test_attend_keepalive_changed_counts_at_once(void **state)
{
	struct keepalive sooner = keepalive;
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, IDLE_MS / 2);

	(void)state;
	sooner.idle_ms = IDLE_MS / 2;
	shield_put_flow(&t, &f);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	shield_set_keepalive(FAMILY_IPV4, PORT_ALWAYS, &sooner);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
}

/* The flow was asked so often, the last time so long ago. */
static void put_probed(const struct tuple *t, __u32 probes, __u32 probed_ago_ms)
{
	struct flow f = silent_flow(t, IDLE_MS + PROBES * INTERVAL_MS);

	f.probes = probes;
	f.probed_ms = shield_now_ms() - probed_ago_ms;
	shield_put_flow(t, &f);
}

static void test_attend_last_probe_unanswered_dead(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS - 2000);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_DEAD);
	assert_memory_equal(&agenda.items[0].keepalive, &keepalive, sizeof(keepalive));
	assert_true(has_record(AGE_FLOWS, &t));
}

static void test_attend_probes_from_before_a_gap_asked_again(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	agenda.resumed_ms = shield_now_ms() - 1000;
	put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_PROBE);
}

static void test_attend_probe_refused_told(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	put_probed(&t, FLOW_PROBE_REFUSED | 1, 0);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_REFUSED);
}

static void test_attend_silent_flow_of_daemons_later(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 2 * IDLE_MS);

	(void)state;
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

static void test_attend_full_agenda_all_attended(void **state)
{
	(void)state;
	for (int i = 0; i < AGENDA_ITEMS; i++) {
		struct tuple t = tuple_of(FAMILY_IPV4, i);

		if (i < SHIELD_FLOWS)
			put_record(AGE_FLOWS, &t, FLOW_OWNER_KERNEL, now_ns() - NSEC_PER_SEC);
		ask(&t);
	}
	agenda.count = ~0U; /* there is no more */
	attend(AGE_FLOWS, FAMILY_IPV4);
	for (int i = 0; i < AGENDA_ITEMS; i++)
		assert_int_equal(agenda.items[i].due, i < SHIELD_FLOWS ? AGE_EXPIRED : AGE_GONE);
}

/* --- probes ------------------------------------------------------------------------------------------------------- */

static struct age_call call_program(const char *name, const struct tuple *t, __u32 resumed_ms)
{
	struct age_call call = { .family = t->family, .resumed_ms = resumed_ms, .found = 0xa5 };
	LIBBPF_OPTS(bpf_test_run_opts, run, .ctx_in = &call, .ctx_size_in = sizeof(call));

	key_of(t, &call.key);
	assert_int_equal(bpf_prog_test_run_opts(shield_program(name), &run), 0);
	assert_int_equal(run.retval, 0);
	return call;
}

static void test_probe_flow_silent_counted_and_copied(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple t = tuple_of(families[i], 1);
		struct flow f = silent_flow(&t, IDLE_MS), after;
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
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	put_probed(&t, 2, INTERVAL_MS);
	assert_true(call_program("probe_flow", &t, shield_now_ms() - IDLE_MS).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, FLOW_PROBE_AWAITED | 3);
}

static void test_probe_flow_probes_from_before_a_gap_counted_from_one(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	put_probed(&t, PROBES | FLOW_PROBE_AWAITED, INTERVAL_MS);
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
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, IDLE_MS - 2000);

	(void)state;
	assert_not_probed(&t);
	shield_put_flow(&t, &f);
	assert_not_probed(&t);
	put_probed(&t, 1, INTERVAL_MS - 2000);
	assert_not_probed(&t);
	put_probed(&t, PROBES, INTERVAL_MS);
	assert_not_probed(&t);
}

static void test_probe_flow_dead_or_expired_or_anothers_nothing_done(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f = silent_flow(&t, 2 * IDLE_MS), dead = f, expired = f, daemons = f, anothers = f, held = f;

	(void)state;
	dead.lock = FLOW_LOCK_DEAD;
	shield_put_flow(&t, &dead);
	assert_not_probed(&t);
	expired.deadline_ns = now_ns() - NSEC_PER_MSEC;
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
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct tuple t = tuple_of(families[i], 1);
		struct flow after;

		put_probed(&t, PROBES, INTERVAL_MS);
		assert_true(call_program("probe_over", &t, 0).found);
		assert_true(shield_flow(&t, &after));
		assert_int_equal(after.probes, PROBES | FLOW_PROBES_OVER);
		assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
	}
}

static void test_probe_over_probe_refused_not_asked_again(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);

	(void)state;
	put_probed(&t, FLOW_PROBE_REFUSED, 0);
	assert_true(call_program("probe_over", &t, 0).found);
	assert_int_equal(attend_one(AGE_FLOWS, &t)->due, AGE_LATER);
}

/* The peer has spoken since it was found dead: it is alive, and its silence is measured anew. */
static void test_probe_over_peer_has_spoken_nothing_done(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow after;

	(void)state;
	assert_false(call_program("probe_over", &t, 0).found);
	put_probed(&t, 0, 0);
	assert_false(call_program("probe_over", &t, 0).found);
	assert_true(shield_flow(&t, &after));
	assert_int_equal(after.probes, 0);
}

static void test_probe_over_of_daemons_nothing_done(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 1);
	struct flow f;

	(void)state;
	put_probed(&t, PROBES, INTERVAL_MS);
	assert_true(shield_flow(&t, &f));
	f.owner = FLOW_OWNER_DAEMON;
	shield_put_flow(&t, &f);
	assert_false(call_program("probe_over", &t, 0).found);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

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
		TEST(test_attend_each_table_each_record_judged),
		TEST(test_attend_deadline_just_passed_later),
		TEST(test_attend_at_the_time_told_is_due),
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
		TEST(test_probe_flow_silent_counted_and_copied),
		TEST(test_probe_flow_probes_out_counted_on),
		TEST(test_probe_flow_probes_from_before_a_gap_counted_from_one),
		TEST(test_probe_flow_not_due_nothing_done),
		TEST(test_probe_flow_dead_or_expired_or_anothers_nothing_done),
		TEST(test_probe_over_probes_out_not_asked_again),
		TEST(test_probe_over_probe_refused_not_asked_again),
		TEST(test_probe_over_peer_has_spoken_nothing_done),
		TEST(test_probe_over_of_daemons_nothing_done),
	};

	return shield_run_tests("ageing", tests, ARRAY_LEN(tests));
}
