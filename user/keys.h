/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changing the cookies' keys: when a new one may begin, and how the programs are told.
 */
#ifndef SYNKEEP_KEYS_H
#define SYNKEEP_KEYS_H

#include "device.h"

/* One key for all epochs, since this one. */
void keys_begin(struct cookie_keys *keys, const struct siphash_key *key, __u32 epoch);

/*
 * How long the former key is still needed: a rotation before that would make void what was sent under it, or a rotation
 * that has not begun yet. 0: not any more. time_ns: the cookies', as everywhere here.
 */
__u64 keys_busy_ns(const struct cookie_keys *keys, __u64 time_ns);

/*
 * The key becomes the former one, and fresh begins with the next epoch that no machine with the key can be in before
 * delay_ns has passed, be it ahead by COOKIE_SKEW_NS. Nothing that was sent is lost if keys_busy_ns() is 0.
 */
void keys_rotate(struct cookie_keys *keys, const struct siphash_key *fresh, __u64 time_ns, __u64 delay_ns);

/* Whether every cookie that can be good at this time is good under both, or under neither. */
bool keys_agree(const struct cookie_keys *a, const struct cookie_keys *b, __u64 time_ns);

/*
 * Gives the device these keys, and notes that in its journal. The caller holds the lock of its pins and has read its
 * config under it. 0 or -errno.
 */
int keys_write(struct device *device, const struct cookie_keys *keys, bool shared);

#endif /* SYNKEEP_KEYS_H */
