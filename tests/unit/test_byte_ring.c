/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A ring of bytes, beside a plain array of the same bytes. */
#include "unit.h"

#include "../../user/tcp/byte_ring.c"

#define LIMIT (64 * 1024)

static struct memory_account account_of(__u64 limit_bytes)
{
	return (struct memory_account){ .limit_bytes = limit_bytes };
}

/* A ring of 2048 or more with used bytes 0, 1, 2, ... whose head is at an index. */
static struct byte_ring ring_at(struct memory_account *account, __u32 head, __u32 used)
{
	struct byte_ring ring = { 0 };

	assert_int_equal(byte_ring_reserve(&ring, account, used > 2048 ? used : 2048), 0);
	ring.head = head;
	for (__u32 i = 0; i < used; i++)
		byte_ring_write(&ring, i, &(__u8){ (__u8)i }, 1);
	byte_ring_extend(&ring, used);
	return ring;
}

static void assert_counts_up(const struct byte_ring *ring, __u32 offset, __u32 length)
{
	__u8 bytes[4096];

	byte_ring_read(ring, offset, bytes, length);
	for (__u32 i = 0; i < length; i++)
		assert_int_equal(bytes[i], (__u8)(offset + i));
}

static void test_empty_reserve_charges_what_it_takes(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = { 0 };

	(void)state;
	assert_int_equal(byte_ring_reserve(&ring, &account, 0), 0);
	assert_null(ring.bytes);
	assert_int_equal(byte_ring_reserve(&ring, &account, 1), 0);
	assert_int_equal(ring.capacity, 512);
	assert_int_equal(account.used_bytes, 512);
	assert_int_equal(byte_ring_reserve(&ring, &account, 2049), 0);
	assert_int_equal(ring.capacity, 4096);
	assert_int_equal(byte_ring_reserve(&ring, &account, 40000), 0);
	assert_int_equal(ring.capacity, 65536);
	assert_int_equal(account.used_bytes, 65536);
	byte_ring_free(&ring, &account);
	assert_int_equal(account.used_bytes, 0);
}

static void test_full_account_reserve_is_refused_and_changes_nothing(void **state)
{
	struct memory_account account = account_of(4096);
	struct byte_ring ring = ring_at(&account, 100, 2000);

	(void)state;
	assert_int_equal(byte_ring_reserve(&ring, &account, 4097), -ENOMEM);
	assert_int_equal(ring.capacity, 2048);
	assert_int_equal(account.used_bytes, 2048);
	assert_counts_up(&ring, 0, 2000);
	/* Only the growth is charged: the new ring takes the place of the old one. */
	assert_int_equal(byte_ring_reserve(&ring, &account, 4096), 0);
	assert_int_equal(account.used_bytes, 4096);
	byte_ring_free(&ring, &account);
}

static void test_empty_reserve_beyond_any_window_is_refused(void **state)
{
	struct memory_account account = account_of(UINT64_MAX);
	struct byte_ring ring = { 0 };

	(void)state;
	assert_int_equal(byte_ring_reserve(&ring, &account, BYTE_RING_CAPACITY_MAX + 1), -ENOMEM);
	assert_int_equal(byte_ring_reserve(&ring, &account, UINT32_MAX), -ENOMEM);
	assert_int_equal(account.used_bytes, 0);
}

static void test_wrapped_growth_keeps_what_is_there_and_what_lies_behind(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = ring_at(&account, 1500, 700);
	__u8 too_early[300], found[300];

	(void)state;
	memset(too_early, 0xee, sizeof(too_early));
	byte_ring_write(&ring, 1700, too_early, sizeof(too_early));
	assert_int_equal(byte_ring_reserve(&ring, &account, 5000), 0);
	assert_int_equal(ring.used, 700);
	assert_counts_up(&ring, 0, 700);
	byte_ring_read(&ring, 1700, found, sizeof(found));
	assert_memory_equal(found, too_early, sizeof(found));
	byte_ring_free(&ring, &account);
}

static void test_wrapped_peek_gives_each_side(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = ring_at(&account, 2000, 100);
	const __u8 *bytes;

	(void)state;
	assert_int_equal(byte_ring_peek(&ring, 0, &bytes), 48);
	assert_int_equal(bytes[47], 47);
	assert_int_equal(byte_ring_peek(&ring, 40, &bytes), 8);
	assert_int_equal(byte_ring_peek(&ring, 48, &bytes), 52);
	assert_int_equal(bytes[0], 48);
	assert_int_equal(byte_ring_peek(&ring, 100, &bytes), 0);
	assert_int_equal(byte_ring_peek(&ring, 101, &bytes), 0);
	byte_ring_free(&ring, &account);
}

static void test_empty_ring_takes_nothing(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = { 0 };
	const __u8 *bytes;

	(void)state;
	byte_ring_write(&ring, 0, NULL, 0);
	byte_ring_read(&ring, 0, NULL, 0);
	assert_int_equal(byte_ring_peek(&ring, 0, &bytes), 0);
	byte_ring_drop(&ring, &account, 0, false);
	byte_ring_free(&ring, &account);
	assert_int_equal(account.used_bytes, 0);
}

static void test_used_drop_gives_back_with_the_last_byte(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = ring_at(&account, 2040, 100);

	(void)state;
	byte_ring_drop(&ring, &account, 99, false);
	assert_int_equal(ring.used, 1);
	assert_counts_up(&(struct byte_ring){ .bytes = ring.bytes, .capacity = 2048, .head = 2040 }, 99, 1);
	assert_int_equal(account.used_bytes, 2048);
	byte_ring_drop(&ring, &account, 1, false);
	assert_null(ring.bytes);
	assert_int_equal(ring.capacity, 0);
	assert_int_equal(ring.head, 0);
	assert_int_equal(account.used_bytes, 0);
}

static void test_wrapped_drop_then_growth_keeps_the_rest(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = ring_at(&account, 2000, 512);
	__u8 found[256];

	(void)state;
	byte_ring_drop(&ring, &account, 256, false);
	assert_int_equal(byte_ring_reserve(&ring, &account, 2049), 0);
	byte_ring_read(&ring, 0, found, sizeof(found));
	for (__u32 i = 0; i < sizeof(found); i++)
		assert_int_equal(found[i], i);
	byte_ring_free(&ring, &account);
}

static void test_used_drop_keeps_what_lies_behind(void **state)
{
	struct memory_account account = account_of(LIMIT);
	struct byte_ring ring = ring_at(&account, 2040, 100);
	__u8 found;

	(void)state;
	byte_ring_write(&ring, 150, &(__u8){ 0xab }, 1);
	byte_ring_drop(&ring, &account, 100, true);
	assert_int_equal(account.used_bytes, 2048);
	byte_ring_read(&ring, 50, &found, 1);
	assert_int_equal(found, 0xab);
	byte_ring_drop(&ring, &account, 0, false);
	assert_int_equal(account.used_bytes, 0);
}

/* What the ring should be: its bytes from the head on, and which of them were written. */
struct model {
	__u8 bytes[LIMIT];
	bool written[LIMIT];
	__u32 used;
	__u32 reserved;
};

static void assert_is_model(const struct byte_ring *ring, const struct model *model)
{
	static __u8 bytes[LIMIT];

	assert_int_equal(ring->used, model->used);
	assert_true(ring->capacity >= model->reserved);
	byte_ring_read(ring, 0, bytes, ring->capacity);
	for (__u32 i = 0; i < model->reserved; i++) {
		if (model->written[i])
			assert_int_equal(bytes[i], model->bytes[i]);
	}
	for (__u32 offset = 0; offset < model->used;) {
		const __u8 *piece;
		__u32 length = byte_ring_peek(ring, offset, &piece);

		assert_in_range(length, 1, model->used - offset);
		assert_memory_equal(piece, model->bytes + offset, length);
		offset += length;
	}
}

static void model_write(struct model *model, struct byte_ring *ring, __u64 *series)
{
	__u32 offset = unit_random(series) % model->reserved;
	__u32 length = 1 + unit_random(series) % (model->reserved - offset);

	for (__u32 i = offset; i < offset + length; i++) {
		model->bytes[i] = (__u8)unit_random(series);
		model->written[i] = true;
	}
	byte_ring_write(ring, offset, model->bytes + offset, length);
}

/* What is written without a gap behind the end is there now. */
static void model_extend(struct model *model, struct byte_ring *ring)
{
	__u32 end = model->used;

	while (end < model->reserved && model->written[end])
		end++;
	byte_ring_extend(ring, end - model->used);
	model->used = end;
}

static void model_drop(struct model *model, struct byte_ring *ring, struct memory_account *account, __u64 *series)
{
	__u32 length = model->used ? 1 + unit_random(series) % model->used : 0;
	bool behind;

	model->used -= length;
	model->reserved -= length;
	memmove(model->bytes, model->bytes + length, model->reserved);
	memmove(model->written, model->written + length, model->reserved);
	memset(model->written + model->reserved, 0, LIMIT - model->reserved);
	behind = memchr(model->written + model->used, true, LIMIT - model->used);
	byte_ring_drop(ring, account, length, behind);
	if (!model->used && !behind) {
		assert_null(ring->bytes);
		model->reserved = 0;
	}
}

static void test_random_operations_agree_with_an_array(void **state)
{
	static struct model model;

	(void)state;
	for (__u64 seed = 0; seed < 100; seed++) {
		struct memory_account account = account_of(LIMIT);
		struct byte_ring ring = { 0 };
		__u64 series = seed;

		model = (struct model){ 0 };
		for (int step = 0; step < 30; step++) {
			__u32 size = model.used + unit_random(&series) % (1U << (4 + unit_random(&series) % 13));

			if (size > LIMIT)
				size = LIMIT;
			assert_int_equal(byte_ring_reserve(&ring, &account, size), 0);
			if (size > model.reserved)
				model.reserved = size;
			if (model.reserved)
				model_write(&model, &ring, &series);
			if (unit_random(&series) % 2)
				model_extend(&model, &ring);
			assert_is_model(&ring, &model);
			if (unit_random(&series) % 2)
				model_drop(&model, &ring, &account, &series);
			assert_is_model(&ring, &model);
			assert_int_equal(account.used_bytes, ring.capacity);
		}
		byte_ring_free(&ring, &account);
		assert_int_equal(account.used_bytes, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_reserve_charges_what_it_takes),
		cmocka_unit_test(test_full_account_reserve_is_refused_and_changes_nothing),
		cmocka_unit_test(test_empty_reserve_beyond_any_window_is_refused),
		cmocka_unit_test(test_wrapped_growth_keeps_what_is_there_and_what_lies_behind),
		cmocka_unit_test(test_wrapped_peek_gives_each_side),
		cmocka_unit_test(test_empty_ring_takes_nothing),
		cmocka_unit_test(test_used_drop_gives_back_with_the_last_byte),
		cmocka_unit_test(test_wrapped_drop_then_growth_keeps_the_rest),
		cmocka_unit_test(test_used_drop_keeps_what_lies_behind),
		cmocka_unit_test(test_random_operations_agree_with_an_array),
	};

	return cmocka_run_group_tests_name("byte_ring", tests, NULL, NULL);
}
