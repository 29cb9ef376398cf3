/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cookies' keys while they change: a cookie is good for its time whenever the rotation was, on this machine and on
 * one whose clock differs; and programs that read the keys while they are written.
 */
#include "cookie_fixture.h"

#include "../../user/keys.c"

static const struct siphash_key fresh_key = { 0x1020304050607080ULL, 0x90a0b0c0d0e0f001ULL };
static const __u64 half_second_ns = NSEC_PER_SEC / 2;

/* What the device has, as the programs would see it after each write. */
static struct config written[2];
static struct journal_event noted;
static int writes, notes;

int device_config_write(struct device *device)
{
	written[writes++] = device->config;
	return 0;
}

int journal_write(const struct device *device, const struct journal_event *event)
{
	(void)device;
	assert_int_equal(writes, 2); /* what is noted has happened */
	noted = *event;
	notes++;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	writes = notes = 0;
	return 0;
}

static struct cookie_clock clock_with(const struct cookie_keys *with, __u64 time_ns)
{
	struct cookie_clock clock = { 0 };

	cookie_clock_set(&clock, with, time_ns);
	return clock;
}

static struct cookie_keys rotated(__u64 time_ns, __u64 delay_ns)
{
	struct cookie_keys now = first_keys;

	keys_begin(&now, &first_keys.master, 3);
	keys_rotate(&now, &fresh_key, time_ns, delay_ns);
	return now;
}

/* Whether a cookie made with some keys at some time is good with others at another; of all kinds of handshakes. */
static bool is_good(const struct cookie_keys *by, __u64 made_ns, const struct cookie_keys *with, __u64 checked_ns)
{
	int good = 0;

	for_each_handshake (h) {
		struct cookie c;

		h.clock = clock_with(by, made_ns);
		c = make(&h);
		h.clock = clock_with(with, checked_ns);
		good += check(&h, &c);
	}
	assert_true(good == 0 || good == 4);
	return good;
}

/* --- a rotation --------------------------------------------------------------------------------------------------- */

/*
 * For every half second of two epochs in which the rotation may come, for cookies of every second around it, seen every
 * second afterwards: a cookie is good if and only if it would be without a rotation.
 */
static void test_rotation_at_any_time_costs_no_cookie(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS;

	(void)state;
	for (__u64 at = begin; at < begin + 2 * COOKIE_EPOCH_NS; at += 4 * NSEC_PER_SEC - half_second_ns) {
		const struct cookie_keys after = rotated(at, 0);

		for (__u64 made = at - 140 * NSEC_PER_SEC; made < at + 200 * NSEC_PER_SEC; made += 3 * NSEC_PER_SEC) {
			const struct cookie_keys *by = made < at ? &first_keys : &after;

			for (__u64 seen = made; seen < made + 140 * NSEC_PER_SEC; seen += 3 * NSEC_PER_SEC)
				assert_int_equal(is_good(by, made, seen < at ? &first_keys : &after, seen),
						 is_good(&first_keys, made, &first_keys, seen));
		}
	}
}

/*
 * Two machines with the keys, each clock up to the skew from the other: what the one makes the other takes. The one
 * imports what the other has exported when the rotation is under way, before the new key begins.
 */
static void test_rotation_on_machines_with_skew_costs_no_cookie(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS;

	(void)state;
	for (__u64 at = begin; at < begin + COOKIE_EPOCH_NS; at += 4 * NSEC_PER_SEC - half_second_ns) {
		const struct cookie_keys after = rotated(at, 0);

		for (__s64 skew = -5; skew <= 5; skew += 5) {
			for (__u64 now = at; now < at + 210 * NSEC_PER_SEC; now += half_second_ns) {
				__u64 there = now + skew * (__s64)NSEC_PER_SEC;
				/* The other machine has imported it by then; before it has the former key. */
				const struct cookie_keys *other =
					there < after.from_epoch * COOKIE_EPOCH_NS - COOKIE_SKEW_NS ? &first_keys
												    : &after;

				assert_true(is_good(&after, now, other, there));
				assert_true(is_good(other, there, &after, now));
			}
		}
	}
}

static void test_rotation_begins_with_an_epoch_that_nobody_is_in(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS;

	(void)state;
	assert_int_equal(rotated(begin, 0).from_epoch, 1001);
	assert_int_equal(rotated(begin + 59 * NSEC_PER_SEC - 1, 0).from_epoch, 1001);
	assert_int_equal(rotated(begin + 59 * NSEC_PER_SEC, 0).from_epoch, 1002); /* one may be 5 s ahead */
	assert_int_equal(rotated(begin + 64 * NSEC_PER_SEC, 0).from_epoch, 1002);
}

static void test_rotation_with_delay_begins_after_it(void **state)
{
	const __u64 begin = 1000 * COOKIE_EPOCH_NS;

	(void)state;
	assert_int_equal(rotated(begin, 58 * NSEC_PER_SEC).from_epoch, 1001);
	assert_int_equal(rotated(begin, 60 * NSEC_PER_SEC).from_epoch, 1002);
	assert_int_equal(rotated(begin, 640 * NSEC_PER_SEC).from_epoch, 1011);
}

/* A rotation that follows too soon would take away a key that is needed; the first moment at which it does not. */
static void test_rotation_again_is_free_when_no_former_cookie_is_good(void **state)
{
	const __u64 at = mid_epoch_ns(1000);
	const struct cookie_keys first = rotated(at, 0);
	__u64 free_ns = at + keys_busy_ns(&first, at);
	struct cookie_keys second = first;

	(void)state;
	assert_int_equal(keys_busy_ns(&first, free_ns - 1), 1);
	assert_int_equal(keys_busy_ns(&first, free_ns), 0);
	assert_int_equal(keys_busy_ns(&first, free_ns + COOKIE_EPOCH_NS), 0);
	keys_rotate(&second, &first_keys.master, free_ns, 0);
	for (__u64 made = at; made < free_ns; made += half_second_ns) {
		__u64 there = free_ns - COOKIE_SKEW_NS; /* a machine that is behind has the second rotation as soon */

		assert_int_equal(is_good(&first, made, &second, free_ns),
				 is_good(&first_keys, made, &first_keys, free_ns));
		assert_int_equal(is_good(&first, made, &second, there), is_good(&first_keys, made, &first_keys, there));
	}
}

static void test_rotation_of_a_key_that_has_always_been_is_free(void **state)
{
	struct cookie_keys now;

	(void)state;
	keys_begin(&now, &fresh_key, 1000);
	assert_int_equal(keys_busy_ns(&now, mid_epoch_ns(1000)), 0);
}

/* For a key that has leaked: nobody can make a cookie with it that is taken, of whatever epoch. */
static void test_begun_key_makes_what_was_sent_void(void **state)
{
	const __u64 at = mid_epoch_ns(1000);
	struct cookie_keys now = first_keys;

	(void)state;
	keys_begin(&now, &fresh_key, 1000);
	for (__u64 made = at - COOKIE_LIFETIME_NS; made < at + COOKIE_LIFETIME_NS; made += NSEC_PER_SEC)
		assert_false(is_good(&first_keys, made, &now, at));
	for (__u64 seen = at; seen < at + COOKIE_EPOCH_NS; seen += NSEC_PER_SEC)
		assert_true(is_good(&now, at, &now, seen));
}

static void test_agreement_is_of_the_epochs_that_can_be_good(void **state)
{
	const struct cookie_keys after = rotated(mid_epoch_ns(1000), 0); /* from 1001 on */
	struct cookie_keys begun;

	(void)state;
	keys_begin(&begun, &first_keys.master, 7);
	assert_true(keys_agree(&first_keys, &begun, mid_epoch_ns(1000)));
	assert_true(keys_agree(&first_keys, &after, mid_epoch_ns(999)));
	assert_false(keys_agree(&first_keys, &after, mid_epoch_ns(1000))); /* of the next */
	assert_false(keys_agree(&after, &first_keys, mid_epoch_ns(1001)));
	keys_begin(&begun, &fresh_key, 1001);
	assert_false(keys_agree(&begun, &after, mid_epoch_ns(1001))); /* of the one before */
	assert_true(keys_agree(&begun, &after, mid_epoch_ns(1002)));
}

/* --- the programs ------------------------------------------------------------------------------------------------- */

static void test_clock_with_changed_keys_derives_anew(void **state)
{
	struct cookie_clock clock = clock_with(&first_keys, mid_epoch_ns(1000)), want;
	struct cookie_keys now = first_keys;

	(void)state;
	keys_begin(&now, &fresh_key, 1000);
	cookie_clock_set(&clock, &now, mid_epoch_ns(1000));
	assert_memory_equal(clock.keys, clock_with(&first_keys, mid_epoch_ns(1000)).keys, sizeof(clock.keys));
	now.generation++;
	cookie_clock_set(&clock, &now, mid_epoch_ns(1000));
	want = clock_with(&now, mid_epoch_ns(1000));
	assert_memory_equal(clock.keys, want.keys, sizeof(clock.keys));
	assert_int_equal(clock.generation, now.generation);
}

static struct device device_with(const struct cookie_keys *with)
{
	struct device device = { .config = { .keys = *with, .key_is_shared = false } };

	return device;
}

/* Whoever reads the new generation finds the new keys; whoever derived from half of them derives again. */
static void test_writing_raises_the_generation_when_the_keys_are_there(void **state)
{
	struct device device = device_with(&first_keys);
	struct cookie_keys now = rotated(mid_epoch_ns(1000), 0);

	(void)state;
	device.config.keys.generation = 41;
	device.config.test_advance_ns = 5; /* for all that is in the config beside the keys */
	now.generation = 7;		   /* of no meaning */
	assert_int_equal(keys_write(&device, &now, true), 0);
	assert_int_equal(writes, 2);
	for (int i = 0; i < 2; i++) {
		assert_memory_equal(&written[i].keys.master, &now.master, sizeof(now.master));
		assert_memory_equal(&written[i].keys.former, &now.former, sizeof(now.former));
		assert_int_equal(written[i].keys.from_epoch, 1001);
		assert_int_equal(written[i].keys.generation, 41 + i);
		assert_true(written[i].key_is_shared);
		assert_int_equal(written[i].test_advance_ns, 5);
	}
}

static void test_writing_is_noted_with_the_epoch(void **state)
{
	struct cookie_keys now = rotated(mid_epoch_ns(1000), 0);
	struct device device = device_with(&first_keys);

	(void)state;
	assert_int_equal(keys_write(&device, &now, false), 0);
	assert_int_equal(notes, 1);
	assert_int_equal(noted.kind, JOURNAL_KEY_CHANGED);
	assert_int_equal(noted.value, 1001);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation_at_any_time_costs_no_cookie),
		cmocka_unit_test(test_rotation_on_machines_with_skew_costs_no_cookie),
		cmocka_unit_test(test_rotation_begins_with_an_epoch_that_nobody_is_in),
		cmocka_unit_test(test_rotation_with_delay_begins_after_it),
		cmocka_unit_test(test_rotation_again_is_free_when_no_former_cookie_is_good),
		cmocka_unit_test(test_rotation_of_a_key_that_has_always_been_is_free),
		cmocka_unit_test(test_begun_key_makes_what_was_sent_void),
		cmocka_unit_test(test_agreement_is_of_the_epochs_that_can_be_good),
		cmocka_unit_test(test_clock_with_changed_keys_derives_anew),
		cmocka_unit_test_setup(test_writing_raises_the_generation_when_the_keys_are_there, setup),
		cmocka_unit_test_setup(test_writing_is_noted_with_the_epoch, setup),
	};

	return cmocka_run_group_tests_name("keys", tests, NULL, NULL);
}
