/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A table for people: a line of titles, then rows whose columns line up.
 *
 * Rows are kept until table_flush(), which prints them at the widths that they need. A long listing is flushed in
 * blocks, so that memory stays bounded: widths then only grow from block to block. Not for machines: cells may be
 * empty.
 *
 *   1. table_new()   2. table_cell() for each cell, row after row   3. table_flush(), back to 2   4. table_free()
 */
#ifndef SYNKEEP_TABLE_H
#define SYNKEEP_TABLE_H

#include <stdbool.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct table_column {
	const char *title;
	bool right; /* numbers: aligned to the right */
};

struct table;

/* The columns must outlive the table. NULL: no memory. */
struct table *table_new(const struct table_column *columns, int count);
void table_free(struct table *table);

/* Appends a cell; a row is complete with its last column. A lack of memory is reported by table_flush(). */
void table_cell(struct table *table, const char *text);

/* How many complete rows are kept. */
size_t table_rows(const struct table *table);

/* Prints the complete rows, before the first of all the titles. 0, -ENOMEM or -EIO. */
int table_flush(struct table *table, FILE *out);

#endif /* SYNKEEP_TABLE_H */
