/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How people write a span of time: a whole number and its unit, as 500ms, 60s, 5m, 2h or 1d. Pure.
 */
#ifndef SYNKEEP_DURATION_H
#define SYNKEEP_DURATION_H

#include "base.h"

/* 0, or -EINVAL: something else, no unit, or longer than a __u64 of nanoseconds can hold. */
int duration_parse(const char *text, __u64 *ns);

/* The same for a time from least_ns to most_ns; -EINVAL also if it is another. */
int duration_parse_within(const char *text, __u64 least_ns, __u64 most_ns, __u64 *ns);

#define DURATION_BYTES 24 /* the longest with its 0 */

/* Whole milliseconds as duration_parse() takes them back exactly, in the largest unit that can: 2h, 75s, 1500ms. */
char *duration_format(char buffer[DURATION_BYTES], __u64 ns);

#endif /* SYNKEEP_DURATION_H */
