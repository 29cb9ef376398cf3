/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The wheels, beside a plain list of the same timers. */
#include "unit.h"

#include "../../user/tcp/timer_wheel.c"

#define TICK (1ULL << TIMER_WHEEL_TICK_SHIFT)
#define START (123456789 * NSEC_PER_SEC)

static struct timer_wheel wheel;

/* A timer's tick begins here: the first time that is not before it. */
static __u64 rounded_up(__u64 ns)
{
	return (ns + TICK - 1) / TICK * TICK;
}

/* Sleeps as a loop does until the one timer that is armed fires. Returns when, and how often it woke. */
static __u64 sleep_until_fired(struct wheel_timer *timer, __u32 *wakes)
{
	for (*wakes = 1;; ++*wakes) {
		__u64 now_ns = timer_wheel_next_ns(&wheel);
		struct wheel_timer *fired = timer_wheel_expire(&wheel, now_ns);

		if (fired) {
			assert_ptr_equal(fired, timer);
			assert_int_equal(timer_wheel_next_ns(&wheel), UINT64_MAX);
			return now_ns;
		}
		assert_true(*wakes < 1000);
	}
}

static void test_empty_expire_finds_nothing(void **state)
{
	(void)state;
	timer_wheel_init(&wheel, START);
	assert_int_equal(timer_wheel_next_ns(&wheel), UINT64_MAX);
	assert_null(timer_wheel_expire(&wheel, START));
	assert_null(timer_wheel_expire(&wheel, START * 10));
}

static void test_armed_time_reached_fires_once_and_not_before(void **state)
{
	static const __u64 delays[] = { 1,
					TICK - 1,
					TICK,
					TICK + 1,
					40 * NSEC_PER_MSEC,
					200 * NSEC_PER_MSEC,
					NSEC_PER_SEC,
					120 * NSEC_PER_SEC,
					86400 * NSEC_PER_SEC };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
		struct wheel_timer timer = { 0 };
		__u64 due = rounded_up(START + delays[i]);

		timer_wheel_init(&wheel, START);
		timer_wheel_arm(&wheel, &timer, START + delays[i]);
		assert_true(due - (START + delays[i]) < TICK);
		assert_null(timer_wheel_expire(&wheel, due - 1));
		assert_ptr_equal(timer_wheel_expire(&wheel, due), &timer);
		assert_null(timer.link);
		assert_null(timer_wheel_expire(&wheel, due));
	}
}

static void test_armed_in_the_past_fires_at_once(void **state)
{
	struct wheel_timer timer = { 0 };

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_arm(&wheel, &timer, START - NSEC_PER_SEC);
	assert_true(timer_wheel_next_ns(&wheel) <= START);
	assert_ptr_equal(timer_wheel_expire(&wheel, START), &timer);
	/* The present tick was gone through before: it is gone through again. */
	timer_wheel_arm(&wheel, &timer, 0);
	assert_ptr_equal(timer_wheel_expire(&wheel, START), &timer);
}

static void test_armed_moved_fires_at_the_new_time_only(void **state)
{
	struct wheel_timer timer = { 0 };

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_arm(&wheel, &timer, START + NSEC_PER_SEC);
	timer_wheel_arm(&wheel, &timer, START + 3 * NSEC_PER_SEC);
	assert_int_equal(timer.expires_ns, START + 3 * NSEC_PER_SEC);
	assert_null(timer_wheel_expire(&wheel, START + 3 * NSEC_PER_SEC - 1));
	timer_wheel_arm(&wheel, &timer, START + 4 * NSEC_PER_SEC);
	timer_wheel_arm(&wheel, &timer, START + 3 * NSEC_PER_SEC + TICK);
	assert_ptr_equal(timer_wheel_expire(&wheel, START + 3 * NSEC_PER_SEC + 2 * TICK), &timer);
	assert_null(timer_wheel_expire(&wheel, START + 100 * NSEC_PER_SEC));
}

static void test_disarmed_time_reached_does_not_fire(void **state)
{
	struct wheel_timer timers[3] = { 0 };

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_disarm(&wheel, &timers[0]);
	for (int i = 0; i < 3; i++)
		timer_wheel_arm(&wheel, &timers[i], START + NSEC_PER_SEC); /* the same slot */
	timer_wheel_disarm(&wheel, &timers[1]);
	assert_null(timers[1].link);
	timer_wheel_disarm(&wheel, &timers[1]);
	assert_ptr_equal(timer_wheel_expire(&wheel, START + 2 * NSEC_PER_SEC), &timers[2]);
	timer_wheel_disarm(&wheel, &timers[0]);
	assert_int_equal(timer_wheel_next_ns(&wheel), UINT64_MAX);
	assert_null(timer_wheel_expire(&wheel, START + 2 * NSEC_PER_SEC));
}

static void test_firing_timer_armed_anew_fires_in_the_same_expiry(void **state)
{
	struct wheel_timer periodic = { 0 }, *fired;
	__u64 end = START + NSEC_PER_SEC;
	int count = 0;

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_arm(&wheel, &periodic, START + 10 * NSEC_PER_MSEC);
	while ((fired = timer_wheel_expire(&wheel, end))) {
		count++;
		timer_wheel_arm(&wheel, fired, fired->expires_ns + 10 * NSEC_PER_MSEC);
	}
	assert_int_equal(count, 99); /* the hundredth is due a part of a tick later */
	assert_ptr_equal(timer_wheel_expire(&wheel, end + TICK), &periodic);
}

static void test_sleeping_until_next_wakes_on_time_and_seldom(void **state)
{
	struct wheel_timer timer = { 0 };
	__u32 wakes;

	(void)state;
	for (__u64 delay = 1; delay < 1000 * 86400 * NSEC_PER_SEC; delay += delay / 3 + 1) {
		timer_wheel_init(&wheel, START);
		timer_wheel_arm(&wheel, &timer, START + delay);
		assert_int_equal(sleep_until_fired(&timer, &wakes), rounded_up(START + delay));
		/* Once a wheel, and once for each time that the last wheel brings the timer nearer, by 63 slots. */
		assert_true(wakes <= TIMER_WHEEL_LEVELS + delay / (63 * TICK << 24) + 1);
	}
}

static void test_next_is_exact_where_the_first_wheel_has_it(void **state)
{
	struct wheel_timer timer = { 0 };

	(void)state;
	timer_wheel_init(&wheel, 0);
	for (__u64 tick = 0; tick < TIMER_WHEEL_SLOTS; tick++) {
		timer_wheel_arm(&wheel, &timer, tick * TICK);
		assert_int_equal(timer_wheel_next_ns(&wheel), tick * TICK);
	}
	timer_wheel_arm(&wheel, &timer, 3 * TICK + 1);
	assert_int_equal(timer_wheel_next_ns(&wheel), 4 * TICK);
	/* Also after time has passed without a timer. */
	timer_wheel_disarm(&wheel, &timer);
	assert_null(timer_wheel_expire(&wheel, 1000 * NSEC_PER_SEC / TICK * TICK));
	timer_wheel_arm(&wheel, &timer, (1000 * NSEC_PER_SEC / TICK + 3) * TICK);
	assert_int_equal(timer_wheel_next_ns(&wheel), (1000 * NSEC_PER_SEC / TICK + 3) * TICK);
}

static void test_never_is_not_soon(void **state)
{
	struct wheel_timer timer = { 0 };

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_arm(&wheel, &timer, UINT64_MAX);
	for (__u64 day = 0; day < 1000; day++)
		assert_null(timer_wheel_expire(&wheel, START + day * 86400 * NSEC_PER_SEC));
	timer_wheel_disarm(&wheel, &timer);
	assert_int_equal(timer_wheel_next_ns(&wheel), UINT64_MAX);
}

/* A century at once: would a tick cost anything, this would not end. */
static void test_time_jumps_by_years_fires_what_is_due(void **state)
{
	struct wheel_timer timers[3] = { 0 };
	const __u64 year = 365 * 86400 * NSEC_PER_SEC;

	(void)state;
	timer_wheel_init(&wheel, START);
	timer_wheel_arm(&wheel, &timers[0], START + NSEC_PER_SEC);
	timer_wheel_arm(&wheel, &timers[1], START + year);
	timer_wheel_arm(&wheel, &timers[2], START + 100 * year);
	assert_ptr_equal(timer_wheel_expire(&wheel, START + 99 * year), &timers[0]);
	assert_ptr_equal(timer_wheel_expire(&wheel, START + 99 * year), &timers[1]);
	assert_null(timer_wheel_expire(&wheel, START + 99 * year));
	assert_ptr_equal(timer_wheel_expire(&wheel, START + 100 * year + TICK), &timers[2]);
}

/* --- beside a list ---------------------------------------------------------------------------------------------- */

#define TIMERS 24

static struct wheel_timer timers[TIMERS];
static __u64 due_ns[TIMERS]; /* UINT64_MAX: not armed */

/* From a part of a tick to months, as far as now: each magnitude as likely. */
static __u64 random_span(__u64 *series)
{
	__u64 mixed = (__u64)unit_random(series) << 32 | unit_random(series);

	return mixed >> (10 + unit_random(series) % 50);
}

static void arm(int i, __u64 expires_ns)
{
	timer_wheel_arm(&wheel, &timers[i], expires_ns);
	due_ns[i] = rounded_up(expires_ns);
}

static __u64 first_due(void)
{
	__u64 first = UINT64_MAX;

	for (int i = 0; i < TIMERS; i++) {
		if (due_ns[i] < first)
			first = due_ns[i];
	}
	return first;
}

/* Everything that is due fires in the order of time, and nothing else; sometimes a timer is armed in between. */
static void expire(__u64 now_ns, __u64 *series)
{
	struct wheel_timer *fired;
	__u64 last_ns = 0;

	while ((fired = timer_wheel_expire(&wheel, now_ns))) {
		int i = (int)(fired - timers);

		assert_true(due_ns[i] <= now_ns);
		assert_true(due_ns[i] >= last_ns);
		last_ns = due_ns[i];
		due_ns[i] = UINT64_MAX;
		if (unit_random(series) % 4 == 0)
			arm(unit_random(series) % TIMERS, now_ns + TICK + random_span(series));
	}
	assert_true(first_due() > now_ns);
	assert_true(timer_wheel_next_ns(&wheel) > now_ns);
	assert_true(timer_wheel_next_ns(&wheel) <= first_due());
	if (first_due() == UINT64_MAX)
		assert_int_equal(timer_wheel_next_ns(&wheel), UINT64_MAX);
}

static void test_random_operations_agree_with_a_list(void **state)
{
	(void)state;
	for (__u64 seed = 0; seed < 20000; seed++) {
		__u64 series = seed, now_ns = seed % 2 ? START : random_span(&series);

		memset(timers, 0, sizeof(timers));
		memset(due_ns, 0xff, sizeof(due_ns));
		timer_wheel_init(&wheel, now_ns);
		for (int step = 0; step < 60; step++) {
			int i = unit_random(&series) % TIMERS;

			switch (unit_random(&series) % 4) {
			case 0:
				timer_wheel_disarm(&wheel, &timers[i]);
				due_ns[i] = UINT64_MAX;
				break;
			case 1:
				now_ns += random_span(&series);
				expire(now_ns, &series);
				break;
			default:
				arm(i, now_ns + random_span(&series));
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_expire_finds_nothing),
		cmocka_unit_test(test_armed_time_reached_fires_once_and_not_before),
		cmocka_unit_test(test_armed_in_the_past_fires_at_once),
		cmocka_unit_test(test_armed_moved_fires_at_the_new_time_only),
		cmocka_unit_test(test_disarmed_time_reached_does_not_fire),
		cmocka_unit_test(test_firing_timer_armed_anew_fires_in_the_same_expiry),
		cmocka_unit_test(test_sleeping_until_next_wakes_on_time_and_seldom),
		cmocka_unit_test(test_next_is_exact_where_the_first_wheel_has_it),
		cmocka_unit_test(test_never_is_not_soon),
		cmocka_unit_test(test_time_jumps_by_years_fires_what_is_due),
		cmocka_unit_test(test_random_operations_agree_with_a_list),
	};

	return cmocka_run_group_tests_name("timer_wheel", tests, NULL, NULL);
}
