// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What comes too early: kept, told and given out as the RFCs ask, and beside a byte array under random segments. */
#include "unit.h"

#include "../../user/tcp/byte_ring.c"
#include "../../user/tcp/reassembly.c"

#define NXT 0xffffff00 /* RCV.NXT at the start of most tests: the numbers wrap early */
#define LIMIT (1 << 20)

static struct memory_account account;
static struct reassembly r;

static int setup(void **state)
{
	(void)state;
	account = (struct memory_account){ .limit_bytes = LIMIT };
	r = (struct reassembly){};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reassembly_free(&r, &account);
	return account.used_bytes ? -1 : 0;
}

/* A segment of one letter, at distances from NXT. */
static __s64 put(__u32 rcv_nxt, __u32 start, __u32 end, char letter)
{
	__u8 bytes[512];

	memset(bytes, letter, sizeof(bytes));
	return reassembly_put(&r, &account, NXT + rcv_nxt, NXT + start, bytes, end - start);
}

static void assert_text(const char *expected)
{
	char text[256] = "";

	assert_int_equal(r.ring.used, strlen(expected));
	byte_ring_read(&r.ring, 0, text, r.ring.used);
	assert_string_equal(text, expected);
}

/* The next acknowledgement's blocks, as distances from NXT: pairs of start and end. */
static void assert_blocks(__u32 rcv_nxt, __u32 room, const __s32 *pairs, __u32 count)
{
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX];

	assert_int_equal(reassembly_blocks(&r, NXT + rcv_nxt, blocks, room), count);
	for (__u32 i = 0; i < count; i++) {
		assert_int_equal((__s32)(blocks[i].start - NXT), pairs[2 * i]);
		assert_int_equal((__s32)(blocks[i].end - NXT), pairs[2 * i + 1]);
	}
}

#define ASSERT_BLOCKS(rcv_nxt, room, ...)                                                                              \
	assert_blocks(rcv_nxt, room, (const __s32[]){ __VA_ARGS__ }, ARRAY_LEN(((const __s32[]){ __VA_ARGS__ })) / 2)

static void assert_no_blocks(__u32 rcv_nxt)
{
	assert_blocks(rcv_nxt, SENT_SACK_BLOCKS_MAX, NULL, 0);
}

/* --- text -------------------------------------------------------------------------------------------------------- */

static void test_empty_in_order_text_advances(void **state)
{
	(void)state;
	assert_int_equal(put(0, 0, 3, 'a'), 3);
	assert_int_equal(put(3, 3, 5, 'b'), 2);
	assert_text("aaabb");
	assert_false(reassembly_has_hole(&r));
	assert_int_equal(reassembly_end(&r, NXT + 5), NXT + 5);
	assert_no_blocks(5);
}

static void test_empty_no_bytes_change_nothing(void **state)
{
	(void)state;
	assert_int_equal(put(0, 5, 5, 'a'), 0);
	assert_false(reassembly_has_hole(&r));
	assert_int_equal(account.used_bytes, 0);
}

static void test_hole_filled_advances_over_what_waited(void **state)
{
	(void)state;
	assert_int_equal(put(0, 2, 4, 'b'), 0);
	assert_true(reassembly_has_hole(&r));
	assert_int_equal(reassembly_end(&r, NXT), NXT + 4);
	assert_int_equal(put(0, 0, 2, 'a'), 4);
	assert_text("aabb");
	assert_false(reassembly_has_hole(&r));
}

static void test_two_holes_first_filled_leaves_the_second(void **state)
{
	(void)state;
	put(0, 2, 4, 'b');
	put(0, 6, 8, 'd');
	assert_int_equal(put(0, 0, 2, 'a'), 4);
	assert_true(reassembly_has_hole(&r));
	assert_int_equal(reassembly_end(&r, NXT + 4), NXT + 8);
	ASSERT_BLOCKS(4, 4, 6, 8);
	assert_int_equal(put(4, 4, 6, 'c'), 4);
	assert_text("aabbccdd");
}

static void test_overlap_what_came_first_stays(void **state)
{
	(void)state;
	put(0, 2, 4, 'x');
	put(0, 6, 8, 'y');
	put(0, 1, 10, 'z'); /* before, over, between, over, behind */
	ASSERT_BLOCKS(0, 4, 2, 4, 1, 10);
	assert_int_equal(put(0, 0, 3, 'a'), 10);
	assert_text("azxxzzyyzz");
}

static void test_in_order_text_over_a_piece_leaves_it(void **state)
{
	(void)state;
	put(0, 2, 4, 'x');
	assert_int_equal(put(0, 0, 6, 'a'), 6);
	assert_text("aaxxaa");
	assert_false(reassembly_has_hole(&r));
	ASSERT_BLOCKS(6, 4, 2, 4);
}

static void test_pieces_read_in_between_stay_in_place(void **state)
{
	(void)state;
	put(0, 0, 3, 'a');
	put(3, 5, 7, 'c');
	reassembly_drop(&r, &account, 3);
	assert_true(reassembly_has_hole(&r));
	assert_int_equal(put(3, 3, 5, 'b'), 4);
	assert_text("bbcc");
}

static void test_unread_text_the_ring_grows_behind_it(void **state)
{
	static const struct {
		__u32 end;
		char letter;
	} runs[] = { { 2000, 'a' }, { 2100, 'b' }, { 2400, 'c' }, { 5000, 'd' }, { 5300, 'e' } };
	char text[5300];

	(void)state;
	for (__u32 i = 0; i < 2000; i += 500)
		put(i, i, i + 500, 'a');
	assert_int_equal(r.ring.capacity, 2048);
	put(2000, 2100, 2400, 'c');
	put(2000, 5000, 5300, 'e');
	assert_int_equal(put(2000, 2000, 2100, 'b'), 400);
	for (__u32 i = 2400; i < 5000; i += 100)
		put(i, i, i + 100, 'd');
	assert_int_equal(r.ring.used, sizeof(text));
	byte_ring_read(&r.ring, 0, text, sizeof(text));
	for (__u32 i = 0, run = 0; i < sizeof(text); i++) {
		run += i == runs[run].end;
		assert_int_equal(text[i], runs[run].letter);
	}
}

/* --- blocks ------------------------------------------------------------------------------------------------------ */

static void test_pieces_told_the_last_first(void **state)
{
	(void)state;
	put(0, 30, 40, 'a');
	put(0, 10, 20, 'b');
	put(0, 70, 80, 'c');
	put(0, 50, 60, 'd');
	ASSERT_BLOCKS(0, 4, 50, 60, 70, 80, 10, 20, 30, 40);
	put(0, 40, 45, 'e'); /* touches the oldest, which is the latest by that */
	ASSERT_BLOCKS(0, 3, 30, 45, 50, 60, 70, 80);
	put(0, 65, 70, 'f'); /* touches from below */
	ASSERT_BLOCKS(0, 2, 65, 80, 30, 45);
	put(0, 20, 30, 'g'); /* makes one of two */
	ASSERT_BLOCKS(0, 4, 10, 45, 65, 80, 50, 60);
}

static void test_duplicate_below_told_first_and_once(void **state)
{
	(void)state;
	put(0, 0, 10, 'a');
	put(10, 20, 30, 'b');
	reassembly_note_duplicate(&r, NXT + 2, NXT + 6);
	ASSERT_BLOCKS(10, 3, 2, 6, 20, 30);
	ASSERT_BLOCKS(10, 3, 20, 30);
}

static void test_duplicate_no_room_told_later(void **state)
{
	(void)state;
	reassembly_note_duplicate(&r, NXT - 4, NXT);
	assert_blocks(0, 0, NULL, 0);
	ASSERT_BLOCKS(0, 1, -4, 0);
	assert_no_blocks(0);
}

static void test_piece_duplicate_in_it_told_with_the_piece_behind(void **state)
{
	(void)state;
	put(0, 10, 30, 'a');
	put(0, 50, 60, 'b');
	put(0, 15, 20, 'x');
	put(0, 70, 80, 'c'); /* later than the duplicate, told behind its piece all the same */
	ASSERT_BLOCKS(0, 4, 15, 20, 10, 30, 70, 80, 50, 60);
	ASSERT_BLOCKS(0, 2, 10, 30, 70, 80);
}

static void test_piece_partial_duplicate_told_as_far_as_it_was_there(void **state)
{
	(void)state;
	put(0, 10, 20, 'a');
	put(0, 30, 40, 'b');
	put(0, 15, 35, 'x');
	ASSERT_BLOCKS(0, 4, 15, 20, 10, 40);
	put(0, 5, 12, 'x');
	ASSERT_BLOCKS(0, 4, 10, 12, 5, 40);
}

static void test_piece_duplicate_in_it_room_for_one_tells_the_piece(void **state)
{
	(void)state;
	put(0, 10, 30, 'a');
	put(0, 50, 60, 'b');
	put(0, 15, 20, 'x');
	ASSERT_BLOCKS(0, 1, 10, 30);
	ASSERT_BLOCKS(0, 2, 10, 30, 50, 60);
}

static void test_duplicate_not_held_is_not_told(void **state)
{
	(void)state;
	reassembly_note_duplicate(&r, NXT + 40, NXT + 41);
	assert_no_blocks(0);
	put(0, 10, 30, 'a');
	reassembly_note_duplicate(&r, NXT + 40, NXT + 41);
	ASSERT_BLOCKS(0, 4, 10, 30);
	ASSERT_BLOCKS(0, 4, 10, 30);
}

static void test_stamps_wrapped_order_holds(void **state)
{
	(void)state;
	put(0, 10, 20, 'a');
	r.ranges->stamp = r.ranges->pieces[0].stamp = 0xffffffff;
	put(0, 30, 40, 'b');
	put(0, 50, 60, 'c');
	ASSERT_BLOCKS(0, 4, 50, 60, 30, 40, 10, 20);
}

/* --- bounds and memory ------------------------------------------------------------------------------------------- */

static void test_pieces_at_most_one_more_is_refused(void **state)
{
	__u64 used;

	(void)state;
	for (__u32 i = 0; i < REASSEMBLY_RANGES_MAX; i++)
		assert_int_equal(put(0, 4 * i + 2, 4 * i + 4, 'a'), 0);
	used = account.used_bytes;
	assert_int_equal(put(0, 4 * REASSEMBLY_RANGES_MAX + 2, 4 * REASSEMBLY_RANGES_MAX + 3, 'b'), -ENOMEM);
	assert_int_equal(account.used_bytes, used);
	assert_int_equal(reassembly_end(&r, NXT), NXT + 4 * REASSEMBLY_RANGES_MAX);
	assert_int_equal(put(0, 4, 6, 'b'), 0); /* makes one of two */
	assert_int_equal(put(0, 4 * REASSEMBLY_RANGES_MAX + 2, 4 * REASSEMBLY_RANGES_MAX + 3, 'b'), 0);
	assert_int_equal(put(0, 0, 1, 'c'), 1); /* in order, no piece: always taken */
}

static void test_idle_costs_nothing(void **state)
{
	(void)state;
	put(0, 0, 10, 'a');
	assert_int_equal(account.used_bytes, r.ring.capacity);
	put(10, 20, 30, 'b');
	assert_int_equal(account.used_bytes, r.ring.capacity + sizeof(*r.ranges));
	reassembly_drop(&r, &account, 10);
	assert_true(r.ring.capacity); /* a piece lies there */
	put(10, 10, 20, 'c');
	assert_null(r.ranges);
	assert_int_equal(account.used_bytes, r.ring.capacity);
	reassembly_drop(&r, &account, 20);
	assert_int_equal(account.used_bytes, 0);
}

static void test_account_full_refuses_and_keeps_nothing(void **state)
{
	(void)state;
	account.limit_bytes = 0;
	assert_int_equal(put(0, 10, 20, 'a'), -ENOMEM);
	assert_int_equal(put(0, 0, 20, 'a'), -ENOMEM);
	account.limit_bytes = sizeof(*r.ranges); /* the list, but no ring */
	assert_int_equal(put(0, 10, 20, 'a'), -ENOMEM);
	assert_false(reassembly_has_hole(&r));
	assert_int_equal(account.used_bytes, 0);
}

static void test_account_full_keeps_what_was_there(void **state)
{
	(void)state;
	put(0, 0, 10, 'a');
	account.limit_bytes = account.used_bytes; /* a ring with room, but no list */
	assert_int_equal(put(10, 12, 14, 'b'), -ENOMEM);
	assert_int_equal(put(10, 10, 12, 'b'), 2);
	assert_text("aaaaaaaaaabb");
	account.limit_bytes = LIMIT;
	put(12, 14, 16, 'd');
	account.limit_bytes = account.used_bytes;
	assert_int_equal(reassembly_put(&r, &account, NXT + 12, NXT + 12 + LIMIT, (const __u8 *)"x", 1), -ENOMEM);
	assert_int_equal(put(12, 12, 14, 'c'), 4);
	assert_text("aaaaaaaaaabbccdd");
}

static void test_holes_renege_leaves_what_is_in_order(void **state)
{
	(void)state;
	put(0, 0, 2, 'a');
	put(2, 10, 20, 'b');
	put(2, 12, 14, 'b');
	reassembly_renege(&r, &account);
	assert_false(reassembly_has_hole(&r));
	assert_no_blocks(2);
	assert_text("aa");
	assert_int_equal(account.used_bytes, r.ring.capacity);
	assert_int_equal(put(2, 2, 20, 'c'), 18); /* sent again, and taken as it comes now */
	assert_text("aacccccccccccccccccc");
}

static void test_holes_renege_nothing_in_order_gives_all_back(void **state)
{
	(void)state;
	put(0, 10, 20, 'b');
	reassembly_renege(&r, &account);
	assert_int_equal(account.used_bytes, 0);
	reassembly_renege(&r, &account);
	assert_int_equal(account.used_bytes, 0);
}

static void test_holes_free_gives_all_back(void **state)
{
	(void)state;
	put(0, 0, 10, 'a');
	put(10, 20, 30, 'b');
	reassembly_free(&r, &account);
	assert_int_equal(account.used_bytes, 0);
	assert_false(reassembly_has_hole(&r));
	assert_int_equal(r.ring.used, 0);
}

/* --- beside a byte array ----------------------------------------------------------------------------------------- */

#define STREAM 1024
#define WINDOW 200
#define SEEDS 4000

/* Every byte: what came first of it, and when it came last (0: never). */
struct model {
	__u8 bytes[STREAM];
	__u32 came[STREAM];
	__u32 clock;
	__u32 start; /* the sequence number of bytes[0] */
	__u32 read;  /* bytes that were */
	__u32 nxt;   /* RCV.NXT, as an index */
	struct sack_block duplicate;
};

static __u32 run_end(const struct model *m, __u32 at)
{
	while (at < STREAM && m->came[at])
		at++;
	return at;
}

static __u32 count_runs(const struct model *m)
{
	__u32 runs = 0;

	for (__u32 at = m->nxt + 1; at < STREAM; at++)
		runs += m->came[at] && !m->came[at - 1];
	return runs;
}

/* When the last segment fell into the run that begins at an index. */
static __u32 run_came(const struct model *m, __u32 at)
{
	__u32 latest = 0;

	for (; at < STREAM && m->came[at]; at++)
		latest = m->came[at] > latest ? m->came[at] : latest;
	return latest;
}

static void model_put(struct model *m, __u32 from, __u32 to, const __u8 *bytes)
{
	bool noted = false;

	m->clock++;
	for (__u32 i = from; i < to; i++) {
		if (!m->came[i]) {
			m->bytes[i] = bytes[i - from];
		} else if (!noted) {
			__u32 end = run_end(m, i) < to ? run_end(m, i) : to;

			noted = true;
			m->duplicate = (struct sack_block){ m->start + i, m->start + end };
		}
		m->came[i] = m->clock;
	}
	m->nxt = run_end(m, m->nxt);
}

/* The run that came last before a time; *at is where it begins. Returns its time, 0: none. */
static __u32 model_recent(const struct model *m, __u32 before, __u32 *at)
{
	__u32 latest = 0;

	for (__u32 i = m->nxt; i < STREAM; i++) {
		if (!m->came[i] || (i && m->came[i - 1]))
			continue;
		if (run_came(m, i) < before && run_came(m, i) > latest) {
			latest = run_came(m, i);
			*at = i;
		}
	}
	return latest;
}

static void assert_model_blocks(struct model *m, __u32 room)
{
	struct sack_block blocks[SENT_SACK_BLOCKS_MAX], duplicate = m->duplicate;
	__u32 count = reassembly_blocks(&r, m->start + m->nxt, blocks, room), expected = 0, before, at = 0;
	bool is_above = seq_after(duplicate.end, m->start + m->nxt);

	if (room && duplicate.start != duplicate.end) {
		if (is_above)
			m->came[duplicate.start - m->start] = ++m->clock; /* its run comes next */
		if (!is_above || room > 1) {
			assert_int_equal(blocks[0].start, duplicate.start);
			assert_int_equal(blocks[0].end, duplicate.end);
			expected = 1;
		}
		m->duplicate = (struct sack_block){};
	}
	for (before = m->clock + 1; expected < room; expected++) {
		before = model_recent(m, before, &at);
		if (!before)
			break;
		assert_int_equal(blocks[expected].start, m->start + at);
		assert_int_equal(blocks[expected].end, m->start + run_end(m, at));
	}
	assert_int_equal(count, expected);
}

static void assert_model(const struct model *m)
{
	__u8 text[STREAM];
	__u32 last = m->nxt;

	for (__u32 i = m->nxt; i < STREAM; i++) {
		if (m->came[i])
			last = i + 1;
	}
	assert_int_equal(reassembly_has_hole(&r), last != m->nxt);
	assert_int_equal(reassembly_end(&r, m->start + m->nxt), m->start + last);
	assert_int_equal(r.ring.used, m->nxt - m->read);
	byte_ring_read(&r.ring, 0, text, r.ring.used);
	assert_memory_equal(text, m->bytes + m->read, r.ring.used);
	if (last == m->nxt && m->nxt == m->read)
		assert_int_equal(account.used_bytes, 0);
}

static void model_renege(struct model *m)
{
	memset(m->came + m->nxt, 0, sizeof(m->came) - m->nxt * sizeof(m->came[0]));
	m->duplicate = (struct sack_block){};
	reassembly_renege(&r, &account);
}

static void step(struct model *m, __u64 *series)
{
	__u8 bytes[64];
	__u32 window_end = m->read + WINDOW < STREAM ? m->read + WINDOW : STREAM;
	__u32 from = m->nxt, to, before = m->nxt, runs;

	if (unit_random(series) % 4 && m->nxt < window_end)
		from += unit_random(series) % (window_end - m->nxt);
	to = from + unit_random(series) % (unit_random(series) % 4 ? 8 : 64);
	to = to < window_end ? to : window_end;
	for (__u32 i = 0; i < sizeof(bytes); i++)
		bytes[i] = (__u8)unit_random(series);
	runs = count_runs(m);
	if (to > from) {
		struct model trial = *m;
		__s64 got = reassembly_put(&r, &account, m->start + m->nxt, m->start + from, bytes, to - from);

		model_put(&trial, from, to, bytes);
		if (runs == REASSEMBLY_RANGES_MAX && count_runs(&trial) > runs) {
			assert_int_equal(got, -ENOMEM);
		} else {
			*m = trial;
			assert_int_equal(got, m->nxt - before);
		}
	}
	assert_model(m);
	if (unit_random(series) % 3 == 0)
		assert_model_blocks(m, unit_random(series) % (SENT_SACK_BLOCKS_MAX + 1));
	if (unit_random(series) % 4 == 0 && m->nxt > m->read) {
		__u32 length = 1 + unit_random(series) % (m->nxt - m->read);

		reassembly_drop(&r, &account, length);
		m->read += length;
		assert_model(m);
	}
	if (unit_random(series) % 64 == 0)
		model_renege(m);
}

static void test_random_segments_as_a_byte_array(void **state)
{
	__u64 series = 1;

	for (__u32 seed = 0; seed < SEEDS; seed++) {
		struct model m = { .start = seed % 2 ? unit_random(&series) : -unit_random(&series) % STREAM };

		setup(state);
		for (__u32 i = 0; i < 100; i++)
			step(&m, &series);
		reassembly_free(&r, &account);
		assert_int_equal(account.used_bytes, 0);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_in_order_text_advances),
		TEST(test_empty_no_bytes_change_nothing),
		TEST(test_hole_filled_advances_over_what_waited),
		TEST(test_two_holes_first_filled_leaves_the_second),
		TEST(test_overlap_what_came_first_stays),
		TEST(test_in_order_text_over_a_piece_leaves_it),
		TEST(test_pieces_read_in_between_stay_in_place),
		TEST(test_unread_text_the_ring_grows_behind_it),
		TEST(test_pieces_told_the_last_first),
		TEST(test_duplicate_below_told_first_and_once),
		TEST(test_duplicate_no_room_told_later),
		TEST(test_piece_duplicate_in_it_told_with_the_piece_behind),
		TEST(test_piece_partial_duplicate_told_as_far_as_it_was_there),
		TEST(test_piece_duplicate_in_it_room_for_one_tells_the_piece),
		TEST(test_duplicate_not_held_is_not_told),
		TEST(test_stamps_wrapped_order_holds),
		TEST(test_pieces_at_most_one_more_is_refused),
		TEST(test_idle_costs_nothing),
		TEST(test_account_full_refuses_and_keeps_nothing),
		TEST(test_account_full_keeps_what_was_there),
		TEST(test_holes_renege_leaves_what_is_in_order),
		TEST(test_holes_renege_nothing_in_order_gives_all_back),
		TEST(test_holes_free_gives_all_back),
		TEST(test_random_segments_as_a_byte_array),
	};

	return cmocka_run_group_tests_name("reassembly", tests, NULL, NULL);
}
