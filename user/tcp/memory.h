/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Accounts of memory: how much buffers and connections may take, of each service and in all.
 *
 * An account belongs to another that is charged with it. A charge that does not fit changes nothing: what is refused is
 * the new, never what is there already.
 */
#ifndef SYNKEEP_TCP_MEMORY_H
#define SYNKEEP_TCP_MEMORY_H

#include "base.h"

struct memory_account {
	__u64 used_bytes;
	__u64 limit_bytes;
	struct memory_account *parent; /* NULL: the account of all */
};

static inline bool memory_charge(struct memory_account *account, __u64 bytes)
{
	for (struct memory_account *a = account; a; a = a->parent) {
		if (a->used_bytes + bytes > a->limit_bytes)
			return false;
	}
	for (struct memory_account *a = account; a; a = a->parent)
		a->used_bytes += bytes;
	return true;
}

static inline void memory_release(struct memory_account *account, __u64 bytes)
{
	for (struct memory_account *a = account; a; a = a->parent)
		a->used_bytes -= bytes;
}

/* Whether so many bytes more leave an account, or one above it, so full that offered windows shrink: seven eighths. */
static inline bool memory_would_be_short(const struct memory_account *account, __u64 bytes)
{
	for (const struct memory_account *a = account; a; a = a->parent) {
		if (a->used_bytes + bytes > a->limit_bytes - a->limit_bytes / 8)
			return true;
	}
	return false;
}

static inline bool memory_is_short(const struct memory_account *account)
{
	return memory_would_be_short(account, 0);
}

#endif /* SYNKEEP_TCP_MEMORY_H */
