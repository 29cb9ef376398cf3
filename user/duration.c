/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reading and writing spans of time. See duration.h; format.h writes them shorter, for people only.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "duration.h"

static const struct {
	const char *name;
	__u64 ns;
} units[] = {
	{ "ms", NSEC_PER_MSEC },	   { "s", NSEC_PER_SEC },
	{ "m", 60 * NSEC_PER_SEC },	   { "h", 60 * 60 * NSEC_PER_SEC },
	{ "d", 24 * 3600 * NSEC_PER_SEC },
};

static __u64 unit_ns(const char *unit)
{
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		if (!strcmp(unit, units[i].name))
			return units[i].ns;
	}
	return 0;
}

int duration_parse(const char *text, __u64 *ns)
{
	unsigned long long count;
	__u64 unit;
	char *end;

	if (text[0] < '0' || text[0] > '9') /* strtoull() would take signs and blanks */
		return -EINVAL;
	errno = 0;
	count = strtoull(text, &end, 10);
	unit = unit_ns(end);
	if (errno || !unit || __builtin_mul_overflow((__u64)count, unit, ns))
		return -EINVAL;
	return 0;
}

int duration_parse_within(const char *text, __u64 least_ns, __u64 most_ns, __u64 *ns)
{
	int err = duration_parse(text, ns);

	return err ? err : *ns < least_ns || *ns > most_ns ? -EINVAL : 0;
}

char *duration_format(char buffer[DURATION_BYTES], __u64 ns)
{
	size_t unit = ARRAY_LEN(units) - 1;

	while (unit && ns % units[unit].ns)
		unit--;
	snprintf(buffer, DURATION_BYTES, "%llu%s", ns / units[unit].ns, units[unit].name);
	return buffer;
}
