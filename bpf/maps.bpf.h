/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The maps. All but the globals are pinned by their names; user space sizes flows, tw and xsks at load.
 *
 * flows4 and flows6 hold live connections of verified peers: preallocated hashes, from which nothing is ever evicted.
 * half4 and half6, tw4 and tw6, source_accounts are LRU hashes: when one is full, its oldest record goes, and no
 * handshake fails.
 */
#ifndef SYNKEEP_MAPS_BPF_H
#define SYNKEEP_MAPS_BPF_H

#include "ageing.h"
#include "config.h"
#include "journal.h"
#include "monitor.h"
#include "source_limit.h"
#include "source_list.h"
#include "watch.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct config);
} config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SYNKEEP_SERVICES_MAX);
	__type(key, struct service_key);
	__type(value, struct service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, __u8); /* enum port_kind */
} ports SEC(".maps");

/* Of each service, by its number: whether it is calm. The daemon maps it, and says what its TCP has completed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SYNKEEP_SERVICES_MAX);
	__type(key, __u32);
	__type(value, struct sentry);
} sentries SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct journal);
} journal SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, VERDICT_COUNT);
	__type(key, __u32);
	__type(value, struct verdict_counter);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_clock);
} clocks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2 * BUDGET_COUNT);
	__type(key, __u32);
	__type(value, struct budget);
} budgets SEC(".maps");

/* An element for each service with policy monitor, made and deleted by the command line. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, SYNKEEP_SERVICES_MAX);
	__type(key, struct service_key);
	__type(value, struct monitored);
} monitored SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SYNKEEP_FLOWS_DEFAULT);
	__type(key, struct flow4_key);
	__type(value, struct flow);
} flows4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, SYNKEEP_FLOWS_DEFAULT);
	__type(key, struct flow6_key);
	__type(value, struct flow);
} flows6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SYNKEEP_HALF_OPEN_MAX);
	__type(key, struct flow4_key);
	__type(value, struct half_open);
} half4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SYNKEEP_HALF_OPEN_MAX);
	__type(key, struct flow6_key);
	__type(value, struct half_open);
} half6 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SYNKEEP_FLOWS_DEFAULT);
	__type(key, struct flow4_key);
	__type(value, struct ended);
} tw4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SYNKEEP_FLOWS_DEFAULT);
	__type(key, struct flow6_key);
	__type(value, struct ended);
} tw6 SEC(".maps");

/* Verified sources of services that limit them: the oldest goes when there is no more room, and begins anew. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, SOURCE_LIMIT_ACCOUNTS);
	__type(key, struct source_account_key);
	__type(value, struct source_account);
} source_accounts SEC(".maps");

/* What the daemon asks when it ages records, and is told: one daemon at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct agenda);
} agenda SEC(".maps");

/* The daemon's AF_XDP sockets, by receive queue; as many as the device has. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} xsks SEC(".maps");

/* Who watches, until when. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct watch);
} watch SEC(".maps");

/* Each watcher's ring buffer, by slot; a slow one loses its own events alone. Watchers choose their rings' sizes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, WATCHERS_MAX);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_RINGBUF);
			__uint(max_entries, 4096);
		});
} watchers SEC(".maps");

/* The list of sources, made and put in place by the command line; no element: nothing is listed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LPM_TRIE);
			__uint(map_flags, BPF_F_NO_PREALLOC);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct source_key));
			__uint(value_size, sizeof(struct source_entry));
		});
} source_lists SEC(".maps");

/* Bits of it are set before a prefix comes into the list, and cleared by the command line alone. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SOURCE_FILTER_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} source_filter SEC(".maps");

/* NULL while the load is under way: the key may still be zeros, and cookies by that one anybody could make. */
static __always_inline struct config *config_get(void)
{
	__u32 zero = 0;
	struct config *conf = bpf_map_lookup_elem(&config, &zero);

	return conf && conf->phase != DEVICE_LOADING ? conf : NULL;
}

#endif /* SYNKEEP_MAPS_BPF_H */
