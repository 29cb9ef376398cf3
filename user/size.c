/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading sizes. See size.h; format.h writes them.
 */
#include "size.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int size_parse(const char *text, __u64 *bytes)
{
	static const char *const units[] = { "", "k", "M", "G" };
	unsigned long long count;
	char *end;

	if (text[0] < '0' || text[0] > '9') /* strtoull() would take signs and blanks */
		return -EINVAL;
	errno = 0;
	count = strtoull(text, &end, 10);
	for (size_t i = 0; i < ARRAY_LEN(units) && !errno; i++) {
		if (!strcmp(end, units[i]))
			return __builtin_mul_overflow((__u64)count, 1ULL << 10 * i, bytes) ? -EINVAL : 0;
	}
	return -EINVAL;
}
