/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How people write a span of time: a whole number and its unit, as 500ms, 60s, 5m, 2h or 1d. Pure.
 */
#ifndef SYNKEEP_DURATION_H
#define SYNKEEP_DURATION_H

#include "base.h"

/* 0, or -EINVAL: something else, no unit, or longer than a __u64 of nanoseconds can hold. */
int duration_parse(const char *text, __u64 *ns);

#endif /* SYNKEEP_DURATION_H */
