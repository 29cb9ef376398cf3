/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Tables whose columns line up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../user/table.c"

static const struct table_column columns[] = { { "NAME", false }, { "SIZE", true }, { "NOTE", false } };

static void add_row(struct table *table, const char *name, const char *size, const char *note)
{
	table_cell(table, name);
	table_cell(table, size);
	table_cell(table, note);
}

/* What a flush prints; for the caller to free. */
static char *flushed(struct table *table)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(table_flush(table, out), 0);
	fclose(out);
	return text;
}

static void assert_flushed(struct table *table, const char *expected)
{
	char *text = flushed(table);

	assert_string_equal(text, expected);
	free(text);
}

static void test_no_row_prints_the_titles(void **state)
{
	struct table *table = table_new(columns, 3);

	(void)state;
	assert_flushed(table, "NAME  SIZE  NOTE\n");
	assert_flushed(table, "");
	table_free(table);
}

static void test_columns_line_up_at_the_widest_cell(void **state)
{
	struct table *table = table_new(columns, 3);

	(void)state;
	add_row(table, "a", "1", "x");
	add_row(table, "longer", "12345", "y");
	assert_int_equal(table_rows(table), 2);
	assert_flushed(table, "NAME     SIZE  NOTE\n"
			      "a           1  x\n"
			      "longer  12345  y\n");
	assert_int_equal(table_rows(table), 0);
	table_free(table);
}

static void test_empty_cell_leaves_no_space_at_the_end(void **state)
{
	struct table *table = table_new(columns, 3);

	(void)state;
	add_row(table, "a", "1", "");
	add_row(table, "", "", "");
	add_row(table, "", "2", "x");
	assert_flushed(table, "NAME  SIZE  NOTE\n"
			      "a        1\n"
			      "\n"
			      "         2  x\n");
	table_free(table);
}

static void test_second_block_keeps_the_widths(void **state)
{
	struct table *table = table_new(columns, 3);
	char *first;

	(void)state;
	add_row(table, "longest", "1", "x");
	first = flushed(table);
	free(first);
	add_row(table, "a", "2", "y");
	assert_flushed(table, "a           2  y\n");
	table_free(table);
}

static void test_row_in_the_making_is_not_printed(void **state)
{
	struct table *table = table_new(columns, 3);

	(void)state;
	add_row(table, "a", "1", "x");
	table_cell(table, "b");
	assert_int_equal(table_rows(table), 1);
	assert_flushed(table, "NAME  SIZE  NOTE\n"
			      "a        1  x\n");
	table_free(table);
}

static void test_many_rows_grow_the_store(void **state)
{
	struct table *table = table_new(columns, 3);
	char *text;

	(void)state;
	for (int i = 0; i < 10000; i++)
		add_row(table, "name", "1", "note");
	text = flushed(table);
	assert_int_equal(strlen(text), 10001 * strlen("NAME  SIZE  NOTE\n"));
	free(text);
	table_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_row_prints_the_titles),
		cmocka_unit_test(test_columns_line_up_at_the_widest_cell),
		cmocka_unit_test(test_empty_cell_leaves_no_space_at_the_end),
		cmocka_unit_test(test_second_block_keeps_the_widths),
		cmocka_unit_test(test_row_in_the_making_is_not_printed),
		cmocka_unit_test(test_many_rows_grow_the_store),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
