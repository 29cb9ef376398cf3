// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The sweep: slots of expired records come back by a timer in the kernel, while this process only looks on.
 *
 * Not here: that an expired record counts as absent before it is swept (test_lives.c).
 */
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "talk.h"
#include "tests/bpf/sweep_now.skel.h"

#define SWEEP_PATIENCE_S 8 /* a sweep every 5 s */
#define REST 100	   /* times what the walk took */

/* A record of each kind on the tuple, all with this deadline. */
static void put_records(const struct tuple *t, enum flow_owner owner, __u64 deadline_ns)
{
	const struct flow f = {
		.tag = flow_tag(t), .owner = owner, .state = TCPS_ESTABLISHED, .deadline_ns = deadline_ns
	};
	const struct half_open h = { .state = TCPS_SYN_RECEIVED, .owner = owner, .deadline_ns = deadline_ns };
	const struct ended e = { .state = TCPS_TIME_WAIT,
				 .owner = owner,
				 .deadline_ms = (__u32)(deadline_ns / NSEC_PER_MSEC) };

	shield_put_flow(t, &f);
	shield_put_half_open(t, &h);
	shield_put_ended(t, &e);
}

static int count_records(const struct tuple *t)
{
	struct half_open h;
	struct ended e;
	struct flow f;

	return shield_flow(t, &f) + shield_half_open(t, &h) + shield_ended(t, &e);
}

static struct tuple tuple_of(__u8 family, __u16 remote_port)
{
	struct tuple t = shield_tuple(family, PORT_ALWAYS);

	t.remote_port = remote_port;
	return t;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec + shield_config.test_advance_ns;
}

/* The timer is the process's: it goes on from test to test. */
static void start_sweep(void)
{
	static bool started;

	if (!started)
		shield_start_sweep();
	started = true;
	shield_rest_sweep(0);
}

static void test_records_deadline_passed_slots_come_back(void **state)
{
	static const struct {
		__u8 family;
		enum flow_owner owner;
	} records[] = {
		{ FAMILY_IPV4, FLOW_OWNER_KERNEL },
		{ FAMILY_IPV6, FLOW_OWNER_KERNEL },
		{ FAMILY_IPV4, FLOW_OWNER_DAEMON },
		{ FAMILY_IPV6, FLOW_OWNER_DAEMON },
	};
	struct tuple gone[ARRAY_LEN(records)], stays[ARRAY_LEN(records)];
	int left = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		gone[i] = tuple_of(records[i].family, 10 + i);
		stays[i] = tuple_of(records[i].family, 20 + i);
		put_records(&gone[i], records[i].owner, now_ns() + 50 * NSEC_PER_SEC);
		put_records(&stays[i], records[i].owner, now_ns() + 150 * NSEC_PER_SEC);
	}
	shield_advance(100 * NSEC_PER_SEC);
	start_sweep();
	for (int s = 0; s < SWEEP_PATIENCE_S && left; s++) {
		sleep(1);
		left = 0;
		for (size_t i = 0; i < ARRAY_LEN(records); i++)
			left += count_records(&gone[i]);
	}
	assert_int_equal(left, 0);
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		assert_int_equal(count_records(&stays[i]), 3);
	/* half-open and ended records are no connections any more */
	assert_int_equal(shield_count(V_FLOW_EXPIRED), ARRAY_LEN(records));
}

static void test_rest_not_over_nothing_swept(void **state)
{
	struct tuple t = tuple_of(FAMILY_IPV4, 30);

	(void)state;
	start_sweep();
	shield_rest_sweep(~0ULL);
	put_records(&t, FLOW_OWNER_KERNEL, now_ns() - NSEC_PER_SEC);
	sleep(6);
	assert_int_equal(count_records(&t), 3);
	shield_rest_sweep(0);
	for (int s = 0; s < SWEEP_PATIENCE_S && count_records(&t); s++)
		sleep(1);
	assert_int_equal(count_records(&t), 0);
}

/* One walk, and whether the rest behind it is as long as it should be. */
static bool walk_rests(struct sweep_now *sweep)
{
	LIBBPF_OPTS(bpf_test_run_opts, run);
	__u64 before_ns, after_ns, due_ns;

	before_ns = now_ns() - shield_config.test_advance_ns;
	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(sweep->progs.sweep_now), &run), 0);
	after_ns = now_ns() - shield_config.test_advance_ns;
	due_ns = sweep->bss->sweep_due_ns;
	assert_in_range(due_ns, before_ns, after_ns + REST * (after_ns - before_ns));
	return due_ns > after_ns;
}

/* The walk that makes a bitmap of the presence filter current, then the one that wipes the other, then any. */
static void test_walk_rests_long_but_not_before_a_wipe(void **state)
{
	struct sweep_now *sweep = sweep_now__open();

	(void)state;
	assert_non_null(sweep);
	shield_share_maps(sweep->obj);
	assert_int_equal(sweep_now__load(sweep), 0);
	assert_false(walk_rests(sweep));
	assert_true(sweep->bss->presence_wipe_is_due);
	assert_true(walk_rests(sweep));
	assert_true(walk_rests(sweep));
	sweep_now__destroy(sweep);
}

/* A try that got half-way is tried again from the beginning: what it has made is no obstacle. */
static void test_sweep_started_again_goes_on(void **state)
{
	LIBBPF_OPTS(bpf_test_run_opts, options);

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(bpf_prog_test_run_opts(shield_program("sweep_start"), &options), 0);
		assert_int_equal(options.retval, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sweep_started_again_goes_on, shield_reset),
		cmocka_unit_test_setup(test_records_deadline_passed_slots_come_back, shield_reset),
		cmocka_unit_test_setup(test_rest_not_over_nothing_swept, shield_reset),
		cmocka_unit_test_setup(test_walk_rests_long_but_not_before_a_wipe, shield_reset),
	};

	return shield_run_tests("sweep", tests, ARRAY_LEN(tests));
}
