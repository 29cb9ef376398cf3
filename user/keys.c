/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Changing the cookies' keys. See keys.h.
 */
#include "clocks.h"
#include "journal_write.h"
#include "keys.h"

static bool is_same(const struct siphash_key *a, const struct siphash_key *b)
{
	return a->k0 == b->k0 && a->k1 == b->k1;
}

void keys_begin(struct cookie_keys *keys, const struct siphash_key *key, __u32 epoch)
{
	keys->master = keys->former = *key;
	keys->from_epoch = epoch;
}

__u64 keys_busy_ns(const struct cookie_keys *keys, __u64 time_ns)
{
	/* The epoch after the first of the new key is the first in which no cookie of the former is good. */
	__u64 free_ns = (keys->from_epoch + 1ULL) * COOKIE_EPOCH_NS + COOKIE_SKEW_NS;

	return is_same(&keys->master, &keys->former) || time_ns >= free_ns ? 0 : free_ns - time_ns;
}

void keys_rotate(struct cookie_keys *keys, const struct siphash_key *fresh, __u64 time_ns, __u64 delay_ns)
{
	keys->former = keys->master;
	keys->master = *fresh;
	keys->from_epoch = cookie_epoch(time_ns + delay_ns + COOKIE_SKEW_NS) + 1;
}

bool keys_agree(const struct cookie_keys *a, const struct cookie_keys *b, __u64 time_ns)
{
	__u32 epoch = cookie_epoch(time_ns);

	for (__u32 good = epoch - 1; good != epoch + 2; good++) {
		if (!is_same(cookie_master(a, good), cookie_master(b, good)))
			return false;
	}
	return true;
}

/*
 * A program may read the keys while they are written. So they are written under the generation that was, and then it is
 * raised: what was derived from half a key is derived again, within a jiffy, and who reads the new generation finds all
 * of them.
 */
int keys_write(struct device *device, const struct cookie_keys *keys, bool shared)
{
	const struct journal_event event = { .kind = JOURNAL_KEY_CHANGED, .value = keys->from_epoch };
	__u32 generation = device->config.keys.generation;
	int err;

	device->config.keys = *keys;
	device->config.keys.generation = generation;
	device->config.key_is_shared = shared;
	err = device_config_write(device);
	if (err)
		return err;
	device->config.keys.generation = generation + 1;
	err = device_config_write(device);
	return err ? err : journal_write(device, &event);
}
