/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every unit test needs: cmocka with the headers that it asks for, reproducible numbers and two tuples.
 *
 * Tests need no root and read no clock: time is an argument everywhere.
 */
#ifndef SYNKEEP_UNIT_H
#define SYNKEEP_UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "flow.h"

/* The next of a fixed series of well mixed numbers (an LCG's upper half): the same in every run. */
static inline __u32 unit_random(__u64 *series)
{
	*series = *series * 6364136223846793005ULL + 1442695040888963407ULL;
	return (__u32)(*series >> 32);
}

static inline struct tuple unit_tuple(__u8 family)
{
	struct tuple t = { .remote_port = 40000, .local_port = 443, .family = family };

	if (family == FAMILY_IPV4) {
		t.remote[0] = net32(0xc6336407); /* 198.51.100.7 */
		t.local[0] = net32(0xcb007105);	 /* 203.0.113.5 */
		return t;
	}
	t.remote[0] = t.local[0] = net32(0x20010db8);
	t.remote[1] = net32(0x000a000b);
	t.remote[3] = net32(7);
	t.local[2] = net32(0x000c000d);
	t.local[3] = net32(5);
	return t;
}

#endif /* SYNKEEP_UNIT_H */
