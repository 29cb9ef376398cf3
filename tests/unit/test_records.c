/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Reports on their way into the maps: which are written, in which order, and what becomes of those that are refused. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

#include "../../user/daemon/records.c"

#define NOW (1000 * NSEC_PER_SEC)
#define ELEMENTS_MAX (2 * RECORDS_MAX)

/* A map of IPv4 tuples, by the peer's port, and a log of what was done to all of them. */
struct fake_map {
	bool there[65536];
	__u64 iss[65536];
	__u32 count;
	__u32 room;
};

static struct fake_map maps[RECORDS_MAPS];
static bool batch_fails; /* whole, and its count is not touched */
static char story[4096];
static struct records *records;

static void tell(const char *what, enum records_map map, __u16 port)
{
	static const char *const names[] = { "half", "flows", "tw" };
	size_t used = strlen(story);

	snprintf(story + used, sizeof(story) - used, "%s %s %u; ", what, names[map], port);
}

static int put_elements(void *context, enum records_map map, __u8 family, const void *keys, const void *values,
			__u32 *count)
{
	const struct flow4_key *key = keys;
	__u32 wanted = *count;

	(void)context;
	assert_int_equal(family, FAMILY_IPV4);
	if (batch_fails)
		return -ENOMEM;
	for (*count = 0; *count < wanted; ++*count, key++) {
		const char *value = (const char *)values + (size_t)*count * shape_of(map, family).value_bytes;

		if (!maps[map].there[key->remote_port] && maps[map].count == maps[map].room)
			return -E2BIG;
		maps[map].count += !maps[map].there[key->remote_port];
		maps[map].there[key->remote_port] = true;
		maps[map].iss[key->remote_port] = map == RECORDS_FLOWS ? ((const struct flow *)value)->iss : 0;
		tell("put", map, key->remote_port);
	}
	return 0;
}

static int erase_elements(void *context, enum records_map map, __u8 family, const void *keys, __u32 *count)
{
	const struct flow4_key *key = keys;
	__u32 wanted = *count;

	(void)context;
	(void)family;
	for (*count = 0; *count < wanted; ++*count, key++) {
		tell("erase", map, key->remote_port);
		if (!maps[map].there[key->remote_port])
			return -ENOENT;
		maps[map].there[key->remote_port] = false;
		maps[map].count--;
	}
	return 0;
}

static int setup(void **state)
{
	const struct records_maps functions = { NULL, put_elements, erase_elements };
	const struct siphash_key key = { 1, 2 };

	(void)state;
	memset(maps, 0, sizeof(maps));
	for (int i = 0; i < RECORDS_MAPS; i++)
		maps[i].room = ELEMENTS_MAX;
	*story = '\0';
	records = records_new(&functions, &key, 100);
	return records ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	records_free(records);
	return 0;
}

static void report(__u16 port, enum tcp_record_kind kind, __u32 iss)
{
	struct tuple tuple = unit_tuple(FAMILY_IPV4);
	struct tcp_record record = { .kind = kind };

	tuple.remote_port = port;
	if (kind == TCP_RECORD_FLOW)
		record.flow.iss = iss;
	records_put(records, &tuple, &record, NOW);
}

static void test_reports_wait_together(void **state)
{
	(void)state;
	assert_int_equal(records_next_ns(records), UINT64_MAX);
	report(1, TCP_RECORD_FLOW, 0);
	assert_int_equal(records_next_ns(records), NOW + RECORDS_DELAY_NS);
	report(2, TCP_RECORD_FLOW, 0);
	assert_string_equal(story, "");
	records_flush(records, NOW + RECORDS_DELAY_NS);
	assert_string_equal(story, "put flows 1; put flows 2; ");
	assert_int_equal(records_next_ns(records), UINT64_MAX);
	assert_int_equal(records_counters(records)->written, 2);
}

static void test_newest_report_of_a_connection_counts(void **state)
{
	(void)state;
	report(1, TCP_RECORD_FLOW, 10);
	report(1, TCP_RECORD_FLOW, 11);
	records_flush(records, NOW);
	assert_string_equal(story, "put flows 1; ");
	assert_int_equal(maps[RECORDS_FLOWS].iss[1], 11);
}

static void test_flow_takes_its_half_open_record_away(void **state)
{
	(void)state;
	report(1, TCP_RECORD_HALF_OPEN, 0);
	records_flush(records, NOW);
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	assert_string_equal(story, "put half 1; erase tw 1; put flows 1; erase half 1; put flows 1; ");
}

static void test_half_open_that_ends_before_it_was_written_is_erased_all_the_same(void **state)
{
	(void)state;
	report(1, TCP_RECORD_HALF_OPEN, 0);
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	assert_string_equal(story, "put flows 1; erase half 1; erase tw 1; ");
}

static void test_ended_record_comes_before_the_flow_goes(void **state)
{
	(void)state;
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	report(1, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW);
	assert_string_equal(story, "put flows 1; put tw 1; erase flows 1; ");
	assert_false(maps[RECORDS_FLOWS].there[1]);
}

/* A TIME-WAIT that a SYN ends is gone, though the handshake's own record was never written. */
static void test_half_open_takes_the_time_wait_before_it_away(void **state)
{
	(void)state;
	report(1, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW);
	report(1, TCP_RECORD_HALF_OPEN, 0);
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	assert_false(maps[RECORDS_TW].there[1]);
	assert_true(maps[RECORDS_FLOWS].there[1]);
}

/* Of an earlier daemon: it may have been half-open; the mark of its cookie stays. */
static void test_lost_takes_away_what_was_live(void **state)
{
	(void)state;
	report(1, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW);
	story[0] = 0;
	report(1, TCP_RECORD_LOST, 0);
	records_flush(records, NOW);
	assert_string_equal(story, "erase half 1; erase flows 1; ");
	assert_true(maps[RECORDS_TW].there[1]);
}

static void test_none_takes_away_what_is_there(void **state)
{
	(void)state;
	report(1, TCP_RECORD_FLOW, 0);
	report(2, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW);
	report(1, TCP_RECORD_NONE, 0);
	report(2, TCP_RECORD_NONE, 0);
	records_flush(records, NOW);
	for (int map = 0; map < RECORDS_MAPS; map++)
		assert_int_equal(maps[map].count, 0);
}

static void test_refused_record_is_tried_again(void **state)
{
	(void)state;
	maps[RECORDS_FLOWS].room = 1;
	report(1, TCP_RECORD_FLOW, 0);
	report(2, TCP_RECORD_FLOW, 20);
	report(3, TCP_RECORD_FLOW, 0);
	report(1, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	assert_string_equal(story, "put flows 1; ");
	assert_int_equal(records_counters(records)->refused, 2);
	assert_int_equal(records_next_ns(records), NOW + RECORDS_RETRY_NS);
	/* Others do not wait for them. */
	report(1, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW + RECORDS_DELAY_NS);
	assert_string_equal(story, "put flows 1; put tw 1; erase flows 1; ");
	records_flush(records, NOW + RECORDS_RETRY_NS);
	assert_true(maps[RECORDS_FLOWS].there[2]);
	assert_int_equal(maps[RECORDS_FLOWS].iss[2], 20);
}

static void test_batch_that_is_refused_whole_is_tried_again(void **state)
{
	(void)state;
	for (__u32 i = 1; i <= RECORDS_MAX; i++)
		report(i, TCP_RECORD_FLOW, i);
	batch_fails = true;
	records_flush(records, NOW);
	batch_fails = false;
	assert_int_equal(records_counters(records)->refused, RECORDS_MAX);
	assert_int_equal(records_counters(records)->written, 0);
	records_flush(records, NOW + RECORDS_RETRY_NS);
	assert_int_equal(maps[RECORDS_FLOWS].count, RECORDS_MAX);
}

static void test_newer_report_replaces_a_refused_one(void **state)
{
	(void)state;
	maps[RECORDS_FLOWS].room = 0;
	report(1, TCP_RECORD_FLOW, 1);
	records_flush(records, NOW);
	maps[RECORDS_FLOWS].room = 1;
	report(1, TCP_RECORD_FLOW, 2);
	records_flush(records, NOW + RECORDS_RETRY_NS);
	assert_int_equal(maps[RECORDS_FLOWS].iss[1], 2);
	assert_string_equal(story, "put flows 1; ");
}

static void test_more_reports_than_there_is_room_are_written_at_once(void **state)
{
	(void)state;
	for (__u32 i = 1; i <= RECORDS_MAX + 1; i++)
		report(i, TCP_RECORD_FLOW, i);
	assert_int_equal(maps[RECORDS_FLOWS].count, RECORDS_MAX);
	records_flush(records, NOW);
	assert_int_equal(maps[RECORDS_FLOWS].count, RECORDS_MAX + 1);
	for (__u32 i = 1; i <= RECORDS_MAX + 1; i++)
		assert_int_equal(maps[RECORDS_FLOWS].iss[i], i);
	assert_int_equal(records_counters(records)->lost, 0);
}

static void test_refused_beyond_what_is_kept_are_counted(void **state)
{
	(void)state;
	maps[RECORDS_FLOWS].room = 0;
	for (__u32 i = 1; i <= RECORDS_MAX + 1; i++)
		report(i, TCP_RECORD_FLOW, i);
	assert_int_equal(records_counters(records)->lost, 1);
}

static void test_half_open_set_forgets_none_of_its_neighbours(void **state)
{
	(void)state;
	for (__u16 port = 1; port <= 100; port++)
		report(port, TCP_RECORD_HALF_OPEN, 0);
	records_flush(records, NOW);
	for (__u16 port = 1; port <= 100; port += 2)
		report(port, TCP_RECORD_FLOW, 0);
	records_flush(records, NOW);
	assert_int_equal(maps[RECORDS_HALF].count, 50);
	for (__u16 port = 2; port <= 100; port += 2)
		report(port, TCP_RECORD_ENDED, 0);
	records_flush(records, NOW);
	assert_int_equal(maps[RECORDS_HALF].count, 0);
	assert_int_equal(records->half_open.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_reports_wait_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newest_report_of_a_connection_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flow_takes_its_half_open_record_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_open_that_ends_before_it_was_written_is_erased_all_the_same,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_ended_record_comes_before_the_flow_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_open_takes_the_time_wait_before_it_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_takes_away_what_was_live, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none_takes_away_what_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_record_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batch_that_is_refused_whole_is_tried_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer_report_replaces_a_refused_one, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_reports_than_there_is_room_are_written_at_once, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_refused_beyond_what_is_kept_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_half_open_set_forgets_none_of_its_neighbours, setup, teardown),
	};

	return cmocka_run_group_tests_name("records", tests, NULL, NULL);
}
