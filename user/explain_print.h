/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints explanations on stdout: a line each, with the entries that decided below it if they are wanted; or JSON, a
 * list of objects, which is written while it grows.
 *
 *   1. explain_print_begin()   2. explain_print() or explain_print_refused() for each packet   3. explain_print_end()
 */
#ifndef SYNKEEP_EXPLAIN_PRINT_H
#define SYNKEEP_EXPLAIN_PRINT_H

#include "explain.h"

struct explain_print {
	bool json;
	bool entries;	/* below each line */
	bool separates; /* in JSON: an element precedes */
};

void explain_print_begin(const struct explain_print *print);

/* number: of the packet in its file; 0: it comes from none. missing_bytes: that the capture has cut, taken as zeros. */
void explain_print(struct explain_print *print, __u64 number, __u32 missing_bytes, const struct explanation *x);

/* A packet that the program could not be shown, and why. */
void explain_print_refused(struct explain_print *print, __u64 number, __u32 bytes, const char *why);

/* 0 or -EIO. */
int explain_print_end(const struct explain_print *print);

#endif /* SYNKEEP_EXPLAIN_PRINT_H */
