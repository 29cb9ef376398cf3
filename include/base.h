/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ground both sides stand on: fixed-width types, byte order, inlining.
 *
 * Every header in include/ compiles alone, for the BPF target (__bpf__ is defined, types come from vmlinux/) and for
 * user space (types come from the kernel's UAPI headers). Nothing here has a side effect.
 */
#ifndef SYNKEEP_BASE_H
#define SYNKEEP_BASE_H

#ifdef __bpf__
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#ifndef NULL
#define NULL ((void *)0)
#endif
#else
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* Unrolls the loop that follows for the verifier's sake; elsewhere the compiler decides, for the count may vary. */
#ifdef __bpf__
#define UNROLL_LOOP _Pragma("clang loop unroll(full)")
#else
#define UNROLL_LOOP
#endif

/* Memory accesses are not moved across this by the compiler. */
#define compiler_barrier() __asm__ volatile("" ::: "memory")

/* The compiler forgets what it knows of an integer: a check behind this stays one, for the verifier to see. */
#define make_opaque(x) __asm__ volatile("" : "+r"(x))

#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL

/* Address families, as AF_INET and AF_INET6 have them; the BPF side has no <sys/socket.h>. */
#define FAMILY_IPV4 2
#define FAMILY_IPV6 10

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define swap_if_little16(x) __builtin_bswap16(x)
#define swap_if_little32(x) __builtin_bswap32(x)
#else
#define swap_if_little16(x) (x)
#define swap_if_little32(x) (x)
#endif

static __always_inline __u16 host16(__be16 net)
{
	return swap_if_little16((__u16)net);
}

static __always_inline __u32 host32(__be32 net)
{
	return swap_if_little32((__u32)net);
}

static __always_inline __be16 net16(__u16 host)
{
	return (__be16)swap_if_little16(host);
}

static __always_inline __be32 net32(__u32 host)
{
	return (__be32)swap_if_little32(host);
}

/* Big-endian reads and writes at any alignment. */
static __always_inline __u16 get_be16(const __u8 *p)
{
	return (__u16)(p[0] << 8 | p[1]);
}

static __always_inline __u32 get_be32(const __u8 *p)
{
	return (__u32)p[0] << 24 | (__u32)p[1] << 16 | (__u32)p[2] << 8 | p[3];
}

#endif /* SYNKEEP_BASE_H */
