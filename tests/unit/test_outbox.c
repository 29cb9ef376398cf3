/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring of frames: their order, their bytes, its end; and two threads on it. */
#include <poll.h>
#include <pthread.h>

#include "unit.h"

#include "../../user/daemon/outbox.c"

#define FRAMES 200000

static struct outbox *outbox;

static int setup(void **state)
{
	(void)state;
	return outbox_open(&outbox);
}

static int teardown(void **state)
{
	(void)state;
	outbox_close(outbox);
	return 0;
}

/* Its length and its bytes follow from its number. */
static __u32 make_frame(__u32 number, __u8 frame[OUTBOX_FRAME_BYTES])
{
	__u32 bytes = 54 + number % (OUTBOX_FRAME_BYTES - 53);

	memset(frame, number % 251, bytes);
	memcpy(frame, &number, sizeof(number));
	return bytes;
}

static void put(__u32 number)
{
	__u8 frame[OUTBOX_FRAME_BYTES];
	__u32 bytes = make_frame(number, frame);

	outbox_put(outbox, frame, bytes);
}

/* Whether there was one, and it was this. */
static bool take(__u32 number)
{
	__u8 expected[OUTBOX_FRAME_BYTES];
	__u32 bytes;
	const __u8 *frame = outbox_first(outbox, &bytes);

	if (!frame)
		return false;
	assert_int_equal(bytes, make_frame(number, expected));
	assert_memory_equal(frame, expected, bytes);
	outbox_drop(outbox);
	return true;
}

static void test_empty_first_is_none(void **state)
{
	__u32 bytes;

	(void)state;
	assert_null(outbox_first(outbox, &bytes));
	assert_true(outbox_has_room(outbox));
}

static void test_frames_put_are_taken_in_order(void **state)
{
	(void)state;
	for (__u32 i = 0; i < 3 * OUTBOX_FRAMES; i++) {
		put(2 * i);
		put(2 * i + 1);
		assert_true(take(2 * i));
		assert_true(take(2 * i + 1));
		assert_false(take(0));
	}
}

static void test_full_has_no_room_until_one_is_taken(void **state)
{
	(void)state;
	for (__u32 i = 0; i < OUTBOX_FRAMES; i++) {
		assert_true(outbox_has_room(outbox));
		put(i);
	}
	assert_false(outbox_has_room(outbox));
	assert_true(take(0));
	assert_true(outbox_has_room(outbox));
}

static bool is_readable(void)
{
	struct pollfd waited = { .fd = outbox_fd(outbox), .events = POLLIN };

	return poll(&waited, 1, 0) == 1;
}

static void test_rung_is_readable_until_quiet(void **state)
{
	(void)state;
	outbox_quiet(outbox);
	assert_false(is_readable());
	outbox_ring(outbox);
	outbox_ring(outbox);
	assert_true(is_readable());
	outbox_quiet(outbox);
	assert_false(is_readable());
}

static void *put_all(void *context)
{
	(void)context;
	for (__u32 i = 0; i < FRAMES;) {
		if (outbox_has_room(outbox))
			put(i++);
	}
	return NULL;
}

static void test_two_threads_every_frame_arrives_whole(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, put_all, NULL), 0);
	for (__u32 i = 0; i < FRAMES;)
		i += take(i);
	pthread_join(thread, NULL);
	assert_false(take(FRAMES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_empty_first_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_frames_put_are_taken_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_has_no_room_until_one_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rung_is_readable_until_quiet, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_threads_every_frame_arrives_whole, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
