/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A table for people: a line of titles, then rows whose columns line up. ASCII only: a byte is a column wide.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "table.h"

#define GAP 2 /* spaces between columns */

struct table {
	const struct table_column *columns;
	int column_count;
	int next_column; /* of the row being filled */
	int widths[TABLE_COLUMNS_MAX];
	bool titles_printed;
	bool out_of_memory;
	char *text; /* the cells of the rows kept, one after the other, each with its terminating zero */
	size_t used, size;
	size_t rows;
};

struct table *table_new(const struct table_column *columns, int count)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->column_count = count;
	for (int i = 0; i < count; i++)
		table->widths[i] = (int)strlen(columns[i].title);
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	free(table->text);
	free(table);
}

static bool make_room(struct table *table, size_t bytes)
{
	size_t size = table->size ? table->size : 4096;
	char *text;

	if (table->used + bytes <= table->size)
		return true;
	while (size < table->used + bytes)
		size *= 2;
	text = realloc(table->text, size);
	if (!text)
		return false;
	table->text = text;
	table->size = size;
	return true;
}

void table_cell(struct table *table, const char *text)
{
	int length = (int)strlen(text);

	if (table->out_of_memory || !make_room(table, length + 1)) {
		table->out_of_memory = true;
		return;
	}
	memcpy(table->text + table->used, text, length + 1);
	table->used += length + 1;
	if (length > table->widths[table->next_column])
		table->widths[table->next_column] = length;
	if (++table->next_column == table->column_count) {
		table->next_column = 0;
		table->rows++;
	}
}

size_t table_rows(const struct table *table)
{
	return table->rows;
}

/* Spaces are owed until text follows, so that no line ends in them. */
static void print_cell(const struct table *table, int column, const char *text, int *owed, FILE *out)
{
	int length = (int)strlen(text);
	int padding = table->widths[column] - length;

	if (table->columns[column].right)
		*owed += padding;
	if (length) {
		fprintf(out, "%*s%s", *owed, "", text);
		*owed = 0;
	}
	*owed += (table->columns[column].right ? 0 : padding) + GAP;
}

int table_flush(struct table *table, FILE *out)
{
	const char *cell = table->text;
	int owed = 0;

	if (table->out_of_memory)
		return -ENOMEM;
	for (int i = 0; i < table->column_count && !table->titles_printed; i++)
		print_cell(table, i, table->columns[i].title, &owed, out);
	if (!table->titles_printed)
		fputc('\n', out);
	table->titles_printed = true;
	for (size_t row = 0; row < table->rows; row++) {
		owed = 0;
		for (int i = 0; i < table->column_count; i++) {
			print_cell(table, i, cell, &owed, out);
			cell += strlen(cell) + 1;
		}
		fputc('\n', out);
	}
	table->used = 0;
	table->rows = 0;
	return fflush(out) || ferror(out) ? -EIO : 0;
}
