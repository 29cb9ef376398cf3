/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How people write a size: a whole number of bytes, or of k, M or G of them, which are powers of 1024. Pure.
 */
#ifndef SYNKEEP_SIZE_H
#define SYNKEEP_SIZE_H

#include "base.h"

/* 0, or -EINVAL: something else, or more than a __u64 can hold. */
int size_parse(const char *text, __u64 *bytes);

#endif /* SYNKEEP_SIZE_H */
