/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sequence-number arithmetic, modulo 2^32 (RFC 9293, 3.4, SEQ-WRAP).
 *
 * Two numbers compare by the sign of their difference, which is right while they are less than 2^31 apart: TCP's
 * windows are at most 2^30 (RFC 7323, 2.3).
 */
#ifndef SYNKEEP_SEQ_H
#define SYNKEEP_SEQ_H

#include "base.h"

static __always_inline bool seq_before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline bool seq_after(__u32 a, __u32 b)
{
	return seq_before(b, a);
}

static __always_inline __u32 seq_max(__u32 a, __u32 b)
{
	return seq_before(a, b) ? b : a;
}

#endif /* SYNKEEP_SEQ_H */
