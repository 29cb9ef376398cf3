/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Connections that a measurement puts into flows4, numbered from 0: each has a peer of its own, from 100.64.0.0/10
 * (RFC 6598), where no flood comes from. The fill tool writes their records; tests/bench/cost.bpf.c draws segments of
 * them. Whoever knows the number knows the peer, so nothing of them need be remembered.
 */
#ifndef SYNKEEP_TESTS_POPULATION_H
#define SYNKEEP_TESTS_POPULATION_H

#include "flow.h"

#define POPULATION_MAX (1U << 22)
#define POPULATION_FIRST_REMOTE 0x64400000U

/* The same in every record: both ends have sent their SYN and no more. */
#define POPULATION_IRS 0x20000000U
#define POPULATION_ISS 0x60000000U

#define POPULATION_WSCALE 14 /* windows of 2^30 bytes: a segment of any number below that is in them */
#define POPULATION_TSVAL 1000000U

static __always_inline __be32 population_remote(__u32 number)
{
	return net32(POPULATION_FIRST_REMOTE + number);
}

/* An ephemeral port, 32768 to 49151. */
static __always_inline __u16 population_remote_port(__u32 number)
{
	return (__u16)(0x8000 | number * 0x9e3779b1U >> 18);
}

#endif /* SYNKEEP_TESTS_POPULATION_H */
