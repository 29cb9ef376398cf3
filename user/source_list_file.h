/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A list of sources as a file: a prefix a line, what is behind a # is a comment.
 *
 *   192.0.2.0/24
 *   2001:db8::/32 timeout 1h      # for an hour from when it is read
 *   198.51.100.7 monitor          # of a deny list: counted, not dropped
 */
#ifndef SYNKEEP_SOURCE_LIST_FILE_H
#define SYNKEEP_SOURCE_LIST_FILE_H

#include <stdio.h>

#include "source_rule.h"

#define SOURCE_LIST_FILE_ERROR_BYTES (SOURCE_RULE_ERROR_BYTES + 512)

/*
 * Reads all of it: the rules, in the order of source_rule_compare(), for the caller to free. action: SOURCE_ALLOW or
 * SOURCE_DENY, what a line means that does not say. Time-outs have not begun (source_rule_begin()).
 * Returns 0, or -errno and in error "NAME:LINE: " and what is wrong: a line that is none, or a prefix that came before;
 * more than SOURCE_LIST_MAX; or that it could not be read.
 */
int source_list_file_read(FILE *in, const char *name, enum source_action action, struct source_rule **rules,
			  size_t *count, char error[SOURCE_LIST_FILE_ERROR_BYTES]);

/* Writes what source_list_file_read() takes back, with what is left of time-outs. 0 or -errno. */
int source_list_file_write(FILE *out, const struct source_rule *rules, size_t count, __u64 now_ns);

#endif /* SYNKEEP_SOURCE_LIST_FILE_H */
