/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints a listing of connections on stdout, as a table or as JSON, while it is being read.
 *
 * A listing may be long, so nothing grows with it: connections are taken in blocks. One that fits in a block is sorted
 * by address and its columns line up; of a longer one, only the columns of a block do, and widths never shrink.
 *
 *   1. flow_print_begin()   2. flow_print_device(), then flow_print_add() for each of its connections; again
 *   3. flow_print_end()
 */
#ifndef SYNKEEP_FLOW_PRINT_H
#define SYNKEEP_FLOW_PRINT_H

#include "flow_view.h"
#include "table.h"

#define FLOW_PRINT_BLOCK 4096

struct flow_print {
	struct table *table; /* NULL: JSON */
	const char *device;
	bool shows_device; /* in the table: there is more than one */
	bool is_long;	   /* the device's connections did not fit in the block */
	bool separates;	   /* in JSON: an element precedes */
	int block_count;
	struct flow_view *block;
};

/* 0 or -ENOMEM. */
int flow_print_begin(struct flow_print *print, bool json, bool shows_device);

/* 0, -ENOMEM or -EIO. name must live until the end. */
int flow_print_device(struct flow_print *print, const char *name);
int flow_print_add(struct flow_print *print, const struct flow_view *view);

/* Completes the listing, if err is 0, and frees. Returns err, or what went wrong here: 0, -ENOMEM or -EIO. */
int flow_print_end(struct flow_print *print, int err);

#endif /* SYNKEEP_FLOW_PRINT_H */
